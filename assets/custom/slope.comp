// Example of the operator custom: y = A x, the slope along each row times a number of the file "data": y[j] = g (x[j+1] - x[j]),
// 0 in the last column. slope_adjoint.comp is its adjoint. Use:
//     "operator": {"type": "custom", "apply": "slope.comp", "adjoint": "slope_adjoint.comp", "data": "gain.npy"}
#version 450
layout(local_size_x_id = 0) in; // the device's choice
layout(std430, set = 0, binding = 0) readonly buffer From { float x[]; };
layout(std430, set = 0, binding = 1) writeonly buffer To { float y[]; };
layout(std430, set = 0, binding = 2) readonly buffer Data { float g[]; };
layout(push_constant) uniform Push {
    uint n;                       // images in the batch
    uint from_count, to_count;    // elements of one that is read, of one that is written
    uint channels, height, width; // of the image
} p;

void main() {
    uint i = gl_GlobalInvocationID.x + gl_GlobalInvocationID.y * gl_NumWorkGroups.x * gl_WorkGroupSize.x;
    if (i >= p.n * p.to_count) return;
    y[i] = i % p.width + 1u < p.width ? g[0] * (x[i + 1u] - x[i]) : 0.0;
}

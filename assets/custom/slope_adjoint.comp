// The adjoint of slope.comp: x = A^T y, x[j] = g (y[j-1] - y[j]) without the last column's y.
#version 450
layout(local_size_x_id = 0) in;
layout(std430, set = 0, binding = 0) readonly buffer From { float y[]; };
layout(std430, set = 0, binding = 1) writeonly buffer To { float x[]; };
layout(std430, set = 0, binding = 2) readonly buffer Data { float g[]; };
layout(push_constant) uniform Push { uint n, from_count, to_count, channels, height, width; } p;

void main() {
    uint i = gl_GlobalInvocationID.x + gl_GlobalInvocationID.y * gl_NumWorkGroups.x * gl_WorkGroupSize.x;
    if (i >= p.n * p.to_count) return;
    uint j = i % p.width;
    float before = j > 0u ? y[i - 1u] : 0.0, here = j + 1u < p.width ? y[i] : 0.0;
    x[i] = g[0] * (before - here);
}

// From the sum of squares s of all gradients: norm = gscale sqrt(s), and the factor min(1, max_norm / (norm + 1e-6)) that limits
// it, into the step state. One invocation.
#version 450
#extension GL_GOOGLE_include_directive : require
#include "lib/index.glsl"
#include "ops/clip.h"

layout(local_size_x_id = 0) in;
layout(set = 0, binding = 0, std430) readonly buffer sum_block { float sum[]; };
layout(set = 0, binding = 1, std430) buffer state_block { uint state[]; }; // uint: its counters must stay as they are

void main() {
    if (pnb_linear_id() != 0u) return;
    float norm = p.gscale * sqrt(sum[0]);
    float factor = p.max_norm > 0.0 ? min(1.0, p.max_norm / (norm + 1e-6)) : 1.0;
    state[p.index] = floatBitsToUint(factor);
    state[p.index + 1u] = floatBitsToUint(norm);
}

// y[r, k] = scale * sum of f(x) over chunk k of row r; f(x) = x, or x*x. LANES invocations share a chunk; each sums every
// LANES-th unit, then a binary tree over the invocations: a fixed order, the same for every row.
#version 450
#extension GL_GOOGLE_include_directive : require
//! variant texel PNB_TEXEL=1
#include "lib/reduce.glsl"
#include "lib/vec4.glsl"
#include "ops/reduce.h"

layout(local_size_x_id = 0) in;
layout(constant_id = 1) const uint LANES = 1;
layout(constant_id = 2) const bool VEC = true; // length is a multiple of 4
layout(constant_id = 3) const bool SQUARE = false;
PNB_IN(0, x)
PNB_OUT(1, y)

void main() {
    uint item = pnb_linear_group() * (gl_WorkGroupSize.x / LANES) + gl_LocalInvocationID.x / LANES;
    uint lane = gl_LocalInvocationID.x % LANES;
    vec4 sum = vec4(0.0);
    bool live = item < p.rows * p.chunks;
    if (live) {
        uint row = item / p.chunks, begin = (item - row * p.chunks) * p.chunk_length;
        uint end = min(begin + p.chunk_length, p.len);
        if (VEC) {
            uint base = row * (p.len / 4u);
            for (uint j = begin / 4u + lane; j < end / 4u; j += LANES) {
                vec4 v = x4(base + j);
                sum += SQUARE ? v * v : v;
            }
        } else {
            uint base = row * p.len;
            for (uint j = begin + lane; j < end; j += LANES) {
                float v = x1(base + j);
                sum.x += SQUARE ? v * v : v;
            }
        }
    }
    float total = pnb_lanes_sum(vec2(pnb_sum4(sum), 0.0), LANES).x;
    if (live && lane == 0u) y1_set(item, p.scale * total);
}

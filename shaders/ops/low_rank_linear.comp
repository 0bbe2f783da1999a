// The low-rank part of a linear layer in one dispatch: z = x Down^T, y = old + scale z Up^T, in rows of y from begin4 on.
// x [rows,channels], Down [ranks,channels], Up [outputs,ranks]; z is kept for the gradient of Up.
//
// A workgroup makes the z of its rows, shares it, and adds to the rows of y. Such layers are tiny (the embedding of time): it is
// the number of dispatches that costs.
//
// Numerics: fp32; four partial sums over the channels, ranks in order.
#version 450
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : require
//! variant texel PNB_TEXEL=1
#include "lib/vec4.glsl"
#include "ops/low_rank_linear.h"

layout(local_size_x_id = 0) in;
PNB_IN(0, x)
PNB_IN(1, down)
PNB_IN(2, up)
PNB_IN(3, old)
PNB_OUT(4, y)
PNB_OUT(5, z)

shared float low[PNB_LOW_RANK_ROWS * PNB_LOW_RANK_RANKS];

void main() {
    const uint first = gl_WorkGroupID.x * PNB_LOW_RANK_ROWS, rows = min(p.rows - first, uint(PNB_LOW_RANK_ROWS));
    const uint c4 = p.channels / 4u, r4 = p.ranks / 4u, o4 = p.outputs / 4u;
    for (uint i = gl_LocalInvocationID.x; i < rows * p.ranks; i += gl_WorkGroupSize.x) {
        const uint m = first + i / p.ranks, r = i % p.ranks;
        vec4 sum = vec4(0.0);
        for (uint c = 0u; c < c4; c++) sum += x4(m * c4 + c) * down4(r * c4 + c);
        low[i] = (sum.x + sum.y) + (sum.z + sum.w);
        z1_set(first * p.ranks + i, low[i]);
    }
    barrier();
    for (uint i = gl_LocalInvocationID.x; i < rows * o4; i += gl_WorkGroupSize.x) {
        const uint m = i / o4, o = i % o4, at = p.begin4 + first * o4 + i;
        vec4 sum = vec4(0.0);
        for (uint q = 0u; q < r4; q++) {
            const uint k = m * p.ranks + 4u * q;
            const vec4 v = vec4(low[k], low[k + 1u], low[k + 2u], low[k + 3u]);
            [[unroll]] for (uint e = 0u; e < 4u; e++) sum[e] += dot(up4((4u * o + e) * r4 + q), v);
        }
        y4_set(at, old4(at) + p.scale * sum);
    }
}

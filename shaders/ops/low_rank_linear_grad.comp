// Gradients of low_rank_linear.comp in one dispatch, from gy [rows,outputs]:
//     gz = scale gy Up     gUp = scale gy^T z     gDown = gz^T x
// (the gradient of x is gz Down). Each workgroup makes all of gz for itself, shares it, and takes its part of the weights.
//
// Numerics: fp32, outputs and rows in order.
#version 450
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : require
//! variant texel PNB_TEXEL=1
#include "lib/vec4.glsl"
#include "ops/low_rank_linear.h"

layout(local_size_x_id = 0) in;
layout(constant_id = 1) const int SHARED = PNB_LOW_RANK_SHARED; // at least rows * ranks
PNB_IN(0, gy)
PNB_IN(1, x)
PNB_IN(2, up)
PNB_IN(3, z)
PNB_OUT(4, gdown)
PNB_OUT(5, gup)
PNB_OUT(6, gz)

shared float low[SHARED];

void main() {
    const uint c4 = p.channels / 4u, r4 = p.ranks / 4u, o4 = p.outputs / 4u;
    for (uint i = gl_LocalInvocationID.x; i < p.rows * r4; i += gl_WorkGroupSize.x) {
        const uint m = i / r4, q = i % r4;
        vec4 sum = vec4(0.0);
        for (uint o = 0u; o < o4; o++) {
            const vec4 g = gy4(m * o4 + o);
            [[unroll]] for (uint e = 0u; e < 4u; e++) sum += g[e] * up4((4u * o + e) * r4 + q);
        }
        sum *= p.scale;
        [[unroll]] for (uint e = 0u; e < 4u; e++) low[4u * i + e] = sum[e];
        if (gl_WorkGroupID.x == 0u) gz4_set(i, sum);
    }
    barrier();
    const uint of_up = p.outputs * r4, count = of_up + p.ranks * c4;
    for (uint i = gl_WorkGroupID.x * gl_WorkGroupSize.x + gl_LocalInvocationID.x; i < count; i += gl_NumWorkGroups.x * gl_WorkGroupSize.x) {
        vec4 sum = vec4(0.0);
        if (i < of_up) {
            const uint o = i / r4, q = i % r4;
            for (uint m = 0u; m < p.rows; m++) sum += gy1(m * p.outputs + o) * z4(m * r4 + q);
            gup4_set(i, p.scale * sum);
        } else {
            const uint k = i - of_up, r = k / c4, c = k % c4;
            for (uint m = 0u; m < p.rows; m++) sum += low[m * p.ranks + r] * x4(m * c4 + c);
            gdown4_set(k, sum);
        }
    }
}

// First step of group norm's backward pass: for each channel of each sample, P = (sum gv, sum gv xh) over its pixels, where
// gv = gy silu'(v), or gy. All other gradients follow from P:
//   gshift = P.x;  gscale = gamma P.y + beta P.x;  gbeta = sum_n (1+scale) P.x;  ggamma = sum_n (1+scale) P.y
// The first two are written here too. sums holds (P, A P): the second pair is what means over the group are made of. LANES invocations share a channel; fixed order.
#version 450
#extension GL_GOOGLE_include_directive : require
//! variant texel PNB_TEXEL=1
#include "lib/math.glsl"
#include "lib/reduce.glsl"
#include "lib/vec4.glsl"
#include "ops/group_norm.glsl"

layout(local_size_x_id = 0) in;
layout(constant_id = 1) const bool VEC = true; // pixels is a multiple of 4
layout(constant_id = 2) const bool SILU = false;
layout(constant_id = 3) const bool SCALE_SHIFT = false;
layout(constant_id = 4) const uint LANES = 1;
PNB_IN(0, x)
PNB_IN(1, gy)
PNB_BUFFER(2, stats)
PNB_BUFFER(3, gamma)
PNB_BUFFER(4, beta)
PNB_BUFFER(5, scale_shift)
PNB_OUT(6, sums)
PNB_OUT(7, gss)
PNB_GROUP_NORM_GAIN

void main() {
    uint row = pnb_linear_group() * (gl_WorkGroupSize.x / LANES) + gl_LocalInvocationID.x / LANES;
    uint lane = gl_LocalInvocationID.x % LANES;
    uint n = row / p.channels, c = row - n * p.channels;
    bool live = row < p.batch * p.channels;
    uint units = VEC ? p.pixels / 4u : p.pixels;
    vec4 a = vec4(0.0), b = vec4(0.0);
    if (live) {
        vec4 s = stats4(group_of(row));
        vec2 gain = gain_of(n, c);
        for (uint j = lane; j < units; j += LANES) {
            vec4 x = VEC ? x4(row * units + j) : vec4(x1(row * units + j));
            vec4 g = VEC ? gy4(row * units + j) : vec4(gy1(row * units + j), 0.0, 0.0, 0.0);
            vec4 xh = ((x - s.x) - s.y) * s.z;
            if (SILU) g *= pnb_silu_slope(xh * gain.x + gain.y);
            a += g;
            b += g * xh;
        }
    }
    vec2 total = pnb_lanes_sum(vec2(pnb_sum4(a), pnb_sum4(b)), LANES);
    if (!live || lane != 0u) return;
    sums4_set(row, vec4(total, gain_of(n, c).x * total));
    if (SCALE_SHIFT) {
        gss1_set(2u * n * p.channels + c, gamma1(c) * total.y + beta1(c) * total.x);
        gss1_set((2u * n + 1u) * p.channels + c, total.x);
    }
}

// Input gradient of group norm. With gxh = gv A (gv = gy silu'(v), or gy) and means over the group,
//   gx = rstd (gxh - mean(gxh) - xh mean(gxh xh)) = gv (A rstd) - m1 rstd - xh m2 rstd.
// v is computed again from x: nothing but x and the statistics is kept from the forward pass. gx may be gy.
#version 450
#extension GL_GOOGLE_include_directive : require
//! variant texel PNB_TEXEL=1
#include "lib/math.glsl"
#include "lib/vec4.glsl"
#include "ops/group_norm.glsl"

layout(local_size_x_id = 0) in;
layout(constant_id = 1) const bool VEC = true; // pixels is a multiple of 4
layout(constant_id = 2) const bool SILU = false;
layout(constant_id = 3) const bool SCALE_SHIFT = false;
PNB_IN(0, x)
PNB_IN(1, gy)
PNB_BUFFER(2, stats)
PNB_BUFFER(3, gamma)
PNB_BUFFER(4, beta)
PNB_BUFFER(5, scale_shift)
PNB_BUFFER(6, means)
PNB_OUT(7, gx)

void main() {
    uint units = VEC ? p.pixels / 4u : p.pixels;
    PNB_EACH(item, p.batch * p.channels * p.segments) {
        uint row = item / p.segments, n = row / p.channels, c = row - n * p.channels;
        vec4 s = stats4(group_of(row)), m = means4(row);
        float gain = 0.0, shift = 0.0;
        if (SILU) {
            gain = gamma1(c);
            shift = beta1(c);
            if (SCALE_SHIFT) {
                float k = 1.0 + scale_shift1(2u * n * p.channels + c);
                gain *= k;
                shift = shift * k + scale_shift1((2u * n + 1u) * p.channels + c);
            }
        }
        for (uint j = item - row * p.segments; j < units; j += p.segments) {
            uint at = row * units + j;
            vec4 x = VEC ? x4(at) : vec4(x1(at)), g = VEC ? gy4(at) : vec4(gy1(at));
            vec4 xh = ((x - s.x) - s.y) * s.z;
            if (SILU) g *= pnb_silu_slope(xh * gain + shift);
            vec4 v = (g * m.x - m.y) - xh * m.z;
            if (VEC) gx4_set(at, v);
            else gx1_set(at, v.x);
        }
    }
}

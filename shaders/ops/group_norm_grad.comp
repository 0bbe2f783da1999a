// Input gradient of group norm. With gxh = gv A (gv = gy silu'(v), or gy) and means over the group,
//   gx = rstd (gxh - mean(gxh) - xh mean(gxh xh)),  mean(gxh) = sum_c A P.x / D,  mean(gxh xh) = sum_c A P.y / D
// with the channel sums P of group_norm_grad_sums.comp. v is computed again from x: nothing but x and the statistics is kept
// from the forward pass. With an ADDEND, another gradient of x, gx is the sum of both. gx may be gy, x or the addend.
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
layout(constant_id = 4) const bool ADDEND = false;
PNB_IN(0, x)
PNB_IN(1, gy)
PNB_BUFFER(2, stats)
PNB_BUFFER(3, gamma)
PNB_BUFFER(4, beta)
PNB_BUFFER(5, scale_shift)
PNB_BUFFER(6, sums)
PNB_OUT(7, gx)
PNB_IN(8, addend)
PNB_GROUP_NORM_GAIN

void main() {
    uint units = VEC ? p.pixels / 4u : p.pixels, width = p.channels / p.groups;
    PNB_EACH(item, p.batch * p.channels * p.segments) {
        uint row = item / p.segments, group = group_of(row), n = group / p.groups;
        vec4 s = stats4(group);
        vec2 gain = gain_of(n, row - n * p.channels), means = vec2(0.0);
        for (uint other = group * width; other < (group + 1u) * width; other++) means += sums4(other).zw;
        means *= s.z / float(width * p.pixels);
        for (uint j = item - row * p.segments; j < units; j += p.segments) {
            uint at = row * units + j;
            vec4 x = VEC ? x4(at) : vec4(x1(at)), g = VEC ? gy4(at) : vec4(gy1(at));
            vec4 xh = ((x - s.x) - s.y) * s.z;
            if (SILU) g *= pnb_silu_slope(xh * gain.x + gain.y);
            vec4 v = (g * (gain.x * s.z) - means.x) - xh * means.y;
            if (ADDEND) v += VEC ? addend4(at) : vec4(addend1(at));
            if (VEC) gx4_set(at, v);
            else gx1_set(at, v.x);
        }
    }
}

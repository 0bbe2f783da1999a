// y = silu((x - mean) rstd A + B), see group_norm.glsl; the statistics come from group_norm_stats.comp. y may be x.
// Several invocations share a channel, so that its five constants are looked up once for many pixels.
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
PNB_BUFFER(1, stats)
PNB_BUFFER(2, gamma)
PNB_BUFFER(3, beta)
PNB_BUFFER(4, scale_shift)
PNB_OUT(5, y)
PNB_GROUP_NORM_GAIN

void main() {
    uint units = VEC ? p.pixels / 4u : p.pixels;
    PNB_EACH(item, p.batch * p.channels * p.segments) {
        uint row = item / p.segments, n = row / p.channels;
        vec4 s = stats4(group_of(row));
        vec2 gain = gain_of(n, row - n * p.channels);
        gain.x *= s.z;
        for (uint j = item - row * p.segments; j < units; j += p.segments) {
            if (VEC) {
                vec4 v = ((x4(row * units + j) - s.x) - s.y) * gain.x + gain.y;
                if (SILU) v = pnb_silu(v);
                y4_set(row * units + j, v);
            } else {
                vec4 v = vec4(((x1(row * units + j) - s.x) - s.y) * gain.x + gain.y);
                if (SILU) v = pnb_silu(v);
                y1_set(row * units + j, v.x);
            }
        }
    }
}

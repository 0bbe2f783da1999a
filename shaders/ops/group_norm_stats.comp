// Statistics of the groups of group norm, two passes over the data in fp32.
//   pass 1  mean0 = sum x / D                     (D elements; its error of some 1e-6 of the offset does not matter:)
//   pass 2  e = x - mean0;  s1 = sum e;  s2 = sum e^2;  mean_low = s1 / D;  var = s2 / D - mean_low^2
// A group longer than one chunk is cut; the parts (mean0, mean_low, sum of squares about their mean, count) are put together by
// group_norm_merge.comp. LANES invocations share a part; fixed order, the same for every group.
// Limits: D < 2^31.
#version 450
#extension GL_GOOGLE_include_directive : require
//! variant texel PNB_TEXEL=1
#include "lib/reduce.glsl"
#include "lib/vec4.glsl"
#include "ops/group_norm.h"

layout(local_size_x_id = 0) in;
layout(constant_id = 1) const uint LANES = 1;
layout(constant_id = 2) const bool VEC = true; // D is a multiple of 4
PNB_IN(0, x)
PNB_OUT(1, stats)

void main() {
    uint item = pnb_linear_group() * (gl_WorkGroupSize.x / LANES) + gl_LocalInvocationID.x / LANES;
    uint lane = gl_LocalInvocationID.x % LANES;
    uint D = p.pixels * (p.channels / p.groups);
    bool live = item < p.batch * p.groups * p.chunks;
    uint group = item / p.chunks, part = item - group * p.chunks;
    uint begin = part * p.chunk_length, end = min(begin + p.chunk_length, D);
    float count = float(end - begin);
    const uint UNIT = VEC ? 4u : 1u;
    uint base = group * (D / UNIT) + begin / UNIT, units = live ? (end - begin) / UNIT : 0u;

    vec4 sum = vec4(0.0);
    for (uint j = lane; j < units; j += LANES) {
        if (VEC) sum += x4(base + j);
        else sum.x += x1(base + j);
    }
    float mean = pnb_lanes_sum(vec2(pnb_sum4(sum), 0.0), LANES).x / count;

    vec4 s1 = vec4(0.0), s2 = vec4(0.0);
    for (uint j = lane; j < units; j += LANES) {
        if (VEC) {
            vec4 e = x4(base + j) - mean;
            s1 += e;
            s2 += e * e;
        } else {
            float e = x1(base + j) - mean;
            s1.x += e;
            s2.x += e * e;
        }
    }
    vec2 sums = pnb_lanes_sum(vec2(pnb_sum4(s1), pnb_sum4(s2)), LANES);
    float low = sums.x / count;
    float squares = max(sums.y - sums.x * low, 0.0);
    if (!live || lane != 0u) return;
    if (p.chunks == 1u) stats4_set(item, vec4(mean, low, 1.0 / sqrt(squares / count + p.eps), 0.0));
    else stats4_set(item, vec4(mean, low, squares, count));
}

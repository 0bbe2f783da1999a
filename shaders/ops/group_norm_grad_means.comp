// Means over each group that group norm's input gradient needs, from the channel sums P and A = gamma (1 + scale):
//   m1 = sum_c A P.x / D,  m2 = sum_c A P.y / D;  written to each channel of the group as (A rstd, m1 rstd, m2 rstd, 0).
#version 450
#extension GL_GOOGLE_include_directive : require
#include "lib/vec4.glsl"
#include "ops/group_norm.glsl"

layout(local_size_x_id = 0) in;
layout(constant_id = 1) const bool SCALE_SHIFT = false;
PNB_BUFFER(0, sums)
PNB_BUFFER(1, stats)
PNB_BUFFER(2, gamma)
PNB_BUFFER(3, scale_shift)
PNB_OUT(4, means)

float gain_of(uint n, uint c) {
    return SCALE_SHIFT ? gamma1(c) * (1.0 + scale_shift1(2u * n * p.channels + c)) : gamma1(c);
}

void main() {
    uint width = p.channels / p.groups;
    PNB_EACH(group, p.batch * p.groups) {
        uint n = group / p.groups, first = (group - n * p.groups) * width;
        float rstd = stats4(group).z, m1 = 0.0, m2 = 0.0;
        for (uint c = first; c < first + width; c++) {
            float gain = gain_of(n, c);
            m1 += gain * sums1(2u * (n * p.channels + c));
            m2 += gain * sums1(2u * (n * p.channels + c) + 1u);
        }
        float weight = rstd / float(width * p.pixels);
        for (uint c = first; c < first + width; c++) {
            means4_set(n * p.channels + c, vec4(gain_of(n, c) * rstd, m1 * weight, m2 * weight, 0.0));
        }
    }
}

// Group norm in one dispatch, for devices where a few fat invocations do: LANES invocations take a whole group, make its
// statistics in one walk and the result in a second one. y may be x.
// Statistics: with e = x - origin (the mean of the group's first four values), blocks of BLOCK vec4s are summed about the mean
// so far and put together by Chan, Golub, LeVeque (1983); the lanes' results likewise. No difference of large sums is taken.
// LANES = 1 (many groups) needs no barrier. Limits: pixels % 4 = 0.
#version 450
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : require
//! variant texel PNB_TEXEL=1
#include "lib/math.glsl"
#include "lib/reduce.glsl"
#include "lib/vec4.glsl"
#include "ops/group_norm.glsl"

layout(local_size_x_id = 0) in;
layout(constant_id = 1) const uint LANES = 1;
layout(constant_id = 2) const uint UNROLL = 1; // LANES * UNROLL divides pixels/4
layout(constant_id = 3) const bool SILU = false;
layout(constant_id = 4) const bool SCALE_SHIFT = false;
PNB_IN(0, x)
PNB_BUFFER(1, gamma)
PNB_BUFFER(2, beta)
PNB_BUFFER(3, scale_shift)
PNB_OUT(4, y)
PNB_OUT(5, stats)
PNB_GROUP_NORM_GAIN

const uint BLOCK = 32u;

// (mean - origin, sum of squares about it, count) of this lane's share of `length` vec4s from `base`
vec3 walk(uint base, uint lane, uint length, float origin) {
    vec3 all = vec3(0.0);
    for (uint block = lane; block < length; block += BLOCK * LANES) {
        uint end = min(block + BLOCK * LANES, length);
        vec4 s1 = vec4(0.0), s2 = vec4(0.0);
        for (uint j = block; j < end; j += UNROLL * LANES) {
            [[unroll]] for (uint k = 0u; k < UNROLL; k++) {
                vec4 e = (x4(base + j + k * LANES) - origin) - all.x;
                s1 += e;
                s2 += e * e;
            }
        }
        float n = float(4u * ((end - block + LANES - 1u) / LANES)), total = all.z + n;
        float d = pnb_sum4(s1) / n; // of the block's mean from the mean so far
        float squares = max(pnb_sum4(s2) - n * d * d, 0.0);
        all = vec3(all.x + d * (n / total), all.y + squares + d * d * (all.z * n / total), total);
    }
    return all;
}

void main() {
    uint group = pnb_linear_id() / LANES, lane = pnb_linear_id() % LANES;
    bool live = group < p.batch * p.groups;
    if (LANES == 1u && !live) return;
    uint n = group / p.groups, width = p.channels / p.groups, first = (group - n * p.groups) * width, units = p.pixels / 4u;
    uint base = live ? group * width * units : 0u, length = live ? width * units : 0u;

    float origin = 0.25 * pnb_sum4(x4(base));
    vec3 part = walk(base, lane, length, origin);
    float mean = part.x, squares = part.y, count = float(4u * width * units);
    if (LANES > 1u) {
        mean = pnb_lanes_sum(vec2(part.x * part.z, 0.0), LANES).x / count;
        float d = part.x - mean;
        squares = pnb_lanes_sum(vec2(part.y + part.z * d * d, 0.0), LANES).x;
    }
    float rstd = 1.0 / sqrt(squares / count + p.eps);
    if (live && lane == 0u) stats4_set(group, vec4(origin, mean, rstd, 0.0));

    for (uint c = 0u; c < (live ? width : 0u); c++) {
        vec2 gain = gain_of(n, first + c);
        gain.x *= rstd;
        for (uint j = lane; j < units; j += UNROLL * LANES) {
            [[unroll]] for (uint k = 0u; k < UNROLL; k++) {
                uint at = base + c * units + j + k * LANES;
                vec4 v = ((x4(at) - origin) - mean) * gain.x + gain.y;
                y4_set(at, SILU ? pnb_silu(v) : v);
            }
        }
    }
}

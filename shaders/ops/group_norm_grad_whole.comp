// The whole backward pass of group norm in one dispatch, the counterpart of group_norm_whole.comp: LANES invocations take a
// group. First walk: the channel sums P (see group_norm_grad_sums.comp), from which the gradient of scale and shift follows;
// second walk: gx (see group_norm_grad.comp). silu' is computed in both: a store costs more. With an ADDEND,
// another gradient of x, gx is the sum of both. gx may be gy, x or the addend.
// Limits: pixels % 4 = 0.
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
layout(constant_id = 5) const bool ADDEND = false;
PNB_IN(0, x)
PNB_IN(1, gy)
PNB_BUFFER(2, stats)
PNB_BUFFER(3, gamma)
PNB_BUFFER(4, beta)
PNB_BUFFER(5, scale_shift)
PNB_OUT(6, gx)
PNB_OUT(7, sums)
PNB_OUT(8, gss)
PNB_IN(9, addend)
PNB_GROUP_NORM_GAIN

const uint BLOCK = 32u;

vec4 normal(uint at, vec4 s) { return ((x4(at) - s.x) - s.y) * s.z; }
vec4 slope(uint at, vec4 xh, vec2 gain) { return SILU ? gy4(at) * pnb_silu_slope(xh * gain.x + gain.y) : gy4(at); }

// This lane's share of (sum gv, sum gv xh) over `units` vec4s from `base`.
vec2 walk(uint base, uint start, uint lane, uint units, vec4 s, vec2 gain) {
    vec2 all = vec2(0.0);
    for (uint block = lane; block < units; block += BLOCK * LANES) {
        uint end = min(block + BLOCK * LANES, units);
        vec4 a = vec4(0.0), b = vec4(0.0);
        for (uint j = block; j < end; j += UNROLL * LANES) {
            [[unroll]] for (uint k = 0u; k < UNROLL; k++) {
                uint at = base + walk_at(j, start, units) + k * LANES;
                vec4 xh = normal(at, s), g = slope(at, xh, gain);
                a += g;
                b += g * xh;
            }
        }
        all += vec2(pnb_sum4(a), pnb_sum4(b));
    }
    return LANES > 1u ? pnb_lanes_sum(all, LANES) : all;
}

void main() {
    uint group = pnb_linear_id() / LANES, lane = pnb_linear_id() % LANES;
    bool live = group < p.batch * p.groups;
    if (LANES == 1u && !live) return;
    if (!live) group = 0u;
    uint n = group / p.groups, width = p.channels / p.groups, first = (group - n * p.groups) * width, end = first + width;
    uint units = p.pixels / 4u, base = group * width * units, start = LANES > 1u ? 0u : walk_start(group, units, UNROLL);
    vec4 s = stats4(group);

    vec2 means = vec2(0.0);
    for (uint c = first; c < end; c++) {
        vec2 gain = gain_of(n, c), P = walk(base + (c - first) * units, start, lane, live ? units : 0u, s, gain);
        means += gain.x * P;
        if (!live || lane != 0u) continue;
        sums4_set(n * p.channels + c, vec4(P, gain.x * P));
        if (SCALE_SHIFT) {
            gss1_set(2u * n * p.channels + c, gamma1(c) * P.y + beta1(c) * P.x);
            gss1_set((2u * n + 1u) * p.channels + c, P.x);
        }
    }
    if (!live) return;
    means *= s.z / float(4u * width * units);

    for (uint c = first; c < end; c++) {
        vec2 gain = gain_of(n, c);
        for (uint j = lane; j < units; j += UNROLL * LANES) {
            [[unroll]] for (uint k = 0u; k < UNROLL; k++) {
                uint at = base + (c - first) * units + walk_at(j, start, units) + k * LANES;
                vec4 xh = normal(at, s), g = slope(at, xh, gain);
                vec4 v = (g * (gain.x * s.z) - means.x) - xh * means.y;
                gx4_set(at, ADDEND ? v + addend4(at) : v);
            }
        }
    }
}

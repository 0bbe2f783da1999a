#version 450
#extension GL_GOOGLE_include_directive : require
// Draws a noise level for each sample from the window [fine, coarse] of log-SNR in the step state.
//
// t uniform in log-SNR: lambda* = fine - u (fine - coarse), t = the index whose cell holds lambda* (cells end half way between
// neighbours, and at the window's ends). Then the exact-KL weight in epsilon form is the constant W = (fine - coarse)/2
// (algorithms.md 2.4; reference ppm_toy2d.py, Schedule.draw). t uniform in its index: weight n w_t with w_t the cell's half width.
// u is stratified: the samples of a group get the strata in a random order (rank of a Philox word), jittered within.
// Outputs a sample: what the network receives for t, alpha, sigma, coef = 2 w alpha (turns J^T(eps_hat - eps) into the gradient), w.
#include "solve/draw_levels.h"
#include "solve/step_state_layout.h"
#include "lib/index.glsl"
#include "lib/philox.glsl"
layout(local_size_x_id = 0) in;
layout(std430, binding = 0) readonly buffer State { uint s[]; };
layout(std430, binding = 1) readonly buffer Table { vec4 table[]; }; // alpha, sigma, lambda, time
layout(std430, binding = 2) writeonly buffer T { float t_out[]; };
layout(std430, binding = 3) writeonly buffer A { float alpha_out[]; };
layout(std430, binding = 4) writeonly buffer S { float sigma_out[]; };
layout(std430, binding = 5) writeonly buffer C { float coef_out[]; };
layout(std430, binding = 6) writeonly buffer W { float w_out[]; };

float lambda_of(uint t) { return table[t].z; }

// Smallest index with lambda <= value (lambda falls with t).
uint index_below(float value) {
    uint lo = 0u, hi = p.table_size - 1u;
    while (lo < hi) {
        uint mid = (lo + hi) / 2u;
        if (lambda_of(mid) <= value) hi = mid; else lo = mid + 1u;
    }
    return lo;
}

// Index nearest in log-SNR.
uint index_near(float value) {
    uint t = index_below(value);
    if (t > 0u && lambda_of(t - 1u) - value < value - lambda_of(t)) t--;
    return t;
}

uvec4 words(uint i, uint draw) {
    return pnb_philox(uvec4(i, draw, p.stream, 0u), uvec2(p.seed_low, p.seed_high));
}

void main() {
    uint i = pnb_linear_id();
    if (i >= p.count) return;
    uint draw = s[PNB_STATE_DRAW];
    uint fine = index_near(uintBitsToFloat(s[PNB_STATE_ROW + PNB_ROW_LAMBDA_FINE]));
    uint coarse = max(index_near(uintBitsToFloat(s[PNB_STATE_ROW + PNB_ROW_LAMBDA_COARSE])), fine);
    uvec4 mine = words(i, draw);
    uint first = i / p.group * p.group, rank = 0u;
    for (uint j = first; j < min(first + p.group, p.count); j++) {
        uint key = words(j, draw).x;
        if (key < mine.x || (key == mine.x && j < i)) rank++;
    }
    float u = (float(rank) + float(mine.y >> 8) * 5.9604644775390625e-8) / float(min(p.group, p.count - first));
    uint t;
    if (p.uniform_t == 2u) t = fine;
    else if (p.uniform_t == 1u) t = min(fine + uint(u * float(coarse - fine + 1u)), coarse);
    else t = clamp(index_near(lambda_of(fine) - u * (lambda_of(fine) - lambda_of(coarse))), fine, coarse);
    float w = 1.0;
    if (p.constant == 0u) {
        if (p.uniform_t == 0u) w = 0.5 * (lambda_of(fine) - lambda_of(coarse));
        else {
            float above = t > fine ? 0.5 * (lambda_of(t - 1u) + lambda_of(t)) : lambda_of(t);
            float below = t < coarse ? 0.5 * (lambda_of(t) + lambda_of(t + 1u)) : lambda_of(t);
            w = 0.5 * (above - below) * float(coarse - fine + 1u);
        }
    }
    w *= p.weight;
    t_out[i] = table[t].w;
    alpha_out[i] = table[t].x;
    sigma_out[i] = table[t].y;
    coef_out[i] = 2.0 * w * table[t].x;
    w_out[i] = w;
}

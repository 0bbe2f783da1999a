#version 450
#extension GL_GOOGLE_include_directive : require
// Which particle each particle goes on as: source[i] = i, or its partner where that one's loss is less.
//
// Partners are drawn at each step: i and (c - i) mod K, c uniform in [0,K): a matching for every K, in which each pair meets
// with the same probability. The one of the larger loss is replaced with probability 1 - exp(-rate (loss_i - loss_j)).
#include "solve/exchange_push.h"
#include "solve/step_state_layout.h"
#include "lib/index.glsl"
#include "lib/philox.glsl"
#include "prior/exp_log.glsl"
layout(local_size_x_id = 0) in;
layout(std430, binding = 0) readonly buffer State { uint s[]; };
layout(std430, binding = 1) readonly buffer Loss { float loss[]; };
layout(std430, binding = 2) writeonly buffer Source { float source[]; };

// Element 0 of a step is c, element 1 + i the chance of the pair whose smaller number is i.
float uniform_of(uint element) {
    return pnb_uniform(pnb_philox(uvec4(element, s[PNB_STATE_DRAW], p.stream, 0u), uvec2(p.seed_low, p.seed_high)).x);
}

void main() {
    uint i = pnb_linear_id();
    if (i >= p.count) return;
    uint c = min(uint(uniform_of(0u) * float(p.count)), p.count - 1u), j = (c + p.count - i) % p.count;
    float rate = uintBitsToFloat(s[p.rate_index]), gap = loss[i] - loss[j];
    bool replaced = gap > 0.0 && uniform_of(1u + min(i, j)) < 1.0 - pnb_exp_negative(-rate * gap);
    source[i] = float(replaced ? j : i);
}

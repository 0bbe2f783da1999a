#version 450
#extension GL_GOOGLE_include_directive : require
// Advances the step state: one workgroup of one invocation. See step_state.h for the layout.
#include "solve/step_state_push.h"
layout(local_size_x_id = 0) in;
layout(std430, binding = 0) buffer State { uint s[]; }; // uint: counters must not pass through float registers as denormals
layout(std430, binding = 1) readonly buffer Table { uint table[]; };

float get(uint index) { return uintBitsToFloat(s[index]); }
void put(uint index, float value) { s[index] = floatBitsToUint(value); }

// Bias corrections of Adam by running products, so that no pow() of a driver is trusted.
void adam(uint lr, uint column, uint powers, float b1, float b2) {
    put(powers, get(powers) * b1);
    put(powers + 1u, get(powers + 1u) * b2);
    s[lr] = s[PNB_STATE_ROW + column];
    put(lr + 1u, 1.0 - get(powers));
    put(lr + 2u, 1.0 - get(powers + 1u));
}

void main() {
    if (gl_GlobalInvocationID.x != 0u) return;
    if ((p.flags & (PNB_ADVANCE_STEP | PNB_ADVANCE_PEEK)) != 0u) {
        uint row = min(s[PNB_STATE_STEP], p.rows - 1u);
        for (uint i = 0u; i < PNB_ROW_SIZE; i++) s[PNB_STATE_ROW + i] = table[row * PNB_ROW_SIZE + i];
    }
    if ((p.flags & PNB_ADVANCE_STEP) != 0u) s[PNB_STATE_STEP]++;
    if ((p.flags & PNB_ADVANCE_DRAW) != 0u) s[PNB_STATE_DRAW]++;
    if ((p.flags & PNB_ADVANCE_ADAM) != 0u) adam(PNB_STATE_LR, PNB_ROW_LR, PNB_STATE_POWERS, p.beta1, p.beta2);
    if ((p.flags & PNB_ADVANCE_AUX_ADAM) != 0u) {
        adam(PNB_STATE_AUX_LR, PNB_ROW_AUX_LR, PNB_STATE_POWERS + 2u, p.aux_beta1, p.aux_beta2);
    }
}

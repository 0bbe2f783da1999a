// The device's peak of multiply-adds: nothing but registers and arithmetic.
//
// Each invocation does p.count * PNB_PEAK_STEPS * PNB_PEAK_CHAINS multiply-adds, of two operations each:
// a[k] <- a[k + 2] a[k + 1] + shift. Neighbouring chains need each other, since a compiler that is free to do so puts the steps
// of one chain behind one another, where each waits for the last (a tenth of the peak on a software driver). With 0.2 the values
// go to 0.28, far from what a processor is slow at. Their sum is stored, so that none can be left out; the shift comes as a push
// constant, which no compiler knows.
#version 450
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : require
#include "gpu/peak.h"
#include "lib/index.glsl"

layout(set = 0, binding = 0, std430) writeonly buffer Y { float y[]; };

void main() {
    uint id = pnb_linear_id();
    float a[PNB_PEAK_CHAINS], sum = 0.0;
    [[unroll]] for (int k = 0; k < PNB_PEAK_CHAINS; k++) a[k] = 0.01 * float(k) + 0.001 * float(id & 63u);
    for (uint i = 0u; i < p.count; i++) {
        [[unroll]] for (int s = 0; s < PNB_PEAK_STEPS; s++) {
            [[unroll]] for (int k = 0; k < PNB_PEAK_CHAINS; k++) {
                a[k] = a[(k + 2) % PNB_PEAK_CHAINS] * a[(k + 1) % PNB_PEAK_CHAINS] + p.shift;
            }
        }
    }
    [[unroll]] for (int k = 0; k < PNB_PEAK_CHAINS; k++) sum += a[k];
    y[id] = sum;
}

// y = (ca ta[n]) a + (cb tb[n]) b, n the sample of an element; ta, tb and b may be absent (then bound to a and not read).
// y may be a or b.
#version 450
#extension GL_GOOGLE_include_directive : require
//! variant texel PNB_TEXEL=1
#include "lib/vec4.glsl"
#include "ops/axpby.h"

layout(local_size_x_id = 0) in;
layout(constant_id = 1) const bool HAS_TA = false;
layout(constant_id = 2) const bool HAS_TB = false;
layout(constant_id = 3) const bool HAS_B = true;
PNB_IN(0, a)
PNB_IN(1, b)
PNB_BUFFER(2, ta)
PNB_BUFFER(3, tb)
PNB_OUT(4, y)

float factor_a(uint n) { return HAS_TA ? p.ca * ta1(n) : p.ca; }
float factor_b(uint n) { return HAS_TB ? p.cb * tb1(n) : p.cb; }

void main() {
    const bool PER_SAMPLE = HAS_TA || HAS_TB;
    if (!PER_SAMPLE || p.inner % 4u == 0u) {
        uint n4 = p.count / 4u, rest = p.count - 4u * n4;
        PNB_EACH(i, n4) {
            uint n = PER_SAMPLE ? i / (p.inner / 4u) : 0u;
            vec4 y = factor_a(n) * a4(i);
            if (HAS_B) y += factor_b(n) * b4(i);
            y4_set(i, y);
        }
        uint id = pnb_linear_id(), at = 4u * n4 + id;
        if (id < rest) {
            float y = factor_a(0u) * a1(at);
            if (HAS_B) y += factor_b(0u) * b1(at);
            y1_set(at, y);
        }
        return;
    }
    PNB_EACH(i, p.count) {
        uint n = i / p.inner;
        float y = factor_a(n) * a1(i);
        if (HAS_B) y += factor_b(n) * b1(i);
        y1_set(i, y);
    }
}

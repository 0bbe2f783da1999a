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

vec4 combine4(float fa, float fb, uint i) {
    vec4 y = fa * a4(i);
    if (HAS_B) y += fb * b4(i);
    return y;
}

float combine1(float fa, float fb, uint i) {
    float y = fa * a1(i);
    if (HAS_B) y += fb * b1(i);
    return y;
}

// Samples of a whole number of vec4: the coefficients are looked up once for many.
void samples() {
    uint units = p.inner / 4u;
    PNB_EACH(item, p.count / p.inner * p.segments) {
        uint n = item / p.segments;
        float fa = factor_a(n), fb = factor_b(n);
        for (uint j = item - n * p.segments; j < units; j += p.segments) y4_set(n * units + j, combine4(fa, fb, n * units + j));
    }
}

void main() {
    const bool PER_SAMPLE = HAS_TA || HAS_TB;
    if (PER_SAMPLE && p.inner % 4u == 0u) {
        samples();
    } else if (PER_SAMPLE) {
        PNB_EACH(i, p.count) { y1_set(i, combine1(factor_a(i / p.inner), factor_b(i / p.inner), i)); }
    } else {
        uint n4 = p.count / 4u, rest = p.count - 4u * n4;
        PNB_EACH(i, n4) { y4_set(i, combine4(p.ca, p.cb, i)); }
        uint id = pnb_linear_id(), at = 4u * n4 + id;
        if (id < rest) y1_set(at, combine1(p.ca, p.cb, at));
    }
}

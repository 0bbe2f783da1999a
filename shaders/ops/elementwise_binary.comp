// y = a o b; b has a's shape, or one value a sample (elements of a sample: p.inner), or one value. y may be a or an equal-shaped b.
#version 450
#extension GL_GOOGLE_include_directive : require
//! variant texel PNB_TEXEL=1
//! variant texel_rows PNB_TEXEL=1 PNB_B_BUFFER=1
#include "lib/vec4.glsl"
#include "ops/elementwise.h"

layout(local_size_x_id = 0) in;
layout(constant_id = 1) const uint KIND = 0;
layout(constant_id = 2) const uint OPERAND = PNB_OPERAND_SAME;
PNB_IN(0, a)
#ifdef PNB_B_BUFFER
PNB_BUFFER(1, b)
#else
PNB_IN(1, b)
#endif
PNB_OUT(2, y)

vec4 f(vec4 a, vec4 b) {
    switch (KIND) {
    case 0: return a + b;
    case 1: return a - b;
    case 2: return a * b;
    case 3: return a / b;
    case 4: return max(a, b);
    default: return min(a, b);
    }
}

float b_at(uint i) { return b1(OPERAND == PNB_OPERAND_SAME ? i : OPERAND == PNB_OPERAND_ROWS ? i / p.inner : 0u); }

vec4 b_at4(uint i) {
    if (OPERAND == PNB_OPERAND_SAME) return b4(i);
    if (OPERAND == PNB_OPERAND_SCALAR) return vec4(b1(0u));
    return vec4(b_at(4u * i), b_at(4u * i + 1u), b_at(4u * i + 2u), b_at(4u * i + 3u));
}

// One value a sample, of a whole number of vec4: looked up once for many.
void samples() {
    uint units = p.inner / 4u;
    PNB_EACH(item, p.count / p.inner * p.segments) {
        uint n = item / p.segments;
        vec4 b = vec4(b1(n));
        for (uint j = item - n * p.segments; j < units; j += p.segments) y4_set(n * units + j, f(a4(n * units + j), b));
    }
}

void main() {
    if (OPERAND == PNB_OPERAND_ROWS && p.inner % 4u == 0u) {
        samples();
        return;
    }
    uint n4 = p.count / 4u, rest = p.count - 4u * n4;
    PNB_EACH(i, n4) { y4_set(i, f(a4(i), b_at4(i))); }
    uint id = pnb_linear_id(), at = 4u * n4 + id;
    if (id < rest) y1_set(at, f(vec4(a1(at)), vec4(b_at(at))).x);
}

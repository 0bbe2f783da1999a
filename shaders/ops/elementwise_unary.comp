// y = f(x), element by element.
// Layout: any shape, counted linearly; four elements a step, the last count % 4 one by one. y may be x.
#version 450
#extension GL_GOOGLE_include_directive : require
//! variant texel PNB_TEXEL=1
#include "lib/math.glsl"
#include "lib/vec4.glsl"
#include "ops/elementwise.h"

layout(local_size_x_id = 0) in;
layout(constant_id = 1) const uint KIND = 0;
PNB_IN(0, x)
PNB_OUT(1, y)

vec4 f(vec4 x) {
    switch (KIND) {
    case 0: return pnb_silu(x);
    case 1: return pnb_tanh(x);
    case 2: return exp(x);
    case 3: return log(x);
    case 4: return sqrt(x);
    case 5: return x * x;
    case 6: return abs(x);
    case 7: return -x;
    case 8: return 1.0 / x;
    case 9: return pnb_sigmoid(x);
    case 10: return max(x, vec4(0.0));
    case PNB_UNARY_AFFINE: return p.a * x + p.b;
    default: return clamp(x, p.a, p.b);
    }
}

void main() {
    uint n4 = p.count / 4u, rest = p.count - 4u * n4;
    PNB_EACH(i, n4) { y4_set(i, f(x4(i))); }
    uint id = pnb_linear_id();
    if (id < rest) y1_set(4u * n4 + id, f(vec4(x1(4u * n4 + id))).x);
}

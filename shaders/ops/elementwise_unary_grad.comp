// gx = gy f'(x), element by element; f as in elementwise_unary.comp. gx may be gy.
#version 450
#extension GL_GOOGLE_include_directive : require
//! variant texel PNB_TEXEL=1
#include "lib/math.glsl"
#include "lib/vec4.glsl"
#include "ops/elementwise.h"

layout(local_size_x_id = 0) in;
layout(constant_id = 1) const uint KIND = 0;
PNB_IN(0, x)
PNB_IN(1, gy)
PNB_OUT(2, gx)

vec4 slope(vec4 x) {
    vec4 s;
    switch (KIND) {
    case 0: return pnb_silu_slope(x);
    case 1: s = pnb_tanh(x); return 1.0 - s * s;
    case 2: return exp(x);
    case 3: return 1.0 / x;
    case 4: return 0.5 / sqrt(x);
    case 5: return 2.0 * x;
    case 6: return sign(x);
    case 7: return vec4(-1.0);
    case 8: return -1.0 / (x * x);
    case 9: s = pnb_sigmoid(x); return s * (1.0 - s);
    case 10: return vec4(greaterThan(x, vec4(0.0)));
    case PNB_UNARY_AFFINE: return vec4(p.a);
    default: return vec4(greaterThan(x, vec4(p.a))) * vec4(lessThan(x, vec4(p.b)));
    }
}

void main() {
    uint n4 = p.count / 4u, rest = p.count - 4u * n4;
    PNB_EACH(i, n4) { gx4_set(i, gy4(i) * slope(x4(i))); }
    uint id = pnb_linear_id(), at = 4u * n4 + id;
    if (id < rest) gx1_set(at, gy1(at) * slope(vec4(x1(at))).x);
}

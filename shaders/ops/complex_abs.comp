// y = |z| of complex numbers z = (re, im); with GRAD the cotangent of z for the cotangent u of y: u z / |z|, and 0 where z is 0.
// Numerics: the larger part is taken out first, so nothing overflows or vanishes on the way. One complex number an item.
#version 450
#extension GL_GOOGLE_include_directive : require
//! variant texel PNB_TEXEL=1
#include "lib/vec4.glsl"
#include "ops/complex_abs.h"

layout(local_size_x_id = 0) in;
layout(constant_id = 1) const bool GRAD = false;
PNB_IN(0, z)
PNB_IN(1, u)
PNB_OUT(2, y)

void main() {
    PNB_EACH(i, p.count) {
        float re = z1(2u * i), im = z1(2u * i + 1u), top = max(abs(re), abs(im));
        float a = top > 0.0 ? re / top : 0.0, b = top > 0.0 ? im / top : 0.0, size = sqrt(a * a + b * b);
        if (GRAD) {
            float w = size > 0.0 ? u1(i) / size : 0.0;
            y1_set(2u * i, a * w);
            y1_set(2u * i + 1u, b * w);
        } else {
            y1_set(i, top * size);
        }
    }
}

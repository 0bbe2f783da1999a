// y[n,c,i,j] = scale x[n,c,i/f,j/f]. FAST: f = 2 and a width that is a multiple of 4: four pixels of x become 2 rows of eight.
#version 450
#extension GL_GOOGLE_include_directive : require
//! variant texel PNB_TEXEL=1
#include "lib/vec4.glsl"
#include "ops/upsample.h"

layout(local_size_x_id = 0) in;
layout(constant_id = 1) const bool FAST = false;
PNB_IN(0, x)
PNB_OUT(1, y)

void main() {
    if (FAST) {
        uint w4 = p.width / 4u;
        PNB_EACH(i, p.rows * w4) {
            uint row = i / w4, to = 4u * row * w4 + 2u * (i - row * w4);
            vec4 v = p.scale * x4(i);
            y4_set(to, v.xxyy);
            y4_set(to + 1u, v.zzww);
            y4_set(to + 2u * w4, v.xxyy);
            y4_set(to + 2u * w4 + 1u, v.zzww);
        }
        return;
    }
    uint wide = p.width * p.factor;
    PNB_EACH(i, p.rows * p.factor * wide) {
        uint row = i / wide, column = i - row * wide;
        y1_set(i, p.scale * x1((row / p.factor) * p.width + column / p.factor));
    }
}

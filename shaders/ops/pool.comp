// y[n,c,i,j] = scale * sum of the f x f block of x, row by row. FAST: f = 2 and an even number of vec4 in a row of x.
#version 450
#extension GL_GOOGLE_include_directive : require
//! variant texel PNB_TEXEL=1
#include "lib/vec4.glsl"
#include "ops/pool.h"

layout(local_size_x_id = 0) in;
layout(constant_id = 1) const bool FAST = false;
PNB_IN(0, x)
PNB_OUT(1, y)

void main() {
    if (FAST) {
        uint w4 = p.width / 4u;
        PNB_EACH(i, p.rows * w4) {
            uint row = i / w4, from = 4u * row * w4 + 2u * (i - row * w4);
            vec4 a = x4(from), b = x4(from + 1u), c = x4(from + 2u * w4), d = x4(from + 2u * w4 + 1u);
            vec4 top = vec4(a.xz + a.yw, b.xz + b.yw), bottom = vec4(c.xz + c.yw, d.xz + d.yw);
            y4_set(i, p.scale * (top + bottom));
        }
        return;
    }
    uint wide = p.width * p.factor;
    PNB_EACH(i, p.rows * p.width) {
        uint row = i / p.width, column = i - row * p.width;
        uint from = row * p.factor * wide + column * p.factor;
        float sum = 0.0;
        for (uint u = 0u; u < p.factor; u++) {
            for (uint v = 0u; v < p.factor; v++) sum += x1(from + u * wide + v);
        }
        y1_set(i, p.scale * sum);
    }
}

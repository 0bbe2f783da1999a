// y[o, j, i] = scale x[o, j, i] t[j] (or conj t[j]) where x has such a j, else 0: complex numbers along the middle axis, which may grow
// or shrink on the way. Layout: (re, im) pairs; with PAIRS a unit is two complex numbers, side by side along the innermost axis.
#version 450
#extension GL_GOOGLE_include_directive : require
//! variant texel PNB_TEXEL=1
#include "lib/vec4.glsl"
#include "ops/complex_mul_push.h"

layout(local_size_x_id = 0) in;
layout(constant_id = 1) const bool PAIRS = true;
PNB_IN(0, x)
PNB_IN(1, table)
PNB_OUT(2, y)

vec4 times(vec4 v, vec4 t) {
    t.yw *= p.sign;
    return p.scale * vec4(v.x * t.x - v.y * t.y, v.x * t.y + v.y * t.x, v.z * t.z - v.w * t.w, v.z * t.w + v.w * t.z);
}

// y's unit `to` from x's unit `from` and the j-th of the axis
void one(uint from, uint to, uint j, bool inside) {
    if (PAIRS) {
        vec4 v = vec4(0.0);
        if (inside) {
            vec4 t = table4(p.inner == 1u ? j : j >> 1u);
            v = times(x4(from), p.inner == 1u ? t : (j & 1u) != 0u ? t.zwzw : t.xyxy);
        }
        y4_set(to, v);
    } else {
        vec4 v = vec4(0.0);
        if (inside) v = times(vec4(x1(2u * from), x1(2u * from + 1u), 0.0, 0.0), vec4(table1(2u * j), table1(2u * j + 1u), 0.0, 0.0));
        y1_set(2u * to, v.x);
        y1_set(2u * to + 1u, v.y);
    }
}

void main() {
    PNB_EACH(item, p.items) {
        uint row = item / p.segments, first = item - row * p.segments;
        if (p.inner == 1u) {
            for (uint j = first; j < p.out_size; j += p.segments) one(row * p.in_size + j, row * p.out_size + j, j, j < p.in_size);
        } else {
            uint o = row / p.out_size, j = row - o * p.out_size, from = (o * p.in_size + j) * p.inner;
            for (uint i = first; i < p.inner; i += p.segments) one(from + i, row * p.inner + i, j, j < p.in_size);
        }
    }
}

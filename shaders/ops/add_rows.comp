// y = a, with scale*b added to the elements [begin, end). y may be a.
// Outside the range a is stored as it is, so rows without an adapter keep their bits.
#version 450
#extension GL_GOOGLE_include_directive : require
//! variant texel PNB_TEXEL=1
#include "lib/vec4.glsl"
#include "ops/add_rows.h"

layout(local_size_x_id = 0) in;
layout(constant_id = 1) const bool VEC = true; // count, begin and end are multiples of 4
PNB_IN(0, a)
PNB_IN(1, b)
PNB_OUT(2, y)

void main() {
    if (VEC) {
        uint begin = p.begin / 4u, end = p.end / 4u;
        PNB_EACH(i, p.count / 4u) {
            vec4 v = a4(i);
            if (i >= begin && i < end) v += p.scale * b4(i - begin);
            y4_set(i, v);
        }
    } else {
        PNB_EACH(i, p.count) {
            float v = a1(i);
            if (i >= p.begin && i < p.end) v += p.scale * b1(i - p.begin);
            y1_set(i, v);
        }
    }
}

// y[i0,i1,i2,i3] = x[i0 s0 + i1 s1 + i2 s2 + i3 s3]: writes in order, gathers. Ranks below 4 have leading sizes of 1.
#version 450
#extension GL_GOOGLE_include_directive : require
//! variant texel PNB_TEXEL=1
#include "lib/vec4.glsl"
#include "ops/transpose.h"

layout(local_size_x_id = 0) in;
PNB_IN(0, x)
PNB_OUT(1, y)

void main() {
    PNB_EACH(i, p.count) {
        uint a = i / p.d3, i3 = i - a * p.d3;
        uint b = a / p.d2, i2 = a - b * p.d2;
        uint i0 = b / p.d1, i1 = b - i0 * p.d1;
        y1_set(i, x1(i0 * p.s0 + i1 * p.s1 + i2 * p.s2 + i3 * p.s3));
    }
}

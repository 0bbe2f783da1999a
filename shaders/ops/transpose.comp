// y[i0,i1,i2,i3] = x[i0 s0 + i1 s1 + i2 s2 + i3 s3]: writes in order, gathers; several invocations share a row of y. Ranks below 4 have leading sizes of 1.
#version 450
#extension GL_GOOGLE_include_directive : require
//! variant texel PNB_TEXEL=1
#include "lib/vec4.glsl"
#include "ops/transpose.h"

layout(local_size_x_id = 0) in;
PNB_IN(0, x)
PNB_OUT(1, y)

void main() {
    PNB_EACH(item, p.rows * p.segments) {
        uint row = item / p.segments, a = row / p.d2, i2 = row - a * p.d2;
        uint i0 = a / p.d1, i1 = a - i0 * p.d1, from = i0 * p.s0 + i1 * p.s1 + i2 * p.s2;
        for (uint j = item - row * p.segments; j < p.d3; j += p.segments) y1_set(row * p.d3 + j, x1(from + j * p.s3));
    }
}

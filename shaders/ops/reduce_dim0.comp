// y[k, j] = scale * sum of f(x[i, j]) over the rows i of chunk k, in order; f(x) = x, or x*x.
#version 450
#extension GL_GOOGLE_include_directive : require
//! variant texel PNB_TEXEL=1
#include "lib/vec4.glsl"
#include "ops/reduce.h"

layout(local_size_x_id = 0) in;
layout(constant_id = 1) const bool VEC = true; // length is a multiple of 4
layout(constant_id = 2) const bool SQUARE = false;
PNB_IN(0, x)
PNB_OUT(1, y)

void main() {
    uint units = VEC ? p.len / 4u : p.len;
    PNB_EACH(item, p.chunks * units) {
        uint k = item / units, j = item - k * units;
        uint end = min((k + 1u) * p.chunk_length, p.height);
        vec4 sum = vec4(0.0);
        for (uint i = k * p.chunk_length; i < end; i++) {
            vec4 v = VEC ? x4(i * units + j) : vec4(x1(i * units + j));
            sum += SQUARE ? v * v : v;
        }
        if (VEC) y4_set(item, p.scale * sum);
        else y1_set(item, p.scale * sum.x);
    }
}

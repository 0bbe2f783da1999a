// Copies rows: to[r to_stride + to_begin + j] = from[r from_stride + from_begin + j], j < len; outside of
// [inside_begin, inside_end) zero is written instead, and from counts from inside_begin.
// A tensor cut along dimension d is rows of (size of d)*(product of the dimensions behind d) floats.
#version 450
#extension GL_GOOGLE_include_directive : require
//! variant texel PNB_TEXEL=1
#include "lib/vec4.glsl"
#include "ops/slice.h"

layout(local_size_x_id = 0) in;
layout(constant_id = 1) const bool VEC = true; // units of four floats
PNB_IN(0, x)
PNB_OUT(1, y)

void main() {
    PNB_EACH(item, p.rows * p.segments) {
        uint row = item / p.segments;
        uint from = row * p.from_stride + p.from_begin - p.inside_begin, to = row * p.to_stride + p.to_begin;
        for (uint j = item - row * p.segments; j < p.len; j += p.segments) {
            bool inside = j >= p.inside_begin && j < p.inside_end;
            if (VEC) {
                vec4 v = vec4(0.0);
                if (inside) v = x4(from + j);
                y4_set(to + j, v);
            } else {
                float v = 0.0;
                if (inside) v = x1(from + j);
                y1_set(to + j, v);
            }
        }
    }
}

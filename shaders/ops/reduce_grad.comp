// The transpose of a reduction: gx[i] = scale * g[(i / inner) % modulo], times x[i] where the sum was over squares.
//   all: modulo 1; rows: inner = row length, modulo = rows; dim0: inner 1, modulo = columns; channels: inner = H*W, modulo = C
#version 450
#extension GL_GOOGLE_include_directive : require
#include "lib/vec4.glsl"
#include "ops/reduce.h"

layout(local_size_x_id = 0) in;
layout(constant_id = 1) const bool VEC = true; // length is a multiple of 4, and so is inner
layout(constant_id = 2) const bool SQUARE = false;
PNB_BUFFER(0, g)
PNB_BUFFER(1, x)
PNB_OUT(2, gx)

void main() {
    if (VEC) {
        PNB_EACH(i, p.len / 4u) {
            vec4 v = vec4(p.scale * g1((i / (p.inner / 4u)) % p.modulo));
            if (SQUARE) v *= x4(i);
            gx4_set(i, v);
        }
    } else {
        PNB_EACH(i, p.len) {
            float v = p.scale * g1((i / p.inner) % p.modulo);
            if (SQUARE) v *= x1(i);
            gx1_set(i, v);
        }
    }
}

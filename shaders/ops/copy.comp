// y = x
#version 450
#extension GL_GOOGLE_include_directive : require
//! variant texel PNB_TEXEL=1
#include "lib/vec4.glsl"
#include "ops/copy.h"

layout(local_size_x_id = 0) in;
PNB_IN(0, x)
PNB_OUT(1, y)

void main() {
    uint n4 = p.count / 4u, rest = p.count - 4u * n4;
    PNB_EACH(i, n4) { y4_set(i, x4(i)); }
    uint id = pnb_linear_id(), at = 4u * n4 + id;
    if (id < rest) y1_set(at, x1(at));
}

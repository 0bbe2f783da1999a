// y = value everywhere
#version 450
#extension GL_GOOGLE_include_directive : require
#include "lib/vec4.glsl"
#include "ops/copy.h"

layout(local_size_x_id = 0) in;
PNB_OUT(0, y)

void main() {
    uint n4 = p.count / 4u, rest = p.count - 4u * n4;
    PNB_EACH(i, n4) { y4_set(i, vec4(p.value)); }
    uint id = pnb_linear_id();
    if (id < rest) y1_set(4u * n4 + id, p.value);
}

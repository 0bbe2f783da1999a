#version 450
#extension GL_GOOGLE_include_directive : require
// y[i] = state[index]: one scalar of the step state as a tensor [N], a value a sample.
#include "solve/spread.h"
#include "lib/index.glsl"
layout(local_size_x_id = 0) in;
layout(std430, binding = 0) readonly buffer State { float s[]; };
layout(std430, binding = 1) writeonly buffer Y { float y[]; };

void main() {
    uint i = pnb_linear_id();
    if (i < p.count) y[i] = s[p.index];
}

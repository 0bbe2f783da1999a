// y[i] = scale * x[i] + shift for i < count: the device floor's own test and probe.
//
// Layout: x and y are float[count]; x and y may be the same buffer. One invocation an element (folded into x and y of the grid).
// Limits: count < 2^32. Numerics: one multiplication and one addition, not fused.
//! variant texel PNB_TEXEL=1
#version 450
#extension GL_GOOGLE_include_directive : require
#include "gpu/fill.h"
#include "lib/index.glsl"

layout(local_size_x_id = 0) in;
#ifdef PNB_TEXEL
layout(set = 0, binding = 0) uniform samplerBuffer x;
float load(uint i) { return texelFetch(x, int(i / 4))[i % 4]; }
#else
layout(set = 0, binding = 0, std430) readonly buffer X { float x[]; };
float load(uint i) { return x[i]; }
#endif
layout(set = 0, binding = 1, std430) writeonly buffer Y { float y[]; };

void main() {
    uint i = pnb_linear_id();
    if (i >= p.count) return;
    precise float v = p.scale * load(i);
    precise float w = v + p.shift;
    y[i] = w;
}

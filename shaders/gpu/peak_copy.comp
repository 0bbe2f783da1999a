// The device's peak of memory traffic by kernels: y = x, vec4 by vec4.
//! variant texel PNB_TEXEL=1
#version 450
#extension GL_GOOGLE_include_directive : require
#include "gpu/peak.h"
#include "lib/vec4.glsl"

PNB_IN(0, x)
PNB_OUT(1, y)

void main() {
    PNB_EACH(i, p.count) { y4_set(i, x4(i)); }
}

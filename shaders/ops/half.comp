// y = x as 16-bit floats, rounded; eight floats of x become four words. No device lacks this; what reads y views it as texels.
//! variant texel PNB_TEXEL=1
#version 450
#extension GL_GOOGLE_include_directive : require
#include "lib/vec4.glsl"
#include "ops/copy.h"

layout(local_size_x_id = 0) in;
PNB_IN(0, x)
layout(set = 0, binding = 1, std430) writeonly buffer YBlock { uvec4 y[]; };

void main() {
    PNB_EACH(i, p.count / 8u) {
        vec4 a = x4(2u * i), b = x4(2u * i + 1u);
        y[i] = uvec4(packHalf2x16(a.xy), packHalf2x16(a.zw), packHalf2x16(b.xy), packHalf2x16(b.zw));
    }
}

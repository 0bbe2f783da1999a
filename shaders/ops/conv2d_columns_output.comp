// The result of a product of columns as an image, with the bias: y[n,o,i,j] (conv2d_columns_layout.h).
//
// One invocation takes a vec4 of pixels in `run` outputs, workgroup y the run. VEC: an image has a multiple of 4 pixels.
//! variant texel PNB_TEXEL=1
#version 450
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : require
#include "lib/vec4.glsl"
#include "ops/conv2d_columns_layout.h"
#include "ops/conv2d_winograd.h"

layout(constant_id = 1) const bool VEC = false;
PNB_IN(0, m)
layout(set = 0, binding = 1) readonly buffer BBlock { float bias[]; };
PNB_OUT(2, y)

const uint ROW = PNB_WINOGRAD_PANEL / 4;

void main() {
    const uint quad = gl_WorkGroupID.x * gl_WorkGroupSize.x + gl_LocalInvocationID.x, pixel = (p.first + quad) * 4u;
    if (quad >= p.count || pixel >= p.pixels) return;
    const uint plane = p.out_height * p.out_width, n = pixel / plane;
    const uint begin = gl_WorkGroupID.y * p.run, end = min(begin + p.run, p.outputs);
    for (uint o = begin; o < end; o++) {
        const vec4 value = m4((quad / ROW * p.rows + o) * ROW + quad % ROW) + (p.has_bias != 0u ? bias[o] : 0.0);
        if (VEC) {
            y4_set(((n * p.outputs + o) * plane + pixel % plane) / 4u, value);
        } else {
            [[unroll]] for (uint k = 0u; k < 4u; k++) if (pixel + k < p.pixels)
                y1_set(((pixel + k) / plane * p.outputs + o) * plane + (pixel + k) % plane, value[k]);
        }
    }
}

// Weights of a convolution as columns meet them: [block][row][BLOCK] of w[output * output_step + row * row_step]
// (conv2d_columns_layout.h; channels = rows without padding). Forward: outputs O, rows (c, u, v). Input gradient: outputs
// (c, u, v), rows O. One invocation an element of the result; zeros past the end.
#version 450
#extension GL_GOOGLE_include_directive : require
#include "lib/index.glsl"
#include "ops/conv2d_columns_layout.h"
#include "ops/conv2d_winograd.h"

layout(set = 0, binding = 0) readonly buffer WBlock { float w[]; };
layout(set = 0, binding = 1) writeonly buffer PBlock { float packed[]; };

void main() {
    const uint id = pnb_linear_id();
    if (id >= p.count) return;
    const uint row = id / PNB_WINOGRAD_BLOCK % p.rows;
    const uint output_ = id / PNB_WINOGRAD_BLOCK / p.rows * PNB_WINOGRAD_BLOCK + id % PNB_WINOGRAD_BLOCK;
    packed[id] = row < p.channels && output_ < p.outputs ? w[output_ * p.output_step + row * p.row_step] : 0.0;
}

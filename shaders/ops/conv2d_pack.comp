// Packs 3x3 weights [O,C,3,3] for the fast kernel: [ceil(O/8)][C][9][8], zeros past O (see conv2d.h).
//
// With flip they become the weights of the input gradient of a stride 1, pad 1 convolution, which is such a convolution
// itself: output and input channels exchanged, taps reversed. Then out_channels is the C of the weights. One invocation an
// element of the result.
#version 450
#extension GL_GOOGLE_include_directive : require
#include "lib/index.glsl"
#include "ops/conv2d.h"

layout(local_size_x_id = 0) in;
layout(set = 0, binding = 0) readonly buffer WBlock { float w[]; };
layout(set = 0, binding = 1) writeonly buffer PBlock { float packed[]; };

void main() {
    const uint id = pnb_linear_id();
    if (id >= p.count) return;
    const uint tap = id / PNB_CONV_PACK % 9u, c = id / (PNB_CONV_PACK * 9u) % p.in_channels;
    const uint o = id / (PNB_CONV_PACK * 9u) / p.in_channels * PNB_CONV_PACK + id % PNB_CONV_PACK;
    const uint from = p.flip != 0u ? (c * p.out_channels + o) * 9u + 8u - tap : (o * p.in_channels + c) * 9u + tap;
    packed[id] = o < p.out_channels ? w[from] : 0.0;
}

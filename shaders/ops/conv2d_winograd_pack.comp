// Weights of a 3x3 convolution in Winograd's form: U = G w G^T for every pair of channels (layout: conv2d_winograd.h).
//
// With flip they become those of the input gradient: output and input channels exchanged, taps reversed; out_channels is
// then the C of the weights. One invocation a pair of channels. Numerics: fp32.
//! variant two PNB_TILE=2
#version 450
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : require
#define REAL float
#include "lib/index.glsl"
#include "ops/conv2d_winograd.glsl"
#include "ops/conv2d_winograd.h"
#include "ops/conv2d_winograd_pack.h"

layout(local_size_x_id = 0) in;
layout(set = 0, binding = 0) readonly buffer WBlock { float w[]; };
layout(set = 0, binding = 1) writeonly buffer UBlock { float u[]; };

void main() {
    const uint id = pnb_linear_id();
    if (id >= p.count) return;
    const uint c = id / PNB_WINOGRAD_BLOCK % p.depth;
    const uint o = id / PNB_WINOGRAD_BLOCK / p.depth * PNB_WINOGRAD_BLOCK + id % PNB_WINOGRAD_BLOCK;
    const bool inside = c < p.in_channels && o < p.out_channels;
    const uint at = !inside ? 0u : 9u * (p.flip != 0u ? c * p.out_channels + o : o * p.in_channels + c);

    float rows[3][N];
    [[unroll]] for (int i = 0; i < 3; i++) {
        float g[3];
        [[unroll]] for (int j = 0; j < 3; j++) {
            const int tap = 3 * i + j;
            g[j] = inside ? w[at + (p.flip != 0u ? 8 - tap : tap)] : 0.0;
        }
        rows[i] = winograd_weights(g);
    }
    [[unroll]] for (int j = 0; j < N; j++) {
        const float column[N] = winograd_weights(float[3](rows[0][j], rows[1][j], rows[2][j]));
        [[unroll]] for (int i = 0; i < N; i++) u[(i * N + j) * p.count + id] = column[i];
    }
}

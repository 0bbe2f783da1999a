// Weight gradient of the general convolution, any kernel size, stride and padding, as partial sums.
//
//     part[s,o,c,u,v] = sum over rows (n,i) of split s, and j, of gy[n,o,i,j] x[n,c,i*stride+u-pad,j*stride+v-pad]
//
// The batch * out_height rows are cut into `splits` runs of equal length (the last ones may be shorter); the sum over splits
// is a reduction of its own, in a fixed order: no atomics. One invocation makes one tap of PNB_CONV_BLOCK output channels.
// Lanes run over (split, channel block, c, u, v), v fastest. Numerics: fp32, order n, i, j.
#version 450
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : require
#include "lib/index.glsl"
#include "ops/conv2d.h"

layout(local_size_x_id = 0) in;
layout(set = 0, binding = 0) readonly buffer XBlock { float x[]; };
layout(set = 0, binding = 1) readonly buffer GBlock { float gy[]; };
layout(set = 0, binding = 2) writeonly buffer PBlock { float part[]; };

void main() {
    const uint id = pnb_linear_id();
    if (id >= p.count) return;
    const int taps = int(p.kernel_h * p.kernel_w), row = int(p.in_channels) * taps; // weights of one output channel
    const int blocks = (int(p.out_channels) + PNB_CONV_BLOCK - 1) / PNB_CONV_BLOCK;
    const int tap = int(id) % taps, c = int(id) / taps % int(p.in_channels);
    const int o0 = int(id) / row % blocks * PNB_CONV_BLOCK, split = int(id) / row / blocks;
    const int made = min(PNB_CONV_BLOCK, int(p.out_channels) - o0);
    const int dy = tap / int(p.kernel_w) - int(p.pad), dx = tap % int(p.kernel_w) - int(p.pad);
    const int rows = int(p.batch * p.out_height), run = (rows + int(p.splits) - 1) / int(p.splits);
    const int pixels = int(p.out_height * p.out_width);

    float acc[PNB_CONV_BLOCK];
    [[unroll]] for (int k = 0; k < PNB_CONV_BLOCK; k++) acc[k] = 0.0;
    for (int r = split * run; r < min(rows, (split + 1) * run); r++) {
        const int n = r / int(p.out_height), i = r % int(p.out_height), a = i * int(p.stride) + dy;
        if (a < 0 || a >= int(p.height)) continue;
        const int from = ((n * int(p.in_channels) + c) * int(p.height) + a) * int(p.width) + dx;
        const int g = (n * int(p.out_channels) + o0) * pixels + i * int(p.out_width);
        for (int j = 0; j < int(p.out_width); j++) {
            const int b = j * int(p.stride);
            if (b + dx < 0 || b + dx >= int(p.width)) continue;
            const float value = x[from + b];
            [[unroll]] for (int k = 0; k < PNB_CONV_BLOCK; k++) acc[k] = fma(gy[g + min(k, made - 1) * pixels + j], value, acc[k]);
        }
    }
    [[unroll]] for (int k = 0; k < PNB_CONV_BLOCK; k++) if (k < made)
        part[(split * int(p.out_channels) + o0 + k) * row + c * taps + tap] = acc[k];
}

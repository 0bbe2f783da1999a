// Input gradient of the general convolution (its adjoint in x), any kernel size, stride and padding, NCHW.
//
//     gx[n,c,a,b] = sum_{o,u,v} w[o,c,u,v] gy[n,o,(a+pad-u)/stride,(b+pad-v)/stride]   where both divisions are exact
//
// One invocation makes one pixel of PNB_CONV_BLOCK input channels. Lanes run over (channel block, n, a, b), b fastest.
// Numerics: fp32, order o, u, v.
#version 450
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : require
#include "lib/index.glsl"
#include "ops/conv2d.h"

layout(local_size_x_id = 0) in;
layout(set = 0, binding = 0) readonly buffer GBlock { float gy[]; };
layout(set = 0, binding = 1) readonly buffer WBlock { float w[]; };
layout(set = 0, binding = 2) writeonly buffer XBlock { float gx[]; };

void main() {
    const uint id = pnb_linear_id();
    if (id >= p.count) return;
    const int pixels = int(p.height * p.width), stride = int(p.stride);
    const int b = int(id % p.width), a = int(id / p.width % p.height);
    const int n = int(id / pixels % p.batch), c0 = int(id / pixels / p.batch) * PNB_CONV_BLOCK;
    const int made = min(PNB_CONV_BLOCK, int(p.in_channels) - c0);
    const int taps = int(p.kernel_h * p.kernel_w);

    float acc[PNB_CONV_BLOCK];
    [[unroll]] for (int k = 0; k < PNB_CONV_BLOCK; k++) acc[k] = 0.0;
    for (int o = 0; o < int(p.out_channels); o++) {
        const int plane = (n * int(p.out_channels) + o) * int(p.out_height);
        for (int u = 0; u < int(p.kernel_h); u++) {
            const int i = a + int(p.pad) - u;
            if (i < 0 || i % stride != 0 || i / stride >= int(p.out_height)) continue;
            for (int v = 0; v < int(p.kernel_w); v++) {
                const int j = b + int(p.pad) - v;
                if (j < 0 || j % stride != 0 || j / stride >= int(p.out_width)) continue;
                const float value = gy[(plane + i / stride) * int(p.out_width) + j / stride];
                const int at = (o * int(p.in_channels) + c0) * taps + u * int(p.kernel_w) + v;
                [[unroll]] for (int k = 0; k < PNB_CONV_BLOCK; k++) acc[k] = fma(w[at + min(k, made - 1) * taps], value, acc[k]);
            }
        }
    }
    [[unroll]] for (int k = 0; k < PNB_CONV_BLOCK; k++) if (k < made)
        gx[(n * int(p.in_channels) + c0 + k) * pixels + a * int(p.width) + b] = acc[k];
}

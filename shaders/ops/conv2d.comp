// General 2-D convolution, any kernel size, stride and zero padding, NCHW: the reference on the device and the fallback.
//
//     y[n,o,i,j] = b[o] + sum_{c,u,v} w[o,c,u,v] x[n,c,i*stride+u-pad,j*stride+v-pad]
//
// One invocation makes one pixel of PNB_CONV_BLOCK output channels, so that a load of x serves four products. Lanes run over
// (channel block, n, i, j) with j fastest. Numerics: fp32, order c, u, v.
#version 450
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : require
#include "lib/index.glsl"
#include "ops/conv2d.h"

layout(local_size_x_id = 0) in;
layout(set = 0, binding = 0) readonly buffer XBlock { float x[]; };
layout(set = 0, binding = 1) readonly buffer WBlock { float w[]; };
layout(set = 0, binding = 2) readonly buffer BBlock { float bias[]; };
layout(set = 0, binding = 3) writeonly buffer YBlock { float y[]; };

void main() {
    const uint id = pnb_linear_id();
    if (id >= p.count) return;
    const int pixels = int(p.out_height * p.out_width);
    const int j = int(id % p.out_width), i = int(id / p.out_width % p.out_height);
    const int n = int(id / pixels % p.batch), o0 = int(id / pixels / p.batch) * PNB_CONV_BLOCK;
    const int made = min(PNB_CONV_BLOCK, int(p.out_channels) - o0);
    const int y0 = i * int(p.stride) - int(p.pad), x0 = j * int(p.stride) - int(p.pad);
    const int taps = int(p.kernel_h * p.kernel_w), row = int(p.in_channels) * taps; // weights of one output channel

    float acc[PNB_CONV_BLOCK];
    [[unroll]] for (int k = 0; k < PNB_CONV_BLOCK; k++) acc[k] = p.has_bias != 0u && k < made ? bias[o0 + k] : 0.0;
    for (int c = 0; c < int(p.in_channels); c++) {
        const int plane = (n * int(p.in_channels) + c) * int(p.height);
        for (int u = 0; u < int(p.kernel_h); u++) {
            if (y0 + u < 0 || y0 + u >= int(p.height)) continue;
            for (int v = 0; v < int(p.kernel_w); v++) {
                if (x0 + v < 0 || x0 + v >= int(p.width)) continue;
                const float value = x[(plane + y0 + u) * int(p.width) + x0 + v];
                const int at = o0 * row + c * taps + u * int(p.kernel_w) + v;
                [[unroll]] for (int k = 0; k < PNB_CONV_BLOCK; k++) acc[k] = fma(w[at + min(k, made - 1) * row], value, acc[k]);
            }
        }
    }
    [[unroll]] for (int k = 0; k < PNB_CONV_BLOCK; k++) if (k < made)
        y[(n * int(p.out_channels) + o0 + k) * pixels + i * int(p.out_width) + j] = acc[k];
}

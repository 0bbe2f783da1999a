// Weight gradient of the 3x3 convolution with stride 1, pad 1, width a multiple of 4, as partial sums over splits.
//
//     part[s,o,c,u,v] = sum over rows (n,i) of split s, and j, of gy[n,o,i,j] x[n,c,i+u-1,j+v-1]
//
// Lanes run over input channels. One invocation makes all nine taps of TO output channels: it walks along a row in steps of
// four pixels, keeping the previous, this and the next vec4 of the three rows of x, so that each step loads three vec4s of x
// and one of gy for each output channel; gy is the same for all lanes. Workgroup y is the block of output channels, z the
// split (rows (n,i) are cut into `splits` runs). The sum over splits is a reduction of its own, in a fixed order: no atomics.
//
// Numerics: fp32; rows in order, in a row four pixels at a time.
//
// Variants: as conv2d_3x3.comp. spread loads gy once for a subgroup of SPREAD = TO lanes, one output channel a lane.
//! variant texel PNB_TEXEL=1
//! variant spread PNB_TEXEL=1 PNB_SPREAD=1
#version 450
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : require
#ifdef PNB_SPREAD
#extension GL_KHR_shader_subgroup_basic : require
#extension GL_KHR_shader_subgroup_shuffle : require
#endif
#include "ops/conv2d_3x3.h"

layout(local_size_x_id = 0) in;
layout(constant_id = 1) const int TO = 8; // output channels

#ifdef PNB_TEXEL
layout(set = 0, binding = 0) uniform samplerBuffer x_texels;
layout(set = 0, binding = 1) uniform samplerBuffer g_texels;
#define X(i) texelFetch(x_texels, i)
#define GY(i) texelFetch(g_texels, i)
#else
layout(set = 0, binding = 0) readonly buffer XBlock { vec4 x_data[]; };
layout(set = 0, binding = 1) readonly buffer GBlock { vec4 g_data[]; };
#define X(i) x_data[i]
#define GY(i) g_data[i]
#endif
layout(set = 0, binding = 2) writeonly buffer PBlock { float part[]; };

void main() {
    const int width4 = int(p.width4), height = int(p.height), plane = height * width4;
    const int c = int(gl_GlobalInvocationID.x), from_c = min(c, int(p.in_channels) - 1);
    const int o0 = int(gl_WorkGroupID.y) * TO, split = int(gl_WorkGroupID.z);
    const int rows = int(p.batch) * height, run = (rows + int(p.splits) - 1) / int(p.splits);
    float acc[TO][9];
    [[unroll]] for (int o = 0; o < TO; o++)[[unroll]] for (int t = 0; t < 9; t++) acc[o][t] = 0.0;

    for (int r = split * run; r < min(rows, (split + 1) * run); r++) {
        const int n = r / height, i = r % height;
        const int at = ((n * int(p.in_channels) + from_c) * height + i) * width4;
        const int g = (n * int(p.out_channels) + o0) * plane + i * width4;
        const bool top = i == 0, bottom = i == height - 1;
        const int step[3] = int[3](top ? 0 : -width4, 0, bottom ? 0 : width4);
        vec4 before[3], here[3], after[3];
        [[unroll]] for (int u = 0; u < 3; u++) {
            before[u] = vec4(0.0);
            here[u] = X(at + step[u]);
        }
        here[0] = top ? vec4(0.0) : here[0];
        here[2] = bottom ? vec4(0.0) : here[2];
        for (int j = 0; j < width4; j++) {
            const int next = min(j + 1, width4 - 1);
            const bool last = j == width4 - 1;
            [[unroll]] for (int u = 0; u < 3; u++) after[u] = X(at + step[u] + next);
            after[0] = top || last ? vec4(0.0) : after[0];
            after[1] = last ? vec4(0.0) : after[1];
            after[2] = bottom || last ? vec4(0.0) : after[2];
#ifdef PNB_SPREAD
            const int mine = min(int(gl_SubgroupInvocationID) % TO, int(p.out_channels) - 1 - o0);
            const vec4 spread = GY(g + mine * plane + j);
#endif
            [[unroll]] for (int o = 0; o < TO; o++) {
#ifdef PNB_SPREAD
                vec4 gy;
                if (gl_SubgroupSize == TO) {
                    gy = vec4(subgroupShuffle(spread.x, o), subgroupShuffle(spread.y, o), subgroupShuffle(spread.z, o),
                              subgroupShuffle(spread.w, o));
                } else
                    gy = GY(g + min(o, int(p.out_channels) - 1 - o0) * plane + j);
#else
                const vec4 gy = GY(g + min(o, int(p.out_channels) - 1 - o0) * plane + j);
#endif
                [[unroll]] for (int u = 0; u < 3; u++) {
                    acc[o][u * 3] += dot(gy, vec4(before[u].w, here[u].xyz));
                    acc[o][u * 3 + 1] += dot(gy, here[u]);
                    acc[o][u * 3 + 2] += dot(gy, vec4(here[u].yzw, after[u].x));
                }
            }
            [[unroll]] for (int u = 0; u < 3; u++) {
                before[u] = here[u];
                here[u] = after[u];
            }
        }
    }
    if (c < int(p.in_channels)) {
        [[unroll]] for (int o = 0; o < TO; o++) if (o0 + o < int(p.out_channels)) {
            const int to = ((split * int(p.out_channels) + o0 + o) * int(p.in_channels) + c) * 9;
            [[unroll]] for (int t = 0; t < 9; t++) part[to + t] = acc[o][t];
        }
    }
}

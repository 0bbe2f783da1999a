// For each of the points (36, or 1: columns, conv2d_columns_layout.h) the product of the transformed operands, summed over tiles
// (conv2d_weight_grad_winograd.h).
//
//     m[s,point,o,c] = sum over the tiles t of split s of gy[point,o,t] x[point,c,t]
//
// One invocation makes TO output channels of P input channels; its accumulators stay in registers while it walks over
// quads of tiles. Lanes run over input channels, four neighbours each (gpu: two), and again four for every further four of P;
// workgroup y is the block of output channels, z = point + 36 s. m is [splits][36][O][ceil(C/4)] vec4, with m_stride vec4s
// from point to point.
//
// Numerics: fp32, blocks of 32 quads in order, tiles in order within a block.
//
// Variants: plain reads storage buffers, with sizes that are known when SPIR-V is made, because SwiftShader unrolls only
// those; texel and spread as in conv2d_3x3.comp. spread loads gy once for a subgroup of 8 lanes, a channel a lane, and
// shuffles it out.
// gpu is plain with half the sums, so that more subgroups fit.
//! variant gpu PNB_GPU=1
//! variant texel PNB_TEXEL=1
//! variant spread PNB_TEXEL=1 PNB_SPREAD=1
#version 450
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : require
#ifdef PNB_SPREAD
#extension GL_KHR_shader_subgroup_basic : require
#extension GL_KHR_shader_subgroup_shuffle : require
#endif
#include "lib/vec4.glsl"
#include "ops/conv2d_weight_grad_winograd.h"

#ifdef PNB_TEXEL
layout(constant_id = 1) const int P = 4; // input channels: a multiple of 4
layout(constant_id = 2) const int G = 1; // panels of output channels
#elif defined(PNB_GPU)
const int P = 2, G = 1;
#else
const int P = 4, G = 1;
#endif
const int RUN = P < 4 ? P : 4; // neighbouring input channels
const int TO = G * PNB_WG_PANEL;
const int BLOCK = 32; // quads summed apart, so that rounding does not grow with the image
PNB_IN(0, x)
PNB_IN(1, gy)
PNB_OUT(2, m)

// The eight channels of a panel of gy, a vec4 of tiles each, the same for all lanes.
void load_panel(bool spread, int at, out vec4 g[PNB_WG_PANEL]) {
#ifdef PNB_SPREAD
    if (spread) {
        const vec4 part = gy4(uint(at) + gl_SubgroupInvocationID);
        [[unroll]] for (int o = 0; o < PNB_WG_PANEL; o++) g[o] = subgroupShuffle(part, o);
    } else
#endif
    [[unroll]] for (int o = 0; o < PNB_WG_PANEL; o++) g[o] = gy4(uint(at + o));
}

// Sums over the quads [begin, end) of the panels that start at at and g_at.
void sum_tiles(bool spread, int begin, int end, int at[P], int g_at[G], out float total[P][TO]) {
    [[unroll]] for (int q = 0; q < P; q++)[[unroll]] for (int o = 0; o < TO; o++) total[q][o] = 0.0;
    for (int block = begin; block < end; block += BLOCK) {
        float acc[P][TO];
        [[unroll]] for (int q = 0; q < P; q++)[[unroll]] for (int o = 0; o < TO; o++) acc[q][o] = 0.0;
        for (int t = block; t < min(block + BLOCK, end); t++) {
            vec4 g[G][PNB_WG_PANEL];
            [[unroll]] for (int k = 0; k < G; k++) {
                load_panel(spread, g_at[k], g[k]);
                g_at[k] += PNB_WG_PANEL;
            }
            [[unroll]] for (int q = 0; q < P; q++) {
                const vec4 value = x4(uint(at[q]));
                at[q] += PNB_WG_PANEL;
                [[unroll]] for (int o = 0; o < TO; o++)[[unroll]] for (int k = 0; k < 4; k++)
                    acc[q][o] = fma(g[o / PNB_WG_PANEL][o % PNB_WG_PANEL][k], value[k], acc[q][o]);
            }
        }
        [[unroll]] for (int q = 0; q < P; q++)[[unroll]] for (int o = 0; o < TO; o++) total[q][o] += acc[q][o];
    }
}

void main() {
    const int lane = int(gl_LocalInvocationID.x), width = int(gl_WorkGroupSize.x), channels = int(p.in_channels);
    const int quads = int(p.quads), z = int(gl_WorkGroupID.z), point = z % int(p.points), split = z / int(p.points);
    const int panels_x = (channels + PNB_WG_PANEL - 1) / PNB_WG_PANEL;
    const int panels_g = (int(p.out_channels) + PNB_WG_PANEL - 1) / PNB_WG_PANEL;
    const int panel_g = int(gl_WorkGroupID.y) * G;
    const int begin = split * int(p.run), end = min(begin + int(p.run), quads);

    int at[P], g_at[G];
    [[unroll]] for (int q = 0; q < P; q++) {
        const int column = (int(gl_WorkGroupID.x) * (P / RUN) + q / RUN) * width + lane;
        const int c = min(RUN * column + q % RUN, panels_x * PNB_WG_PANEL - 1);
        at[q] = point * int(p.x_stride) + (c / PNB_WG_PANEL * quads + begin) * PNB_WG_PANEL + c % PNB_WG_PANEL;
    }
    [[unroll]] for (int k = 0; k < G; k++)
        g_at[k] = point * int(p.gy_stride) + (min(panel_g + k, panels_g - 1) * quads + begin) * PNB_WG_PANEL;

    float total[P][TO];
#ifdef PNB_SPREAD
    if (gl_SubgroupSize == PNB_WG_PANEL) sum_tiles(true, begin, end, at, g_at, total);
    else
#endif
    sum_tiles(false, begin, end, at, g_at, total);

    const int columns = (channels + 3) / 4, o0 = int(gl_WorkGroupID.y) * TO;
#ifdef PNB_GPU
    const int c = (int(gl_WorkGroupID.x) * width + lane) * P;
    [[unroll]] for (int o = 0; o < TO; o++)[[unroll]] for (int q = 0; q < P; q++) if (c + q < 4 * columns && o0 + o < int(p.out_channels))
        m1_set(uint((int(gl_WorkGroupID.z) * int(p.m_stride) + (o0 + o) * columns) * 4 + c + q), total[q][o]);
#else
    [[unroll]] for (int q = 0; q < P; q += 4) {
        const int column = (int(gl_WorkGroupID.x) * (P / 4) + q / 4) * width + lane;
        [[unroll]] for (int o = 0; o < TO; o++) if (column < columns && o0 + o < int(p.out_channels))
            m4_set(uint(int(gl_WorkGroupID.z) * int(p.m_stride) + (o0 + o) * columns + column),
                   vec4(total[q][o], total[q + 1][o], total[q + 2][o], total[q + 3][o]));
    }
#endif
}

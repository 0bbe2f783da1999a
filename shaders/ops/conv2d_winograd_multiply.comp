// The product of Winograd's convolution: M[place] = U[place] V[place] (layouts: conv2d_winograd.h).
//
// One invocation makes P vec4s of tiles in OUT output channels; the accumulators stay in registers while it walks over the
// channels, CHAIN at a time. Lanes run over a panel, then over panels; workgroup x is the block of outputs (or its part), so
// that workgroups that follow each other read the same panel; z is the place. Weights are the same for the whole workgroup.
//
// Numerics: fp32, channels in order: the same sum for every tile, wherever it lies.
//
// Variants, for one class of devices each. Sizes are macros and no specialisation constants: matmul_quad.comp says why.
//   plain         storage buffers and few registers (GPUs)
//   texel_u       the same with weights through a texel buffer, where they are 16-bit floats
//   texel         texel buffers, which lavapipe loads with straight vector loads
//   spread        also loads weights once for a subgroup, a vec4 a lane, and shuffles them out: right for subgroups of exactly
//                 SPREAD lanes; with others it does as texel does
//   quad          storage buffers and two vec4s an invocation, for software drivers with subgroups of four lanes: each lane of a
//                 quad loads a vec4 of weights, which go round by swaps, so that lane l has, in accumulator 4 r + e, output
//                 4 (l ^ r) + e of the block. CHAIN is as long as the code stays short (loads of storage buffers are long)
//   quad_texel    the same with V through a texel buffer
//! variant texel_u PNB_TEXEL_U=1
//! variant texel PNB_TEXEL_U=1 PNB_TEXEL_V=1
//! variant spread PNB_TEXEL_U=1 PNB_TEXEL_V=1 PNB_SPREAD=8 PNB_CHAIN=8
//! variant quad PNB_P=2 PNB_QUAD=1 PNB_CHAIN=2
//! variant quad_texel PNB_P=2 PNB_QUAD=1 PNB_CHAIN=4 PNB_TEXEL_V=1
#version 450
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : require
#ifdef PNB_SPREAD
#extension GL_KHR_shader_subgroup_basic : require
#extension GL_KHR_shader_subgroup_shuffle : require
#elif defined PNB_QUAD
#extension GL_KHR_shader_subgroup_basic : require
#extension GL_KHR_shader_subgroup_quad : require
#endif
#include "ops/conv2d_winograd.h"
#include "ops/conv2d_winograd_multiply.h"

#ifndef PNB_P
#define PNB_P 1
#endif
#if defined PNB_TEXEL_V || PNB_P > 1
const int OUT = PNB_WINOGRAD_BLOCK;
#else
const int OUT = PNB_WINOGRAD_BLOCK / 2;
#endif
const int P = PNB_P, BLOCK = PNB_WINOGRAD_BLOCK;
const int ROW = PNB_WINOGRAD_PANEL / 4; // vec4s of a panel's row
const int SHARE = ROW / P;              // invocations that share a panel

layout(local_size_x_id = 0) in;
#ifdef PNB_TEXEL_U
layout(set = 0, binding = 0) uniform samplerBuffer u_texels;
#define U(i) texelFetch(u_texels, i)
#else
layout(set = 0, binding = 0) readonly buffer UBlock { vec4 u_data[]; };
#define U(i) u_data[i]
#endif
#ifdef PNB_TEXEL_V
layout(set = 0, binding = 1) uniform samplerBuffer v_texels;
#define V(i) texelFetch(v_texels, i)
#else
layout(set = 0, binding = 1) readonly buffer VBlock { vec4 v_data[]; };
#define V(i) v_data[i]
#endif
layout(set = 0, binding = 2) writeonly buffer MBlock { vec4 m[]; };

void main() {
    const int depth = int(p.depth);
    const int o0 = int(gl_WorkGroupID.x) * OUT, place = int(gl_WorkGroupID.z);
#if defined PNB_SPREAD || defined PNB_QUAD
    const int lane = int(gl_SubgroupInvocationID);
    const int id = int(gl_WorkGroupID.y * gl_WorkGroupSize.x + gl_SubgroupID * gl_SubgroupSize) + lane;
#else
    const int id = int(gl_WorkGroupID.y * gl_WorkGroupSize.x + gl_LocalInvocationID.x);
#endif
    const int inside = min(id, int(p.count) - 1); // lanes past the end repeat the last one and store nothing
    const int panel = place * int(p.panels) + inside / SHARE, x = inside % SHARE;

    vec4 acc[P][OUT];
    [[unroll]] for (int k = 0; k < P; k++)[[unroll]] for (int o = 0; o < OUT; o++) acc[k][o] = vec4(0.0);
    int at = panel * depth * ROW + x;
    int from = ((place * int(p.blocks) + o0 / BLOCK) * depth * BLOCK + o0 % BLOCK) / 4;

#ifdef PNB_SPREAD
    if (gl_SubgroupSize == PNB_SPREAD) {
        const int CHAIN = PNB_CHAIN, SLOTS = CHAIN * BLOCK / 4; // vec4s of weights at a time
        const int PARTS = SLOTS / PNB_SPREAD;
        for (int c = 0; c < depth; c += CHAIN) {
            vec4 part[PARTS], v[CHAIN][P];
            [[unroll]] for (int i = 0; i < PARTS; i++) part[i] = U(from + i * PNB_SPREAD + lane);
            [[unroll]] for (int i = 0; i < CHAIN; i++)[[unroll]] for (int k = 0; k < P; k++) v[i][k] = V(at + i * ROW + k * SHARE);
            // an accumulator takes all the products of the chain at once, so that it is loaded and stored once
            [[unroll]] for (int o = 0; o < OUT; o++)[[unroll]] for (int i = 0; i < CHAIN; i++) {
                const int slot = i * (BLOCK / 4) + o / 4;
                const float w = subgroupShuffle(part[slot / PNB_SPREAD][o % 4], uint(slot % PNB_SPREAD));
                [[unroll]] for (int k = 0; k < P; k++) acc[k][o] = fma(vec4(w), v[i][k], acc[k][o]);
            }
            at += CHAIN * ROW;
            from += SLOTS;
        }
    } else
#endif
#ifdef PNB_QUAD
    for (int c = 0; c < depth; c += PNB_CHAIN) {
        [[unroll]] for (int i = 0; i < PNB_CHAIN; i++) {
            const vec4 part = U(from + i * (BLOCK / 4) + lane % 4);
            vec4 v[P];
            [[unroll]] for (int k = 0; k < P; k++) v[k] = V(at + i * ROW + k * SHARE);
            [[unroll]] for (int e = 0; e < 4; e++) {
                const float w[4] = float[4](part[e], subgroupQuadSwapHorizontal(part[e]), subgroupQuadSwapVertical(part[e]),
                                            subgroupQuadSwapDiagonal(part[e]));
                [[unroll]] for (int r = 0; r < 4; r++)[[unroll]] for (int k = 0; k < P; k++) acc[k][4 * r + e] =
                    fma(vec4(w[r]), v[k], acc[k][4 * r + e]);
            }
        }
        at += PNB_CHAIN * ROW;
        from += PNB_CHAIN * (BLOCK / 4);
    }
#define OUTPUT(o) (4 * (o / 4 ^ lane % 4) + o % 4)
#else
#define OUTPUT(o) o
    for (int c = 0; c < depth; c++) {
        vec4 v[P];
        [[unroll]] for (int k = 0; k < P; k++) v[k] = V(at + k * SHARE);
        [[unroll]] for (int g = 0; g < OUT / 4; g++) {
            const vec4 w = U(from + g);
            [[unroll]] for (int i = 0; i < 4; i++)[[unroll]] for (int k = 0; k < P; k++) acc[k][4 * g + i] =
                fma(vec4(w[i]), v[k], acc[k][4 * g + i]);
        }
        at += ROW;
        from += BLOCK / 4;
    }
#endif

    if (id < int(p.count)) {
        const int to = (panel * int(p.blocks) * BLOCK + o0) * ROW + x;
        [[unroll]] for (int o = 0; o < OUT; o++)[[unroll]] for (int k = 0; k < P; k++) m[to + OUTPUT(o) * ROW + k * SHARE] = acc[k][o];
    }
}

// Fast 3x3 convolution, stride 1, zero padding 1, NCHW, width a multiple of 4.
//
//     y[n,o,i,j] = b[o] + sum_c sum_{u,v} w[o,c,u,v] x[n,c,i+u-1,j+v-1]
//
// One invocation makes R rows of 4 neighbouring pixels (a vec4) in 4*G output channels; the accumulators stay in registers
// while it walks over the input channels. For each it reads R+2 rows of x, makes the two shifted vec4s of each row from its
// neighbours, and multiplies by weights that are the same for the whole workgroup (layout: conv2d.h). Lanes run over x, then
// row blocks, then the batch, then workgroups y; workgroup x is the block of output channels, so that those that follow each
// other read the same activations. So an activation is read 3/TN times and no border
// is stored. R divides the height, so only the first and last row of a window can lie outside the image.
//
// Numerics: fp32, input channels in order, within one the taps row by row: the same sum for every position in the batch.
//
// Variants: plain reads storage buffers; texel reads x and w through texel buffers (software drivers load those with straight
// vector loads); spread also loads the weights once for a subgroup, a vec4 a lane, and shuffles them out, and takes the
// neighbouring pixels from the neighbouring lanes. spread is right for a subgroup of exactly SPREAD lanes only; with any
// other size it does as texel does.
// gpu holds one row of the window at a time, which leaves registers for more subgroups; the sums are the same. gpu_half is the same
// with weights of 16-bit floats, which any device can read as integers.
//! variant gpu PNB_GPU=1
//! variant gpu_half PNB_GPU=1 PNB_HALF=1
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
layout(constant_id = 1) const int R = 2;      // output rows
layout(constant_id = 2) const int G = 2;      // vec4s of output channels: 1, 2 or 4
layout(constant_id = 3) const int SPREAD = 8; // subgroup size that the spread variant is made for
layout(constant_id = 4) const int EDGE = 1;   // 0: every row starts and ends at a subgroup's border

#ifdef PNB_TEXEL
layout(set = 0, binding = 0) uniform samplerBuffer x_texels;
layout(set = 0, binding = 1) uniform samplerBuffer w_texels;
#define X(i) texelFetch(x_texels, i)
#define W(i) texelFetch(w_texels, i)
#else
layout(set = 0, binding = 0) readonly buffer XBlock { vec4 x_data[]; };
#define X(i) x_data[i]
#ifdef PNB_GPU
layout(set = 0, binding = 0) readonly buffer XBlock1 { float x_single[]; };
#endif
#ifdef PNB_HALF
layout(set = 0, binding = 1) readonly buffer WBlock { uvec2 w_data[]; };
vec4 W(int i) {
    const uvec2 pairs = w_data[i];
    return vec4(unpackHalf2x16(pairs.x), unpackHalf2x16(pairs.y));
}
#else
layout(set = 0, binding = 1) readonly buffer WBlock { vec4 w_data[]; };
#define W(i) w_data[i]
#endif
#endif
layout(set = 0, binding = 2) readonly buffer BBlock { float bias[]; };
layout(set = 0, binding = 3) writeonly buffer YBlock { vec4 y[]; };

// Weights of one input channel for this block: SLOTS vec4s. H of them belong to one tap of one packed group of 8 channels.
const int H = G == 1 ? 1 : 2;
const int SLOTS = 9 * G;

void main() {
    vec4 acc[R][4 * G];
    const int width4 = int(p.width4), height = int(p.height);
    const int plane = height * width4;
#ifdef PNB_SPREAD
    const int lane = int(gl_SubgroupInvocationID);
    const int id = int(gl_WorkGroupID.y * gl_WorkGroupSize.x + gl_SubgroupID * gl_SubgroupSize) + lane;
#else
    const int id = int(gl_WorkGroupID.y * gl_WorkGroupSize.x + gl_LocalInvocationID.x);
#endif
    const int inside = min(id, int(p.count) - 1); // lanes past the end repeat the last one and store nothing
    const int x4 = inside % width4, block = (inside / width4) % int(p.row_blocks), n = inside / (width4 * int(p.row_blocks));
    const int y0 = block * R, o0 = int(gl_WorkGroupID.x) * 4 * G;
    const bool first = x4 == 0, last = x4 == width4 - 1;
    const bool top = y0 == 0, bottom = y0 + R == height;

    [[unroll]] for (int r = 0; r < R; r++)[[unroll]] for (int o = 0; o < 4 * G; o++) acc[r][o] =
        vec4(p.has_bias != 0u && o0 + o < int(p.out_channels) ? bias[o0 + o] : 0.0);

    int at = (n * int(p.in_channels) * height + y0) * width4 + x4;
    // where this block's weights start, in vec4s: 18 for 8 output channels of an input channel, two for each tap
    int wat = (o0 / 8) * int(p.in_channels) * 18 + (o0 % 8) / 4;
    const int up = top ? 0 : -width4, down = (bottom ? R - 1 : R) * width4;
    const int to_left = first ? 0 : -1, to_right = last ? 0 : 1;
#ifdef PNB_GPU
    for (int c = 0; c < int(p.in_channels); c++) {
        [[unroll]] for (int q = 0; q < R + 2; q++) {
            const bool outside = q == 0 && top || q == R + 1 && bottom;
            const int row = outside ? at : at + (q - 1) * width4;
            const vec4 mid = outside ? vec4(0.0) : X(row);
            const float l = first || outside ? 0.0 : x_single[4 * row - 1], e = last || outside ? 0.0 : x_single[4 * row + 4];
            const vec4 left = vec4(l, mid.xyz), right = vec4(mid.yzw, e);
            [[unroll]] for (int u = 0; u < 3; u++) if (q - u >= 0 && q - u < R) {
                const int r = clamp(q - u, 0, R - 1);
                [[unroll]] for (int v = 0; v < 3; v++)[[unroll]] for (int g = 0; g < G; g++) {
                    const vec4 w = W(wat + (g / 2) * int(p.in_channels) * 18 + (u * 3 + v) * 2 + g % 2);
                    [[unroll]] for (int k = 0; k < 4; k++) acc[r][4 * g + k] =
                        fma(vec4(w[k]), v == 0 ? left : v == 1 ? mid : right, acc[r][4 * g + k]);
                }
            }
        }
        at += plane;
        wat += 18;
    }
#else
    vec4 left[R + 2], mid[R + 2], right[R + 2];
#ifdef PNB_SPREAD
    if (gl_SubgroupSize == SPREAD) {
        const int PARTS = (SLOTS + SPREAD - 1) / SPREAD;
        // one fetch serves both ends of a subgroup
        const int to_end = lane == 0 ? to_left : to_right;
        for (int c = 0; c < int(p.in_channels); c++) {
            vec4 part[PARTS];
            [[unroll]] for (int k = 0; k < PARTS; k++) {
                const int slot = min(k * SPREAD + lane, SLOTS - 1);
                part[k] = W(wat + (slot / (9 * H)) * int(p.in_channels) * 18 + (slot % (9 * H)) * (2 / H));
            }
            [[unroll]] for (int q = 0; q < R + 2; q++) {
                const int row = at + (q == 0 ? up : q == R + 1 ? down : (q - 1) * width4);
                vec4 m = X(row);
                if (q == 0) m = top ? vec4(0.0) : m;
                if (q == R + 1) m = bottom ? vec4(0.0) : m;
                float l = subgroupShuffle(m.w, uint(lane + SPREAD - 1) % SPREAD);
                float e = subgroupShuffle(m.x, uint(lane + 1) % SPREAD);
                if (EDGE != 0) {
                    vec4 end = X(row + to_end);
                    if (q == 0) end = top ? vec4(0.0) : end;
                    if (q == R + 1) end = bottom ? vec4(0.0) : end;
                    l = lane == 0 ? end.w : l;
                    e = lane == SPREAD - 1 ? end.x : e;
                }
                l = first ? 0.0 : l;
                e = last ? 0.0 : e;
                left[q] = vec4(l, m.xyz);
                mid[q] = m;
                right[q] = vec4(m.yzw, e);
            }
            [[unroll]] for (int u = 0; u < 3; u++)[[unroll]] for (int v = 0; v < 3; v++)[[unroll]] for (int o = 0; o < 4 * G; o++) {
                const int slot = (o / (4 * H)) * 9 * H + (u * 3 + v) * H + (o % (4 * H)) / 4;
                const float w = subgroupShuffle(part[slot / SPREAD][o % 4], uint(slot % SPREAD));
                [[unroll]] for (int r = 0; r < R; r++) acc[r][o] =
                    fma(vec4(w), v == 0 ? left[r + u] : v == 1 ? mid[r + u] : right[r + u], acc[r][o]);
            }
            at += plane;
            wat += 18;
        }
    } else
#endif
    for (int c = 0; c < int(p.in_channels); c++) {
        [[unroll]] for (int q = 0; q < R + 2; q++) {
            const int row = at + (q == 0 ? up : q == R + 1 ? down : (q - 1) * width4);
            vec4 m = X(row);
            float l = X(row + to_left).w, e = X(row + to_right).x;
            l = first ? 0.0 : l;
            e = last ? 0.0 : e;
            const bool outside = q == 0 && top || q == R + 1 && bottom;
            left[q] = outside ? vec4(0.0) : vec4(l, m.xyz);
            mid[q] = outside ? vec4(0.0) : m;
            right[q] = outside ? vec4(0.0) : vec4(m.yzw, e);
        }
        [[unroll]] for (int u = 0; u < 3; u++)[[unroll]] for (int v = 0; v < 3; v++)[[unroll]] for (int g = 0; g < G; g++) {
            const vec4 w = W(wat + (g / 2) * int(p.in_channels) * 18 + (u * 3 + v) * 2 + g % 2);
            [[unroll]] for (int k = 0; k < 4; k++)[[unroll]] for (int r = 0; r < R; r++) acc[r][4 * g + k] =
                fma(vec4(w[k]), v == 0 ? left[r + u] : v == 1 ? mid[r + u] : right[r + u], acc[r][4 * g + k]);
        }
        at += plane;
        wat += 18;
    }
#endif

    if (id < int(p.count)) {
        [[unroll]] for (int o = 0; o < 4 * G; o++) if (o0 + o < int(p.out_channels)) {
            const int to = ((n * int(p.out_channels) + o0 + o) * height + y0) * width4 + x4;
            [[unroll]] for (int r = 0; r < R; r++) y[to + r * width4] = acc[r][o];
        }
    }
}

// Gradient of a thin layer's weights, as partial sums: with x [N,summed,H,W] of many channels and z [N,made,H,W] of few,
//     TAPS = 9: g[m,s,t,split] = scale * sum z[n,m,i,j] x[n,s,i+u-1,j+v-1], t = (u,v), over the split's run of rows
//     TAPS = 1: g[m,s,split] = scale * sum z[n,m,p] x[n,s,p]; with RANK_FAST g[s,m,split].
//
// Lanes run over the channels of x, TC of them apart by the workgroup's size in each; workgroup y is a block of T channels of z,
// workgroup z the split: rows (of all samples) [rows*split/splits, rows*(split+1)/splits), none at all for some where there are
// few. Values of z are the same for the whole subgroup.
//
// Numerics: fp32, in the order of rows and pixels.
//
// Variants: as low_rank.comp, z being what is spread.
// gpu makes one row of taps, workgroup z = 3 split + row (TAPS = 9): a third of the sums, with which more subgroups fit.
// fixed, by TAPS: plain with sizes that are known when SPIR-V is made, as low_rank.comp.
//! variant gpu PNB_GPU=1
//! variant fixed_1 PNB_TAPS=1
//! variant fixed_9 PNB_TAPS=9
//! variant texel PNB_TEXEL=1
//! variant spread PNB_TEXEL=1 PNB_SPREAD=1
#version 450
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : require
#ifdef PNB_SPREAD
#extension GL_KHR_shader_subgroup_basic : require
#extension GL_KHR_shader_subgroup_shuffle : require
#endif
#include "ops/low_rank.h"

layout(local_size_x_id = 0) in;
#ifdef PNB_TAPS
const int TAPS = PNB_TAPS, T = PNB_LOW_RANK_FIXED_T, TC = 1;
#else
layout(constant_id = 1) const int TAPS = 9;
layout(constant_id = 2) const int T = 8; // 4 or 8
layout(constant_id = 3) const int TC = 1;
#endif
layout(constant_id = 4) const int RANK_FAST = 0;
layout(constant_id = 5) const int SPREAD = 8;

#ifdef PNB_TEXEL
layout(set = 0, binding = 0) uniform samplerBuffer x_texels;
layout(set = 0, binding = 1) uniform samplerBuffer z_texels;
#define X(i) texelFetch(x_texels, i)
#define Z(i) texelFetch(z_texels, i)
#else
layout(set = 0, binding = 0) readonly buffer XBlock { vec4 x_data[]; };
layout(set = 0, binding = 1) readonly buffer ZBlock { vec4 z_data[]; };
#define X(i) x_data[i]
#define Z(i) z_data[i]
#endif
layout(set = 0, binding = 2) writeonly buffer GBlock { float g[]; };

#ifdef PNB_GPU
const int TAP_ROWS = 1; // of a 3x3 kernel's
#else
const int TAP_ROWS = 3;
#endif
const int SUMS = TAPS == 9 ? 3 * TAP_ROWS : 1; // of a pair of channels

#ifdef PNB_TAPS // no branch in the loops: spirv-opt would not unroll them
vec4 keep(vec4 value, bool yes) { return yes ? value : vec4(0.0); }
float keep(float value, bool yes) { return yes ? value : 0.0; }
#else
#define keep(value, yes) ((yes) ? (value) : 0.0)
#endif

void main() {
    const int width4 = int(p.width4), height = int(p.height), plane = height * width4;
    const int m0 = int(gl_WorkGroupID.y) * T, z0 = int(gl_WorkGroupID.z), rows = int(p.batch) * height;
#ifdef PNB_GPU
    const int split = TAPS == 9 ? z0 / 3 : z0, u0 = TAPS == 9 ? z0 % 3 : 0;
#else
    const int split = z0, u0 = 0;
#endif
#ifdef PNB_SPREAD
    const int lane = int(gl_SubgroupInvocationID);
    const int local = int(gl_SubgroupID * gl_SubgroupSize) + lane;
    const bool spread = gl_SubgroupSize == SPREAD;
#else
    const int local = int(gl_LocalInvocationID.x);
#endif
    const int channel = int(gl_WorkGroupID.x * gl_WorkGroupSize.x) * TC + local;
    int base[TC];
    [[unroll]] for (int q = 0; q < TC; q++) base[q] = min(channel + q * int(gl_WorkGroupSize.x), int(p.summed) - 1) * plane;

    float acc[TC][T][SUMS];
    [[unroll]] for (int q = 0; q < TC; q++)[[unroll]] for (int m = 0; m < T; m++)[[unroll]] for (int t = 0; t < SUMS; t++)
        acc[q][m][t] = 0.0;
    const int end = rows * (split + 1) / int(p.splits);
    for (int row = rows * split / int(p.splits); row < end; row++) {
        const int n = row / height, i = row % height;
        const int xrow = n * int(p.summed) * plane + i * width4, zrow = (n * int(p.made) + m0) * plane + i * width4;
        const bool top = i == 0, bottom = i == height - 1;
        const int up = top ? 0 : -width4, down = bottom ? 0 : width4;
        vec4 before[TC][TAP_ROWS], now[TC][TAP_ROWS];
        if (TAPS == 9) {
            [[unroll]] for (int q = 0; q < TC; q++)[[unroll]] for (int u = 0; u < TAP_ROWS; u++) {
                before[q][u] = vec4(0.0);
                now[q][u] = X(base[q] + xrow + (u0 + u == 0 ? up : u0 + u == 2 ? down : 0));
            }
        }
        for (int j = 0; j < width4; j++) {
            vec4 z[T];
#ifdef PNB_SPREAD
            if (spread) {
                vec4 part[(T + SPREAD - 1) / SPREAD];
                [[unroll]] for (int k = 0; k < (T + SPREAD - 1) / SPREAD; k++) part[k] =
                    Z(zrow + min(k * SPREAD + lane, T - 1) * plane + j);
                [[unroll]] for (int m = 0; m < T; m++)[[unroll]] for (int e = 0; e < 4; e++) z[m][e] =
                    subgroupShuffle(part[m / SPREAD][e], uint(m % SPREAD));
            } else
#endif
            {
                [[unroll]] for (int m = 0; m < T; m++) z[m] = Z(zrow + m * plane + j);
            }
            [[unroll]] for (int q = 0; q < TC; q++) {
                if (TAPS == 1) {
                    const vec4 x = X(base[q] + xrow + j);
                    [[unroll]] for (int m = 0; m < T; m++) acc[q][m][0] += dot(z[m], x);
                } else {
                    const int next = min(j + 1, width4 - 1);
                    [[unroll]] for (int u = 0; u < TAP_ROWS; u++) {
                        const vec4 after = X(base[q] + xrow + (u0 + u == 0 ? up : u0 + u == 2 ? down : 0) + next);
                        const bool outside = u0 + u == 0 && top || u0 + u == 2 && bottom;
                        vec4 x[3];
                        x[0] = vec4(before[q][u].w, now[q][u].xyz);
                        x[1] = now[q][u];
                        x[2] = vec4(now[q][u].yzw, keep(after.x, j + 1 < width4));
                        [[unroll]] for (int v = 0; v < 3; v++) {
#ifdef PNB_TAPS
                            x[v] = keep(x[v], !outside);
#else
                            if (outside) x[v] = vec4(0.0);
#endif
                            [[unroll]] for (int m = 0; m < T; m++) acc[q][m][u * 3 + v] += dot(z[m], x[v]);
                        }
                        before[q][u] = now[q][u];
                        now[q][u] = after;
                    }
                }
            }
        }
    }

#ifdef PNB_TAPS
    [[unroll]] for (int m = 0; m < T; m++)[[unroll]] for (int t = 0; t < SUMS; t++) {
        const int pair = RANK_FAST * (channel * int(p.made) + m0 + m) + (1 - RANK_FAST) * ((m0 + m) * int(p.summed) + channel);
        if (channel < int(p.summed)) g[(pair * TAPS + t) * int(p.splits) + split] = p.scale * acc[0][m][t];
    }
#else
    [[unroll]] for (int q = 0; q < TC; q++) {
        const int s = channel + q * int(gl_WorkGroupSize.x);
        if (s < int(p.summed)) {
            [[unroll]] for (int m = 0; m < T; m++)[[unroll]] for (int t = 0; t < SUMS; t++) {
                const int at = RANK_FAST != 0 ? s * int(p.made) + m0 + m : ((m0 + m) * int(p.summed) + s) * TAPS + 3 * u0 + t;
                g[at * int(p.splits) + split] = p.scale * acc[q][m][t];
            }
        }
    }
#endif
}

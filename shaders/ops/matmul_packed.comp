// Matrix product of packed operands, for software drivers: c[b,m,n] = scale * sum_k A(b,m,k) B(b,k,n) + bias.
//
// One subgroup of 8 lanes makes a tile of TM rows and 8*T4 vec4s of columns. Its operands lie one behind the other in memory
// (matmul_packed.h), so that no power-of-two stride throws them out of the caches. A comes a vec4 a lane and is shuffled out. With
// B_PACKED = 0, B is read as it is, [k,n]; then n and k are multiples of 4. Workgroups: x the block of rows, so that neighbours in
// time share a panel of B; y the panel; z the batch, unless all its columns are one row of panels (n is a multiple of 4 then).
//
// Numerics: fp32, k in order.
//
// Variants: as matmul_wide.comp.
//! variant texel PNB_TEXEL=1
//! variant spread PNB_TEXEL=1 PNB_SPREAD=1
#version 450
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : require
#ifdef PNB_SPREAD
#extension GL_KHR_shader_subgroup_basic : require
#extension GL_KHR_shader_subgroup_shuffle : require
#endif
#include "ops/matmul_packed.h"

layout(local_size_x_id = 0) in; // PNB_MATMUL_LANES
layout(constant_id = 1) const int TM = 16; // a multiple of 8
layout(constant_id = 2) const int T4 = 2;
layout(constant_id = 3) const int B_PACKED = 1;
layout(constant_id = 4) const int VEC = 1; // n is a multiple of 4

#ifdef PNB_TEXEL
layout(set = 0, binding = 0) uniform samplerBuffer a_texels;
layout(set = 0, binding = 1) uniform samplerBuffer b_texels;
#define A(i) texelFetch(a_texels, i)
#define B(i) texelFetch(b_texels, i)
#else
layout(set = 0, binding = 0) readonly buffer ABlock { vec4 a_data[]; };
layout(set = 0, binding = 1) readonly buffer BBlock { vec4 b_data[]; };
#define A(i) a_data[i]
#define B(i) b_data[i]
#endif
layout(set = 0, binding = 2) readonly buffer SBlock { float bias[]; };
layout(set = 0, binding = 3) writeonly buffer CBlock4 { vec4 c4[]; };
layout(set = 0, binding = 3) writeonly buffer CBlock1 { float c1[]; };

const int LANES = PNB_MATMUL_LANES;

void store(int batch, int row, int column4, vec4 sum) {
    const int n = int(p.n), column = column4 * 4, at = (batch * int(p.m) + row) * n + column;
    if (VEC != 0) c4[at / 4] = sum;
    else {
        [[unroll]] for (int e = 0; e < 4; e++) if (column + e < n) c1[at + e] = sum[e];
    }
}

void main() {
#ifdef PNB_SPREAD
    const int lane = int(gl_SubgroupSize == LANES ? gl_SubgroupInvocationID : gl_LocalInvocationID.x);
#else
    const int lane = int(gl_LocalInvocationID.x);
#endif
    const int block = int(gl_WorkGroupID.x), panel = int(gl_WorkGroupID.y), z = int(gl_WorkGroupID.z);
    const int k4 = (int(p.k) + 3) / 4, n4 = (int(p.n) + 3) / 4;
    int at_a = z * int(p.a_batch4) + block * k4 * TM;
    const int step = B_PACKED != 0 ? LANES * T4 : n4; // from one k to the next
    int at_b[T4], column[T4];
    [[unroll]] for (int t = 0; t < T4; t++) {
        column[t] = (panel * T4 + t) * LANES + lane;
        const int inside = min(column[t], int(p.columns4) - 1);
        at_b[t] = B_PACKED != 0 ? z * int(p.b_batch4) + panel * k4 * 4 * LANES * T4 + t * LANES + lane
                                : (z + inside / n4) * int(p.b_batch4) + inside % n4;
    }

    vec4 acc[TM][T4];
    [[unroll]] for (int i = 0; i < TM; i++)[[unroll]] for (int t = 0; t < T4; t++) acc[i][t] = vec4(0.0);
    for (int k = 0; k < k4; k++) {
        vec4 b[4][T4];
        [[unroll]] for (int kk = 0; kk < 4; kk++)[[unroll]] for (int t = 0; t < T4; t++) {
            b[kk][t] = B(at_b[t]);
            at_b[t] += step;
        }
#ifdef PNB_SPREAD
        if (gl_SubgroupSize == LANES) {
            vec4 part[TM / LANES];
            [[unroll]] for (int q = 0; q < TM / LANES; q++) part[q] = A(at_a + q * LANES + lane);
            [[unroll]] for (int i = 0; i < TM; i++)[[unroll]] for (int kk = 0; kk < 4; kk++) {
                const vec4 a = vec4(subgroupShuffle(part[i / LANES][kk], uint(i % LANES)));
                [[unroll]] for (int t = 0; t < T4; t++) acc[i][t] = fma(a, b[kk][t], acc[i][t]);
            }
            at_a += TM;
            continue;
        }
#endif
        [[unroll]] for (int i = 0; i < TM; i++) {
            const vec4 a = A(at_a + i);
            [[unroll]] for (int kk = 0; kk < 4; kk++)[[unroll]] for (int t = 0; t < T4; t++) acc[i][t] =
                fma(vec4(a[kk]), b[kk][t], acc[i][t]);
        }
        at_a += TM;
    }

    vec4 of_column[T4];
    [[unroll]] for (int t = 0; t < T4; t++) {
        of_column[t] = vec4(0.0);
        if (p.bias_kind == 2u) {
            [[unroll]] for (int e = 0; e < 4; e++) of_column[t][e] = bias[min(column[t] % n4 * 4 + e, int(p.n) - 1)];
        }
    }
    [[unroll]] for (int i = 0; i < TM; i++) if (block * TM + i < int(p.m)) {
        float of_row = 0.0;
        if (p.bias_kind == 1u) of_row = bias[block * TM + i];
        [[unroll]] for (int t = 0; t < T4; t++) if (column[t] < int(p.columns4))
            store(z + column[t] / n4, block * TM + i, column[t] % n4, p.scale * acc[i][t] + (of_column[t] + of_row));
    }
}

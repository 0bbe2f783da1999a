// Matrix product for software drivers with subgroups of four lanes: c[b,m,n] = scale * sum_k A(b,m,k) B(b,k,n) + bias.
//
// Needs operands as matmul_wide.comp does, or, with TRANS_B = 1, as matmul_dot.comp. Four neighbouring lanes, a quad, make TM rows of
// T4 * 16 columns together: a lane loads its own rows of A and its own columns of B, and the rows go round the quad by swaps. So lane l
// has, in accumulator 4 q + r, its columns of a row of lane l ^ r. Quads run over columns, with a broadcast A (a_batch = 0) over (b, n);
// otherwise workgroup z is b. Workgroup x is the block of rows, y the columns. What lies past m or n is computed from the last row or
// column and not stored.
//
// Why so: SwiftShader knows no branch but a loop's (both sides of an if are computed, for masked lanes), loads a vec4 of a storage buffer
// float by float and lane by lane, and makes a shuffle of twenty instructions but a swap of one. It keeps arrays in memory whose size is
// not known when SPIR-V is made, writes a loop's variables out in every round, and is slow where a loop's body passes 32 KB of code.
//
// Numerics: fp32, k in order; the same sum at every place in the batch.
//
// Variants: plain reads storage buffers (a smaller tile, for their loads are long code), texel texel buffers; transposed_a takes A as
// [K,M], transposed_b B as [N,K].
//! variant texel PNB_TEXEL=1
//! variant transposed_a PNB_TRANS_A=1
//! variant transposed_a_texel PNB_TRANS_A=1 PNB_TEXEL=1
//! variant transposed_b PNB_TRANS_B=1
//! variant transposed_b_texel PNB_TRANS_B=1 PNB_TEXEL=1
#version 450
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : require
#extension GL_KHR_shader_subgroup_basic : require
#extension GL_KHR_shader_subgroup_quad : require
#include "ops/matmul.h"

layout(local_size_x_id = 0) in; // a multiple of 4
#ifdef PNB_TEXEL
const int T4 = PNB_MATMUL_QUAD_TEXEL;
layout(set = 0, binding = 0) uniform samplerBuffer a_texels;
layout(set = 0, binding = 1) uniform samplerBuffer b_texels;
#define A(i) texelFetch(a_texels, i)
#define B(i) texelFetch(b_texels, i)
#else
const int T4 = PNB_MATMUL_QUAD_PLAIN;
layout(set = 0, binding = 0) readonly buffer ABlock { vec4 a_data[]; };
layout(set = 0, binding = 1) readonly buffer BBlock { vec4 b_data[]; };
#define A(i) a_data[i]
#define B(i) b_data[i]
#endif
layout(set = 0, binding = 2) readonly buffer SBlock { float bias[]; };
#ifdef PNB_TRANS_B
layout(set = 0, binding = 3) writeonly buffer CBlock { float c[]; };
const int PER = 4; // loads of B, and column numbers, that make a vec4 of columns
#else
layout(set = 0, binding = 3) writeonly buffer CBlock { vec4 c[]; };
const int PER = 1;
#endif

const int TM = PNB_MATMUL_QUAD_ROWS, Q = TM / 4, COLUMNS = T4 * PER;

float keep(float value, bool yes) { return yes ? value : 0.0; }

// acc += a b for one k; value: of this lane's rows
void add(inout vec4 acc[TM][T4], float value[Q], vec4 b[T4]) {
    [[unroll]] for (int q = 0; q < Q; q++) {
        const float a[4] = float[4](value[q], subgroupQuadSwapHorizontal(value[q]), subgroupQuadSwapVertical(value[q]),
                                    subgroupQuadSwapDiagonal(value[q]));
        [[unroll]] for (int r = 0; r < 4; r++)[[unroll]] for (int t = 0; t < T4; t++) acc[4 * q + r][t] =
            fma(vec4(a[r]), b[t], acc[4 * q + r][t]);
    }
}

void main() {
    const int m = int(p.m), n = int(p.n), k4 = int(p.k) / 4, width = PER == 4 ? n : n / 4; // B, in loads
    const int lane = int(gl_SubgroupInvocationID) % 4, z = int(gl_WorkGroupID.z);
    const int quad = int(gl_WorkGroupID.y * gl_WorkGroupSize.x + gl_SubgroupID * gl_SubgroupSize + gl_SubgroupInvocationID) / 4;
    const int m0 = int(gl_WorkGroupID.x) * TM;
    const bool flat_batch = p.a_batch == 0u;

    int batch[COLUMNS], column[COLUMNS], at_b[COLUMNS];
    bool inside[COLUMNS];
    [[unroll]] for (int j = 0; j < COLUMNS; j++) {
        const int id = (quad * COLUMNS + j) * 4 + lane, known = min(id, int(p.count) - 1);
        inside[j] = id < int(p.count);
        batch[j] = flat_batch ? known / width : z;
        column[j] = flat_batch ? known % width : known;
        at_b[j] = batch[j] * int(p.b_batch) / 4 + (PER == 4 ? column[j] * k4 : column[j]);
    }
#ifdef PNB_TRANS_A // a lane has four rows one after the other
    const int a_step = int(p.a_k) / 4;
    int at_a = z * int(p.a_batch) / 4 + min(m0 / 4 + lane, m / 4 - 1);
#else // every fourth row
    int at_a[Q];
    [[unroll]] for (int q = 0; q < Q; q++) at_a[q] = z * int(p.a_batch) / 4 + min(m0 + 4 * q + lane, m - 1) * k4;
#endif

    vec4 acc[TM][T4];
    [[unroll]] for (int i = 0; i < TM; i++)[[unroll]] for (int t = 0; t < T4; t++) acc[i][t] = vec4(0.0);
    for (int k = 0; k < k4; k++) {
#ifdef PNB_TRANS_B
        vec4 all_b[COLUMNS];
        [[unroll]] for (int j = 0; j < COLUMNS; j++) all_b[j] = B(at_b[j] + k);
#endif
#ifndef PNB_TRANS_A
        vec4 all_a[Q];
        [[unroll]] for (int q = 0; q < Q; q++) all_a[q] = A(at_a[q] + k);
#endif
        [[unroll]] for (int kk = 0; kk < 4; kk++) {
            vec4 b[T4];
            float a[Q];
            [[unroll]] for (int t = 0; t < T4; t++) {
#ifdef PNB_TRANS_B
                b[t] = vec4(all_b[4 * t][kk], all_b[4 * t + 1][kk], all_b[4 * t + 2][kk], all_b[4 * t + 3][kk]);
#else
                b[t] = B(at_b[t]);
                at_b[t] += n / 4;
#endif
            }
#ifdef PNB_TRANS_A
            const vec4 rows = A(at_a);
            at_a += a_step;
            [[unroll]] for (int q = 0; q < Q; q++) a[q] = rows[q];
#else
            [[unroll]] for (int q = 0; q < Q; q++) a[q] = all_a[q][kk];
#endif
            add(acc, a, b);
        }
    }
#ifdef PNB_TRANS_A
    for (int k = 4 * k4; k < int(p.k); k++) {
        vec4 b[T4];
        [[unroll]] for (int t = 0; t < T4; t++) {
            b[t] = B(at_b[t]);
            at_b[t] += n / 4;
        }
        const vec4 rows = A(at_a);
        at_a += a_step;
        float a[Q];
        [[unroll]] for (int q = 0; q < Q; q++) a[q] = rows[q];
        add(acc, a, b);
    }
#endif

    const bool of_rows = p.bias_kind == PNB_BIAS_ROW, of_columns = p.bias_kind == PNB_BIAS_COLUMN;
    vec4 of_column[T4];
    [[unroll]] for (int t = 0; t < T4; t++)[[unroll]] for (int e = 0; e < 4; e++) {
        const int at = PER == 4 ? column[t * PER + e % PER] : 4 * column[t * PER] + e;
        of_column[t][e] = keep(bias[of_columns ? at : 0], of_columns);
    }
    [[unroll]] for (int i = 0; i < TM; i++) {
#ifdef PNB_TRANS_A
        const int row = m0 + 4 * (lane ^ i % 4) + i / 4;
#else
        const int row = m0 + i / 4 * 4 + (lane ^ i % 4);
#endif
        const float of_row = keep(bias[of_rows ? min(row, m - 1) : 0], of_rows);
        [[unroll]] for (int t = 0; t < T4; t++) {
            const vec4 sum = p.scale * acc[i][t] + (of_column[t] + of_row);
#ifdef PNB_TRANS_B
            [[unroll]] for (int e = 0; e < 4; e++) {
                const int j = 4 * t + e;
                if (row < m && inside[j]) c[(batch[j] * m + row) * n + column[j]] = sum[e];
            }
#else
            if (row < m && inside[t]) c[(batch[t] * m + row) * width + column[t]] = sum;
#endif
        }
    }
}

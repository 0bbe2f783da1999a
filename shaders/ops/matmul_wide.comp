// Fast matrix product for a B whose columns are contiguous: c[b,m,n] = scale * sum_k A(b,m,k) B[b,k,n] + bias.
//
// Needs n % 4 = 0, and k % 4 = 0 for A [M,K] or m % 4 = 0 for A [K,M] (TRANS_A = 1). One invocation makes TM rows of T4 vec4s
// of neighbouring columns. A is read at addresses that are the same for the whole subgroup, as vec4s over k (or over m).
// Lanes run over columns; with a broadcast A (a_batch = 0) over (b, n), so that small matrices of a large batch fill a
// workgroup; otherwise workgroup z is b. Workgroup x is the block of rows, so that those that follow each other read the same columns,
// y the columns. T4 divides n / 4.
//
// Numerics: fp32, k in order; the same sum at every place in the batch.
//
// Variants: plain reads storage buffers, texel reads texel buffers; spread also loads A once for a subgroup, a vec4 a lane,
// and shuffles it out. spread is right for subgroups of exactly SPREAD lanes; with others it does as texel does.
// gpu: plain, with A at addresses that a compiler can see to be the same for the workgroup (scalar loads on some GPUs), and one vec4
// of B at a time, which leaves registers for more subgroups.
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
#include "ops/matmul.h"

layout(local_size_x_id = 0) in;
layout(constant_id = 1) const int TM = 8; // 4 or 8
layout(constant_id = 2) const int T4 = 2;
layout(constant_id = 3) const int TRANS_A = 0;
layout(constant_id = 4) const int SPREAD = 8;

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
layout(set = 0, binding = 3) writeonly buffer CBlock { vec4 c[]; };

void main() {
    const int n4 = int(p.n) / 4, columns = n4 / T4;
    const int id = int(gl_WorkGroupID.y * gl_WorkGroupSize.x + gl_LocalInvocationID.x), inside = min(id, int(p.count) - 1);
    const bool flat_batch = p.a_batch == 0u;
    const int batch = flat_batch ? inside / columns : int(gl_WorkGroupID.z);
    const int column = (flat_batch ? inside % columns : inside) * T4;
    const int m0 = int(gl_WorkGroupID.x) * TM, rows_left = int(p.m) - m0;
#ifdef PNB_GPU
    const int at_a = (flat_batch ? 0 : int(gl_WorkGroupID.z)) * int(p.a_batch) / 4;
#else
    const int at_a = batch * int(p.a_batch) / 4;
#endif
    int at_b = batch * int(p.b_batch) / 4 + column;
    const int a_step = int(TRANS_A != 0 ? p.a_k : p.a_m) / 4; // vec4s between the rows of A as it lies in memory

    vec4 acc[TM][T4];
    [[unroll]] for (int i = 0; i < TM; i++)[[unroll]] for (int t = 0; t < T4; t++) acc[i][t] = vec4(0.0);

    // Four steps of k at a time. Slot s of A is row m0 + s, or, transposed, the vec4 s % (TM / 4) of rows at k + s / (TM / 4).
    const int whole = int(p.k) / 4 * 4;
    for (int k = 0; k < whole; k += 4) {
#ifdef PNB_GPU
        vec4 a[TM];
        [[unroll]] for (int s = 0; s < TM; s++) {
            if (TRANS_A != 0) a[s] = A(at_a + (k + s / (TM / 4)) * a_step + m0 / 4 + min(s % (TM / 4), rows_left / 4 - 1));
            else a[s] = A(at_a + (m0 + min(s, rows_left - 1)) * a_step + k / 4);
        }
        [[unroll]] for (int kk = 0; kk < 4; kk++)[[unroll]] for (int t = 0; t < T4; t++) {
            const vec4 b = B(at_b + kk * n4 + t);
            [[unroll]] for (int i = 0; i < TM; i++) acc[i][t] =
                fma(vec4(TRANS_A != 0 ? a[kk * (TM / 4) + i / 4][i % 4] : a[i][kk]), b, acc[i][t]);
        }
        at_b += 4 * n4;
#else
        vec4 b[4][T4];
        [[unroll]] for (int kk = 0; kk < 4; kk++) {
            [[unroll]] for (int t = 0; t < T4; t++) b[kk][t] = B(at_b + t);
            at_b += n4;
        }
#ifdef PNB_SPREAD
        const bool spread = gl_SubgroupSize == SPREAD;
        if (spread) {
            vec4 part[(TM + SPREAD - 1) / SPREAD];
            [[unroll]] for (int q = 0; q < (TM + SPREAD - 1) / SPREAD; q++) {
                const int s = min(q * SPREAD + int(gl_SubgroupInvocationID), TM - 1);
                if (TRANS_A != 0) {
                    const int i = min(s % (TM / 4), rows_left / 4 - 1);
                    part[q] = A(at_a + (k + s / (TM / 4)) * a_step + m0 / 4 + i);
                } else
                    part[q] = A(at_a + (m0 + min(s, rows_left - 1)) * a_step + k / 4);
            }
            [[unroll]] for (int i = 0; i < TM; i++)[[unroll]] for (int kk = 0; kk < 4; kk++) {
                const int s = TRANS_A != 0 ? kk * (TM / 4) + i / 4 : i, e = TRANS_A != 0 ? i % 4 : kk;
                const float value = subgroupShuffle(part[s / SPREAD][e], uint(s % SPREAD));
                [[unroll]] for (int t = 0; t < T4; t++) acc[i][t] = fma(vec4(value), b[kk][t], acc[i][t]);
            }
        }
#else
        const bool spread = false;
#endif
        if (!spread) [[unroll]] for (int s = 0; s < TM; s++) {
            if (TRANS_A != 0) {
                const int i = s % (TM / 4), kk = s / (TM / 4);
                const vec4 a = A(at_a + (k + kk) * a_step + m0 / 4 + min(i, rows_left / 4 - 1));
                [[unroll]] for (int e = 0; e < 4; e++)[[unroll]] for (int t = 0; t < T4; t++) acc[4 * i + e][t] =
                    fma(vec4(a[e]), b[kk][t], acc[4 * i + e][t]);
            } else {
                const vec4 a = A(at_a + (m0 + min(s, rows_left - 1)) * a_step + k / 4);
                [[unroll]] for (int kk = 0; kk < 4; kk++)[[unroll]] for (int t = 0; t < T4; t++) acc[s][t] =
                    fma(vec4(a[kk]), b[kk][t], acc[s][t]);
            }
        }
#endif
    }
    if (TRANS_A != 0) {
        for (int k = whole; k < int(p.k); k++) {
            [[unroll]] for (int i = 0; i < TM / 4; i++) {
                const vec4 a = A(at_a + k * a_step + m0 / 4 + min(i, rows_left / 4 - 1));
                [[unroll]] for (int t = 0; t < T4; t++) {
                    const vec4 b = B(at_b + t);
                    [[unroll]] for (int e = 0; e < 4; e++) acc[4 * i + e][t] = fma(vec4(a[e]), b, acc[4 * i + e][t]);
                }
            }
            at_b += n4;
        }
    }

    if (id >= int(p.count)) return;
    vec4 of_column[T4];
    [[unroll]] for (int t = 0; t < T4; t++) {
        const int n = (column + t) * 4;
        of_column[t] = vec4(0.0);
        if (p.bias_kind == PNB_BIAS_COLUMN) of_column[t] = vec4(bias[n], bias[n + 1], bias[n + 2], bias[n + 3]);
    }
    const int to = (batch * int(p.m) + m0) * n4 + column;
#define STORE(i)                                                                                                       \
    if (i < TM && i < rows_left) {                                                                                     \
        float of_row = 0.0;                                                                                            \
        if (p.bias_kind == PNB_BIAS_ROW) of_row = bias[m0 + i];                                                        \
        [[unroll]] for (int t = 0; t < T4; t++) c[to + i * n4 + t] = p.scale * acc[min(i, TM - 1)][t] + (of_column[t] + of_row); \
    }
    STORE(0) STORE(1) STORE(2) STORE(3) STORE(4) STORE(5) STORE(6) STORE(7)
}

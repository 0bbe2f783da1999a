// Fast matrix product for operands that are both contiguous in k: c[b,m,n] = scale * sum_k A[b,m,k] B[b,n,k] + bias.
//
// Needs k % 4 = 0. One invocation makes TM rows of TN neighbouring columns as dot products of vec4s over k. A is read at
// addresses that are the same for the whole subgroup. Lanes run over columns, with a broadcast A (a_batch = 0) over (b, n);
// otherwise workgroup z is b. Workgroup x is the block of rows, y the columns. Columns past n are computed from the last one and
// not stored.
//
// Numerics: fp32, k in order, four at a time; the same sum at every place in the batch.
//
// Variants: plain reads storage buffers, texel reads texel buffers. (Spreading A over a subgroup, as matmul_wide.comp does,
// was measured and does not pay here.)
//! variant texel PNB_TEXEL=1
#version 450
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : require
#include "ops/matmul.h"

layout(local_size_x_id = 0) in;
layout(constant_id = 1) const int TM = 8; // 4 or 8
layout(constant_id = 2) const int TN = 2;

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
layout(set = 0, binding = 3) writeonly buffer CBlock { float c[]; };

void main() {
    const int k4 = int(p.k) / 4, columns = (int(p.n) + TN - 1) / TN;
    const int id = int(gl_WorkGroupID.y * gl_WorkGroupSize.x + gl_LocalInvocationID.x), inside = min(id, int(p.count) - 1);
    const bool flat_batch = p.a_batch == 0u;
    const int batch = flat_batch ? inside / columns : int(gl_WorkGroupID.z);
    const int column = (flat_batch ? inside % columns : inside) * TN;
    const int m0 = int(gl_WorkGroupID.x) * TM, rows_left = int(p.m) - m0;
    const int at_a = batch * int(p.a_batch) / 4 + m0 * k4, at_b = batch * int(p.b_batch) / 4;

    float acc[TM][TN];
    [[unroll]] for (int i = 0; i < TM; i++)[[unroll]] for (int t = 0; t < TN; t++) acc[i][t] = 0.0;
    for (int k = 0; k < k4; k++) {
        vec4 b[TN];
        [[unroll]] for (int t = 0; t < TN; t++) b[t] = B(at_b + min(column + t, int(p.n) - 1) * k4 + k);
        [[unroll]] for (int i = 0; i < TM; i++) {
            const vec4 a = A(at_a + min(i, rows_left - 1) * k4 + k);
            [[unroll]] for (int t = 0; t < TN; t++) acc[i][t] += dot(a, b[t]);
        }
    }

    if (id >= int(p.count)) return;
    float of_column[TN];
    [[unroll]] for (int t = 0; t < TN; t++) {
        of_column[t] = 0.0;
        if (p.bias_kind == PNB_BIAS_COLUMN) of_column[t] = bias[min(column + t, int(p.n) - 1)];
    }
    const int to = (batch * int(p.m) + m0) * int(p.n) + column;
#define STORE(i)                                                                                                       \
    if (i < TM && i < rows_left) {                                                                                     \
        float of_row = 0.0;                                                                                            \
        if (p.bias_kind == PNB_BIAS_ROW) of_row = bias[m0 + i];                                                        \
        [[unroll]] for (int t = 0; t < TN; t++) if (column + t < int(p.n))                                             \
            c[to + i * int(p.n) + t] = p.scale * acc[min(i, TM - 1)][t] + (of_column[t] + of_row);                     \
    }
    STORE(0) STORE(1) STORE(2) STORE(3) STORE(4) STORE(5) STORE(6) STORE(7)
}

// Matrix product with cooperative matrices: c[b,m,n] = scale * sum_k A(b,m,k) B(b,k,n) + bias, of operands stored as 16-bit floats.
//
// Needs m, n and k that are multiples of the device's matrices (M, N, K) and of the tile. One workgroup is one subgroup and makes
// ROWS by COLUMNS matrices; workgroup x is the tile's columns, y its rows, z the batch. Each operand is contiguous along one of its
// axes: along k or n (row major), or along m or k of its own (column major).
//
// Numerics: products of 16-bit floats, sums in fp32, K at a time in order.
//! needs GL_KHR_cooperative_matrix
#version 450
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : require
#extension GL_EXT_shader_explicit_arithmetic_types_float16 : require
#extension GL_KHR_memory_scope_semantics : require
#extension GL_KHR_cooperative_matrix : require
#include "ops/matmul.h"

layout(local_size_x_id = 0) in; // of a subgroup
layout(constant_id = 1) const int M = 16;
layout(constant_id = 2) const int N = 16;
layout(constant_id = 3) const int K = 16;
layout(constant_id = 4) const int ROWS = 2;
layout(constant_id = 5) const int COLUMNS = 2;
layout(constant_id = 6) const int A_LAYOUT = gl_CooperativeMatrixLayoutRowMajor;
layout(constant_id = 7) const int B_LAYOUT = gl_CooperativeMatrixLayoutRowMajor;

layout(set = 0, binding = 0) readonly buffer ABlock { float16_t a[]; };
layout(set = 0, binding = 1) readonly buffer BBlock { float16_t b[]; };
layout(set = 0, binding = 2) readonly buffer SBlock { float bias[]; };
layout(set = 0, binding = 3) writeonly buffer CBlock { float c[]; };

#define SUM coopmat<float, gl_ScopeSubgroup, M, N, gl_MatrixUseAccumulator>

void main() {
    const uint m0 = gl_WorkGroupID.y * uint(ROWS * M), n0 = gl_WorkGroupID.x * uint(COLUMNS * N), batch = gl_WorkGroupID.z;
    const uint a_stride = A_LAYOUT == gl_CooperativeMatrixLayoutRowMajor ? p.a_m : p.a_k;
    const uint b_stride = B_LAYOUT == gl_CooperativeMatrixLayoutRowMajor ? p.b_k : p.b_n;
    uint at_a = batch * p.a_batch + m0 * p.a_m, at_b = batch * p.b_batch + n0 * p.b_n;

    SUM sum[ROWS][COLUMNS];
    [[unroll]] for (int i = 0; i < ROWS; i++)[[unroll]] for (int j = 0; j < COLUMNS; j++) sum[i][j] = SUM(0.0);
    for (uint k = 0; k < p.k; k += uint(K)) {
        coopmat<float16_t, gl_ScopeSubgroup, K, N, gl_MatrixUseB> right[COLUMNS];
        [[unroll]] for (int j = 0; j < COLUMNS; j++) coopMatLoad(right[j], b, at_b + uint(j * N) * p.b_n, b_stride, B_LAYOUT);
        [[unroll]] for (int i = 0; i < ROWS; i++) {
            coopmat<float16_t, gl_ScopeSubgroup, M, K, gl_MatrixUseA> left;
            coopMatLoad(left, a, at_a + uint(i * M) * p.a_m, a_stride, A_LAYOUT);
            [[unroll]] for (int j = 0; j < COLUMNS; j++) sum[i][j] = coopMatMulAdd(left, right[j], sum[i][j]);
        }
        at_a += uint(K) * p.a_k;
        at_b += uint(K) * p.b_k;
    }

    [[unroll]] for (int i = 0; i < ROWS; i++)[[unroll]] for (int j = 0; j < COLUMNS; j++) {
        const uint m = m0 + uint(i * M), n = n0 + uint(j * N);
        SUM made = sum[i][j] * p.scale, more;
        if (p.bias_kind == PNB_BIAS_ROW) { // a stride of 0: the same bias in every column
            coopMatLoad(more, bias, m, 0, gl_CooperativeMatrixLayoutColumnMajor);
            made += more;
        }
        if (p.bias_kind == PNB_BIAS_COLUMN) {
            coopMatLoad(more, bias, n, 0, gl_CooperativeMatrixLayoutRowMajor);
            made += more;
        }
        coopMatStore(made, c, (batch * p.m + m) * p.n + n, p.n, gl_CooperativeMatrixLayoutRowMajor);
    }
}

// General batched matrix product, any strides: the reference on the device and the fallback.
//
//     c[b,m,n] = scale * sum_k A(b,m,k) B(b,k,n) + bias
//
// One invocation makes PNB_MATMUL_BLOCK rows of one column. Lanes run over (b, row block, n), n fastest. Numerics: fp32, k in
// order.
#version 450
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : require
#include "lib/index.glsl"
#include "ops/matmul.h"

layout(local_size_x_id = 0) in;
layout(set = 0, binding = 0) readonly buffer ABlock { float a[]; };
layout(set = 0, binding = 1) readonly buffer BBlock { float b[]; };
layout(set = 0, binding = 2) readonly buffer SBlock { float bias[]; };
layout(set = 0, binding = 3) writeonly buffer CBlock { float c[]; };

void main() {
    const uint id = pnb_linear_id();
    if (id >= p.count) return;
    const uint blocks = (p.m + PNB_MATMUL_BLOCK - 1) / PNB_MATMUL_BLOCK;
    const uint n = id % p.n, m0 = id / p.n % blocks * PNB_MATMUL_BLOCK, batch = id / p.n / blocks;
    const uint made = min(PNB_MATMUL_BLOCK, p.m - m0);
    uint at_a = batch * p.a_batch + m0 * p.a_m, at_b = batch * p.b_batch + n * p.b_n;
    float acc[PNB_MATMUL_BLOCK];
    [[unroll]] for (uint i = 0; i < PNB_MATMUL_BLOCK; i++) acc[i] = 0.0;
    for (uint k = 0; k < p.k; k++) {
        const float value = b[at_b];
        [[unroll]] for (uint i = 0; i < PNB_MATMUL_BLOCK; i++) acc[i] = fma(a[at_a + min(i, made - 1) * p.a_m], value, acc[i]);
        at_a += p.a_k;
        at_b += p.b_k;
    }
    [[unroll]] for (uint i = 0; i < PNB_MATMUL_BLOCK; i++) if (i < made) {
        float sum = p.scale * acc[i];
        if (p.bias_kind == PNB_BIAS_ROW) sum += bias[m0 + i];
        if (p.bias_kind == PNB_BIAS_COLUMN) sum += bias[n];
        c[(batch * p.m + m0 + i) * p.n + n] = sum;
    }
}

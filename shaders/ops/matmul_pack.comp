// Packs an operand for matmul_packed.comp (layouts: matmul_packed.h), whatever its strides; zeros outside it.
// SIDE 0: A, m rows of k. SIDE 1: B, n columns of k. RUNS: the four values of a vec4 lie in one vec4 of the source.
//! variant texel PNB_TEXEL=1
#version 450
#extension GL_GOOGLE_include_directive : require
#include "lib/vec4.glsl"
#include "ops/matmul_packed.h"

layout(local_size_x_id = 0) in;
layout(constant_id = 1) const uint SIDE = 0u;
layout(constant_id = 2) const bool RUNS = false;
PNB_IN(0, x)
PNB_OUT(1, y)

// four values from `row` and k on: over k for A, over rows for B
vec4 values(uint batch, uint row, uint rows, uint k) {
    const uint at = batch * p.batch_stride + row * p.row_stride + k * p.k_stride;
    if (RUNS) return row < rows && k < p.k ? x4(at / 4u) : vec4(0.0);
    vec4 v = vec4(0.0);
    for (uint e = 0u; e < 4u; e++) {
        const bool inside = SIDE == 0u ? row < rows && k + e < p.k : row + e < rows && k < p.k;
        if (inside) v[e] = x1(at + e * (SIDE == 0u ? p.k_stride : p.row_stride));
    }
    return v;
}

void main() {
    const uint k4 = (p.k + 3u) / 4u, wide = p.wide;
    PNB_EACH(i, p.count) {
        if (SIDE == 0u) {
            const uint blocks = (p.m + wide - 1u) / wide;
            const uint row = i % wide, k = i / wide % k4 * 4u, block = i / wide / k4 % blocks, batch = i / wide / k4 / blocks;
            y4_set(i, values(batch, block * wide + row, p.m, k));
        } else {
            const uint panels = (p.columns4 + wide - 1u) / wide, n4 = (p.n + 3u) / 4u;
            const uint k = i / wide % (4u * k4), panel = i / wide / (4u * k4) % panels, column = panel * wide + i % wide;
            const uint batch = i / wide / (4u * k4) / panels + column / n4;
            y4_set(i, column < p.columns4 ? values(batch, column % n4 * 4u, p.n, k) : vec4(0.0));
        }
    }
}

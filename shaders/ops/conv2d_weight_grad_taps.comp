// From Winograd's domain back to the 3x3 gradient: sums the splits in order, then gw = A^T (f f^T * m) A for each (o, c).
//
// f holds the scales that the transform of gy left out. m is [splits][36][O][ceil(C/4)] vec4 of input channels, gw
// [O,C,3,3]. One invocation makes the 9 taps of one output and one input channel, or with WIDE of four input channels, 36
// floats in a row. Lanes run over input channels, then output channels. Numerics: fp32, rows before columns.
//
// Variants: wide is for software drivers, texel also reads through a texel buffer.
//! variant wide PNB_WIDE=1
//! variant texel PNB_WIDE=1 PNB_TEXEL=1
#version 450
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : require
#include "lib/vec4.glsl"
#include "ops/conv2d_weight_grad_winograd.h"

layout(constant_id = 1) const bool VEC = true; // the number of input channels is a multiple of 4
PNB_IN(0, m)
PNB_OUT(1, gw)

#ifdef PNB_WIDE
#define REAL vec4
#define M(i, id) m4((i) * p.m_stride + id)
#else
#define REAL float
#define M(i, id) m1((i) * p.m_stride * 4u + id)
#endif

// A^T (f * d): 6 to 3
void transform(REAL d[6], out REAL r[3]) {
    const REAL a = (-1.0 / 6.0) * (d[1] + d[2]), b = (-1.0 / 6.0) * (d[1] - d[2]);
    const REAL c = (1.0 / 24.0) * (d[3] + d[4]), e = (1.0 / 12.0) * (d[3] - d[4]);
    r[0] = 0.25 * d[0] + a + c;
    r[1] = b + e;
    r[2] = a + 4.0 * c + d[5];
}

void main() {
    const uint id = pnb_linear_id();
    if (id >= p.count) return;
    REAL d[6][6];
    [[unroll]] for (uint i = 0u; i < 36u; i++) d[i / 6u][i % 6u] = M(i, id);
    for (uint s = 1u; s < p.splits; s++) {
        [[unroll]] for (uint i = 0u; i < 36u; i++) d[i / 6u][i % 6u] += M(36u * s + i, id);
    }
    REAL half_way[6][3], taps[9];
    [[unroll]] for (uint i = 0u; i < 6u; i++) transform(d[i], half_way[i]);
    [[unroll]] for (uint v = 0u; v < 3u; v++) {
        REAL column[6], r[3];
        [[unroll]] for (uint i = 0u; i < 6u; i++) column[i] = half_way[i][v];
        transform(column, r);
        [[unroll]] for (uint u = 0u; u < 3u; u++) taps[u * 3u + v] = r[u];
    }
    const uint columns = (p.in_channels + 3u) / 4u;
#ifdef PNB_WIDE
    if (VEC) {
        [[unroll]] for (uint k = 0u; k < 9u; k++) {
            vec4 four; // of the 36 floats, channel by channel
            [[unroll]] for (uint j = 0u; j < 4u; j++) four[j] = taps[(4u * k + j) % 9u][(4u * k + j) / 9u];
            gw4_set(id * 9u + k, four);
        }
    } else {
        const uint o = id / columns, c = id % columns * 4u;
        [[unroll]] for (uint j = 0u; j < 4u; j++) if (c + j < p.in_channels) {
            [[unroll]] for (uint k = 0u; k < 9u; k++) gw1_set((o * p.in_channels + c + j) * 9u + k, taps[k][j]);
        }
    }
#else
    const uint o = id / (4u * columns), c = id % (4u * columns);
    if (c < p.in_channels) {
        [[unroll]] for (uint k = 0u; k < 9u; k++) gw1_set((o * p.in_channels + c) * 9u + k, taps[k]);
    }
#endif
}

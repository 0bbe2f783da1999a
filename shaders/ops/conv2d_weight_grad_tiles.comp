// Transforms x or gy into Winograd's domain for the weight gradient (conv2d_weight_grad_winograd.h).
//
//     x:  v = B^T d B,  d the 6x6 pixels from (4ty-1, 4tx-1)     gy:  v = H d H^T,  d the 4x4 pixels from (4ty, 4tx)
//
// with the points 0, 1, -1, 2, -2, infinity: B^T as in Lavin & Gray (2016) for F(4x4,3x3), H_ij = (point i)^j; the scales
// of their G are left to the last kernel. One invocation makes the 36 vec4s of four tiles of one channel. Lanes run over
// the 8 channels of a panel, then quads, then panels: each store is one run of memory. Pixels outside the image are zeros.
//
// Numerics: fp32, rows before columns.
//! variant texel PNB_TEXEL=1
#version 450
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : require
#include "lib/vec4.glsl"
#include "ops/conv2d_weight_grad_winograd.h"

layout(constant_id = 1) const bool GRAD = false; // gy, not x
layout(constant_id = 2) const bool VEC = true;   // width is a multiple of 4
PNB_IN(0, x)
PNB_OUT(1, v)

const int SIZE = GRAD ? 4 : 6;

void transform_x(inout vec4 d[6]) {
    const vec4 a = d[4] - 4.0 * d[2], b = d[3] - 4.0 * d[1], c = d[4] - d[2], e = 2.0 * (d[3] - d[1]);
    d[0] = 4.0 * d[0] - 5.0 * d[2] + d[4];
    d[5] = 4.0 * d[1] - 5.0 * d[3] + d[5];
    d[1] = a + b;
    d[2] = a - b;
    d[3] = c + e;
    d[4] = c - e;
}

void transform_gy(inout vec4 d[6]) {
    const vec4 a = d[0] + d[2], b = d[1] + d[3], c = d[0] + 4.0 * d[2], e = 2.0 * d[1] + 8.0 * d[3];
    d[5] = d[3];
    d[1] = a + b;
    d[2] = a - b;
    d[3] = c + e;
    d[4] = c - e;
}

void transform(inout vec4 d[6]) {
    if (GRAD) transform_gy(d);
    else transform_x(d);
}

void main() {
    const uint id = pnb_linear_id();
    if (id >= p.count) return;
    const int c = int(id / PNB_WG_PANEL / p.quads) * PNB_WG_PANEL + int(id % PNB_WG_PANEL);
    const int quad = int(id / PNB_WG_PANEL % p.quads), height = int(p.height), width = int(p.width);
    const int tiles = int(p.tiles_y * p.tiles_x), last = int(p.batch) * tiles - 1;

    vec4 d[6][6]; // row, column; a component is a tile
    [[unroll]] for (int k = 0; k < 4; k++) {
        const int tile = min(quad * 4 + k, last), n = tile / tiles;
        const int y0 = tile % tiles / int(p.tiles_x) * 4, x0 = tile % int(p.tiles_x) * 4;
        const bool live = quad * 4 + k <= last && c < int(p.channels);
        const int plane = (n * int(p.channels) + min(c, int(p.channels) - 1)) * height;
        [[unroll]] for (int q = 0; q < SIZE; q++) {
            const int y = GRAD ? y0 + q : y0 + q - 1;
            const bool row = live && y >= 0 && y < height;
            const int at = (plane + clamp(y, 0, height - 1)) * width + x0;
            if (VEC) {
                const vec4 mid = row ? x4(uint(at) / 4u) : vec4(0.0);
                if (GRAD) {
                    [[unroll]] for (int j = 0; j < 4; j++) d[q][j][k] = mid[j];
                } else {
                    d[q][0][k] = row && x0 > 0 ? x4(uint(at - 4) / 4u).w : 0.0;
                    [[unroll]] for (int j = 0; j < 4; j++) d[q][j + 1][k] = mid[j];
                    d[q][5][k] = row && x0 + 4 < width ? x4(uint(at + 4) / 4u).x : 0.0;
                }
            } else {
                [[unroll]] for (int j = 0; j < SIZE; j++) {
                    const int column = GRAD ? j : j - 1;
                    d[q][j][k] = row && x0 + column >= 0 && x0 + column < width ? x1(uint(at + column)) : 0.0;
                }
            }
        }
    }
    [[unroll]] for (int q = 0; q < SIZE; q++) transform(d[q]);
    const uint stride = GRAD ? p.gy_stride : p.x_stride;
    [[unroll]] for (int j = 0; j < 6; j++) {
        vec4 column[6];
        [[unroll]] for (int q = 0; q < SIZE; q++) column[q] = d[q][j];
        transform(column);
        [[unroll]] for (int i = 0; i < 6; i++) v4_set(uint(i * 6 + j) * stride + id, column[i]);
    }
}

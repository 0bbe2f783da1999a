// Transforms x or gy into Winograd's domain for the weight gradient (conv2d_weight_grad_winograd.h).
//
//     x:  v = B^T d B,  d the 6x6 pixels from (4ty-1, 4tx-1)     gy:  v = H d H^T,  d the 4x4 pixels from (4ty, 4tx)
//
// with the points 0, 1, -1, 2, -2, infinity: B^T as in Lavin & Gray (2016) for F(4x4,3x3), H_ij = (point i)^j; the scales
// of their G are left to the last kernel. One invocation makes the 36 values of a tile of one channel, or with WIDE of the
// four tiles of a quad. Lanes run over the tiles of a quad (not with WIDE), the 8 channels of a panel, quads, panels: each
// store is one run of memory. Pixels outside the image are zeros.
//
// Numerics: fp32, rows before columns.
//
// Variants: gy transforms gy, the others x; wide is for software drivers, texel also reads through a texel buffer.
//! variant gy PNB_GRAD=1
//! variant wide PNB_WIDE=1
//! variant wide_gy PNB_WIDE=1 PNB_GRAD=1
//! variant texel PNB_WIDE=1 PNB_TEXEL=1
//! variant texel_gy PNB_WIDE=1 PNB_TEXEL=1 PNB_GRAD=1
#version 450
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : require
#include "lib/vec4.glsl"
#include "ops/conv2d_weight_grad_winograd.h"

layout(constant_id = 1) const bool VEC = true; // width is a multiple of 4
PNB_IN(0, x)
PNB_OUT(1, v)

#ifdef PNB_WIDE
#define REAL vec4
#define OF_TILE(value, k) value[k]
const int TILES = 4;
#else
#define REAL float
#define OF_TILE(value, k) value
const int TILES = 1;
#endif

#ifdef PNB_GRAD
const int SIZE = 4, LEFT = 0; // pixels of a tile's row, and where they start

void transform(inout REAL d[6]) {
    const REAL a = d[0] + d[2], b = d[1] + d[3], c = d[0] + 4.0 * d[2], e = 2.0 * d[1] + 8.0 * d[3];
    d[5] = d[3];
    d[1] = a + b;
    d[2] = a - b;
    d[3] = c + e;
    d[4] = c - e;
}
#else
const int SIZE = 6, LEFT = -1;

void transform(inout REAL d[6]) {
    const REAL a = d[4] - 4.0 * d[2], b = d[3] - 4.0 * d[1], c = d[4] - d[2], e = 2.0 * (d[3] - d[1]);
    d[0] = 4.0 * d[0] - 5.0 * d[2] + d[4];
    d[5] = 4.0 * d[1] - 5.0 * d[3] + d[5];
    d[1] = a + b;
    d[2] = a - b;
    d[3] = c + e;
    d[4] = c - e;
}
#endif

// A row of a tile: at is the element at (y, x0), live whether the row lies inside the image.
float[SIZE] load_row(bool live, int at, int x0) {
    float row[SIZE];
    if (VEC) {
        const vec4 mid = live ? x4(uint(at) / 4u) : vec4(0.0);
        [[unroll]] for (int j = 0; j < 4; j++) row[j - LEFT] = mid[j];
        if (LEFT < 0) {
            row[0] = live && x0 > 0 ? x4(uint(at - 4) / 4u).w : 0.0;
            row[SIZE - 1] = live && x0 + 4 < int(p.width) ? x4(uint(at + 4) / 4u).x : 0.0;
        }
    } else {
        [[unroll]] for (int j = 0; j < SIZE; j++) {
            const int column = x0 + LEFT + j;
            row[j] = live && column >= 0 && column < int(p.width) ? x1(uint(at + LEFT + j)) : 0.0;
        }
    }
    return row;
}

void main() {
    const uint id = pnb_linear_id();
    if (id >= p.count) return;
    const int slot = int(id) / (4 / TILES); // of a quad of a channel
    const int c = slot / PNB_WG_PANEL / int(p.quads) * PNB_WG_PANEL + slot % PNB_WG_PANEL;
    const int first = slot / PNB_WG_PANEL % int(p.quads) * 4 + int(id) % (4 / TILES);
    const int height = int(p.height), width = int(p.width);
    const int tiles = int(p.tiles_y * p.tiles_x), last = int(p.batch) * tiles - 1;

    REAL d[6][6]; // row, column
    [[unroll]] for (int k = 0; k < TILES; k++) {
        const int tile = min(first + k, last), n = tile / tiles;
        const int y0 = tile % tiles / int(p.tiles_x) * 4, x0 = tile % int(p.tiles_x) * 4;
        const bool live = first + k <= last && c < int(p.channels);
        const int plane = (n * int(p.channels) + min(c, int(p.channels) - 1)) * height;
        [[unroll]] for (int q = 0; q < SIZE; q++) {
            const int y = y0 + LEFT + q;
            const float row[SIZE] =
                load_row(live && y >= 0 && y < height, (plane + clamp(y, 0, height - 1)) * width + x0, x0);
            [[unroll]] for (int j = 0; j < SIZE; j++) OF_TILE(d[q][j], k) = row[j];
        }
    }
    [[unroll]] for (int q = 0; q < SIZE; q++) transform(d[q]);
#ifdef PNB_GRAD
    const uint stride = p.gy_stride;
#else
    const uint stride = p.x_stride;
#endif
    [[unroll]] for (int j = 0; j < 6; j++) {
        REAL column[6];
        [[unroll]] for (int q = 0; q < SIZE; q++) column[q] = d[q][j];
        transform(column);
#ifdef PNB_WIDE
        [[unroll]] for (int i = 0; i < 6; i++) v4_set(uint(i * 6 + j) * stride + id, column[i]);
#else
        [[unroll]] for (int i = 0; i < 6; i++) v1_set(uint(i * 6 + j) * stride * 4u + id, column[i]);
#endif
    }
}

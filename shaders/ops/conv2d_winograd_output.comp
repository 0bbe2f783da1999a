// From products in Winograd's form to pixels: y = A^T M A + bias (layout: conv2d_winograd.h), NCHW.
//
// One invocation a tile and output channel, or, in the wide variants, four neighbouring tiles as a vec4. Lanes run over the
// tiles of a panel, then the outputs, then the panels: the order of M. Numerics: fp32.
//
// Where the width is a multiple of 4 (VECTORS = 1, tiles of 4 only) a row of a tile is stored as one vec4.
//
// Variants: plain (GPUs), wide (software drivers), texel (wide, M through a texel buffer).
//! variant wide PNB_WIDE=1
//! variant texel PNB_WIDE=1 PNB_TEXEL=1
//! variant two PNB_TILE=2
//! variant two_wide PNB_TILE=2 PNB_WIDE=1
//! variant two_texel PNB_TILE=2 PNB_WIDE=1 PNB_TEXEL=1
#version 450
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : require
#ifdef PNB_WIDE
#define REAL vec4
#define TOGETHER 4 // tiles of an invocation
#define OF_TILE(value, q) (value)[q]
#else
#define REAL float
#define TOGETHER 1
#define OF_TILE(value, q) (value)
#endif
#include "lib/index.glsl"
#include "ops/conv2d_winograd.glsl"
#include "ops/conv2d_winograd.h"
#include "ops/conv2d_winograd_tiles.h"

layout(local_size_x_id = 0) in;
layout(constant_id = 1) const int VECTORS = 0;
#ifdef PNB_TEXEL
layout(set = 0, binding = 0) uniform samplerBuffer m_texels;
#define M(i) texelFetch(m_texels, int(i))
#else
layout(set = 0, binding = 0) readonly buffer MBlock { REAL m[]; };
#define M(i) m[i]
#endif
layout(set = 0, binding = 1) readonly buffer BBlock { float bias[]; };
layout(set = 0, binding = 2) writeonly buffer YBlock { float y[]; };
layout(set = 0, binding = 2) writeonly buffer YBlock4 { vec4 y4[]; };

const uint ROW = PNB_WINOGRAD_PANEL / TOGETHER; // invocations that share a row of a panel

void main() {
    const uint id = pnb_linear_id();
    const int o = int(id / ROW % p.padded);
    if (id >= p.count || o >= int(p.channels)) return;

    REAL half_done[TILE][N];
    [[unroll]] for (int j = 0; j < N; j++) {
        REAL column[N];
        [[unroll]] for (int i = 0; i < N; i++) column[i] = M((i * N + j) * p.count + id);
        const REAL made[TILE] = winograd_tile(column);
        [[unroll]] for (int i = 0; i < TILE; i++) half_done[i][j] = made[i];
    }
    REAL pixels[TILE][TILE];
    const float b = p.has_bias != 0u ? bias[o] : 0.0;
    [[unroll]] for (int i = 0; i < TILE; i++) {
        pixels[i] = winograd_tile(half_done[i]);
        [[unroll]] for (int j = 0; j < TILE; j++) pixels[i][j] += b;
    }

    const int width = int(p.width), height = int(p.height);
    [[unroll]] for (int q = 0; q < TOGETHER; q++) {
        const int tile = int(p.first + id / ROW / p.padded * PNB_WINOGRAD_PANEL + id % ROW * TOGETHER) + q;
        const int tx = tile % int(p.tiles_x), ty = tile / int(p.tiles_x) % int(p.tiles_y);
        const int n = tile / int(p.tiles_x * p.tiles_y);
        const int to = ((n * int(p.channels) + o) * height + ty * TILE) * width + tx * TILE;
        if (tile < int(p.tiles))[[unroll]] for (int i = 0; i < TILE; i++) {
            if (ty * TILE + i >= height) continue;
#if PNB_TILE == 4
            if (VECTORS != 0) {
                y4[(to + i * width) / 4] = vec4(OF_TILE(pixels[i][0], q), OF_TILE(pixels[i][1], q), OF_TILE(pixels[i][2], q),
                                                OF_TILE(pixels[i][3], q));
                continue;
            }
#endif
            [[unroll]] for (int j = 0; j < TILE; j++) if (tx * TILE + j < width) y[to + i * width + j] = OF_TILE(pixels[i][j], q);
        }
    }
}

// Windows of x in Winograd's form: V = B^T d B (layout: conv2d_winograd.h). x is NCHW, zero outside.
//
// One invocation a tile and channel. Lanes run over the tiles of a panel, then the channels, then the panels: the order of V.
// Channels past the last and tiles past the last are zeros. Numerics: fp32.
//
// Variants: plain reads single floats, any width; texel needs a width that is a multiple of 4, and reads vec4s through a
// texel buffer (two or three a row of the window).
//! variant two PNB_TILE=2
//! variant texel PNB_TEXEL=1
//! variant two_texel PNB_TILE=2 PNB_TEXEL=1
#version 450
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : require
#define REAL float
#include "lib/index.glsl"
#include "ops/conv2d_winograd.glsl"
#include "ops/conv2d_winograd.h"
#include "ops/conv2d_winograd_tiles.h"

layout(local_size_x_id = 0) in;
#ifdef PNB_TEXEL
layout(set = 0, binding = 0) uniform samplerBuffer x_texels;
#else
layout(set = 0, binding = 0) readonly buffer XBlock { float x[]; };
#endif
layout(set = 0, binding = 1) writeonly buffer VBlock { float v[]; };

// One row of the window that starts at pixel `left` of the row at `row` (both in floats; the row lies inside the image).
float[N] window_row(int row, int left) {
    const int width = int(p.width);
    float d[N];
#ifdef PNB_TEXEL
    const int first = left >> 2, last = width / 4 - 1, at = row / 4; // left is -1, 1, 3 ...: the shift rounds down
    const vec4 a = texelFetch(x_texels, at + max(first, 0)), b = texelFetch(x_texels, at + min(first + 1, last));
#if PNB_TILE == 4
    const vec4 e = texelFetch(x_texels, at + min(first + 2, last));
    d = float[N](first < 0 ? 0.0 : a.w, b.x, b.y, b.z, b.w, first + 2 > last ? 0.0 : e.x);
#else
    const bool odd = (left & 3) == 1; // the window starts in the middle of a vec4
    const vec4 l = first < 0 ? vec4(0.0) : a, r = first + 1 > last ? vec4(0.0) : b;
    d = odd ? float[N](l.y, l.z, l.w, r.x) : float[N](l.w, r.x, r.y, r.z);
#endif
#else
    [[unroll]] for (int j = 0; j < N; j++) {
        const bool inside = left + j >= 0 && left + j < width;
        d[j] = inside ? x[row + clamp(left + j, 0, width - 1)] : 0.0;
    }
#endif
    return d;
}

void main() {
    const uint id = pnb_linear_id();
    if (id >= p.count) return;
    const int c = int(id / PNB_WINOGRAD_PANEL % p.padded);
    const int tile = int(p.first + id / PNB_WINOGRAD_PANEL / p.padded * PNB_WINOGRAD_PANEL + id % PNB_WINOGRAD_PANEL);
    const bool real = c < int(p.channels) && tile < int(p.tiles);
    const int tx = tile % int(p.tiles_x), ty = tile / int(p.tiles_x) % int(p.tiles_y), n = tile / int(p.tiles_x * p.tiles_y);
    const int height = int(p.height), top = ty * TILE - 1, left = tx * TILE - 1;
    const int plane = real ? (n * int(p.channels) + c) * height : 0;

    float rows[N][N];
    [[unroll]] for (int i = 0; i < N; i++) {
        const bool inside = real && top + i >= 0 && top + i < height;
        const float d[N] = window_row((plane + clamp(top + i, 0, height - 1)) * int(p.width), left);
        [[unroll]] for (int j = 0; j < N; j++) rows[i][j] = inside ? d[j] : 0.0;
        rows[i] = winograd_window(rows[i]);
    }
    [[unroll]] for (int j = 0; j < N; j++) {
        float column[N];
        [[unroll]] for (int i = 0; i < N; i++) column[i] = rows[i][j];
        column = winograd_window(column);
        [[unroll]] for (int i = 0; i < N; i++) v[(i * N + j) * p.count + id] = column[i];
    }
}

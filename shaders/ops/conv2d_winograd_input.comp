// Windows of x in Winograd's form: V = B^T d B (layout: conv2d_winograd.h). x is NCHW, zero outside.
//
// One invocation makes one tile, or four in the wide variants, in `run` channels one after the other; workgroup y is the run.
// Channels past the last and tiles past the last are zeros. Numerics: fp32.
//
// Variants: plain (GPUs) and wide (software drivers) read single floats, any width. vectors and texel need a width that is a
// multiple of 4 and read vec4s, texel through a texel buffer. quads and quads_texel read the four tiles at once, where they
// always lie in one row. There is no branch in the loops: spirv-opt would not unroll them.
//! variant wide PNB_WIDE=1
//! variant vectors PNB_WIDE=1 PNB_VECTORS=1
//! variant texel PNB_WIDE=1 PNB_VECTORS=1 PNB_TEXEL=1
//! variant quads PNB_WIDE=1 PNB_VECTORS=1 PNB_QUADS=1
//! variant quads_texel PNB_WIDE=1 PNB_VECTORS=1 PNB_TEXEL=1 PNB_QUADS=1
//! variant two PNB_TILE=2
//! variant two_wide PNB_TILE=2 PNB_WIDE=1
//! variant two_vectors PNB_TILE=2 PNB_WIDE=1 PNB_VECTORS=1
//! variant two_texel PNB_TILE=2 PNB_WIDE=1 PNB_VECTORS=1 PNB_TEXEL=1
//! variant two_quads PNB_TILE=2 PNB_WIDE=1 PNB_VECTORS=1 PNB_QUADS=1
//! variant two_quads_texel PNB_TILE=2 PNB_WIDE=1 PNB_VECTORS=1 PNB_TEXEL=1 PNB_QUADS=1
#version 450
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : require
#include "ops/conv2d_winograd_tiles.glsl"

layout(local_size_x_id = 0) in;
#ifdef PNB_TEXEL
layout(set = 0, binding = 0) uniform samplerBuffer x_texels;
#define X(i) texelFetch(x_texels, i)
#elif defined PNB_VECTORS
layout(set = 0, binding = 0) readonly buffer XBlock { vec4 x_data[]; };
#define X(i) x_data[i]
#else
layout(set = 0, binding = 0) readonly buffer XBlock { float x[]; };
#endif
layout(set = 0, binding = 1) writeonly buffer VBlock { REAL v[]; };

// A row of the window of a tile at pixel j of the image's row that starts at `row`, in floats.
float[N] window_row(int row, int j) {
#ifndef PNB_VECTORS
    const int last = int(p.width) - 1;
    float d[N];
    [[unroll]] for (int k = 0; k < N; k++) {
        const int at = j - 1 + k;
        d[k] = keep(x[row + clamp(at, 0, last)], at == clamp(at, 0, last));
    }
    return d;
#else
    const int at = row / 4, here = j / 4, last = int(p.width) / 4 - 1;
    const vec4 mid = X(at + here), left = X(at + max(here - 1, 0)), right = X(at + min(here + 1, last));
    const float before = keep(left.w, here > 0), after = keep(right.x, here < last);
#if PNB_TILE == 4
    return float[N](before, mid.x, mid.y, mid.z, mid.w, after);
#else
    const bvec4 second = bvec4(j % 4 != 0); // the tile is the right half of the vec4
    const vec4 d = mix(vec4(before, mid.xyz), vec4(mid.yzw, after), second);
    return float[N](d.x, d.y, d.z, d.w);
#endif
#endif
}

#ifdef PNB_QUADS
// The same for four tiles that follow each other in this row.
vec4[N] window_rows(int row, int j) {
    const int at = row / 4, here = j / 4, last = int(p.width) / 4 - 1;
    vec4 mid[TILE];
    [[unroll]] for (int k = 0; k < TILE; k++) mid[k] = X(at + here + k);
    const vec4 left = X(at + max(here - 1, 0)), right = X(at + min(here + TILE, last));
    const float before = keep(left.w, here > 0), after = keep(right.x, here + TILE <= last);
#if PNB_TILE == 4
    const vec4 a = mid[0], b = mid[1], c = mid[2], d = mid[3];
    return vec4[N](vec4(before, a.w, b.w, c.w), vec4(a.x, b.x, c.x, d.x), vec4(a.y, b.y, c.y, d.y), vec4(a.z, b.z, c.z, d.z),
                   vec4(a.w, b.w, c.w, d.w), vec4(b.x, c.x, d.x, after));
#else
    const vec4 a = mid[0], b = mid[1];
    return vec4[N](vec4(before, a.y, a.w, b.y), vec4(a.x, a.z, b.x, b.z), vec4(a.y, a.w, b.y, b.w), vec4(a.z, b.x, b.z, after));
#endif
}
#endif

// Row k of the windows of these tiles in channel c.
REAL[N] windows(Place place[TOGETHER], int c, int k) {
    const int height = int(p.height), width = int(p.width);
    int row[TOGETHER];
    bool inside[TOGETHER];
    [[unroll]] for (int q = 0; q < TOGETHER; q++) {
        const int i = place[q].i - 1 + k;
        inside[q] = place[q].inside && i >= 0 && i < height;
        row[q] = ((place[q].n * int(p.channels) + c) * height + clamp(i, 0, height - 1)) * width;
    }
    REAL made[N];
#ifdef PNB_QUADS
    made = window_rows(row[0], place[0].j);
    [[unroll]] for (int j = 0; j < N; j++) made[j] = keep(made[j], inside[0]);
#else
    [[unroll]] for (int q = 0; q < TOGETHER; q++) {
        const float d[N] = window_row(row[q], place[q].j);
        [[unroll]] for (int j = 0; j < N; j++) OF_TILE(made[j], q) = keep(d[j], inside[q]);
    }
#endif
    return made;
}

void main() {
    const int id = int(gl_GlobalInvocationID.x), panel = id / ROW;
    if (panel >= int(p.panels)) return;
    Place place[TOGETHER];
    [[unroll]] for (int q = 0; q < TOGETHER; q++) place[q] = place_of(int(p.first) + id * TOGETHER + q);

    const int step = int(p.panels * p.padded) * ROW; // from place to place of the transform
    const int begin = int(gl_WorkGroupID.y * p.run), end = min(begin + int(p.run), int(p.padded));
    for (int c = begin; c < end; c++) {
        const bool real = c < int(p.channels);
        REAL rows[N][N];
        [[unroll]] for (int i = 0; i < N; i++) {
            rows[i] = windows(place, real ? c : 0, i);
            [[unroll]] for (int j = 0; j < N; j++) rows[i][j] = keep(rows[i][j], real);
            rows[i] = winograd_window(rows[i]);
        }
        const int to = (panel * int(p.padded) + c) * ROW + id % ROW;
        [[unroll]] for (int j = 0; j < N; j++) {
            REAL column[N];
            [[unroll]] for (int i = 0; i < N; i++) column[i] = rows[i][j];
            column = winograd_window(column);
            [[unroll]] for (int i = 0; i < N; i++) v[(i * N + j) * step + to] = column[i];
        }
    }
}

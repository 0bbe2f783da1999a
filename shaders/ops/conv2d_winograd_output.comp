// From products in Winograd's form to pixels: y = A^T M A + bias (layout: conv2d_winograd.h), NCHW.
//
// One invocation makes one tile, or four in the wide variants, in `run` output channels one after the other; workgroup y is
// the run. Numerics: fp32.
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
#include "ops/conv2d_winograd_tiles.glsl"

layout(local_size_x_id = 0) in;
layout(constant_id = 1) const int VECTORS = 0; // never set for tiles of 2
#ifdef PNB_TEXEL
layout(set = 0, binding = 0) uniform samplerBuffer m_texels;
#define M(i) texelFetch(m_texels, i)
#else
layout(set = 0, binding = 0) readonly buffer MBlock { REAL m[]; };
#define M(i) m[i]
#endif
layout(set = 0, binding = 1) readonly buffer BBlock { float bias[]; };
layout(set = 0, binding = 2) writeonly buffer YBlock { float y[]; };
layout(set = 0, binding = 2) writeonly buffer YBlock4 { vec4 y4[]; };

// No branch is nested or left early here: spirv-opt would not unroll the loop.
void store(Place place, int o, REAL pixels[TILE][TILE], int q) {
    const int width = int(p.width), rows = place.inside ? int(p.height) - place.i : 0;
    const int to = ((place.n * int(p.channels) + o) * int(p.height) + place.i) * width + place.j;
#if PNB_TILE == 4
    [[unroll]] for (int i = 0; i < TILE; i++) if (VECTORS != 0 && i < rows) y4[(to + i * width) / 4] =
        vec4(OF_TILE(pixels[i][0], q), OF_TILE(pixels[i][1], q), OF_TILE(pixels[i][2], q), OF_TILE(pixels[i][3], q));
#endif
    [[unroll]] for (int i = 0; i < TILE; i++)[[unroll]] for (int j = 0; j < TILE; j++)
        if (VECTORS == 0 && i < rows && place.j + j < width) y[to + i * width + j] = OF_TILE(pixels[i][j], q);
}

void main() {
    const int id = int(gl_GlobalInvocationID.x), panel = id / ROW;
    if (panel >= int(p.panels)) return;
    Place place[TOGETHER];
    [[unroll]] for (int q = 0; q < TOGETHER; q++) place[q] = place_of(int(p.first) + id * TOGETHER + q);

    const int step = int(p.panels * p.padded) * ROW; // from place to place of the transform
    const int begin = int(gl_WorkGroupID.y * p.run), end = min(begin + int(p.run), int(p.channels));
    for (int o = begin; o < end; o++) {
        const int from = (panel * int(p.padded) + o) * ROW + id % ROW;
        REAL rows[TILE][N];
        [[unroll]] for (int j = 0; j < N; j++) {
            REAL column[N];
            [[unroll]] for (int i = 0; i < N; i++) column[i] = M((i * N + j) * step + from);
            const REAL made[TILE] = winograd_tile(column);
            [[unroll]] for (int i = 0; i < TILE; i++) rows[i][j] = made[i];
        }
        REAL pixels[TILE][TILE];
        const float b = p.has_bias != 0u ? bias[o] : 0.0;
        [[unroll]] for (int i = 0; i < TILE; i++) {
            pixels[i] = winograd_tile(rows[i]);
            [[unroll]] for (int j = 0; j < TILE; j++) pixels[i][j] += b;
        }
        [[unroll]] for (int q = 0; q < TOGETHER; q++) store(place[q], o, pixels, q);
    }
}

// One pass of a Stockham FFT along the middle of [outer, n, inner] complex numbers, radix R, after passes that multiply to D (`done`):
//
//   j = 0 .. n/R - 1, t = j mod D, k = 0 .. R - 1
//   v_k = x[j + k n/R] exp(-2 pi i t k / (D R)),   V = R-point transform of v,   y[(j - t) R + t + k D] = V_k
//
// The result of the last pass is in order: there is no bit reversal and no transpose, along rows or columns. The inverse exchanges
// real and imaginary parts on the way in and out. One item is one j for a unit of two complex numbers (fft.h), R vec4s in registers;
// no shared memory. Twiddles come from tables that the host makes in double, [t][k] in pairs of k, or for units along the axis
// [k - 1][t] in pairs of t. Sizes are specialisation constants, so that no division is left. Numerics: fp32, an error of about
// 6e-8 sqrt(log2 n) of the result's root mean square.
//
// Variants by radix; texel reads texel buffers. across and along are KIND, first a first pass (D = 1), known when SPIR-V is made: for
// quads' drivers (matmul_quad.comp), which compute both sides of a branch on a specialisation constant too, with all its stores.
#version 450
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : require
//! variant r2 PNB_RADIX=2
//! variant r2_texel PNB_RADIX=2 PNB_TEXEL=1
//! variant r3 PNB_RADIX=3
//! variant r3_texel PNB_RADIX=3 PNB_TEXEL=1
//! variant r4 PNB_RADIX=4
//! variant r4_texel PNB_RADIX=4 PNB_TEXEL=1
//! variant r5 PNB_RADIX=5
//! variant r5_texel PNB_RADIX=5 PNB_TEXEL=1
//! variant r6 PNB_RADIX=6
//! variant r6_texel PNB_RADIX=6 PNB_TEXEL=1
//! variant r7 PNB_RADIX=7
//! variant r7_texel PNB_RADIX=7 PNB_TEXEL=1
//! variant r8 PNB_RADIX=8
//! variant r8_texel PNB_RADIX=8 PNB_TEXEL=1
//! variant r9 PNB_RADIX=9
//! variant r9_texel PNB_RADIX=9 PNB_TEXEL=1
//! variant r10 PNB_RADIX=10
//! variant r10_texel PNB_RADIX=10 PNB_TEXEL=1
//! variant r12 PNB_RADIX=12
//! variant r12_texel PNB_RADIX=12 PNB_TEXEL=1
//! variant r14 PNB_RADIX=14
//! variant r14_texel PNB_RADIX=14 PNB_TEXEL=1
//! variant r15 PNB_RADIX=15
//! variant r15_texel PNB_RADIX=15 PNB_TEXEL=1
//! variant r16 PNB_RADIX=16
//! variant r16_texel PNB_RADIX=16 PNB_TEXEL=1
//! variant r20 PNB_RADIX=20
//! variant r20_texel PNB_RADIX=20 PNB_TEXEL=1
//! variant r24 PNB_RADIX=24
//! variant r24_texel PNB_RADIX=24 PNB_TEXEL=1
//! variant r28 PNB_RADIX=28
//! variant r28_texel PNB_RADIX=28 PNB_TEXEL=1
//! variant r32 PNB_RADIX=32
//! variant r32_texel PNB_RADIX=32 PNB_TEXEL=1
//! variant r64 PNB_RADIX=64
//! variant r64_texel PNB_RADIX=64 PNB_TEXEL=1
//! variant r2_across_first PNB_RADIX=2 PNB_KIND=PNB_FFT_ACROSS PNB_FIRST=1
//! variant r2_across_first_texel PNB_RADIX=2 PNB_KIND=PNB_FFT_ACROSS PNB_FIRST=1 PNB_TEXEL=1
//! variant r2_across PNB_RADIX=2 PNB_KIND=PNB_FFT_ACROSS PNB_FIRST=0
//! variant r2_across_texel PNB_RADIX=2 PNB_KIND=PNB_FFT_ACROSS PNB_FIRST=0 PNB_TEXEL=1
//! variant r2_along_first PNB_RADIX=2 PNB_KIND=PNB_FFT_ALONG PNB_FIRST=1
//! variant r2_along_first_texel PNB_RADIX=2 PNB_KIND=PNB_FFT_ALONG PNB_FIRST=1 PNB_TEXEL=1
//! variant r2_along PNB_RADIX=2 PNB_KIND=PNB_FFT_ALONG PNB_FIRST=0
//! variant r2_along_texel PNB_RADIX=2 PNB_KIND=PNB_FFT_ALONG PNB_FIRST=0 PNB_TEXEL=1
//! variant r3_across_first PNB_RADIX=3 PNB_KIND=PNB_FFT_ACROSS PNB_FIRST=1
//! variant r3_across_first_texel PNB_RADIX=3 PNB_KIND=PNB_FFT_ACROSS PNB_FIRST=1 PNB_TEXEL=1
//! variant r3_across PNB_RADIX=3 PNB_KIND=PNB_FFT_ACROSS PNB_FIRST=0
//! variant r3_across_texel PNB_RADIX=3 PNB_KIND=PNB_FFT_ACROSS PNB_FIRST=0 PNB_TEXEL=1
//! variant r3_along PNB_RADIX=3 PNB_KIND=PNB_FFT_ALONG PNB_FIRST=0
//! variant r3_along_texel PNB_RADIX=3 PNB_KIND=PNB_FFT_ALONG PNB_FIRST=0 PNB_TEXEL=1
//! variant r4_across_first PNB_RADIX=4 PNB_KIND=PNB_FFT_ACROSS PNB_FIRST=1
//! variant r4_across_first_texel PNB_RADIX=4 PNB_KIND=PNB_FFT_ACROSS PNB_FIRST=1 PNB_TEXEL=1
//! variant r4_across PNB_RADIX=4 PNB_KIND=PNB_FFT_ACROSS PNB_FIRST=0
//! variant r4_across_texel PNB_RADIX=4 PNB_KIND=PNB_FFT_ACROSS PNB_FIRST=0 PNB_TEXEL=1
//! variant r4_along_first PNB_RADIX=4 PNB_KIND=PNB_FFT_ALONG PNB_FIRST=1
//! variant r4_along_first_texel PNB_RADIX=4 PNB_KIND=PNB_FFT_ALONG PNB_FIRST=1 PNB_TEXEL=1
//! variant r4_along PNB_RADIX=4 PNB_KIND=PNB_FFT_ALONG PNB_FIRST=0
//! variant r4_along_texel PNB_RADIX=4 PNB_KIND=PNB_FFT_ALONG PNB_FIRST=0 PNB_TEXEL=1
//! variant r5_across_first PNB_RADIX=5 PNB_KIND=PNB_FFT_ACROSS PNB_FIRST=1
//! variant r5_across_first_texel PNB_RADIX=5 PNB_KIND=PNB_FFT_ACROSS PNB_FIRST=1 PNB_TEXEL=1
//! variant r5_across PNB_RADIX=5 PNB_KIND=PNB_FFT_ACROSS PNB_FIRST=0
//! variant r5_across_texel PNB_RADIX=5 PNB_KIND=PNB_FFT_ACROSS PNB_FIRST=0 PNB_TEXEL=1
//! variant r5_along PNB_RADIX=5 PNB_KIND=PNB_FFT_ALONG PNB_FIRST=0
//! variant r5_along_texel PNB_RADIX=5 PNB_KIND=PNB_FFT_ALONG PNB_FIRST=0 PNB_TEXEL=1
//! variant r6_across_first PNB_RADIX=6 PNB_KIND=PNB_FFT_ACROSS PNB_FIRST=1
//! variant r6_across_first_texel PNB_RADIX=6 PNB_KIND=PNB_FFT_ACROSS PNB_FIRST=1 PNB_TEXEL=1
//! variant r6_across PNB_RADIX=6 PNB_KIND=PNB_FFT_ACROSS PNB_FIRST=0
//! variant r6_across_texel PNB_RADIX=6 PNB_KIND=PNB_FFT_ACROSS PNB_FIRST=0 PNB_TEXEL=1
//! variant r6_along_first PNB_RADIX=6 PNB_KIND=PNB_FFT_ALONG PNB_FIRST=1
//! variant r6_along_first_texel PNB_RADIX=6 PNB_KIND=PNB_FFT_ALONG PNB_FIRST=1 PNB_TEXEL=1
//! variant r6_along PNB_RADIX=6 PNB_KIND=PNB_FFT_ALONG PNB_FIRST=0
//! variant r6_along_texel PNB_RADIX=6 PNB_KIND=PNB_FFT_ALONG PNB_FIRST=0 PNB_TEXEL=1
//! variant r7_across_first PNB_RADIX=7 PNB_KIND=PNB_FFT_ACROSS PNB_FIRST=1
//! variant r7_across_first_texel PNB_RADIX=7 PNB_KIND=PNB_FFT_ACROSS PNB_FIRST=1 PNB_TEXEL=1
//! variant r7_across PNB_RADIX=7 PNB_KIND=PNB_FFT_ACROSS PNB_FIRST=0
//! variant r7_across_texel PNB_RADIX=7 PNB_KIND=PNB_FFT_ACROSS PNB_FIRST=0 PNB_TEXEL=1
//! variant r7_along PNB_RADIX=7 PNB_KIND=PNB_FFT_ALONG PNB_FIRST=0
//! variant r7_along_texel PNB_RADIX=7 PNB_KIND=PNB_FFT_ALONG PNB_FIRST=0 PNB_TEXEL=1
//! variant r8_across_first PNB_RADIX=8 PNB_KIND=PNB_FFT_ACROSS PNB_FIRST=1
//! variant r8_across_first_texel PNB_RADIX=8 PNB_KIND=PNB_FFT_ACROSS PNB_FIRST=1 PNB_TEXEL=1
//! variant r8_across PNB_RADIX=8 PNB_KIND=PNB_FFT_ACROSS PNB_FIRST=0
//! variant r8_across_texel PNB_RADIX=8 PNB_KIND=PNB_FFT_ACROSS PNB_FIRST=0 PNB_TEXEL=1
//! variant r8_along_first PNB_RADIX=8 PNB_KIND=PNB_FFT_ALONG PNB_FIRST=1
//! variant r8_along_first_texel PNB_RADIX=8 PNB_KIND=PNB_FFT_ALONG PNB_FIRST=1 PNB_TEXEL=1
//! variant r8_along PNB_RADIX=8 PNB_KIND=PNB_FFT_ALONG PNB_FIRST=0
//! variant r8_along_texel PNB_RADIX=8 PNB_KIND=PNB_FFT_ALONG PNB_FIRST=0 PNB_TEXEL=1
#ifndef PNB_RADIX
#define PNB_RADIX 2
#endif
#include "lib/vec4.glsl"
#include "ops/fft.h"
#include "ops/fft_radix.glsl"

layout(local_size_x_id = 0) in;
#ifdef PNB_KIND
const uint KIND = PNB_KIND;
#define FIRST (PNB_FIRST != 0)
#define LATER (PNB_FIRST == 0)
#else
layout(constant_id = 1) const uint KIND = PNB_FFT_SINGLE;
#define FIRST (DONE == 1u)
#define LATER (DONE > 1u)
#endif
layout(constant_id = 2) const bool INVERSE = false;
layout(constant_id = 3) const uint BUTTERFLIES = 1; // n / R
layout(constant_id = 4) const uint DONE = 1;
layout(constant_id = 5) const uint INNER = 1; // units across; rows in all where they are transformed in pairs
PNB_IN(0, x)
PNB_IN(1, table)
PNB_OUT(2, y)

const uint R = PNB_RADIX;

vec4 load(uint unit) {
    vec4 v;
    if (KIND == PNB_FFT_SINGLE) {
        v = x4(unit >> 1u);
        v = (unit & 1u) != 0u ? v.zwzw : v;
    } else {
        v = x4(unit);
    }
    return INVERSE ? v.yxwz : v;
}

void store(uint unit, vec4 v) {
    v *= p.scale;
#ifdef PNB_KIND
    v = INVERSE ? v.yxwz : v;
#else
    if (INVERSE) v = v.yxwz;
#endif
    if (KIND == PNB_FFT_SINGLE) {
        y1_set(2u * unit, v.x);
        y1_set(2u * unit + 1u, v.y);
    } else {
        y4_set(unit, v);
    }
}

void twiddle(inout vec4 v[PNB_RADIX], uint t) {
    if (KIND == PNB_FFT_ALONG) {
        [[unroll]] for (uint k = 1u; k < R; k++) v[k] = pnb_times_each(v[k], table4(p.table + ((k - 1u) * DONE + t) / 2u));
    } else {
        uint row = p.table + t * ((R + 1u) / 2u);
        [[unroll]] for (uint k = 0u; k < R; k += 2u) {
            vec4 w = table4(row + k / 2u);
            if (k > 0u) v[k] = pnb_times(v[k], w.xy);
            if (k + 1u < R) v[k + 1u] = pnb_times(v[k + 1u], w.zw);
        }
    }
}

// Row o and its neighbour (itself, where it is the last) in one piece: two rows make the units.
void transform_rows(uint o) {
    uint at[2] = uint[](o * (R / 2u), min(o + 1u, INNER - 1u) * (R / 2u));
    vec4 v[PNB_RADIX];
    [[unroll]] for (uint k = 0u; k < R / 2u; k++) {
        vec4 a = load(at[0] + k), b = load(at[1] + k);
        v[2u * k] = vec4(a.xy, b.xy);
        v[2u * k + 1u] = vec4(a.zw, b.zw);
    }
    pnb_butterflies(v);
    [[unroll]] for (uint k = 0u; k < R / 2u; k++) {
        vec4 a = v[PNB_RESULT(2u * k)], b = v[PNB_RESULT(2u * k + 1u)];
        store(at[0] + k, vec4(a.xy, b.xy));
        store(at[1] + k, vec4(a.zw, b.zw));
    }
}

void main() {
    if (KIND == PNB_FFT_PAIRS) {
        PNB_EACH(e, p.items) transform_rows(2u * e);
        return;
    }
    // for units along the axis j counts pairs of neighbours, and so do the steps
    const bool ALONG = KIND == PNB_FFT_ALONG;
    const uint PER = ALONG ? 2u : 1u, COLUMNS = BUTTERFLIES / PER, STEP = COLUMNS * INNER;
    PNB_EACH(e, p.items) {
        uint q = e / INNER, i = e - q * INNER, o = q / COLUMNS, first = q - o * COLUMNS, j = first * PER, t = j % DONE;
        uint row = o * R * COLUMNS, to = (row + ((j - t) * R + t) / PER) * INNER + i;
        vec4 v[PNB_RADIX];
        [[unroll]] for (uint k = 0u; k < R; k++) v[k] = load((row + first) * INNER + i + k * STEP);
        if (LATER) twiddle(v, t);
        pnb_butterflies(v);
        if (ALONG && FIRST) { // neighbours of j lie R apart now, neighbours of k side by side
            [[unroll]] for (uint k = 0u; k < R / 2u; k++) { // a condition on k + 1 is not unrolled by Mesa 22: v went to memory
                vec4 a = v[PNB_RESULT(2u * k)], b = v[PNB_RESULT(2u * k + 1u)];
                store(to + k, vec4(a.xy, b.xy));
                store(to + R / 2u + k, vec4(a.zw, b.zw));
            }
        } else {
            [[unroll]] for (uint k = 0u; k < R; k++) store(to + k * (DONE / PER) * INNER, v[PNB_RESULT(k)]);
        }
    }
}

// All passes of a Stockham FFT of lines of N complex numbers in one dispatch, between the passes in shared memory.
//
// The passes are those of fft.comp, at most three, of radices up to 16. A unit is two complex numbers: two neighbouring columns, or the
// same element of two rows. A workgroup transforms WIDTH neighbouring lines of units; it has an invocation for each butterfly of the
// pass with most of them, so that a pass may write where it read, behind a barrier. Columns lie beside each other in shared memory,
// where eight vec4s are all banks; rows lie one behind the other with a vec4 left out after each of the first radix, because the first
// pass writes with that stride. Twiddles come from tables that the host makes in double, [t][k] in pairs of k. Numerics: fp32, an error
// of about 6e-8 sqrt(log2 n) of the result's root mean square.
#version 450
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : require
//! variant plain
//! variant texel PNB_TEXEL=1
#include "lib/vec4.glsl"
#include "ops/fft.h"
#define PNB_RADIX 2
#include "ops/fft_radix.glsl"
#undef PNB_RADIX
#define PNB_RADIX 3
#include "ops/fft_radix.glsl"
#undef PNB_RADIX
#define PNB_RADIX 4
#include "ops/fft_radix.glsl"
#undef PNB_RADIX
#define PNB_RADIX 5
#include "ops/fft_radix.glsl"
#undef PNB_RADIX
#define PNB_RADIX 6
#include "ops/fft_radix.glsl"
#undef PNB_RADIX
#define PNB_RADIX 7
#include "ops/fft_radix.glsl"
#undef PNB_RADIX
#define PNB_RADIX 8
#include "ops/fft_radix.glsl"
#undef PNB_RADIX
#define PNB_RADIX 9
#include "ops/fft_radix.glsl"
#undef PNB_RADIX
#define PNB_RADIX 10
#include "ops/fft_radix.glsl"
#undef PNB_RADIX
#define PNB_RADIX 12
#include "ops/fft_radix.glsl"
#undef PNB_RADIX
#define PNB_RADIX 14
#include "ops/fft_radix.glsl"
#undef PNB_RADIX
#define PNB_RADIX 15
#include "ops/fft_radix.glsl"
#undef PNB_RADIX
#define PNB_RADIX 16
#include "ops/fft_radix.glsl"

layout(local_size_x_id = 0) in;
layout(constant_id = 1) const uint KIND = PNB_FFT_PAIRS; // or PNB_FFT_ACROSS
layout(constant_id = 2) const bool INVERSE = false;
layout(constant_id = 3) const uint N = 2;
layout(constant_id = 4) const uint INNER = 1; // units across; of rows, how many there are
layout(constant_id = 5) const uint WIDTH = 1; // lines of units of one workgroup
layout(constant_id = 6) const uint LINE = 1;  // vec4s of one line in shared memory, what is left out included
layout(constant_id = 7) const uint PASSES = 1;
layout(constant_id = 8) const uint RADIX_0 = 1;
layout(constant_id = 9) const uint RADIX_1 = 1;
layout(constant_id = 10) const uint RADIX_2 = 1;
layout(constant_id = 11) const uint SPACE = 1; // vec4s of shared memory
PNB_IN(0, x)
PNB_IN(1, table)
layout(set = 0, binding = 2, std430) writeonly buffer y_block4 { vec4 y_v[]; };
layout(set = 0, binding = 2, std430) writeonly buffer y_block2 { vec2 y_pair[]; };
#ifdef PNB_TEXEL
vec2 x2(uint i) {
    vec4 v = x4(i >> 1u);
    return (i & 1u) != 0u ? v.zw : v.xy;
}
#else
layout(set = 0, binding = 0, std430) readonly buffer x_block2 { vec2 x_pair[]; };
vec2 x2(uint i) { return x_pair[i]; }
#endif
shared vec4 space[SPACE];

const bool ACROSS = KIND == PNB_FFT_ACROSS;
const uint MOST = 16u;

// Line c of workgroup `bundle`: its first unit, and whether there is one.
struct place {
    uint row[2]; // of rows: where both begin, in complex numbers
    uint unit;   // of columns: where unit 0 lies
    bool exists;
};

place find(uint bundle, uint c) {
    place at;
    if (ACROSS) {
        const uint BUNDLES = (INNER + WIDTH - 1u) / WIDTH;
        uint o = bundle / BUNDLES, i = (bundle - o * BUNDLES) * WIDTH + c;
        at.row = uint[](0u, 0u);
        at.unit = o * N * INNER + i;
        at.exists = i < INNER;
    } else {
        uint first = 2u * (bundle * WIDTH + c);
        at.row = uint[](first * N, min(first + 1u, INNER - 1u) * N); // the last of an odd number goes with itself
        at.unit = 0u;
        at.exists = first < INNER;
    }
    return at;
}

vec4 load(place at, uint j) {
    vec4 v = ACROSS ? x4(at.unit + j * INNER) : vec4(x2(at.row[0] + j), x2(at.row[1] + j));
    return INVERSE ? v.yxwz : v;
}

void store(place at, uint j, vec4 v) {
    v *= p.scale;
    if (INVERSE) v = v.yxwz;
    if (ACROSS) {
        y_v[at.unit + j * INNER] = v;
    } else {
        y_pair[at.row[0] + j] = v.xy;
        y_pair[at.row[1] + j] = v.zw;
    }
}

uint in_space(uint c, uint j) { return ACROSS ? j * WIDTH + c : c * LINE + j + j / RADIX_0; }

#define PNB_CASE(R)                                                                                                    \
    if ((RADIX_0 == R || RADIX_1 == R || RADIX_2 == R) && radix == R) {                                                \
        vec4 u[R];                                                                                                     \
        [[unroll]] for (uint k = 0u; k < R; k++) u[k] = v[k];                                                          \
        pnb_transform(u);                                                                                              \
        [[unroll]] for (uint k = 0u; k < R; k++) v[k] = u[k];                                                          \
    }

void transform(inout vec4 v[MOST], uint radix) {
    PNB_CASE(2)
    PNB_CASE(3)
    PNB_CASE(4)
    PNB_CASE(5)
    PNB_CASE(6)
    PNB_CASE(7)
    PNB_CASE(8)
    PNB_CASE(9)
    PNB_CASE(10)
    PNB_CASE(12)
    PNB_CASE(14)
    PNB_CASE(15)
    PNB_CASE(16)
}

void main() {
    uint bundle = pnb_linear_group(), item = gl_LocalInvocationID.x, done = 1u, row = p.table;
    if (bundle >= p.items) return;
    [[unroll]] for (uint pass = 0u; pass < PASSES; pass++) {
        uint radix = pass == 0u ? RADIX_0 : pass == 1u ? RADIX_1 : RADIX_2, butterflies = N / radix;
        uint pairs = (radix + 1u) / 2u; // vec4s of a row of twiddles
        uint c = ACROSS ? item % WIDTH : item / butterflies, j = ACROSS ? item / WIDTH : item - c * butterflies, t = j % done;
        place at = find(bundle, c);
        bool busy = item < butterflies * WIDTH && at.exists;
        vec4 v[MOST];
        if (pass > 0u) barrier();
        if (busy) {
            [[unroll]] for (uint k = 0u; k < MOST; k++) {
                if (k < radix) v[k] = pass == 0u ? load(at, j + k * butterflies) : space[in_space(c, j + k * butterflies)];
            }
            if (pass > 0u) {
                [[unroll]] for (uint k = 0u; k < MOST; k += 2u) {
                    vec4 w = k < radix ? table4(row + t * pairs + k / 2u) : vec4(0.0);
                    if (k > 0u && k < radix) v[k] = pnb_times(v[k], w.xy);
                    if (k + 1u < radix) v[k + 1u] = pnb_times(v[k + 1u], w.zw);
                }
            }
            transform(v, radix);
        }
        uint to = (j - t) * radix + t;
        if (pass + 1u < PASSES) {
            if (pass > 0u) barrier();
            [[unroll]] for (uint k = 0u; k < MOST; k++) {
                if (busy && k < radix) space[in_space(c, to + k * done)] = v[k];
            }
        } else if (busy) {
            [[unroll]] for (uint k = 0u; k < MOST; k++) {
                if (k < radix) store(at, to + k * done, v[k]);
            }
        }
        if (pass > 0u) row += done * pairs;
        done *= radix;
    }
}

// Product with a thin layer: y[n,m] (+)= scale * sum_s w(m,s) * x[n,s] over planes of pixels, where either the channels that are
// made (m) or those that are summed over (s) are few, the ranks of a low-rank adapter.
//
// TAPS = 1: w is a matrix, [made, summed], or with MADE_FAST [summed, made]. The plane is any grid of vec4s.
// TAPS = 9: a 3x3 convolution with padding 1, w [made, summed, 9]; with MADE_FAST its adjoint, w [summed, made, 9].
//
// One invocation makes R rows of one vec4 of pixels in T neighbouring made channels; the sums stay in registers while it walks
// over the summed channels (four at a time where TAPS = 1). Weights are read as they are, no packing: they change in every step.
// Lanes run over x, then row blocks, then the batch; workgroup z is the block of T channels. R divides the height, T divides
// made; with TAPS = 1 or without MADE_FAST four divides summed. With update it adds to y, which starts at vec4 begin4.
//
// Numerics: fp32, summed channels in order, within one the taps row by row.
//
// Variants: plain reads storage buffers; texel reads texel buffers; spread also loads the weights once for a subgroup, a vec4 a
// lane, and shuffles them out. spread is right for subgroups of exactly SPREAD lanes; with others it does as texel does.
// gpu reads single weights, at addresses that are the same for the workgroup (scalar loads on some GPUs), and holds one row of the
// window at a time, which leaves registers for more subgroups; the sums are the same.
// fixed, by TAPS and MADE_FAST: gpu with sizes that are known when SPIR-V is made, for quads' drivers (matmul_quad.comp says why).
//! variant gpu PNB_GPU=1
//! variant fixed_1 PNB_GPU=1 PNB_TAPS=1 PNB_MADE_FAST=0
//! variant fixed_1_made_fast PNB_GPU=1 PNB_TAPS=1 PNB_MADE_FAST=1
//! variant fixed_9 PNB_GPU=1 PNB_TAPS=9 PNB_MADE_FAST=0
//! variant fixed_9_made_fast PNB_GPU=1 PNB_TAPS=9 PNB_MADE_FAST=1
//! variant texel PNB_TEXEL=1
//! variant spread PNB_TEXEL=1 PNB_SPREAD=1
#version 450
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : require
#ifdef PNB_SPREAD
#extension GL_KHR_shader_subgroup_basic : require
#extension GL_KHR_shader_subgroup_shuffle : require
#endif
#include "lib/index.glsl"
#include "ops/low_rank.h"

layout(local_size_x_id = 0) in;
#ifdef PNB_TAPS
const int TAPS = PNB_TAPS, T = PNB_LOW_RANK_FIXED_T, R = PNB_LOW_RANK_FIXED_ROWS, MADE_FAST = PNB_MADE_FAST;
#else
layout(constant_id = 1) const int TAPS = 9;
layout(constant_id = 2) const int T = 8; // 4 or 8
layout(constant_id = 3) const int R = 2;
layout(constant_id = 4) const int MADE_FAST = 0;
#endif
layout(constant_id = 5) const int SPREAD = 8;
layout(constant_id = 6) const int EDGE = 1; // 0: every row starts and ends at a subgroup's border

#ifdef PNB_TEXEL
layout(set = 0, binding = 0) uniform samplerBuffer x_texels;
layout(set = 0, binding = 1) uniform samplerBuffer w_texels;
layout(set = 0, binding = 2) uniform samplerBuffer old_texels;
#define X(i) texelFetch(x_texels, i)
#define W(i) texelFetch(w_texels, i)
#define OLD(i) texelFetch(old_texels, i)
#else
layout(set = 0, binding = 0) readonly buffer XBlock { vec4 x_data[]; };
layout(set = 0, binding = 1) readonly buffer WBlock { vec4 w_data[]; };
#ifdef PNB_GPU
layout(set = 0, binding = 0) readonly buffer XBlock1 { float x_single[]; };
layout(set = 0, binding = 1) readonly buffer WBlock1 { float w_single[]; };
#endif
layout(set = 0, binding = 2) readonly buffer OldBlock { vec4 old_data[]; };
#define X(i) x_data[i]
#define W(i) w_data[i]
#define OLD(i) old_data[i]
#endif
layout(set = 0, binding = 3) writeonly buffer YBlock { vec4 y[]; };

const int HALO = TAPS == 9 ? 1 : 0;
const int ROWS = R + 2 * HALO;
const int BLOCK = TAPS == 9 ? 1 : 4; // summed channels taken together
const int WEIGHTS = TAPS == 9 ? 9 : 4; // of one made channel in such a block
// The weights of a block in slots of one vec4: those of one made channel (a 3x3 kernel starts anywhere in a vec4, so it is moved
// to the front of three), or, with MADE_FAST, runs over the made channels.
const int SLOT = TAPS == 9 && MADE_FAST == 0 ? 3 : 1; // vec4s that one lane loads together
const int SLOTS = TAPS == 9 ? (MADE_FAST != 0 ? 9 * T / 4 : T) : T;
bool first, last, top, bottom;

#ifdef PNB_GPU
vec4 acc[R][T];

// Adds what channel s of x gives; at: its first row.
#ifdef PNB_TAPS
// No branch in the loops: spirv-opt would not unroll them.
float keep(float value, bool yes) { return yes ? value : 0.0; }
vec4 keep(vec4 value, bool yes) { return yes ? value : vec4(0.0); }

void add_channel(int at, int m0, int s, int width4) {
    vec4 window[3][ROWS]; // left, mid, right
    [[unroll]] for (int q = 0; q < ROWS; q++) {
        const bool outside = TAPS == 9 && (q == 0 && top || q == ROWS - 1 && bottom);
        const int row = at + (outside ? 0 : q - HALO) * width4;
        const vec4 mid = keep(X(row), !outside);
        window[1][q] = mid;
        if (TAPS == 9) {
            window[0][q] = vec4(keep(x_single[4 * row - (first ? 0 : 1)], !first && !outside), mid.xyz);
            window[2][q] = vec4(mid.yzw, keep(x_single[4 * row + (last ? 0 : 4)], !last && !outside));
        }
    }
    [[unroll]] for (int k = 0; k < TAPS; k++)[[unroll]] for (int m = 0; m < T; m++) {
        const int w = MADE_FAST != 0 ? s * int(p.made) + m0 + m : (m0 + m) * int(p.summed) + s, tap = MADE_FAST != 0 ? TAPS - 1 - k : k;
        const vec4 value = vec4(w_single[w * TAPS + tap]);
        [[unroll]] for (int r = 0; r < R; r++) acc[r][m] = fma(value, window[TAPS == 9 ? k % 3 : 1][r + k / 3], acc[r][m]);
    }
}
#else

void add_channel(int at, int m0, int s, int width4) {
    [[unroll]] for (int q = 0; q < ROWS; q++) {
        const bool outside = TAPS == 9 && (q == 0 && top || q == ROWS - 1 && bottom);
        const int row = at + (q - HALO) * width4;
        const vec4 mid = outside ? vec4(0.0) : X(row);
        vec4 left, right;
        if (TAPS == 9) {
            left = vec4(first || outside ? 0.0 : x_single[4 * row - 1], mid.xyz);
            right = vec4(mid.yzw, last || outside ? 0.0 : x_single[4 * row + 4]);
        }
        [[unroll]] for (int k = 0; k < TAPS; k++) if (q - k / 3 >= 0 && q - k / 3 < R) {
            const int r = clamp(q - k / 3, 0, R - 1), tap = MADE_FAST != 0 ? TAPS - 1 - k : k;
            [[unroll]] for (int m = 0; m < T; m++) {
                const int w = MADE_FAST != 0 ? s * int(p.made) + m0 + m : (m0 + m) * int(p.summed) + s;
                acc[r][m] = fma(vec4(w_single[w * TAPS + tap]), TAPS == 1 || k % 3 == 1 ? mid : k % 3 == 0 ? left : right, acc[r][m]);
            }
        }
    }
}
#endif
#else
#ifdef PNB_SPREAD
const int LANES = SPREAD;
#else
const int LANES = 1;
#endif

int lane = 0;
bool spread = false;
vec4 part[SLOTS * SLOT]; // spread: every LANES-th slot only
vec4 window_left[ROWS], window_mid[ROWS], window_right[ROWS];

vec4 moved(vec4 a, vec4 b, int by) {
    return by == 0 ? a : by == 1 ? vec4(a.yzw, b.x) : by == 2 ? vec4(a.zw, b.xy) : vec4(a.w, b.xyz);
}

void load_slot(int slot, int to, int m0, int s) {
    if (TAPS == 9 && MADE_FAST == 0) {
        const int at = ((m0 + slot) * int(p.summed) + s) * 9, by = s & 3;
        const vec4 a = W(at / 4), b = W(at / 4 + 1), c = W(at / 4 + 2);
        part[to * 3] = moved(a, b, by);
        part[to * 3 + 1] = moved(b, c, by);
        part[to * 3 + 2] = moved(c, c, by);
    } else if (TAPS == 9)
        part[to] = W((s * int(p.made) + m0) * 9 / 4 + slot);
    else if (MADE_FAST == 0)
        part[to] = W(((m0 + slot) * int(p.summed) + s) / 4);
    else
        part[to] = W(((s + slot / (T / 4)) * int(p.made) + m0) / 4 + slot % (T / 4));
}

void load_weights(int m0, int s) {
    if (spread) {
        [[unroll]] for (int q = 0; q < (SLOTS + LANES - 1) / LANES; q++) load_slot(min(q * LANES + lane, SLOTS - 1), q, m0, s);
    } else {
        [[unroll]] for (int slot = 0; slot < SLOTS; slot++) load_slot(slot, slot, m0, s);
    }
}

// weight k (tap, or channel of the block) of made channel m0 + m
float weight(int m, int k) {
    int slot, e, within = 0;
    if (TAPS == 9 && MADE_FAST == 0) slot = m, within = k / 4, e = k % 4;
    else if (TAPS == 9) slot = (m * 9 + k) / 4, e = (m * 9 + k) % 4;
    else if (MADE_FAST == 0) slot = m, e = k;
    else slot = k * (T / 4) + m / 4, e = m % 4;
#ifdef PNB_SPREAD
    if (spread) return subgroupShuffle(part[(slot / LANES) * SLOT + within][e], uint(slot % LANES));
#endif
    return part[slot * SLOT + within][e];
}

// R rows of vec4s, with TAPS = 9 also the row above and below, and all shifted by a pixel to both sides
void load_window(int at, int width4) {
    if (TAPS == 1) {
        [[unroll]] for (int q = 0; q < ROWS; q++) window_mid[q] = X(at + q * width4);
        return;
    }
    [[unroll]] for (int q = 0; q < ROWS; q++) {
        const bool outside = q == 0 && top || q == ROWS - 1 && bottom;
        const int row = at + (q == 0 ? (top ? 0 : -width4) : (q == ROWS - 1 && bottom ? R - 1 : q - 1) * width4);
        vec4 m = X(row);
        float l, e;
#ifdef PNB_SPREAD
        if (spread) {
            l = subgroupShuffle(m.w, uint(lane + SPREAD - 1) % SPREAD);
            e = subgroupShuffle(m.x, uint(lane + 1) % SPREAD);
            if (EDGE != 0) { // one fetch serves both ends of a subgroup
                const vec4 end = X(row + (lane == 0 ? (first ? 0 : -1) : (last ? 0 : 1)));
                l = lane == 0 ? end.w : l;
                e = lane == SPREAD - 1 ? end.x : e;
            }
        } else
#endif
        {
            l = X(row + (first ? 0 : -1)).w;
            e = X(row + (last ? 0 : 1)).x;
        }
        l = first ? 0.0 : l;
        e = last ? 0.0 : e;
        window_left[q] = outside ? vec4(0.0) : vec4(l, m.xyz);
        window_mid[q] = outside ? vec4(0.0) : m;
        window_right[q] = outside ? vec4(0.0) : vec4(m.yzw, e);
    }
}
#endif

void main() {
    int id = int(pnb_linear_id());
#ifdef PNB_SPREAD
    lane = int(gl_SubgroupInvocationID);
    spread = gl_SubgroupSize == SPREAD;
    id = int(pnb_linear_group() * gl_WorkGroupSize.x + gl_SubgroupID * gl_SubgroupSize) + lane;
#endif
    const int inside = min(id, int(p.count) - 1); // lanes past the end repeat the last one and store nothing
    const int width4 = int(p.width4), height = int(p.height), plane = height * width4;
    const int x4 = inside % width4, block = inside / width4 % int(p.row_blocks), n = inside / (width4 * int(p.row_blocks));
    const int y0 = block * R, m0 = int(gl_WorkGroupID.z) * T;
    first = x4 == 0, last = x4 == width4 - 1, top = y0 == 0, bottom = y0 + R == height;

#ifndef PNB_GPU
    vec4 acc[R][T];
#endif
    [[unroll]] for (int r = 0; r < R; r++)[[unroll]] for (int m = 0; m < T; m++) acc[r][m] = vec4(0.0);
    int at = (n * int(p.summed) * height + y0) * width4 + x4;
    for (int s = 0; s < int(p.summed); s += BLOCK) {
#ifdef PNB_GPU
        [[unroll]] for (int b = 0; b < BLOCK; b++) {
            add_channel(at, m0, s + b, width4);
            at += plane;
        }
#else
        load_weights(m0, s);
        [[unroll]] for (int b = 0; b < BLOCK; b++) {
            load_window(at, width4);
            at += plane;
            [[unroll]] for (int m = 0; m < T; m++) {
                [[unroll]] for (int k = 0; k < TAPS; k++) {
                    const int tap = MADE_FAST != 0 ? TAPS - 1 - k : k, u = TAPS == 9 ? k / 3 : 0, v = TAPS == 9 ? k % 3 : 1;
                    const vec4 w = vec4(weight(m, TAPS == 9 ? tap : b));
                    [[unroll]] for (int r = 0; r < R; r++) acc[r][m] =
                        fma(w, v == 0 ? window_left[r + u] : v == 1 ? window_mid[r + u] : window_right[r + u], acc[r][m]);
                }
            }
        }
#endif
    }

#ifdef PNB_TAPS
    const bool update = p.update != 0u;
    const int to = int(p.begin4) + ((n * int(p.made) + m0) * height + y0) * width4 + x4;
    [[unroll]] for (int m = 0; m < T; m++)[[unroll]] for (int r = 0; r < R; r++) {
        const int place = to + m * plane + r * width4;
        const vec4 sum = p.scale * acc[r][m] + keep(OLD(update ? place : 0), update);
        if (id < int(p.count)) y[place] = sum;
    }
#else
    if (id >= int(p.count)) return;
    const int to = int(p.begin4) + ((n * int(p.made) + m0) * height + y0) * width4 + x4;
    [[unroll]] for (int m = 0; m < T; m++)[[unroll]] for (int r = 0; r < R; r++) {
        const int place = to + m * plane + r * width4;
        vec4 sum = p.scale * acc[r][m];
        if (p.update != 0u) sum += OLD(place);
        y[place] = sum;
    }
#endif
}

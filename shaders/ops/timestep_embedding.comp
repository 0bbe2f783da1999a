// y[n] = [cos(t f_i), sin(t f_i)] (or sine first), i < half; f_i = r^i; an odd last column is 0.
// A phase t f_i of hundreds of radians, rounded to fp32, would already be wrong by 1e-4. So f_i / (2 pi) is the product of
// the host's powers r^(2^k), and the phase in turns is kept as an unevaluated sum of two floats (Dekker 1971, products split
// after Veltkamp, no fused multiply-add needed); whole turns are taken off exactly, the rest goes through pnb_sincos_turns.
// Absolute error under 5e-7 up to t = 1e6. Limits: half <= 2048; |t| < 1e8.
#version 450
#extension GL_GOOGLE_include_directive : require
#include "lib/math.glsl"
#include "lib/vec4.glsl"
#include "ops/timestep_embedding.h"

layout(local_size_x_id = 0) in;
PNB_BUFFER(0, t)
PNB_OUT(1, y)

vec2 split(float a) {
    precise float c = 4097.0 * a;
    precise float high = c - (c - a);
    precise float low = a - high;
    return vec2(high, low);
}

vec2 multiply(vec2 a, vec2 b) {
    precise float product = a.x * b.x;
    vec2 u = split(a.x), v = split(b.x);
    precise float error = ((u.x * v.x - product) + u.x * v.y + u.y * v.x) + u.y * v.y;
    precise float low = error + (a.x * b.y + a.y * b.x);
    precise float high = product + low;
    precise float rest = low - (high - product);
    return vec2(high, rest);
}

vec2 frequency(uint i) { // in turns per unit of t
    vec2 f = vec2(p.turn_high, p.turn_low);
    if ((i & 1u) != 0u) f = multiply(f, vec2(p.high0, p.low0));
    if ((i & 2u) != 0u) f = multiply(f, vec2(p.high1, p.low1));
    if ((i & 4u) != 0u) f = multiply(f, vec2(p.high2, p.low2));
    if ((i & 8u) != 0u) f = multiply(f, vec2(p.high3, p.low3));
    if ((i & 16u) != 0u) f = multiply(f, vec2(p.high4, p.low4));
    if ((i & 32u) != 0u) f = multiply(f, vec2(p.high5, p.low5));
    if ((i & 64u) != 0u) f = multiply(f, vec2(p.high6, p.low6));
    if ((i & 128u) != 0u) f = multiply(f, vec2(p.high7, p.low7));
    if ((i & 256u) != 0u) f = multiply(f, vec2(p.high8, p.low8));
    if ((i & 512u) != 0u) f = multiply(f, vec2(p.high9, p.low9));
    if ((i & 1024u) != 0u) f = multiply(f, vec2(p.high10, p.low10));
    return f;
}

void main() {
    uint columns = p.half_dim + (p.dim & 1u);
    PNB_EACH(item, p.count * columns) {
        uint n = item / columns, i = item - n * columns, to = n * p.dim;
        if (i == p.half_dim) {
            y1_set(to + p.dim - 1u, 0.0);
        } else {
            vec2 turns = multiply(frequency(i), vec2(t1(n), 0.0));
            precise float rest = turns.x - round(turns.x);
            vec2 sc = pnb_sincos_turns(rest + turns.y);
            y1_set(to + i, p.sin_first != 0u ? sc.x : sc.y);
            y1_set(to + p.half_dim + i, p.sin_first != 0u ? sc.y : sc.x);
        }
    }
}

// Self-attention, forward, without a T x T matrix in memory.
//
//     y[c,i] = sum_j softmax_j(scale * sum_c q[c,i] k[c,j]) v[c,j]     for each sample and head
//
// One invocation makes four neighbouring queries (a vec4; gpu: one) in all channels of its head. It walks over the keys in tiles of
// 4 * TILE4: scores of the tile, the running maximum and sum of exponentials (Milakov and Gimelshein, arXiv:1805.02867), and
// the weighted values, accumulated in y itself, which only this invocation touches. The largest score and 1/sum are kept for
// the gradient. Lanes run over queries, heads, samples. Numerics: fp32, keys in order.
//! variant texel PNB_TEXEL=1
//! variant ragged PNB_RAGGED=1
//! variant gpu PNB_GPU=1
//! variant gpu_ragged PNB_GPU=1 PNB_RAGGED=1
#version 450
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : require
#include "ops/attention.glsl"

layout(set = 0, binding = 1) buffer YBlock { PLACES y[]; };
layout(set = 0, binding = 2) writeonly buffer SBlock { PLACES stats[]; };

void main() {
    const int T = int(p.steps), T4 = (T + 3) / 4, step = int(p.channel_step);
    int nh, i;
    if (!my_place(T, nh, i)) return;
    const int q_row = part_row(nh, QUERY), k_row = part_row(nh, KEY), v_row = part_row(nh, VALUE), y_row = nh * int(p.width);
    OWN most = OWN(0.0), total = OWN(0.0);

    for (int j4 = 0; j4 < T4; j4 += TILE4) {
        OWN s[4 * TILE4];
        [[unroll]] for (int j = 0; j < 4 * TILE4; j++) s[j] = OWN(0.0);
        for (int c = 0; c < int(p.width); c++) {
            const OWN q = MY_QKV(q_row + c * step, i);
            [[unroll]] for (int t = 0; t < TILE4; t++) {
                const vec4 k = QKV(k_row + c * step, min(j4 + t, T4 - 1));
                [[unroll]] for (int e = 0; e < 4; e++) s[4 * t + e] = fma(OWN(k[e]), q, s[4 * t + e]);
            }
        }
        OWN now = j4 == 0 ? s[0] * p.scale : most;
        [[unroll]] for (int j = 0; j < 4 * TILE4; j++) {
            s[j] *= p.scale;
            if (4 * j4 + j < T) now = max(now, s[j]);
        }
        const OWN fade = j4 == 0 ? OWN(0.0) : exp(most - now);
        most = now;
        total *= fade;
        [[unroll]] for (int j = 0; j < 4 * TILE4; j++) {
            s[j] = 4 * j4 + j < T ? exp(s[j] - now) : OWN(0.0);
            total += s[j];
        }
        const OWN finish = j4 + TILE4 >= T4 ? 1.0 / total : OWN(1.0);
        for (int c = 0; c < int(p.width); c++) {
            OWN sum = OWN(0.0);
            [[unroll]] for (int t = 0; t < TILE4; t++) {
                const vec4 v = QKV(v_row + c * step, min(j4 + t, T4 - 1));
                [[unroll]] for (int e = 0; e < 4; e++) sum = fma(OWN(v[e]), s[4 * t + e], sum);
            }
            if (j4 > 0) sum = fma(MINE(y, y_row + c, i), fade, sum);
            sum *= finish;
            PUT(y, y_row + c, i, sum);
        }
    }
    const OWN inverse = 1.0 / total;
    PUT(stats, 2 * nh, i, most);
    PUT(stats, 2 * nh + 1, i, inverse);
}

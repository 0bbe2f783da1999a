// Self-attention, forward, without a T x T matrix in memory.
//
//     y[c,i] = sum_j softmax_j(scale * sum_c q[c,i] k[c,j]) v[c,j]     for each sample and head
//
// One invocation makes four neighbouring queries (a vec4) in all channels of its head. It walks over the keys in tiles of
// 4 * TILE4: scores of the tile, the running maximum and sum of exponentials (Milakov and Gimelshein, arXiv:1805.02867), and
// the weighted values, accumulated in y itself, which only this invocation touches. The largest score and 1/sum are kept for
// the gradient. Lanes run over queries, heads, samples. Numerics: fp32, keys in order.
//! variant texel PNB_TEXEL=1
//! variant ragged PNB_RAGGED=1
#version 450
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : require
#include "ops/attention.glsl"

layout(set = 0, binding = 1) buffer YBlock { PLACES y[]; };
layout(set = 0, binding = 2) writeonly buffer SBlock { PLACES stats[]; };

void main() {
    const int id = int(pnb_linear_id());
    if (id >= int(p.count)) return;
    const int T = int(p.steps), T4 = (T + 3) / 4, step = int(p.channel_step);
    const int i4 = id % T4, nh = id / T4;
    const int q_row = part_row(nh, QUERY), k_row = part_row(nh, KEY), v_row = part_row(nh, VALUE), y_row = nh * int(p.width);
    vec4 most = vec4(0.0), total = vec4(0.0);

    for (int j4 = 0; j4 < T4; j4 += TILE4) {
        vec4 s[4 * TILE4];
        [[unroll]] for (int j = 0; j < 4 * TILE4; j++) s[j] = vec4(0.0);
        for (int c = 0; c < int(p.width); c++) {
            const vec4 q = QKV(q_row + c * step, i4);
            [[unroll]] for (int t = 0; t < TILE4; t++) {
                const vec4 k = QKV(k_row + c * step, min(j4 + t, T4 - 1));
                [[unroll]] for (int e = 0; e < 4; e++) s[4 * t + e] = fma(vec4(k[e]), q, s[4 * t + e]);
            }
        }
        vec4 now = j4 == 0 ? s[0] * p.scale : most;
        [[unroll]] for (int j = 0; j < 4 * TILE4; j++) {
            s[j] *= p.scale;
            if (4 * j4 + j < T) now = max(now, s[j]);
        }
        const vec4 fade = j4 == 0 ? vec4(0.0) : exp(most - now);
        most = now;
        total *= fade;
        [[unroll]] for (int j = 0; j < 4 * TILE4; j++) {
            s[j] = 4 * j4 + j < T ? exp(s[j] - now) : vec4(0.0);
            total += s[j];
        }
        const vec4 finish = j4 + TILE4 >= T4 ? 1.0 / total : vec4(1.0);
        for (int c = 0; c < int(p.width); c++) {
            vec4 sum = vec4(0.0);
            [[unroll]] for (int t = 0; t < TILE4; t++) {
                const vec4 v = QKV(v_row + c * step, min(j4 + t, T4 - 1));
                [[unroll]] for (int e = 0; e < 4; e++) sum = fma(vec4(v[e]), s[4 * t + e], sum);
            }
            if (j4 > 0) sum = fma(GET(y, y_row + c, i4), fade, sum);
            sum *= finish;
            PUT(y, y_row + c, i4, sum);
        }
    }
    const vec4 inverse = 1.0 / total;
    PUT(stats, 2 * nh, i4, most);
    PUT(stats, 2 * nh + 1, i4, inverse);
}

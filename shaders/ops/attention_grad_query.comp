// Self-attention, gradient in the queries; also delta_i = sum_c g[c,i] y[c,i], which the gradient in keys and values needs.
//
//     p[i,j] = exp(scale q_i.k_j - most_i) / sum_i,  ds[i,j] = scale p[i,j] (g_i.v_j - delta_i),  gq[c,i] = sum_j ds[i,j] k[c,j]
//
// The scores are computed again from the statistics of the forward pass. One invocation makes four neighbouring queries (gpu: one) in all
// channels of its head, keys in tiles of 4 * TILE4; gq is accumulated in memory that only this invocation touches. Numerics:
// fp32, keys in order.
//! variant texel PNB_TEXEL=1
//! variant ragged PNB_RAGGED=1
//! variant gpu PNB_GPU=1
//! variant gpu_ragged PNB_GPU=1 PNB_RAGGED=1
#version 450
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : require
#define PNB_G_BINDING 3
#include "ops/attention.glsl"

PNB_PLACES(1, y);
PNB_PLACES(2, stats);
layout(set = 0, binding = 4) buffer OBlock { PLACES gqkv[]; };
layout(set = 0, binding = 5) writeonly buffer DBlock { PLACES delta[]; };

void main() {
    const int T = int(p.steps), T4 = (T + 3) / 4, step = int(p.channel_step);
    int nh, i;
    if (!my_place(T, nh, i)) return;
    const int q_row = part_row(nh, QUERY), k_row = part_row(nh, KEY), v_row = part_row(nh, VALUE), y_row = nh * int(p.width);
    const OWN most = MINE(stats, 2 * nh, i), inverse = MINE(stats, 2 * nh + 1, i);
    OWN d = OWN(0.0);
    for (int c = 0; c < int(p.width); c++) d = fma(MY_GY(y_row + c, i), MINE(y, y_row + c, i), d);
    PUT(delta, nh, i, d);

    for (int j4 = 0; j4 < T4; j4 += TILE4) {
        OWN s[4 * TILE4], ds[4 * TILE4];
        [[unroll]] for (int j = 0; j < 4 * TILE4; j++) {
            s[j] = OWN(0.0);
            ds[j] = OWN(0.0);
        }
        for (int c = 0; c < int(p.width); c++) {
            const OWN q = MY_QKV(q_row + c * step, i), g = MY_GY(y_row + c, i);
            [[unroll]] for (int t = 0; t < TILE4; t++) {
                const int at = min(j4 + t, T4 - 1);
                const vec4 k = QKV(k_row + c * step, at), v = QKV(v_row + c * step, at);
                [[unroll]] for (int e = 0; e < 4; e++) {
                    s[4 * t + e] = fma(OWN(k[e]), q, s[4 * t + e]);
                    ds[4 * t + e] = fma(OWN(v[e]), g, ds[4 * t + e]);
                }
            }
        }
        [[unroll]] for (int j = 0; j < 4 * TILE4; j++) {
            const OWN weight = exp(s[j] * p.scale - most) * inverse;
            ds[j] = 4 * j4 + j < T ? p.scale * weight * (ds[j] - d) : OWN(0.0);
        }
        for (int c = 0; c < int(p.width); c++) {
            OWN sum = OWN(0.0);
            if (j4 > 0) sum = MINE(gqkv, q_row + c * step, i);
            [[unroll]] for (int t = 0; t < TILE4; t++) {
                const vec4 k = QKV(k_row + c * step, min(j4 + t, T4 - 1));
                [[unroll]] for (int e = 0; e < 4; e++) sum = fma(OWN(k[e]), ds[4 * t + e], sum);
            }
            PUT(gqkv, q_row + c * step, i, sum);
        }
    }
}

// Self-attention, gradients in keys and values.
//
//     p[i,j] = exp(scale q_i.k_j - most_i) / sum_i,  ds[i,j] = scale p[i,j] (g_i.v_j - delta_i)
//     gk[c,j] = sum_i ds[i,j] q[c,i],  gv[c,j] = sum_i p[i,j] g[c,i]
//
// delta comes from attention_grad_query. One invocation makes four neighbouring keys (gpu: one) in all channels of its head, queries in
// tiles of 4 * TILE4; the sums are kept in memory that only this invocation touches. Numerics: fp32, queries in order.
//! variant texel PNB_TEXEL=1
//! variant ragged PNB_RAGGED=1
//! variant gpu PNB_GPU=1
//! variant gpu_ragged PNB_GPU=1 PNB_RAGGED=1
#version 450
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : require
#define PNB_G_BINDING 2
#include "ops/attention.glsl"

PNB_PLACES(1, stats);
PNB_PLACES(3, delta);
layout(set = 0, binding = 4) buffer OBlock { PLACES gqkv[]; };

void main() {
    const int T = int(p.steps), T4 = (T + 3) / 4, step = int(p.channel_step);
    int nh, j;
    if (!my_place(T, nh, j)) return;
    const int q_row = part_row(nh, QUERY), k_row = part_row(nh, KEY), v_row = part_row(nh, VALUE), y_row = nh * int(p.width);

    for (int i4 = 0; i4 < T4; i4 += TILE4) {
        OWN weight[4 * TILE4], ds[4 * TILE4];
        [[unroll]] for (int i = 0; i < 4 * TILE4; i++) {
            weight[i] = OWN(0.0);
            ds[i] = OWN(0.0);
        }
        for (int c = 0; c < int(p.width); c++) {
            const OWN k = MY_QKV(k_row + c * step, j), v = MY_QKV(v_row + c * step, j);
            [[unroll]] for (int t = 0; t < TILE4; t++) {
                const int at = min(i4 + t, T4 - 1);
                const vec4 q = QKV(q_row + c * step, at), g = GY(y_row + c, at);
                [[unroll]] for (int e = 0; e < 4; e++) {
                    weight[4 * t + e] = fma(OWN(q[e]), k, weight[4 * t + e]);
                    ds[4 * t + e] = fma(OWN(g[e]), v, ds[4 * t + e]);
                }
            }
        }
        [[unroll]] for (int t = 0; t < TILE4; t++) {
            const int at = min(i4 + t, T4 - 1);
            const vec4 most = GET(stats, 2 * nh, at), inverse = GET(stats, 2 * nh + 1, at), d = GET(delta, nh, at);
            [[unroll]] for (int e = 0; e < 4; e++) {
                const int i = 4 * t + e;
                weight[i] = 4 * i4 + i < T ? exp(weight[i] * p.scale - most[e]) * inverse[e] : OWN(0.0);
                ds[i] = p.scale * weight[i] * (ds[i] - d[e]);
            }
        }
        for (int c = 0; c < int(p.width); c++) {
            OWN gk = OWN(0.0), gv = OWN(0.0);
            if (i4 > 0) {
                gk = MINE(gqkv, k_row + c * step, j);
                gv = MINE(gqkv, v_row + c * step, j);
            }
            [[unroll]] for (int t = 0; t < TILE4; t++) {
                const int at = min(i4 + t, T4 - 1);
                const vec4 q = QKV(q_row + c * step, at), g = GY(y_row + c, at);
                [[unroll]] for (int e = 0; e < 4; e++) {
                    gk = fma(OWN(q[e]), ds[4 * t + e], gk);
                    gv = fma(OWN(g[e]), weight[4 * t + e], gv);
                }
            }
            PUT(gqkv, k_row + c * step, j, gk);
            PUT(gqkv, v_row + c * step, j, gv);
        }
    }
}

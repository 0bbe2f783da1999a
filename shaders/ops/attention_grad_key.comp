// Self-attention, gradients in keys and values.
//
//     p[i,j] = exp(scale q_i.k_j - most_i) / sum_i,  ds[i,j] = scale p[i,j] (g_i.v_j - delta_i)
//     gk[c,j] = sum_i ds[i,j] q[c,i],  gv[c,j] = sum_i p[i,j] g[c,i]
//
// delta comes from attention_grad_query. One invocation makes four neighbouring keys in all channels of its head, queries in
// tiles of 4 * TILE4; the sums are kept in memory that only this invocation touches. Numerics: fp32, queries in order.
//! variant texel PNB_TEXEL=1
//! variant ragged PNB_RAGGED=1
#version 450
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : require
#define PNB_G_BINDING 2
#include "ops/attention.glsl"

layout(set = 0, binding = 1) readonly buffer SBlock { PLACES stats[]; };
layout(set = 0, binding = 3) readonly buffer DBlock { PLACES delta[]; };
layout(set = 0, binding = 4) buffer OBlock { PLACES gqkv[]; };

void main() {
    const int id = int(pnb_linear_id());
    if (id >= int(p.count)) return;
    const int T = int(p.steps), T4 = (T + 3) / 4, step = int(p.channel_step);
    const int j4 = id % T4, nh = id / T4;
    const int q_row = part_row(nh, QUERY), k_row = part_row(nh, KEY), v_row = part_row(nh, VALUE), y_row = nh * int(p.width);

    for (int i4 = 0; i4 < T4; i4 += TILE4) {
        vec4 weight[4 * TILE4], ds[4 * TILE4];
        [[unroll]] for (int i = 0; i < 4 * TILE4; i++) {
            weight[i] = vec4(0.0);
            ds[i] = vec4(0.0);
        }
        for (int c = 0; c < int(p.width); c++) {
            const vec4 k = QKV(k_row + c * step, j4), v = QKV(v_row + c * step, j4);
            [[unroll]] for (int t = 0; t < TILE4; t++) {
                const int at = min(i4 + t, T4 - 1);
                const vec4 q = QKV(q_row + c * step, at), g = GY(y_row + c, at);
                [[unroll]] for (int e = 0; e < 4; e++) {
                    weight[4 * t + e] = fma(vec4(q[e]), k, weight[4 * t + e]);
                    ds[4 * t + e] = fma(vec4(g[e]), v, ds[4 * t + e]);
                }
            }
        }
        [[unroll]] for (int t = 0; t < TILE4; t++) {
            const int at = min(i4 + t, T4 - 1);
            const vec4 most = GET(stats, 2 * nh, at), inverse = GET(stats, 2 * nh + 1, at), d = GET(delta, nh, at);
            [[unroll]] for (int e = 0; e < 4; e++) {
                const int i = 4 * t + e;
                weight[i] = 4 * i4 + i < T ? exp(weight[i] * p.scale - most[e]) * inverse[e] : vec4(0.0);
                ds[i] = p.scale * weight[i] * (ds[i] - d[e]);
            }
        }
        for (int c = 0; c < int(p.width); c++) {
            vec4 gk = vec4(0.0), gv = vec4(0.0);
            if (i4 > 0) {
                gk = GET(gqkv, k_row + c * step, j4);
                gv = GET(gqkv, v_row + c * step, j4);
            }
            [[unroll]] for (int t = 0; t < TILE4; t++) {
                const int at = min(i4 + t, T4 - 1);
                const vec4 q = QKV(q_row + c * step, at), g = GY(y_row + c, at);
                [[unroll]] for (int e = 0; e < 4; e++) {
                    gk = fma(vec4(q[e]), ds[4 * t + e], gk);
                    gv = fma(vec4(g[e]), weight[4 * t + e], gv);
                }
            }
            PUT(gqkv, k_row + c * step, j4, gk);
            PUT(gqkv, v_row + c * step, j4, gv);
        }
    }
}

// Self-attention, gradient in the queries; also delta_i = sum_c g[c,i] y[c,i], which the gradient in keys and values needs.
//
//     p[i,j] = exp(scale q_i.k_j - most_i) / sum_i,  ds[i,j] = scale p[i,j] (g_i.v_j - delta_i),  gq[c,i] = sum_j ds[i,j] k[c,j]
//
// The scores are computed again from the statistics of the forward pass. One invocation makes four neighbouring queries in all
// channels of its head, keys in tiles of 4 * TILE4; gq is accumulated in memory that only this invocation touches. Numerics:
// fp32, keys in order.
//! variant texel PNB_TEXEL=1
//! variant ragged PNB_RAGGED=1
#version 450
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : require
#define PNB_G_BINDING 3
#include "ops/attention.glsl"

layout(set = 0, binding = 1) readonly buffer YBlock { PLACES y[]; };
layout(set = 0, binding = 2) readonly buffer SBlock { PLACES stats[]; };
layout(set = 0, binding = 4) buffer OBlock { PLACES gqkv[]; };
layout(set = 0, binding = 5) writeonly buffer DBlock { PLACES delta[]; };

void main() {
    const int id = int(pnb_linear_id());
    if (id >= int(p.count)) return;
    const int T = int(p.steps), T4 = (T + 3) / 4, step = int(p.channel_step);
    const int i4 = id % T4, nh = id / T4;
    const int q_row = part_row(nh, QUERY), k_row = part_row(nh, KEY), v_row = part_row(nh, VALUE), y_row = nh * int(p.width);
    const vec4 most = GET(stats, 2 * nh, i4), inverse = GET(stats, 2 * nh + 1, i4);
    vec4 d = vec4(0.0);
    for (int c = 0; c < int(p.width); c++) d = fma(GY(y_row + c, i4), GET(y, y_row + c, i4), d);
    PUT(delta, nh, i4, d);

    for (int j4 = 0; j4 < T4; j4 += TILE4) {
        vec4 s[4 * TILE4], ds[4 * TILE4];
        [[unroll]] for (int j = 0; j < 4 * TILE4; j++) {
            s[j] = vec4(0.0);
            ds[j] = vec4(0.0);
        }
        for (int c = 0; c < int(p.width); c++) {
            const vec4 q = QKV(q_row + c * step, i4), g = GY(y_row + c, i4);
            [[unroll]] for (int t = 0; t < TILE4; t++) {
                const int at = min(j4 + t, T4 - 1);
                const vec4 k = QKV(k_row + c * step, at), v = QKV(v_row + c * step, at);
                [[unroll]] for (int e = 0; e < 4; e++) {
                    s[4 * t + e] = fma(vec4(k[e]), q, s[4 * t + e]);
                    ds[4 * t + e] = fma(vec4(v[e]), g, ds[4 * t + e]);
                }
            }
        }
        [[unroll]] for (int j = 0; j < 4 * TILE4; j++) {
            const vec4 weight = exp(s[j] * p.scale - most) * inverse;
            ds[j] = 4 * j4 + j < T ? p.scale * weight * (ds[j] - d) : vec4(0.0);
        }
        for (int c = 0; c < int(p.width); c++) {
            vec4 sum = vec4(0.0);
            if (j4 > 0) sum = GET(gqkv, q_row + c * step, i4);
            [[unroll]] for (int t = 0; t < TILE4; t++) {
                const vec4 k = QKV(k_row + c * step, min(j4 + t, T4 - 1));
                [[unroll]] for (int e = 0; e < 4; e++) sum = fma(vec4(k[e]), ds[4 * t + e], sum);
            }
            PUT(gqkv, q_row + c * step, i4, sum);
        }
    }
}

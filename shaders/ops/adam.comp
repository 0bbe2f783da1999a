// One step of Adam (Kingma and Ba 2015) as PyTorch writes it; with decay, AdamW (Loshchilov and Hutter 2019):
//   w -= lr decay w;  m = b1 m + (1-b1) g;  v = b2 v + (1-b2) g^2;  w -= (lr / c1) m / (sqrt(v / c2) + eps)
// lr, c1 = 1 - b1^t and c2 = 1 - b2^t are read from the step state. The gradient may come in PARTS, the last dimension of its
// tensor, which are summed here in a fixed order. Where clip_index is not 0, the state holds there what g is multiplied by as well
// (ops/clip). Variants ema: the running mean of the weights follows them, e += rate (w - e), rate from the state.
//! variant texel PNB_TEXEL=1
//! variant ema PNB_EMA=1
//! variant texel_ema PNB_TEXEL=1 PNB_EMA=1
#version 450
#extension GL_GOOGLE_include_directive : require
#include "lib/vec4.glsl"
#include "ops/adam.h"

layout(local_size_x_id = 0) in;
layout(constant_id = 1) const uint PARTS = 1u; // 1, or a multiple of 4
layout(set = 0, binding = 0, std430) buffer w_block4 { vec4 w_v[]; };
layout(set = 0, binding = 0, std430) buffer w_block1 { float w_f[]; };
layout(set = 0, binding = 1, std430) buffer m_block4 { vec4 m_v[]; };
layout(set = 0, binding = 1, std430) buffer m_block1 { float m_f[]; };
layout(set = 0, binding = 2, std430) buffer v_block4 { vec4 v_v[]; };
layout(set = 0, binding = 2, std430) buffer v_block1 { float v_f[]; };
PNB_IN(3, g)
PNB_BUFFER(4, state)
#ifdef PNB_EMA
layout(set = 0, binding = 5, std430) buffer e_block4 { vec4 e_v[]; };
layout(set = 0, binding = 5, std430) buffer e_block1 { float e_f[]; };
#endif

void update(inout vec4 w, inout vec4 m, inout vec4 v, vec4 g) {
    float lr = state1(p.lr_index), c1 = state1(p.lr_index + 1u), c2 = state1(p.lr_index + 2u);
    g *= p.gscale;
    if (p.clip_index != 0u) g *= state1(p.clip_index);
    w -= (lr * p.decay) * w;
    m = p.beta1 * m + p.rest1 * g;
    v = p.beta2 * v + p.rest2 * (g * g);
    w -= (lr / c1) * m / (sqrt(v / c2) + p.eps);
}

float summed(uint i) {
    vec4 sum = vec4(0.0);
    for (uint k = 0u; k < PARTS / 4u; k++) sum += g4(i * (PARTS / 4u) + k);
    return (sum.x + sum.y) + (sum.z + sum.w);
}

void main() {
    uint n4 = p.count / 4u, rest = p.count - 4u * n4;
    PNB_EACH(i, n4) {
        vec4 w = w_v[i], m = m_v[i], v = v_v[i];
        vec4 g;
        if (PARTS == 1u) g = g4(i);
        else g = vec4(summed(4u * i), summed(4u * i + 1u), summed(4u * i + 2u), summed(4u * i + 3u));
        update(w, m, v, g);
        w_v[i] = w;
        m_v[i] = m;
        v_v[i] = v;
#ifdef PNB_EMA
        e_v[i] += state1(p.ema_index) * (w - e_v[i]);
#endif
    }
    uint id = pnb_linear_id(), at = 4u * n4 + id;
    if (id < rest) {
        vec4 w = vec4(w_f[at]), m = vec4(m_f[at]), v = vec4(v_f[at]);
        update(w, m, v, vec4(PARTS == 1u ? g1(at) : summed(at)));
        w_f[at] = w.x;
        m_f[at] = m.x;
        v_f[at] = v.x;
#ifdef PNB_EMA
        e_f[at] += state1(p.ema_index) * (w.x - e_f[at]);
#endif
    }
}

// Last of three kernels of the mixture score: the sum over components, r_i = softmax_i(l[s,i]).
//   forward: y_s = sigma sum_i r_i sum_k v_ik z_ik                                   (eps = -sigma * score)
//   vjp:     y_s = sigma sum_i r_i sum_k v_ik (u_ik / p_ik - z_ik (c_i - sum_j r_j c_j))  (J^T v; J of eps is symmetric)
// The vjp is -sigma [sum_i r_i (g_i g_i^T - P_i^-1) - s s^T] v of algorithms.md 5 with the mean taken out of c = g . v, so that
// nothing large cancels. The maximum of l is taken off before exp. One invocation an element of y.
#version 450
#extension GL_GOOGLE_include_directive : require
#include "lib/vec4.glsl"
#include "prior/exp_log.glsl"
#include "prior/gmm.h"

layout(local_size_x_id = 0) in;
layout(constant_id = 1) const bool VJP = false;
PNB_BUFFER(0, z)
PNB_BUFFER(1, l)
PNB_BUFFER(2, u)
PNB_BUFFER(3, c)
PNB_BUFFER(4, alpha)
PNB_BUFFER(5, sigma)
PNB_BUFFER(6, vectors)
PNB_BUFFER(7, values)
PNB_OUT(8, y)

void main() {
    PNB_EACH(item, p.samples * p.dim) {
        uint s = item / p.dim, j = item - s * p.dim, row = s * p.components;
        float a = alpha1(s), b = sigma1(s), best = l1(row), total = 0.0, mean = 0.0, sum = 0.0;
        for (uint i = 1u; i < p.components; i++) best = max(best, l1(row + i));
        for (uint i = 0u; i < p.components; i++) {
            float r = pnb_exp_negative(l1(row + i) - best);
            total += r;
            if (VJP) mean += r * c1(row + i);
        }
        mean /= total;
        for (uint i = 0u; i < p.components; i++) {
            float r = pnb_exp_negative(l1(row + i) - best);
            if (r == 0.0) continue;
            float part = 0.0, centred = VJP ? c1(row + i) - mean : 0.0;
            for (uint k = 0u; k < p.dim; k++) {
                uint ik = i * p.dim + k, at = (row + i) * p.dim + k;
                float w = z1(at);
                if (VJP) w = u1(at) / (a * a * values1(ik) + b * b) - w * centred;
                part += vectors1(ik * p.dim + j) * w;
            }
            sum += r * part;
        }
        y1_set(item, b * sum / total);
    }
}

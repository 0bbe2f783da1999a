// Second of three kernels of the mixture score: one number a sample and component.
//   forward: l[s,i] = ln weight_i - 1/2 sum_k (z_k^2 p_k + ln p_k), the log of weight times density, without a constant
//   vjp:     l[s,i] = sum_k z_k u_k, the cotangent's product with P_i^-1 (x - alpha m_i); u from gmm_project, given as `u`
// One invocation an element of l.
#version 450
#extension GL_GOOGLE_include_directive : require
#include "lib/vec4.glsl"
#include "prior/exp_log.glsl"
#include "prior/gmm.h"

layout(local_size_x_id = 0) in;
layout(constant_id = 1) const bool VJP = false;
PNB_BUFFER(0, z)
PNB_BUFFER(1, u)
PNB_BUFFER(2, alpha)
PNB_BUFFER(3, sigma)
PNB_BUFFER(4, log_weights)
PNB_BUFFER(5, values)
PNB_OUT(6, l)

void main() {
    PNB_EACH(item, p.samples * p.components) {
        uint s = item / p.components, i = item - s * p.components;
        float sum = 0.0, a = alpha1(s), b = sigma1(s);
        for (uint k = 0u; k < p.dim; k++) {
            float zk = z1(item * p.dim + k);
            if (VJP) {
                sum += zk * u1(item * p.dim + k);
            } else {
                float variance = a * a * values1(i * p.dim + k) + b * b;
                sum += zk * zk * variance + pnb_ln(variance);
            }
        }
        l1_set(item, VJP ? sum : log_weights1(i) - 0.5 * sum);
    }
}

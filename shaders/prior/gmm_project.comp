// First of three kernels of the mixture score (algorithms.md 5): coordinates in each component's eigenbasis.
//   forward: z[s,i,k] = v_ik . (x_s - alpha_s m_i) / p_sik,   p_sik = alpha_s^2 w_ik + sigma_s^2
//   vjp:     z[s,i,k] = v_ik . x_s                            (x is the cotangent)
// v_ik: eigenvector k of component i, w_ik its eigenvalue. One invocation an element of z. Limits: samples*components*dim < 2^32.
#version 450
#extension GL_GOOGLE_include_directive : require
#include "lib/vec4.glsl"
#include "prior/gmm.h"

layout(local_size_x_id = 0) in;
layout(constant_id = 1) const bool VJP = false;
PNB_BUFFER(0, x)
PNB_BUFFER(1, alpha)
PNB_BUFFER(2, sigma)
PNB_BUFFER(3, means)
PNB_BUFFER(4, vectors)
PNB_BUFFER(5, values)
PNB_OUT(6, z)

void main() {
    PNB_EACH(item, p.samples * p.components * p.dim) {
        uint si = item / p.dim, s = si / p.components, i = si - s * p.components, ik = i * p.dim + (item - si * p.dim);
        float sum = 0.0, a = VJP ? 0.0 : alpha1(s);
        for (uint j = 0u; j < p.dim; j++) {
            float d = x1(s * p.dim + j);
            if (!VJP) d -= a * means1(i * p.dim + j);
            sum += vectors1(ik * p.dim + j) * d;
        }
        if (!VJP) sum /= a * a * values1(ik) + sigma1(s) * sigma1(s);
        z1_set(item, sum);
    }
}

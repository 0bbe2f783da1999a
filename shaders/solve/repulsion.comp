#version 450
#extension GL_GOOGLE_include_directive : require
// One row of the repulsion's matrix an invocation: from the Gram matrix of K features to L with rep = L f.
//
// d_ij = |f_i - f_j|^2, h_i = median_j d_ij / log, k_ij = exp(-d_ij/h_i);
// L_ij = -2 k_ij/(h_i sum_j k_ij) for j != i, L_ii = -sum_j L_ij. The median is the lower of the two where K - 1 is even, and a
// particle that coincides with half of the others is not pushed.
#include "solve/repulsion_push.h"
#include "lib/index.glsl"
#include "prior/exp_log.glsl"
layout(local_size_x_id = 0) in;
layout(std430, binding = 0) readonly buffer Gram { float g[]; };
layout(std430, binding = 1) writeonly buffer Matrix { float m[]; };

float distance2(uint i, uint j) {
    return max(g[i * p.count + i] + g[j * p.count + j] - 2.0 * g[i * p.count + j], 0.0);
}

float median(uint i) {
    uint wanted = (p.count - 2u) / 2u;
    for (uint j = 0u; j < p.count; j++) {
        if (j == i) continue;
        float d = distance2(i, j);
        uint below = 0u;
        for (uint l = 0u; l < p.count; l++) {
            float other = distance2(i, l);
            if (l != i && (other < d || (other == d && l < j))) below++;
        }
        if (below == wanted) return d;
    }
    return 0.0;
}

void main() {
    uint i = pnb_linear_id();
    if (i >= p.count) return;
    float h = median(i) / p.log_count, sum = 0.0, total = 0.0;
    for (uint j = 0u; j < p.count; j++) {
        if (j != i && h > 0.0) sum += pnb_exp_negative(-distance2(i, j) / h);
    }
    for (uint j = 0u; j < p.count; j++) {
        if (j == i) continue;
        float weight = sum > 0.0 ? 2.0 * pnb_exp_negative(-distance2(i, j) / h) / (h * sum) : 0.0;
        m[i * p.count + j] = -weight;
        total += weight;
    }
    m[i * p.count + i] = total;
}

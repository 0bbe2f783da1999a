// Gradients of gamma and beta from the channel sums P: ggamma = sum_n (1+scale) P.y, gbeta = sum_n (1+scale) P.x, n in order.
#version 450
#extension GL_GOOGLE_include_directive : require
#include "lib/vec4.glsl"
#include "ops/group_norm.h"

layout(local_size_x_id = 0) in;
layout(constant_id = 1) const bool SCALE_SHIFT = false;
PNB_BUFFER(0, sums)
PNB_BUFFER(1, scale_shift)
PNB_OUT(2, ggamma)
PNB_OUT(3, gbeta)

void main() {
    PNB_EACH(c, p.channels) {
        float gamma = 0.0, beta = 0.0;
        for (uint n = 0u; n < p.batch; n++) {
            float m = SCALE_SHIFT ? 1.0 + scale_shift1(2u * n * p.channels + c) : 1.0;
            vec4 P = sums4(n * p.channels + c);
            beta += m * P.x;
            gamma += m * P.y;
        }
        ggamma1_set(c, gamma);
        gbeta1_set(c, beta);
    }
}

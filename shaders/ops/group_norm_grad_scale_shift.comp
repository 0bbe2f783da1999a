// Gradient of scale and shift [N,2C] from the channel sums P: gscale = gamma P.y + beta P.x, gshift = P.x.
#version 450
#extension GL_GOOGLE_include_directive : require
#include "lib/vec4.glsl"
#include "ops/group_norm.h"

layout(local_size_x_id = 0) in;
PNB_BUFFER(0, sums)
PNB_BUFFER(1, gamma)
PNB_BUFFER(2, beta)
PNB_OUT(3, g)

void main() {
    PNB_EACH(row, p.batch * p.channels) {
        uint n = row / p.channels, c = row - n * p.channels;
        float a = sums1(2u * row), b = sums1(2u * row + 1u);
        g1_set(2u * n * p.channels + c, gamma1(c) * b + beta1(c) * a);
        g1_set((2u * n + 1u) * p.channels + c, a);
    }
}

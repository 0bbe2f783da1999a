// Puts the chunks of a group's statistics together, in order (Chan, Golub, LeVeque 1983): with d_k = mean_k - mean_0,
//   d = sum n_k d_k / D,  squares = sum (squares_k + n_k (d_k - d)^2),  mean = mean_0 + d.
#version 450
#extension GL_GOOGLE_include_directive : require
#include "lib/vec4.glsl"
#include "ops/group_norm.h"

layout(local_size_x_id = 0) in;
PNB_BUFFER(0, parts)
PNB_OUT(1, stats)

void main() {
    PNB_EACH(group, p.batch * p.groups) {
        float origin = parts4(group * p.chunks).x;
        float total = 0.0, d = 0.0, squares = 0.0;
        for (uint k = 0u; k < p.chunks; k++) {
            vec4 part = parts4(group * p.chunks + k);
            d += part.w * ((part.x - origin) + part.y);
            total += part.w;
        }
        d /= total;
        for (uint k = 0u; k < p.chunks; k++) {
            vec4 part = parts4(group * p.chunks + k);
            float e = ((part.x - origin) + part.y) - d;
            squares += part.z + part.w * e * e;
        }
        stats4_set(group, vec4(origin, d, 1.0 / sqrt(squares / total + p.eps), 0.0));
    }
}

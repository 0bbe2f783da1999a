// gtable[v, d] = sum of gy[n, d] over the n that looked up row v, in order.
#version 450
#extension GL_GOOGLE_include_directive : require
#include "lib/vec4.glsl"
#include "ops/lookup.h"

layout(local_size_x_id = 0) in;
PNB_BUFFER(0, index)
PNB_BUFFER(1, gy)
PNB_OUT(2, gtable)

void main() {
    PNB_EACH(i, p.table_rows * p.width) {
        uint v = i / p.width, d = i - v * p.width;
        float sum = 0.0;
        for (uint n = 0u; n < p.count; n++) {
            uint row = uint(clamp(index1(n) + 0.5, 0.0, float(p.table_rows) - 0.5));
            if (row == v) sum += gy1(n * p.width + d);
        }
        gtable1_set(i, sum);
    }
}

// y[i, j] = sum_k w_k x[i + s dy_k + o, j + s dx_k + o'] on every plane, x zero outside; s = 1, or -1 for the flipped kernel.
// Taps are a list [taps, 4] of (dy, dx, w, 0): a kernel that is mostly zero (motion blur) costs what its other entries cost.
// An item makes four neighbours of a row at a time, so that a tap is fetched once for four. Numerics: fp32, taps in order.
#version 450
#extension GL_GOOGLE_include_directive : require
//! variant texel PNB_TEXEL=1
#include "lib/vec4.glsl"
#include "measure/correlate.h"

layout(local_size_x_id = 0) in;
PNB_IN(0, x)
PNB_IN(1, taps)
PNB_OUT(2, y)

float x_at(uint row, int j) { return j >= 0 && j < p.width ? x1(row + uint(j)) : 0.0; }

vec4 four(uint plane, int i, int j) {
    vec4 sum = vec4(0.0);
    for (uint k = 0u; k < p.taps; k++) {
        vec4 tap = taps4(k);
        int r = i + int(p.sign * tap.x), c = j + int(p.sign * tap.y);
        if (r < 0 || r >= p.rows) continue;
        uint row = (plane * uint(p.rows) + uint(r)) * uint(p.width);
        sum += tap.z * vec4(x_at(row, c), x_at(row, c + 1), x_at(row, c + 2), x_at(row, c + 3));
    }
    return sum;
}

void main() {
    PNB_EACH(item, p.items) {
        uint row = item / p.segments, plane = row / p.out_rows, i = row - plane * p.out_rows;
        for (uint j = 4u * (item - row * p.segments); j < p.out_width; j += 4u * p.segments) {
            vec4 v = four(plane, int(i) + p.origin_row, int(j) + p.origin_column);
            for (uint c = 0u; c < min(4u, p.out_width - j); c++) y1_set(row * p.out_width + j + c, v[c]);
        }
    }
}

// Margins around planes, and their adjoint.
//
//   pad    y[i, j] = x[at(i - top), at(j - left)]                 at(q): q mirrored, q modulo n, or nothing (then 0)
//   fold   x[i, j] = sum of y[a + top, b + left] over all a, b with at(a) = i, at(b) = j
//
// An index has at most three preimages an axis (itself, before, behind), since margins are shorter than the image.
// Several invocations share a row of the output; one float each.
#version 450
#extension GL_GOOGLE_include_directive : require
//! variant texel PNB_TEXEL=1
#include "lib/border.h"
#include "lib/vec4.glsl"
#include "ops/pad.h"

layout(local_size_x_id = 0) in;
layout(constant_id = 1) const bool FOLD = false;
PNB_IN(0, x)
PNB_OUT(1, y)

int at(int q, int n) {
    if (p.border == PNB_BORDER_ZERO) return q >= 0 && q < n ? q : -1;
    if (p.border == PNB_BORDER_CIRCULAR) return q < 0 ? q + n : q >= n ? q - n : q;
    q = abs(q);
    return q < n ? q : 2 * (n - 1) - q;
}

// The k-th place that shows element i of n, as an index into the padded axis of m; -1: none.
int shown(int k, int i, int n, int before, int m) {
    int q = i;
    if (k > 0 && p.border == PNB_BORDER_ZERO) return -1;
    if (p.border == PNB_BORDER_CIRCULAR) q += k == 1 ? -n : k == 2 ? n : 0;
    else if (k == 1) q = i > 0 ? -i : -m;
    else if (k == 2) q = i < n - 1 ? 2 * (n - 1) - i : -m;
    q += before;
    return q >= 0 && q < m ? q : -1;
}

float padded(uint plane, int i, int j) {
    int r = at(i - p.top, p.rows), c = at(j - p.left, p.width);
    return r >= 0 && c >= 0 ? x1((plane * uint(p.rows) + uint(r)) * uint(p.width) + uint(c)) : 0.0;
}

float folded(uint plane, int i, int j) {
    float sum = 0.0;
    for (int a = 0; a < 3; a++) {
        int r = shown(a, i, p.rows, p.top, p.padded_rows);
        for (int b = 0; b < 3 && r >= 0; b++) {
            int c = shown(b, j, p.width, p.left, p.padded_width);
            if (c >= 0) sum += x1((plane * uint(p.padded_rows) + uint(r)) * uint(p.padded_width) + uint(c));
        }
    }
    return sum;
}

void main() {
    uint rows = uint(FOLD ? p.rows : p.padded_rows), width = uint(FOLD ? p.width : p.padded_width);
    PNB_EACH(item, p.items) {
        uint row = item / p.segments, plane = row / rows, i = row - plane * rows;
        for (uint j = item - row * p.segments; j < width; j += p.segments) {
            y1_set(row * width + j, FOLD ? folded(plane, int(i), int(j)) : padded(plane, int(i), int(j)));
        }
    }
}

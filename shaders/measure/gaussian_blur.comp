// One axis of a separable filter, or of its exact adjoint.
//
//   forward   y[i] = sum_k w[k] x[at(i + k - r)],   at(q) = |q| mirrored at both ends (… 2 1 | 0 1 2 …), or q modulo n, or zero there
//   adjoint   c[q] = sum_k w[k] u[q - k + r] over 0 <= q - k + r < n, for -r <= q < n + r    (the filter, flipped, in full)
//             y[i] = c[i] + c[-i] (0 < i <= r) + c[2(n-1) - i] (n-1-r <= i < n-1)            (folded back; mirrored ends only)
//             y[i] = sum_k w[k] u[(i - k + r) mod n]                                         (circle)
//
// This is correlation after padding: the kernel is not flipped in the forward direction.
// Layout: any [.., n, stride]; one float an item, four taps a load. Limits: r <= n - 1.
// Numerics: fp32, taps in ascending order.
#version 450
#extension GL_GOOGLE_include_directive : require
//! variant texel PNB_TEXEL=1
#include "lib/border.h"
#include "lib/vec4.glsl"
#include "measure/gaussian_blur.h"

layout(local_size_x_id = 0) in;
PNB_IN(0, x)
PNB_IN(1, taps)
PNB_OUT(2, y)

// index of the element that lies at q, for -n <= q < 2n; the clamp is for the zero taps after the last
int at(int q) {
    int n = int(p.extent);
    if (p.boundary == PNB_BORDER_CIRCULAR) return q < 0 ? q + n : q >= n ? min(q - n, n - 1) : q;
    q = abs(q);
    return clamp(q < n ? q : 2 * (n - 1) - q, 0, n - 1);
}

// one value of u for sums over what is there: zero outside, or the circle
float u_at(uint base, int q) {
    int n = int(p.extent);
    if (p.boundary == PNB_BORDER_CIRCULAR) return x1(base + uint(q < 0 ? max(q + n, 0) : q >= n ? q - n : q) * p.stride);
    return q >= 0 && q < n ? x1(base + uint(q) * p.stride) : 0.0;
}

// the filter (way 1) or the flipped one (way -1)
float full(uint base, int q, int way) {
    float sum = 0.0;
    q -= way * int(p.radius);
    for (uint k = 0u; k <= 2u * p.radius; k += 4u, q += 4 * way) {
        vec4 w = taps4(k / 4u);
        sum += w.x * u_at(base, q);
        sum += w.y * u_at(base, q + way);
        sum += w.z * u_at(base, q + 2 * way);
        sum += w.w * u_at(base, q + 3 * way);
    }
    return sum;
}

float forward(uint base, int i) {
    if (p.boundary == PNB_BORDER_ZERO) return full(base, i, 1);
    float sum = 0.0;
    int q = i - int(p.radius);
    for (uint k = 0u; k <= 2u * p.radius; k += 4u, q += 4) {
        vec4 v = vec4(x1(base + uint(at(q)) * p.stride), x1(base + uint(at(q + 1)) * p.stride),
                      x1(base + uint(at(q + 2)) * p.stride), x1(base + uint(at(q + 3)) * p.stride));
        vec4 w = taps4(k / 4u);
        sum += w.x * v.x;
        sum += w.y * v.y;
        sum += w.z * v.z;
        sum += w.w * v.w;
    }
    return sum;
}

float adjoint(uint base, int i) {
    float sum = full(base, i, -1);
    if (p.boundary != PNB_BORDER_REFLECT) return sum;
    int last = int(p.extent) - 1, r = int(p.radius);
    if (i > 0 && i <= r) sum += full(base, -i, -1);
    if (i < last && i >= last - r) sum += full(base, 2 * last - i, -1);
    return sum;
}

void main() {
    PNB_EACH(e, p.count) {
        uint i = (e / p.stride) % p.extent, base = e - i * p.stride;
        y1_set(e, p.adjoint != 0u ? adjoint(base, int(i)) : forward(base, int(i)));
    }
}

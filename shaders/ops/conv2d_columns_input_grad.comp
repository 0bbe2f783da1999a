// The adjoint of the columns: adds up, for each pixel of gx, the rows that it went into (conv2d_columns_layout.h).
//
//     gx[n,c,a,b] = sum over u, v with (a+pad-u) = i*stride, (b+pad-v) = j*stride of m[c,u,v][n,i,j]
//
// One invocation makes one pixel in `run` channels, workgroup y the run. With VEC, where gx is `stride` times as wide as gy
// and gy's width a multiple of 4, it makes 4*stride neighbours: each tap gives every stride-th of them, four values in a row.
// Numerics: fp32, order u, v.
//! variant texel PNB_TEXEL=1
#version 450
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : require
#include "lib/vec4.glsl"
#include "ops/conv2d_columns_layout.h"
#include "ops/conv2d_winograd.h"

layout(constant_id = 1) const bool VEC = false;
layout(constant_id = 2) const int STRIDE = 1; // with VEC: as in the push constants
layout(constant_id = 3) const int TAPS = 3;   // kernel_w
layout(constant_id = 4) const int PAD = 1;
PNB_IN(0, m)
PNB_OUT(1, gx)

const int ROW = PNB_WINOGRAD_PANEL / 4;
const int MADE = 4 * STRIDE;

// A vec4 of row `row`, gy's pixels (i, 4 q4) of the line whose first vec4 is `line`; 0 outside.
vec4 load_quad(int line, int q4, int row) {
    const int quad = line + q4;
    const bool inside = q4 >= 0 && q4 < int(p.out_width) / 4;
    return inside ? m4(uint((quad / ROW * int(p.rows) + row) * ROW + quad % ROW)) : vec4(0.0);
}

void many(int id, int begin, int end) {
    const int quads = int(p.out_width) / 4, q4 = id % quads, a = id / quads % int(p.height), n = id / quads / int(p.height);
    const int stride = int(p.stride), u0 = (a + int(p.pad)) % stride, i0 = (a + int(p.pad)) / stride;
    for (int c = begin; c < end; c++) {
        float sum[MADE];
        [[unroll]] for (int k = 0; k < MADE; k++) sum[k] = 0.0;
        for (int u = u0, i = i0; u < int(p.kernel_h); u += stride, i--) {
            if (i < 0 || i >= int(p.out_height)) continue;
            const int line = (n * int(p.out_height) + i) * quads, row = (c * int(p.kernel_h) + u) * TAPS;
            [[unroll]] for (int v = 0; v < TAPS; v++) {
                // gx's pixel MADE*q4 + STRIDE*(d+k) - PAD + v takes gy's 4*q4 + d + k, k = 0..3
                const int d = PAD >= v ? (PAD - v + STRIDE - 1) / STRIDE : -((v - PAD) / STRIDE);
                const int next = d >= 0 ? d / 4 : -((3 - d) / 4), shift = d - 4 * next;
                const vec4 low = load_quad(line, q4 + next, row + v);
                const vec4 high = shift > 0 ? load_quad(line, q4 + next + 1, row + v) : low;
                [[unroll]] for (int k = 0; k < 4; k++)
                    sum[STRIDE * (d + k) - PAD + v] += k + shift < 4 ? low[(k + shift) & 3] : high[(k + shift) & 3];
            }
        }
        const int at = ((n * int(p.channels) + c) * int(p.height) + a) * quads + q4;
        [[unroll]] for (int k = 0; k < STRIDE; k++)
            gx4_set(uint(at * STRIDE + k), vec4(sum[4 * k], sum[4 * k + 1], sum[4 * k + 2], sum[4 * k + 3]));
    }
}

void one(int id, int begin, int end) {
    const int width = int(p.width), plane = int(p.height) * width, stride = int(p.stride);
    const int out_height = int(p.out_height), out_width = int(p.out_width);
    const int n = id / plane, a = id % plane / width + int(p.pad), b = id % width + int(p.pad);
    const int u0 = a % stride, v0 = b % stride, i0 = a / stride, j0 = b / stride;
    for (int c = begin; c < end; c++) {
        float sum = 0.0;
        for (int u = u0, i = i0; u < int(p.kernel_h); u += stride, i--) {
            if (i < 0 || i >= out_height) continue;
            const int pixel = (n * out_height + i) * out_width, row = (c * int(p.kernel_h) + u) * int(p.kernel_w);
            for (int v = v0, j = j0; v < int(p.kernel_w); v += stride, j--) {
                if (j < 0 || j >= out_width) continue;
                const int at = ((pixel + j) / PNB_WINOGRAD_PANEL * int(p.rows) + row + v) * PNB_WINOGRAD_PANEL;
                sum += m1(uint(at + (pixel + j) % PNB_WINOGRAD_PANEL));
            }
        }
        gx1_set(uint((n * int(p.channels) + c) * plane + id % plane), sum);
    }
}

void main() {
    const int id = int(gl_WorkGroupID.x * gl_WorkGroupSize.x + gl_LocalInvocationID.x);
    if (id >= int(p.count)) return;
    const int begin = int(gl_WorkGroupID.y * p.run), end = min(begin + int(p.run), int(p.channels));
    if (VEC) many(id, begin, end);
    else one(id, begin, end);
}

// Columns of a convolution, of any kernel, stride and zero padding (conv2d_columns_layout.h).
//
//     columns[c,u,v][n,i,j] = x[n,c,i*stride+u-pad,j*stride+v-pad]
//
// One invocation makes a vec4 of output pixels in all rows of `run` channels, workgroup y the run. With VEC, where both
// widths are multiples of 4, it loads the vec4s of a row of x once and picks its taps out of them.
//! variant texel PNB_TEXEL=1
#version 450
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : require
#include "lib/vec4.glsl"
#include "ops/conv2d_columns_layout.h"
#include "ops/conv2d_winograd.h"

layout(constant_id = 1) const bool VEC = false;
layout(constant_id = 2) const bool QUADS = false; // the layout for weight gradients
layout(constant_id = 3) const int STRIDE = 1;     // with VEC: as in the push constants
layout(constant_id = 4) const int TAPS = 3;       // kernel_w
layout(constant_id = 5) const int PAD = 1;
PNB_IN(0, x)
PNB_OUT(1, columns)

const int BEFORE = (PAD + 3) / 4;                               // vec4s of x before the first pixel's
const int LAST = 3 * STRIDE + (TAPS > PAD ? TAPS - 1 - PAD : 0); // offset of the last tap of the last pixel
const int LOADS = BEFORE + LAST / 4 + 1;
const int ROW = PNB_WINOGRAD_PANEL / 4;

void store(int quad, int row, vec4 value) {
    const int at = QUADS ? (row / 8 * int(p.quads) + quad) * 8 + row % 8
                         : (quad / ROW * int(p.rows) + row) * ROW + quad % ROW;
    columns4_set(uint(at), value);
}

void main() {
    const int quad = int(gl_WorkGroupID.x * gl_WorkGroupSize.x + gl_LocalInvocationID.x);
    if (quad >= int(p.count)) return;
    const int width = int(p.width), height = int(p.height), stride = int(p.stride), pad = int(p.pad);
    const int out_width = int(p.out_width), plane = int(p.out_height) * out_width, taps = int(p.kernel_h * p.kernel_w);
    const int begin = int(gl_WorkGroupID.y * p.run), end = min(begin + int(p.run), int(p.channels));
    int row = begin * taps;

    ivec4 top, left, image; // of the four pixels
    bvec4 live;
    [[unroll]] for (int k = 0; k < 4; k++) {
        const int pixel = (int(p.first) + quad) * 4 + k, inside = min(pixel, int(p.pixels) - 1);
        live[k] = pixel < int(p.pixels);
        image[k] = inside / plane * int(p.channels);
        top[k] = inside % plane / out_width * stride - pad;
        left[k] = inside % out_width * stride - pad;
    }
    for (int c = begin; c < end; c++) {
        for (int u = 0; u < int(p.kernel_h); u++) {
            if (VEC) {
                const int a = top.x + u, b4 = (left.x + pad) / 4;
                const bool inside = live.x && a >= 0 && a < height;
                const int at = ((image.x + c) * height + clamp(a, 0, height - 1)) * (width / 4);
                float line[4 * LOADS];
                [[unroll]] for (int i = 0; i < LOADS; i++) {
                    const int b = b4 + i - BEFORE;
                    const vec4 four = inside && b >= 0 && b < width / 4 ? x4(uint(at + b)) : vec4(0.0);
                    [[unroll]] for (int k = 0; k < 4; k++) line[4 * i + k] = four[k];
                }
                [[unroll]] for (int v = 0; v < TAPS; v++) {
                    const int from = 4 * BEFORE - PAD + v;
                    store(quad, row++, vec4(line[from], line[from + STRIDE], line[from + 2 * STRIDE], line[from + 3 * STRIDE]));
                }
            } else {
                for (int v = 0; v < int(p.kernel_w); v++) {
                    vec4 value;
                    [[unroll]] for (int k = 0; k < 4; k++) {
                        const int a = top[k] + u, b = left[k] + v;
                        const bool inside = live[k] && a >= 0 && a < height && b >= 0 && b < width;
                        value[k] = inside ? x1(uint(((image[k] + c) * height + a) * width + b)) : 0.0;
                    }
                    store(quad, row++, value);
                }
            }
        }
    }
    // rows of padding, after the last channel's
    if (end == int(p.channels)) {
        for (; row < int(p.rows); row++) store(quad, row, vec4(0.0));
    }
}

#version 450
#extension GL_GOOGLE_include_directive : require
// A batch of training images, drawn with replacement, each mirrored and enlarged at random about its centre.
//
// y[n] = T(data[k(n)]): k, mirroring and zoom from Philox words of (image of the batch, draw). Zoom reads between pixels
// (bilinear, the edge repeated); without it the pixels are copied. The data lie in several parts, each bound by a dispatch of its
// own, which writes the images that are in its part.
#include "train/batch_push.h"
#include "solve/step_state_layout.h"
#include "lib/philox.glsl"
#include "lib/vec4.glsl"
layout(local_size_x_id = 0) in;
layout(std430, binding = 0) readonly buffer State { uint s[]; };
layout(std430, binding = 1) readonly buffer Data { float data[]; };
layout(std430, binding = 2) buffer Batch { float y[]; };

float pixel(uint plane, int row, int column) {
    uint i = uint(clamp(row, 0, int(p.height) - 1)), j = uint(clamp(column, 0, int(p.width) - 1));
    return data[(plane * p.height + i) * p.width + j];
}

// Between pixels: row and column in pixels from the middle of the first one.
float between(uint plane, float row, float column) {
    float fi = floor(row), fj = floor(column), u = row - fi, v = column - fj;
    int i = int(fi), j = int(fj);
    float above = mix(pixel(plane, i, j), pixel(plane, i, j + 1), v);
    float below = mix(pixel(plane, i + 1, j), pixel(plane, i + 1, j + 1), v);
    return mix(above, below, u);
}

void main() {
    uint image = p.channels * p.height * p.width;
    PNB_EACH(e, p.count * image) {
        uint n = e / image, draw = s[PNB_STATE_DRAW];
        uvec4 words = pnb_philox(uvec4(n, draw, p.stream, 0u), uvec2(p.seed_low, p.seed_high));
        bool in_order = (p.flags & PNB_BATCH_IN_ORDER) != 0u;
        uint k, rest;
        if (in_order) k = ((draw - 1u) * p.count + n) % p.all;
        else umulExtended(words.x, p.all, k, rest);
        if (k < p.first || k - p.first >= p.here) continue;
        uint inside = e - n * image, c = inside / (p.height * p.width), at = inside - c * p.height * p.width;
        uint i = at / p.width, j = at - i * p.width, plane = (k - p.first) * p.channels + c;
        if (!in_order && (p.flags & PNB_BATCH_FLIP_X) != 0u && (words.y & 1u) != 0u) j = p.width - 1u - j;
        if (!in_order && (p.flags & PNB_BATCH_FLIP_Y) != 0u && (words.y & 2u) != 0u) i = p.height - 1u - i;
        if (in_order || (p.zoom_low == 1.0 && p.zoom_high == 1.0)) {
            y[e] = data[(plane * p.height + i) * p.width + j];
        } else {
            float zoom = mix(p.zoom_low, p.zoom_high, pnb_uniform(words.z)), middle_i = 0.5 * float(p.height - 1u), middle_j = 0.5 * float(p.width - 1u);
            y[e] = between(plane, middle_i + (float(i) - middle_i) / zoom, middle_j + (float(j) - middle_j) / zoom);
        }
    }
}

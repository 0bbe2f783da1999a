// Tiles of images: y[n*T + t, c, i, j] = w x[n, c, r, s], r and s where pixel (i, j) of tile t lies. With ramp 0, w is 1: the tiles as
// they are; else the tile's weight there: the transpose of tile_blend.
// Layout: x [N,C,H,W], y [N*T,C,h,w], t = row * columns + column. One element a step.
#version 450
#extension GL_GOOGLE_include_directive : require
#include "lib/vec4.glsl"
#include "ops/tile.h"
#include "ops/tile_weight.glsl"

layout(local_size_x_id = 0) in;
PNB_BUFFER(0, x)
PNB_OUT(1, y)

void main() {
    PNB_EACH(e, p.count) {
        uint j = e % p.tile_width, rest = e / p.tile_width, i = rest % p.tile_height;
        rest /= p.tile_height;
        uint c = rest % p.channels, t = rest / p.channels, n = t / (p.rows * p.columns);
        t %= p.rows * p.columns;
        uint a = t / p.columns, b = t % p.columns;
        uint r = PNB_TILE_BEGIN(a, p.rows, p.height, p.tile_height) + i, s = PNB_TILE_BEGIN(b, p.columns, p.width, p.tile_width) + j;
        float w = tile_weight(a, p.rows, p.height, p.tile_height, r) * tile_weight(b, p.columns, p.width, p.tile_width, s);
        y1_set(e, w * x1(((n * p.channels + c) * p.height + r) * p.width + s));
    }
}

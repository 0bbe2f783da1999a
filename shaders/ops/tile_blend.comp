// Images from tiles: x[n, c, r, s] = sum over the tiles that cover (r, s) of w y[n*T + t, c, i, j]. With ramp 0, w is 1: the transpose
// of tile; else weights that add up to 1. Tiles are summed in their order, so the same bytes each time. Layouts as in tile.comp.
#version 450
#extension GL_GOOGLE_include_directive : require
#include "lib/vec4.glsl"
#include "ops/tile.h"
#include "ops/tile_weight.glsl"

layout(local_size_x_id = 0) in;
PNB_BUFFER(0, y)
PNB_OUT(1, x)

void main() {
    PNB_EACH(e, p.count) {
        uint s = e % p.width, rest = e / p.width, r = rest % p.height;
        rest /= p.height;
        uint c = rest % p.channels, n = rest / p.channels;
        float sum = 0.0;
        for (uint a = 0u; a < p.rows; a++) {
            float wa = tile_weight(a, p.rows, p.height, p.tile_height, r);
            if (wa == 0.0) continue;
            uint i = r - PNB_TILE_BEGIN(a, p.rows, p.height, p.tile_height);
            for (uint b = 0u; b < p.columns; b++) {
                float wb = tile_weight(b, p.columns, p.width, p.tile_width, s);
                if (wb == 0.0) continue;
                uint j = s - PNB_TILE_BEGIN(b, p.columns, p.width, p.tile_width), t = (n * p.rows + a) * p.columns + b;
                sum += wa * wb * y1(((t * p.channels + c) * p.tile_height + i) * p.tile_width + j);
            }
        }
        x1_set(e, sum);
    }
}

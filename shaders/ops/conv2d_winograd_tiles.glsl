// What the two transforms of pixels share: which tiles an invocation has. REAL is a float for one tile, or, with PNB_WIDE, a
// vec4 for four that follow each other. Lanes run over the tiles of a panel, then the panels.
#ifdef PNB_WIDE
#define REAL vec4
#define TOGETHER 4 // tiles of an invocation
#define OF_TILE(value, q) (value)[q]
#else
#define REAL float
#define TOGETHER 1
#define OF_TILE(value, q) (value)
#endif
#include "ops/conv2d_winograd.glsl"
#include "ops/conv2d_winograd.h"
#include "ops/conv2d_winograd_tiles.h"

const int ROW = PNB_WINOGRAD_PANEL / TOGETHER; // invocations that share a row of a panel

// Image and first pixel of a tile; past the last tile of the batch, inside is false and the rest lies in the first image.
struct Place {
    int n, i, j;
    bool inside;
};

Place place_of(int tile) {
    const int row = tile / int(p.tiles_x), n = row / int(p.tiles_y);
    const bool inside = tile < int(p.tiles);
    return Place(inside ? n : 0, (row - n * int(p.tiles_y)) * TILE, (tile - row * int(p.tiles_x)) * TILE, inside);
}

// value, or 0; as functions, because glslang makes a branch of ?: over an element of an array
float keep(float value, bool yes) { return yes ? value : 0.0; }
vec4 keep(vec4 value, bool yes) { return yes ? value : vec4(0.0); }

/* Push block of tile and tile_blend: an image of height x width, rows x columns tiles of tile_height x tile_width on it. */
#include "lib/share.h"

PNB_PUSH_BEGIN(tile)
    u32 count;             /* elements that are written */
    u32 channels, height, width;
    u32 tile_height, tile_width, rows, columns;
    u32 ramp;              /* pixels over which a tile's weight rises; 0: weights are 1 */
PNB_PUSH_END(tile)

/* First row of tile a of n: evenly spread, the last one ends where the image does. */
#define PNB_TILE_BEGIN(a, n, side, tile) ((n) > 1u ? (a) * ((side) - (tile)) / ((n) - 1u) : 0u)

/* Push constants of the transforms of pixels in Winograd's convolution: of x, and back to y. */
#include "lib/share.h"

PNB_PUSH_BEGIN(winograd_tiles)
    u32 channels; u32 padded; /* of x or y, and as many as V or M has */
    u32 height; u32 width;
    u32 tiles_x; u32 tiles_y;
    u32 first;  /* tile of this chunk */
    u32 tiles;  /* of the whole batch */
    u32 panels; /* of this chunk */
    u32 run;    /* channels that an invocation walks through */
    u32 has_bias;
PNB_PUSH_END(winograd_tiles)

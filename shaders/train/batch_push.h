#include "lib/share.h"
#define PNB_BATCH_FLIP_X 1u    /* mirror half of the images, left to right */
#define PNB_BATCH_FLIP_Y 2u    /* and half of them top to bottom */
#define PNB_BATCH_IN_ORDER 4u  /* image (draw - 1) * batch + n, as it is, instead of a random one */
PNB_PUSH_BEGIN(batch)
    u32 count;             /* images of a batch */
    u32 channels, height, width;
    u32 first, here, all;  /* this part of the data holds images first to first + here - 1 of all */
    u32 stream;
    u32 seed_low, seed_high;
    u32 flags;
    f32 zoom_low, zoom_high; /* enlarged by a factor between these; both 1: not */
PNB_PUSH_END(batch)

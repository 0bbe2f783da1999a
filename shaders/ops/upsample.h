/* Push block of upsample: sizes of the small image. */
#include "lib/share.h"

PNB_PUSH_BEGIN(upsample)
    u32 rows, width; /* rows: N*C*H of the small image */
    u32 factor;
    f32 scale;       /* multiplies the result */
PNB_PUSH_END(upsample)

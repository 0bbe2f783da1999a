/* Push block of pool: sizes of the small image. */
#include "lib/share.h"

PNB_PUSH_BEGIN(pool)
    u32 rows, width; /* rows: N*C*H of the small image */
    u32 factor;
    f32 scale;       /* multiplies the result */
PNB_PUSH_END(pool)

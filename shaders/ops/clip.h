/* Push block of clip. */
#include "lib/share.h"

PNB_PUSH_BEGIN(clip)
    u32 index;   /* of the state: the factor, then the norm */
    f32 gscale;
    f32 max_norm; /* 0: no limit */
PNB_PUSH_END(clip)

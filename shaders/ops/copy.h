/* Push block of copy, assign and constant. */
#include "lib/share.h"

PNB_PUSH_BEGIN(copy)
    u32 count;
    f32 value; /* constant */
PNB_PUSH_END(copy)

/* Push block of axpby. */
#include "lib/share.h"

PNB_PUSH_BEGIN(axpby)
    u32 count; /* elements of the result */
    u32 inner; /* elements of one sample */
    f32 ca, cb;
PNB_PUSH_END(axpby)

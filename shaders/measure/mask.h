#include "lib/share.h"

PNB_PUSH_BEGIN(mask)
    u32 count; /* elements of x */
    u32 inner; /* elements of the mask: of one sample */
PNB_PUSH_END(mask)

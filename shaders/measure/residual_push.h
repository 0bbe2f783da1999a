#include "lib/share.h"

PNB_PUSH_BEGIN(residual)
    u32 count; /* elements of a */
    u32 inner; /* elements of the weights: of one sample */
PNB_PUSH_END(residual)

/* Push block of axpby. */
#include "lib/share.h"

PNB_PUSH_BEGIN(axpby)
    u32 count; /* elements of the result */
    u32 inner; /* elements of one sample */
    u32 segments; /* coefficients a sample, inner a multiple of 4: invocations that share a sample */
    f32 ca, cb;
PNB_PUSH_END(axpby)

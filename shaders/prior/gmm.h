/* Push block of the mixture score's three kernels. */
#include "lib/share.h"

PNB_PUSH_BEGIN(gmm)
    u32 samples, components, dim;
PNB_PUSH_END(gmm)

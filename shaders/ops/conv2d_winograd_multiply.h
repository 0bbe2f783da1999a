/* Push constants of the product in Winograd's form. */
#include "lib/share.h"

PNB_PUSH_BEGIN(winograd_multiply)
    u32 depth;  /* input channels, padded */
    u32 blocks; /* of output channels */
    u32 panels; /* of this chunk */
    u32 count;  /* invocations along y: panels times those that share a panel */
PNB_PUSH_END(winograd_multiply)

/* Parameters of philox.comp. */
#include "lib/share.h"

PNB_PUSH_BEGIN(philox)
    u32 count; /* blocks of four */
    u32 seed_low;
    u32 seed_high;
    u32 stream;
    u32 step;
PNB_PUSH_END(philox)

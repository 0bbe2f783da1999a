#include "lib/share.h"
PNB_PUSH_BEGIN(exchange)
    u32 count;      /* particles */
    u32 stream;
    u32 seed_low, seed_high;
    u32 rate_index; /* where in the step state the rate lies */
PNB_PUSH_END(exchange)

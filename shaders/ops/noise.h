/* Push block of noise. */
#include "lib/share.h"

PNB_PUSH_BEGIN(noise)
    u32 count;
    u32 seed_low, seed_high;
    u32 stream;
    u32 step_index; /* where in the step state the step lies */
PNB_PUSH_END(noise)

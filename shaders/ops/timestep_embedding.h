/* Push block of timestep_embedding. */
#include "lib/share.h"

PNB_PUSH_BEGIN(timestep_embedding)
    u32 count;     /* N */
    u32 dim, half_dim;
    u32 sin_first;
    /* r^(2^k) as a sum of two floats each, r the ratio of neighbouring frequencies; then 1/(2 pi) the same way */
    f32 high0, low0, high1, low1, high2, low2, high3, low3, high4, low4, high5, low5, high6, low6;
    f32 high7, low7, high8, low8, high9, low9, high10, low10;
    f32 turn_high, turn_low;
PNB_PUSH_END(timestep_embedding)

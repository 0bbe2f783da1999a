#include "lib/share.h"
PNB_PUSH_BEGIN(draw_levels)
    u32 count;      /* samples */
    u32 group;      /* samples stratified together: u = (rank + U)/group */
    u32 table_size; /* T */
    u32 stream;
    u32 seed_low, seed_high;
    u32 uniform_t;  /* 0: t uniform in log-SNR; 1: t uniform in its index; 2: descending with the step (the window's fine end) */
    u32 constant;   /* 0: exact KL weight; 1: weight 1 */
    f32 weight;     /* prior_weight */
PNB_PUSH_END(draw_levels)

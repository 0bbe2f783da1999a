/* Push block of adam. */
#include "lib/share.h"

PNB_PUSH_BEGIN(adam)
    u32 count;
    u32 lr_index;
    u32 clip_index, ema_index; /* clip_index 0: none */
    f32 beta1, beta2, eps, decay, gscale;
    f32 rest1, rest2; /* 1 - beta, rounded from double */
PNB_PUSH_END(adam)

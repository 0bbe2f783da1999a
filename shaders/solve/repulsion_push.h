#include "lib/share.h"
PNB_PUSH_BEGIN(repulsion)
    u32 count;     /* particles */
    f32 log_count; /* ln(K - 1), ln 2 for two */
PNB_PUSH_END(repulsion)

#include "lib/share.h"
PNB_PUSH_BEGIN(spread)
    u32 count;
    u32 index;
PNB_PUSH_END(spread)

/* Parameters of fill.comp. */
#include "lib/share.h"

PNB_PUSH_BEGIN(fill)
    u32 count;
    f32 scale;
    f32 shift;
PNB_PUSH_END(fill)

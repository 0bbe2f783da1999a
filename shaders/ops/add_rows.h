/* Push block of add_rows. */
#include "lib/share.h"

PNB_PUSH_BEGIN(add_rows)
    u32 count;      /* elements of a */
    u32 begin, end; /* elements to which b is added */
    f32 scale;
PNB_PUSH_END(add_rows)

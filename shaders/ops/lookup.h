/* Push block of lookup. */
#include "lib/share.h"

PNB_PUSH_BEGIN(lookup)
    u32 count; /* N: looked up rows */
    u32 table_rows, width;
PNB_PUSH_END(lookup)

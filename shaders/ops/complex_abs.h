#include "lib/share.h"

PNB_PUSH_BEGIN(complex_abs)
    u32 count; /* complex numbers */
PNB_PUSH_END(complex_abs)

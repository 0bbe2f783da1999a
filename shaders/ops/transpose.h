/* Push block of transpose: sizes of y, and for each of its dimensions the stride in x. */
#include "lib/share.h"

PNB_PUSH_BEGIN(transpose)
    u32 rows;           /* d0 d1 d2 */
    u32 d1, d2, d3;     /* d0 is not needed */
    u32 s0, s1, s2, s3; /* elements */
    u32 segments;       /* invocations that share a row */
PNB_PUSH_END(transpose)

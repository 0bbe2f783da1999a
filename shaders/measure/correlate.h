#include "lib/share.h"

PNB_PUSH_BEGIN(correlate)
    u32 items;           /* rows of y times the invocations that share one */
    u32 segments;        /* invocations that share a row */
    u32 taps;
    i32 rows, width;     /* of a plane of x */
    u32 out_rows, out_width;
    f32 sign;            /* of the taps' offsets: 1, or -1 for the flipped kernel */
    i32 origin_row, origin_column; /* of y's first pixel in x */
PNB_PUSH_END(correlate)

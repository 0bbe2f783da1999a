/* Push block of pad: planes of rows x width in, out_rows x out_width out. */
#include "lib/share.h"

PNB_PUSH_BEGIN(pad)
    u32 items;                /* all rows of the output, times the invocations that share one */
    u32 segments;             /* invocations that share a row */
    i32 rows, width;          /* of the small image */
    i32 padded_rows, padded_width;
    i32 top, left;            /* margins in front */
    u32 border;               /* PNB_BORDER_* */
PNB_PUSH_END(pad)

/* Push block of the row copies behind slice, embed and concat. */
#include "lib/share.h"

PNB_PUSH_BEGIN(slice)
    u32 rows, len;            /* length of a row that is written, in units: 4 floats or 1 */
    u32 from_stride, from_begin; /* in units */
    u32 to_stride, to_begin;
    u32 segments;                /* invocations that share a row */
    u32 inside_begin, inside_end; /* embed: the part of a written row that comes from x; elsewhere 0 */
PNB_PUSH_END(slice)

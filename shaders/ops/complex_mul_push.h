#include "lib/share.h"

/* x seen as [outer, in_size, inner] complex numbers, y as [outer, out_size, inner]. */
PNB_PUSH_BEGIN(complex_mul)
    u32 items, segments;   /* rows times the invocations that share one */
    u32 in_size, out_size; /* along the axis, in units where inner is 1 */
    u32 inner;             /* units across; 1: rows go along the axis */
    f32 sign;              /* of the table's imaginary parts */
    f32 scale;
PNB_PUSH_END(complex_mul)

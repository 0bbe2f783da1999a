/* Push constants of the low-rank kernels. The plane of a 1x1 layer is seen as any rows of vec4s that cover it. */
#include "lib/share.h"

#define PNB_LOW_RANK_FIXED_T 4    /* channels and rows that an invocation of the fixed kernels makes */
#define PNB_LOW_RANK_FIXED_ROWS 2

PNB_PUSH_BEGIN(low_rank)
    u32 batch;                /* samples */
    u32 summed, made;         /* product: channels read and made; weights: channels of x and of z */
    u32 height, width4;       /* of the plane, in vec4s */
    u32 row_blocks, count;    /* product: blocks of rows of a plane; invocations */
    u32 begin4;               /* product: where the first made plane lies in y, in vec4s */
    u32 update;               /* product: added to what is there */
    u32 splits;               /* weights: partial sums */
    f32 scale;
PNB_PUSH_END(low_rank)

/* Push constants of the low-rank part of a linear layer, forward and gradient. */
#include "lib/share.h"

#define PNB_LOW_RANK_ROWS 4        /* forward: rows of a workgroup */
#define PNB_LOW_RANK_RANKS 256     /* at most */
#define PNB_LOW_RANK_SHARED 4096   /* gradient: rows times ranks at most; floats, as much shared memory as every device has */

PNB_PUSH_BEGIN(low_rank_linear)
    u32 rows, channels, ranks, outputs; /* the last three are multiples of 4 */
    u32 begin4;                         /* forward: the first row in y, in vec4s */
    f32 scale;
PNB_PUSH_END(low_rank_linear)

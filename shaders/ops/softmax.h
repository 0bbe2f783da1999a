/* Push constants of the softmax kernels: `rows` rows of `columns` values. */
#include "lib/share.h"

#define PNB_SOFTMAX_MOST 128 /* invocations of a workgroup, at most */

PNB_PUSH_BEGIN(softmax)
    u32 rows; u32 columns; u32 lanes;
PNB_PUSH_END(softmax)

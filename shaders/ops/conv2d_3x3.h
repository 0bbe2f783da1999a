/* Push constants of the fast 3x3 convolution (stride 1, pad 1) and of its weight gradient. */
#include "lib/share.h"

PNB_PUSH_BEGIN(conv2d_3x3)
    u32 batch; u32 in_channels; u32 out_channels; u32 height; u32 width4; u32 row_blocks; u32 count; u32 has_bias; u32 splits;
PNB_PUSH_END(conv2d_3x3)

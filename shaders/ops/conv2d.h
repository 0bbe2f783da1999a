/* What the general conv2d shaders, the weight packing and src/ops/conv2d.c share.
 *
 * Packed weights of a 3x3 kernel: [ceil(O/8)][C][9][8] floats, output channel fastest, zeros past O. Eight output channels of
 * one input channel and all nine taps are 72 consecutive floats: 18 vec4, read at an address that is the same for all lanes. */
#include "lib/share.h"

#define PNB_CONV_PACK 8  /* output channels of a packed group */
#define PNB_CONV_BLOCK 4 /* channels that an invocation of a general kernel makes */

PNB_PUSH_BEGIN(conv2d)
    u32 batch; u32 in_channels; u32 out_channels; u32 height; u32 width; u32 out_height; u32 out_width;
    u32 kernel_h; u32 kernel_w; u32 stride; u32 pad;
    u32 has_bias; /* forward */
    u32 flip;     /* packing: for the input gradient, channels exchanged and taps reversed */
    u32 splits;   /* weight gradient */
    u32 count;    /* invocations along x (and y for folding) */
PNB_PUSH_END(conv2d)

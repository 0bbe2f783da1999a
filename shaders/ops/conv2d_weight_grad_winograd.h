/* Winograd's weight gradient of a 3x3 convolution with stride 1 and pad 1: what its kernels and their host share.
 *
 * The output's plane is cut into tiles of 4x4 pixels. What a tile adds to the gradient is F(3x3, 4x4): the 6x6 pixels of x
 * around it and the 4x4 of gy are transformed to 36 values each, which are multiplied one by one, and the sum over all
 * tiles is transformed back to 3x3. 36 products stand for 144, and for each of the 36 points the sum over tiles is a
 * matrix product.
 *
 * Tiles (n, ty, tx) are numbered with tx fastest; four in a row make a quad, one vec4; those past the end are zeros.
 * Transformed operands: [36][ceil(channels/8)][quads][8] vec4, zeros for channels past the end. */
#include "lib/share.h"

#define PNB_WG_PANEL 8 /* channels that lie side by side */
#define PNB_WG_TILE 4
#define PNB_WG_POINTS 36

PNB_PUSH_BEGIN(conv2d_weight_grad_winograd)
    u32 batch; u32 channels; u32 height; u32 width; u32 tiles_y; u32 tiles_x; u32 quads; /* tiles */
    u32 in_channels; u32 out_channels;
    u32 x_stride; u32 gy_stride; u32 m_stride; /* vec4s from one point to the next */
    u32 run, splits, points;                   /* run: quads of a split */
    u32 count;                                 /* tiles, taps: invocations */
PNB_PUSH_END(conv2d_weight_grad_winograd)

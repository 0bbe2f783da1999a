/* What the column shaders and src/ops/conv2d_columns.c share: convolutions of any kernel and stride as matrix products.
 *
 * The output's pixels (n, i, j) are numbered with j fastest. A row k = (c, u, v) of the columns holds for each output pixel
 * the pixel of x that weight k meets there, 0 outside the image. Products are made by conv2d_winograd_multiply.comp with one
 * place, so layouts are those of conv2d_winograd.h: columns [panel][row][PANEL], weights [block][row][BLOCK], result
 * [panel][output][PANEL]. For weight gradients, by conv2d_weight_grad_product.comp: [ceil(rows/8)][quad][8] vec4. */
#include "lib/share.h"

PNB_PUSH_BEGIN(conv2d_columns)
    u32 channels; u32 height; u32 width;       /* of x, or of gx */
    u32 out_height; u32 out_width; u32 pixels; /* of y; batch * out_height * out_width */
    u32 kernel_h; u32 kernel_w; u32 stride; u32 pad;
    u32 rows;  /* columns: with padding; result: outputs with padding */
    u32 first; /* vec4 of output pixels of this chunk */
    u32 count; /* invocations along x */
    u32 run;   /* channels that an invocation takes */
    u32 quads; /* weight gradient: vec4s of output pixels */
    u32 outputs; u32 has_bias; /* result */
    u32 output_step; u32 row_step; /* packing: from weight to weight */
PNB_PUSH_END(conv2d_columns)

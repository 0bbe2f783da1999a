/* Sizes of a convolution as its kernels take them, and its work: shared by conv2d.c and conv2d_weight_grad.c. */
#ifndef PNB_OPS_CONV2D_SIZES_H
#define PNB_OPS_CONV2D_SIZES_H

#include "graph/op.h"
#include "ops/conv2d.h"

/* x [N,C,H,W], w [O,C,kh,kw], y [N,O,out_h,out_w]; the other members are 0. */
static inline pnb_push_conv2d pnb_conv2d_sizes(pnb_shape x, pnb_shape w, pnb_shape y, uint32_t stride, uint32_t pad) {
    return (pnb_push_conv2d){
        .batch = x.d[0],
        .in_channels = x.d[1],
        .out_channels = w.d[0],
        .height = x.d[2],
        .width = x.d[3],
        .out_height = y.d[2],
        .out_width = y.d[3],
        .kernel_h = w.d[2],
        .kernel_w = w.d[3],
        .stride = stride,
        .pad = pad,
    };
}

/* Blocks of channels that the general kernels make. */
static inline uint64_t pnb_conv2d_blocks(uint32_t channels) { return pnb_divide_up(channels, PNB_CONV_BLOCK); }

static inline double pnb_conv2d_gflop(const pnb_push_conv2d *p) {
    return 2e-9 * p->batch * p->in_channels * p->out_channels * p->out_height * p->out_width * p->kernel_h *
           p->kernel_w;
}

#endif

/* The gradient of a 2-D convolution in its weights: a correlation of x with the output's gradient, summed over the
 * batch.
 *
 *     gw[o,c,u,v] = sum_{n,i,j} gy[n,o,i,j] x[n,c,i*stride+u-pad,j*stride+v-pad]
 *
 * Made as partial sums over `splits` runs of image rows, which a reduction sums in a fixed order: no atomics. */
#include "graph/op.h"
#include "ops/conv2d_3x3.h"
#include "ops/conv2d_sizes.h"
#include "ops/emit.h"
#include "ops/load.h"
#include "ops/ops.h"
#include "ops/suite.h"

#include <string.h>

enum { X, GY }; /* inputs */
enum { FAST_CHANNELS = 8, INVOCATIONS = 4096 };

typedef struct attributes {
    uint32_t stride, pad, kernel_h, kernel_w; /* the node's output, [splits,O,C,kh*kw], does not tell the kernel */
} attributes;

extern const pnb_op pnb_op_conv2d_weight_grad;

static uint64_t blocks_of(uint32_t channels) {
    return (channels + PNB_CONV_BLOCK - 1) / PNB_CONV_BLOCK;
}

static bool is_fast(const pnb_push_conv2d *p) {
    return p->kernel_h == 3 && p->kernel_w == 3 && p->stride == 1 && p->pad == 1 && p->width % 4 == 0;
}

/* Runs of rows to sum apart: enough invocations to fill a device, decided by the shape alone, so the same on every
 * device. */
static uint32_t splits_of(const pnb_push_conv2d *p) {
    uint64_t one = is_fast(p) ? (uint64_t)p->in_channels * ((p->out_channels + FAST_CHANNELS - 1) / FAST_CHANNELS)
                              : (uint64_t)p->in_channels * p->kernel_h * p->kernel_w * blocks_of(p->out_channels);
    uint64_t rows = (uint64_t)p->batch * p->out_height, splits = INVOCATIONS / one;
    if (splits > rows) splits = rows;
    return splits ? (uint32_t)splits : 1;
}

/* ---- kernels ---------------------------------------------------------------------------------------------------- */

/* 3x3, stride 1, pad 1, a width that is a multiple of 4. *emitted false: the device's group limits forbid it. */
static pnb_status lower_fast(pnb_lower *l, const pnb_node *node, const pnb_push_conv2d *p, bool *emitted) {
    static const char *const shader[] = {"ops/conv2d_weight_grad_3x3", "ops/conv2d_weight_grad_3x3.texel",
                                         "ops/conv2d_weight_grad_3x3.spread"};
    pnb_load load = pnb_load_choose(l, node->in[X], node->in[GY]);
    uint32_t local = pnb_load_local(l, p->in_channels);
    uint64_t groups[3] = {(p->in_channels + local - 1) / local, (p->out_channels + FAST_CHANNELS - 1) / FAST_CHANNELS,
                          p->splits};
    *emitted = pnb_load_groups_fit(l, groups);
    if (!*emitted) return PNB_OK;
    pnb_dispatch d = pnb_emit_begin(l, shader[load], "conv2d 3x3 weight grad");
    pnb_emit_read(&d, node->in[X], load != PNB_LOAD_STORAGE);
    pnb_emit_read(&d, node->in[GY], load != PNB_LOAD_STORAGE);
    pnb_emit_write(&d, node->out[0]);
    d.spec[0] = local;
    pnb_emit_spec(&d, FAST_CHANNELS);
    pnb_push_conv2d_3x3 push = {
        .batch = p->batch,
        .in_channels = p->in_channels,
        .out_channels = p->out_channels,
        .height = p->height,
        .width4 = p->width / 4,
        .splits = p->splits,
    };
    pnb_emit_push(&d, &push, sizeof push);
    for (int i = 0; i < 3; i++) d.groups[i] = (uint32_t)groups[i];
    d.gflop = pnb_conv2d_gflop(p);
    return pnb_lower_emit(l, &d);
}

/* Any convolution. */
static pnb_status lower_general(pnb_lower *l, const pnb_node *node, pnb_push_conv2d *p) {
    pnb_dispatch d = pnb_emit_begin(l, "ops/conv2d_weight_grad", "conv2d weight grad");
    uint64_t count = p->splits * blocks_of(p->out_channels) * p->in_channels * p->kernel_h * p->kernel_w;
    pnb_emit_read(&d, node->in[X], false);
    pnb_emit_read(&d, node->in[GY], false);
    pnb_emit_write(&d, node->out[0]);
    p->count = (uint32_t)count;
    pnb_emit_push(&d, p, sizeof *p);
    pnb_groups_1d(pnb_lower_caps(l), count, d.spec[0], d.groups);
    d.gflop = pnb_conv2d_gflop(p);
    return pnb_lower_emit(l, &d);
}

static pnb_push_conv2d sizes_of(pnb_shape x, pnb_shape gy, attributes at) {
    return pnb_conv2d_sizes(x, pnb_shape4(gy.d[1], x.d[1], at.kernel_h, at.kernel_w), gy, at.stride, at.pad);
}

static pnb_status lower(pnb_lower *l, const pnb_node *node) {
    attributes at;
    memcpy(&at, node->attr, sizeof at);
    pnb_push_conv2d push = sizes_of(pnb_lower_shape(l, node->in[X]), pnb_lower_shape(l, node->in[GY]), at);
    push.splits = pnb_lower_shape(l, node->out[0]).d[0];
    bool emitted = false;
    if (is_fast(&push)) PNB_TRY(lower_fast(l, node, &push, &emitted));
    return emitted ? PNB_OK : lower_general(l, node, &push);
}

const pnb_op pnb_op_conv2d_weight_grad = {.name = "conv2d_weight_grad", .lower = lower};

/* ---- builder ---------------------------------------------------------------------------------------------------- */

pnb_status pnb_conv2d_weight_grad(pnb_graph *g, pnb_tensor x, pnb_tensor gy, pnb_shape weight, uint32_t stride,
                                  uint32_t pad, pnb_tensor *gw) {
    PNB_TRY(pnb_graph_check(g, "conv2d_weight_grad", "x", x));
    PNB_TRY(pnb_graph_check(g, "conv2d_weight_grad", "gy", gy));
    attributes at = {stride, pad, weight.d[2], weight.d[3]};
    pnb_push_conv2d p = sizes_of(pnb_graph_shape(g, x), pnb_graph_shape(g, gy), at);
    pnb_shape shape = pnb_shape4(splits_of(&p), p.out_channels, p.in_channels, p.kernel_h * p.kernel_w);
    pnb_tensor in[] = {x, gy}, part;
    PNB_TRY(pnb_graph_add(g, &pnb_op_conv2d_weight_grad, in, 2, 0, &at, sizeof at, &shape, 1, &part, 1));
    if (shape.d[0] > 1) PNB_TRY(pnb_reduce_dim0(g, PNB_SUM, part, &part));
    return pnb_graph_reshape(g, part, weight, gw);
}

/* ---- cases: in = {x, gy}, arg = {kernel height, width, stride, pad} --------------------------------------------- */

static pnb_status case_build(pnb_graph *g, const pnb_op_case *c, const pnb_tensor *in, pnb_tensor *out) {
    pnb_shape w = pnb_shape4(c->in[GY].d[1], c->in[X].d[1], (uint32_t)c->arg[0], (uint32_t)c->arg[1]);
    return pnb_conv2d_weight_grad(g, in[X], in[GY], w, (uint32_t)c->arg[2], (uint32_t)c->arg[3], out);
}

static pnb_push_conv2d case_sizes(const pnb_op_case *c) {
    attributes at = {(uint32_t)c->arg[2], (uint32_t)c->arg[3], (uint32_t)c->arg[0], (uint32_t)c->arg[1]};
    return sizes_of(c->in[X], c->in[GY], at);
}

/* sum over i, j of one image: gy's plane against x's plane shifted by (top, left) */
static double case_sum(const pnb_push_conv2d *p, const double *x, const double *gy, long top, long left) {
    double sum = 0;
    long step = (long)p->stride, begin = left < 0 ? (step - 1 - left) / step : 0, end = (long)p->out_width;
    while (end > begin && (end - 1) * step + left >= (long)p->width) end--;
    for (long i = 0; i < (long)p->out_height; i++) {
        long a = i * step + top;
        if (a < 0 || a >= (long)p->height) continue;
        const double *row = x + a * (long)p->width, *gy_row = gy + i * (long)p->out_width;
        for (long j = begin; j < end; j++) sum += gy_row[j] * row[j * step + left];
    }
    return sum;
}

static void case_reference(const pnb_op_case *c, const double *const *in, double *out) {
    pnb_push_conv2d p = case_sizes(c);
    size_t plane = (size_t)p.height * p.width, gy_plane = (size_t)p.out_height * p.out_width;
    for (size_t o = 0; o < p.out_channels; o++)
        for (size_t k = 0; k < p.in_channels; k++)
            for (long u = 0; u < (long)p.kernel_h; u++)
                for (long v = 0; v < (long)p.kernel_w; v++) {
                    double sum = 0;
                    for (size_t n = 0; n < p.batch; n++)
                        sum += case_sum(&p, in[X] + (n * p.in_channels + k) * plane,
                                        in[GY] + (n * p.out_channels + o) * gy_plane, u - (long)p.pad, v - (long)p.pad);
                    *out++ = sum;
                }
}

static double case_flops(const pnb_op_case *c) {
    pnb_push_conv2d p = case_sizes(c);
    return 1e9 * pnb_conv2d_gflop(&p);
}

#define GRAD(n, c, o, h, w, oh, ow, kh, kw, stride, pad)                                                               \
    .n_in = 2, .in = {{4, {n, c, h, w}}, {4, {n, o, oh, ow}}}, .arg = {kh, kw, stride, pad}, .no_grad = 3
#define GRAD3(n, c, o, h, w) GRAD(n, c, o, h, w, h, w, 3, 3, 1, 1)
static const pnb_op_case cases[] = {
    {.name = "n1 c1 o1 1x1 k3", GRAD3(1, 1, 1, 1, 1)},
    {.name = "n3 c4 o8 1x4 k3", GRAD3(3, 4, 8, 1, 4)},
    {.name = "n2 c5 o9 6x12 k3", GRAD3(2, 5, 9, 6, 12)},
    {.name = "n2 c33 o6 7x5 k3", GRAD3(2, 33, 6, 7, 5)},
    {.name = "n2 c4 o3 7x9 k3 s2", GRAD(2, 4, 3, 7, 9, 4, 5, 3, 3, 2, 1)},
    {.name = "n1 c2 o2 9x11 k5 s3 pad 1", GRAD(1, 2, 2, 9, 11, 3, 3, 5, 5, 3, 1)},
    {.name = "n1 c2 o3 5x6 k1x3 pad 1", GRAD(1, 2, 3, 5, 6, 7, 6, 1, 3, 1, 1)},
    {.name = "bench 32 to 32, 32x32, b16", GRAD3(16, 32, 32, 32, 32), .bench = true},
    {.name = "bench 128 to 128, 64x64", GRAD3(1, 128, 128, 64, 64), .bench = true},
    {.name = "bench 256 to 256, 32x32", GRAD3(1, 256, 256, 32, 32), .bench = true},
    {.name = "bench 64 to 64, 128x128", GRAD3(1, 64, 64, 128, 128), .bench = true},
    {.name = "bench 128 to 8, 16x16, b8", GRAD3(8, 128, 8, 16, 16), .bench = true},
};

const pnb_op_suite pnb_suite_conv2d_weight_grad = {
    .op = "conv2d_weight_grad",
    .cases = cases,
    .count = sizeof cases / sizeof cases[0],
    .build = case_build,
    .reference = case_reference,
    .flops = case_flops,
};

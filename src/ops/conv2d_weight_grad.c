/* The gradient of a 2-D convolution in its weights: a correlation of x with the output's gradient, summed over the
 * batch.
 *
 *     gw[o,c,u,v] = sum_{n,i,j} gy[n,o,i,j] x[n,c,i*stride+u-pad,j*stride+v-pad]
 *
 * 3x3 with stride 1 and pad 1: Winograd's F(3x3, 4x4), where the device can bind its operands. All else: partial sums
 * over `splits` runs of image rows, which a reduction sums in a fixed order. No atomics. */
#include "graph/op.h"
#include "ops/conv2d_3x3.h"
#include "ops/conv2d_columns.h"
#include "ops/conv2d_sizes.h"
#include "ops/conv2d_weight_grad_winograd.h"
#include "ops/emit.h"
#include "ops/load.h"
#include "ops/ops.h"
#include "ops/suite.h"

#include <stdio.h>
#include <string.h>

enum { X, GY }; /* inputs */
enum { FAST_CHANNELS = 8, INVOCATIONS = 4096 };

typedef struct attributes {
    uint32_t stride, pad, kernel_h, kernel_w; /* the node's output, [splits,O,C,kh*kw], does not tell the kernel */
} attributes;

extern const pnb_op pnb_op_conv2d_weight_grad;

static bool is_fast(const pnb_push_conv2d *p) {
    return p->kernel_h == 3 && p->kernel_w == 3 && p->stride == 1 && p->pad == 1 && p->width % 4 == 0;
}

/* Runs of rows to sum apart: enough invocations to fill a device, decided by the shape alone, so the same on every
 * device. */
static uint32_t splits_of(const pnb_push_conv2d *p) {
    uint64_t one = is_fast(p) ? (uint64_t)p->in_channels * (pnb_divide_up(p->out_channels, FAST_CHANNELS))
                              : (uint64_t)p->in_channels * p->kernel_h * p->kernel_w * pnb_conv2d_blocks(p->out_channels);
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
    uint64_t groups[3] = {pnb_divide_up(p->in_channels, local), pnb_divide_up(p->out_channels, FAST_CHANNELS),
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
    uint64_t count = p->splits * pnb_conv2d_blocks(p->out_channels) * p->in_channels * p->kernel_h * p->kernel_w;
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

/* ---- Winograd's form: 3x3, stride 1, pad 1 (conv2d_weight_grad_winograd.h) --------------------------------------- */

typedef struct tile_attributes {
    pnb_push_conv2d_weight_grad_winograd sizes;
    uint32_t grad; /* tiles: of gy */
} tile_attributes;

static tile_attributes tile_attributes_of(const pnb_node *node) {
    tile_attributes at;
    memcpy(&at, node->attr, sizeof at);
    return at;
}

/* The transforms' variants: one tile an invocation on GPUs, four in a vec4 on CPUs. */
typedef enum width { NARROW, WIDE, WIDE_TEXEL } width;

static width width_for(const pnb_lower *l, pnb_tensor from) {
    return !pnb_lower_caps(l)->is_cpu ? NARROW : pnb_emit_texel(l, from) ? WIDE_TEXEL : WIDE;
}

static pnb_status emit_transform(pnb_lower *l, const pnb_node *node, pnb_dispatch *d, tile_attributes *at, bool vec,
                                 uint32_t vec4s) {
    width w = width_for(l, node->in[0]);
    pnb_emit_spec(d, vec);
    pnb_emit_read(d, node->in[0], w == WIDE_TEXEL);
    pnb_emit_write(d, node->out[0]);
    at->sizes.count = w == NARROW ? 4 * vec4s : vec4s;
    pnb_emit_push(d, &at->sizes, sizeof at->sizes);
    pnb_groups_1d(pnb_lower_caps(l), at->sizes.count, d->spec[0], d->groups);
    d->gbyte = 4e-9 * (pnb_emit_count(l, node->in[0]) + (double)pnb_emit_count(l, node->out[0]));
    return pnb_lower_emit(l, d);
}

static pnb_status tiles_lower(pnb_lower *l, const pnb_node *node) {
    static const char *const shader[2][3] = {
        {"ops/conv2d_weight_grad_tiles", "ops/conv2d_weight_grad_tiles.wide", "ops/conv2d_weight_grad_tiles.texel"},
        {"ops/conv2d_weight_grad_tiles.gy", "ops/conv2d_weight_grad_tiles.wide_gy",
         "ops/conv2d_weight_grad_tiles.texel_gy"}};
    tile_attributes at = tile_attributes_of(node);
    pnb_dispatch d = pnb_emit_begin(l, shader[at.grad][width_for(l, node->in[0])],
                                    at.grad ? "conv2d weight grad tiles of gy" : "conv2d weight grad tiles of x");
    return emit_transform(l, node, &d, &at, at.sizes.width % 4 == 0,
                          PNB_WG_PANEL * pnb_divide_up(at.sizes.channels, PNB_WG_PANEL) * at.sizes.quads);
}

/* Whether a GPU makes the product with half the register tile, so that more subgroups fit; the tuner may find otherwise. */
static bool is_light(pnb_lower *l, const pnb_push_conv2d_weight_grad_winograd *s) {
    static const char *const ways[] = {"2x8", "4x8"};
    char key[96];
    snprintf(key, sizeof key, "conv2d_weight_grad_product c%u o%u q%u p%u", s->in_channels, s->out_channels, s->quads, s->points);
    return !pnb_lower_caps(l)->is_cpu && pnb_lower_choose(l, key, ways, 2, 0) == 0;
}

/* Register tiles: large on a CPU, where the accumulators may lie in its first cache. */
static pnb_status product_lower(pnb_lower *l, const pnb_node *node) {
    static const char *const shader[] = {"ops/conv2d_weight_grad_product", "ops/conv2d_weight_grad_product.texel",
                                         "ops/conv2d_weight_grad_product.spread"};
    tile_attributes at = tile_attributes_of(node);
    const pnb_push_conv2d_weight_grad_winograd *s = &at.sizes;
    pnb_load load = pnb_load_choose(l, node->in[X], node->in[GY]);
    bool cpu = pnb_lower_caps(l)->is_cpu, large = cpu && load != PNB_LOAD_STORAGE;
    bool light = load == PNB_LOAD_STORAGE && is_light(l, s);
    uint32_t local = cpu ? PNB_WG_PANEL : 32, wide = light ? 2 : large && s->in_channels > 4 * PNB_WG_PANEL ? 8 : 4;
    uint32_t panels = large && s->out_channels > PNB_WG_PANEL ? 2 : 1;
    pnb_dispatch d = pnb_emit_begin(l, light ? "ops/conv2d_weight_grad_product.gpu" : shader[load], "conv2d weight grad product");
    d.spec[0] = local;
    if (load != PNB_LOAD_STORAGE) {
        pnb_emit_spec(&d, wide);
        pnb_emit_spec(&d, panels);
    }
    pnb_emit_read(&d, node->in[X], load != PNB_LOAD_STORAGE);
    pnb_emit_read(&d, node->in[GY], load != PNB_LOAD_STORAGE);
    pnb_emit_write(&d, node->out[0]);
    pnb_emit_push(&d, s, sizeof *s);
    d.groups[0] = pnb_divide_up(s->in_channels, wide * local);
    d.groups[1] = pnb_divide_up(s->out_channels, panels * PNB_WG_PANEL);
    d.groups[2] = s->points * s->splits;
    d.gflop = 2e-9 * s->points * 4 * s->quads * (double)s->in_channels * s->out_channels;
    return pnb_lower_emit(l, &d);
}

static pnb_status taps_lower(pnb_lower *l, const pnb_node *node) {
    static const char *const shader[] = {"ops/conv2d_weight_grad_taps", "ops/conv2d_weight_grad_taps.wide",
                                         "ops/conv2d_weight_grad_taps.texel"};
    tile_attributes at = tile_attributes_of(node);
    pnb_dispatch d = pnb_emit_begin(l, shader[width_for(l, node->in[0])], "conv2d weight grad taps");
    return emit_transform(l, node, &d, &at, at.sizes.in_channels % 4 == 0,
                          at.sizes.out_channels * pnb_divide_up(at.sizes.in_channels, 4));
}

static const pnb_op op_tiles = {.name = "conv2d_weight_grad_tiles", .lower = tiles_lower};
static const pnb_op op_product = {.name = "conv2d_weight_grad_product", .lower = product_lower};
static const pnb_op op_taps = {.name = "conv2d_weight_grad_taps", .lower = taps_lower};

/* Sizes of the tiles and of the sums. The tiles of a small gradient are summed in several runs, to fill a device: by
 * the shape alone, as everywhere. */
static pnb_push_conv2d_weight_grad_winograd winograd_sizes(const pnb_push_conv2d *p) {
    enum {
        LEAST_RUN = 32,
        ODD = 24
    }; /* strides are odd multiples of 128 bytes, so that 36 streams share no cache set */
    pnb_push_conv2d_weight_grad_winograd s = {
        .batch = p->batch,
        .height = p->height,
        .width = p->width,
        .in_channels = p->in_channels,
        .out_channels = p->out_channels,
        .tiles_y = pnb_divide_up(p->height, PNB_WG_TILE),
        .tiles_x = pnb_divide_up(p->width, PNB_WG_TILE),
        .points = PNB_WG_POINTS,
    };
    s.quads = pnb_divide_up(s.batch * s.tiles_y * s.tiles_x, 4);
    s.x_stride = pnb_divide_up(s.in_channels, PNB_WG_PANEL) * PNB_WG_PANEL * s.quads + ODD;
    s.gy_stride = pnb_divide_up(s.out_channels, PNB_WG_PANEL) * PNB_WG_PANEL * s.quads + ODD;
    s.m_stride = s.out_channels * pnb_divide_up(s.in_channels, 4) + ODD;
    uint32_t one = PNB_WG_POINTS * pnb_divide_up(s.in_channels, 4) * pnb_divide_up(s.out_channels, PNB_WG_PANEL);
    uint32_t splits = INVOCATIONS / one, most = pnb_divide_up(s.quads, LEAST_RUN);
    if (splits > most) splits = most;
    s.run = pnb_divide_up(s.quads, splits ? splits : 1);
    s.splits = pnb_divide_up(s.quads, s.run);
    return s;
}

/* Whether a device may bind the transformed operands. */
static bool winograd_fits(const pnb_gpu_caps *caps, const pnb_push_conv2d *p) {
    pnb_push_conv2d_weight_grad_winograd s = winograd_sizes(p);
    uint64_t most = s.x_stride > s.gy_stride ? s.x_stride : s.gy_stride, sums = (uint64_t)s.splits * s.m_stride;
    uint64_t bytes = 16 * PNB_WG_POINTS * (most > sums ? most : sums);
    return bytes <= caps->max_binding_bytes && bytes <= caps->max_buffer_bytes;
}

static pnb_status build_tiles(pnb_graph *g, pnb_tensor t, tile_attributes at, pnb_tensor *out) {
    at.sizes.channels = pnb_graph_shape(g, t).d[1];
    pnb_shape shape = pnb_shape3(PNB_WG_POINTS, at.grad ? at.sizes.gy_stride : at.sizes.x_stride, 4);
    return pnb_graph_add(g, &op_tiles, &t, 1, 0, &at, sizeof at, &shape, 1, out, 1);
}

static pnb_status build_winograd(pnb_graph *g, pnb_tensor x, pnb_tensor gy, const pnb_push_conv2d *p, pnb_tensor *gw) {
    tile_attributes at = {.sizes = winograd_sizes(p)};
    pnb_tensor in[2], sums;
    PNB_TRY(build_tiles(g, x, at, &in[X]));
    at.grad = 1;
    PNB_TRY(build_tiles(g, gy, at, &in[GY]));
    pnb_shape shape = pnb_shape3(at.sizes.splits * PNB_WG_POINTS, at.sizes.m_stride, 4);
    PNB_TRY(pnb_graph_add(g, &op_product, in, 2, 0, &at, sizeof at, &shape, 1, &sums, 1));
    shape = pnb_shape4(p->out_channels, p->in_channels, 3, 3);
    return pnb_graph_add(g, &op_taps, &sums, 1, 0, &at, sizeof at, &shape, 1, gw, 1);
}

/* ---- any other kernel and stride: a product of columns (conv2d_columns.h) ---------------------------------------- */

static pnb_status build_columns(pnb_graph *g, pnb_tensor x, pnb_tensor gy, const pnb_push_conv2d *p, pnb_tensor *gw) {
    enum { LEAST_RUN = 32 };
    uint32_t k = p->in_channels * p->kernel_h * p->kernel_w, columns = pnb_divide_up(k, 4);
    tile_attributes at = {.sizes = {.in_channels = k, .out_channels = p->out_channels, .points = 1}};
    pnb_push_conv2d_weight_grad_winograd *s = &at.sizes;
    s->quads = pnb_divide_up(p->batch * p->out_height * p->out_width, 4);
    s->m_stride = p->out_channels * columns;
    uint32_t splits = INVOCATIONS / (columns * pnb_divide_up(p->out_channels, PNB_WG_PANEL)),
             most = pnb_divide_up(s->quads, LEAST_RUN);
    if (splits > most) splits = most;
    s->run = pnb_divide_up(s->quads, splits ? splits : 1);
    s->splits = pnb_divide_up(s->quads, s->run);
    pnb_tensor in[2], sums;
    PNB_TRY(pnb_columns_rows(g, x, p, false, &in[X]));
    PNB_TRY(pnb_columns_rows(g, gy, p, true, &in[GY]));
    pnb_shape shape = pnb_shape3(s->splits, p->out_channels, 4 * columns);
    PNB_TRY(pnb_graph_add(g, &op_product, in, 2, 0, &at, sizeof at, &shape, 1, &sums, 1));
    if (s->splits > 1) PNB_TRY(pnb_reduce_dim0(g, PNB_SUM, sums, &sums));
    if (k % 4) PNB_TRY(pnb_slice(g, sums, 2, 0, k, &sums));
    return pnb_graph_reshape(g, sums, pnb_shape4(p->out_channels, p->in_channels, p->kernel_h, p->kernel_w), gw);
}

/* ---- builder ---------------------------------------------------------------------------------------------------- */

static bool prefers_winograd(pnb_graph *g, const pnb_push_conv2d *p) {
    static const char *const ways[] = {"direct", "winograd 4x4"};
    bool one_to_one = p->kernel_h == 3 && p->kernel_w == 3 && p->stride == 1 && p->pad == 1;
    if (!one_to_one || !winograd_fits(pnb_graph_caps(g), p)) return false;
    char key[96];
    snprintf(key, sizeof key, "conv2d_weight_grad 3x3 n%u c%u o%u %ux%u", p->batch, p->in_channels, p->out_channels,
             p->height, p->width);
    return pnb_graph_choose(g, key, ways, 2, 1) == 1;
}

static pnb_status build_direct(pnb_graph *g, pnb_tensor x, pnb_tensor gy, attributes at, const pnb_push_conv2d *p,
                               pnb_tensor *gw) {
    pnb_shape shape = pnb_shape4(splits_of(p), p->out_channels, p->in_channels, p->kernel_h * p->kernel_w);
    pnb_tensor in[] = {x, gy}, part;
    PNB_TRY(pnb_graph_add(g, &pnb_op_conv2d_weight_grad, in, 2, 0, &at, sizeof at, &shape, 1, &part, 1));
    if (shape.d[0] > 1) PNB_TRY(pnb_reduce_dim0(g, PNB_SUM, part, &part));
    return pnb_graph_reshape(g, part, pnb_shape4(p->out_channels, p->in_channels, p->kernel_h, p->kernel_w), gw);
}

pnb_status pnb_conv2d_weight_grad(pnb_graph *g, pnb_tensor x, pnb_tensor gy, pnb_shape weight, uint32_t stride,
                                  uint32_t pad, pnb_tensor *gw) {
    PNB_TRY(pnb_graph_check(g, "conv2d_weight_grad", "x", x));
    PNB_TRY(pnb_graph_check(g, "conv2d_weight_grad", "gy", gy));
    attributes at = {stride, pad, weight.d[2], weight.d[3]};
    pnb_push_conv2d p = sizes_of(pnb_graph_shape(g, x), pnb_graph_shape(g, gy), at);
    if (prefers_winograd(g, &p)) return build_winograd(g, x, gy, &p, gw);
    if (!is_fast(&p) && pnb_columns_chosen(g, "_weight_grad", &p)) return build_columns(g, x, gy, &p, gw);
    return build_direct(g, x, gy, at, &p, gw);
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
    {.name = "n5 c37 o23 9x10 k3", GRAD3(5, 37, 23, 9, 10)},
    {.name = "n1 c66 o17 33x20 k3", GRAD3(1, 66, 17, 33, 20)},
    {.name = "n4 c3 o4 64x64 k3, in splits", GRAD3(4, 3, 4, 64, 64)},
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

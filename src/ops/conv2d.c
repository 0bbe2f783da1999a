/* 2-D convolution, NCHW, zero padding, any kernel and stride, with its gradients.
 *
 * A 1x1 convolution with stride 1 is a matrix product and is built as one. A 3x3 convolution with stride 1 and pad 1 is made by
 * Winograd's algorithm (conv2d_winograd.c) where that pays, else, with a width that is a multiple of four, by a fast kernel;
 * its weights are packed by a node of their own, so that frozen weights are packed once. Its input gradient is a convolution
 * of the same kind with channels exchanged and taps reversed. Everything else is a product of columns (conv2d_columns.c), or if
 * it is small goes through general kernels, which are also the reference on the device. A node with scratch outputs is made of
 * columns. Weight gradients: conv2d_weight_grad.c. */
#include "graph/op.h"
#include "ops/conv2d_3x3.h"
#include "ops/conv2d_columns.h"
#include "ops/conv2d_sizes.h"
#include "ops/conv2d_winograd.h"
#include "ops/emit.h"
#include "ops/half.h"
#include "ops/load.h"
#include "ops/ops.h"
#include "ops/product.h"
#include "ops/suite.h"

#include <stdio.h>
#include <string.h>

enum { X, WEIGHT, BIAS, PACKED };        /* inputs of conv2d; PACKED: for the kernel that was chosen, or none */
enum { GRAD, GRAD_WEIGHT, GRAD_PACKED }; /* inputs of the input gradient */

typedef struct attributes {
    uint32_t stride, pad;
    uint32_t flip; /* packing only */
} attributes;

static attributes attributes_of(const pnb_node *node) {
    attributes at;
    memcpy(&at, node->attr, sizeof at);
    return at;
}

extern const pnb_op pnb_op_conv2d, pnb_op_conv2d_input_grad, pnb_op_conv2d_pack;

/* Whether the fast kernels serve this convolution of x (or, equally shaped, of the output's gradient). */
static bool is_fast(pnb_shape x, pnb_shape w, attributes at) {
    return w.d[2] == 3 && w.d[3] == 3 && at.stride == 1 && at.pad == 1 && x.d[3] % 4 == 0;
}

/* Ways to make a 3x3 convolution with stride 1 and pad 1, or its input gradient; the numbers are Winograd's tiles. */
enum { DIRECT, TILE_2, TILE_4, WAYS };

/* Winograd's transforms are passes over memory that pay from some number of channels on, where tiles are whole and fill the
 * panels that they are multiplied in. Against the general kernel it always pays, and on a software driver without texel
 * loads, which runs the direct kernel at a hundredth of its speed. */
static uint32_t preferred_way(const pnb_gpu_caps *caps, pnb_shape x, uint32_t out_channels) {
    uint32_t channels = x.d[1] < out_channels ? x.d[1] : out_channels;
    uint64_t tiles = (uint64_t)x.d[0] * ((x.d[2] + 3) / 4) * ((x.d[3] + 3) / 4), pixels = pnb_shape_count(x) / x.d[1];
    uint64_t made = 16 * ((tiles + PNB_WINOGRAD_PANEL - 1) / PNB_WINOGRAD_PANEL * PNB_WINOGRAD_PANEL);
    bool slow = x.d[3] % 4 != 0 || (caps->is_cpu && !caps->prefer_texel);
    if (x.d[2] < 3 || x.d[3] < 3) return DIRECT;
    return slow || (channels >= (caps->is_cpu ? 32 : 64) && 2 * made <= 3 * pixels) ? TILE_4 : DIRECT;
}

/* The tile of Winograd's algorithm for this convolution of x (or, equally shaped, of the output's gradient); 0: none. */
static uint32_t winograd_tile(pnb_graph *g, pnb_shape x, uint32_t out_channels, pnb_shape w, attributes at) {
    static const char *const ways[WAYS] = {"direct", "winograd 2", "winograd 4"};
    static const uint32_t tile[WAYS] = {0, 2, 4};
    if (w.d[2] != 3 || w.d[3] != 3 || at.stride != 1 || at.pad != 1) return 0;
    char key[96];
    snprintf(key, sizeof key, "conv2d 3x3 n%u c%u o%u %ux%u", x.d[0], x.d[1], out_channels, x.d[2], x.d[3]);
    return tile[pnb_graph_choose(g, key, ways, WAYS, preferred_way(pnb_graph_caps(g), x, out_channels))];
}

static pnb_push_conv2d push_of(pnb_shape x, pnb_shape w, pnb_shape y, attributes at) {
    return pnb_conv2d_sizes(x, w, y, at.stride, at.pad);
}

/* A general kernel over `count` invocations; the bindings are there already. */
static pnb_status emit_general(pnb_lower *l, pnb_dispatch *d, pnb_push_conv2d *push, uint64_t count) {
    push->count = (uint32_t)count;
    pnb_emit_push(d, push, sizeof *push);
    pnb_groups_1d(pnb_lower_caps(l), count, d->spec[0], d->groups);
    d->gflop = pnb_conv2d_gflop(push);
    return pnb_lower_emit(l, d);
}

/* ---- the fast 3x3 kernel: forward, and input gradient with flipped weights ------------------------------------------ */

/* x and packed weights, as the device reads them best. */
static const char *fast_shader(const pnb_lower *l, pnb_load load, pnb_tensor packed) {
    static const char *const shader[] = {"ops/conv2d_3x3", "ops/conv2d_3x3.texel", "ops/conv2d_3x3.spread"};
    if (pnb_lower_caps(l)->is_cpu) return shader[load];
    return pnb_lower_half(l, packed) ? "ops/conv2d_3x3.gpu_half" : "ops/conv2d_3x3.gpu";
}

/* Rows of an invocation: as many as pay on the device, dividing the height (the kernel needs that). One on GPUs: two take 104
 * registers on AMD, with which only a quarter of the subgroups fit. */
static uint32_t fast_rows(const pnb_gpu_caps *caps, pnb_load load, uint32_t height) {
    uint32_t rows = !caps->is_cpu ? 1 : load == PNB_LOAD_TEXEL ? 4 : 2;
    while (height % rows) rows /= 2;
    return rows;
}

/* x [N,C,H,W] with packed weights -> y [N,O,H,W]; bias may be PNB_NONE. *emitted false: the device's group limits forbid it. */
static pnb_status lower_fast(pnb_lower *l, pnb_tensor x, pnb_tensor packed, pnb_tensor bias, pnb_tensor y, bool *emitted) {
    enum { VEC4S = 2 }; /* of output channels in an invocation */
    pnb_shape sx = pnb_lower_shape(l, x), sy = pnb_lower_shape(l, y);
    const pnb_gpu_caps *caps = pnb_lower_caps(l);
    pnb_load load = caps->is_cpu ? pnb_load_choose(l, x, packed) : PNB_LOAD_STORAGE;
    uint32_t rows = fast_rows(caps, load, sx.d[2]), width4 = sx.d[3] / 4;
    uint64_t count = (uint64_t)width4 * (sx.d[2] / rows) * sx.d[0];
    uint32_t local = pnb_load_local(l, count);
    uint64_t groups[3] = {(sy.d[1] + 4 * VEC4S - 1) / (4 * VEC4S), (count + local - 1) / local, 1};
    *emitted = pnb_load_groups_fit(l, groups);
    if (!*emitted) return PNB_OK;

    pnb_dispatch d = pnb_emit_begin(l, fast_shader(l, load, packed), "conv2d 3x3");
    pnb_emit_read(&d, x, load != PNB_LOAD_STORAGE);
    pnb_emit_read(&d, packed, load != PNB_LOAD_STORAGE);
    d.bind[1].half = !caps->is_cpu && pnb_lower_half(l, packed);
    pnb_emit_read(&d, bias != PNB_NONE ? bias : x, false); /* x: bound, never read */
    pnb_emit_write(&d, y);
    d.spec[0] = local;
    pnb_emit_spec(&d, rows);
    pnb_emit_spec(&d, VEC4S);
    if (load == PNB_LOAD_SPREAD) {
        uint32_t lanes = pnb_lower_caps(l)->subgroup_size;
        pnb_emit_spec(&d, lanes);
        pnb_emit_spec(&d, lanes % width4 != 0);
    }
    pnb_push_conv2d_3x3 push = {
        .batch = sx.d[0],
        .in_channels = sx.d[1],
        .out_channels = sy.d[1],
        .height = sx.d[2],
        .width4 = width4,
        .row_blocks = sx.d[2] / rows,
        .count = (uint32_t)count,
        .has_bias = bias != PNB_NONE,
    };
    pnb_emit_push(&d, &push, sizeof push);
    for (int i = 0; i < 3; i++) d.groups[i] = (uint32_t)groups[i];
    d.gflop = 18e-9 * (double)pnb_shape_count(sx) * sy.d[1];
    d.gbyte = 4e-9 * (double)(pnb_shape_count(sx) + pnb_shape_count(sy));
    return pnb_lower_emit(l, &d);
}

/* ---- packing of 3x3 weights ------------------------------------------------------------------------------------- */

static pnb_status pack_lower(pnb_lower *l, const pnb_node *node) {
    attributes at = attributes_of(node);
    pnb_shape w = pnb_lower_shape(l, node->in[0]);
    pnb_dispatch d = pnb_emit_begin(l, "ops/conv2d_pack", "conv2d pack");
    pnb_emit_read(&d, node->in[0], false);
    pnb_emit_write(&d, node->out[0]);
    pnb_push_conv2d push = {
        .in_channels = w.d[at.flip ? 0 : 1],
        .out_channels = w.d[at.flip ? 1 : 0],
        .flip = at.flip,
    };
    return emit_general(l, &d, &push, pnb_emit_count(l, node->out[0]));
}

const pnb_op pnb_op_conv2d_pack = {.name = "conv2d_pack", .lower = pack_lower};

/* x: the shape of what the weights will be applied to. */
static pnb_status pack(pnb_graph *g, pnb_tensor weight, pnb_shape x, bool flip, pnb_tensor *packed) {
    pnb_shape w = pnb_graph_shape(g, weight);
    attributes at = {.stride = 1, .pad = 1, .flip = flip};
    uint32_t out = w.d[flip ? 1 : 0], in = w.d[flip ? 0 : 1];
    pnb_shape shape = pnb_shape4((out + PNB_CONV_PACK - 1) / PNB_CONV_PACK, in, 9, PNB_CONV_PACK);
    PNB_TRY(pnb_graph_add(g, &pnb_op_conv2d_pack, &weight, 1, 0, &at, sizeof at, &shape, 1, packed, 1));
    return pnb_half_fits(g, x) ? pnb_half_constant(g, *packed, packed) : PNB_OK; /* both are read as texels then */
}

/* ---- input gradient --------------------------------------------------------------------------------------------- */

static pnb_status convolve(pnb_graph *g, pnb_tensor x, pnb_tensor weight, pnb_tensor bias, attributes at, pnb_tensor *y);

static pnb_status input_grad_lower(pnb_lower *l, const pnb_node *node) {
    attributes at = attributes_of(node);
    bool emitted = false;
    if (node->in[GRAD_PACKED] != PNB_NONE && node->n_out == 1)
        PNB_TRY(lower_fast(l, node->in[GRAD], node->in[GRAD_PACKED], PNB_NONE, node->out[0], &emitted));
    if (emitted) return PNB_OK;
    pnb_shape x = pnb_lower_shape(l, node->out[0]), w = pnb_lower_shape(l, node->in[GRAD_WEIGHT]);
    pnb_push_conv2d push = push_of(x, w, pnb_lower_shape(l, node->in[GRAD]), at);
    pnb_columns_node columns = {node->in[GRAD], node->in[GRAD_PACKED], PNB_NONE, node->out[0], {node->out[1], node->out[2]}};
    if (node->n_out > 1) return pnb_columns_input_grad(l, &push, &columns);
    pnb_dispatch d = pnb_emit_begin(l, "ops/conv2d_input_grad", "conv2d input grad");
    pnb_emit_read(&d, node->in[GRAD], false);
    pnb_emit_read(&d, node->in[GRAD_WEIGHT], false);
    pnb_emit_write(&d, node->out[0]);
    return emit_general(l, &d, &push, pnb_conv2d_blocks(x.d[1]) * x.d[0] * x.d[2] * x.d[3]);
}

/* The input gradient is linear in both inputs, and the adjoint of the forward: <gx, t> = <gy, conv(t, w)>. */
static pnb_status input_grad_vjp(pnb_graph *g, const pnb_node *node, const pnb_tensor *gout, uint32_t want, pnb_tensor *gin) {
    attributes at = attributes_of(node);
    pnb_tensor gy = node->in[GRAD], weight = node->in[GRAD_WEIGHT];
    if (want & 1u << GRAD) PNB_TRY(convolve(g, gout[0], weight, PNB_NONE, at, &gin[GRAD]));
    if (want & 1u << GRAD_WEIGHT)
        PNB_TRY(pnb_conv2d_weight_grad(g, gout[0], gy, pnb_graph_shape(g, weight), at.stride, at.pad, &gin[GRAD_WEIGHT]));
    return PNB_OK;
}

const pnb_op pnb_op_conv2d_input_grad = {
    .name = "conv2d_input_grad", .vjp = input_grad_vjp, .lower = input_grad_lower, .reads_half = 1u << GRAD_PACKED};

static pnb_status input_grad(pnb_graph *g, pnb_tensor gy, pnb_tensor weight, pnb_shape x, attributes at, pnb_tensor *gx) {
    pnb_shape w = pnb_graph_shape(g, weight);
    uint32_t tile = winograd_tile(g, pnb_graph_shape(g, gy), x.d[1], w, at);
    if (tile) return pnb_conv2d_winograd(g, gy, weight, PNB_NONE, true, tile, gx);
    pnb_tensor in[] = {gy, weight, PNB_NONE};
    pnb_push_conv2d sizes = push_of(x, w, pnb_graph_shape(g, gy), at);
    pnb_shape out[3] = {x};
    bool fast = is_fast(x, w, at), columns = !fast && pnb_columns_chosen(g, "_input_grad", &sizes);
    if (fast) PNB_TRY(pack(g, weight, pnb_graph_shape(g, gy), true, &in[GRAD_PACKED]));
    if (columns) PNB_TRY(pnb_columns_pack(g, weight, true, &in[GRAD_PACKED]));
    if (columns) pnb_columns_scratch(&sizes, true, &out[1]);
    return pnb_graph_add(g, &pnb_op_conv2d_input_grad, in, 3, 0, &at, sizeof at, out, columns ? 3 : 1, gx, 1);
}

/* ---- forward ---------------------------------------------------------------------------------------------------- */

static pnb_status lower(pnb_lower *l, const pnb_node *node) {
    attributes at = attributes_of(node);
    bool emitted = false;
    if (node->in[PACKED] != PNB_NONE && node->n_out == 1)
        PNB_TRY(lower_fast(l, node->in[X], node->in[PACKED], node->in[BIAS], node->out[0], &emitted));
    if (emitted) return PNB_OK;
    pnb_shape w = pnb_lower_shape(l, node->in[WEIGHT]), y = pnb_lower_shape(l, node->out[0]);
    pnb_push_conv2d push = push_of(pnb_lower_shape(l, node->in[X]), w, y, at);
    pnb_columns_node columns = {node->in[X], node->in[PACKED], node->in[BIAS], node->out[0], {node->out[1], node->out[2]}};
    if (node->n_out > 1) return pnb_columns_forward(l, &push, &columns);
    push.has_bias = node->in[BIAS] != PNB_NONE;
    pnb_dispatch d = pnb_emit_begin(l, "ops/conv2d", "conv2d general");
    pnb_emit_read(&d, node->in[X], false);
    pnb_emit_read(&d, node->in[WEIGHT], false);
    pnb_emit_read(&d, node->in[push.has_bias ? BIAS : X], false); /* x: bound, never read */
    pnb_emit_write(&d, node->out[0]);
    return emit_general(l, &d, &push, pnb_conv2d_blocks(w.d[0]) * y.d[0] * y.d[2] * y.d[3]);
}

static pnb_status vjp(pnb_graph *g, const pnb_node *node, const pnb_tensor *gout, uint32_t want, pnb_tensor *gin) {
    attributes at = attributes_of(node);
    pnb_tensor x = node->in[X], weight = node->in[WEIGHT], gy = gout[0];
    if (want & 1u << X) PNB_TRY(input_grad(g, gy, weight, pnb_graph_shape(g, x), at, &gin[X]));
    if (want & 1u << WEIGHT) PNB_TRY(pnb_conv2d_weight_grad(g, x, gy, pnb_graph_shape(g, weight), at.stride, at.pad, &gin[WEIGHT]));
    if (want & 1u << BIAS && node->in[BIAS] != PNB_NONE) PNB_TRY(pnb_reduce_channels(g, gy, &gin[BIAS]));
    return PNB_OK;
}

const pnb_op pnb_op_conv2d = {.name = "conv2d", .vjp = vjp, .lower = lower, .reads_half = 1u << PACKED};

/* ---- builder ---------------------------------------------------------------------------------------------------- */

static pnb_status check_shapes(pnb_error *err, pnb_shape x, pnb_shape w, attributes at) {
    char tx[48], tw[48];
    if (x.rank != 4 || w.rank != 4)
        return pnb_fail(err, PNB_ERROR_INPUT, "conv2d: x and weight have rank 4, found %s and %s", pnb_shape_text(x, tx),
                        pnb_shape_text(w, tw));
    if (w.d[1] != x.d[1])
        return pnb_fail(err, PNB_ERROR_INPUT, "conv2d: weight expects %u input channels, x has %u", w.d[1], x.d[1]);
    if (at.stride == 0) return pnb_fail(err, PNB_ERROR_INPUT, "conv2d: the stride is 0, expected 1 or more");
    uint64_t pad = 2 * (uint64_t)at.pad;
    if (x.d[2] + pad < w.d[2] || x.d[3] + pad < w.d[3])
        return pnb_fail(err, PNB_ERROR_INPUT, "conv2d: a kernel of %ux%u does not fit into %ux%u with padding %u", w.d[2], w.d[3],
                        x.d[2], x.d[3], at.pad);
    return PNB_OK;
}

static pnb_status check_bias(pnb_graph *g, pnb_tensor bias, uint32_t channels) {
    if (bias == PNB_NONE) return PNB_OK;
    PNB_TRY(pnb_graph_check(g, "conv2d", "bias", bias));
    pnb_shape s = pnb_graph_shape(g, bias);
    char text[48];
    if (s.rank == 1 && s.d[0] == channels) return PNB_OK;
    return pnb_fail(pnb_graph_error(g), PNB_ERROR_INPUT, "conv2d: bias expects shape [%u], found %s", channels, pnb_shape_text(s, text));
}

/* y[n] = W x[n] + b over pixels: a matrix product with a broadcast A. */
static pnb_status pointwise(pnb_graph *g, pnb_tensor x, pnb_tensor weight, pnb_tensor bias, pnb_tensor *y) {
    pnb_shape s = pnb_graph_shape(g, x), w = pnb_graph_shape(g, weight);
    pnb_tensor a, b, c;
    PNB_TRY(pnb_graph_reshape(g, weight, pnb_shape2(w.d[0], w.d[1]), &a));
    PNB_TRY(pnb_graph_reshape(g, x, pnb_shape3(s.d[0], s.d[1], s.d[2] * s.d[3]), &b));
    PNB_TRY(pnb_matmul_bias(g, a, b, false, false, 1.0f, bias, PNB_MATMUL_ROW, &c));
    return pnb_graph_reshape(g, c, pnb_shape4(s.d[0], w.d[0], s.d[2], s.d[3]), y);
}

static pnb_status convolve(pnb_graph *g, pnb_tensor x, pnb_tensor weight, pnb_tensor bias, attributes at, pnb_tensor *y) {
    pnb_shape s = pnb_graph_shape(g, x), w = pnb_graph_shape(g, weight);
    if (w.d[2] == 1 && w.d[3] == 1 && at.stride == 1 && at.pad == 0) return pointwise(g, x, weight, bias, y);
    uint32_t tile = winograd_tile(g, s, w.d[0], w, at);
    if (tile) return pnb_conv2d_winograd(g, x, weight, bias, false, tile, y);
    pnb_shape out[3] = {pnb_shape4(s.d[0], w.d[0], (s.d[2] + 2 * at.pad - w.d[2]) / at.stride + 1,
                                   (s.d[3] + 2 * at.pad - w.d[3]) / at.stride + 1)};
    pnb_push_conv2d sizes = push_of(s, w, out[0], at);
    pnb_tensor in[] = {x, weight, bias, PNB_NONE};
    bool fast = is_fast(s, w, at), columns = !fast && pnb_columns_chosen(g, "", &sizes);
    if (fast) PNB_TRY(pack(g, weight, s, false, &in[PACKED]));
    if (columns) PNB_TRY(pnb_columns_pack(g, weight, false, &in[PACKED]));
    if (columns) pnb_columns_scratch(&sizes, false, &out[1]);
    return pnb_graph_add(g, &pnb_op_conv2d, in, 4, 0, &at, sizeof at, out, columns ? 3 : 1, y, 1);
}

pnb_status pnb_conv2d(pnb_graph *g, pnb_tensor x, pnb_tensor weight, pnb_tensor bias, uint32_t stride, uint32_t pad, pnb_tensor *y) {
    PNB_TRY(pnb_graph_check(g, "conv2d", "x", x));
    PNB_TRY(pnb_graph_check(g, "conv2d", "weight", weight));
    attributes at = {.stride = stride, .pad = pad};
    pnb_shape w = pnb_graph_shape(g, weight);
    PNB_TRY(check_shapes(pnb_graph_error(g), pnb_graph_shape(g, x), w, at));
    PNB_TRY(check_bias(g, bias, w.d[0]));
    return convolve(g, x, weight, bias, at, y);
}

/* ---- cases ------------------------------------------------------------------------------------------------------ */

/* arg: stride, pad */
static pnb_status case_build(pnb_graph *g, const pnb_op_case *c, const pnb_tensor *in, pnb_tensor *out) {
    return pnb_conv2d(g, in[X], in[WEIGHT], c->n_in > BIAS ? in[BIAS] : PNB_NONE, (uint32_t)c->arg[0], (uint32_t)c->arg[1], out);
}

static pnb_push_conv2d case_sizes(const pnb_op_case *c) {
    attributes at = {.stride = (uint32_t)c->arg[0], .pad = (uint32_t)c->arg[1]};
    pnb_shape x = c->in[X], w = c->in[WEIGHT], y = x;
    for (int i = 2; i < 4; i++) y.d[i] = (x.d[i] + 2 * at.pad - w.d[i]) / at.stride + 1;
    return push_of(x, w, y, at);
}

/* sum over c, u, v for one output value */
static double case_sum(const pnb_push_conv2d *p, const double *x, const double *w, long i, long j) {
    double sum = 0;
    long top = i * (long)p->stride - (long)p->pad, left = j * (long)p->stride - (long)p->pad;
    for (long c = 0; c < (long)p->in_channels; c++)
        for (long u = 0; u < (long)p->kernel_h; u++)
            for (long v = 0; v < (long)p->kernel_w; v++) {
                long a = top + u, b = left + v;
                if (a < 0 || b < 0 || a >= (long)p->height || b >= (long)p->width) continue;
                sum += w[(c * p->kernel_h + u) * p->kernel_w + v] * x[(c * p->height + a) * p->width + b];
            }
    return sum;
}

static void case_reference(const pnb_op_case *c, const double *const *in, double *out) {
    pnb_push_conv2d p = case_sizes(c);
    size_t image = (size_t)p.in_channels * p.height * p.width, kernel = (size_t)p.in_channels * p.kernel_h * p.kernel_w;
    for (size_t n = 0; n < p.batch; n++)
        for (size_t o = 0; o < p.out_channels; o++)
            for (size_t i = 0; i < p.out_height; i++)
                for (size_t j = 0; j < p.out_width; j++)
                    *out++ = (c->n_in > BIAS ? in[BIAS][o] : 0) +
                             case_sum(&p, in[X] + n * image, in[WEIGHT] + o * kernel, (long)i, (long)j);
}

static double case_flops(const pnb_op_case *c) {
    pnb_push_conv2d p = case_sizes(c);
    return 1e9 * pnb_conv2d_gflop(&p);
}

#define CONV(n, c, o, h, w, kh, kw, stride, pad)                                                                       \
    .n_in = 3, .in = {{4, {n, c, h, w}}, {4, {o, c, kh, kw}}, {1, {o, 1, 1, 1}}}, .arg = {stride, pad}
static const pnb_op_case cases[] = {
    {.name = "n1 c1 o1 1x1 k3", CONV(1, 1, 1, 1, 1, 3, 3, 1, 1)},
    {.name = "n2 c3 o5 4x4 k3", CONV(2, 3, 5, 4, 4, 3, 3, 1, 1)},
    {.name = "n3 c4 o8 1x4 k3", CONV(3, 4, 8, 1, 4, 3, 3, 1, 1)},
    {.name = "n2 c5 o9 6x12 k3", CONV(2, 5, 9, 6, 12, 3, 3, 1, 1)},
    {.name = "n1 c8 o16 5x8 k3", CONV(1, 8, 16, 5, 8, 3, 3, 1, 1)},
    {.name = "n2 c33 o34 4x8 k3", CONV(2, 33, 34, 4, 8, 3, 3, 1, 1)},
    {.name = "n1 c3 o4 4x36 k3", CONV(1, 3, 4, 4, 36, 3, 3, 1, 1)},
    {.name = "n1 c2 o3 8x32 k3", CONV(1, 2, 3, 8, 32, 3, 3, 1, 1)},
    {.name = "n2 c33 o6 7x5 k3", CONV(2, 33, 6, 7, 5, 3, 3, 1, 1)},
    {.name = "n2 c3 o6 8x8 k3 s2", CONV(2, 3, 6, 8, 8, 3, 3, 2, 1)},
    {.name = "n2 c4 o3 7x9 k3 s2", CONV(2, 4, 3, 7, 9, 3, 3, 2, 1)},
    {.name = "n1 c3 o2 6x6 k3 no pad", CONV(1, 3, 2, 6, 6, 3, 3, 1, 0)},
    {.name = "n1 c2 o3 9x7 k5 pad 2", CONV(1, 2, 3, 9, 7, 5, 5, 1, 2)},
    {.name = "n1 c2 o2 9x11 k5 s3 pad 1", CONV(1, 2, 2, 9, 11, 5, 5, 3, 1)},
    {.name = "n1 c2 o3 5x6 k1x3 pad 1", CONV(1, 2, 3, 5, 6, 1, 3, 1, 1)},
    {.name = "n1 c3 o5 8x12 k5 pad 2", CONV(1, 3, 5, 8, 12, 5, 5, 1, 2)},
    {.name = "n2 c2 o3 16x32 k7 s4 pad 3", CONV(2, 2, 3, 16, 32, 7, 7, 4, 3)},
    {.name = "n2 c4 o4 8x8 k2 s2 no pad", CONV(2, 4, 4, 8, 8, 2, 2, 2, 0)},
    {.name = "n1 c3 o4 9x15 k3 s2", CONV(1, 3, 4, 9, 15, 3, 3, 2, 1)},
    {.name = "n3 c17 o18 16x24 k3 s2", CONV(3, 17, 18, 16, 24, 3, 3, 2, 1)},
    {.name = "n1 c2 o3 8x8 k3x1 pad 1", CONV(1, 2, 3, 8, 8, 3, 1, 1, 1)},
    {.name = "n2 c8 o12 4x4 k1", CONV(2, 8, 12, 4, 4, 1, 1, 1, 0)},
    {.name = "n3 c33 o7 3x5 k1", CONV(3, 33, 7, 3, 5, 1, 1, 1, 0)},
    {.name = "n2 c5 o4 1x1 k1", CONV(2, 5, 4, 1, 1, 1, 1, 1, 0)},
    {.name = "n2 c6 o3 6x6 k1 s2", CONV(2, 6, 3, 6, 6, 1, 1, 2, 0)},
    {.name = "n2 c4 o4 4x4 k3, no bias", .n_in = 2, .in = {{4, {2, 4, 4, 4}}, {4, {4, 4, 3, 3}}}, .arg = {1, 1}},
    {.name = "bench 32 to 32, 32x32, b16", CONV(16, 32, 32, 32, 32, 3, 3, 1, 1), .bench = true},
    {.name = "bench 64 to 64, 16x16, b16", CONV(16, 64, 64, 16, 16, 3, 3, 1, 1), .bench = true},
    {.name = "bench 128 to 128, 8x8, b16", CONV(16, 128, 128, 8, 8, 3, 3, 1, 1), .bench = true},
    {.name = "bench 128 to 128, 64x64", CONV(1, 128, 128, 64, 64, 3, 3, 1, 1), .bench = true},
    {.name = "bench 256 to 256, 32x32", CONV(1, 256, 256, 32, 32, 3, 3, 1, 1), .bench = true},
    {.name = "bench 64 to 64, 128x128", CONV(1, 64, 64, 128, 128, 3, 3, 1, 1), .bench = true},
    {.name = "bench 128 to 128, 256x256", CONV(1, 128, 128, 256, 256, 3, 3, 1, 1), .bench = true, .timed_only = true},
    {.name = "bench 64 to 64, 32x32, s2, b16", CONV(16, 64, 64, 32, 32, 3, 3, 2, 1), .bench = true},
};

const pnb_op_suite pnb_suite_conv2d = {
    .op = "conv2d",
    .cases = cases,
    .count = sizeof cases / sizeof cases[0],
    .build = case_build,
    .reference = case_reference,
    .flops = case_flops,
    .parameters = 1u << 1 | 1u << 2, /* weight, bias */
};

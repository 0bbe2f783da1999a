/* Convolutions of any kernel and stride as products of packed panels (conv2d_columns.h). */
#include "ops/conv2d_columns.h"

#include "ops/conv2d_columns_layout.h"
#include "ops/conv2d_winograd.h"
#include "ops/emit.h"
#include "ops/load.h"
#include "ops/product.h"

#include <stdio.h>
#include <string.h>

enum { SCRATCH = 8 << 20 }; /* bytes of the forward's columns, and of its result */

static uint32_t weights_of_output(const pnb_push_conv2d *p) {
    return p->in_channels * p->kernel_h * p->kernel_w;
}

static uint32_t pixels_of(const pnb_push_conv2d *p) {
    return p->batch * p->out_height * p->out_width;
}

/* ---- sizes ------------------------------------------------------------------------------------------------------ */

typedef struct sizes {
    uint32_t depth, blocks; /* of the product */
    uint32_t panels, chunk; /* of the batch; at most so many at a time */
} sizes;

static sizes sizes_of(const pnb_push_conv2d *p, bool input_grad) {
    uint32_t k = weights_of_output(p), rows = input_grad ? p->out_channels : k,
             outputs = input_grad ? k : p->out_channels;
    sizes s = {
        .depth = (uint32_t)pnb_round_up(rows, PNB_WINOGRAD_DEPTH),
        .blocks = pnb_divide_up(outputs, PNB_WINOGRAD_BLOCK),
        .panels = pnb_divide_up(pixels_of(p), PNB_WINOGRAD_PANEL),
    };
    s.chunk = s.panels;
    if (input_grad) return s; /* a pixel of gx needs the rows of pixels that may lie anywhere */
    outputs = s.blocks * PNB_WINOGRAD_BLOCK;
    uint32_t most = SCRATCH / (4 * PNB_WINOGRAD_PANEL * (s.depth > outputs ? s.depth : outputs));
    s.chunk = pnb_divide_up(s.panels, pnb_divide_up(s.panels, most ? most : 1)); /* equal ones */
    return s;
}

void pnb_columns_scratch(const pnb_push_conv2d *p, bool input_grad, pnb_shape out[2]) {
    sizes s = sizes_of(p, input_grad);
    out[0] = pnb_shape3(s.chunk, s.depth, PNB_WINOGRAD_PANEL);
    out[1] = pnb_shape3(s.chunk, s.blocks * PNB_WINOGRAD_BLOCK, PNB_WINOGRAD_PANEL);
}

bool pnb_columns_chosen(pnb_graph *g, const char *pass, const pnb_push_conv2d *p) {
    static const char *const ways[] = {"general", "columns"};
    const pnb_gpu_caps *caps = pnb_graph_caps(g);
    uint64_t rows = pnb_round_up(weights_of_output(p), PNB_WINOGRAD_BLOCK),
             bytes = 4 * rows * pnb_round_up(pixels_of(p), PNB_WINOGRAD_PANEL);
    if (bytes > caps->max_binding_bytes || bytes > caps->max_buffer_bytes) return false;
    char key[96];
    snprintf(key, sizeof key, "conv2d%s k%ux%u s%u n%u c%u o%u %ux%u", pass, p->kernel_h, p->kernel_w, p->stride,
             p->batch, p->in_channels, p->out_channels, p->height, p->width);
    /* the passes around the product pay from a few products a weight on */
    return pnb_graph_choose(g, key, ways, 2, pnb_conv2d_gflop(p) > 0.5e-3) == 1;
}

static pnb_push_conv2d_columns push_of(const pnb_push_conv2d *p) {
    return (pnb_push_conv2d_columns){
        .channels = p->in_channels,
        .height = p->height,
        .width = p->width,
        .out_height = p->out_height,
        .out_width = p->out_width,
        .pixels = pixels_of(p),
        .kernel_h = p->kernel_h,
        .kernel_w = p->kernel_w,
        .stride = p->stride,
        .pad = p->pad,
        .outputs = p->out_channels,
    };
}

/* The output's gradient seen as the input of a 1x1 convolution: its columns are its pixels. */
static pnb_push_conv2d_columns push_of_gy(const pnb_push_conv2d *p) {
    pnb_push_conv2d_columns push = push_of(p);
    push.channels = p->out_channels;
    push.height = p->out_height;
    push.width = p->out_width;
    push.kernel_h = push.kernel_w = push.stride = 1;
    push.pad = 0;
    return push;
}

/* ---- kernels ---------------------------------------------------------------------------------------------------- */

/* `count` invocations along x, a run of `channels` along y. */
static pnb_status emit(pnb_lower *l, pnb_dispatch *d, pnb_push_conv2d_columns *push, uint32_t count,
                       uint32_t channels) {
    enum { CPU_RUN = 16 };
    push->count = count;
    push->run = pnb_lower_caps(l)->is_cpu ? CPU_RUN : 1;
    while (push->run > 1 && (uint64_t)count * pnb_divide_up(channels, push->run) < 512) push->run /= 2;
    pnb_emit_push(d, push, sizeof *push);
    d->spec[0] = pnb_load_local(l, count);
    d->groups[0] = pnb_divide_up(count, d->spec[0]);
    d->groups[1] = pnb_divide_up(channels, push->run);
    d->groups[2] = 1;
    return pnb_lower_emit(l, d);
}

/* Whether the kernels that load vec4s and pick taps out of them pay: their loops are unrolled for small kernels, and never by drivers
 * with quads (load.h). */
static bool unrolls(const pnb_lower *l, bool texel, const pnb_push_conv2d_columns *p) {
    bool small = p->stride <= 4 && p->kernel_w <= 8 && p->pad < p->kernel_w;
    return small && !pnb_load_quad(l) && (texel || !pnb_lower_caps(l)->is_cpu);
}

/* Columns of `from` for the vec4s of pixels [push->first, first + count). quads: the weight gradient's layout. */
static pnb_status emit_columns(pnb_lower *l, pnb_tensor from, pnb_push_conv2d_columns *push, uint32_t count, bool quads,
                               pnb_tensor to) {
    bool texel = pnb_emit_texel(l, from);
    bool vec = unrolls(l, texel, push) && push->width % 4 == 0 && push->out_width % 4 == 0;
    pnb_dispatch d = pnb_emit_begin(l, texel ? "ops/conv2d_columns.texel" : "ops/conv2d_columns", "conv2d columns");
    pnb_emit_spec(&d, vec);
    pnb_emit_spec(&d, quads);
    pnb_emit_spec(&d, push->stride);
    pnb_emit_spec(&d, push->kernel_w);
    pnb_emit_spec(&d, push->pad);
    pnb_emit_read(&d, from, texel);
    pnb_emit_write(&d, to);
    d.gbyte = 16e-9 * count * push->rows;
    return emit(l, &d, push, count, push->channels);
}

static pnb_status emit_result(pnb_lower *l, const pnb_columns_node *n, pnb_push_conv2d_columns *push, uint32_t count) {
    bool texel = pnb_emit_texel(l, n->scratch[1]);
    pnb_dispatch d = pnb_emit_begin(l, texel ? "ops/conv2d_columns_output.texel" : "ops/conv2d_columns_output",
                                    "conv2d columns to y");
    pnb_emit_spec(&d, push->out_height * push->out_width % 4 == 0);
    pnb_emit_read(&d, n->scratch[1], texel);
    push->has_bias = n->bias != PNB_NONE;
    pnb_emit_read(&d, push->has_bias ? n->bias : n->from, false); /* from: bound, never read */
    pnb_emit_write(&d, n->to);
    d.gbyte = 32e-9 * count * push->outputs;
    return emit(l, &d, push, count, push->outputs);
}

static pnb_status emit_adjoint(pnb_lower *l, const pnb_columns_node *n, pnb_push_conv2d_columns *push, uint32_t batch) {
    bool texel = pnb_emit_texel(l, n->scratch[1]);
    bool vec = unrolls(l, texel, push) && push->out_width % 4 == 0 && push->width == push->stride * push->out_width;
    pnb_dispatch d = pnb_emit_begin(l, texel ? "ops/conv2d_columns_input_grad.texel" : "ops/conv2d_columns_input_grad",
                                    "conv2d columns to gx");
    pnb_emit_spec(&d, vec);
    pnb_emit_spec(&d, push->stride);
    pnb_emit_spec(&d, push->kernel_w);
    pnb_emit_spec(&d, push->pad);
    pnb_emit_read(&d, n->scratch[1], texel);
    pnb_emit_write(&d, n->to);
    d.gbyte = 4e-9 * push->rows * push->pixels;
    uint32_t across = vec ? push->out_width / 4 : push->width;
    return emit(l, &d, push, batch * push->height * across, push->channels);
}

static pnb_status emit_product(pnb_lower *l, const pnb_columns_node *n, sizes s, uint32_t panels) {
    return pnb_emit_panel_product(l, &(pnb_panel_product){.u = n->packed,
                                                          .v = n->scratch[0],
                                                          .m = n->scratch[1],
                                                          .label = "conv2d columns multiply",
                                                          .places = 1,
                                                          .depth = s.depth,
                                                          .blocks = s.blocks,
                                                          .panels = panels});
}

pnb_status pnb_columns_forward(pnb_lower *l, const pnb_push_conv2d *p, const pnb_columns_node *n) {
    enum { VEC4S = PNB_WINOGRAD_PANEL / 4 };
    sizes s = sizes_of(p, false);
    for (uint32_t first = 0; first < s.panels; first += s.chunk) {
        uint32_t panels = s.panels - first < s.chunk ? s.panels - first : s.chunk;
        pnb_push_conv2d_columns push = push_of(p);
        push.first = first * VEC4S;
        push.rows = s.depth;
        PNB_TRY(emit_columns(l, n->from, &push, panels * VEC4S, false, n->scratch[0]));
        PNB_TRY(emit_product(l, n, s, panels));
        push.rows = s.blocks * PNB_WINOGRAD_BLOCK;
        PNB_TRY(emit_result(l, n, &push, panels * VEC4S));
    }
    return PNB_OK;
}

pnb_status pnb_columns_input_grad(pnb_lower *l, const pnb_push_conv2d *p, const pnb_columns_node *n) {
    sizes s = sizes_of(p, true);
    pnb_push_conv2d_columns gy = push_of_gy(p), gx = push_of(p);
    gy.rows = s.depth;
    PNB_TRY(emit_columns(l, n->from, &gy, s.panels * PNB_WINOGRAD_PANEL / 4, false, n->scratch[0]));
    PNB_TRY(emit_product(l, n, s, s.panels));
    gx.rows = s.blocks * PNB_WINOGRAD_BLOCK;
    return emit_adjoint(l, n, &gx, p->batch);
}

/* ---- nodes of their own ----------------------------------------------------------------------------------------- */

static pnb_status pack_lower(pnb_lower *l, const pnb_node *node) {
    pnb_shape w = pnb_lower_shape(l, node->in[0]), u = pnb_lower_shape(l, node->out[0]);
    bool input_grad = node->attr[0] != 0;
    uint32_t k = w.d[1] * w.d[2] * w.d[3];
    pnb_push_conv2d_columns push = {
        .channels = input_grad ? w.d[0] : k,
        .outputs = input_grad ? k : w.d[0],
        .rows = u.d[1],
        .output_step = input_grad ? 1 : k,
        .row_step = input_grad ? k : 1,
        .count = u.d[0] * u.d[1] * u.d[2],
    };
    pnb_dispatch d = pnb_emit_begin(l, "ops/conv2d_columns_pack", "conv2d columns pack");
    pnb_emit_read(&d, node->in[0], false);
    pnb_emit_write(&d, node->out[0]);
    pnb_emit_push(&d, &push, sizeof push);
    pnb_groups_1d(pnb_lower_caps(l), push.count, d.spec[0], d.groups);
    return pnb_lower_emit(l, &d);
}

static const pnb_op op_pack = {.name = "conv2d_columns_pack", .lower = pack_lower};

pnb_status pnb_columns_pack(pnb_graph *g, pnb_tensor weight, bool input_grad, pnb_tensor *packed) {
    pnb_shape w = pnb_graph_shape(g, weight);
    uint32_t k = w.d[1] * w.d[2] * w.d[3], outputs = input_grad ? k : w.d[0], rows = input_grad ? w.d[0] : k;
    pnb_shape shape =
        pnb_shape3(pnb_divide_up(outputs, PNB_WINOGRAD_BLOCK), (uint32_t)pnb_round_up(rows, PNB_WINOGRAD_DEPTH),
                   PNB_WINOGRAD_BLOCK);
    unsigned char attr = input_grad;
    return pnb_graph_add(g, &op_pack, &weight, 1, 0, &attr, sizeof attr, &shape, 1, packed, 1);
}

static pnb_status rows_lower(pnb_lower *l, const pnb_node *node) {
    pnb_push_conv2d_columns push;
    memcpy(&push, node->attr, sizeof push);
    return emit_columns(l, node->in[0], &push, push.quads, true, node->out[0]);
}

static const pnb_op op_rows = {.name = "conv2d_weight_grad_rows", .lower = rows_lower};

pnb_status pnb_columns_rows(pnb_graph *g, pnb_tensor t, const pnb_push_conv2d *p, bool of_gy, pnb_tensor *out) {
    pnb_push_conv2d_columns push = of_gy ? push_of_gy(p) : push_of(p);
    push.rows = (uint32_t)pnb_round_up(push.channels * push.kernel_h * push.kernel_w, 8);
    push.quads = pnb_divide_up(push.pixels, 4);
    pnb_shape shape = pnb_shape3(push.rows / 8, push.quads, 32);
    return pnb_graph_add(g, &op_rows, &t, 1, 0, &push, sizeof push, &shape, 1, out, 1);
}

/* 3x3 convolution by Winograd's algorithm: transform windows of x, multiply in every place, transform back.
 *
 * F(4x4) does a quarter of the direct kernel's multiplications, F(2x2) four ninths; both pay for it with passes over
 * memory, so they win from some number of channels on (conv2d.c chooses). The work is done in chunks of panels of tiles:
 * so scratch is small for any image, lies in a cache on a CPU, and no binding is too large. Layouts:
 * shaders/ops/conv2d_winograd.h. */
#include "graph/op.h"
#include "ops/conv2d_winograd.h"
#include "ops/conv2d_winograd_multiply.h"
#include "ops/conv2d_winograd_pack.h"
#include "ops/conv2d_winograd_tiles.h"
#include "ops/emit.h"
#include "ops/half.h"
#include "ops/load.h"
#include "ops/ops.h"
#include "ops/product.h"
#include "ops/suite.h"

#include <string.h>

enum { X, WEIGHT, BIAS, PACKED }; /* inputs */
enum { Y, V, M };                 /* outputs: the result, and scratch */
enum { QUAD = 4 };
/* Bytes of V, and of M: what lies in a cache, or keeps a GPU busy. */
enum { CPU_SCRATCH = 2 << 20, GPU_SCRATCH = 32 << 20 };

typedef struct attributes {
    uint32_t tile, flip;
} attributes;

static attributes attributes_of(const pnb_node *node) {
    attributes at;
    memcpy(&at, node->attr, sizeof at);
    return at;
}

extern const pnb_op pnb_op_conv2d_winograd, pnb_op_conv2d_winograd_pack;

/* The sizes of one convolution in numbers. */
typedef struct sizes {
    pnb_shape x, y;
    uint32_t tile, places;            /* places: of a transform */
    uint32_t tiles_x, tiles_y, tiles; /* tiles: of the batch */
    uint32_t depth, blocks;           /* input channels, padded; blocks of output channels */
    uint32_t panels;                  /* of the batch */
} sizes;

static sizes sizes_of(pnb_shape x, pnb_shape y, uint32_t tile) {
    sizes s = {.x = x, .y = y, .tile = tile, .places = (tile + 2) * (tile + 2)};
    s.tiles_x = pnb_divide_up(x.d[3], tile);
    s.tiles_y = pnb_divide_up(x.d[2], tile);
    s.tiles = x.d[0] * s.tiles_y * s.tiles_x;
    s.depth = pnb_divide_up(x.d[1], PNB_WINOGRAD_DEPTH) * PNB_WINOGRAD_DEPTH;
    s.blocks = pnb_divide_up(y.d[1], PNB_WINOGRAD_BLOCK);
    s.panels = pnb_divide_up(s.tiles, PNB_WINOGRAD_PANEL);
    return s;
}

/* Panels of a chunk. On a CPU a chunk can be viewed as texels, where a panel can. */
static uint32_t chunk_of(const pnb_gpu_caps *caps, const sizes *s) {
    uint32_t outputs = s->blocks * PNB_WINOGRAD_BLOCK, rows = s->depth > outputs ? s->depth : outputs;
    uint64_t texels = (uint64_t)16 * caps->max_texel_elements, limit = caps->is_cpu ? CPU_SCRATCH : GPU_SCRATCH;
    if (caps->is_cpu && texels < limit) limit = texels;
    uint64_t most = limit / ((uint64_t)4 * s->places * rows * PNB_WINOGRAD_PANEL);
    if (most == 0) most = 1;
    return most >= s->panels ? s->panels : pnb_divide_up(s->panels, pnb_divide_up(s->panels, (uint32_t)most)); /* equal ones */
}

/* ---- packing of weights ----------------------------------------------------------------------------------------- */

static pnb_status pack_lower(pnb_lower *l, const pnb_node *node) {
    attributes at = attributes_of(node);
    pnb_shape w = pnb_lower_shape(l, node->in[0]), u = pnb_lower_shape(l, node->out[0]);
    pnb_push_winograd_pack push = {
        .in_channels = w.d[at.flip ? 0 : 1],
        .out_channels = w.d[at.flip ? 1 : 0],
        .depth = u.d[2],
        .flip = at.flip,
        .count = u.d[1] * u.d[2] * u.d[3],
    };
    pnb_dispatch d = pnb_emit_begin(
        l, at.tile == 4 ? "ops/conv2d_winograd_pack" : "ops/conv2d_winograd_pack.two", "winograd pack");
    pnb_emit_read(&d, node->in[0], false);
    pnb_emit_write(&d, node->out[0]);
    pnb_emit_push(&d, &push, sizeof push);
    pnb_groups_1d(pnb_lower_caps(l), push.count, d.spec[0], d.groups);
    return pnb_lower_emit(l, &d);
}

const pnb_op pnb_op_conv2d_winograd_pack = {.name = "conv2d_winograd_pack", .lower = pack_lower};

/* ---- the three steps of a chunk --------------------------------------------------------------------------------- */

typedef struct chunk {
    uint32_t first, panels; /* panel of the batch, and how many */
} chunk;

/* A transform of pixels; d has its bindings, per: tiles of an invocation. */
static pnb_status emit_tiles(pnb_lower *l, pnb_dispatch *d, const sizes *s, chunk c, uint32_t channels,
                             uint32_t padded, uint32_t per, bool has_bias) {
    enum { CPU_RUN = 8 };
    pnb_push_winograd_tiles push = {
        .channels = channels,
        .padded = padded,
        .height = s->x.d[2],
        .width = s->x.d[3],
        .tiles_x = s->tiles_x,
        .tiles_y = s->tiles_y,
        .first = c.first * PNB_WINOGRAD_PANEL,
        .tiles = s->tiles,
        .panels = c.panels,
        .run = pnb_lower_caps(l)->is_cpu ? CPU_RUN : 1,
        .has_bias = has_bias,
    };
    uint32_t count = c.panels * PNB_WINOGRAD_PANEL / per;
    pnb_emit_push(d, &push, sizeof push);
    d->spec[0] = pnb_load_local(l, count);
    d->groups[0] = pnb_divide_up(count, d->spec[0]);
    d->groups[1] = pnb_divide_up(padded, push.run);
    d->groups[2] = 1;
    d->gbyte = 4e-9 * s->places * padded * c.panels * PNB_WINOGRAD_PANEL;
    return pnb_lower_emit(l, d);
}

static pnb_status lower_input(pnb_lower *l, const pnb_node *node, const sizes *s, chunk c) {
    enum { PLAIN, WIDE, VECTORS, TEXEL, QUADS, QUADS_TEXEL };
    static const char *const shader[2][6] = {
        {"ops/conv2d_winograd_input", "ops/conv2d_winograd_input.wide", "ops/conv2d_winograd_input.vectors",
         "ops/conv2d_winograd_input.texel", "ops/conv2d_winograd_input.quads",
         "ops/conv2d_winograd_input.quads_texel"},
        {"ops/conv2d_winograd_input.two", "ops/conv2d_winograd_input.two_wide",
         "ops/conv2d_winograd_input.two_vectors", "ops/conv2d_winograd_input.two_texel",
         "ops/conv2d_winograd_input.two_quads", "ops/conv2d_winograd_input.two_quads_texel"}};
    bool texel = s->x.d[3] % 4 == 0 && pnb_emit_texel(l, node->in[X]), quads = s->tiles_x % 4 == 0;
    int kind = PLAIN;
    if (pnb_lower_caps(l)->is_cpu)
        kind = s->x.d[3] % 4 ? WIDE : quads ? (texel ? QUADS_TEXEL : QUADS) : texel ? TEXEL : VECTORS;
    pnb_dispatch d = pnb_emit_begin(l, shader[s->tile == 2][kind], "winograd input");
    pnb_emit_read(&d, node->in[X], kind != PLAIN && texel);
    pnb_emit_write(&d, node->out[V]);
    return emit_tiles(l, &d, s, c, s->x.d[1], s->depth, kind == PLAIN ? 1 : 4, false);
}

/* How the product is made on a device. */
typedef struct product {
    const char *shader;
    bool texel_u, texel_v;
    uint32_t wide, outputs; /* tiles and outputs of an invocation */
} product;

static product product_of(const pnb_lower *l, pnb_tensor u, pnb_tensor v) {
    if (pnb_lower_half(l, u) && !pnb_emit_texel(l, v))
        return (product){"ops/conv2d_winograd_multiply.texel_u", true, false, 4, PNB_WINOGRAD_BLOCK / 2};
    switch (pnb_load_choose(l, u, v)) {
    case PNB_LOAD_SPREAD: return (product){"ops/conv2d_winograd_multiply.spread", true, true, 4, PNB_WINOGRAD_BLOCK};
    case PNB_LOAD_TEXEL: return (product){"ops/conv2d_winograd_multiply.texel", true, true, 4, PNB_WINOGRAD_BLOCK};
    default: break;
    }
    if (!pnb_load_quad(l)) return (product){"ops/conv2d_winograd_multiply", false, false, 4, PNB_WINOGRAD_BLOCK / 2};
    bool texel = pnb_load_fits_texel(l, v);
    return (product){texel ? "ops/conv2d_winograd_multiply.quad_texel" : "ops/conv2d_winograd_multiply.quad", false, texel, 8,
                     PNB_WINOGRAD_BLOCK};
}

pnb_status pnb_emit_panel_product(pnb_lower *l, const pnb_panel_product *p) {
    product how = product_of(l, p->u, p->v);
    pnb_push_winograd_multiply push = {
        .depth = p->depth,
        .blocks = p->blocks,
        .panels = p->panels,
        .count = p->panels * PNB_WINOGRAD_PANEL / how.wide,
    };
    pnb_dispatch d = pnb_emit_begin(l, how.shader, p->label);
    pnb_emit_read(&d, p->u, how.texel_u);
    pnb_emit_read(&d, p->v, how.texel_v);
    pnb_emit_write(&d, p->m);
    pnb_emit_push(&d, &push, sizeof push);
    d.spec[0] = pnb_load_local(l, push.count);
    if (d.spec[0] > push.count) d.spec[0] = QUAD; /* count is a multiple of it */
    d.groups[0] = p->blocks * PNB_WINOGRAD_BLOCK / how.outputs;
    d.groups[1] = pnb_divide_up(push.count, d.spec[0]);
    d.groups[2] = p->places;
    d.gflop = 2e-9 * p->places * p->depth * p->blocks * PNB_WINOGRAD_BLOCK * p->panels * PNB_WINOGRAD_PANEL;
    return pnb_lower_emit(l, &d);
}

static pnb_status lower_output(pnb_lower *l, const pnb_node *node, const sizes *s, chunk c) {
    enum { PLAIN, WIDE, TEXEL };
    static const char *const shader[2][3] = {
        {"ops/conv2d_winograd_output", "ops/conv2d_winograd_output.wide", "ops/conv2d_winograd_output.texel"},
        {"ops/conv2d_winograd_output.two", "ops/conv2d_winograd_output.two_wide",
         "ops/conv2d_winograd_output.two_texel"}};
    int kind = pnb_emit_texel(l, node->out[M]) ? TEXEL : pnb_lower_caps(l)->is_cpu ? WIDE : PLAIN;
    bool has_bias = node->in[BIAS] != PNB_NONE;
    pnb_dispatch d = pnb_emit_begin(l, shader[s->tile == 2][kind], "winograd output");
    pnb_emit_read(&d, node->out[M], kind == TEXEL);
    pnb_emit_read(&d, node->in[has_bias ? BIAS : X], false); /* x: bound, never read */
    pnb_emit_write(&d, node->out[Y]);
    pnb_emit_spec(&d, s->tile == 4 && s->x.d[3] % 4 == 0);
    return emit_tiles(l, &d, s, c, s->y.d[1], s->blocks * PNB_WINOGRAD_BLOCK, kind == PLAIN ? 1 : 4, has_bias);
}

static pnb_status lower(pnb_lower *l, const pnb_node *node) {
    sizes s =
        sizes_of(pnb_lower_shape(l, node->in[X]), pnb_lower_shape(l, node->out[Y]), attributes_of(node).tile);
    uint32_t most = pnb_lower_shape(l, node->out[V]).d[1];
    for (uint32_t first = 0; first < s.panels; first += most) {
        chunk c = {first, s.panels - first < most ? s.panels - first : most};
        PNB_TRY(lower_input(l, node, &s, c));
        PNB_TRY(pnb_emit_panel_product(l, &(pnb_panel_product){.u = node->in[PACKED],
                                                               .v = node->out[V],
                                                               .m = node->out[M],
                                                               .label = "winograd multiply",
                                                               .places = s.places,
                                                               .depth = s.depth,
                                                               .blocks = s.blocks,
                                                               .panels = c.panels}));
        PNB_TRY(lower_output(l, node, &s, c));
    }
    return PNB_OK;
}

/* ---- derivative and builder ------------------------------------------------------------------------------------- */

/* The gradient in x is a convolution with the weights turned round. In the weights: with flip this node is itself the
 * input gradient of a convolution of y's kind, y being in the place of its x. */
static pnb_status vjp(pnb_graph *g, const pnb_node *node, const pnb_tensor *gout, uint32_t want, pnb_tensor *gin) {
    attributes at = attributes_of(node);
    pnb_tensor x = node->in[X], weight = node->in[WEIGHT], gy = gout[Y];
    if (want & 1u << X) PNB_TRY(pnb_conv2d_winograd(g, gy, weight, PNB_NONE, !at.flip, at.tile, &gin[X]));
    if (want & 1u << WEIGHT)
        PNB_TRY(pnb_conv2d_weight_grad(g, at.flip ? gy : x, at.flip ? x : gy, pnb_graph_shape(g, weight), 1, 1,
                                       &gin[WEIGHT]));
    if (want & 1u << BIAS && node->in[BIAS] != PNB_NONE) PNB_TRY(pnb_reduce_channels(g, gy, &gin[BIAS]));
    return PNB_OK;
}

const pnb_op pnb_op_conv2d_winograd = {.name = "conv2d_winograd", .vjp = vjp, .lower = lower, .reads_half = 1u << PACKED};

pnb_status pnb_conv2d_winograd(pnb_graph *g, pnb_tensor x, pnb_tensor weight, pnb_tensor bias, bool flip,
                               uint32_t tile, pnb_tensor *y) {
    attributes at = {.tile = tile, .flip = flip};
    pnb_shape sx = pnb_graph_shape(g, x), sy = sx, w = pnb_graph_shape(g, weight);
    sy.d[1] = w.d[flip ? 1 : 0];
    sizes s = sizes_of(sx, sy, tile);
    pnb_tensor in[] = {x, weight, bias, PNB_NONE};
    pnb_shape packed = pnb_shape4(s.places, s.blocks, s.depth, PNB_WINOGRAD_BLOCK);
    PNB_TRY(pnb_graph_add(g, &pnb_op_conv2d_winograd_pack, &weight, 1, 0, &at, sizeof at, &packed, 1, &in[PACKED], 1));
    PNB_TRY(pnb_half_constant(g, in[PACKED], &in[PACKED]));
    uint32_t panels = chunk_of(pnb_graph_caps(g), &s);
    pnb_shape out[] = {sy, pnb_shape4(s.places, panels, s.depth, PNB_WINOGRAD_PANEL),
                       pnb_shape4(s.places, panels, s.blocks * PNB_WINOGRAD_BLOCK, PNB_WINOGRAD_PANEL)};
    return pnb_graph_add(g, &pnb_op_conv2d_winograd, in, 4, 0, &at, sizeof at, out, 3, y, 1);
}

/* ---- cases: in = {x, weight, bias}, arg = {tile, flip} ---------------------------------------------------------- */

static pnb_status case_build(pnb_graph *g, const pnb_op_case *c, const pnb_tensor *in, pnb_tensor *out) {
    return pnb_conv2d_winograd(g, in[X], in[WEIGHT], c->n_in > BIAS ? in[BIAS] : PNB_NONE, c->arg[1] != 0,
                               (uint32_t)c->arg[0], out);
}

/* sum over the channels and taps of one output value; w at the first weight, its steps between channels */
static double case_sum(pnb_shape x, const double *image, const double *w, size_t step, bool flip, long i, long j) {
    double sum = 0;
    long height = (long)x.d[2], width = (long)x.d[3];
    for (size_t c = 0; c < x.d[1]; c++)
        for (int tap = 0; tap < 9; tap++) {
            long a = i + tap / 3 - 1, b = j + tap % 3 - 1;
            if (a < 0 || b < 0 || a >= height || b >= width) continue;
            sum += w[c * step + (size_t)(flip ? 8 - tap : tap)] * image[(c * x.d[2] + (size_t)a) * x.d[3] + (size_t)b];
        }
    return sum;
}

static void case_reference(const pnb_op_case *c, const double *const *in, double *out) {
    pnb_shape x = c->in[X], w = c->in[WEIGHT];
    bool flip = c->arg[1] != 0;
    size_t outputs = w.d[flip ? 1 : 0], image = (size_t)x.d[1] * x.d[2] * x.d[3];
    for (size_t n = 0; n < x.d[0]; n++)
        for (size_t o = 0; o < outputs; o++)
            for (long i = 0; i < (long)x.d[2]; i++)
                for (long j = 0; j < (long)x.d[3]; j++)
                    *out++ = (c->n_in > BIAS ? in[BIAS][o] : 0) +
                             case_sum(x, in[X] + n * image, in[WEIGHT] + 9 * (flip ? o : o * x.d[1]),
                                      9 * (flip ? outputs : 1), flip, i, j);
}

static double case_flops(const pnb_op_case *c) {
    pnb_shape w = c->in[WEIGHT];
    return 18.0 * w.d[0] * w.d[1] * c->in[X].d[0] * c->in[X].d[2] * c->in[X].d[3];
}

#define CONV(tile, n, c, o, h, w)                                                                                      \
    .n_in = 3, .in = {{4, {n, c, h, w}}, {4, {o, c, 3, 3}}, {1, {o, 1, 1, 1}}}, .arg = {tile, 0}
#define FLIP(tile, n, c, o, h, w) .n_in = 2, .in = {{4, {n, c, h, w}}, {4, {c, o, 3, 3}}}, .arg = {tile, 1}
static const pnb_op_case cases[] = {
    {.name = "F4 n1 c1 o1 1x1", CONV(4, 1, 1, 1, 1, 1)},
    {.name = "F4 n2 c3 o5 4x4", CONV(4, 2, 3, 5, 4, 4)},
    {.name = "F4 n2 c9 o17 7x5", CONV(4, 2, 9, 17, 7, 5)},
    {.name = "F4 n1 c8 o16 6x12", CONV(4, 1, 8, 16, 6, 12)},
    {.name = "F4 n3 c4 o6 13x10", CONV(4, 3, 4, 6, 13, 10)},
    {.name = "F4 n1 c16 o2 9x36", CONV(4, 1, 16, 2, 9, 36)},
    {.name = "F4 n1 c2 o3 6x16", CONV(4, 1, 2, 3, 6, 16)},
    {.name = "F4 n33 c2 o3 3x8", CONV(4, 33, 2, 3, 3, 8)},
    {.name = "F4 flip n2 c6 o4 5x8", FLIP(4, 2, 6, 4, 5, 8)},
    {.name = "F2 n1 c1 o1 1x1", CONV(2, 1, 1, 1, 1, 1)},
    {.name = "F2 n2 c3 o5 4x4", CONV(2, 2, 3, 5, 4, 4)},
    {.name = "F2 n2 c9 o17 7x5", CONV(2, 2, 9, 17, 7, 5)},
    {.name = "F2 n1 c8 o16 5x12", CONV(2, 1, 8, 16, 5, 12)},
    {.name = "F2 n3 c4 o6 6x9", CONV(2, 3, 4, 6, 6, 9)},
    {.name = "F2 flip n2 c6 o4 5x8", FLIP(2, 2, 6, 4, 5, 8)},
    {.name = "F4 n1 c250 o3 68x64, several chunks", CONV(4, 1, 250, 3, 68, 64), .bench = true},
    {.name = "bench F4 32 to 32, 32x32, b16", CONV(4, 16, 32, 32, 32, 32), .bench = true},
    {.name = "bench F4 64 to 64, 16x16, b16", CONV(4, 16, 64, 64, 16, 16), .bench = true},
    {.name = "bench F4 128 to 128, 8x8, b16", CONV(4, 16, 128, 128, 8, 8), .bench = true},
    {.name = "bench F4 128 to 128, 64x64", CONV(4, 1, 128, 128, 64, 64), .bench = true},
    {.name = "bench F4 256 to 256, 32x32", CONV(4, 1, 256, 256, 32, 32), .bench = true},
    {.name = "bench F2 128 to 128, 64x64", CONV(2, 1, 128, 128, 64, 64), .bench = true},
};

const pnb_op_suite pnb_suite_conv2d_winograd = {
    .op = "conv2d_winograd",
    .cases = cases,
    .count = sizeof cases / sizeof cases[0],
    .build = case_build,
    .reference = case_reference,
    .flops = case_flops,
};

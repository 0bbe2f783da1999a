/* Reductions: sums, means and sums of squares over all elements, over rows, over dimension 0, over all but the channels.
 *
 * All are one of two kernels: sums along contiguous rows (reduce_rows), and sums down columns (reduce_dim0). Where that gives
 * too few independent sums for a GPU, each is cut into chunks, whose partial results a second dispatch adds up. The cut depends on
 * the shape alone and every sum has a fixed order: the same bytes on every run, and equal rows give equal sums.
 */
#include "graph/op.h"
#include "ops/emit.h"
#include "ops/ops.h"
#include "ops/product.h"
#include "ops/reduce.h"
#include "ops/suite.h"

enum { CHUNK_ABOVE = 16384, CHUNK_LENGTH = 4096, CHUNKS_MOST = 256, ROWS_ENOUGH = 1024 };

typedef enum axis { AXIS_ALL, AXIS_ROWS, AXIS_DIM0, AXIS_CHANNELS } axis;

typedef struct attributes {
    uint32_t axis, kind;
    /* rows: [rows, length] -> [rows]; dim0: [rows, length] -> [length]; channels: [rows = N*C, length = S] -> [N*C] -> [channels] */
    uint32_t rows, length, channels;
    uint32_t chunks, chunk_length;
    float scale; /* 1, or 1/count for a mean */
} attributes;

/* ---- lowering --------------------------------------------------------------------------------------------------- */

static pnb_status emit_rows(pnb_lower *l, pnb_tensor from, pnb_tensor to, pnb_push_reduce push, bool square) {
    bool vec = push.len % 4 == 0, texel = pnb_emit_texel(l, from);
    pnb_dispatch d = pnb_emit_begin(l, texel ? "ops/reduce_rows.texel" : "ops/reduce_rows", "reduce_rows");
    pnb_emit_spec(&d, pnb_emit_row_lanes(&d, l, (uint64_t)push.rows * push.chunks, vec ? push.chunk_length / 4 : push.chunk_length));
    pnb_emit_spec(&d, vec);
    pnb_emit_spec(&d, square);
    pnb_emit_read(&d, from, texel);
    pnb_emit_write(&d, to);
    pnb_emit_push(&d, &push, sizeof push);
    d.gbyte = 4e-9 * push.rows * push.len;
    return pnb_lower_emit(l, &d);
}

static pnb_status emit_dim0(pnb_lower *l, pnb_tensor from, pnb_tensor to, pnb_push_reduce push, bool square) {
    bool vec = push.len % 4 == 0, texel = pnb_emit_texel(l, from);
    pnb_dispatch d = pnb_emit_begin(l, texel ? "ops/reduce_dim0.texel" : "ops/reduce_dim0", "reduce_dim0");
    pnb_emit_spec(&d, vec);
    pnb_emit_spec(&d, square);
    pnb_emit_read(&d, from, texel);
    pnb_emit_write(&d, to);
    pnb_emit_push(&d, &push, sizeof push);
    pnb_emit_spread(&d, l, (uint64_t)push.chunks * (vec ? push.len / 4 : push.len));
    d.gbyte = 4e-9 * push.height * push.len;
    return pnb_lower_emit(l, &d);
}

static pnb_status reduce_lower(pnb_lower *l, const pnb_node *node) {
    const attributes *a = (const attributes *)node->attr;
    bool square = a->kind == PNB_SQNORM, cut = a->chunks > 1;
    pnb_tensor x = node->in[0], y = node->out[0], partial = cut || node->n_out > 1 ? node->out[1] : y;
    pnb_push_reduce push = {.rows = a->rows, .len = a->length, .chunks = a->chunks, .chunk_length = a->chunk_length, .scale = 1};
    if (a->axis == AXIS_DIM0) {
        push.rows = 1;
        push.height = a->rows;
        if (!cut) push.scale = a->scale;
        PNB_TRY(emit_dim0(l, x, partial, push, square));
        if (!cut) return PNB_OK;
        pnb_push_reduce last = {.rows = 1, .len = a->length, .chunks = 1, .chunk_length = a->chunks, .height = a->chunks, .scale = a->scale};
        return emit_dim0(l, partial, y, last, false);
    }
    if (a->axis == AXIS_CHANNELS) {
        PNB_TRY(emit_rows(l, x, partial, push, false));
        pnb_push_reduce last = {.rows = 1, .len = a->channels, .chunks = 1, .height = a->rows / a->channels, .scale = 1};
        last.chunk_length = last.height;
        return emit_dim0(l, partial, y, last, false);
    }
    if (!cut) push.scale = a->scale;
    PNB_TRY(emit_rows(l, x, partial, push, square));
    if (!cut) return PNB_OK;
    pnb_push_reduce last = {.rows = a->rows, .len = a->chunks, .chunks = 1, .chunk_length = a->chunks, .scale = a->scale};
    return emit_rows(l, partial, y, last, false);
}

/* ---- derivative ------------------------------------------------------------------------------------------------- */

typedef struct grad_attributes {
    uint32_t inner, modulo, square;
    float scale;
} grad_attributes;

static pnb_status grad_lower(pnb_lower *l, const pnb_node *node) {
    const grad_attributes *a = (const grad_attributes *)node->attr;
    pnb_push_reduce push = {.len = pnb_emit_count(l, node->out[0]), .inner = a->inner, .modulo = a->modulo, .scale = a->scale};
    bool vec = push.len % 4 == 0 && a->inner % 4 == 0;
    pnb_dispatch d = pnb_emit_begin(l, "ops/reduce_grad", NULL);
    pnb_emit_spec(&d, vec);
    pnb_emit_spec(&d, a->square);
    pnb_emit_read(&d, node->in[0], false);
    pnb_emit_read(&d, node->in[1] == PNB_NONE ? node->in[0] : node->in[1], false);
    pnb_emit_write(&d, node->out[0]);
    pnb_emit_push(&d, &push, sizeof push);
    pnb_emit_spread(&d, l, vec ? push.len / 4 : push.len);
    d.gbyte = (a->square ? 8e-9 : 4e-9) * push.len;
    return pnb_lower_emit(l, &d);
}

static const pnb_op op_grad = {.name = "reduce_grad", .lower = grad_lower};

static pnb_status reduce_vjp(pnb_graph *g, const pnb_node *node, const pnb_tensor *gout, uint32_t want, pnb_tensor *gin) {
    const attributes *a = (const attributes *)node->attr;
    if (!(want & 1) || gout[0] == PNB_NONE) return PNB_OK;
    grad_attributes attr = {.inner = a->length, .modulo = a->rows, .square = a->kind == PNB_SQNORM, .scale = a->scale};
    if (attr.square) attr.scale = 2;
    if (a->axis == AXIS_DIM0) attr.inner = 1, attr.modulo = a->length;
    if (a->axis == AXIS_CHANNELS) attr.modulo = a->channels;
    pnb_tensor in[2] = {gout[0], attr.square ? node->in[0] : PNB_NONE};
    pnb_shape shape = pnb_graph_shape(g, node->in[0]);
    return pnb_graph_add(g, &op_grad, in, 2, 0, &attr, sizeof attr, &shape, 1, &gin[0], 1);
}

const pnb_op pnb_op_reduce = {.name = "reduce", .vjp = reduce_vjp, .lower = reduce_lower};

/* ---- builders --------------------------------------------------------------------------------------------------- */

pnb_tensor pnb_row_summands(const pnb_graph *g, pnb_tensor t) {
    const pnb_node *node = pnb_graph_maker(g, t);
    if (!node || node->op != &pnb_op_reduce) return PNB_NONE;
    const attributes *a = (const attributes *)node->attr;
    return a->axis == AXIS_ROWS && a->kind == PNB_SUM && a->scale == 1 ? node->in[0] : PNB_NONE;
}

/* Cut sums of `count` elements into chunks of a multiple of 4 where there are fewer than ROWS_ENOUGH of them. */
static void cut(attributes *a, uint64_t sums, uint32_t count) {
    a->chunks = 1;
    if (count > CHUNK_ABOVE && sums < ROWS_ENOUGH) a->chunks = (count + CHUNK_LENGTH - 1) / CHUNK_LENGTH;
    if (a->chunks > CHUNKS_MOST) a->chunks = CHUNKS_MOST;
    a->chunk_length = ((count + a->chunks - 1) / a->chunks + 3) / 4 * 4;
    a->chunks = (count + a->chunk_length - 1) / a->chunk_length;
}

static pnb_status add_node(pnb_graph *g, attributes *a, pnb_tensor x, pnb_shape shape, pnb_tensor *y) {
    if (a->kind > PNB_SQNORM) return pnb_fail(pnb_graph_error(g), PNB_ERROR_USAGE, "reduce: there is no reduction %u", a->kind);
    pnb_shape out[2] = {shape, pnb_shape2(a->rows, a->chunks)};
    if (a->axis == AXIS_DIM0) out[1] = pnb_shape2(a->chunks, a->length);
    bool partial = a->chunks > 1 || a->axis == AXIS_CHANNELS;
    return pnb_graph_add(g, &pnb_op_reduce, &x, 1, 0, a, sizeof *a, out, partial ? 2 : 1, y, 1);
}

pnb_status pnb_reduce_all(pnb_graph *g, pnb_reduce kind, pnb_tensor x, pnb_tensor *y) {
    PNB_TRY(pnb_graph_check(g, "reduce_all", "x", x));
    uint32_t count = (uint32_t)pnb_shape_count(pnb_graph_shape(g, x));
    attributes a = {.axis = AXIS_ALL, .kind = (uint32_t)kind, .rows = 1, .length = count, .scale = kind == PNB_MEAN ? 1 / (float)count : 1};
    cut(&a, 1, count);
    return add_node(g, &a, x, pnb_shape1(1), y);
}

pnb_status pnb_reduce_rows(pnb_graph *g, pnb_reduce kind, pnb_tensor x, pnb_tensor *y) {
    PNB_TRY(pnb_graph_check(g, "reduce_rows", "x", x));
    pnb_shape s = pnb_graph_shape(g, x);
    uint32_t length = (uint32_t)(pnb_shape_count(s) / s.d[0]);
    attributes a = {.axis = AXIS_ROWS, .kind = (uint32_t)kind, .rows = s.d[0], .length = length,
                    .scale = kind == PNB_MEAN ? 1 / (float)length : 1};
    cut(&a, s.d[0], length);
    return add_node(g, &a, x, pnb_shape1(s.d[0]), y);
}

pnb_status pnb_reduce_dim0(pnb_graph *g, pnb_reduce kind, pnb_tensor x, pnb_tensor *y) {
    PNB_TRY(pnb_graph_check(g, "reduce_dim0", "x", x));
    pnb_shape s = pnb_graph_shape(g, x);
    attributes a = {.axis = AXIS_DIM0, .kind = (uint32_t)kind, .rows = s.d[0], .length = (uint32_t)(pnb_shape_count(s) / s.d[0]),
                    .scale = kind == PNB_MEAN ? 1 / (float)s.d[0] : 1};
    a.chunks = 1; /* columns are rarely long: chunks of at least 64 rows, as many as fill a GPU */
    if (a.rows >= 128 && a.length < 16384) a.chunks = a.rows / 64;
    if (a.chunks > CHUNKS_MOST) a.chunks = CHUNKS_MOST;
    a.chunk_length = (a.rows + a.chunks - 1) / a.chunks;
    a.chunks = (a.rows + a.chunk_length - 1) / a.chunk_length;
    s.d[0] = 1;
    return add_node(g, &a, x, s, y);
}

pnb_status pnb_reduce_channels(pnb_graph *g, pnb_tensor x, pnb_tensor *y) {
    PNB_TRY(pnb_graph_check(g, "reduce_channels", "x", x));
    pnb_shape s = pnb_graph_shape(g, x);
    if (s.rank < 2) {
        char text[48];
        return pnb_fail(pnb_graph_error(g), PNB_ERROR_INPUT, "reduce_channels: expects x [N,C,...], found %s", pnb_shape_text(s, text));
    }
    if (pnb_shape_count(s) == (uint64_t)s.d[0] * s.d[1]) { /* one pixel: columns of a matrix */
        PNB_TRY(pnb_graph_reshape(g, x, pnb_shape2(s.d[0], s.d[1]), &x));
        PNB_TRY(pnb_reduce_dim0(g, PNB_SUM, x, y));
        return pnb_graph_reshape(g, *y, pnb_shape1(s.d[1]), y);
    }
    attributes a = {.axis = AXIS_CHANNELS, .kind = PNB_SUM, .rows = s.d[0] * s.d[1], .channels = s.d[1], .scale = 1, .chunks = 1};
    a.length = a.chunk_length = (uint32_t)(pnb_shape_count(s) / a.rows);
    return add_node(g, &a, x, pnb_shape1(s.d[1]), y);
}

/* ---- cases: arg = {axis, kind} ------------------------------------------------------------------------------------ */

static pnb_status build(pnb_graph *g, const pnb_op_case *c, const pnb_tensor *in, pnb_tensor *out) {
    switch (c->arg[0]) {
    case AXIS_ALL: return pnb_reduce_all(g, (pnb_reduce)c->arg[1], in[0], out);
    case AXIS_ROWS: return pnb_reduce_rows(g, (pnb_reduce)c->arg[1], in[0], out);
    case AXIS_DIM0: return pnb_reduce_dim0(g, (pnb_reduce)c->arg[1], in[0], out);
    default: return pnb_reduce_channels(g, in[0], out);
    }
}

static void reference(const pnb_op_case *c, const double *const *in, double *out) {
    size_t count = pnb_shape_count(c->in[0]), N = c->in[0].d[0], C = c->in[0].d[1], S = count / N / C;
    size_t results[] = {1, N, count / N, C}, n = results[c->arg[0]];
    for (size_t i = 0; i < n; i++) out[i] = 0;
    for (size_t i = 0; i < count; i++) {
        size_t to[] = {0, i / (count / N), i % (count / N), i / S % C};
        double x = in[0][i], of = (double)(count / n);
        out[to[c->arg[0]]] += c->arg[1] == PNB_SQNORM ? x * x : c->arg[1] == PNB_MEAN ? x / of : x;
    }
}

#define REDUCE(text, axis, kind, ...) {.name = text, .n_in = 1, .arg = {axis, kind}, .in = {__VA_ARGS__}}

static const pnb_op_case cases[] = {
    REDUCE("all sum odd", AXIS_ALL, PNB_SUM, {4, {3, 5, 1, 7}}),
    REDUCE("all mean", AXIS_ALL, PNB_MEAN, {2, {16, 24, 1, 1}}),
    REDUCE("all sqnorm", AXIS_ALL, PNB_SQNORM, {3, {2, 9, 5, 1}}),
    REDUCE("all sum one element", AXIS_ALL, PNB_SUM, {1, {1, 1, 1, 1}}),
    {.name = "all sum in chunks", .n_in = 1, .arg = {AXIS_ALL, PNB_SUM}, .in = {{1, {100003, 1, 1, 1}}}, .shift = {0.5f}, .bench = true},
    {.name = "all mean in chunks", .n_in = 1, .arg = {AXIS_ALL, PNB_MEAN}, .in = {{4, {4, 8, 64, 64}}}, .shift = {-1}, .bench = true},
    REDUCE("rows sum", AXIS_ROWS, PNB_SUM, {4, {3, 4, 4, 2}}),
    REDUCE("rows mean odd", AXIS_ROWS, PNB_MEAN, {4, {5, 3, 3, 3}}),
    REDUCE("rows sqnorm", AXIS_ROWS, PNB_SQNORM, {2, {70, 5, 1, 1}}),
    REDUCE("rows sum of one", AXIS_ROWS, PNB_SUM, {1, {6, 1, 1, 1}}),
    {.name = "rows sqnorm in chunks", .n_in = 1, .arg = {AXIS_ROWS, PNB_SQNORM}, .in = {{4, {3, 3, 101, 99}}}, .bench = true},
    REDUCE("dim0 sum", AXIS_DIM0, PNB_SUM, {4, {3, 2, 2, 4}}),
    REDUCE("dim0 mean odd", AXIS_DIM0, PNB_MEAN, {2, {7, 5, 1, 1}}),
    REDUCE("dim0 sqnorm", AXIS_DIM0, PNB_SQNORM, {2, {9, 8, 1, 1}}),
    REDUCE("dim0 sum in chunks", AXIS_DIM0, PNB_SUM, {2, {301, 3, 1, 1}}),
    REDUCE("dim0 mean one column in chunks", AXIS_DIM0, PNB_MEAN, {1, {200, 1, 1, 1}}),
    REDUCE("channels", AXIS_CHANNELS, PNB_SUM, {4, {3, 5, 4, 4}}),
    REDUCE("channels odd", AXIS_CHANNELS, PNB_SUM, {4, {2, 7, 3, 5}}),
    REDUCE("channels of a matrix", AXIS_CHANNELS, PNB_SUM, {2, {6, 9, 1, 1}}),
    {.name = "channels n8 c64 32x32", .n_in = 1, .arg = {AXIS_CHANNELS, PNB_SUM}, .in = {{4, {8, 64, 32, 32}}}, .shift = {0.25f}, .bench = true},
};

const pnb_op_suite pnb_suite_reduce = {"reduce", cases, sizeof cases / sizeof cases[0], build, reference, .flops = NULL};

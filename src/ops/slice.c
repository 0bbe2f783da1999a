/* slice: a range of one dimension, copied; and the row copy that embed and concat share with it. */
#include "graph/op.h"
#include "ops/emit.h"
#include "ops/ops.h"
#include "ops/slice.h"
#include "ops/suite.h"

pnb_status pnb_emit_rows(pnb_lower *l, const pnb_row_copy *c) {
    bool vec = (c->length | c->from_stride | c->from_begin | c->to_stride | c->to_begin | c->inside_begin | c->inside_end) % 4 == 0;
    uint32_t unit = vec ? 4 : 1;
    bool texel = pnb_emit_texel(l, c->from);
    pnb_push_slice push = {.rows = c->rows, .len = c->length / unit, .from_stride = c->from_stride / unit,
                           .from_begin = c->from_begin / unit, .to_stride = c->to_stride / unit, .to_begin = c->to_begin / unit,
                           .inside_begin = c->inside_begin / unit, .inside_end = c->inside_end / unit};
    push.segments = pnb_emit_segments(l, push.rows, push.len);
    pnb_dispatch d = pnb_emit_begin(l, texel ? "ops/slice.texel" : "ops/slice", c->label);
    pnb_emit_spec(&d, vec);
    pnb_emit_read(&d, c->from, texel);
    pnb_emit_write(&d, c->to);
    pnb_emit_push(&d, &push, sizeof push);
    pnb_emit_spread(&d, l, (uint64_t)push.rows * push.segments);
    d.gbyte = 8e-9 * c->rows * c->length;
    return pnb_lower_emit(l, &d);
}

typedef struct attributes {
    uint32_t dim, begin, count;
    uint32_t outer, size, inner; /* x as [outer, size, inner] around the cut dimension */
} attributes;

static pnb_status slice_lower(pnb_lower *l, const pnb_node *node) {
    const attributes *a = (const attributes *)node->attr;
    pnb_row_copy copy = {.from = node->in[0], .to = node->out[0], .label = "slice", .rows = a->outer, .length = a->count * a->inner,
                         .from_stride = a->size * a->inner, .from_begin = a->begin * a->inner, .to_stride = a->count * a->inner,
                         .inside_end = a->count * a->inner};
    return pnb_emit_rows(l, &copy);
}

static pnb_status slice_vjp(pnb_graph *g, const pnb_node *node, const pnb_tensor *gout, uint32_t want, pnb_tensor *gin) {
    const attributes *a = (const attributes *)node->attr;
    if (!(want & 1) || gout[0] == PNB_NONE) return PNB_OK;
    return pnb_embed(g, gout[0], a->dim, a->begin, a->size, &gin[0]);
}

const pnb_op pnb_op_slice = {.name = "slice", .vjp = slice_vjp, .lower = slice_lower};

pnb_status pnb_slice(pnb_graph *g, pnb_tensor x, uint32_t dim, uint32_t begin, uint32_t count, pnb_tensor *y) {
    PNB_TRY(pnb_graph_check(g, "slice", "x", x));
    pnb_shape s = pnb_graph_shape(g, x);
    char text[48];
    if (dim >= s.rank) {
        return pnb_fail(pnb_graph_error(g), PNB_ERROR_INPUT, "slice: x of shape %s has no dimension %u", pnb_shape_text(s, text), dim);
    }
    if (!count || begin > s.d[dim] || count > s.d[dim] - begin) {
        return pnb_fail(pnb_graph_error(g), PNB_ERROR_INPUT, "slice: %u entries from %u do not lie in dimension %u of %s", count, begin,
                        dim, pnb_shape_text(s, text));
    }
    attributes a = {.dim = dim, .begin = begin, .count = count, .outer = 1, .size = s.d[dim], .inner = 1};
    for (uint32_t i = 0; i < s.rank; i++) {
        if (i < dim) a.outer *= s.d[i];
        if (i > dim) a.inner *= s.d[i];
    }
    s.d[dim] = count;
    return pnb_graph_add(g, &pnb_op_slice, &x, 1, 0, &a, sizeof a, &s, 1, y, 1);
}

/* ---- cases: arg = {dim, begin, count} ---------------------------------------------------------------------------- */

static pnb_status build(pnb_graph *g, const pnb_op_case *c, const pnb_tensor *in, pnb_tensor *out) {
    return pnb_slice(g, in[0], (uint32_t)c->arg[0], (uint32_t)c->arg[1], (uint32_t)c->arg[2], out);
}

static void reference(const pnb_op_case *c, const double *const *in, double *out) {
    size_t outer = 1, inner = 1, dim = (size_t)c->arg[0], size = c->in[0].d[dim], count = (size_t)c->arg[2];
    for (size_t i = 0; i < c->in[0].rank; i++) {
        if (i < dim) outer *= c->in[0].d[i];
        if (i > dim) inner *= c->in[0].d[i];
    }
    for (size_t i = 0; i < outer * count * inner; i++) {
        size_t o = i / (count * inner), rest = i % (count * inner);
        out[i] = in[0][o * size * inner + (size_t)c->arg[1] * inner + rest];
    }
}

static const pnb_op_case cases[] = {
    {.name = "dim 0", .n_in = 1, .in = {{4, {5, 3, 2, 3}}}, .arg = {0, 1, 3}},
    {.name = "dim 1 of 4", .n_in = 1, .in = {{4, {2, 6, 4, 2}}}, .arg = {1, 3, 2}},
    {.name = "dim 1 odd", .n_in = 1, .in = {{4, {3, 5, 3, 3}}}, .arg = {1, 2, 3}},
    {.name = "dim 3", .n_in = 1, .in = {{4, {2, 2, 3, 8}}}, .arg = {3, 4, 4}},
    {.name = "vector", .n_in = 1, .in = {{1, {9, 1, 1, 1}}}, .arg = {0, 8, 1}},
    {.name = "whole", .n_in = 1, .in = {{2, {3, 4, 1, 1}}}, .arg = {1, 0, 4}},
};

const pnb_op_suite pnb_suite_slice = {"slice", cases, sizeof cases / sizeof cases[0], build, reference, .flops = NULL};

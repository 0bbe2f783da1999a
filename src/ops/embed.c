/* embed: x put into a larger tensor of zeros along one dimension; the adjoint of slice. */
#include "graph/op.h"
#include "ops/emit.h"
#include "ops/ops.h"
#include "ops/suite.h"

typedef struct attributes {
    uint32_t dim, begin, size;
    uint32_t outer, count, inner; /* x as [outer, count, inner] around the dimension */
} attributes;

static pnb_status embed_lower(pnb_lower *l, const pnb_node *node) {
    const attributes *a = (const attributes *)node->attr;
    pnb_row_copy copy = {.from = node->in[0], .to = node->out[0], .label = "embed", .rows = a->outer, .length = a->size * a->inner,
                         .from_stride = a->count * a->inner, .to_stride = a->size * a->inner, .inside_begin = a->begin * a->inner,
                         .inside_end = (a->begin + a->count) * a->inner};
    return pnb_emit_rows(l, &copy);
}

static pnb_status embed_vjp(pnb_graph *g, const pnb_node *node, const pnb_tensor *gout, uint32_t want, pnb_tensor *gin) {
    const attributes *a = (const attributes *)node->attr;
    if (!(want & 1) || gout[0] == PNB_NONE) return PNB_OK;
    return pnb_slice(g, gout[0], a->dim, a->begin, a->count, &gin[0]);
}

const pnb_op pnb_op_embed = {.name = "embed", .vjp = embed_vjp, .lower = embed_lower};

pnb_status pnb_embed(pnb_graph *g, pnb_tensor x, uint32_t dim, uint32_t begin, uint32_t size, pnb_tensor *y) {
    PNB_TRY(pnb_graph_check(g, "embed", "x", x));
    pnb_shape s = pnb_graph_shape(g, x);
    char text[48];
    if (dim >= s.rank) {
        return pnb_fail(pnb_graph_error(g), PNB_ERROR_INPUT, "embed: x of shape %s has no dimension %u", pnb_shape_text(s, text), dim);
    }
    if (begin > size || s.d[dim] > size - begin) {
        return pnb_fail(pnb_graph_error(g), PNB_ERROR_INPUT, "embed: dimension %u of %s does not fit at %u into a size of %u", dim,
                        pnb_shape_text(s, text), begin, size);
    }
    attributes a = {.dim = dim, .begin = begin, .size = size, .outer = 1, .count = s.d[dim], .inner = 1};
    for (uint32_t i = 0; i < s.rank; i++) {
        if (i < dim) a.outer *= s.d[i];
        if (i > dim) a.inner *= s.d[i];
    }
    s.d[dim] = size;
    return pnb_graph_add(g, &pnb_op_embed, &x, 1, 0, &a, sizeof a, &s, 1, y, 1);
}

/* ---- cases: arg = {dim, begin, size} ----------------------------------------------------------------------------- */

static pnb_status build(pnb_graph *g, const pnb_op_case *c, const pnb_tensor *in, pnb_tensor *out) {
    return pnb_embed(g, in[0], (uint32_t)c->arg[0], (uint32_t)c->arg[1], (uint32_t)c->arg[2], out);
}

static void reference(const pnb_op_case *c, const double *const *in, double *out) {
    size_t outer = 1, inner = 1, dim = (size_t)c->arg[0], count = c->in[0].d[dim], begin = (size_t)c->arg[1], size = (size_t)c->arg[2];
    for (size_t i = 0; i < c->in[0].rank; i++) {
        if (i < dim) outer *= c->in[0].d[i];
        if (i > dim) inner *= c->in[0].d[i];
    }
    for (size_t i = 0; i < outer * size * inner; i++) {
        size_t o = i / (size * inner), at = i / inner % size;
        bool inside = at >= begin && at < begin + count;
        out[i] = inside ? in[0][(o * count + at - begin) * inner + i % inner] : 0;
    }
}

static const pnb_op_case cases[] = {
    {.name = "dim 0", .n_in = 1, .in = {{4, {2, 3, 2, 3}}}, .arg = {0, 1, 5}},
    {.name = "dim 1 of 4", .n_in = 1, .in = {{4, {2, 2, 4, 2}}}, .arg = {1, 3, 6}},
    {.name = "dim 2 odd", .n_in = 1, .in = {{4, {3, 2, 3, 3}}}, .arg = {2, 0, 4}},
    {.name = "dim 3", .n_in = 1, .in = {{4, {2, 2, 3, 4}}}, .arg = {3, 8, 12}},
    {.name = "vector", .n_in = 1, .in = {{1, {1, 1, 1, 1}}}, .arg = {0, 8, 9}},
};

const pnb_op_suite pnb_suite_embed = {"embed", cases, sizeof cases / sizeof cases[0], build, reference, .flops = NULL};

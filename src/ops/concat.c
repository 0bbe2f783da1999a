/* concat: up to eight tensors joined along one dimension; one row copy each. */
#include "graph/op.h"
#include "ops/emit.h"
#include "ops/ops.h"
#include "ops/suite.h"

typedef struct attributes {
    uint32_t dim, outer, inner;       /* each input is [outer, size[i], inner] */
    uint32_t size[PNB_NODE_MAX_IN];
} attributes;

static pnb_status concat_lower(pnb_lower *l, const pnb_node *node) {
    const attributes *a = (const attributes *)node->attr;
    uint32_t total = 0, begin = 0;
    for (uint32_t i = 0; i < node->n_in; i++) total += a->size[i];
    for (uint32_t i = 0; i < node->n_in; i++) {
        uint32_t length = a->size[i] * a->inner;
        pnb_row_copy copy = {.from = node->in[i], .to = node->out[0], .label = "concat", .rows = a->outer, .length = length,
                             .from_stride = length, .to_stride = total * a->inner, .to_begin = begin * a->inner, .inside_end = length};
        PNB_TRY(pnb_emit_rows(l, &copy));
        begin += a->size[i];
    }
    return PNB_OK;
}

static pnb_status concat_vjp(pnb_graph *g, const pnb_node *node, const pnb_tensor *gout, uint32_t want, pnb_tensor *gin) {
    const attributes *a = (const attributes *)node->attr;
    if (gout[0] == PNB_NONE) return PNB_OK;
    uint32_t begin = 0;
    for (uint32_t i = 0; i < node->n_in; i++) {
        if (want & 1u << i) {
            if (a->dim == 0) PNB_TRY(pnb_graph_slice0(g, gout[0], begin, a->size[i], &gin[i]));
            else PNB_TRY(pnb_slice(g, gout[0], a->dim, begin, a->size[i], &gin[i]));
        }
        begin += a->size[i];
    }
    return PNB_OK;
}

const pnb_op pnb_op_concat = {.name = "concat", .vjp = concat_vjp, .lower = concat_lower, .reads_half = (1u << PNB_NODE_MAX_IN) - 1};

/* Whether two shapes agree in everything but dimension dim. */
static bool fits(pnb_shape a, pnb_shape b, uint32_t dim) {
    b.d[dim] = a.d[dim];
    return pnb_shape_equal(a, b);
}

pnb_status pnb_concat(pnb_graph *g, uint32_t dim, const pnb_tensor *x, uint32_t n, pnb_tensor *y) {
    if (!n || n > PNB_NODE_MAX_IN) {
        return pnb_fail(pnb_graph_error(g), PNB_ERROR_USAGE, "concat: takes 1 to %d tensors, got %u", PNB_NODE_MAX_IN, n);
    }
    attributes a = {.dim = dim, .outer = 1, .inner = 1};
    pnb_shape first = {0}, out = {0};
    for (uint32_t i = 0; i < n; i++) {
        PNB_TRY(pnb_graph_check(g, "concat", "x", x[i]));
        pnb_shape s = pnb_graph_shape(g, x[i]);
        if (i == 0) first = s;
        char sa[48], sb[48];
        if (dim >= s.rank || !fits(first, s, dim)) {
            return pnb_fail(pnb_graph_error(g), PNB_ERROR_INPUT, "concat: shapes %s and %s (input %u) cannot be joined along dimension %u",
                            pnb_shape_text(first, sa), pnb_shape_text(s, sb), i, dim);
        }
        a.size[i] = s.d[dim];
    }
    out = first;
    for (uint32_t i = 1; i < n; i++) out.d[dim] += a.size[i];
    for (uint32_t i = 0; i < first.rank; i++) {
        if (i < dim) a.outer *= first.d[i];
        if (i > dim) a.inner *= first.d[i];
    }
    return pnb_graph_add(g, &pnb_op_concat, x, n, 0, &a, sizeof a, &out, 1, y, 1);
}

/* ---- cases: arg = {dim} ------------------------------------------------------------------------------------------- */

static pnb_status build(pnb_graph *g, const pnb_op_case *c, const pnb_tensor *in, pnb_tensor *out) {
    return pnb_concat(g, (uint32_t)c->arg[0], in, c->n_in, out);
}

static void reference(const pnb_op_case *c, const double *const *in, double *out) {
    size_t outer = 1, inner = 1, dim = (size_t)c->arg[0];
    for (size_t i = 0; i < c->in[0].rank; i++) {
        if (i < dim) outer *= c->in[0].d[i];
        if (i > dim) inner *= c->in[0].d[i];
    }
    for (size_t o = 0; o < outer; o++) {
        for (size_t k = 0; k < c->n_in; k++) {
            size_t length = c->in[k].d[dim] * inner;
            for (size_t j = 0; j < length; j++) *out++ = in[k][o * length + j];
        }
    }
}

static const pnb_op_case cases[] = {
    {.name = "channels of 4", .n_in = 2, .in = {{4, {2, 3, 4, 2}}, {4, {2, 5, 4, 2}}}, .arg = {1}},
    {.name = "channels odd", .n_in = 3, .in = {{4, {2, 3, 3, 1}}, {4, {2, 1, 3, 1}}, {4, {2, 2, 3, 1}}}, .arg = {1}},
    {.name = "batch", .n_in = 2, .in = {{4, {2, 3, 2, 3}}, {4, {1, 3, 2, 3}}}, .arg = {0}},
    {.name = "batch aligned", .n_in = 2, .in = {{2, {2, 64, 1, 1}}, {2, {1, 64, 1, 1}}}, .arg = {0}},
    {.name = "last of rank 2", .n_in = 2, .in = {{2, {3, 5, 1, 1}}, {2, {3, 4, 1, 1}}}, .arg = {1}},
    {.name = "one", .n_in = 1, .in = {{1, {7, 1, 1, 1}}}, .arg = {0}},
};

const pnb_op_suite pnb_suite_concat = {"concat", cases, sizeof cases / sizeof cases[0], build, reference, .flops = NULL};

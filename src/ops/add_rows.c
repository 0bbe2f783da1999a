/* add_rows: a plus scale*b in some of its rows; the low-rank part of the second half of a batch. */
#include "graph/op.h"
#include "ops/add_rows.h"
#include "ops/emit.h"
#include "ops/ops.h"
#include "ops/suite.h"

typedef struct attributes {
    uint32_t begin, rows;
    float scale;
} attributes;

static pnb_status add_rows_lower(pnb_lower *l, const pnb_node *node) {
    const attributes *a = (const attributes *)node->attr;
    uint32_t count = pnb_emit_count(l, node->out[0]), row = count / pnb_lower_shape(l, node->out[0]).d[0];
    pnb_push_add_rows push = {.count = count, .begin = a->begin * row, .end = (a->begin + a->rows) * row, .scale = a->scale};
    bool vec = (push.count | push.begin | push.end) % 4 == 0;
    bool texel = vec && pnb_emit_texel(l, node->in[0]);
    pnb_dispatch d = pnb_emit_begin(l, texel ? "ops/add_rows.texel" : "ops/add_rows", "add_rows");
    pnb_emit_spec(&d, vec);
    pnb_emit_read(&d, node->in[0], texel);
    pnb_emit_read(&d, node->in[1], texel);
    pnb_emit_write(&d, node->out[0]);
    pnb_emit_push(&d, &push, sizeof push);
    pnb_emit_spread(&d, l, vec ? count / 4 : count);
    d.gbyte = 8e-9 * count;
    return pnb_lower_emit(l, &d);
}

static pnb_status add_rows_vjp(pnb_graph *g, const pnb_node *node, const pnb_tensor *gout, uint32_t want, pnb_tensor *gin) {
    const attributes *a = (const attributes *)node->attr;
    if (gout[0] == PNB_NONE) return PNB_OK;
    if (want & 1) gin[0] = gout[0];
    if (!(want & 2)) return PNB_OK;
    PNB_TRY(pnb_graph_slice0(g, gout[0], a->begin, a->rows, &gin[1]));
    return a->scale == 1 ? PNB_OK : pnb_affine(g, gin[1], a->scale, 0, &gin[1]);
}

const pnb_op pnb_op_add_rows = {.name = "add_rows", .vjp = add_rows_vjp, .lower = add_rows_lower, .inplace = 1};

pnb_status pnb_add_rows(pnb_graph *g, pnb_tensor a, pnb_tensor b, uint32_t begin, float scale, pnb_tensor *y) {
    PNB_TRY(pnb_graph_check(g, "add_rows", "a", a));
    PNB_TRY(pnb_graph_check(g, "add_rows", "b", b));
    pnb_shape sa = pnb_graph_shape(g, a), sb = pnb_graph_shape(g, b), part = sa;
    part.d[0] = sb.d[0];
    if (!pnb_shape_equal(part, sb) || begin > sa.d[0] || sb.d[0] > sa.d[0] - begin) {
        char fa[48], fb[48];
        return pnb_fail(pnb_graph_error(g), PNB_ERROR_INPUT, "add_rows: b of shape %s does not fit into the rows of %s from row %u",
                        pnb_shape_text(sb, fb), pnb_shape_text(sa, fa), begin);
    }
    const pnb_node *maker = pnb_graph_maker(g, b);
    if (maker && maker->op->add_to) {
        pnb_node node = *maker;
        return node.op->add_to(g, &node, a, begin, scale, y);
    }
    attributes attr = {begin, sb.d[0], scale};
    pnb_tensor in[2] = {a, b};
    return pnb_graph_add(g, &pnb_op_add_rows, in, 2, 0, &attr, sizeof attr, &sa, 1, y, 1);
}

/* ---- cases: arg = {begin}, farg = {scale} ------------------------------------------------------------------------- */

static pnb_status build(pnb_graph *g, const pnb_op_case *c, const pnb_tensor *in, pnb_tensor *out) {
    return pnb_add_rows(g, in[0], in[1], (uint32_t)c->arg[0], c->farg[0], out);
}

static void reference(const pnb_op_case *c, const double *const *in, double *out) {
    size_t count = pnb_shape_count(c->in[0]), of_b = pnb_shape_count(c->in[1]), begin = (size_t)c->arg[0] * (count / c->in[0].d[0]);
    for (size_t i = 0; i < count; i++) out[i] = in[0][i] + (i >= begin && i - begin < of_b ? (double)c->farg[0] * in[1][i - begin] : 0);
}

static const pnb_op_case cases[] = {
    {.name = "second half", .n_in = 2, .in = {{4, {4, 3, 4, 4}}, {4, {2, 3, 4, 4}}}, .arg = {2}, .farg = {1}},
    {.name = "odd rows scaled", .n_in = 2, .in = {{4, {5, 1, 3, 3}}, {4, {2, 1, 3, 3}}}, .arg = {1}, .farg = {-0.5f}},
    {.name = "odd rows, size a multiple of 4", .n_in = 2, .in = {{2, {4, 3, 1, 1}}, {2, {2, 3, 1, 1}}}, .arg = {1}, .farg = {2}},
    {.name = "all rows", .n_in = 2, .in = {{1, {7, 1, 1, 1}}, {1, {7, 1, 1, 1}}}, .arg = {0}, .farg = {1}},
};

const pnb_op_suite pnb_suite_add_rows = {"add_rows", cases, sizeof cases / sizeof cases[0], build, reference, .flops = NULL};

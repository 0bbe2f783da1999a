/* axpby: the linear combinations of solvers and samplers, coefficients constant or one a sample. */
#include "graph/op.h"
#include "ops/axpby.h"
#include "ops/emit.h"
#include "ops/ops.h"
#include "ops/suite.h"

typedef struct attributes {
    float ca, cb;
    uint32_t inner; /* elements of a sample */
} attributes;

enum { IN_A, IN_B, IN_TA, IN_TB };

static pnb_status axpby_lower(pnb_lower *l, const pnb_node *node) {
    const attributes *a = (const attributes *)node->attr;
    bool has_b = node->in[IN_B] != PNB_NONE, has_ta = node->in[IN_TA] != PNB_NONE, has_tb = node->in[IN_TB] != PNB_NONE;
    bool texel = pnb_emit_texel(l, node->in[IN_A]);
    pnb_push_axpby push = {.count = pnb_emit_count(l, node->out[0]), .inner = a->inner, .ca = a->ca, .cb = a->cb};
    bool per_sample = has_ta || has_tb, vec = a->inner % 4 == 0;
    if (per_sample && vec) push.segments = pnb_emit_segments(l, push.count / a->inner, a->inner / 4);
    pnb_dispatch d = pnb_emit_begin(l, texel ? "ops/axpby.texel" : "ops/axpby", "axpby");
    pnb_emit_spec(&d, has_ta);
    pnb_emit_spec(&d, has_tb);
    pnb_emit_spec(&d, has_b);
    pnb_emit_read(&d, node->in[IN_A], texel);
    pnb_emit_read(&d, has_b ? node->in[IN_B] : node->in[IN_A], texel);
    pnb_emit_read(&d, has_ta ? node->in[IN_TA] : node->in[IN_A], false);
    pnb_emit_read(&d, has_tb ? node->in[IN_TB] : node->in[IN_A], false);
    pnb_emit_write(&d, node->out[0]);
    pnb_emit_push(&d, &push, sizeof push);
    uint64_t items = !per_sample ? (push.count + 3) / 4 : vec ? (uint64_t)push.count / a->inner * push.segments : push.count;
    pnb_emit_spread(&d, l, items);
    d.gbyte = (has_b ? 12e-9 : 8e-9) * push.count;
    return pnb_lower_emit(l, &d);
}

static pnb_status add_node(pnb_graph *g, float ca, pnb_tensor ta, pnb_tensor a, float cb, pnb_tensor tb, pnb_tensor b, pnb_tensor *y);

static pnb_status axpby_vjp(pnb_graph *g, const pnb_node *node, const pnb_tensor *gout, uint32_t want, pnb_tensor *gin) {
    const attributes *a = (const attributes *)node->attr;
    if (gout[0] == PNB_NONE) return PNB_OK;
    if (want & 1u << IN_A) PNB_TRY(add_node(g, a->ca, node->in[IN_TA], gout[0], 0, PNB_NONE, PNB_NONE, &gin[IN_A]));
    if (want & 1u << IN_B) PNB_TRY(add_node(g, a->cb, node->in[IN_TB], gout[0], 0, PNB_NONE, PNB_NONE, &gin[IN_B]));
    return PNB_OK;
}

const pnb_op pnb_op_axpby = {.name = "axpby", .vjp = axpby_vjp, .lower = axpby_lower, .inplace = 1u << IN_A | 1u << IN_B};

static pnb_status add_node(pnb_graph *g, float ca, pnb_tensor ta, pnb_tensor a, float cb, pnb_tensor tb, pnb_tensor b, pnb_tensor *y) {
    pnb_shape shape = pnb_graph_shape(g, a);
    attributes attr = {ca, cb, (uint32_t)(pnb_shape_count(shape) / shape.d[0])};
    pnb_tensor in[4] = {a, b, ta, tb};
    return pnb_graph_add(g, &pnb_op_axpby, in, 4, 0, &attr, sizeof attr, &shape, 1, y, 1);
}

static pnb_status check_coefficients(pnb_graph *g, const char *role, pnb_tensor t, uint32_t samples) {
    if (t == PNB_NONE) return PNB_OK;
    PNB_TRY(pnb_graph_check(g, "axpby", role, t));
    uint64_t count = pnb_shape_count(pnb_graph_shape(g, t));
    if (count == samples) return PNB_OK;
    return pnb_fail(pnb_graph_error(g), PNB_ERROR_INPUT, "axpby: %s has %llu coefficients, a has %u samples", role,
                    (unsigned long long)count, samples);
}

pnb_status pnb_axpby(pnb_graph *g, float ca, pnb_tensor ta, pnb_tensor a, float cb, pnb_tensor tb, pnb_tensor b, pnb_tensor *y) {
    PNB_TRY(pnb_graph_check(g, "axpby", "a", a));
    PNB_TRY(pnb_graph_check(g, "axpby", "b", b));
    pnb_shape sa = pnb_graph_shape(g, a), sb = pnb_graph_shape(g, b);
    if (!pnb_shape_equal(sa, sb)) {
        char fa[48], fb[48];
        return pnb_fail(pnb_graph_error(g), PNB_ERROR_INPUT, "axpby: b expects shape %s, found %s", pnb_shape_text(sa, fa), pnb_shape_text(sb, fb));
    }
    PNB_TRY(check_coefficients(g, "ta", ta, sa.d[0]));
    PNB_TRY(check_coefficients(g, "tb", tb, sa.d[0]));
    return add_node(g, ca, ta, a, cb, tb, b, y);
}

/* ---- cases: inputs a, b, ta, tb; arg = {with ta, with tb}; farg = {ca, cb} ---------------------------------------- */

static pnb_status build(pnb_graph *g, const pnb_op_case *c, const pnb_tensor *in, pnb_tensor *out) {
    return pnb_axpby(g, c->farg[0], c->arg[0] ? in[2] : PNB_NONE, in[0], c->farg[1], c->arg[1] ? in[3] : PNB_NONE, in[1], out);
}

static void reference(const pnb_op_case *c, const double *const *in, double *out) {
    size_t count = pnb_shape_count(c->in[0]), inner = count / c->in[0].d[0];
    for (size_t i = 0; i < count; i++) {
        double ta = c->arg[0] ? in[2][i / inner] : 1, tb = c->arg[1] ? in[3][i / inner] : 1;
        out[i] = (double)c->farg[0] * ta * in[0][i] + (double)c->farg[1] * tb * in[1][i];
    }
}

#define AXPBY(text, n, c, h, w, with_a, with_b)                                                                                  \
    {.name = text, .n_in = 4, .in = {{4, {n, c, h, w}}, {4, {n, c, h, w}}, {1, {n, 1, 1, 1}}, {1, {n, 1, 1, 1}}}, .no_grad = 12, \
     .arg = {with_a, with_b}, .farg = {0.7f, -1.3f}}

static const pnb_op_case cases[] = {
    AXPBY("constants odd", 3, 1, 5, 7, 0, 0),     AXPBY("constants", 2, 2, 4, 4, 0, 0), AXPBY("ta", 3, 2, 4, 4, 1, 0),
    AXPBY("tb odd rows", 3, 1, 3, 5, 0, 1),       AXPBY("ta tb", 4, 3, 2, 2, 1, 1),     AXPBY("ta tb odd rows, size a multiple of 4", 4, 1, 3, 5, 1, 1),
    AXPBY("ta tb one element", 1, 1, 1, 1, 1, 1),
};

const pnb_op_suite pnb_suite_axpby = {"axpby", cases, sizeof cases / sizeof cases[0], build, reference, .flops = NULL};

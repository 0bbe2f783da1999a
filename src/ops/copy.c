/* copy, assign (into a persistent tensor) and constant (fill). */
#include "graph/op.h"
#include "ops/copy.h"
#include "ops/emit.h"
#include "ops/ops.h"
#include "ops/suite.h"

static pnb_status emit_copy(pnb_lower *l, pnb_tensor from, pnb_tensor to, const char *label) {
    bool texel = pnb_emit_texel(l, from);
    pnb_push_copy push = {.count = pnb_emit_count(l, from)};
    pnb_dispatch d = pnb_emit_begin(l, texel ? "ops/copy.texel" : "ops/copy", label);
    pnb_emit_read(&d, from, texel);
    pnb_emit_write(&d, to);
    pnb_emit_push(&d, &push, sizeof push);
    pnb_emit_spread(&d, l, (push.count + 3) / 4);
    d.gbyte = 8e-9 * push.count;
    return pnb_lower_emit(l, &d);
}

/* ---- copy ------------------------------------------------------------------------------------------------------- */

static pnb_status copy_lower(pnb_lower *l, const pnb_node *node) { return emit_copy(l, node->in[0], node->out[0], "copy"); }

static pnb_status copy_vjp(pnb_graph *g, const pnb_node *node, const pnb_tensor *gout, uint32_t want, pnb_tensor *gin) {
    (void)g, (void)node;
    if (want & 1) gin[0] = gout[0];
    return PNB_OK;
}

const pnb_op pnb_op_copy = {.name = "copy", .vjp = copy_vjp, .lower = copy_lower};

pnb_status pnb_copy(pnb_graph *g, pnb_tensor x, pnb_tensor *y) {
    PNB_TRY(pnb_graph_check(g, "copy", "x", x));
    pnb_shape shape = pnb_graph_shape(g, x);
    return pnb_graph_add(g, &pnb_op_copy, &x, 1, 0, NULL, 0, &shape, 1, y, 1);
}

/* ---- assign ----------------------------------------------------------------------------------------------------- */

static pnb_status assign_lower(pnb_lower *l, const pnb_node *node) { return emit_copy(l, node->in[1], node->in[0], "assign"); }

const pnb_op pnb_op_assign = {.name = "assign", .lower = assign_lower, .impure = true};

pnb_status pnb_assign(pnb_graph *g, pnb_tensor storage, pnb_tensor value) {
    PNB_TRY(pnb_graph_check(g, "assign", "storage", storage));
    PNB_TRY(pnb_graph_check(g, "assign", "value", value));
    pnb_shape a = pnb_graph_shape(g, storage), b = pnb_graph_shape(g, value);
    if (pnb_shape_count(a) != pnb_shape_count(b)) {
        char fa[48], fb[48];
        return pnb_fail(pnb_graph_error(g), PNB_ERROR_INPUT, "assign: value of shape %s does not fill the storage of shape %s",
                        pnb_shape_text(b, fb), pnb_shape_text(a, fa));
    }
    pnb_tensor in[2] = {storage, value};
    return pnb_graph_add(g, &pnb_op_assign, in, 2, 1, NULL, 0, NULL, 0, NULL, 0);
}

/* ---- constant --------------------------------------------------------------------------------------------------- */

static pnb_status constant_lower(pnb_lower *l, const pnb_node *node) {
    pnb_push_copy push = {.count = pnb_emit_count(l, node->out[0]), .value = *(const float *)node->attr};
    pnb_dispatch d = pnb_emit_begin(l, "ops/copy_constant", "constant");
    pnb_emit_write(&d, node->out[0]);
    pnb_emit_push(&d, &push, sizeof push);
    pnb_emit_spread(&d, l, (push.count + 3) / 4);
    d.gbyte = 4e-9 * push.count;
    return pnb_lower_emit(l, &d);
}

const pnb_op pnb_op_constant = {.name = "constant", .lower = constant_lower};

pnb_status pnb_constant(pnb_graph *g, pnb_shape shape, float value, pnb_tensor *y) {
    return pnb_graph_add(g, &pnb_op_constant, NULL, 0, 0, &value, sizeof value, &shape, 1, y, 1);
}

/* ---- cases: arg = {0 copy | 1 assign in[0] = in[1], then copy in[0] | 2 constant + in[0]} ------------------------- */

static pnb_status build(pnb_graph *g, const pnb_op_case *c, const pnb_tensor *in, pnb_tensor *out) {
    pnb_tensor t;
    switch (c->arg[0]) {
    case 0: return pnb_copy(g, in[0], out);
    case 1:
        PNB_TRY(pnb_assign(g, in[0], in[1]));
        return pnb_copy(g, in[0], out);
    default:
        PNB_TRY(pnb_constant(g, c->in[0], c->farg[0], &t));
        return pnb_add(g, t, in[0], out);
    }
}

static void reference(const pnb_op_case *c, const double *const *in, double *out) {
    for (size_t i = 0; i < pnb_shape_count(c->in[0]); i++) {
        out[i] = c->arg[0] == 0 ? in[0][i] : c->arg[0] == 1 ? in[1][i] : in[0][i] + (double)c->farg[0];
    }
}

static const pnb_op_case cases[] = {
    {.name = "copy odd", .n_in = 1, .in = {{4, {3, 1, 5, 7}}}},
    {.name = "copy one", .n_in = 1, .in = {{1, {1, 1, 1, 1}}}},
    {.name = "copy", .n_in = 1, .in = {{3, {4, 16, 9, 1}}}},
    {.name = "assign odd", .n_in = 2, .in = {{2, {3, 11, 1, 1}}, {2, {3, 11, 1, 1}}}, .no_grad = 3, .arg = {1}},
    {.name = "assign", .n_in = 2, .in = {{2, {8, 16, 1, 1}}, {2, {8, 16, 1, 1}}}, .no_grad = 3, .arg = {1}},
    {.name = "constant odd", .n_in = 1, .in = {{2, {3, 5, 1, 1}}}, .arg = {2}, .farg = {2.5f}},
    {.name = "constant", .n_in = 1, .in = {{2, {3, 8, 1, 1}}}, .arg = {2}, .farg = {-1}},
    {.name = "copy n8 c64 32x32", .n_in = 1, .in = {{4, {8, 64, 32, 32}}}, .bench = true},
};

const pnb_op_suite pnb_suite_copy = {"copy", cases, sizeof cases / sizeof cases[0], build, reference, .flops = NULL};

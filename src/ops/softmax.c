/* Softmax over the last dimension. */
#include "ops/softmax.h"

#include "graph/op.h"
#include "ops/emit.h"
#include "ops/ops.h"
#include "ops/suite.h"

#include <math.h>
#include <string.h>

enum { CPU_LOCAL = 32 };

extern const pnb_op pnb_op_softmax_grad;

/* Bindings are there; `t` is a tensor of the shape of x. */
static pnb_status emit(pnb_lower *l, pnb_dispatch *d, pnb_tensor t) {
    pnb_shape s = pnb_lower_shape(l, t);
    uint32_t length = s.d[s.rank - 1];
    pnb_push_softmax push = {.rows = (uint32_t)(pnb_shape_count(s) / length), .columns = length, .lanes = 1};
    d->spec[0] = pnb_lower_caps(l)->is_cpu ? CPU_LOCAL : PNB_SOFTMAX_MOST;
    while (push.lanes < d->spec[0] && push.lanes * 2 <= length) push.lanes *= 2;
    pnb_emit_push(d, &push, sizeof push);
    pnb_groups_1d(pnb_lower_caps(l), (uint64_t)push.rows * push.lanes, d->spec[0], d->groups);
    return pnb_lower_emit(l, d);
}

static pnb_status lower(pnb_lower *l, const pnb_node *node) {
    pnb_dispatch d = pnb_emit_begin(l, "ops/softmax", "softmax");
    pnb_emit_read(&d, node->in[0], false);
    pnb_emit_write(&d, node->out[0]);
    return emit(l, &d, node->in[0]);
}

static pnb_status grad_lower(pnb_lower *l, const pnb_node *node) {
    pnb_dispatch d = pnb_emit_begin(l, "ops/softmax.grad", "softmax grad");
    pnb_emit_read(&d, node->in[0], false);
    pnb_emit_read(&d, node->in[1], false);
    pnb_emit_write(&d, node->out[0]);
    return emit(l, &d, node->in[0]);
}

static pnb_status vjp(pnb_graph *g, const pnb_node *node, const pnb_tensor *gout, uint32_t want, pnb_tensor *gin) {
    if (!(want & 1u)) return PNB_OK;
    pnb_tensor in[] = {node->out[0], gout[0]};
    pnb_shape shape = pnb_graph_shape(g, node->out[0]);
    return pnb_graph_add(g, &pnb_op_softmax_grad, in, 2, 0, NULL, 0, &shape, 1, &gin[0], 1);
}

const pnb_op pnb_op_softmax = {.name = "softmax", .vjp = vjp, .lower = lower};
const pnb_op pnb_op_softmax_grad = {.name = "softmax_grad", .lower = grad_lower};

pnb_status pnb_softmax(pnb_graph *g, pnb_tensor x, pnb_tensor *y) {
    PNB_TRY(pnb_graph_check(g, "softmax", "x", x));
    pnb_shape shape = pnb_graph_shape(g, x);
    return pnb_graph_add(g, &pnb_op_softmax, &x, 1, 0, NULL, 0, &shape, 1, y, 1);
}

/* ---- cases ------------------------------------------------------------------------------------------------------ */

static pnb_status case_build(pnb_graph *g, const pnb_op_case *c, const pnb_tensor *in, pnb_tensor *out) {
    (void)c;
    return pnb_softmax(g, in[0], out);
}

static void case_reference(const pnb_op_case *c, const double *const *in, double *out) {
    size_t length = c->in[0].d[c->in[0].rank - 1], rows = (size_t)pnb_shape_count(c->in[0]) / length;
    for (size_t r = 0; r < rows; r++) {
        const double *x = in[0] + r * length;
        double most = x[0], sum = 0;
        for (size_t i = 1; i < length; i++) most = x[i] > most ? x[i] : most;
        for (size_t i = 0; i < length; i++) sum += exp(x[i] - most);
        for (size_t i = 0; i < length; i++) out[r * length + i] = exp(x[i] - most) / sum;
    }
}

static const pnb_op_case cases[] = {
    {.name = "[1]", .n_in = 1, .in = {{1, {1, 1, 1, 1}}}},
    {.name = "[3,5]", .n_in = 1, .in = {{2, {3, 5, 1, 1}}}},
    {.name = "[2,3,4,33]", .n_in = 1, .in = {{4, {2, 3, 4, 33}}}},
    {.name = "[7,256] spread by 20, shifted by 1000", .n_in = 1, .in = {{2, {7, 256, 1, 1}}}, .scale = {20}, .shift = {1000}, .forward_tolerance = 1e-4f},
    {.name = "bench [1024,256]", .n_in = 1, .in = {{2, {1024, 256, 1, 1}}}, .bench = true},
};

const pnb_op_suite pnb_suite_softmax = {
    .op = "softmax",
    .cases = cases,
    .count = sizeof cases / sizeof cases[0],
    .build = case_build,
    .reference = case_reference,
};

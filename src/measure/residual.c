/* The residual: plain differences, or one op that divides by each entry's error and lets whole turns of angles pass. */
#include "measure/residual.h"

#include "measure/operator_type.h"
#include "measure/residual_push.h"
#include "ops/emit.h"
#include "ops/ops.h"

#include <math.h>

enum { IN_A, IN_Y, IN_WEIGHTS, IN_GRADIENT };

static pnb_status lower_as(pnb_lower *l, const pnb_node *node, const char *shader) {
    pnb_push_residual push = {.count = pnb_emit_count(l, node->in[IN_A]),
                              .inner = pnb_emit_count(l, node->in[IN_WEIGHTS])};
    pnb_dispatch d = pnb_emit_begin(l, shader, "residual");
    for (uint32_t i = 0; i < node->n_in; i++) pnb_emit_read(&d, node->in[i], false);
    pnb_emit_write(&d, node->out[0]);
    pnb_emit_push(&d, &push, sizeof push);
    pnb_emit_spread(&d, l, push.count);
    return pnb_lower_emit(l, &d);
}

static pnb_status lower(pnb_lower *l, const pnb_node *node) {
    return lower_as(l, node, "measure/residual");
}

static pnb_status grad_lower(pnb_lower *l, const pnb_node *node) {
    return lower_as(l, node, "measure/residual.grad");
}

static const pnb_op op_grad = {.name = "residual_grad", .lower = grad_lower};

static pnb_status vjp(pnb_graph *g, const pnb_node *node, const pnb_tensor *gout, uint32_t want, pnb_tensor *gin) {
    if (!(want & 1u << IN_A) || gout[0] == PNB_NONE) return PNB_OK;
    const pnb_tensor in[4] = {node->in[IN_A], node->in[IN_Y], node->in[IN_WEIGHTS], gout[0]};
    pnb_shape shape = pnb_graph_shape(g, node->in[IN_A]);
    return pnb_graph_add(g, &op_grad, in, 4, 0, NULL, 0, &shape, 1, &gin[IN_A], 1);
}

static const pnb_op op_residual = {.name = "residual", .vjp = vjp, .lower = lower};

pnb_status pnb_operator_residual(pnb_operator *op, pnb_graph *g, pnb_tensor ax, pnb_tensor y, pnb_tensor *r) {
    const pnb_operator *last = pnb_operator_last(op);
    if (last->weights < 0) return pnb_sub(g, ax, y, r);
    pnb_tensor in[3] = {ax, y, PNB_NONE};
    PNB_TRY(pnb_graph_bind(g, last->constants[last->weights].storage, &in[IN_WEIGHTS]));
    pnb_shape shape = pnb_graph_shape(g, ax);
    return pnb_graph_add(g, &op_residual, in, 3, 0, NULL, 0, &shape, 1, r, 1);
}

void pnb_operator_residual_host(const pnb_operator *op, uint32_t n, const float *ax, const float *y, float *r) {
    uint64_t m = pnb_shape_count(pnb_operator_measurement_shape(op));
    const float *w = pnb_operator_weights(op);
    for (uint64_t i = 0; i < n * m; i++) {
        double d = (double)ax[i] - y[i % m], weight = w ? w[i % m] : 1;
        r[i] = (float)(weight < 0 ? -2 * weight * sin(0.5 * d) : weight * d);
    }
}

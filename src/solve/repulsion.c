/* Repulsion by a kernel of adapted width: distances from the Gram matrix of the centred particles, one small kernel for
 * median and weights (shaders/solve/repulsion.comp), and a product with the particles. */
#include "solve/repulsion.h"

#include "graph/op.h"
#include "ops/emit.h"
#include "ops/ops.h"

#include "solve/repulsion_push.h"

#include <math.h>

static pnb_status lower(pnb_lower *l, const pnb_node *node) {
    const pnb_push_repulsion *push = (const pnb_push_repulsion *)(const void *)node->attr;
    pnb_dispatch d = pnb_emit_begin(l, "solve/repulsion", NULL);
    pnb_emit_read(&d, node->in[0], false);
    pnb_emit_write(&d, node->out[0]);
    pnb_emit_push(&d, push, sizeof *push);
    pnb_groups_1d(pnb_lower_caps(l), push->count, d.spec[0], d.groups);
    return pnb_lower_emit(l, &d);
}

static const pnb_op op_repulsion = {.name = "repulsion", .lower = lower};

/* Less their mean: distances of close particles come from small numbers then. */
static pnb_status centre(pnb_graph *g, pnb_tensor rows, uint32_t k, pnb_tensor *out) {
    pnb_tensor mean, ones, all;
    PNB_TRY(pnb_reduce_dim0(g, PNB_MEAN, rows, &mean));
    PNB_TRY(pnb_constant(g, pnb_shape2(k, 1), 1, &ones));
    PNB_TRY(pnb_matmul(g, ones, mean, false, false, 1, &all));
    return pnb_sub(g, rows, all, out);
}

pnb_status pnb_repulsion(pnb_graph *g, pnb_tensor x, pnb_tensor *rep) {
    PNB_TRY(pnb_graph_check(g, "repulsion", "x", x));
    pnb_shape shape = pnb_graph_shape(g, x);
    uint32_t k = shape.d[0];
    if (k < 2 || k > PNB_REPULSION_MOST) {
        return pnb_fail(pnb_graph_error(g), PNB_ERROR_INPUT, "repulsion: expects 2 to %d particles, found %u",
                        PNB_REPULSION_MOST, k);
    }
    pnb_push_repulsion push = {k, (float)log(k > 2 ? k - 1 : k)};
    pnb_shape square = pnb_shape2(k, k);
    pnb_tensor rows, gram, matrix;
    PNB_TRY(pnb_graph_reshape(g, x, pnb_shape2(k, (uint32_t)(pnb_shape_count(shape) / k)), &rows));
    PNB_TRY(centre(g, rows, k, &rows));
    PNB_TRY(pnb_matmul(g, rows, rows, false, true, 1, &gram));
    PNB_TRY(pnb_graph_add(g, &op_repulsion, &gram, 1, 0, &push, sizeof push, &square, 1, &matrix, 1));
    PNB_TRY(pnb_matmul(g, matrix, rows, false, false, 1, rep));
    return pnb_graph_reshape(g, *rep, shape, rep);
}

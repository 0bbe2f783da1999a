/* Advancing and reading the step state: two ops of one small dispatch each. */
#include "solve/step_state.h"

#include "graph/op.h"
#include "ops/emit.h"

#include "solve/spread.h"
#include "solve/step_state_push.h"

#include <string.h>

static pnb_status lower_advance(pnb_lower *l, const pnb_node *node) {
    pnb_dispatch d = pnb_emit_begin(l, "solve/step_state", NULL);
    d.spec[0] = 1;
    pnb_emit_update(&d, node->in[0]);
    pnb_emit_read(&d, node->in[1], false);
    pnb_emit_push(&d, node->attr, sizeof(pnb_push_step_state));
    pnb_groups_1d(pnb_lower_caps(l), 1, 1, d.groups);
    return pnb_lower_emit(l, &d);
}

static const pnb_op op_step_state = {.name = "step_state", .lower = lower_advance, .impure = true};

pnb_status pnb_step_state_advance(pnb_graph *g, pnb_tensor state, pnb_tensor table, pnb_advance a) {
    PNB_TRY(pnb_graph_check(g, "step_state", "state", state));
    PNB_TRY(pnb_graph_check(g, "step_state", "table", table));
    pnb_push_step_state push = {a.flags, pnb_graph_shape(g, table).d[0], a.beta1, a.beta2, a.aux_beta1, a.aux_beta2};
    pnb_tensor in[2] = {state, table};
    return pnb_graph_add(g, &op_step_state, in, 2, 1u, &push, sizeof push, NULL, 0, NULL, 0);
}

static pnb_status lower_spread(pnb_lower *l, const pnb_node *node) {
    pnb_dispatch d = pnb_emit_begin(l, "solve/spread", NULL);
    pnb_emit_read(&d, node->in[0], false);
    pnb_emit_write(&d, node->out[0]);
    pnb_emit_push(&d, node->attr, sizeof(pnb_push_spread));
    pnb_groups_1d(pnb_lower_caps(l), pnb_emit_count(l, node->out[0]), d.spec[0], d.groups);
    return pnb_lower_emit(l, &d);
}

static const pnb_op op_spread = {.name = "spread", .lower = lower_spread};

pnb_status pnb_spread(pnb_graph *g, pnb_tensor state, uint32_t index, uint32_t n, pnb_tensor *y) {
    PNB_TRY(pnb_graph_check(g, "spread", "state", state));
    pnb_push_spread push = {n, index};
    pnb_shape shape = pnb_shape1(n);
    return pnb_graph_add(g, &op_spread, &state, 1, 0, &push, sizeof push, &shape, 1, y, 1);
}

void pnb_step_state_initial(float *values) {
    memset(values, 0, PNB_STATE_SIZE * sizeof *values);
    for (int i = 0; i < 4; i++) values[PNB_STATE_POWERS + i] = 1;
}

/* Drawing noise levels on the device, and the table of the schedule that it reads. */
#include "solve/step_state.h"

#include "graph/op.h"
#include "ops/emit.h"

#include "solve/draw_levels.h"

#include <stdlib.h>

static pnb_status lower_levels(pnb_lower *l, const pnb_node *node) {
    pnb_dispatch d = pnb_emit_begin(l, "solve/draw_levels", NULL);
    for (uint32_t i = 0; i < node->n_in; i++) pnb_emit_read(&d, node->in[i], false);
    for (uint32_t i = 0; i < node->n_out; i++) pnb_emit_write(&d, node->out[i]);
    pnb_emit_push(&d, node->attr, sizeof(pnb_push_draw_levels));
    pnb_groups_1d(pnb_lower_caps(l), pnb_emit_count(l, node->out[0]), d.spec[0], d.groups);
    return pnb_lower_emit(l, &d);
}

static const pnb_op op_draw_levels = {.name = "draw_levels", .lower = lower_levels, .impure = true};

pnb_status pnb_draw_levels(pnb_graph *g, pnb_tensor state, pnb_tensor schedule, pnb_level_params q, pnb_levels *out) {
    PNB_TRY(pnb_graph_check(g, "draw_levels", "state", state));
    PNB_TRY(pnb_graph_check(g, "draw_levels", "schedule", schedule));
    pnb_push_draw_levels push = {.count = q.count,
                                 .group = q.group ? q.group : q.count,
                                 .table_size = pnb_graph_shape(g, schedule).d[0],
                                 .stream = q.stream,
                                 .seed_low = (uint32_t)q.seed,
                                 .seed_high = (uint32_t)(q.seed >> 32),
                                 .uniform_t = (uint32_t)q.sampling,
                                 .constant = q.constant_weight,
                                 .weight = q.weight};
    pnb_tensor in[2] = {state, schedule}, t[5];
    pnb_shape s = pnb_shape1(q.count), shapes[5] = {s, s, s, s, s};
    PNB_TRY(pnb_graph_add(g, &op_draw_levels, in, 2, 0, &push, sizeof push, shapes, 5, t, 5));
    *out = (pnb_levels){{t[0], t[1], t[2]}, t[3], t[4]};
    return PNB_OK;
}

pnb_status pnb_schedule_table_add(pnb_store *store, const pnb_schedule *schedule, pnb_storage **out) {
    return pnb_store_add(store, "schedule", pnb_shape2(schedule->steps, 4), PNB_STORAGE_FROZEN, out);
}

pnb_status pnb_schedule_table_write(pnb_storage *s, pnb_gpu *gpu, const pnb_schedule *schedule, pnb_error *err) {
    float *rows = calloc(schedule->steps, 4 * sizeof *rows);
    if (!rows) return pnb_fail(err, PNB_ERROR_OUT_OF_MEMORY, "no host memory for the noise schedule");
    for (uint32_t t = 0; t < schedule->steps; t++) {
        rows[4 * t] = (float)schedule->alpha[t];
        rows[4 * t + 1] = (float)schedule->sigma[t];
        rows[4 * t + 2] = (float)schedule->lambda[t];
        rows[4 * t + 3] = (float)pnb_schedule_time(schedule, t);
    }
    pnb_status status = pnb_storage_write(s, gpu, rows, 4ull * schedule->steps);
    free(rows);
    return status;
}

/* Drawing noise levels on the device, and the table of the schedule that it reads. */
#include "solve/step_state.h"

#include "graph/op.h"

#include "solve/draw_levels.h"

#include <stdlib.h>
#include <string.h>

static pnb_status lower_levels(pnb_lower *l, const pnb_node *node) {
    const pnb_gpu_caps *caps = pnb_lower_caps(l);
    pnb_dispatch d = {.shader = "solve/draw_levels", .n_bind = 7, .n_spec = 1};
    for (uint32_t i = 0; i < 7; i++) {
        d.bind[i].tensor = i < 2 ? node->in[i] : node->out[i - 2];
        d.bind[i].access = i < 2 ? PNB_READ : PNB_WRITE;
    }
    d.push_bytes = sizeof(pnb_push_draw_levels);
    memcpy(d.push, node->attr, d.push_bytes);
    d.spec[0] = pnb_local_size(caps);
    pnb_groups_1d(caps, pnb_shape_count(pnb_lower_shape(l, node->out[0])), d.spec[0], d.groups);
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
                                 .weight = q.weight,
                                 .t_scale = 1};
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
    }
    pnb_status status = pnb_storage_write(s, gpu, rows, 4ull * schedule->steps);
    free(rows);
    return status;
}

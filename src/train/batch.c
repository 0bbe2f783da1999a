/* Batches of training images: gathering, mirroring and zoom in one kernel, a dispatch for each part of the data. */
#include "train/batch.h"

#include "graph/op.h"
#include "ops/emit.h"

#include "train/batch_push.h"

static pnb_status lower(pnb_lower *l, const pnb_node *node) {
    pnb_dispatch d = pnb_emit_begin(l, "train/batch", NULL);
    pnb_emit_read(&d, node->in[0], false);
    pnb_emit_read(&d, node->in[1], false);
    pnb_emit_update(&d, node->in[2]);
    pnb_emit_push(&d, node->attr, sizeof(pnb_push_batch));
    pnb_emit_spread(&d, l, pnb_emit_count(l, node->in[2]));
    return pnb_lower_emit(l, &d);
}

static const pnb_op op_batch = {.name = "batch", .lower = lower, .impure = true};

pnb_status pnb_batch_draw(pnb_graph *g, pnb_tensor state, const pnb_tensor *parts, size_t n_parts, pnb_batch q,
                          pnb_tensor batch) {
    PNB_TRY(pnb_graph_check(g, "batch", "state", state));
    PNB_TRY(pnb_graph_check(g, "batch", "batch", batch));
    pnb_shape s = pnb_graph_shape(g, batch);
    pnb_push_batch push = {.count = s.d[0],
                           .channels = s.d[1],
                           .height = s.d[2],
                           .width = s.d[3],
                           .stream = q.stream,
                           .seed_low = (uint32_t)q.seed,
                           .seed_high = (uint32_t)(q.seed >> 32),
                           .flags = q.flags,
                           .zoom_low = q.zoom_low,
                           .zoom_high = q.zoom_high};
    for (size_t i = 0; i < n_parts; i++) {
        PNB_TRY(pnb_graph_check(g, "batch", "data", parts[i]));
        push.all += pnb_graph_shape(g, parts[i]).d[0];
    }
    for (size_t i = 0; i < n_parts; i++) {
        pnb_tensor in[3] = {state, parts[i], batch};
        push.here = pnb_graph_shape(g, parts[i]).d[0];
        PNB_TRY(pnb_graph_add(g, &op_batch, in, 3, 1u << 2, &push, sizeof push, NULL, 0, NULL, 0));
        push.first += push.here;
    }
    return PNB_OK;
}

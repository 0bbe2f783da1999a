/* A table of numbers for each step and singular value, and how a program reads its row. */
#include "solve/spectral.h"

#include "ops/ops.h"

#include <stdlib.h>

pnb_status pnb_spectral_describe(pnb_solver *s, uint32_t kinds, uint32_t first, uint32_t steps, pnb_spectral *t) {
    *t = (pnb_spectral){.kinds = kinds, .first = first};
    t->singular = pnb_operator_spectrum(s->task.op, &t->count);
    if (!t->singular) return PNB_OK;
    pnb_shape shape = pnb_shape2(steps, kinds * t->count);
    t->values = calloc(pnb_shape_count(shape), sizeof *t->values);
    if (!t->values) return pnb_fail(s->err, PNB_ERROR_OUT_OF_MEMORY, "%s: no host memory for its table", s->method);
    return pnb_store_add(s->store, "spectral", shape, PNB_STORAGE_FROZEN, &t->table);
}

pnb_status pnb_spectral_write(pnb_solver *s, pnb_spectral *t) {
    if (!t->table) return PNB_OK;
    uint64_t count = pnb_shape_count(pnb_storage_shape(t->table));
    pnb_status status =
        s->task.plan_only ? PNB_OK : pnb_storage_write(t->table, s->task.gpu, t->values, count);
    pnb_spectral_finish(t);
    return status;
}

void pnb_spectral_finish(pnb_spectral *t) {
    free(t->values);
    t->values = NULL;
}

pnb_status pnb_spectral_times(const pnb_solver *s, pnb_graph *g, const pnb_spectral *t, pnb_tensor state, uint32_t kind,
                              pnb_tensor c, pnb_tensor *out) {
    pnb_tensor table, step, by;
    PNB_TRY(pnb_graph_bind(g, t->table, &table));
    PNB_TRY(pnb_solver_column(s, g, state, PNB_ROW_STEP, &step));
    if (t->first) PNB_TRY(pnb_affine(g, step, 1, -(float)t->first, &step));
    PNB_TRY(pnb_lookup(g, table, step, &by));
    if (t->kinds > 1) PNB_TRY(pnb_slice(g, by, 1, kind * t->count, t->count, &by));
    PNB_TRY(pnb_graph_reshape(g, by, t->count > 1 ? pnb_graph_shape(g, c) : pnb_shape1(s->particles), &by));
    return pnb_mul(g, c, by, out);
}

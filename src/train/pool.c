/* Parts of at most PART_BYTES, written once, and gathered by batch.c. */
#include "train/pool.h"

#include "base/hash.h"

#include <stdio.h>
#include <stdlib.h>

enum { PART_BYTES = 64 << 20, NAME_SIZE = 48 };

pnb_status pnb_pool_describe(pnb_error *err, pnb_store *store, const char *name, uint32_t n, pnb_shape item,
                             uint32_t batch, pnb_pool *p) {
    const uint32_t *d = item.d;
    uint64_t per_part = PART_BYTES / 4 / pnb_shape_count(item);
    char full[NAME_SIZE];
    if (per_part == 0) per_part = 1;
    *p = (pnb_pool){.n = n, .parts = calloc((n + per_part - 1) / per_part, sizeof(pnb_storage *))};
    if (!p->parts) return pnb_fail(err, PNB_ERROR_OUT_OF_MEMORY, "train: no host memory for a list");
    for (uint64_t first = 0; first < n; first += per_part) {
        uint32_t here = (uint32_t)(n - first < per_part ? n - first : per_part);
        snprintf(full, sizeof full, "%.20s.images.%zu", name, p->n_parts);
        PNB_TRY(
            pnb_store_add(store, full, pnb_shape4(here, d[0], d[1], d[2]), PNB_STORAGE_FROZEN, &p->parts[p->n_parts]));
        p->n_parts++;
    }
    snprintf(full, sizeof full, "%.20s.batch", name);
    return pnb_store_add(store, full, pnb_shape4(batch, d[0], d[1], d[2]), PNB_STORAGE_VARIABLE, &p->batch);
}

pnb_status pnb_pool_write(const pnb_pool *p, pnb_gpu *gpu, const float *data, uint64_t *hash) {
    for (size_t i = 0; i < p->n_parts; i++) {
        uint64_t count = pnb_shape_count(pnb_storage_shape(p->parts[i]));
        PNB_TRY(pnb_storage_write(p->parts[i], gpu, data, count));
        *hash = pnb_hash_floats(*hash, data, count);
        data += count;
    }
    return PNB_OK;
}

static pnb_status draw(const pnb_pool *p, pnb_graph *g, pnb_tensor state, pnb_batch q, pnb_tensor *parts,
                       pnb_tensor out) {
    for (size_t i = 0; i < p->n_parts; i++) PNB_TRY(pnb_graph_bind(g, p->parts[i], &parts[i]));
    return pnb_batch_draw(g, state, parts, p->n_parts, q, out);
}

pnb_status pnb_pool_draw(const pnb_pool *p, pnb_graph *g, pnb_tensor state, pnb_batch q, pnb_tensor *out) {
    pnb_tensor *parts = malloc((p->n_parts ? p->n_parts : 1) * sizeof *parts);
    if (!parts) return pnb_fail(pnb_graph_error(g), PNB_ERROR_OUT_OF_MEMORY, "train: no host memory for a list");
    pnb_status status = pnb_graph_bind(g, p->batch, out);
    if (status == PNB_OK) status = draw(p, g, state, q, parts, *out);
    free(parts);
    return status;
}

void pnb_pool_finish(pnb_pool *p) {
    free(p->parts);
    *p = (pnb_pool){0};
}

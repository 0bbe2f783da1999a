/* Parameters of a network: described and filled on the host, then committed to the device. */
#include "prior/weights.h"

#include "base/hash.h"

#include <stdlib.h>
#include <string.h>

pnb_status pnb_weights_init(pnb_error *err, const char *name, pnb_weights *out) {
    memset(out, 0, sizeof *out);
    out->err = err;
    return pnb_store_create(err, name, &out->store);
}

static void free_values(pnb_weights *w) {
    for (size_t i = 0; w->values && i < w->count; i++) free(w->values[i]);
    free(w->values);
    w->values = NULL;
}

void pnb_weights_finish(pnb_weights *w, pnb_gpu *gpu) {
    if (!w) return;
    free_values(w);
    if (w->store) pnb_store_destroy(&w->store, gpu);
    memset(w, 0, sizeof *w);
}

pnb_status pnb_weights_add(pnb_weights *w, const char *name, pnb_shape shape, pnb_storage_kind kind, float **values) {
    if (w->count == w->room) {
        size_t room = w->room ? 2 * w->room : 64;
        float **grown = realloc(w->values, room * sizeof *grown);
        if (!grown) return pnb_fail(w->err, PNB_ERROR_OUT_OF_MEMORY, "weights: no memory for tensor '%s'", name);
        w->values = grown;
        w->room = room;
    }
    float *data = calloc(pnb_shape_count(shape), sizeof *data);
    if (!data) return pnb_fail(w->err, PNB_ERROR_OUT_OF_MEMORY, "weights: no memory for tensor '%s'", name);
    pnb_storage *storage = NULL;
    pnb_status status = pnb_store_add(w->store, name, shape, kind, &storage);
    if (status != PNB_OK) {
        free(data);
        return status;
    }
    w->values[w->count++] = data;
    *values = data;
    return PNB_OK;
}

/* The same tensors in a store of their own. */
static pnb_status copy_store(const pnb_weights *w, pnb_store *to) {
    pnb_storage **parts = malloc((w->count ? w->count : 1) * sizeof *parts);
    pnb_status status = PNB_OK;
    if (!parts) return pnb_fail(w->err, PNB_ERROR_OUT_OF_MEMORY, "weights: no memory for %zu tensors", w->count);
    for (size_t i = 0; i < w->count && status == PNB_OK; i++) {
        const pnb_storage *s = pnb_store_at(w->store, i);
        status = pnb_store_add(to, pnb_storage_name(s), pnb_storage_shape(s), PNB_STORAGE_VARIABLE, &parts[i]);
    }
    if (status == PNB_OK) status = pnb_store_group(to, parts, w->count);
    free(parts);
    return status;
}

pnb_status pnb_weights_make_variable(pnb_weights *w) {
    pnb_store *store;
    if (w->committed) return pnb_fail(w->err, PNB_ERROR_USAGE, "weights: they are on the device already");
    PNB_TRY(pnb_store_create(w->err, "weights", &store));
    pnb_status status = copy_store(w, store);
    if (status == PNB_OK) {
        pnb_store *old = w->store;
        w->store = store;
        store = old;
    }
    pnb_store_destroy(&store, NULL);
    return status;
}

pnb_status pnb_weights_fetch(const pnb_weights *from, pnb_gpu *gpu, pnb_weights *to) {
    for (size_t i = 0; i < from->count; i++) {
        pnb_storage *s = pnb_store_at(from->store, i);
        uint64_t count = pnb_shape_count(pnb_storage_shape(s));
        if (from->committed)
            PNB_TRY(pnb_storage_read(s, gpu, to->values[i], count));
        else
            memcpy(to->values[i], from->values[i], count * sizeof(float));
    }
    return PNB_OK;
}

pnb_status pnb_weights_commit(pnb_weights *w, pnb_gpu *gpu) {
    if (w->committed) return pnb_fail(w->err, PNB_ERROR_USAGE, "weights: they are on the device already");
    PNB_TRY(pnb_store_commit(w->store, gpu));
    w->hash = PNB_HASH_START;
    for (size_t i = 0; i < w->count; i++) {
        pnb_storage *s = pnb_store_at(w->store, i);
        uint64_t count = pnb_shape_count(pnb_storage_shape(s));
        PNB_TRY(pnb_storage_write(s, gpu, w->values[i], count));
        w->hash = pnb_hash_floats(w->hash, w->values[i], count);
    }
    free_values(w);
    w->committed = true;
    return PNB_OK;
}

uint64_t pnb_weights_elements(const pnb_weights *w) {
    uint64_t sum = 0;
    for (size_t i = 0; i < w->count; i++) sum += pnb_shape_count(pnb_storage_shape(pnb_store_at(w->store, i)));
    return sum;
}

pnb_status pnb_weights_bind(const pnb_weights *w, pnb_graph *g, const char *name, pnb_tensor *out) {
    pnb_storage *s = pnb_store_find(w->store, name);
    if (!s) return pnb_fail(pnb_graph_error(g), PNB_ERROR_INTERNAL, "network: there is no parameter '%s'", name);
    return pnb_graph_bind(g, s, out);
}

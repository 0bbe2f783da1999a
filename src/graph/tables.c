/* Tables of a graph: small constants that ops make on the host in double (twiddles, transfer functions). A graph and the programs
 * made of it share them, and the last of these to go frees them, since programs outlive their graph. */
#include "graph/internal.h"

#include <stdlib.h>
#include <string.h>

typedef struct pnb_table {
    pnb_storage *storage;
    float *values; /* owned; NULL once they are on the device */
} pnb_table;

struct pnb_tables {
    uint32_t holders;
    pnb_gpu *gpu; /* that holds them; NULL before the first program */
    pnb_store *store;
    pnb_table *list;
    size_t count, capacity;
};

void pnb_tables_release(pnb_tables *t) {
    if (!t || --t->holders > 0) return;
    for (size_t i = 0; i < t->count; i++) free(t->list[i].values);
    free(t->list);
    pnb_store_destroy(&t->store, t->gpu);
    free(t);
}

static pnb_status make_tables(pnb_graph *g) {
    if (g->tables) return PNB_OK;
    pnb_tables *t = calloc(1, sizeof *t);
    if (!t) return pnb_fail(g->err, PNB_ERROR_OUT_OF_MEMORY, "graph '%s': out of host memory", g->name);
    t->holders = 1;
    pnb_status status = pnb_store_create(g->err, "tables", &t->store);
    if (status != PNB_OK) free(t);
    else g->tables = t;
    return status;
}

pnb_status pnb_graph_table(pnb_graph *g, const char *name, pnb_shape shape, void (*fill)(const void *user, float *values),
                           const void *user, pnb_tensor *out) {
    *out = PNB_NONE;
    PNB_TRY(make_tables(g));
    pnb_tables *t = g->tables;
    pnb_storage *storage = pnb_store_find(t->store, name);
    if (storage) return pnb_graph_bind(g, storage, out);
    PNB_TRY(pnb_reserve(g->err, &t->list, &t->capacity, t->count + 1, sizeof *t->list));
    PNB_TRY(pnb_store_add(t->store, name, shape, PNB_STORAGE_FROZEN, &storage));
    float *values = calloc(pnb_shape_count(shape), sizeof *values);
    t->list[t->count++] = (pnb_table){storage, values};
    if (!values) return pnb_fail(g->err, PNB_ERROR_OUT_OF_MEMORY, "graph '%s': out of host memory for the table %s", g->name, name);
    fill(user, values);
    return pnb_graph_bind(g, storage, out);
}

bool pnb_tables_has(const pnb_graph *g, const pnb_storage *s) {
    return g->tables && pnb_store_find(g->tables->store, pnb_storage_name(s)) == s;
}

pnb_status pnb_tables_commit(pnb_graph *g, pnb_gpu *gpu, pnb_tables **held) {
    pnb_tables *t = g->tables;
    if (!t) return PNB_OK;
    if (t->gpu && t->gpu != gpu) {
        return pnb_fail(g->err, PNB_ERROR_USAGE, "graph '%s': its tables lie on another device already", g->name);
    }
    t->gpu = gpu;
    PNB_TRY(pnb_store_commit(t->store, gpu));
    for (size_t i = 0; i < t->count; i++) {
        pnb_table *table = &t->list[i];
        if (!table->values) continue;
        PNB_TRY(pnb_storage_write(table->storage, gpu, table->values, pnb_shape_count(pnb_storage_shape(table->storage))));
        free(table->values);
        table->values = NULL;
    }
    t->holders++;
    *held = t;
    return PNB_OK;
}

/* A network's parameters on their way to the device: a store, and host values beside it until commit. */
#ifndef PNB_PRIOR_WEIGHTS_H
#define PNB_PRIOR_WEIGHTS_H

#include "graph/graph.h"

/* Plain memory: init, use, finish. */
typedef struct pnb_weights {
    pnb_error *err;
    pnb_store *store;
    float **values; /* in the store's order, owned; NULL after commit */
    size_t count, room;
    uint64_t hash; /* of all values, after commit */
    bool committed;
} pnb_weights;

pnb_status pnb_weights_init(pnb_error *err, const char *name, pnb_weights *out);
void pnb_weights_finish(pnb_weights *w, pnb_gpu *gpu); /* accepts an all-zero struct */
/* Describe a tensor; *values are its zeroed host values, to be filled before commit. */
pnb_status pnb_weights_add(pnb_weights *w, const char *name, pnb_shape shape, pnb_storage_kind kind, float **values);
/* Before commit: all tensors become VARIABLE and one group (pnb_store_group). */
pnb_status pnb_weights_make_variable(pnb_weights *w);
/* Before commit of `to`, whose first tensors are those of `from`: their values, from the device where they are there. */
pnb_status pnb_weights_fetch(const pnb_weights *from, pnb_gpu *gpu, pnb_weights *to);
/* Device memory, upload, and the host values are freed. Once; a second call is PNB_ERROR_USAGE. */
pnb_status pnb_weights_commit(pnb_weights *w, pnb_gpu *gpu);
uint64_t pnb_weights_elements(const pnb_weights *w);
/* Bind a tensor by name; an unknown one is PNB_ERROR_INTERNAL. */
pnb_status pnb_weights_bind(const pnb_weights *w, pnb_graph *g, const char *name, pnb_tensor *out);

#endif

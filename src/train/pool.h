/* Training data in device memory, in parts that every device can bind, and the batch that is drawn of them. */
#ifndef PNB_TRAIN_POOL_H
#define PNB_TRAIN_POOL_H

#include "train/batch.h"

/* Plain memory: describe, use, finish. */
typedef struct pnb_pool {
    pnb_storage **parts; /* [here,C,H,W] each; the list is owned, the tensors are the store's */
    size_t n_parts;
    uint32_t n; /* items of all parts; 0: nothing was described */
    pnb_storage *batch;
} pnb_pool;

/* n items [C,H,W] and a batch of `batch`, in tensors "<name>.images.0", ... and "<name>.batch" of the store. */
pnb_status pnb_pool_describe(pnb_error *err, pnb_store *store, const char *name, uint32_t n, pnb_shape item,
                             uint32_t batch, pnb_pool *pool);
/* After the store's commit: data [n,C,H,W], which is mixed into the hash. */
pnb_status pnb_pool_write(const pnb_pool *pool, pnb_gpu *gpu, const float *data, uint64_t *hash);
/* A batch, drawn as batch.h has it: [batch,C,H,W]. */
pnb_status pnb_pool_draw(const pnb_pool *pool, pnb_graph *g, pnb_tensor state, pnb_batch params, pnb_tensor *out);
void pnb_pool_finish(pnb_pool *pool);

#endif

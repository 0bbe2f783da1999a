/* The op that makes a batch of training images on the device. */
#ifndef PNB_TRAIN_BATCH_H
#define PNB_TRAIN_BATCH_H

#include "graph/graph.h"

typedef struct pnb_batch {
    uint64_t seed;
    uint32_t stream, flags; /* flags: PNB_BATCH_... of shaders/train/batch_push.h */
    float zoom_low, zoom_high;
} pnb_batch;

/* Writes `batch` [n,C,H,W], a VARIABLE storage, with images of the parts [here,C,H,W], drawn by the step state's draw
 * counter. No derivative. */
pnb_status pnb_batch_draw(pnb_graph *g, pnb_tensor state, const pnb_tensor *parts, size_t n_parts, pnb_batch params,
                          pnb_tensor batch);

#endif

/* What upsample.c and pool.c know of each other: each is the transpose of the other, up to a factor. */
#ifndef PNB_OPS_RESAMPLE_H
#define PNB_OPS_RESAMPLE_H

#include "graph/graph.h"

/* y[n,c,i,j] = scale * x[n,c,i/factor,j/factor] */
pnb_status pnb_upsample_scaled(pnb_graph *g, pnb_tensor x, uint32_t factor, float scale, pnb_tensor *y);
/* y[n,c,i,j] = scale * sum of the factor x factor block of x */
pnb_status pnb_pool_scaled(pnb_graph *g, pnb_tensor x, uint32_t factor, float scale, pnb_tensor *y);

#endif

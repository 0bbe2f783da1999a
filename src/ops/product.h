/* The matrix product with a bias, for the ops that are one: linear and 1x1 convolutions. */
#ifndef PNB_OPS_PRODUCT_H
#define PNB_OPS_PRODUCT_H

#include "graph/graph.h"

typedef enum pnb_matmul_side { PNB_MATMUL_ROW, PNB_MATMUL_COLUMN } pnb_matmul_side;

/* As pnb_matmul, plus bias[m] (side ROW, shape [M]) or bias[n] (COLUMN, shape [N]); bias PNB_NONE: none. */
pnb_status pnb_matmul_bias(pnb_graph *g, pnb_tensor a, pnb_tensor b, bool trans_a, bool trans_b, float scale, pnb_tensor bias,
                           pnb_matmul_side side, pnb_tensor *c);

/* reduce.c: the tensor whose rows' sums t is, as pnb_reduce_rows(PNB_SUM) made it (reshaped or not); PNB_NONE: t is no such thing. */
pnb_tensor pnb_row_summands(const pnb_graph *g, pnb_tensor t);

#endif

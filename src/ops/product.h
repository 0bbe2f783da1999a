/* Matrix products for the ops that are made of them: with a bias (linear, 1x1 convolutions), and of packed panels. */
#ifndef PNB_OPS_PRODUCT_H
#define PNB_OPS_PRODUCT_H

#include "graph/op.h"

typedef enum pnb_matmul_side { PNB_MATMUL_ROW, PNB_MATMUL_COLUMN } pnb_matmul_side;

/* As pnb_matmul, plus bias[m] (side ROW, shape [M]) or bias[n] (COLUMN, shape [N]); bias PNB_NONE: none. */
pnb_status pnb_matmul_bias(pnb_graph *g, pnb_tensor a, pnb_tensor b, bool trans_a, bool trans_b, float scale, pnb_tensor bias,
                           pnb_matmul_side side, pnb_tensor *c);

/* reduce.c: the tensor whose rows' sums t is, as pnb_reduce_rows(PNB_SUM) made it (reshaped or not); PNB_NONE: t is no such thing. */
pnb_tensor pnb_row_summands(const pnb_graph *g, pnb_tensor t);

/* m[place] = u[place] v[place] over packed panels (conv2d_winograd.c; layouts: shaders/ops/conv2d_winograd.h): one dispatch. */
typedef struct pnb_panel_product {
    pnb_tensor u, v, m;
    const char *label;
    uint32_t places, depth, blocks, panels; /* depth: a multiple of PNB_WINOGRAD_DEPTH */
} pnb_panel_product;
pnb_status pnb_emit_panel_product(pnb_lower *l, const pnb_panel_product *p);

#endif

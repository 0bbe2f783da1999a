/* Convolutions of any kernel and stride as products of packed panels: the steps of conv2d.c and conv2d_weight_grad.c.
 *
 * Forward, in chunks of scratch that lies in a cache: columns, product, result. Input gradient: product of the output's
 * gradient with the weights, whose rows are then added up. Weight gradient: product of the output's gradient with
 * columns. */
#ifndef PNB_OPS_CONV2D_COLUMNS_H
#define PNB_OPS_CONV2D_COLUMNS_H

#include "graph/op.h"
#include "ops/conv2d_sizes.h"

/* The way that pays for this convolution on the graph's device, by shape; pass: "", "_input_grad" or "_weight_grad"
 * (for the key). */
bool pnb_columns_chosen(pnb_graph *g, const char *pass, const pnb_push_conv2d *p);

/* Weights [O,C,kh,kw] packed for the forward, or for the input gradient. */
pnb_status pnb_columns_pack(pnb_graph *g, pnb_tensor weight, bool input_grad, pnb_tensor *packed);

/* Shapes of a node's two scratch tensors. */
void pnb_columns_scratch(const pnb_push_conv2d *p, bool input_grad, pnb_shape out[2]);

typedef struct pnb_columns_node {
    pnb_tensor from, packed, bias; /* x, or gy; bias: PNB_NONE for none */
    pnb_tensor to, scratch[2];     /* y, or gx */
} pnb_columns_node;
pnb_status pnb_columns_forward(pnb_lower *l, const pnb_push_conv2d *p, const pnb_columns_node *n);
pnb_status pnb_columns_input_grad(pnb_lower *l, const pnb_push_conv2d *p, const pnb_columns_node *n);

/* Weight gradient: the columns of x, or the output's gradient as columns of a 1x1 kernel, as panels of 8 rows. */
pnb_status pnb_columns_rows(pnb_graph *g, pnb_tensor t, const pnb_push_conv2d *p, bool of_gy, pnb_tensor *out);

#endif

/* The matrix product on a GPU's matrix units, for graphs that store as 16-bit floats; read by matmul.c. */
#ifndef PNB_OPS_MATMUL_COOPERATIVE_H
#define PNB_OPS_MATMUL_COOPERATIVE_H

#include "graph/op.h"
#include "ops/matmul.h"

/* Whether the graph narrows, the device has matrices that fit this product, and both operands may be stored as 16-bit floats. */
bool pnb_matmul_cooperative_fits(const pnb_graph *g, const pnb_push_matmul *p, pnb_tensor a, pnb_tensor b);

typedef struct pnb_matmul_operands {
    pnb_tensor a, b; /* stored as 16-bit floats */
    pnb_tensor bias, c;
} pnb_matmul_operands;
/* Emits the kernel; bias: bound, and read where p->bias_kind says so. */
pnb_status pnb_matmul_cooperative_emit(pnb_lower *l, const pnb_push_matmul *p, pnb_matmul_operands t);

#endif

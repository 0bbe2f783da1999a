/* Matrix products by quads of lanes, for software drivers with small subgroups; read by matmul.c. Why: shaders/ops/matmul_quad.comp. */
#ifndef PNB_OPS_MATMUL_QUAD_H
#define PNB_OPS_MATMUL_QUAD_H

#include "graph/op.h"
#include "ops/matmul.h"

typedef struct pnb_matmul_quad {
    pnb_tensor a, b, bias, c; /* bias: bound, and read where the push constants say so */
    double gflop, gbyte;      /* of the product, for the profile */
} pnb_matmul_quad;

/* Emits c = scale a b + bias, except `count` of *p filled in. It takes what the fast kernels of matmul.c take: vec4s over k in A (a_k = 1)
 * or over m (a_m = 1), and with the first also over k in B (b_k = 1), else over n (b_n = 1). *emitted is false, and nothing done, where
 * the device's group limits do not allow it. Right for any subgroups of at least four lanes. */
pnb_status pnb_matmul_quad_emit(pnb_lower *l, pnb_push_matmul p, const pnb_matmul_quad *t, bool *emitted);

#endif

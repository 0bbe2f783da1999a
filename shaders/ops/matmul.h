/* Push constants of the matrix product kernels but the packed one: c[b,m,n] = scale * sum_k A(b,m,k) B(b,k,n) + bias.
 *
 * Operands are described by strides in floats, so that every transposition and a broadcast batch (stride 0) is one case. */
#ifndef PNB_SHADERS_OPS_MATMUL_H
#define PNB_SHADERS_OPS_MATMUL_H
#include "lib/share.h"

#define PNB_MATMUL_BLOCK 4 /* rows that an invocation of the general kernel makes */
/* The tile of matmul_quad.comp: rows, and vec4s of columns a lane with storage buffers and with texel buffers. */
#define PNB_MATMUL_QUAD_ROWS 16
#define PNB_MATMUL_QUAD_PLAIN 1
#define PNB_MATMUL_QUAD_TEXEL 2
#define PNB_BIAS_NONE 0
#define PNB_BIAS_ROW 1    /* bias[m] */
#define PNB_BIAS_COLUMN 2 /* bias[n] */

PNB_PUSH_BEGIN(matmul)
    u32 batch; u32 m; u32 n; u32 k;
    u32 a_batch; u32 a_m; u32 a_k; /* strides of A */
    u32 b_batch; u32 b_k; u32 b_n; /* strides of B */
    u32 bias_kind; f32 scale;
    u32 count;                     /* invocations along x */
PNB_PUSH_END(matmul)

#endif

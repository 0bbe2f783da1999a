/* The general form of complex_mul, for the FFT's chirps. */
#ifndef PNB_OPS_COMPLEX_MUL_H
#define PNB_OPS_COMPLEX_MUL_H

#include "graph/op.h"

/* y[.., j, ..] = scale x[.., j, ..] table[j] along dimension `axis` of x [.., 2], cut or filled with zeros to `size`. table: complex
 * numbers, at least as many as the shorter of both. No derivative in the table. */
pnb_status pnb_complex_mul_axis(pnb_graph *g, pnb_tensor x, pnb_tensor table, uint32_t axis, uint32_t size, bool conjugate, float scale,
                                pnb_tensor *y);

#endif

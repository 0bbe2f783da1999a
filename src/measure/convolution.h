/* Images filtered by a kernel of any shape, with any border: what motion_blur and psf share. */
#ifndef PNB_MEASURE_CONVOLUTION_H
#define PNB_MEASURE_CONVOLUTION_H

#include "io/array.h"
#include "measure/operator_type.h"

/* State of an operator; part of its options struct. */
typedef struct pnb_convolution {
    uint32_t border, reach[2]; /* rows and columns that the kernel reaches to either side */
    uint32_t taps;             /* entries that are not zero */
    uint32_t first;            /* its first constant */
} pnb_convolution;

/* kernel: [rows, columns], both odd, the centre in the middle; its entries need not be positive. Scaled to sum 1. With flip it is
 * convolved (true convolution), else correlated: y[i] = sum_k w[k] x[i + k]. Sets constants and norm of op, whose measurement stays
 * its image. A kernel that is too large, empty, of sum 0 or not finite: PNB_ERROR_INPUT; `what` names it in sentences. */
pnb_status pnb_convolution_create(pnb_operator *op, pnb_convolution *c, uint32_t border, bool flip, const pnb_array *kernel,
                                  const char *what);
pnb_status pnb_convolution_apply(const pnb_convolution *c, pnb_operator *op, pnb_graph *g, pnb_tensor x, pnb_tensor *y);
pnb_status pnb_convolution_adjoint(const pnb_convolution *c, pnb_operator *op, pnb_graph *g, pnb_tensor y, pnb_tensor *x);

/* Reads a kernel: .npy [rows, columns] or a picture (grey), with leading dimensions of 1. For pnb_array_free. */
pnb_status pnb_convolution_read(pnb_operator *op, const char *path, pnb_array *kernel);

#endif

/* Singular values and Moore-Penrose inverse of a small dense matrix, in double on the host. */
#ifndef PNB_MEASURE_PSEUDO_INVERSE_H
#define PNB_MEASURE_PSEUDO_INVERSE_H

#include "base/status.h"

/* a: [rows, cols], row-major. inverse: [cols, rows], written. largest (may be NULL): the spectral norm of a.
 * Singular values below rcond * largest count as zero. Singular values by one-sided Jacobi rotations: a few sweeps of
 * min(rows,cols)^2 * max(rows,cols) * 3 multiplications. Fails only without host memory. */
pnb_status pnb_pseudo_inverse(pnb_error *err, uint32_t rows, uint32_t cols, const double *a, double rcond, double *inverse,
                              double *largest);

/* A = sum_k left_k s_k right_k^T over the n = min(rows, cols) singular values, in no order: left [n, rows], s [n], right
 * [n, cols]. Rows of left and right are orthonormal, but where s_k is 0 that of the longer side is 0. */
void pnb_svd(uint32_t rows, uint32_t cols, const double *a, double *left, double *s, double *right);
/* The inverse from these, as pnb_pseudo_inverse gives it; singular values that count as zero become 0. */
void pnb_svd_inverse(uint32_t rows, uint32_t cols, const double *left, double *s, const double *right, double rcond,
                     double *inverse, double *largest);

#endif

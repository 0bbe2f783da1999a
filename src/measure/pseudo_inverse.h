/* Moore-Penrose inverse of a small dense matrix, in double on the host. */
#ifndef PNB_MEASURE_PSEUDO_INVERSE_H
#define PNB_MEASURE_PSEUDO_INVERSE_H

#include "base/status.h"

/* a: [rows, cols], row-major. inverse: [cols, rows], written. largest (may be NULL): the spectral norm of a.
 * Singular values below rcond * largest count as zero. Singular values by one-sided Jacobi rotations: a few sweeps of
 * min(rows,cols)^2 * max(rows,cols) * 3 multiplications. Fails only without host memory. */
pnb_status pnb_pseudo_inverse(pnb_error *err, uint32_t rows, uint32_t cols, const double *a, double rcond, double *inverse,
                              double *largest);

#endif

/* A measurement put into an image that was made with little regard to it: where x0 is off by r in each pixel and y by sigma, both
 * normal, a draw of what x is, given both, is
 *     x = x0 + r^2 A^T (r^2 A A^T + sigma^2)^-1 (y + sigma xi - A x0),
 * found by Chebyshev's iteration on the normal equations. Linear operators; differentiable in x0. */
#ifndef PNB_SOLVE_CONSISTENCY_H
#define PNB_SOLVE_CONSISTENCY_H

#include "measure/operator.h"

/* x0 [N, image...]; y, xi [N, measurement...]; sigma, r > 0. xi PNB_NONE: 0, which gives the mean. */
pnb_status pnb_consistent(pnb_operator *op, pnb_graph *g, pnb_tensor x0, pnb_tensor y, pnb_tensor xi, double sigma, double r,
                          pnb_tensor *x);

#endif

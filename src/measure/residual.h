/* How far a modelled measurement is from the measured one, in units of its error. */
#ifndef PNB_MEASURE_RESIDUAL_H
#define PNB_MEASURE_RESIDUAL_H

#include "measure/operator.h"

/* r of ax and y [N, measurement...], such that |r|^2/(2 sigma^2) is minus the log-likelihood: ax - y; or, where entries
 * have errors of their own (pnb_operator_weights), (ax - y)/sigma_i, and 2 sin((ax - y)/2)/sigma_i of angles.
 * Differentiable in ax. */
pnb_status pnb_operator_residual(pnb_operator *op, pnb_graph *g, pnb_tensor ax, pnb_tensor y, pnb_tensor *r);
/* The same on the host: ax and r of n measurements (they may be one array), y of one. Entries that are not measured
 * stay ax - y. */
void pnb_operator_residual_host(const pnb_operator *op, uint32_t n, const float *ax, const float *y, float *r);

#endif

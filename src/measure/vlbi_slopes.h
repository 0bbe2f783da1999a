/* How fast the data of the operator vlbi change with the image: where V is as measured, which is where a solution ends. */
#ifndef PNB_MEASURE_VLBI_SLOPES_H
#define PNB_MEASURE_VLBI_SLOPES_H

#include "measure/operator.h"

/* Visibility k's row of the Fourier sum; the last one is V(0,0). re and im: [H*W]. */
void pnb_vlbi_row(const pnb_operator *op, uint32_t k, double *re, double *im);

/* Sets the operator's norm and its spreads (pnb_operator_spreads), once its weights, its sums and its start are there. */
pnb_status pnb_vlbi_slopes(pnb_operator *op);

#endif

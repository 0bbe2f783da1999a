/* Simulated measurements: y = A(x) + sigma n, each entry of n times its own error where the operator knows them. */
#ifndef PNB_MEASURE_NOISE_H
#define PNB_MEASURE_NOISE_H

#include "measure/photons.h"

/* truth: one image, without batch. y: elements of the measurement shape. n is N(0,1) from Philox (seed, stream, step 0, element), so
 * the same call gives the same bytes on one device; entries that a mask hides are 0 and get no noise. op is committed to gpu;
 * err is the one that gpu and op were created with. photons: the noise in place of sigma's, drawn on the host; NULL or with gain
 * 0: none. Blocking. */
pnb_status pnb_measure_simulate(pnb_error *err, pnb_gpu *gpu, pnb_operator *op, const float *truth, double sigma,
                                const pnb_photons *photons, uint64_t seed, uint32_t stream, float *y);

#endif

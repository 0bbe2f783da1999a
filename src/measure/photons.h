/* Poisson-Gaussian noise of a camera (algorithms.md 4.7): y = zero + Poisson(gain (m - zero))/gain + sigma n, with m = A x and n
 * ~ N(0,1). Its density is taken as N(m, v(m)) with v(m) = max(m - zero, 0)/gain + sigma^2, the variance with which y scatters. */
#ifndef PNB_MEASURE_PHOTONS_H
#define PNB_MEASURE_PHOTONS_H

#include "measure/operator.h"

typedef struct pnb_photons {
    double gain;  /* counts per unit of y, over 0; 0: no photon noise, the rest is not looked at */
    double zero;  /* y where there is no light */
    double sigma; /* the camera's own noise, in units of y, over 0 */
} pnb_photons;

/* sqrt of the mean of v(y) over the entries that are measured: one level of noise for what wants one, in units of y. y of one
 * measurement, or NULL: that of the grey halfway from zero to white (1). */
double pnb_photons_level(const pnb_photons *p, const pnb_operator *op, const float *y);
/* Twice minus the log-density of each entry, up to a constant: (m - y)^2/v(m) + ln(v(m)/sigma^2), so 0 or more. Differentiable in
 * ax; both [N, measurement...]. extra: [N], a variance added to v, for a likelihood that is widened; PNB_NONE: none. Entries that are not
 * measured (both 0) give a constant: pnb_photons_hidden, of one of them. */
pnb_status pnb_photons_loss(pnb_graph *g, const pnb_photons *p, pnb_tensor ax, pnb_tensor y, pnb_tensor extra,
                            pnb_tensor *loss);
double pnb_photons_hidden(const pnb_photons *p);
/* (ax - y) level/sqrt(v(ax)) of n numbers, y of m: for chi-squares in units of level. ax and r may be one array. */
void pnb_photons_residual_host(const pnb_photons *p, double level, uint64_t n, uint64_t m, const float *ax, const float *y, float *r);
/* Noise onto n numbers m = A x, in place; what lies below zero makes no counts. */
void pnb_photons_draw(const pnb_photons *p, uint64_t seed, uint32_t stream, uint64_t n, float *y);

#endif

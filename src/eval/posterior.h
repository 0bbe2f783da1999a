/* How close samples come to an exact posterior that is a Gaussian mixture: the judge of methods on toy problems. */
#ifndef PNB_EVAL_POSTERIOR_H
#define PNB_EVAL_POSTERIOR_H

#include "base/status.h"
#include "prior/gmm_host.h"

enum { PNB_POSTERIOR_MAX_MODES = 64 };

typedef struct pnb_mode {
    uint32_t component;
    double weight, found; /* exact; fraction of the samples whose largest responsibility it has */
    double spread;        /* sqrt(trace of their covariance / trace of the exact one); 0 below 5 samples */
} pnb_mode;

typedef struct pnb_posterior_scores {
    double total_variation;              /* of mode weights, over all components: half the sum of |found - exact| */
    uint32_t modes;                      /* components of weight above 0.05 */
    uint32_t modes_recovered;            /* those that hold at least half of their weight */
    double spread_least, spread_largest; /* over the modes */
    double sliced_w2;                    /* 512 directions, against 4096 exact samples */
    double sliced_w2_floor;              /* the same of as many exact samples: root mean square over 16 draws */
    double mmd, mmd_floor;               /* against 1024 exact samples; floor likewise */
    pnb_mode mode[PNB_POSTERIOR_MAX_MODES]; /* the modes, by component; no more than these are kept */
} pnb_posterior_scores;

/* x: [k,dim] samples of the mixture `exact`. Seeds are constants: the same arguments give the same scores. */
pnb_status pnb_posterior_score(pnb_error *err, const pnb_gmm *exact, uint32_t k, const float *x, pnb_posterior_scores *out);

/* Sliced Wasserstein-2 distance of the sets a [na,dim] and b [nb,dim]: root of the mean, over random directions, of the squared
 * distance of the two projected empirical distributions, which is exact, also for na != nb. */
pnb_status pnb_sliced_w2(pnb_error *err, uint32_t dim, uint32_t na, const double *a, uint32_t nb, const double *b,
                         uint32_t directions, uint64_t seed, double *out);

/* Maximum mean discrepancy: root of the (biased) squared distance under the mean of three Gaussian kernels, widths 0.1, 0.3, 1. */
double pnb_mmd(uint32_t dim, uint32_t na, const double *a, uint32_t nb, const double *b);

#endif

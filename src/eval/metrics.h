/* How good samples are: fidelity, diversity, calibration and agreement with the measurement (algorithms.md section 5).
 *
 * All in double on the host, sums in a fixed order. Samples are float [K, image...] in the prior's units (images: [-1,1]).
 * PSNR, SSIM and diversity are taken after (x+1)/2 and a clip to [0,1]; calibration is in the samples' own units, unclipped.
 */
#ifndef PNB_EVAL_METRICS_H
#define PNB_EVAL_METRICS_H

#include "base/status.h"

/* (x+1)/2, clipped to [0,1]. */
void pnb_unit_range(size_t n, const float *x, double *out);

/* -10 log10 of the mean squared difference, for a data range of 1; INFINITY for equal arrays. */
double pnb_psnr(size_t n, const double *a, const double *b);

typedef enum pnb_ssim_window {
    PNB_SSIM_UNIFORM,  /* 7x7, sample covariance (scikit-image's default); the mean leaves out a border of 3 */
    PNB_SSIM_GAUSSIAN, /* sigma 1.5 cut at 5 pixels, no bias correction (Wang et al., 2004); a border of 5 */
    PNB_SSIM_PIQ       /* the same after f x f pixels were averaged, f = round(shorter side/256), at least 1 (piq, and Wang's
                          own program); no map */
} pnb_ssim_window;

/* Mean structural similarity of two images [c,h,w] whose values span `range`: over pixels, then channels. map: [c,h,w] with the
 * value at every pixel (edges mirrored, edge pixel repeated), or NULL. NAN where the image is smaller than the window.
 * Fails only without host memory. */
pnb_status pnb_ssim(pnb_error *err, pnb_ssim_window window, uint32_t c, uint32_t h, uint32_t w, const double *a, const double *b,
                    double range, double *map, double *ssim);

/* 1 - mean over pairs of the cosine between x [k,n]; NAN for k < 2. A zero sample has cosine 0 with every other. */
double pnb_diversity(uint32_t k, size_t n, const double *x);

/* Per element over k samples x [k,n]: mean and standard deviation (ddof 1; 0 for k = 1). Either may be NULL. */
void pnb_moments(uint32_t k, size_t n, const float *x, float *mean, float *std);
/* std [c,h,w] averaged over channels into map [h,w]. */
void pnb_std_map(uint32_t c, uint32_t h, uint32_t w, const float *std, float *map);

/* Fair ensemble CRPS, mean over elements: mean_i |x_i - y| - sum_ij |x_i - x_j| / (2 k (k-1)). NAN for k < 2. */
double pnb_crps(uint32_t k, size_t n, const float *x, const float *truth);

/* Quantile of Student's t distribution: P(|T| <= result) = p for `dof` degrees of freedom, 0 < p < 1. */
double pnb_student_t(double p, double dof);

/* ||y - Ax||^2 / (m sigma^2) of each sample: ax [k,n], y [n], measured [n] (NULL: all) chooses the m entries that count. */
void pnb_chi2(uint32_t k, size_t n, const float *ax, const float *y, const float *measured, double sigma, double *chi2);

enum { PNB_RANK_BINS = 64 };
/* Rank of the truth among the k samples, each element by itself, ties broken at random (by a constant seed): how many
 * elements fall into each of the bins, of which there are k + 1, or 32 for k above 63. All alike when calibrated. Returns the
 * number of bins; counts [PNB_RANK_BINS]. */
uint32_t pnb_rank_histogram(uint32_t k, size_t n, const float *x, const float *truth, double *counts);

typedef struct pnb_metrics_input {
    uint32_t samples;                 /* K */
    uint32_t channels, height, width; /* vectors of dimension D: channels D, height = width = 0 */
    const float *x;                   /* [K, image...] */
    const float *truth;               /* [image...]; NULL: only diversity, spread and chi2 */
    const float *ax, *y, *measured;   /* as in pnb_chi2; ax NULL: no chi2 */
    size_t measurements;              /* elements of y */
    double sigma;
} pnb_metrics_input;

/* What does not apply (vectors, no truth, K = 1, too small for SSIM) is NAN. */
typedef struct pnb_metrics {
    double psnr_mean, psnr_samples;             /* dB, of the posterior mean; mean over samples */
    double ssim_mean, ssim_samples;             /* uniform window */
    double ssim_gauss_mean, ssim_gauss_samples; /* Gaussian window */
    double ssim_piq_mean, ssim_piq_samples;     /* and on an average-pooled image */
    double diversity, diversity_signed;         /* of values in [0,1], clipped; as they are */
    double coverage[3];                         /* fraction with |truth - mean| <= k std, k = 1, 2, 3 */
    double coverage_fair[3]; /* the same with Student's t and sqrt(1+1/K): 0.6827, 0.9545, 0.9973 when calibrated, whatever K */
    double coverage_grey[3]; /* of images: the fair one over the elements whose truth is not at an end of the scale, |truth| < 1; at an end
                                a posterior has an atom, and covers it or not by a trifle */
    double crps;
    double rmse, spread; /* of the mean against the truth; sqrt(mean variance * (K+1)/K) */
    double spread_skill; /* spread / rmse: 1 when calibrated, small when over-confident */
    uint32_t rank_bins;  /* of the rank histogram; 0: there is none */
    double rank[PNB_RANK_BINS];
    double error_correlation;              /* Pearson correlation of std and |truth - mean| */
    double chi2, chi2_least, chi2_largest; /* over samples: mean, least, largest */
    double residual_ratio;                 /* RMS(y - Ax)/sigma over all samples */
} pnb_metrics;

pnb_status pnb_metrics_compute(pnb_error *err, const pnb_metrics_input *in, pnb_metrics *out);

#endif

/* Gaussian mixtures in double on the host: exact posteriors, densities and samples, the truth that methods are judged
 * by.
 *
 * The same mixture as a prior on the device is gmm.c. A pnb_gmm is plain memory: init, use, finish.
 */
#ifndef PNB_PRIOR_GMM_HOST_H
#define PNB_PRIOR_GMM_HOST_H

#include "base/status.h"

#include <stdint.h>

typedef struct pnb_gmm {
    uint32_t dim, n;
    double *weights;      /* [n], sum 1 */
    double *means;        /* [n,dim] */
    double *covariances;  /* [n,dim,dim] */
    double *eigenvalues;  /* [n,dim], none negative */
    double *eigenvectors; /* [n,dim,dim]: row k is the unit vector that belongs to eigenvalue k */
} pnb_gmm;

/* Copies, normalises the weights and decomposes the covariances. Weights must be positive, covariances symmetric (to
 * 1e-6 of their largest entry) and positive semidefinite (to 1e-9); otherwise PNB_ERROR_INPUT names the component. */
pnb_status pnb_gmm_init(pnb_error *err, uint32_t dim, uint32_t n, const double *weights, const double *means,
                        const double *covariances, pnb_gmm *out);
void pnb_gmm_finish(pnb_gmm *g); /* accepts an all-zero struct and NULL */

/* Law of alpha x + sigma eps, x from g. */
pnb_status pnb_gmm_diffuse(pnb_error *err, const pnb_gmm *g, double alpha, double sigma, pnb_gmm *out);
/* Law of x given y = F x + n, n ~ N(0, sigma_y^2 I): again a mixture (algorithms.md 5). F [m,dim]; sigma_y > 0, any m
 * >= 1. Components whose weight underflows keep the smallest positive weight. */
pnb_status pnb_gmm_posterior(pnb_error *err, const pnb_gmm *g, uint32_t m, const double *f, const double *y,
                             double sigma_y, pnb_gmm *out);

/* ln p(x). Eigenvalues are taken as at least 1e-12 of the component's largest, so a flat mixture has a density too. */
double pnb_gmm_log_density(const pnb_gmm *g, const double *x);
/* Posterior probabilities of the components at x, [n]. */
void pnb_gmm_responsibilities(const pnb_gmm *g, const double *x, double *r);
/* -sigma * score of the diffused mixture at x [dim]: what gmm.c computes in float. */
pnb_status pnb_gmm_eps(pnb_error *err, const pnb_gmm *g, double alpha, double sigma, const double *x, double *eps);
/* count independent draws, [count,dim]; the same seed and stream give the same draws. */
pnb_status pnb_gmm_sample(pnb_error *err, const pnb_gmm *g, uint64_t seed, uint32_t stream, uint32_t count,
                          double *out);
/* Mean [dim] and, if covariance is not NULL, covariance [dim,dim] of the whole mixture. */
void pnb_gmm_moments(const pnb_gmm *g, double *mean, double *covariance);

/* Symmetric eigenproblem a = sum_k w[k] v[k] v[k]^T by Jacobi rotations; a [d,d] is destroyed, w [d], v [d,d] with
 * eigenvectors as rows, in no particular order. */
void pnb_symmetric_eigen(uint32_t d, double *a, double *w, double *v);

#endif

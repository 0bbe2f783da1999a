/* Gaussian mixtures in double: eigendecomposition, conditioning, densities, draws. */
#include "prior/gmm_host.h"

#include "base/philox.h"

#include <float.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

static const double LOG_2PI = 1.83787706640934548356;
static const double EIGENVALUE_FLOOR = 1e-12; /* of a component's largest, in densities */

/* ---- eigenvectors ------------------------------------------------------------------------------------------------ */

/* x <- c x - s y, y <- s x + c y */
static void rotate(uint32_t d, double c, double s, double *x, double *y) {
    for (uint32_t i = 0; i < d; i++) {
        double u = x[i], w = y[i];
        x[i] = c * u - s * w;
        y[i] = s * u + c * w;
    }
}

/* One rotation that makes a[p,q] zero (Golub and Van Loan, 8.5.2). Rows first, then the mirrored columns. */
static void annihilate(uint32_t d, double *a, double *v, uint32_t p, uint32_t q) {
    double *row_p = a + (size_t)p * d, *row_q = a + (size_t)q * d;
    double app = row_p[p], aqq = row_q[q], apq = row_p[q];
    double theta = (aqq - app) / (2.0 * apq);
    double t = (theta >= 0 ? 1.0 : -1.0) / (fabs(theta) + hypot(theta, 1.0));
    double c = 1.0 / hypot(t, 1.0), s = t * c;
    rotate(d, c, s, row_p, row_q);
    for (uint32_t i = 0; i < d; i++) {
        a[(size_t)i * d + p] = row_p[i];
        a[(size_t)i * d + q] = row_q[i];
    }
    row_p[p] = app - t * apq;
    row_q[q] = aqq + t * apq;
    row_p[q] = row_q[p] = 0.0;
    rotate(d, c, s, v + (size_t)p * d, v + (size_t)q * d);
}

void pnb_symmetric_eigen(uint32_t d, double *a, double *w, double *v) {
    memset(v, 0, (size_t)d * d * sizeof *v);
    double norm = 0.0;
    for (uint32_t i = 0; i < d; i++) v[(size_t)i * d + i] = 1.0;
    for (size_t i = 0; i < (size_t)d * d; i++) norm += a[i] * a[i];
    double tiny = DBL_EPSILON * 0.25 * sqrt(norm) / (d ? d : 1);
    for (int sweep = 0; sweep < 50; sweep++) {
        bool changed = false;
        for (uint32_t p = 0; p + 1 < d; p++)
            for (uint32_t q = p + 1; q < d; q++)
                if (fabs(a[(size_t)p * d + q]) > tiny) {
                    annihilate(d, a, v, p, q);
                    changed = true;
                }
        if (!changed) break;
    }
    for (uint32_t i = 0; i < d; i++) w[i] = a[(size_t)i * d + i];
}

/* ---- life -------------------------------------------------------------------------------------------------------- */

static pnb_status check(pnb_error *err, uint32_t dim, uint32_t n, const double *weights, const double *means,
                        const double *covariances) {
    for (uint32_t i = 0; i < n; i++) {
        if (!(weights[i] > 0) || !isfinite(weights[i]))
            return pnb_fail(err, PNB_ERROR_INPUT, "mixture: weight %u must be positive, found %g", i, weights[i]);
        const double *c = covariances + (size_t)i * dim * dim;
        double largest = 0.0;
        for (size_t k = 0; k < (size_t)dim * dim; k++) {
            if (!isfinite(c[k]))
                return pnb_fail(err, PNB_ERROR_INPUT, "mixture: covariance %u has an entry that is no number", i);
            largest = fmax(largest, fabs(c[k]));
        }
        for (uint32_t r = 0; r < dim; r++) {
            if (!isfinite(means[(size_t)i * dim + r]))
                return pnb_fail(err, PNB_ERROR_INPUT, "mixture: mean %u has an entry that is no number", i);
            for (uint32_t s = 0; s < r; s++) {
                double a = c[(size_t)r * dim + s], b = c[(size_t)s * dim + r];
                if (fabs(a - b) > 1e-6 * largest)
                    return pnb_fail(err, PNB_ERROR_INPUT,
                                    "mixture: covariance %u is not symmetric: entry (%u,%u) is %g, entry (%u,%u) is %g",
                                    i, r, s, a, s, r, b);
            }
        }
    }
    return PNB_OK;
}

static pnb_status decompose(pnb_error *err, pnb_gmm *g) {
    size_t square = (size_t)g->dim * g->dim;
    double *work = malloc(square * sizeof *work);
    if (!work) return pnb_fail(err, PNB_ERROR_OUT_OF_MEMORY, "mixture: no memory for %u dimensions", g->dim);
    pnb_status status = PNB_OK;
    for (uint32_t i = 0; i < g->n && status == PNB_OK; i++) {
        double *w = g->eigenvalues + (size_t)i * g->dim, largest = 0.0;
        memcpy(work, g->covariances + i * square, square * sizeof *work);
        pnb_symmetric_eigen(g->dim, work, w, g->eigenvectors + i * square);
        for (uint32_t k = 0; k < g->dim; k++) largest = fmax(largest, fabs(w[k]));
        for (uint32_t k = 0; k < g->dim && status == PNB_OK; k++) {
            if (w[k] < -1e-9 * largest)
                status =
                    pnb_fail(err, PNB_ERROR_INPUT,
                             "mixture: covariance %u is not positive semidefinite: it has the eigenvalue %g", i, w[k]);
            w[k] = fmax(w[k], 0.0);
        }
    }
    free(work);
    return status;
}

pnb_status pnb_gmm_init(pnb_error *err, uint32_t dim, uint32_t n, const double *weights, const double *means,
                        const double *covariances, pnb_gmm *out) {
    memset(out, 0, sizeof *out);
    if (dim < 1 || n < 1)
        return pnb_fail(err, PNB_ERROR_INPUT, "mixture: needs at least one component and one dimension");
    if (dim > 4096 || n > 65536 || (double)n * dim * dim > 5e8)
        return pnb_fail(err, PNB_ERROR_INPUT, "mixture: %u components in %u dimensions are too large", n, dim);
    PNB_TRY(check(err, dim, n, weights, means, covariances));
    size_t square = (size_t)dim * dim;
    out->dim = dim;
    out->n = n;
    out->weights = malloc(n * sizeof(double));
    out->means = malloc((size_t)n * dim * sizeof(double));
    out->covariances = malloc(n * square * sizeof(double));
    out->eigenvalues = malloc((size_t)n * dim * sizeof(double));
    out->eigenvectors = malloc(n * square * sizeof(double));
    pnb_status status = PNB_OK;
    if (!out->weights || !out->means || !out->covariances || !out->eigenvalues || !out->eigenvectors) {
        status =
            pnb_fail(err, PNB_ERROR_OUT_OF_MEMORY, "mixture: no memory for %u components in %u dimensions", n, dim);
        goto fail;
    }
    double sum = 0.0;
    for (uint32_t i = 0; i < n; i++) sum += weights[i];
    for (uint32_t i = 0; i < n; i++) out->weights[i] = weights[i] / sum;
    memcpy(out->means, means, (size_t)n * dim * sizeof(double));
    for (size_t i = 0; i < n; i++)
        for (size_t r = 0; r < dim; r++)
            for (size_t s = 0; s < dim; s++)
                out->covariances[i * square + r * dim + s] =
                    0.5 * (covariances[i * square + r * dim + s] + covariances[i * square + s * dim + r]);
    PNB_TRY_GOTO(decompose(err, out));
    return PNB_OK;
fail:
    pnb_gmm_finish(out);
    return status;
}

void pnb_gmm_finish(pnb_gmm *g) {
    if (!g) return;
    free(g->weights);
    free(g->means);
    free(g->covariances);
    free(g->eigenvalues);
    free(g->eigenvectors);
    memset(g, 0, sizeof *g);
}

/* ---- laws derived from a mixture --------------------------------------------------------------------------------- */

pnb_status pnb_gmm_diffuse(pnb_error *err, const pnb_gmm *g, double alpha, double sigma, pnb_gmm *out) {
    PNB_TRY(pnb_gmm_init(err, g->dim, g->n, g->weights, g->means, g->covariances, out));
    size_t square = (size_t)g->dim * g->dim;
    for (size_t k = 0; k < (size_t)g->n * g->dim; k++) {
        out->means[k] = alpha * g->means[k];
        out->eigenvalues[k] = alpha * alpha * g->eigenvalues[k] + sigma * sigma;
    }
    for (size_t k = 0; k < g->n * square; k++) {
        bool diagonal = k % square % (g->dim + 1) == 0;
        out->covariances[k] = alpha * alpha * g->covariances[k] + (diagonal ? sigma * sigma : 0.0);
    }
    memcpy(out->eigenvectors, g->eigenvectors, g->n * square * sizeof(double));
    return PNB_OK;
}

/* In place: a [m,m] becomes its lower Cholesky factor. False where a is not positive definite. */
static bool cholesky(uint32_t m, double *a) {
    for (uint32_t j = 0; j < m; j++) {
        for (uint32_t i = j; i < m; i++) {
            double sum = a[(size_t)i * m + j];
            for (uint32_t k = 0; k < j; k++) sum -= a[(size_t)i * m + k] * a[(size_t)j * m + k];
            if (i == j && !(sum > 0)) return false;
            a[(size_t)i * m + j] = i == j ? sqrt(sum) : sum / a[(size_t)j * m + j];
        }
    }
    return true;
}

/* x <- L^-1 x */
static void forward_solve(uint32_t m, const double *l, double *x) {
    for (uint32_t i = 0; i < m; i++) {
        for (uint32_t k = 0; k < i; k++) x[i] -= l[(size_t)i * m + k] * x[k];
        x[i] /= l[(size_t)i * m + i];
    }
}

/* Condition one component. With S = F C F^T + sigma_y^2 I = L L^T and B = L^-1 F C: mean + B^T L^-1 (y - F mean), C -
 * B^T B. Work: s [m,m], b [dim,m] (row k is column k of B), r [m]. */
static bool condition(const pnb_gmm *g, uint32_t i, uint32_t m, const double *f, const double *y, double sigma_y,
                      double *s, double *b, double *r, double *mean, double *cov, double *log_evidence) {
    uint32_t d = g->dim;
    const double *c = g->covariances + (size_t)i * d * d, *mu = g->means + (size_t)i * d;
    for (uint32_t k = 0; k < d; k++)
        for (uint32_t j = 0; j < m; j++) {
            double sum = 0.0;
            for (uint32_t l = 0; l < d; l++) sum += f[(size_t)j * d + l] * c[(size_t)l * d + k];
            b[(size_t)k * m + j] = sum;
        }
    for (uint32_t j = 0; j < m; j++) {
        for (uint32_t l = 0; l < m; l++) {
            double sum = j == l ? sigma_y * sigma_y : 0.0;
            for (uint32_t k = 0; k < d; k++) sum += f[(size_t)l * d + k] * b[(size_t)k * m + j];
            s[(size_t)j * m + l] = sum;
        }
        r[j] = y[j];
        for (uint32_t k = 0; k < d; k++) r[j] -= f[(size_t)j * d + k] * mu[k];
    }
    if (!cholesky(m, s)) return false;
    forward_solve(m, s, r);
    for (uint32_t k = 0; k < d; k++) forward_solve(m, s, b + (size_t)k * m);
    double quadratic = 0.0, log_det = 0.0;
    for (uint32_t j = 0; j < m; j++) {
        quadratic += r[j] * r[j];
        log_det += 2.0 * log(s[(size_t)j * m + j]);
    }
    *log_evidence = -0.5 * (quadratic + log_det);
    for (uint32_t k = 0; k < d; k++) {
        mean[k] = mu[k];
        for (uint32_t j = 0; j < m; j++) mean[k] += b[(size_t)k * m + j] * r[j];
        for (uint32_t l = 0; l < d; l++) {
            double sum = c[(size_t)k * d + l];
            for (uint32_t j = 0; j < m; j++) sum -= b[(size_t)k * m + j] * b[(size_t)l * m + j];
            cov[(size_t)k * d + l] = sum;
        }
    }
    return true;
}

pnb_status pnb_gmm_posterior(pnb_error *err, const pnb_gmm *g, uint32_t m, const double *f, const double *y,
                             double sigma_y, pnb_gmm *out) {
    memset(out, 0, sizeof *out);
    if (m < 1 || !(sigma_y > 0))
        return pnb_fail(err, PNB_ERROR_INPUT,
                        "mixture: a posterior needs measurements (found %u) and sigma_y > 0 (found %g)", m, sigma_y);
    size_t d = g->dim, square = d * d;
    double *block = malloc((g->n * (1 + d + square) + (size_t)m * m + d * m + m) * sizeof *block);
    if (!block)
        return pnb_fail(err, PNB_ERROR_OUT_OF_MEMORY, "mixture: no memory for a posterior of %u measurements", m);
    double *weights = block, *means = weights + g->n, *covs = means + g->n * d, *s = covs + g->n * square,
           *b = s + (size_t)m * m, *r = b + d * m;
    pnb_status status = PNB_OK;
    double best = -INFINITY;
    for (uint32_t i = 0; i < g->n; i++) {
        if (!condition(g, i, m, f, y, sigma_y, s, b, r, means + i * d, covs + i * square, &weights[i])) {
            status = pnb_fail(err, PNB_ERROR_NUMERIC,
                              "mixture: component %u cannot be conditioned: sigma_y %g is too small", i, sigma_y);
            goto fail;
        }
        weights[i] += log(g->weights[i]);
        best = fmax(best, weights[i]);
    }
    for (uint32_t i = 0; i < g->n; i++) {
        weights[i] = fmax(exp(weights[i] - best), DBL_MIN);
        for (size_t k = 0; k < d; k++) {
            double *diagonal = &covs[i * square + k * d + k];
            *diagonal = fmax(*diagonal, 0.0) +
                        1e-15 * g->covariances[i * square + k * d + k]; /* rounding must not leave it below 0 */
        }
    }
    PNB_TRY_GOTO(pnb_gmm_init(err, g->dim, g->n, weights, means, covs, out));
fail:
    free(block);
    return status;
}

/* ---- densities and draws ----------------------------------------------------------------------------------------- */

/* ln (weight N(x; mean, alpha^2 C + sigma^2 I)) of one component. If eps is not NULL, P^-1 (x - alpha mean) is written
 * there. */
static double log_component(const pnb_gmm *g, uint32_t i, double alpha, double sigma, const double *x, double *eps) {
    uint32_t d = g->dim;
    const double *mu = g->means + (size_t)i * d, *w = g->eigenvalues + (size_t)i * d,
                 *v = g->eigenvectors + (size_t)i * d * d;
    double largest = 0.0, sum = 0.0;
    for (uint32_t k = 0; k < d; k++) largest = fmax(largest, w[k]);
    double floor = fmax(EIGENVALUE_FLOOR * largest, DBL_MIN);
    if (eps) memset(eps, 0, d * sizeof *eps);
    for (uint32_t k = 0; k < d; k++) {
        double z = 0.0, p = alpha * alpha * fmax(w[k], floor) + sigma * sigma;
        for (uint32_t j = 0; j < d; j++) z += v[(size_t)k * d + j] * (x[j] - alpha * mu[j]);
        sum += z * z / p + log(p) + LOG_2PI;
        for (uint32_t j = 0; eps && j < d; j++) eps[j] += v[(size_t)k * d + j] * z / p;
    }
    return log(g->weights[i]) - 0.5 * sum;
}

double pnb_gmm_log_density(const pnb_gmm *g, const double *x) {
    double best = -INFINITY, sum = 0.0; /* log-sum-exp in one pass; sum is in units of exp(best) */
    for (uint32_t i = 0; i < g->n; i++) {
        double l = log_component(g, i, 1.0, 0.0, x, NULL);
        if (l > best) {
            sum = sum * exp(best - l) + 1.0;
            best = l;
        } else {
            sum += exp(l - best);
        }
    }
    return best + log(sum);
}

void pnb_gmm_responsibilities(const pnb_gmm *g, const double *x, double *r) {
    double best = -INFINITY, sum = 0.0;
    for (uint32_t i = 0; i < g->n; i++) best = fmax(best, r[i] = log_component(g, i, 1.0, 0.0, x, NULL));
    for (uint32_t i = 0; i < g->n; i++) sum += r[i] = exp(r[i] - best);
    for (uint32_t i = 0; i < g->n; i++) r[i] /= sum;
}

pnb_status pnb_gmm_eps(pnb_error *err, const pnb_gmm *g, double alpha, double sigma, const double *x, double *eps) {
    size_t d = g->dim;
    double *part = malloc((g->n * d + g->n) * sizeof *part);
    if (!part) return pnb_fail(err, PNB_ERROR_OUT_OF_MEMORY, "mixture: no memory for a score");
    double *log_weight = part + g->n * d;
    double best = -INFINITY, sum = 0.0;
    for (uint32_t i = 0; i < g->n; i++)
        best = fmax(best, log_weight[i] = log_component(g, i, alpha, sigma, x, part + i * d));
    memset(eps, 0, d * sizeof *eps);
    for (uint32_t i = 0; i < g->n; i++) {
        double r = exp(log_weight[i] - best);
        sum += r;
        for (size_t j = 0; j < d; j++) eps[j] += r * part[i * d + j];
    }
    for (size_t j = 0; j < d; j++) eps[j] *= sigma / sum;
    free(part);
    return PNB_OK;
}

pnb_status pnb_gmm_sample(pnb_error *err, const pnb_gmm *g, uint64_t seed, uint32_t stream, uint32_t count,
                          double *out) {
    uint32_t d = g->dim;
    float *normal = malloc(d * sizeof *normal);
    if (!normal) return pnb_fail(err, PNB_ERROR_OUT_OF_MEMORY, "mixture: no memory for samples");
    for (uint32_t s = 0; s < count; s++) {
        float uniform;
        double sum = 0.0, *x = out + (size_t)s * d;
        uint32_t i = 0;
        pnb_fill_uniform(seed, stream, 0, s, &uniform, 1);            /* step 0: which component */
        pnb_fill_normal(seed, stream, 1, (uint64_t)s * d, normal, d); /* step 1: where in it */
        while (i + 1 < g->n && (sum += g->weights[i]) <= uniform) i++;
        memcpy(x, g->means + (size_t)i * d, d * sizeof *x);
        for (uint32_t k = 0; k < d; k++) {
            const double *v = g->eigenvectors + ((size_t)i * d + k) * d;
            double length = normal[k] * sqrt(g->eigenvalues[(size_t)i * d + k]);
            for (uint32_t j = 0; j < d; j++) x[j] += length * v[j];
        }
    }
    free(normal);
    return PNB_OK;
}

void pnb_gmm_moments(const pnb_gmm *g, double *mean, double *covariance) {
    uint32_t d = g->dim;
    memset(mean, 0, d * sizeof *mean);
    for (uint32_t i = 0; i < g->n; i++)
        for (uint32_t j = 0; j < d; j++) mean[j] += g->weights[i] * g->means[(size_t)i * d + j];
    if (!covariance) return;
    memset(covariance, 0, (size_t)d * d * sizeof *covariance);
    for (uint32_t i = 0; i < g->n; i++) {
        const double *m = g->means + (size_t)i * d, *c = g->covariances + (size_t)i * d * d;
        for (uint32_t j = 0; j < d; j++)
            for (uint32_t k = 0; k < d; k++)
                covariance[(size_t)j * d + k] +=
                    g->weights[i] * (c[(size_t)j * d + k] + (m[j] - mean[j]) * (m[k] - mean[k]));
    }
}

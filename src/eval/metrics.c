/* Scores of samples against a truth and a measurement. */
#include "eval/metrics.h"

#include "base/philox.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>

/* ---- fidelity --------------------------------------------------------------------------------------------------- */

void pnb_unit_range(size_t n, const float *x, double *out) {
    for (size_t i = 0; i < n; i++) out[i] = fmin(fmax((x[i] + 1.0) / 2, 0), 1);
}

double pnb_psnr(size_t n, const double *a, const double *b) {
    double sum = 0;
    for (size_t i = 0; i < n; i++) sum += (a[i] - b[i]) * (a[i] - b[i]);
    return sum == 0 ? INFINITY : -10 * log10(sum / (double)n);
}

/* ---- diversity -------------------------------------------------------------------------------------------------- */

double pnb_diversity(uint32_t k, size_t n, const double *x) {
    if (k < 2) return NAN;
    double sum = 0;
    for (uint32_t i = 0; i < k; i++) {
        for (uint32_t j = i + 1; j < k; j++) {
            const double *a = x + i * n, *b = x + j * n;
            double aa = 0, bb = 0, ab = 0;
            for (size_t e = 0; e < n; e++) {
                aa += a[e] * a[e];
                bb += b[e] * b[e];
                ab += a[e] * b[e];
            }
            if (aa > 0 && bb > 0) sum += ab / sqrt(aa * bb);
        }
    }
    return 1 - 2 * sum / ((double)k * (k - 1.0));
}

/* ---- calibration ------------------------------------------------------------------------------------------------ */

static void moments_at(uint32_t k, size_t n, const float *x, size_t at, double *mean, double *variance) {
    double sum = 0, square = 0;
    for (uint32_t s = 0; s < k; s++) sum += x[s * n + at];
    *mean = sum / k;
    for (uint32_t s = 0; s < k; s++) square += (x[s * n + at] - *mean) * (x[s * n + at] - *mean);
    *variance = k > 1 ? square / (k - 1.0) : 0;
}

void pnb_moments(uint32_t k, size_t n, const float *x, float *mean, float *std) {
    for (size_t i = 0; i < n; i++) {
        double m, v;
        moments_at(k, n, x, i, &m, &v);
        if (mean) mean[i] = (float)m;
        if (std) std[i] = (float)sqrt(v);
    }
}

void pnb_std_map(uint32_t c, uint32_t h, uint32_t w, const float *std, float *map) {
    size_t plane = (size_t)h * w;
    for (size_t i = 0; i < plane; i++) {
        double sum = 0;
        for (uint32_t j = 0; j < c; j++) sum += std[j * plane + i];
        map[i] = (float)(sum / c);
    }
}

double pnb_crps(uint32_t k, size_t n, const float *x, const float *truth) {
    if (k < 2) return NAN;
    double total = 0;
    for (size_t e = 0; e < n; e++) {
        double error = 0, pairs = 0;
        for (uint32_t i = 0; i < k; i++) {
            double a = x[i * n + e];
            error += fabs(a - truth[e]);
            for (uint32_t j = i + 1; j < k; j++) pairs += fabs(a - x[j * n + e]);
        }
        total += error / k - pairs / ((double)k * (k - 1.0));
    }
    return total / (double)n;
}

uint32_t pnb_rank_histogram(uint32_t k, size_t n, const float *x, const float *truth, double *counts) {
    uint32_t bins = k + 1 <= PNB_RANK_BINS ? k + 1 : PNB_RANK_BINS / 2;
    for (uint32_t b = 0; b < PNB_RANK_BINS; b++) counts[b] = 0;
    for (size_t e = 0; e < n; e++) {
        uint32_t below = 0, equal = 0;
        float chance;
        for (uint32_t i = 0; i < k; i++) {
            below += x[i * n + e] < truth[e];
            equal += x[i * n + e] == truth[e];
        }
        pnb_fill_uniform(1, 0, 0, e, &chance, 1);
        uint32_t rank = below + (uint32_t)((double)chance * (equal + 1.0));
        counts[(uint64_t)rank * bins / (k + 1)]++;
    }
    return bins;
}

/* Regularised incomplete beta function I_x(a, b), by its continued fraction (Abramowitz and Stegun 26.5.8, Lentz's method);
 * converges fast for x < (a+1)/(a+b+2), which the caller sees to. */
static double beta_fraction(double a, double b, double x) {
    const double tiny = 1e-300;
    double c = 1, d = 1 - (a + b) * x / (a + 1);
    d = 1 / (fabs(d) < tiny ? tiny : d);
    double h = d;
    for (int i = 1; i < 500; i++) {
        double even = i * (b - i) * x / ((a + 2 * i - 1) * (a + 2 * i));
        double odd = -(a + i) * (a + b + i) * x / ((a + 2 * i) * (a + 2 * i + 1));
        for (int half = 0; half < 2; half++) {
            double term = half ? odd : even;
            d = 1 + term * d;
            c = 1 + term / c;
            d = 1 / (fabs(d) < tiny ? tiny : d);
            c = fabs(c) < tiny ? tiny : c;
            h *= d * c;
        }
        if (fabs(d * c - 1) < 1e-15) break;
    }
    return h * exp(lgamma(a + b) - lgamma(a) - lgamma(b) + a * log(x) + b * log1p(-x)) / a;
}

/* P(|T| <= t) for Student's t: 1 - I_{v/(v+t^2)}(v/2, 1/2). */
static double student_cdf(double t, double dof) {
    double x = dof / (dof + t * t), a = dof / 2, b = 0.5;
    if (x >= 1) return 0;
    return x < (a + 1) / (a + b + 2) ? 1 - beta_fraction(a, b, x) : beta_fraction(b, a, 1 - x);
}

double pnb_student_t(double p, double dof) {
    double low = 0, high = 1;
    while (student_cdf(high, dof) < p && high < 1e12) high *= 2;
    for (int i = 0; i < 200 && high - low > 1e-13 * high; i++) {
        double middle = (low + high) / 2;
        *(student_cdf(middle, dof) < p ? &low : &high) = middle;
    }
    return (low + high) / 2;
}

/* ---- agreement with the measurement ------------------------------------------------------------------------------ */

void pnb_chi2(uint32_t k, size_t n, const float *ax, const float *y, const float *measured, double sigma, double *chi2) {
    for (uint32_t s = 0; s < k; s++) {
        double sum = 0;
        size_t m = 0;
        for (size_t i = 0; i < n; i++) {
            if (measured && measured[i] == 0) continue;
            double r = (double)y[i] - ax[s * n + i];
            sum += r * r;
            m++;
        }
        chi2[s] = sum / ((double)m * sigma * sigma);
    }
}

/* ---- all together ----------------------------------------------------------------------------------------------- */

typedef struct workspace {
    size_t n; /* elements of one sample */
    bool image;
    double *x;            /* samples, [K,n]: signed, then in [0,1] */
    double *mean, *truth; /* in [0,1] */
    double *chi2;
    float *mean_f, *std_f;
} workspace;

static void workspace_free(workspace *w) {
    free(w->x);
    free(w->mean);
    free(w->truth);
    free(w->chi2);
    free(w->mean_f);
    free(w->std_f);
}

static pnb_status workspace_make(pnb_error *err, const pnb_metrics_input *in, workspace *w) {
    w->image = in->height > 0;
    w->n = (size_t)in->channels * (w->image ? (size_t)in->height * in->width : 1);
    if (in->samples == 0 || w->n == 0) return pnb_fail(err, PNB_ERROR_INPUT, "scores: there are no samples");
    w->x = malloc(in->samples * w->n * sizeof *w->x);
    w->mean = malloc(w->n * sizeof *w->mean);
    w->truth = malloc(w->n * sizeof *w->truth);
    w->chi2 = malloc(in->samples * sizeof *w->chi2);
    w->mean_f = malloc(w->n * sizeof *w->mean_f);
    w->std_f = malloc(w->n * sizeof *w->std_f);
    if (!w->x || !w->mean || !w->truth || !w->chi2 || !w->mean_f || !w->std_f) {
        return pnb_fail(err, PNB_ERROR_OUT_OF_MEMORY, "scores: no host memory for %u samples", in->samples);
    }
    return PNB_OK;
}

static pnb_status fidelity(pnb_error *err, const pnb_metrics_input *in, workspace *w, pnb_metrics *out) {
    uint32_t c = in->channels, h = in->height, wd = in->width, k = in->samples;
    pnb_unit_range(w->n, in->truth, w->truth);
    pnb_unit_range(w->n, w->mean_f, w->mean);
    out->psnr_mean = pnb_psnr(w->n, w->mean, w->truth);
    PNB_TRY(pnb_ssim(err, PNB_SSIM_UNIFORM, c, h, wd, w->mean, w->truth, 1, NULL, &out->ssim_mean));
    PNB_TRY(pnb_ssim(err, PNB_SSIM_GAUSSIAN, c, h, wd, w->mean, w->truth, 1, NULL, &out->ssim_gauss_mean));
    PNB_TRY(pnb_ssim(err, PNB_SSIM_PIQ, c, h, wd, w->mean, w->truth, 1, NULL, &out->ssim_piq_mean));
    double psnr = 0, ssim = 0, gauss = 0, piq = 0, one;
    for (uint32_t s = 0; s < k; s++) {
        const double *x = w->x + s * w->n;
        psnr += pnb_psnr(w->n, x, w->truth);
        PNB_TRY(pnb_ssim(err, PNB_SSIM_UNIFORM, c, h, wd, x, w->truth, 1, NULL, &one));
        ssim += one;
        PNB_TRY(pnb_ssim(err, PNB_SSIM_PIQ, c, h, wd, x, w->truth, 1, NULL, &one));
        piq += one;
        PNB_TRY(pnb_ssim(err, PNB_SSIM_GAUSSIAN, c, h, wd, x, w->truth, 1, NULL, &one));
        gauss += one;
    }
    out->psnr_samples = psnr / k;
    out->ssim_samples = ssim / k;
    out->ssim_gauss_samples = gauss / k;
    out->ssim_piq_samples = piq / k;
    return PNB_OK;
}

static void coverage(const pnb_metrics_input *in, const workspace *w, pnb_metrics *out) {
    for (int level = 0; level < 3; level++) {
        double p = erf((level + 1) / sqrt(2));
        double fair = pnb_student_t(p, in->samples - 1.0) * sqrt(1 + 1.0 / in->samples);
        size_t inside = 0, inside_fair = 0, grey = 0, inside_grey = 0;
        for (size_t i = 0; i < w->n; i++) {
            double error = fabs((double)in->truth[i] - w->mean_f[i]);
            bool covered = error <= fair * w->std_f[i], between = w->image && fabs((double)in->truth[i]) < 1;
            inside += error <= (level + 1) * (double)w->std_f[i];
            inside_fair += covered;
            grey += between;
            inside_grey += covered && between;
        }
        out->coverage[level] = (double)inside / (double)w->n;
        out->coverage_fair[level] = (double)inside_fair / (double)w->n;
        if (grey) out->coverage_grey[level] = (double)inside_grey / (double)grey;
    }
}

static double correlation(size_t n, const float *truth, const float *mean, const float *std) {
    double se = 0, ss = 0, ee = 0, sd = 0, es = 0;
    for (size_t i = 0; i < n; i++) {
        se += fabs((double)truth[i] - mean[i]);
        ss += std[i];
    }
    se /= (double)n;
    ss /= (double)n;
    for (size_t i = 0; i < n; i++) {
        double e = fabs((double)truth[i] - mean[i]) - se, s = std[i] - ss;
        ee += e * e;
        sd += s * s;
        es += e * s;
    }
    return ee > 0 && sd > 0 ? es / sqrt(ee * sd) : NAN;
}

static void calibration(const pnb_metrics_input *in, const workspace *w, pnb_metrics *out) {
    uint32_t k = in->samples;
    double variance = 0, square = 0;
    for (size_t i = 0; i < w->n; i++) variance += (double)w->std_f[i] * w->std_f[i];
    if (k > 1) out->spread = sqrt(variance / (double)w->n * (k + 1.0) / k);
    if (!in->truth) return;
    for (size_t i = 0; i < w->n; i++) {
        double e = (double)in->truth[i] - w->mean_f[i];
        square += e * e;
    }
    out->rmse = sqrt(square / (double)w->n);
    if (k < 2) return;
    out->spread_skill = out->spread / out->rmse;
    out->error_correlation = correlation(w->n, in->truth, w->mean_f, w->std_f);
    out->crps = pnb_crps(k, w->n, in->x, in->truth);
    out->rank_bins = pnb_rank_histogram(k, w->n, in->x, in->truth, out->rank);
    coverage(in, w, out);
}

static void consistency(const pnb_metrics_input *in, workspace *w, pnb_metrics *out) {
    pnb_chi2(in->samples, in->measurements, in->ax, in->y, in->measured, in->sigma, w->chi2);
    double sum = 0;
    out->chi2_least = out->chi2_largest = w->chi2[0];
    for (uint32_t s = 0; s < in->samples; s++) {
        sum += w->chi2[s];
        out->chi2_least = fmin(out->chi2_least, w->chi2[s]);
        out->chi2_largest = fmax(out->chi2_largest, w->chi2[s]);
    }
    out->chi2 = sum / in->samples;
    out->residual_ratio = sqrt(out->chi2);
}

static pnb_status compute(pnb_error *err, const pnb_metrics_input *in, workspace *w, pnb_metrics *out) {
    PNB_TRY(workspace_make(err, in, w));
    size_t all = in->samples * w->n;
    pnb_moments(in->samples, w->n, in->x, w->mean_f, w->std_f);
    for (size_t i = 0; i < all; i++) w->x[i] = in->x[i];
    out->diversity_signed = pnb_diversity(in->samples, w->n, w->x);
    if (w->image) {
        pnb_unit_range(all, in->x, w->x);
        out->diversity = pnb_diversity(in->samples, w->n, w->x);
        if (in->truth) PNB_TRY(fidelity(err, in, w, out));
    }
    calibration(in, w, out);
    if (in->ax && in->sigma > 0) consistency(in, w, out);
    return PNB_OK;
}

pnb_status pnb_metrics_compute(pnb_error *err, const pnb_metrics_input *in, pnb_metrics *out) {
    *out = (pnb_metrics){.psnr_mean = NAN,
                         .psnr_samples = NAN,
                         .ssim_mean = NAN,
                         .ssim_samples = NAN,
                         .ssim_gauss_mean = NAN,
                         .ssim_gauss_samples = NAN,
                         .ssim_piq_mean = NAN,
                         .ssim_piq_samples = NAN,
                         .diversity = NAN,
                         .diversity_signed = NAN,
                         .crps = NAN,
                         .rmse = NAN,
                         .spread = NAN,
                         .spread_skill = NAN,
                         .error_correlation = NAN,
                         .chi2 = NAN,
                         .chi2_least = NAN,
                         .chi2_largest = NAN,
                         .residual_ratio = NAN};
    for (int i = 0; i < 3; i++) out->coverage[i] = out->coverage_fair[i] = out->coverage_grey[i] = NAN;
    workspace w = {0};
    pnb_status status = compute(err, in, &w, out);
    workspace_free(&w);
    return status;
}

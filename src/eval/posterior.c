/* Samples against an exact Gaussian mixture: modes, spread within them, sliced Wasserstein distance, MMD. */
#include "eval/posterior.h"

#include "base/philox.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { DIRECTIONS = 512, EXACT = 4096, EXACT_MMD = 1024, FLOOR_DRAWS = 16, SEED = 123 };
static const double MODE_WEIGHT = 0.05;

/* ---- sliced Wasserstein distance -------------------------------------------------------------------------------- */

static int ascending(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Integral over q in [0,1] of the squared difference of two step quantile functions; a and b sorted. */
static double w2_sorted(uint32_t na, const double *a, uint32_t nb, const double *b) {
    double sum = 0;
    uint64_t at = 0, i = 0, j = 0; /* at: in units of 1/(na nb), so that equal steps are found equal */
    while (i < na && j < nb) {
        uint64_t end_a = (i + 1) * nb, end_b = (j + 1) * na, end = end_a < end_b ? end_a : end_b;
        double gap = a[i] - b[j];
        sum += (double)(end - at) * gap * gap;
        at = end;
        i += end_a == end;
        j += end_b == end;
    }
    return sum / ((double)na * nb);
}

static void project(uint32_t dim, uint32_t n, const double *x, const double *direction, double *out) {
    for (uint32_t s = 0; s < n; s++) {
        out[s] = 0;
        for (uint32_t i = 0; i < dim; i++) out[s] += direction[i] * x[(size_t)s * dim + i];
    }
    qsort(out, n, sizeof *out, ascending);
}

/* Direction s: a draw from N(0,I), normalised; scratch: [dim]. */
static void random_direction(uint32_t dim, uint64_t seed, uint32_t s, float *scratch, double *out) {
    pnb_fill_normal(seed, 0, 0, (uint64_t)s * dim, scratch, dim);
    double square = 0;
    for (uint32_t i = 0; i < dim; i++) square += (double)scratch[i] * scratch[i];
    for (uint32_t i = 0; i < dim; i++) out[i] = scratch[i] / sqrt(square);
}

pnb_status pnb_sliced_w2(pnb_error *err, uint32_t dim, uint32_t na, const double *a, uint32_t nb, const double *b,
                         uint32_t directions, uint64_t seed, double *out) {
    double *work = malloc(((size_t)na + nb + dim) * sizeof *work), sum = 0;
    float *scratch = malloc(dim * sizeof *scratch);
    pnb_status status = PNB_OK;
    if (!work || !scratch) {
        status = pnb_fail(err, PNB_ERROR_OUT_OF_MEMORY, "sliced distance: no host memory");
        directions = 0;
    }
    for (uint32_t i = 0; i < directions; i++) {
        double *pa = work, *pb = pa + na, *direction = pb + nb;
        random_direction(dim, seed, i, scratch, direction);
        project(dim, na, a, direction, pa);
        project(dim, nb, b, direction, pb);
        sum += w2_sorted(na, pa, nb, pb);
    }
    free(work);
    free(scratch);
    *out = sqrt(sum / directions);
    return status;
}

/* ---- maximum mean discrepancy ----------------------------------------------------------------------------------- */

static double mean_kernel(uint32_t dim, uint32_t na, const double *a, uint32_t nb, const double *b) {
    static const double widths[] = {0.1, 0.3, 1};
    double sum = 0;
    for (uint32_t i = 0; i < na; i++) {
        for (uint32_t j = 0; j < nb; j++) {
            double square = 0;
            for (uint32_t k = 0; k < dim; k++) {
                double d = a[(size_t)i * dim + k] - b[(size_t)j * dim + k];
                square += d * d;
            }
            for (int w = 0; w < 3; w++) sum += exp(-square / (2 * widths[w] * widths[w]));
        }
    }
    return sum / 3 / ((double)na * nb);
}

/* bb: mean_kernel of b with itself. */
static double mmd_square(uint32_t dim, uint32_t na, const double *a, uint32_t nb, const double *b, double bb) {
    return fmax(mean_kernel(dim, na, a, na, a) - 2 * mean_kernel(dim, na, a, nb, b) + bb, 0);
}

double pnb_mmd(uint32_t dim, uint32_t na, const double *a, uint32_t nb, const double *b) {
    return sqrt(mmd_square(dim, na, a, nb, b, mean_kernel(dim, nb, b, nb, b)));
}

/* ---- modes ------------------------------------------------------------------------------------------------------ */

/* component[s]: the largest responsibility at sample s; r: scratch [n]. */
static void assign(const pnb_gmm *m, uint32_t k, const double *x, double *r, uint32_t *component) {
    for (uint32_t s = 0; s < k; s++) {
        pnb_gmm_responsibilities(m, x + (size_t)s * m->dim, r);
        component[s] = 0;
        for (uint32_t c = 1; c < m->n; c++) component[s] = r[c] > r[component[s]] ? c : component[s];
    }
}

static double spread_of(const pnb_gmm *m, uint32_t c, uint32_t k, const double *x, const uint32_t *component, uint32_t count) {
    if (count < 5) return 0;
    double exact = 0, found = 0;
    for (uint32_t i = 0; i < m->dim; i++) {
        exact += m->covariances[((size_t)c * m->dim + i) * m->dim + i];
        double sum = 0, square = 0;
        for (uint32_t s = 0; s < k; s++) sum += component[s] == c ? x[(size_t)s * m->dim + i] : 0;
        for (uint32_t s = 0; s < k; s++) {
            double e = component[s] == c ? x[(size_t)s * m->dim + i] - sum / count : 0;
            square += e * e;
        }
        found += square / (count - 1.0);
    }
    return sqrt(found / exact);
}

static void score_modes(const pnb_gmm *m, uint32_t k, const double *x, const uint32_t *component, pnb_posterior_scores *out) {
    out->spread_least = INFINITY;
    for (uint32_t c = 0; c < m->n; c++) {
        uint32_t count = 0;
        for (uint32_t s = 0; s < k; s++) count += component[s] == c;
        pnb_mode mode = {.component = c, .weight = m->weights[c], .found = (double)count / k};
        out->total_variation += 0.5 * fabs(mode.found - mode.weight);
        if (!(mode.weight > MODE_WEIGHT)) continue;
        mode.spread = spread_of(m, c, k, x, component, count);
        out->modes_recovered += mode.found >= mode.weight / 2;
        out->spread_least = fmin(out->spread_least, mode.spread);
        out->spread_largest = fmax(out->spread_largest, mode.spread);
        if (out->modes < PNB_POSTERIOR_MAX_MODES) out->mode[out->modes] = mode;
        out->modes++;
    }
    if (out->modes == 0) out->spread_least = out->spread_largest = NAN;
}

/* ---- the judge -------------------------------------------------------------------------------------------------- */

/* exact: room for [4096,dim]; other: for [k,dim]. */
static pnb_status distances(pnb_error *err, const pnb_gmm *m, uint32_t k, const double *x, double *exact, double *other,
                            pnb_posterior_scores *out) {
    PNB_TRY(pnb_gmm_sample(err, m, SEED, 0, EXACT, exact));
    PNB_TRY(pnb_sliced_w2(err, m->dim, k, x, EXACT, exact, DIRECTIONS, SEED, &out->sliced_w2));
    double self = mean_kernel(m->dim, EXACT_MMD, exact, EXACT_MMD, exact), w2 = 0, mmd = 0;
    out->mmd = sqrt(mmd_square(m->dim, k, x, EXACT_MMD, exact, self));
    for (uint32_t i = 1; i <= FLOOR_DRAWS; i++) {
        double one;
        PNB_TRY(pnb_gmm_sample(err, m, SEED, i, k, other));
        PNB_TRY(pnb_sliced_w2(err, m->dim, k, other, EXACT, exact, DIRECTIONS / FLOOR_DRAWS, SEED + i, &one));
        w2 += one * one;
        mmd += mmd_square(m->dim, k, other, EXACT_MMD, exact, self);
    }
    out->sliced_w2_floor = sqrt(w2 / FLOOR_DRAWS);
    out->mmd_floor = sqrt(mmd / FLOOR_DRAWS);
    return PNB_OK;
}

pnb_status pnb_posterior_score(pnb_error *err, const pnb_gmm *m, uint32_t k, const float *x, pnb_posterior_scores *out) {
    memset(out, 0, sizeof *out);
    if (k == 0) return pnb_fail(err, PNB_ERROR_INPUT, "posterior scores: there are no samples");
    size_t count = (size_t)k * m->dim;
    double *arrays = malloc((2 * count + (size_t)EXACT * m->dim + m->n) * sizeof *arrays);
    uint32_t *component = malloc(k * sizeof *component);
    pnb_status status;
    if (!arrays || !component) {
        status = pnb_fail(err, PNB_ERROR_OUT_OF_MEMORY, "posterior scores: no host memory");
    } else {
        double *wide = arrays, *other = wide + count, *exact = other + count, *r = exact + (size_t)EXACT * m->dim;
        for (size_t i = 0; i < count; i++) wide[i] = x[i];
        assign(m, k, wide, r, component);
        score_modes(m, k, wide, component, out);
        status = distances(err, m, k, wide, exact, other, out);
    }
    free(arrays);
    free(component);
    return status;
}

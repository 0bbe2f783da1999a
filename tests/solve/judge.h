/* Priors with exact posteriors in 2, 16 and 256 dimensions, and what is measured of samples drawn by a method.
 *
 * modes2    the 2-D problem cross4 (toy.h): four anisotropic modes, y = (x_1 + x_2)/sqrt 2 + n
 * modes16   four modes of low rank plus diagonal: D/8 directions of std .6 to .15, the rest .05; two pairs that the
 *           measurement cannot tell apart, weights .7 and .3 within a pair; half of the entries are measured, sigma .1
 * modes256  the same in 256 dimensions, one pair
 * box256    one Gaussian in the cosine basis of a 16 x 16 picture, power-law spectrum, pixel std .5, least std .03; the
 *           middle quarter hidden, sigma .05
 *
 * (The reference's ppm_highd.py has the same families.) Each problem has several observations of truths drawn from the
 * prior; K samples are drawn for each and measured together.
 */
#ifndef PNB_TESTS_SOLVE_JUDGE_H
#define PNB_TESTS_SOLVE_JUDGE_H

#include "solve/toy.h"

#include "folder.h"

#include "base/philox.h"
#include "eval/posterior.h"
#include "io/npy.h"

enum { JUDGE_MOST = 16, JUDGE_EXACT = 2048, JUDGE_DIRECTIONS = 128, JUDGE_FLOOR = 8 };

typedef struct judge_problem {
    const char *name;
    uint32_t dim, measured, observations, particles;
    double sigma;
    pnb_prior *prior; /* committed */
    pnb_operator *op;
    double *a;                     /* [measured, dim] */
    float *y[JUDGE_MOST];          /* as the operator has it */
    pnb_gmm posterior[JUDGE_MOST]; /* of each observation */
    double *exact[JUDGE_MOST];     /* [JUDGE_EXACT, dim] */
    double floor[JUDGE_MOST];      /* squared sliced W2 of K exact draws, mean of JUDGE_FLOOR */
} judge_problem;

typedef struct judge_scores {
    double residual;     /* RMS of (y - A x)/sigma: about 1 when right */
    double wide, narrow; /* squared distance from the mode's mean over the posterior's variance, in directions wider and
                            narrower than sigma apart: 1 when right, whatever K */
    double weights;      /* total variation of the modes' weights, mean over observations */
    double sliced_w2;    /* over that of as many exact draws */
    double spread;       /* root of (variance over samples, all directions / the posterior's) */
} judge_scores;

/* ---- priors ------------------------------------------------------------------------------------------------------ */

/* q [d,d]: rows become orthonormal (Gram-Schmidt, twice). */
static inline void judge_orthonormal(uint32_t d, double *q) {
    for (uint32_t i = 0; i < d; i++) {
        double *row = q + (size_t)i * d, norm = 0;
        for (uint32_t k = 0; k < 2 * i; k++) {
            const double *other = q + (size_t)(k % i) * d;
            double dot = 0;
            for (uint32_t j = 0; j < d; j++) dot += row[j] * other[j];
            for (uint32_t j = 0; j < d; j++) row[j] -= dot * other[j];
        }
        for (uint32_t j = 0; j < d; j++) norm += row[j] * row[j];
        for (uint32_t j = 0; j < d; j++) row[j] /= sqrt(norm);
    }
}

/* c += variance v v^T */
static inline void judge_add(uint32_t d, double variance, const double *v, double *c) {
    for (uint32_t i = 0; i < d; i++)
        for (uint32_t j = 0; j < d; j++) c[(size_t)i * d + j] += variance * v[i] * v[j];
}

static inline void judge_normal(uint64_t seed, uint32_t stream, size_t n, double *out) {
    float *f = malloc(n * sizeof *f);
    assert_non_null(f);
    pnb_fill_normal(seed, stream, 0, 0, f, n);
    for (size_t i = 0; i < n; i++) out[i] = (double)f[i];
    free(f);
}

/* n modes in pairs; the two of a pair lie apart in what `seen` (1: measured) hides. */
static inline void judge_modes(uint32_t d, uint32_t n, const float *seen, double *weights, double *means,
                               double *covariances) {
    uint32_t wide = d / 8;
    double *q = malloc(sizeof *q * d * (size_t)(d + 2)), *centre = q + (size_t)d * d, *apart = centre + d;
    assert_non_null(q);
    for (uint32_t pair = 0; pair < n / 2; pair++) {
        double norm = 0, *c = covariances + (size_t)2 * pair * d * d;
        judge_normal(11, 3 * pair, (size_t)d * d, q);
        judge_orthonormal(d, q);
        judge_normal(11, 3 * pair + 1, d, centre);
        judge_normal(11, 3 * pair + 2, d, apart);
        for (uint32_t i = 0; i < d; i++) norm += seen[i] == 0 ? apart[i] * apart[i] : 0;
        memset(c, 0, sizeof *c * d * d);
        for (uint32_t i = 0; i < d; i++) {
            double std = i < wide ? 0.6 * pow(0.25, i / (wide > 1 ? wide - 1.0 : 1)) : 0.05;
            judge_add(d, std * std, q + (size_t)i * d, c);
            for (int s = 0; s < 2; s++)
                means[(size_t)(2 * pair + s) * d + i] =
                    0.5 * centre[i] + (seen[i] == 0 ? (1 - 2 * s) * 1.2 / sqrt(norm) * apart[i] : 0);
        }
        memcpy(c + (size_t)d * d, c, sizeof *c * d * d);
        weights[2 * pair] = 0.7;
        weights[2 * pair + 1] = 0.3;
    }
    free(q);
}

/* A picture of side^2 pixels: cosine basis, variances (1 + (|f|/1.5)^2)^-1.75 with f in periods of 16 pixels. */
static inline void judge_power(uint32_t side, double *covariance) {
    const double pi = 3.14159265358979323846;
    uint32_t d = side * side;
    double *v = malloc(sizeof *v * d), *variance = malloc(sizeof *variance * d), sum = 0;
    assert_non_null(v);
    assert_non_null(variance);
    for (uint32_t f = 0; f < d; f++) {
        double a = f / side, b = f % side, r = 16.0 / side * sqrt(a * a + b * b);
        variance[f] = pow(1 + r * r / 2.25, -1.75);
        sum += variance[f];
    }
    memset(covariance, 0, sizeof *covariance * d * d);
    for (uint32_t f = 0; f < d; f++) {
        uint32_t a = f / side, b = f % side;
        for (uint32_t i = 0; i < d; i++)
            v[i] = (a ? sqrt(2) : 1) * (b ? sqrt(2) : 1) / side * cos(pi * (i / side + 0.5) * a / side) *
                   cos(pi * (i % side + 0.5) * b / side);
        judge_add(d, fmax(variance[f] * 0.25 * d / sum, 0.03 * 0.03), v, covariance);
    }
    free(v);
    free(variance);
}

/* ---- problems ---------------------------------------------------------------------------------------------------- */

static inline void judge_operator(pnb_gpu *gpu, pnb_error *err, judge_problem *p, const toy *t) {
    char args[256];
    uint32_t d = p->dim;
    if (t->n) {
        snprintf(args, sizeof args, "{\"matrix\":[[%.17g,%.17g]]}", t->f[0], t->f[1]);
        p->op = toy_operator(gpu, err, "matrix", args, pnb_shape1(d));
        p->measured = 1;
        p->a = malloc(sizeof *p->a * d);
        assert_non_null(p->a);
        for (uint32_t i = 0; i < d; i++) p->a[i] = t->f[i];
        return;
    }
    if (strcmp(p->name, "box256") == 0) {
        float mask[256];
        for (uint32_t i = 0; i < 256; i++) mask[i] = i / 16 >= 4 && i / 16 < 12 && i % 16 >= 4 && i % 16 < 12 ? 0 : 1;
        snprintf(args, sizeof args, "%s/box.npy", folder);
        TEST_OK(err, pnb_npy_write(err, args, 1, (uint64_t[]){256}, mask));
        snprintf(args, sizeof args, "{\"file\":\"%s/box.npy\"}", folder);
        p->op = toy_operator(gpu, err, "mask", args, pnb_shape1(d));
    } else {
        p->op = toy_operator(gpu, err, "mask_random", "{\"fraction\":0.5,\"seed\":2}", pnb_shape1(d));
    }
    const float *seen = pnb_operator_measured(p->op);
    for (uint32_t i = 0; i < d; i++) p->measured += seen[i] != 0;
    p->a = calloc((size_t)p->measured * d, sizeof *p->a);
    assert_non_null(p->a);
    for (uint32_t i = 0, row = 0; i < d; i++)
        if (seen[i] != 0) p->a[(size_t)row++ * d + i] = 1;
}

/* Observation o: a truth from the prior, its measurement, the posterior and draws from that. */
static inline void judge_observe(pnb_error *err, judge_problem *p, const pnb_gmm *prior, uint32_t o) {
    uint32_t d = p->dim, m = p->measured, k = p->particles;
    const float *seen = pnb_operator_measured(p->op);
    double *truth = malloc(sizeof *truth * d), *noise = malloc(sizeof *noise * m), *y = malloc(sizeof *y * m);
    double *draws = malloc(sizeof *draws * d * k);
    p->y[o] = calloc(seen ? d : m, sizeof *p->y[o]);
    p->exact[o] = malloc(sizeof *p->exact[o] * d * JUDGE_EXACT);
    assert_true(truth && noise && y && draws && p->y[o] && p->exact[o]);
    TEST_OK(err, pnb_gmm_sample(err, prior, 500 + o, 0, 1, truth));
    judge_normal(600 + o, 0, m, noise);
    for (uint32_t i = 0; i < m; i++) {
        y[i] = p->sigma * noise[i];
        for (uint32_t j = 0; j < d; j++) y[i] += p->a[(size_t)i * d + j] * truth[j];
    }
    for (uint32_t i = 0, row = 0; i < (seen ? d : m); i++)
        if (!seen || seen[i] != 0) p->y[o][i] = (float)y[row++];
    TEST_OK(err, pnb_gmm_posterior(err, prior, m, p->a, y, p->sigma, &p->posterior[o]));
    TEST_OK(err, pnb_gmm_sample(err, &p->posterior[o], 700 + o, 0, JUDGE_EXACT, p->exact[o]));
    for (uint32_t i = 1; i <= JUDGE_FLOOR; i++) {
        double w;
        TEST_OK(err, pnb_gmm_sample(err, &p->posterior[o], 700 + o, i, k, draws));
        TEST_OK(err, pnb_sliced_w2(err, d, k, draws, JUDGE_EXACT, p->exact[o], JUDGE_DIRECTIONS, 9, &w));
        p->floor[o] += w * w / JUDGE_FLOOR;
    }
    free(truth);
    free(noise);
    free(y);
    free(draws);
}

/* A folder has been made (folder.h): box256 keeps its mask there. */
static inline void judge_make(pnb_gpu *gpu, pnb_error *err, const char *name, uint32_t observations, uint32_t particles,
                              judge_problem *p) {
    toy t = {0};
    bool modes2 = strcmp(name, "modes2") == 0, modes16 = strcmp(name, "modes16") == 0,
         box = strcmp(name, "box256") == 0;
    if (modes2) assert_true(toy_make("cross4", &t));
    if (!modes2 && !modes16 && !box && strcmp(name, "modes256") != 0) fail_msg("no problem '%s'", name);
    *p = (judge_problem){.name = name,
                         .dim = modes2    ? 2
                                : modes16 ? 16
                                          : 256,
                         .observations = observations,
                         .particles = particles,
                         .sigma = modes2 ? t.sigma
                                  : box  ? 0.05
                                         : 0.1};
    uint32_t d = p->dim, n = box ? 1 : strcmp(name, "modes256") == 0 ? 2 : 4;
    double weights[4] = {1}, *means = calloc((size_t)n * d, sizeof *means), *c = malloc(sizeof *c * n * d * d);
    pnb_gmm prior;
    assert_true(means && c && observations <= JUDGE_MOST);
    judge_operator(gpu, err, p, &t);
    if (modes2) {
        memcpy(weights, t.weights, sizeof weights);
        memcpy(means, t.means, sizeof *means * n * d);
        memcpy(c, t.covariances, sizeof *c * n * d * d);
    } else if (box) {
        judge_power(16, c);
    } else {
        judge_modes(d, n, pnb_operator_measured(p->op), weights, means, c);
    }
    TEST_OK(err, pnb_gmm_init(err, d, n, weights, means, c, &prior));
    TEST_OK(err, pnb_prior_create_gmm(err, d, n, weights, means, c, &p->prior));
    TEST_OK(err, pnb_prior_commit(p->prior, gpu));
    for (uint32_t o = 0; o < observations; o++) judge_observe(err, p, &prior, o);
    pnb_gmm_finish(&prior);
    free(means);
    free(c);
}

static inline void judge_forget(pnb_gpu *gpu, judge_problem *p) {
    for (uint32_t o = 0; o < p->observations; o++) {
        free(p->y[o]);
        free(p->exact[o]);
        pnb_gmm_finish(&p->posterior[o]);
    }
    free(p->a);
    pnb_operator_destroy(&p->op, gpu);
    pnb_prior_destroy(&p->prior, gpu);
}

/* ---- scores ------------------------------------------------------------------------------------------------------ */

typedef struct judge_sums {
    double residual, wide, narrow, weights, w2, floor, found, exact;
    uint64_t n_residual, n_wide, n_narrow;
} judge_sums;

static inline uint32_t judge_mode_of(const pnb_gmm *m, const double *x) {
    double r[4];
    uint32_t best = 0;
    assert_true(m->n <= 4);
    pnb_gmm_responsibilities(m, x, r);
    for (uint32_t c = 1; c < m->n; c++) best = r[c] > r[best] ? c : best;
    return best;
}

/* One sample: residual, and its squared distance from its mode's mean in the mode's eigenbasis. */
static inline void judge_sample(const judge_problem *p, uint32_t o, const double *x, uint32_t mode, judge_sums *s) {
    const pnb_gmm *q = &p->posterior[o];
    const float *seen = pnb_operator_measured(p->op);
    uint32_t d = p->dim;
    for (uint32_t i = 0, at = 0; i < p->measured; i++, at++) {
        while (seen && seen[at] == 0) at++;
        double r = -(double)p->y[o][at];
        for (uint32_t j = 0; j < d; j++) r += p->a[(size_t)i * d + j] * x[j];
        s->residual += r * r / (p->sigma * p->sigma);
        s->n_residual++;
    }
    for (uint32_t k = 0; k < d; k++) {
        const double *v = q->eigenvectors + ((size_t)mode * d + k) * d, *mean = q->means + (size_t)mode * d;
        double variance = q->eigenvalues[(size_t)mode * d + k], c = 0;
        for (uint32_t j = 0; j < d; j++) c += v[j] * (x[j] - mean[j]);
        bool wide = variance > p->sigma * p->sigma;
        *(wide ? &s->wide : &s->narrow) += c * c / variance;
        *(wide ? &s->n_wide : &s->n_narrow) += 1;
    }
}

/* x [K, dim] of observation o. */
static inline void judge_add_samples(pnb_error *err, const judge_problem *p, uint32_t o, const double *x,
                                     judge_sums *s) {
    const pnb_gmm *q = &p->posterior[o];
    uint32_t d = p->dim, k = p->particles;
    double found[4] = {0}, w2, *covariance = malloc(sizeof *covariance * d * (size_t)(d + 1)),
           *mean = covariance + (size_t)d * d;
    assert_non_null(covariance);
    for (uint32_t i = 0; i < k; i++) {
        uint32_t mode = judge_mode_of(q, x + (size_t)i * d);
        found[mode] += 1.0 / k;
        judge_sample(p, o, x + (size_t)i * d, mode, s);
    }
    for (uint32_t c = 0; c < q->n; c++) s->weights += 0.5 * fabs(found[c] - q->weights[c]) / p->observations;
    TEST_OK(err, pnb_sliced_w2(err, d, k, x, JUDGE_EXACT, p->exact[o], JUDGE_DIRECTIONS, 9, &w2));
    s->w2 += w2 * w2;
    s->floor += p->floor[o];
    pnb_gmm_moments(q, mean, covariance);
    for (uint32_t j = 0; j < d; j++) {
        double sum = 0, square = 0;
        for (uint32_t i = 0; i < k; i++) sum += x[(size_t)i * d + j] / k;
        for (uint32_t i = 0; i < k; i++) square += (x[(size_t)i * d + j] - sum) * (x[(size_t)i * d + j] - sum);
        s->found += square / (k - 1.0);
        s->exact += covariance[(size_t)j * d + j];
    }
    free(covariance);
}

static inline judge_scores judge_mean(const judge_sums *s) {
    return (judge_scores){.residual = sqrt(s->residual / (double)s->n_residual),
                          .wide = s->wide / (double)s->n_wide,
                          .narrow = s->narrow / (double)s->n_narrow,
                          .weights = s->weights,
                          .sliced_w2 = sqrt(s->w2 / s->floor),
                          .spread = sqrt(s->found / s->exact)};
}

/* Samples by a method (NULL: exact draws, the control) with options as toy_options has them. */
static inline judge_scores judge_method(pnb_gpu *gpu, pnb_error *err, const judge_problem *p, const char *method,
                                        const char *const *options, uint64_t seed) {
    size_t count = (size_t)p->particles * p->dim;
    judge_sums sums = {0};
    float *x = malloc(count * sizeof *x);
    double *wide = malloc(count * sizeof *wide);
    assert_true(x && wide);
    for (uint32_t o = 0; o < p->observations; o++) {
        if (!method) {
            TEST_OK(err, pnb_gmm_sample(err, &p->posterior[o], 900 + o, 0, p->particles, wide));
        } else {
            pnb_task task = {
                .gpu = gpu, .prior = p->prior, .op = p->op, .y = p->y[o], .sigma_y = p->sigma, .seed = seed + o};
            pnb_solver *s = toy_solver(err, method, &task, options);
            assert_int_equal(pnb_solver_particles(s), p->particles);
            toy_run(err, s);
            TEST_OK(err, pnb_solver_samples(s, x));
            for (size_t i = 0; i < count; i++) wide[i] = (double)x[i];
            pnb_solver_destroy(&s);
        }
        judge_add_samples(err, p, o, wide, &sums);
    }
    free(x);
    free(wide);
    return judge_mean(&sums);
}

#endif

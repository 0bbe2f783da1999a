/* Simulation-based calibration (Talts et al. 2018, arXiv 1804.06788): truths from the prior, their measurements,
 * samples by a method; the rank of a truth among its samples is uniform where these come from the posterior. Exact
 * draws must be inside binomial bounds, a method's deviation is measured and bounded as it was found.
 *
 * Methods whose samples do not know of each other take all observations in one run: each particle has a measurement of
 * its own. (PPM's particles share an adapter; `penumbra compare` runs it an observation at a time and reports the same
 * numbers.)
 */
#include "solve/judge.h"

#include "eval/metrics.h"
#include "solve/phases.h"

enum { D = 2, OBSERVATIONS = 512, K = 7, BINS = K + 1, ALL = OBSERVATIONS * K, QUANTITIES = D + 1 };

typedef struct calibration {
    test_device device; /* first: test_gpu and test_err work on it */
    pnb_prior *prior;
    pnb_operator *op;
    toy t;
    pnb_gmm mixture;
    double truth[OBSERVATIONS * D], y[OBSERVATIONS];
    float exact[ALL * D];
} calibration;

static void make(calibration *c) {
    pnb_gpu *gpu = c->device.gpu;
    pnb_error *err = &c->device.err;
    char args[96];
    double noise[OBSERVATIONS], draws[K * D];
    assert_true(toy_make("cross4", &c->t));
    const toy *t = &c->t;
    TEST_OK(err, pnb_gmm_init(err, D, t->n, t->weights, t->means, t->covariances, &c->mixture));
    TEST_OK(err, pnb_prior_create_gmm(err, D, t->n, t->weights, t->means, t->covariances, &c->prior));
    TEST_OK(err, pnb_prior_commit(c->prior, gpu));
    snprintf(args, sizeof args, "{\"matrix\":[[%.17g,%.17g]]}", t->f[0], t->f[1]);
    c->op = toy_operator(gpu, err, "matrix", args, pnb_shape1(D));
    TEST_OK(err, pnb_gmm_sample(err, &c->mixture, 21, 0, OBSERVATIONS, c->truth));
    judge_normal(22, 0, OBSERVATIONS, noise);
    for (uint32_t o = 0; o < OBSERVATIONS; o++) {
        pnb_gmm posterior;
        c->y[o] = t->f[0] * c->truth[D * o] + t->f[1] * c->truth[D * o + 1] + t->sigma * noise[o];
        TEST_OK(err, pnb_gmm_posterior(err, &c->mixture, 1, t->f, &c->y[o], t->sigma, &posterior));
        TEST_OK(err, pnb_gmm_sample(err, &posterior, 23, o, K, draws));
        for (int i = 0; i < K * D; i++) c->exact[o * K * D + (uint32_t)i] = (float)draws[i];
        pnb_gmm_finish(&posterior);
    }
}

static int setup(void **state) {
    calibration *c = calloc(1, sizeof *c);
    if (!c) return -1;
    *state = c;
    c->device.gpu = test_gpu_create(&c->device.err);
    if (c->device.gpu) make(c);
    return c->device.gpu ? 0 : -1;
}

static int teardown(void **state) {
    calibration *c = *state;
    pnb_operator_destroy(&c->op, c->device.gpu);
    pnb_prior_destroy(&c->prior, c->device.gpu);
    pnb_gmm_finish(&c->mixture);
    return test_device_teardown(state); /* frees c, which begins with the device */
}

/* What is ranked: the coordinates, and the misfit |y - F x|, which knows of the measurement (Modrak et al. 2023). */
static float quantity(const calibration *c, uint32_t o, uint32_t q, double x0, double x1) {
    return (float)(q == 0 ? x0 : q == 1 ? x1 : fabs(c->y[o] - c->t.f[0] * x0 - c->t.f[1] * x1));
}

/* Counts of the ranks of quantity q of all truths among x [OBSERVATIONS][K][D]. */
static void rank(const calibration *c, const float *x, uint32_t q, double counts[BINS]) {
    double one[PNB_RANK_BINS];
    for (int b = 0; b < BINS; b++) counts[b] = 0;
    for (uint32_t o = 0; o < OBSERVATIONS; o++) {
        float samples[K], truth = quantity(c, o, q, c->truth[D * o], c->truth[D * o + 1]);
        for (uint32_t k = 0; k < K; k++) {
            const float *at = x + (o * K + k) * D;
            samples[k] = quantity(c, o, q, (double)at[0], (double)at[1]);
        }
        assert_int_equal(pnb_rank_histogram(K, 1, samples, &truth, one), BINS);
        for (int b = 0; b < BINS; b++) counts[b] += one[b];
    }
}

typedef struct deviation {
    double worst;             /* of any bin and quantity, in standard deviations of a binomial count */
    double share[QUANTITIES]; /* half the sum over bins of |share - 1/bins|: as `penumbra compare` has it */
    double ends; /* of the coordinates: share of first and last bin, 1/4 when calibrated; more: too narrow */
} deviation;

static deviation deviation_of(const calibration *c, const char *name, const float *x) {
    const double p = 1.0 / BINS, sd = sqrt(OBSERVATIONS * p * (1 - p));
    deviation r = {0};
    for (uint32_t q = 0; q < QUANTITIES; q++) {
        double counts[BINS];
        rank(c, x, q, counts);
        for (int b = 0; b < BINS; b++) {
            r.worst = fmax(r.worst, fabs(counts[b] - OBSERVATIONS * p) / sd);
            r.share[q] += 0.5 * fabs(counts[b] / OBSERVATIONS - p);
        }
        if (q < D) r.ends += (counts[0] + counts[BINS - 1]) / OBSERVATIONS / D;
    }
    print_message("%-16s worst bin %5.1f sd, deviation %.3f %.3f, of the misfit %.3f, first and last bin %.3f\n", name,
                  r.worst, r.share[0], r.share[1], r.share[2], r.ends);
    return r;
}

/* 24 counts beyond 4 standard deviations: a chance of 1.5e-3; the draws are the same each time. */
enum { WITHIN = 4 };

static void test_exact(void **state) {
    const calibration *c = *state;
    static float narrow[ALL * D];
    deviation exact = deviation_of(c, "exact", c->exact);
    assert_true(exact.worst < WITHIN && exact.share[2] < 0.08);
    for (uint32_t i = 0; i < ALL * D; i++) { /* the control: towards the samples' mean by a fifth */
        uint32_t first = i / (K * D) * K * D + i % D;
        double mean = 0;
        for (uint32_t k = 0; k < K; k++) mean += (double)c->exact[first + k * D] / K;
        narrow[i] = (float)(mean + 0.8 * ((double)c->exact[i] - mean));
    }
    deviation r = deviation_of(c, "exact, narrowed", narrow);
    assert_true(r.worst > WITHIN && r.ends > exact.ends + 0.05);
}

static deviation of_method(void **state, const char *name, const char *method, const char *const *options) {
    calibration *c = *state;
    pnb_error *err = &c->device.err;
    static float x[ALL * D], y[ALL];
    float first = 0;
    for (uint32_t i = 0; i < ALL; i++) y[i] = (float)c->y[i / K];
    pnb_task task = {
        .gpu = c->device.gpu, .prior = c->prior, .op = c->op, .y = &first, .sigma_y = c->t.sigma, .seed = 4};
    pnb_solver *s = toy_solver(err, method, &task, options);
    assert_int_equal(pnb_solver_particles(s), ALL);
    TEST_OK(err, pnb_storage_write(s->y, c->device.gpu, y, ALL));
    toy_run(err, s);
    TEST_OK(err, pnb_solver_samples(s, x));
    pnb_solver_destroy(&s);
    return deviation_of(c, name, x);
}

#define OPTIONS(...)                                                                                                   \
    { "particles", "3584", __VA_ARGS__, NULL }
_Static_assert(ALL == 3584, "OPTIONS has the number of particles");

/* The bounds are what was measured, with room for another device's rounding. Right: PiGDM with the weight of the
 * reverse equation, and annealed Langevin, but for what few steps cost. Wrong: published PiGDM and DDRM fit the noise
 * (the misfit's ranks tell), RED-Diff's samples are all alike, DPS knows no sigma. */
static void test_methods(void **state) {
    static const char *const exact[] = OPTIONS("weight", "exact", "steps", "100"),
                             *const jacobian[] = OPTIONS("weight", "exact", "steps", "100", "covariance", "jacobian"),
                             *const annealed[] = OPTIONS("steps", "600", "rho_start", "4"),
                             *const published[] = OPTIONS("steps", "100"), *const few[] = OPTIONS("steps", "20"),
                             *const dps[] = OPTIONS("steps", "200");
    const struct {
        const char *name, *method;
        const char *const *options;
        double least, most, misfit_least, misfit_most; /* the larger of the coordinates' deviations, and the misfit's */
    } rows[] = {
        {"pigdm, exact", "pigdm", exact, 0, 0.08, 0, 0.12},   {"pigdm, jacobian", "pigdm", jacobian, 0, 0.08, 0, 0.12},
        {"langevin", "langevin", annealed, 0, 0.08, 0, 0.1},  {"dps", "dps", dps, 0, 0.12, 0.09, 0.2},
        {"pigdm", "pigdm", published, 0.06, 0.13, 0.2, 0.4},  {"ddrm", "ddrm", few, 0.15, 0.3, 0.4, 0.6},
        {"reddiff", "reddiff", published, 0.4, 0.6, 0.6, 0.8}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        deviation r = of_method(state, rows[i].name, rows[i].method, rows[i].options);
        double larger = fmax(r.share[0], r.share[1]);
        if (larger < rows[i].least || larger > rows[i].most)
            fail_msg("%s: deviation %.3f, expected %.3f to %.3f", rows[i].name, larger, rows[i].least, rows[i].most);
        if (r.share[2] < rows[i].misfit_least || r.share[2] > rows[i].misfit_most)
            fail_msg("%s: deviation of the misfit %.3f, expected %.3f to %.3f", rows[i].name, r.share[2],
                     rows[i].misfit_least, rows[i].misfit_most);
        if (rows[i].least >= 0.06) assert_true(r.worst > WITHIN);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_exact), cmocka_unit_test(test_methods)};
    return cmocka_run_group_tests(tests, setup, teardown);
}

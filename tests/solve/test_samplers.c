/* DDPM, DDIM and Heun on mixtures, whose draws are known in law. */
#include "solve/toy.h"

#include <math.h>

static int setup(void **state) {
    return test_device_setup(state);
}
static int teardown(void **state) {
    return test_device_teardown(state);
}

enum { N = 512 };

/* Two unequal modes: their weights and widths must come back. */
static void check_sampler(void **state, pnb_sampler sampler, uint32_t steps, double eta) {
    pnb_gpu *gpu = test_gpu(state);
    pnb_error *err = test_err(state);
    double weights[2] = {0.7, 0.3}, means[2] = {1, -1.5}, variances[2] = {0.04, 0.09};
    pnb_prior *prior;
    TEST_OK(err, pnb_prior_create_gmm(err, 1, 2, weights, means, variances, &prior));
    TEST_OK(err, pnb_prior_commit(prior, gpu));
    pnb_sampler_params q = {.sampler = sampler, .steps = steps, .eta = eta, .n = N, .seed = 9};
    pnb_solver *s;
    TEST_OK(err, pnb_sampler_create(err, gpu, prior, &q, &s));
    static float x[N];
    toy_run(err, s);
    TEST_OK(err, pnb_solver_samples(s, x));
    double right = 0, mean = 0, variance = 0;
    for (int i = 0; i < N; i++) right += x[i] > 0;
    for (int i = 0; i < N; i++) mean += x[i] > 0 ? x[i] / right : 0;
    for (int i = 0; i < N; i++) variance += x[i] > 0 ? (x[i] - mean) * (x[i] - mean) / right : 0;
    if (fabs(right / N - 0.7) > 0.06) fail_msg("weight of the right mode %f, expected 0.7", right / N);
    if (fabs(mean - 1) > 0.04) fail_msg("its mean %f, expected 1", mean);
    if (fabs(sqrt(variance) / 0.2 - 1) > 0.15) fail_msg("its standard deviation %f, expected 0.2", sqrt(variance));
    pnb_solver_destroy(&s);
    pnb_prior_destroy(&prior, gpu);
}

static void test_ddpm(void **state) {
    check_sampler(state, PNB_SAMPLER_DDPM, 250, 0);
}
static void test_ddim(void **state) {
    check_sampler(state, PNB_SAMPLER_DDIM, 100, 0);
}
static void test_ddim_with_noise(void **state) {
    check_sampler(state, PNB_SAMPLER_DDIM, 200, 1);
}

static void test_heun(void **state) {
    check_sampler(state, PNB_SAMPLER_HEUN, 40, 0);
}

/* Mean and standard deviation that n Heun steps should give on N(m, c): its slope eps is linear in x, so that each draw is
 * an affine image of its start, found here in double by algorithm 2 of Karras et al. */
static void heun_on_gaussian(uint32_t n, double m, double c, double rho_max, double *scale, double *shift) {
    double rho[64], s = rho_max, o = 0;
    pnb_edm_sigmas(n, 0.010000500037503126, rho_max, rho); /* the smallest level of the schedule, over the usual 0.002 */
    for (uint32_t i = 0; i < n; i++) {
        double next = i + 1 < n ? rho[i + 1] : 0, h = next - rho[i];
        double a = rho[i] / (c + rho[i] * rho[i]), b = next / (c + next * next); /* eps = rho (x - m)/(c + rho^2) */
        double es = s + h * a * s, eo = o + h * a * (o - m);
        double ds = next > 0 ? (a * s + b * es) / 2 : a * s, d0 = next > 0 ? (a * (o - m) + b * (eo - m)) / 2 : a * (o - m);
        s += h * ds;
        o += h * d0;
    }
    *scale = s;
    *shift = o;
}

/* Step for step: 12 steps are far from the limit, so that a wrong weight or level would show. */
static void test_heun_steps(void **state) {
    pnb_gpu *gpu = test_gpu(state);
    pnb_error *err = test_err(state);
    double one = 1, mean = 0.5, variance = 0.16, scale, shift;
    enum { FEW = 64, STEPS = 12 };
    float x[FEW], z[FEW];
    pnb_prior *prior;
    pnb_solver *s;
    TEST_OK(err, pnb_prior_create_gmm(err, 1, 1, &one, &mean, &variance, &prior));
    TEST_OK(err, pnb_prior_commit(prior, gpu));
    pnb_sampler_params q = {.sampler = PNB_SAMPLER_HEUN, .steps = STEPS, .n = FEW, .seed = 5};
    TEST_OK(err, pnb_sampler_create(err, gpu, prior, &q, &s));
    TEST_OK(err, pnb_solver_samples(s, z)); /* 80 times the starting noise */
    toy_run(err, s);
    TEST_OK(err, pnb_solver_samples(s, x));
    heun_on_gaussian(STEPS, mean, variance, 80, &scale, &shift);
    for (int i = 0; i < FEW; i++) {
        double expected = scale * ((double)z[i] / 80) + shift;
        if (fabs((double)x[i] - expected) > 2e-4) fail_msg("sample %d is %g, expected %g", i, (double)x[i], expected);
    }
    assert_int_equal(pnb_solver_evaluations(s), FEW * (2 * STEPS - 1));
    pnb_solver_destroy(&s);
    pnb_prior_destroy(&prior, gpu);
}

static void test_bad_arguments(void **state) {
    pnb_gpu *gpu = test_gpu(state);
    pnb_error *err = test_err(state);
    double one = 1, zero = 0;
    pnb_prior *prior;
    pnb_solver *s;
    TEST_OK(err, pnb_prior_create_gmm(err, 1, 1, &one, &zero, &one, &prior));
    TEST_OK(err, pnb_prior_commit(prior, gpu));
    pnb_sampler_params q = {.steps = 2000, .n = 1};
    assert_int_equal(pnb_sampler_create(err, gpu, prior, &q, &s), PNB_ERROR_INPUT);
    assert_string_equal(err->message, "sample: 2000 steps asked for, the schedule has 1000");
    assert_null(s);
    pnb_prior_destroy(&prior, gpu);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_ddpm), cmocka_unit_test(test_ddim),
                                       cmocka_unit_test(test_ddim_with_noise), cmocka_unit_test(test_heun),
                                       cmocka_unit_test(test_heun_steps), cmocka_unit_test(test_bad_arguments)};
    return cmocka_run_group_tests(tests, setup, teardown);
}

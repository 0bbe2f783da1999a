/* DDPM and DDIM on mixtures, whose draws are known in law. */
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
static void check_sampler(void **state, int ddim, uint32_t steps, double eta) {
    pnb_gpu *gpu = test_gpu(state);
    pnb_error *err = test_err(state);
    double weights[2] = {0.7, 0.3}, means[2] = {1, -1.5}, variances[2] = {0.04, 0.09};
    pnb_prior *prior;
    TEST_OK(err, pnb_prior_create_gmm(err, 1, 2, weights, means, variances, &prior));
    TEST_OK(err, pnb_prior_commit(prior, gpu));
    pnb_sampler_params q = {.ddim = ddim, .steps = steps, .eta = eta, .n = N, .seed = 9};
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
    check_sampler(state, 0, 250, 0);
}
static void test_ddim(void **state) {
    check_sampler(state, 1, 100, 0);
}
static void test_ddim_with_noise(void **state) {
    check_sampler(state, 1, 200, 1);
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
                                       cmocka_unit_test(test_ddim_with_noise), cmocka_unit_test(test_bad_arguments)};
    return cmocka_run_group_tests(tests, setup, teardown);
}

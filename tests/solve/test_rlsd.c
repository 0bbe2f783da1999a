/* RLSD as a whole on a mixture: it fits the measurement, its particles stay apart where RED-Diff's do not, and it is no posterior. */
#include "solve/toy.h"

static int setup(void **state) {
    return test_device_setup(state);
}
static int teardown(void **state) {
    return test_device_teardown(state);
}

enum { K = 16 };

/* Samples of T1 (two modes, of equal weight), from a start that is common to all. */
static void solve(void **state, const char *method, const char *const *options, float *x) {
    pnb_gpu *gpu = test_gpu(state);
    pnb_error *err = test_err(state);
    toy t;
    char matrix[96];
    assert_true(toy_make("T1", &t));
    pnb_prior *prior;
    TEST_OK(err, pnb_prior_create_gmm(err, 2, t.n, t.weights, t.means, t.covariances, &prior));
    TEST_OK(err, pnb_prior_commit(prior, gpu));
    snprintf(matrix, sizeof matrix, "{\"matrix\": [[%.17g, %.17g]]}", t.f[0], t.f[1]);
    pnb_operator *op = toy_operator(gpu, err, "matrix", matrix, pnb_shape1(2));
    float y = (float)t.y;
    pnb_task task = {.gpu = gpu, .prior = prior, .op = op, .y = &y, .sigma_y = t.sigma, .seed = 5};
    pnb_solver *s = toy_solver(err, method, &task, options);
    toy_run(err, s);
    TEST_OK(err, pnb_solver_samples(s, x));
    pnb_solver_destroy(&s);
    pnb_operator_destroy(&op, gpu);
    pnb_prior_destroy(&prior, gpu);
}

static double deviation(const float *x, int i) {
    double mean = 0, variance = 0;
    for (int k = 0; k < K; k++) mean += (double)x[2 * k + i] / K;
    for (int k = 0; k < K; k++) variance += pow((double)x[2 * k + i] - mean, 2) / (K - 1);
    return sqrt(variance);
}

static void test_repels_and_fits(void **state) {
    static const char *const red[] = {"particles", "16", "steps", "250", "init_std", "0.05", NULL},
                             *const rlsd[] = {"particles", "16", "steps", "250", "init_std", "0.05", "repulsion", "0.5", NULL},
                             *const none[] = {"particles", "16", "steps", "250", "init_std", "0.05", "repulsion", "0", NULL};
    float a[2 * K], b[2 * K], c[2 * K];
    solve(state, "reddiff", red, a);
    solve(state, "rlsd", rlsd, b);
    solve(state, "rlsd", none, c);
    /* without a push it is RED-Diff, to the byte */
    assert_memory_equal(a, c, sizeof a);
    print_message("along the measurement: reddiff %f, rlsd %f; free: reddiff %f, rlsd %f\n", deviation(a, 0), deviation(b, 0),
                  deviation(a, 1), deviation(b, 1));
    if (!(deviation(b, 1) > deviation(a, 1))) fail_msg("the push does not spread: %f, without %f", deviation(b, 1), deviation(a, 1));
    for (int k = 0; k < K; k++)
        if (!(fabs((double)b[2 * k]) < 2)) fail_msg("sample %d is at %f along the measurement of 0", k, (double)b[2 * k]);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_repels_and_fits)};
    return cmocka_run_group_tests(tests, setup, teardown);
}

/* Amortised PPM on a Gaussian prior: the posterior of measurements that training has not seen, what the published
 * objective makes of the same, resuming. */
#include "solve/amortized.h"

static int setup(void **state) {
    return test_device_setup(state);
}
static int teardown(void **state) {
    return test_device_teardown(state);
}

enum { SETS = 2 };
static const float unseen[SETS] = {1.3f, -0.7f};
#define QUICK "steps", "500", "lr", "2e-3", "aux_lr", "5e-3", "aux_steps", "3", "hidden", "48"
static const char *const quick[] = {QUICK, NULL}, *const marginal[] = {QUICK,       "steps",    "250",
                                                                       "auxiliary", "marginal", NULL};

static void expect(const char *what, double value, double expected, double tolerance) {
    if (fabs(value - expected) > tolerance) fail_msg("%s %f, expected %f +- %f", what, value, expected, tolerance);
}

/* x_1 given y: mean y/(1+sigma^2), variance sigma^2/(1+sigma^2); x_2: the prior's 0 and 1. */
static void test_posterior_of_unseen_measurements(void **state) {
    pnb_gpu *gpu = test_gpu(state);
    pnb_error *err = test_err(state);
    static float all[SETS * 2 * AMORTIZED_K];
    double mean, variance;
    amortized p;
    amortized_make(&p, gpu, err, 0.7);
    amortized_train(gpu, err, &p, "ppm_amortized", quick, SETS, unseen, all);
    for (int i = 0; i < SETS; i++) {
        const float *x = all + 2 * AMORTIZED_K * i;
        amortized_moments(x, 0, &mean, &variance);
        printf("y %g: %f %f |", (double)unseen[i], mean, variance);
        expect("mean of x_1", mean, (double)unseen[i] / 1.49, 0.15);
        expect("variance of x_1", variance, 0.49 / 1.49, 0.12);
        amortized_moments(x, 1, &mean, &variance);
        printf(" %f %f\n", mean, variance);
        expect("mean of x_2", mean, 0, 0.25);
        expect("variance of x_2", variance, 1, 0.35);
    }
    amortized_finish(&p, gpu);
}

/* With the score of all samples together the measured direction loses its spread: the spread of y stands in for it. */
static void test_marginal_score_collapses(void **state) {
    pnb_gpu *gpu = test_gpu(state);
    pnb_error *err = test_err(state);
    static float x[2 * AMORTIZED_K];
    double mean, variance;
    amortized p;
    amortized_make(&p, gpu, err, 0.7);
    amortized_train(gpu, err, &p, "ppm_amortized", marginal, 1, unseen, x);
    amortized_moments(x, 0, &mean, &variance);
    printf("marginal: %f %f\n", mean, variance);
    if (variance > 0.5 * 0.49 / 1.49)
        fail_msg("variance of x_1 %f, expected less than half of the posterior's", variance);
    amortized_finish(&p, gpu);
}

/* An untrained network, whose x_0 is its input, with y hardly put into that again: what x is given y where nothing is known of it but
 * that it is normal with deviation `noise` about 0. */
static void test_input_with_consistency(void **state) {
    static const char *const untrained[] = {"steps", "1", "lr", "1e-8", "noise", "1.5", "consistency",
                                            "1e-4",  "input", "draw", "aux_warmup", "0", NULL};
    pnb_gpu *gpu = test_gpu(state);
    pnb_error *err = test_err(state);
    static float x[2 * AMORTIZED_K];
    double mean, variance, gain = 1.5 * 1.5 / (1.5 * 1.5 + 0.49);
    amortized p;
    amortized_make(&p, gpu, err, 0.7);
    amortized_train(gpu, err, &p, "ppm_amortized", untrained, 1, unseen, x);
    amortized_moments(x, 0, &mean, &variance);
    printf("input: %f %f |", mean, variance);
    expect("mean of x_1", mean, gain * (double)unseen[0], 5 * sqrt(0.49 * gain / AMORTIZED_K));
    expect("variance of x_1", variance, 0.49 * gain, 5 * 0.49 * gain * sqrt(2.0 / AMORTIZED_K));
    amortized_moments(x, 1, &mean, &variance);
    printf(" %f %f\n", mean, variance);
    expect("mean of x_2", mean, 0, 5 * 1.5 / sqrt(AMORTIZED_K));
    expect("variance of x_2", variance, 1.5 * 1.5, 5 * 1.5 * 1.5 * sqrt(2.0 / AMORTIZED_K));
    amortized_finish(&p, gpu);
}

/* Stopped, saved, loaded into another solver: the same bytes. */
static void test_resume(void **state) {
    static const char *const options[] = {"steps", "6", "particles", "4", "batch", "8", NULL};
    pnb_gpu *gpu = test_gpu(state);
    pnb_error *err = test_err(state);
    char path[] = "/tmp/pnb_amortized_XXXXXX";
    int fd = mkstemp(path);
    float x[2][8];
    amortized p;
    assert_true(fd >= 0);
    close(fd);
    amortized_make(&p, gpu, err, 0.7);
    pnb_solver *whole = toy_solver(err, "ppm_amortized", &p.task, options);
    toy_run(err, whole);
    TEST_OK(err, pnb_solver_samples(whole, x[0]));
    pnb_solver *half = toy_solver(err, "ppm_amortized", &p.task, options);
    for (int i = 0; i < 3; i++) TEST_OK(err, pnb_solver_step(half));
    TEST_OK(err, pnb_solver_save(half, path));
    pnb_solver_destroy(&half);
    half = toy_solver(err, "ppm_amortized", &p.task, options);
    TEST_OK(err, pnb_solver_load(half, path));
    toy_run(err, half);
    TEST_OK(err, pnb_solver_samples(half, x[1]));
    assert_memory_equal(x[0], x[1], sizeof x[0]);
    p.y[7] += 1; /* another measurement is another run */
    pnb_solver_destroy(&half);
    half = toy_solver(err, "ppm_amortized", &p.task, options);
    assert_int_equal(pnb_solver_load(half, path), PNB_ERROR_INPUT);
    pnb_solver_destroy(&whole);
    pnb_solver_destroy(&half);
    unlink(path);
    amortized_finish(&p, gpu);
}

static void test_refusals(void **state) {
    pnb_gpu *gpu = test_gpu(state);
    pnb_error *err = test_err(state);
    const pnb_method *m = pnb_method_find("ppm_amortized");
    pnb_solver *s = NULL;
    amortized p;
    amortized_make(&p, gpu, err, 0.7);
    void *o = toy_options(err, m, &p.task, (const char *const[]){"supervised", "1", NULL});
    assert_int_equal(m->create(err, &p.task, o, &s), PNB_ERROR_INPUT);
    assert_non_null(strstr(err->message, "--truths"));
    free(o);
    o = toy_options(err, m, &p.task, (const char *const[]){"input", "draw", NULL});
    assert_int_equal(m->create(err, &p.task, o, &s), PNB_ERROR_INPUT);
    assert_non_null(strstr(err->message, "consistency above 0"));
    free(o);
    s = toy_solver(err, "ppm", &p.task, (const char *const[]){"particles", "2", "steps", "1", NULL});
    assert_int_equal(pnb_solver_save_generator(s, "/tmp/none", NULL, 0), PNB_ERROR_USAGE);
    pnb_solver_destroy(&s);
    amortized_finish(&p, gpu);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_posterior_of_unseen_measurements, setup, teardown),
        cmocka_unit_test_setup_teardown(test_marginal_score_collapses, setup, teardown),
        cmocka_unit_test_setup_teardown(test_input_with_consistency, setup, teardown),
        cmocka_unit_test_setup_teardown(test_resume, setup, teardown),
        cmocka_unit_test_setup_teardown(test_refusals, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

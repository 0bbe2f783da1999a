/* DAVI's integral KL on a Gaussian prior, and what it is known to get wrong: the prior tempered to p^beta. */
#include "solve/amortized.h"

static int setup(void **state) {
    return test_device_setup(state);
}
static int teardown(void **state) {
    return test_device_teardown(state);
}

/* Where the expected gradient of KL(q_t | p_t), t even over the schedule, and of (x - y)^2/(2 sigma^2) meet, for q =
 * N(m, s^2) and the prior N(0,1): m beta + (m - y)/sigma^2 = 0 with beta the mean of alpha_bar, and 1/sigma^2 + mean of
 * alpha_bar (1 - 1/v) = 0, v = 1 - alpha_bar (1 - s^2). */
static void fixed_point(const pnb_schedule *s, double y, double sigma, double *beta, double *mean, double *variance) {
    double low = 0, high = 1;
    *beta = 0;
    for (uint32_t t = 0; t < s->steps; t++) *beta += s->alpha_bar[t] / s->steps;
    *mean = y / (1 + *beta * sigma * sigma);
    for (int i = 0; i < 60; i++) {
        double c = 0.5 * (low + high), slope = 1 / (sigma * sigma);
        for (uint32_t t = 0; t < s->steps; t++)
            slope += s->alpha_bar[t] * (1 - 1 / (1 - s->alpha_bar[t] * (1 - c))) / s->steps;
        *(slope > 0 ? &high : &low) = c;
    }
    *variance = 0.5 * (low + high);
}

/* One measurement, y = x_1 + n: samples of the generator that was trained on it. */
static void test_prior_is_tempered(void **state) {
    pnb_gpu *gpu = test_gpu(state);
    pnb_error *err = test_err(state);
    const double y = 2, sigma = 1;
    static float x[2 * AMORTIZED_K];
    double beta, mean, variance, m, v;
    amortized p;
    amortized_make(&p, gpu, err, sigma);
    p.y[0] = (float)y;
    p.task.n_measurements = 0;
    pnb_solver *s = toy_solver(err, "davi", &p.task,
                               (const char *const[]){"particles", "256", "steps", "400", "lr", "4e-3", "aux_lr", "4e-3",
                                                     "aux_steps", "1", "hidden", "48", NULL});
    toy_run(err, s);
    TEST_OK(err, pnb_solver_samples(s, x));
    amortized_moments(x, 0, &m, &v);
    fixed_point(pnb_prior_schedule(p.prior), y, sigma, &beta, &mean, &variance);
    /* the mean of the exact posterior, and of the one with p^beta for a prior */
    double exact = y / (1 + sigma * sigma), tempered = y / (1 + beta * sigma * sigma);
    printf("beta %f: mean %f, tempered %f, exact %f; variance %f, predicted %f\n", beta, m, tempered, exact, v,
           variance);
    assert_true(beta < 0.5);
    if (fabs(m - tempered) > 0.5 * fabs(m - exact))
        fail_msg("mean %f: nearer to the posterior's %f than to %f", m, exact, tempered);
    if (fabs(m - mean) > 0.12) fail_msg("mean %f, expected %f", m, mean);
    if (v > 0.25)
        fail_msg("variance %f, expected far less than the posterior's 0.5: %f with exact scores", v, variance);
    pnb_solver_destroy(&s);
    amortized_finish(&p, gpu);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_prior_is_tempered),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}

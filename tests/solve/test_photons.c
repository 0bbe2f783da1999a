/* Methods under photon noise: the posterior of one Gaussian number against the same density on a grid, and who refuses. */
#include "solve/toy.h"

#include "measure/photons.h"

/* Mean and standard deviation of exp(-loss/2) times N(0, 0.36). */
static void exact_moments(const pnb_photons *p, double y, double *mean, double *std) {
    double sum = 0, first = 0, second = 0;
    for (double x = -3; x < 3; x += 1e-3) {
        double v = fmax(x - p->zero, 0) / p->gain + p->sigma * p->sigma;
        double w = exp(-0.5 * ((x - y) * (x - y) / v + log(v) + x * x / 0.36));
        sum += w;
        first += w * x;
        second += w * x * x;
    }
    *mean = first / sum;
    *std = sqrt(second / sum - *mean * *mean);
}

/* k samples; tolerances: of the mean in standard deviations, of these as a fraction. */
static void solve(void **state, const char *method, const char *const *pairs, int k, double tolerance_mean, double tolerance_std) {
    pnb_error *err = test_err(state);
    pnb_gpu *gpu = test_gpu(state);
    const pnb_photons photons = {.gain = 8, .zero = -1, .sigma = 0.1};
    double one = 1, zero[2] = {0}, covariance[4] = {0.36, 0, 0, 0.36};
    float y[2] = {-0.7f, 1.1f}, *x = malloc(2 * (size_t)k * sizeof *x); /* a dark pixel and a bright one */
    assert_non_null(x);
    pnb_prior *prior;
    TEST_OK(err, pnb_prior_create_gmm(err, 2, 1, &one, zero, covariance, &prior));
    TEST_OK(err, pnb_prior_commit(prior, gpu));
    pnb_operator *op = toy_operator(gpu, err, "matrix", "{\"matrix\":[[1,0],[0,1]]}", pnb_shape1(2));
    pnb_task task = {.gpu = gpu, .prior = prior, .op = op, .y = y, .photons = photons, .seed = 3};
    task.sigma_y = pnb_photons_level(&photons, op, y);
    pnb_solver *s = toy_solver(err, method, &task, pairs);
    toy_run(err, s);
    TEST_OK(err, pnb_solver_samples(s, x));
    for (int c = 0; c < 2; c++) {
        double mean, std, sum = 0, square = 0;
        exact_moments(&photons, (double)y[c], &mean, &std);
        for (int i = 0; i < k; i++) {
            sum += x[2 * i + c];
            square += (double)x[2 * i + c] * x[2 * i + c];
        }
        double m = sum / k, d = sqrt(square / k - m * m);
        if (!(fabs(m - mean) < tolerance_mean * std && fabs(d / std - 1) < tolerance_std))
            fail_msg("%s, pixel %d: %.4f +- %.4f, expected %.4f +- %.4f", method, c, m, d, mean, std);
    }
    free(x);
    pnb_solver_destroy(&s);
    pnb_operator_destroy(&op, gpu);
    pnb_prior_destroy(&prior, gpu);
}

static void test_langevin(void **state) {
    solve(state, "langevin",
          (const char *const[]){"particles", "1024", "steps", "400", "rho", "0.1", "step_size", "0.3", "init_std", "0.5", NULL}, 1024, 0.2,
          0.1);
}

/* Sixty-four particles are a coarse picture: near enough that a wrong sign or variance is seen. */
static void test_ppm(void **state) {
    solve(state, "ppm", (const char *const[]){"particles", "64", "steps", "200", "finish", "langevin", "finish_steps", "100", NULL}, 64,
          0.6, 0.5);
}

static void test_refused(void **state) {
    pnb_error *err = test_err(state);
    pnb_gpu *gpu = test_gpu(state);
    double one = 1, zero[2] = {0}, covariance[4] = {1, 0, 0, 1};
    float y[2] = {0, 0};
    pnb_prior *prior;
    TEST_OK(err, pnb_prior_create_gmm(err, 2, 1, &one, zero, covariance, &prior));
    pnb_operator *op = toy_operator(gpu, err, "matrix", "{\"matrix\":[[1,0],[0,1]]}", pnb_shape1(2));
    pnb_task task = {.gpu = gpu, .prior = prior, .op = op, .y = y, .sigma_y = 0.3, .photons = {8, -1, 0.1}};
    for (int i = 0; i < 2; i++) {
        const pnb_method *m = pnb_method_find(i ? "ddrm" : "pigdm");
        void *o = toy_options(err, m, &task, NULL);
        assert_int_equal(m->check(err, &task, o), PNB_ERROR_INPUT);
        assert_non_null(strstr(err->message, "use ppm, dps, reddiff"));
        free(o);
    }
    pnb_operator_destroy(&op, gpu);
    pnb_prior_destroy(&prior, gpu);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_langevin), cmocka_unit_test(test_ppm), cmocka_unit_test(test_refused)};
    return cmocka_run_group_tests(tests, test_device_setup, test_device_teardown);
}

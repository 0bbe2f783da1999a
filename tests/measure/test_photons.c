/* Poisson-Gaussian noise: the density and its gradient against fp64, draws with the right moments, no bias at the truth, agreement
 * with the exact density where there are many photons. */
#include "measure/rig.h"

#include "measure/noise.h"
#include "ops/ops.h"

static const pnb_photons camera = {.gain = 40, .zero = -1, .sigma = 0.05};

/* Twice minus the log-density of y at m, as photons.h has it. */
static double loss_of(const pnb_photons *p, double m, double y) {
    double v = fmax(m - p->zero, 0) / p->gain + p->sigma * p->sigma;
    return (m - y) * (m - y) / v + log(v / (p->sigma * p->sigma));
}

static double slope_of(const pnb_photons *p, double m, double y) {
    const double h = 1e-5;
    return (loss_of(p, m + h, y) - loss_of(p, m - h, y)) / (2 * h);
}

/* The sum of losses of A x, and its gradient in x. */
static void run_loss(void **state, pnb_operator *op, const float *x, const float *y, float *each, float *gradient) {
    pnb_error *err = test_err(state);
    pnb_gpu *gpu = test_gpu(state);
    pnb_shape image = rig_batch(1, pnb_operator_image_shape(op)), measurement = rig_batch(1, pnb_operator_measurement_shape(op));
    pnb_store *store;
    pnb_storage *xs, *ys;
    pnb_graph *g;
    pnb_program *program;
    pnb_tensor tx, ty, ax, loss, ones, back;
    TEST_OK(err, pnb_store_create(err, "test", &store));
    TEST_OK(err, pnb_store_add(store, "x", image, PNB_STORAGE_VARIABLE, &xs));
    TEST_OK(err, pnb_store_add(store, "y", measurement, PNB_STORAGE_VARIABLE, &ys));
    TEST_OK(err, pnb_store_commit(store, gpu));
    TEST_OK(err, pnb_storage_write(xs, gpu, x, pnb_shape_count(image)));
    TEST_OK(err, pnb_storage_write(ys, gpu, y, pnb_shape_count(measurement)));
    TEST_OK(err, pnb_graph_create(err, gpu, "test", &g));
    TEST_OK(err, pnb_graph_bind(g, xs, &tx));
    TEST_OK(err, pnb_graph_bind(g, ys, &ty));
    TEST_OK(err, pnb_operator_apply(op, g, tx, &ax));
    TEST_OK(err, pnb_photons_loss(g, &camera, ax, ty, PNB_NONE, &loss));
    TEST_OK(err, pnb_constant(g, pnb_graph_shape(g, loss), 1, &ones));
    TEST_OK(err, pnb_graph_grad(g, &loss, &ones, 1, &tx, 1, &back));
    TEST_OK(err, pnb_graph_output(g, loss));
    TEST_OK(err, pnb_graph_output(g, back));
    TEST_OK(err, pnb_program_create(g, gpu, NULL, &program));
    TEST_OK(err, pnb_program_run(program));
    TEST_OK(err, pnb_program_read(program, loss, each, pnb_shape_count(measurement)));
    TEST_OK(err, pnb_program_read(program, back, gradient, pnb_shape_count(image)));
    pnb_program_destroy(&program);
    pnb_graph_destroy(&g);
    pnb_store_destroy(&store, gpu);
}

static void test_density_and_gradient(void **state) {
    enum { H = 9, W = 12, N = H * W };
    pnb_operator *op = rig_make(state, "gaussian_blur", "{\"sigma\": 1, \"boundary\": \"zero\"}", pnb_shape3(1, H, W));
    float *x = rig_random(N, 3), *y = rig_random(N, 4), each[N], gradient[N], cotangent[N];
    for (int i = 0; i < N; i++) x[i] *= 3;
    float *ax = rig_run(state, op, APPLY, 1, x);
    double want[N];
    int dark = 0;
    run_loss(state, op, x, y, each, gradient);
    for (int i = 0; i < N; i++) {
        want[i] = loss_of(&camera, ax[i], y[i]);
        cotangent[i] = (float)slope_of(&camera, ax[i], y[i]);
        dark += ax[i] < -1;
    }
    assert_in_range(dark, 1, N / 2); /* both sides of zero are in it */
    rig_near(N, each, want, 1e-5, "loss");
    float *back = rig_run(state, op, ADJOINT, 1, cotangent);
    for (int i = 0; i < N; i++) want[i] = back[i];
    rig_near(N, gradient, want, 1e-4, "gradient");
    free(x);
    free(y);
    free(ax);
    free(back);
    pnb_operator_destroy(&op, test_gpu(state));
}

enum { SIDE = 128, COUNT = SIDE * SIDE };

/* Two levels of light: mean and variance of the draws, chi-square 1 and no slope at the truth (the log-term's merit). */
static void test_draws(void **state) {
    pnb_operator *op = rig_make(state, "identity", NULL, pnb_shape3(1, SIDE, SIDE));
    float *x = calloc(COUNT, sizeof *x), *y = malloc(COUNT * sizeof *y), *again = malloc(COUNT * sizeof *again);
    assert_true(x && y && again);
    for (int i = 0; i < COUNT; i++) x[i] = i % 2 ? 0.8f : -0.9f;
    pnb_error *err = test_err(state);
    TEST_OK(err, pnb_measure_simulate(err, test_gpu(state), op, x, 7, &camera, 11, 2, y));
    TEST_OK(err, pnb_measure_simulate(err, test_gpu(state), op, x, 7, &camera, 11, 2, again));
    assert_memory_equal(y, again, COUNT * sizeof *y);
    double level = pnb_photons_level(&camera, op, y), chi2 = 0, slope = 0, slope2 = 0;
    pnb_photons_residual_host(&camera, level, COUNT, COUNT, x, y, again);
    for (int bright = 0; bright < 2; bright++) {
        double m = (double)x[bright], v = (m + 1) / camera.gain + camera.sigma * camera.sigma, sum = 0, square = 0;
        for (int i = bright; i < COUNT; i += 2) {
            sum += y[i] - m;
            square += (y[i] - m) * (y[i] - m);
        }
        assert_true(fabs(sum / (COUNT / 2)) < 4 * sqrt(v / (COUNT / 2)));
        assert_true(fabs(square / (COUNT / 2) / v - 1) < 0.06); /* 4 standard errors, with the skewness of few counts */
    }
    for (int i = 0; i < COUNT; i++) {
        double s = slope_of(&camera, (double)x[i], (double)y[i]);
        chi2 += pow(again[i] / level, 2) / COUNT;
        slope += s / COUNT;
        slope2 += s * s / COUNT;
    }
    assert_true(fabs(chi2 - 1) < 0.06);
    assert_true(fabs(slope) < 4 * sqrt(slope2 / COUNT));
    /* The level is that of the mean variance. */
    assert_true(fabs(level * level / (0.95 / camera.gain + camera.sigma * camera.sigma) - 1) < 0.02);
    free(x);
    free(y);
    free(again);
    pnb_operator_destroy(&op, test_gpu(state));
}

/* ln p(y|m) of the true density, the Poisson distribution folded with the camera's noise. */
static double exact_log_density(const pnb_photons *p, double m, double y) {
    double mean = p->gain * (m - p->zero), sum = 0;
    for (int k = 0; k < 4 * mean + 50; k++) {
        double r = (y - p->zero - k / p->gain) / p->sigma;
        sum += exp(k * log(mean) - mean - lgamma(k + 1.0) - 0.5 * r * r);
    }
    return log(sum);
}

/* At a thousand photons the Gaussian's ratio of densities is the exact one's to a few per cent, over two standard deviations. */
static void test_against_exact(void **state) {
    (void)state;
    const pnb_photons bright = {.gain = 1000, .zero = -1, .sigma = 0.01};
    const double y = 0.1;
    for (double m = 0.03; m < 0.17; m += 0.02) {
        double approximate = -0.5 * (loss_of(&bright, m, y) - loss_of(&bright, y, y));
        double exact = exact_log_density(&bright, m, y) - exact_log_density(&bright, y, y);
        if (!(fabs(approximate - exact) < 0.05)) fail_msg("at %g: %g, exactly %g", m, approximate, exact);
    }
}

static void test_hidden(void **state) {
    pnb_operator *op = rig_make(state, "mask_box", NULL, pnb_shape3(1, 8, 8));
    float x[64] = {0}, y[64], each[64], gradient[64];
    TEST_OK(test_err(state), pnb_measure_simulate(test_err(state), test_gpu(state), op, x, 0, &camera, 1, 0, y));
    run_loss(state, op, x, y, each, gradient);
    const float *measured = pnb_operator_measured(op);
    for (int i = 0; i < 64; i++) {
        if (measured[i] != 0) continue;
        assert_true(y[i] == 0 && gradient[i] == 0);
        assert_true(fabs((double)each[i] - pnb_photons_hidden(&camera)) < 1e-4);
    }
    pnb_operator_destroy(&op, test_gpu(state));
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_density_and_gradient), cmocka_unit_test(test_draws),
                                       cmocka_unit_test(test_against_exact), cmocka_unit_test(test_hidden)};
    return cmocka_run_group_tests(tests, test_device_setup, test_device_teardown);
}

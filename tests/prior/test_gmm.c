/* The mixture prior on the device: prediction and vector-Jacobian product against double precision on the host. */
#include "device.h"

#include "prior/gmm_host.h"
#include "rig.h"

/* Random covariances: A A^T / d + 0.01 I, so widths differ and axes are turned. */
static void random_mixture(uint32_t dim, uint32_t n, double *w, double *m, double *c) {
    float *a = rig_normal(7, (uint64_t)n * dim * dim), *mean = rig_normal(8, (uint64_t)n * dim);
    for (uint32_t i = 0; i < n; i++) {
        const float *ai = a + (size_t)i * dim * dim;
        w[i] = 1 + i % 3;
        for (uint32_t j = 0; j < dim; j++) {
            m[i * dim + j] = 1.5 * mean[i * dim + j];
            for (uint32_t k = 0; k < dim; k++) {
                double sum = j == k ? 0.01 : 0;
                for (uint32_t l = 0; l < dim; l++) sum += (double)ai[j * dim + l] * ai[k * dim + l] / (3.0 * dim);
                c[((size_t)i * dim + j) * dim + k] = sum;
            }
        }
    }
    free(a);
    free(mean);
}

/* J v of eps by central differences in double. */
static void jacobian_product(const pnb_gmm *g, double alpha, double sigma, const double *x, const double *v,
                             double *out) {
    double *up = malloc(4 * g->dim * sizeof *up), *down = up + g->dim, *a = down + g->dim, *b = a + g->dim, h = 1e-5;
    assert_non_null(up);
    for (uint32_t j = 0; j < g->dim; j++) {
        up[j] = x[j] + h * v[j];
        down[j] = x[j] - h * v[j];
    }
    assert_int_equal(pnb_gmm_eps(NULL, g, alpha, sigma, up, a), PNB_OK);
    assert_int_equal(pnb_gmm_eps(NULL, g, alpha, sigma, down, b), PNB_OK);
    for (uint32_t j = 0; j < g->dim; j++) out[j] = (a[j] - b[j]) / (2 * h);
    free(up);
}

static void one_case(void **state, uint32_t dim, uint32_t n, double spread) {
    enum { SAMPLES = 9 };
    static const uint32_t t[SAMPLES] = {0, 1, 10, 50, 150, 300, 500, 800, 999};
    double *w = malloc(n * sizeof *w), *m = malloc((size_t)n * dim * sizeof *m),
           *c = malloc((size_t)n * dim * dim * sizeof *c);
    assert_true(w && m && c);
    random_mixture(dim, n, w, m, c);
    pnb_prior *prior;
    TEST_OK(test_err(state), pnb_prior_create_gmm(test_err(state), dim, n, w, m, c, &prior));
    TEST_OK(test_err(state), pnb_prior_commit(prior, test_gpu(state)));
    const pnb_gmm *host = pnb_prior_gmm(prior);
    const pnb_schedule *s = pnb_prior_schedule(prior);
    rig r = rig_open(state);
    pnb_level level = rig_level(&r, s, t, SAMPLES);
    /* where noise takes draws of the mixture, or further out */
    double draws[SAMPLES * 128];
    float *x = rig_normal(21, SAMPLES * dim), *v = rig_normal(22, SAMPLES * dim);
    assert_int_equal(pnb_gmm_sample(NULL, host, 3, 0, SAMPLES, draws), PNB_OK);
    for (uint32_t i = 0; i < SAMPLES * dim; i++) {
        uint32_t k = t[i / dim];
        x[i] = (float)(spread * (s->alpha[k] * draws[i] + s->sigma[k] * x[i]));
    }
    pnb_tensor tx = rig_input(&r, "x", pnb_shape2(SAMPLES, dim), x),
               tv = rig_input(&r, "v", pnb_shape2(SAMPLES, dim), v), eps, gx;
    TEST_OK(r.err, pnb_prior_eps(prior, r.g, tx, level, NULL, &eps));
    TEST_OK(r.err, pnb_graph_grad(r.g, &eps, &tv, 1, &tx, 1, &gx));
    rig_output(&r, eps);
    rig_output(&r, gx);
    rig_run(&r);
    float *got = rig_read(&r, eps), *got_g = rig_read(&r, gx);
    double worst = 0, worst_g = 0;
    for (uint32_t i = 0; i < SAMPLES; i++) {
        float want[128], want_g[128];
        double xd[128], vd[128], e[128], g[128];
        float alpha = (float)s->alpha[t[i]], sigma = (float)s->sigma[t[i]];
        for (uint32_t j = 0; j < dim; j++) {
            xd[j] = x[i * dim + j];
            vd[j] = v[i * dim + j];
        }
        assert_int_equal(pnb_gmm_eps(NULL, host, alpha, sigma, xd, e), PNB_OK);
        jacobian_product(host, alpha, sigma, xd, vd, g);
        for (uint32_t j = 0; j < dim; j++) {
            want[j] = (float)e[j];
            want_g[j] = (float)g[j];
        }
        worst = fmax(worst, relative_error(got + i * dim, want, dim, 0.5));
        worst_g = fmax(worst_g, relative_error(got_g + i * dim, want_g, dim, 0.5));
    }
    print_message("gmm d%u n%u spread %g: eps %.1e, vjp %.1e\n", dim, n, spread, worst, worst_g);
    assert_true(worst <= 1e-5 * (spread > 1 ? 10 : 1));
    assert_true(worst_g <= 1e-4 * (spread > 1 ? 10 : 1));
    rig_close(&r);
    pnb_prior_destroy(&prior, test_gpu(state));
    free(w);
    free(m);
    free(c);
    free(x);
    free(v);
    free(got);
    free(got_g);
}

static void test_sizes(void **state) {
    one_case(state, 2, 8, 1);
    one_case(state, 1, 1, 1);
    one_case(state, 5, 3, 1);
    one_case(state, 2, 70, 1);
    one_case(state, 128, 4, 1);
}

static void test_far(void **state) {
    one_case(state, 3, 6, 6);
} /* far from all modes: only the largest log weight counts */

static void test_refuses(void **state) {
    pnb_error *err = test_err(state);
    double w = 1, m[2] = {0, 0}, c[4] = {1, 0, 0, 1}, skew[4] = {1, 0.5, 0, 1};
    pnb_prior *prior;
    assert_int_equal(pnb_prior_create_gmm(err, 2, 1, &w, m, skew, &prior), PNB_ERROR_INPUT);
    assert_null(prior);
    assert_non_null(strstr(err->message, "not symmetric"));
    TEST_OK(err, pnb_prior_create_gmm(err, 2, 1, &w, m, c, &prior));
    assert_int_equal(pnb_prior_dim(prior), 2);
    assert_int_equal(pnb_prior_channels(prior), 0);
    assert_int_equal(pnb_prior_multiple(prior), 1);
    assert_string_equal(pnb_prior_describe(prior), "exact mixture of 1 Gaussian in 2 dimensions");
    TEST_OK(err, pnb_prior_commit(prior, test_gpu(state)));
    rig r = rig_open(state);
    uint32_t t[4] = {1, 2, 3, 4};
    pnb_level level = rig_level(&r, pnb_prior_schedule(prior), t, 4);
    pnb_tensor x = rig_normal_input(&r, "x", pnb_shape2(4, 3), 1), y = rig_normal_input(&r, "y", pnb_shape2(3, 2), 1),
               eps;
    assert_int_equal(pnb_prior_eps(prior, r.g, x, level, NULL, &eps), PNB_ERROR_INPUT);
    assert_non_null(strstr(err->message, "[N,2], found [4,3]"));
    assert_int_equal(pnb_prior_eps(prior, r.g, y, level, NULL, &eps), PNB_ERROR_INPUT);
    rig_close(&r);
    pnb_prior_destroy(&prior, test_gpu(state));
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_sizes), cmocka_unit_test(test_far),
                                       cmocka_unit_test(test_refuses)};
    return cmocka_run_group_tests(tests, test_device_setup, test_device_teardown);
}

/* Mixtures in double: eigenvectors, densities, scores, posteriors and draws, each against an independent way to the
 * same number. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/philox.h"
#include "prior/gmm_host.h"

#define CLOSE(a, b, tolerance)                                                                                         \
    do {                                                                                                               \
        double a_ = (a), b_ = (b);                                                                                     \
        if (!(fabs(a_ - b_) <= (tolerance))) fail_msg("%s is %.12g, expected %.12g", #a, a_, b_);                      \
    } while (0)
#define OK(call) assert_int_equal((call), PNB_OK)

/* Three anisotropic components in two dimensions. */
static const double W[3] = {1, 2, 1.5}, M[6] = {1, 0.5, -1, 0.2, 0.1, -1.2},
                    C[12] = {0.3, 0.1, 0.1, 0.2, 0.05, -0.03, -0.03, 0.4, 0.2, 0.19, 0.19, 0.21};

static void test_eigen(void **state) {
    (void)state;
    static const uint32_t sizes[] = {1, 2, 7, 40};
    for (size_t s = 0; s < 4; s++) {
        uint32_t d = sizes[s];
        double a[1600], copy[1600], w[40], v[1600];
        float noise[1600];
        pnb_fill_normal(3, d, 0, 0, noise, 1600);
        for (uint32_t i = 0; i < d; i++)
            for (uint32_t j = 0; j < d; j++) a[i * d + j] = (noise[i * d + j] + noise[j * d + i]) * (i == j ? 5 : 1);
        memcpy(copy, a, (size_t)d * d * sizeof *a);
        pnb_symmetric_eigen(d, copy, w, v);
        for (uint32_t i = 0; i < d; i++)
            for (uint32_t j = 0; j < d; j++) {
                double rebuilt = 0, dot = 0;
                for (uint32_t k = 0; k < d; k++) {
                    rebuilt += w[k] * v[k * d + i] * v[k * d + j];
                    dot += v[i * d + k] * v[j * d + k];
                }
                CLOSE(rebuilt, a[i * d + j], 1e-11);
                CLOSE(dot, i == j, 1e-12);
            }
    }
}

static void test_refuses(void **state) {
    (void)state;
    static const struct {
        double weight, mean, cov[4];
        const char *part;
    } bad[] = {
        {0, 0, {1, 0, 0, 1}, "weight 0"},
        {-1, 0, {1, 0, 0, 1}, "weight 0"},
        {NAN, 0, {1, 0, 0, 1}, "weight 0"},
        {1, NAN, {1, 0, 0, 1}, "mean 0"},
        {1, 0, {1, 0.5, 0.4, 1}, "not symmetric"},
        {1, 0, {1, 2, 2, 1}, "not positive"},
        {1, 0, {1, INFINITY, INFINITY, 1}, "no number"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        pnb_error err = {0};
        pnb_gmm g;
        double mean[2] = {bad[i].mean, 0};
        assert_int_equal(pnb_gmm_init(&err, 2, 1, &bad[i].weight, mean, bad[i].cov, &g), PNB_ERROR_INPUT);
        if (!strstr(err.message, bad[i].part)) fail_msg("expected '%s' in: %s", bad[i].part, err.message);
        assert_null(g.means);
    }
    pnb_gmm g;
    assert_int_equal(pnb_gmm_init(NULL, 0, 1, W, M, C, &g), PNB_ERROR_INPUT);
    assert_int_equal(pnb_gmm_init(NULL, 2, 0, W, M, C, &g), PNB_ERROR_INPUT);
    pnb_gmm_finish(NULL);
}

static void test_density(void **state) {
    (void)state;
    pnb_gmm g;
    double one = 1, mean = 0.5, var = 4, x = 2.5, r[3], sum = 0;
    OK(pnb_gmm_init(NULL, 1, 1, &one, &mean, &var, &g));
    CLOSE(pnb_gmm_log_density(&g, &x), -0.5 * log(2 * acos(-1.0) * 4) - 0.5, 1e-13);
    pnb_gmm_finish(&g);
    OK(pnb_gmm_init(NULL, 2, 3, W, M, C, &g));
    const double h = 0.05;
    for (int i = -120; i <= 120; i++)
        for (int j = -120; j <= 120; j++) sum += h * h * exp(pnb_gmm_log_density(&g, (double[]){i * h, j * h}));
    CLOSE(sum, 1.0, 1e-9);
    pnb_gmm_responsibilities(&g, (double[]){-1, 0.2}, r);
    CLOSE(r[0] + r[1] + r[2], 1.0, 1e-14);
    assert_true(r[1] > 0.8);
    double far = pnb_gmm_log_density(&g, (double[]){1e4, -1e4});
    assert_true(isfinite(far) && far < -1e7);
    pnb_gmm_finish(&g);
}

/* eps = -sigma grad ln p_t, p_t by diffusing the mixture; at every noise level. */
static void test_score(void **state) {
    (void)state;
    pnb_gmm g, t;
    OK(pnb_gmm_init(NULL, 2, 3, W, M, C, &g));
    for (double sigma = 0.01; sigma < 1; sigma += 0.14) {
        double alpha = sqrt(1 - sigma * sigma), eps[2], x[2] = {0.3 * alpha + 0.2, -0.4 + sigma}, h = 1e-5;
        OK(pnb_gmm_diffuse(NULL, &g, alpha, sigma, &t));
        OK(pnb_gmm_eps(NULL, &g, alpha, sigma, x, eps));
        for (int k = 0; k < 2; k++) {
            double up[2] = {x[0], x[1]}, down[2] = {x[0], x[1]};
            up[k] += h;
            down[k] -= h;
            CLOSE(eps[k], -sigma * (pnb_gmm_log_density(&t, up) - pnb_gmm_log_density(&t, down)) / (2 * h), 1e-7);
        }
        pnb_gmm_finish(&t);
    }
    pnb_gmm_finish(&g);
}

/* Posterior density = prior times likelihood, up to the constant that does not depend on x. */
static void test_posterior(void **state) {
    (void)state;
    static const double f[6] = {1, 0.5, -0.3, 2, 0.7, 0.7}, y[3] = {0.4, -0.5, 0.1};
    for (uint32_t m = 1; m <= 3; m++) {
        pnb_gmm g, post;
        double sigma_y = 0.3, first = 0;
        OK(pnb_gmm_init(NULL, 2, 3, W, M, C, &g));
        OK(pnb_gmm_posterior(NULL, &g, m, f, y, sigma_y, &post));
        for (int i = 0; i < 25; i++) {
            double x[2] = {-1 + 0.5 * (i % 5), -1 + 0.5 * (i / 5)},
                   likelihood = 0; /* moderate x: weights and means all matter */
            for (uint32_t j = 0; j < m; j++)
                likelihood -= 0.5 * pow((y[j] - f[2 * j] * x[0] - f[2 * j + 1] * x[1]) / sigma_y, 2);
            double constant = pnb_gmm_log_density(&g, x) + likelihood - pnb_gmm_log_density(&post, x);
            if (i == 0) first = constant;
            CLOSE(constant, first, 1e-9);
        }
        pnb_gmm_finish(&g);
        pnb_gmm_finish(&post);
    }
}

/* Eight modes on a circle seen from the side: two remain, half each (algorithms.md 5, T1). */
static void test_bimodal(void **state) {
    (void)state;
    double w[8], m[16], c[32], f[2] = {1, 0}, y = 0;
    for (int i = 0; i < 8; i++) {
        double angle = i * acos(-1.0) / 4, cov[4] = {0.09, 0, 0, 0.09};
        w[i] = 3; /* normalised by init */
        m[2 * i] = 4 * cos(angle);
        m[2 * i + 1] = 4 * sin(angle);
        memcpy(c + 4 * i, cov, sizeof cov);
    }
    pnb_gmm g, post;
    OK(pnb_gmm_init(NULL, 2, 8, w, m, c, &g));
    OK(pnb_gmm_posterior(NULL, &g, 1, f, &y, 0.3, &post));
    CLOSE(post.weights[2], 0.5, 1e-8);
    CLOSE(post.weights[6], 0.5, 1e-8);
    CLOSE(post.means[5], 4.0, 1e-12);
    CLOSE(post.covariances[8], 0.045, 1e-12); /* 1/(1/0.09 + 1/0.09) */
    CLOSE(post.covariances[11], 0.09, 1e-12);
    pnb_error err = {0};
    pnb_gmm none;
    assert_int_equal(pnb_gmm_posterior(&err, &g, 1, f, &y, 0, &none), PNB_ERROR_INPUT);
    pnb_gmm_finish(&g);
    pnb_gmm_finish(&post);
}

static void test_samples(void **state) {
    (void)state;
    enum { COUNT = 40000 };
    pnb_gmm g;
    OK(pnb_gmm_init(NULL, 2, 3, W, M, C, &g));
    double *x = malloc(2 * COUNT * sizeof *x), *again = malloc(2 * COUNT * sizeof *x), mean[2], cov[4], m[2] = {0},
           v[4] = {0};
    assert_non_null(x);
    assert_non_null(again);
    OK(pnb_gmm_sample(NULL, &g, 5, 1, COUNT, x));
    OK(pnb_gmm_sample(NULL, &g, 5, 1, COUNT / 2, again));
    assert_memory_equal(x, again, COUNT * sizeof *x);
    OK(pnb_gmm_sample(NULL, &g, 6, 1, 4, again));
    assert_memory_not_equal(x, again, 2 * sizeof *x);
    pnb_gmm_moments(&g, mean, cov);
    for (int i = 0; i < COUNT; i++)
        for (int j = 0; j < 2; j++) m[j] += x[2 * i + j] / COUNT;
    for (int i = 0; i < COUNT; i++)
        for (int j = 0; j < 4; j++) v[j] += (x[2 * i + j / 2] - m[j / 2]) * (x[2 * i + j % 2] - m[j % 2]) / COUNT;
    for (int j = 0; j < 2; j++) CLOSE(m[j], mean[j], 4 * sqrt(cov[3 * j] / COUNT));
    for (int j = 0; j < 4; j++) CLOSE(v[j], cov[j], 0.03);
    pnb_gmm_finish(&g);
    double flat[4] = {1, 1, 1, 1}, zero[2] = {0}, one = 1; /* a line: all draws lie on it */
    OK(pnb_gmm_init(NULL, 2, 1, &one, zero, flat, &g));
    OK(pnb_gmm_sample(NULL, &g, 5, 1, 100, x));
    for (int i = 0; i < 100; i++) CLOSE(x[2 * i], x[2 * i + 1], 1e-12);
    assert_true(isfinite(pnb_gmm_log_density(&g, x)));
    pnb_gmm_finish(&g);
    free(x);
    free(again);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_eigen),   cmocka_unit_test(test_refuses),   cmocka_unit_test(test_density),
        cmocka_unit_test(test_score),   cmocka_unit_test(test_posterior), cmocka_unit_test(test_bimodal),
        cmocka_unit_test(test_samples),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Scores checked by hand, and calibration on ensembles that are calibrated by construction. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/philox.h"
#include "eval/metrics.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define NEAR(a, b, tolerance) assert_true(fabs((a) - (b)) <= (tolerance))

static void test_fidelity(void **state) {
    (void)state;
    const float x[4] = {-3, 0, 1, 3};
    double unit[4];
    pnb_unit_range(4, x, unit);
    const double want[4] = {0, 0.5, 1, 1}, a[2] = {0, 0.5}, b[2] = {0.1, 0.4};
    assert_memory_equal(unit, want, sizeof want);
    NEAR(pnb_psnr(2, a, b), 20, 1e-12);
    assert_true(isinf(pnb_psnr(2, a, a)));
}

static void test_diversity(void **state) {
    (void)state;
    const double x[6] = {1, 0, 0, 1, 1, 1}, same[4] = {1, 2, 2, 4}, zero[4] = {0, 0, 1, 1};
    NEAR(pnb_diversity(2, 2, x), 1, 1e-15);
    NEAR(pnb_diversity(3, 2, x), 1 - sqrt(2) / 3, 1e-15);
    NEAR(pnb_diversity(2, 2, same), 0, 1e-15);
    NEAR(pnb_diversity(2, 2, zero), 1, 0);
    assert_true(isnan(pnb_diversity(1, 2, x)));
}

static void test_moments_and_crps(void **state) {
    (void)state;
    const float x[4] = {0, 5, 2, 5}, truth[2] = {1, 5}, far[2] = {3, 5};
    float mean[2], std[2], map[1];
    pnb_moments(2, 2, x, mean, std);
    assert_true(mean[0] == 1 && mean[1] == 5 && std[1] == 0);
    NEAR(std[0], sqrt(2), 1e-6);
    pnb_std_map(2, 1, 1, std, map);
    NEAR(map[0], sqrt(0.5), 1e-6);
    pnb_moments(1, 2, x, NULL, std);
    assert_true(std[0] == 0 && std[1] == 0);
    NEAR(pnb_crps(2, 2, x, truth), 0, 1e-15); /* (1 + 1)/2 - 2/2 = 0; the second element is exact */
    NEAR(pnb_crps(2, 2, x, far), 0.5, 1e-15); /* (3 + 1)/2 - 1 = 1; halved by the second element */
    assert_true(isnan(pnb_crps(1, 2, x, truth)));
}

static void test_chi2(void **state) {
    (void)state;
    const float ax[6] = {1, 2, 0, 0, 0, 0}, y[3] = {0, 0, 5}, measured[3] = {1, 1, 0};
    double chi2[2];
    pnb_chi2(2, 3, ax, y, measured, 2, chi2);
    NEAR(chi2[0], 0.625, 1e-15);
    NEAR(chi2[1], 0, 0);
    pnb_chi2(2, 3, ax, y, NULL, 1, chi2);
    NEAR(chi2[0], 10, 1e-14);
}

/* Values of printed tables. */
static void test_student_t(void **state) {
    (void)state;
    NEAR(pnb_student_t(0.5, 1), 1, 1e-9);
    NEAR(pnb_student_t(0.95, 1), 12.7062047, 1e-6);
    NEAR(pnb_student_t(0.95, 7), 2.36462425, 1e-7);
    NEAR(pnb_student_t(0.99, 10), 3.16927267, 1e-7);
    NEAR(pnb_student_t(0.6826894921, 1e7), 1, 1e-6);
}

/* Truth and samples are independent draws of the same law, so every score of calibration is known. */
static void test_calibrated_ensemble(void **state) {
    (void)state;
    enum { K = 8, N = 20000 };
    float *x = malloc(K * N * sizeof *x), *truth = malloc(N * sizeof *truth);
    assert_true(x && truth);
    pnb_fill_normal(1, 0, 0, 0, x, K * N);
    pnb_fill_normal(1, 1, 0, 0, truth, N);
    pnb_metrics_input in = {.samples = K, .channels = N, .x = x, .truth = truth};
    pnb_metrics m;
    assert_int_equal(pnb_metrics_compute(NULL, &in, &m), PNB_OK);
    NEAR(m.coverage_fair[0], 0.6827, 0.015);
    NEAR(m.coverage_fair[1], 0.9545, 0.008);
    NEAR(m.coverage_fair[2], 0.9973, 0.003);
    assert_true(m.coverage[0] < 0.65); /* eight samples, uncorrected, seem over-confident */
    NEAR(m.crps, 1 / sqrt(3.14159265358979), 0.015);
    NEAR(m.spread_skill, 1, 0.02);
    NEAR(m.spread, sqrt(9.0 / 8), 0.02);
    NEAR(m.diversity_signed, 1, 0.02);
    assert_true(fabs(m.error_correlation) < 0.05);
    assert_true(isnan(m.coverage_grey[0])); /* of images */
    assert_true(isnan(m.psnr_mean) && isnan(m.ssim_mean) && isnan(m.diversity) && isnan(m.chi2));
    free(x);
    free(truth);
}

static void test_images(void **state) {
    (void)state;
    enum { SIDE = 16, N = SIDE * SIDE };
    float x[2 * N], truth[N], y[N];
    for (int i = 0; i < N; i++) {
        truth[i] = y[i] = i % 7 / 7.0f;
        x[i] = truth[i] + 0.2f;
        x[N + i] = truth[i] - 0.2f;
    }
    pnb_metrics_input in = {.samples = 2,
                            .channels = 1,
                            .height = SIDE,
                            .width = SIDE,
                            .x = x,
                            .truth = truth,
                            .ax = x,
                            .y = y,
                            .measurements = N,
                            .sigma = 0.1};
    pnb_metrics m;
    assert_int_equal(pnb_metrics_compute(NULL, &in, &m), PNB_OK);
    assert_true(m.psnr_mean > 100); /* rounding only */
    NEAR(m.psnr_samples, 20, 0.5);  /* 0.2 in [-1,1] is 0.1 in [0,1]; a little is clipped */
    NEAR(m.ssim_mean, 1, 1e-6);
    assert_true(m.ssim_samples < 1 && m.ssim_gauss_samples < 1 && m.ssim_samples > 0.8);
    NEAR(m.coverage[0], 1, 0);
    NEAR(m.chi2, 4, 1e-4);
    NEAR(m.chi2_least, m.chi2_largest, 1e-4);
    NEAR(m.residual_ratio, 2, 1e-4);
    NEAR(m.crps, 0, 1e-6);
    for (int i = 0; i < N / 4; i++) { /* a black background, missed by little more than the spread */
        truth[i] = -1;
        x[i] = -0.96f;
        x[N + i] = -0.97f;
    }
    assert_int_equal(pnb_metrics_compute(NULL, &in, &m), PNB_OK);
    NEAR(m.coverage_fair[0], 0.75, 0);
    NEAR(m.coverage_grey[0], 1, 0);
    in.samples = 1;
    in.ax = NULL;
    assert_int_equal(pnb_metrics_compute(NULL, &in, &m), PNB_OK);
    assert_true(isnan(m.diversity) && isnan(m.crps) && isnan(m.coverage[0]) && isnan(m.spread) && isnan(m.chi2));
    NEAR(m.rmse, sqrt(0.75 * 0.04 + 0.25 * 0.0016), 1e-6);
    in.samples = 0;
    pnb_error err = {0};
    assert_int_equal(pnb_metrics_compute(&err, &in, &m), PNB_ERROR_INPUT);
    assert_non_null(strstr(err.message, "there are no samples"));
}

/* Ranks are counted by hand here; ties go to each place they could with the same chance. */
static void test_rank_histogram(void **state) {
    (void)state;
    enum { N = 4000 };
    static float x[2 * N], truth[N];
    double counts[PNB_RANK_BINS];
    const float few[6] = {1, 1, 1, 2, 2, 2}, at[3] = {0, 1.5f, 3};
    assert_int_equal(pnb_rank_histogram(2, 3, few, at, counts), 3);
    assert_true(counts[0] == 1 && counts[1] == 1 && counts[2] == 1 && counts[3] == 0);
    assert_int_equal(pnb_rank_histogram(2, N, x, truth, counts), 3); /* all are 0 */
    for (int b = 0; b < 3; b++) NEAR(counts[b] / N, 1 / 3.0, 0.03);
    static float many[100];
    for (int i = 0; i < 100; i++) many[i] = (float)i;
    const float last = 99.5f;
    assert_int_equal(pnb_rank_histogram(100, 1, many, &last, counts), PNB_RANK_BINS / 2);
    assert_true(counts[PNB_RANK_BINS / 2 - 1] == 1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fidelity), cmocka_unit_test(test_diversity),      cmocka_unit_test(test_moments_and_crps),
        cmocka_unit_test(test_chi2),     cmocka_unit_test(test_student_t),      cmocka_unit_test(test_calibrated_ensemble),
        cmocka_unit_test(test_images),   cmocka_unit_test(test_rank_histogram),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

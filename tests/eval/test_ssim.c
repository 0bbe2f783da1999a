/* SSIM where it can be worked out by hand; the shared fixtures compare it with scikit-image's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "eval/metrics.h"

#include <math.h>

enum { SIDE = 12, PLANE = SIDE * SIDE };

static double ssim(pnb_ssim_window window, uint32_t c, uint32_t h, uint32_t w, const double *a, const double *b, double *map) {
    double value;
    assert_int_equal(pnb_ssim(NULL, window, c, h, w, a, b, 1, map, &value), PNB_OK);
    return value;
}

static void test_equal_images(void **state) {
    (void)state;
    double a[2 * PLANE];
    for (int i = 0; i < 2 * PLANE; i++) a[i] = i * 37 % 101 / 100.0;
    assert_true(fabs(ssim(PNB_SSIM_UNIFORM, 2, SIDE, SIDE, a, a, NULL) - 1) < 1e-12);
    assert_true(fabs(ssim(PNB_SSIM_GAUSSIAN, 2, SIDE, SIDE, a, a, NULL) - 1) < 1e-12);
}

/* Constant images have no variance: S = (2 m_a m_b + C1) / (m_a^2 + m_b^2 + C1). */
static void test_constant_images(void **state) {
    (void)state;
    double a[PLANE], b[PLANE], map[PLANE], want = 0.6001 / 0.6101;
    for (int i = 0; i < PLANE; i++) {
        a[i] = 0.5;
        b[i] = 0.6;
    }
    assert_true(fabs(ssim(PNB_SSIM_UNIFORM, 1, SIDE, SIDE, a, b, map) - want) < 1e-12);
    assert_true(fabs(ssim(PNB_SSIM_GAUSSIAN, 1, SIDE, SIDE, a, b, NULL) - want) < 1e-12);
    for (int i = 0; i < PLANE; i++) assert_true(fabs(map[i] - want) < 1e-12);
}

/* 7 x 7: the uniform window fits once. b = 1 - a with a balanced: means equal, covariance the negative variance. */
static void test_single_window(void **state) {
    (void)state;
    double a[49], b[49], sum = 0, square = 0;
    for (int i = 0; i < 49; i++) {
        a[i] = i < 24 ? 0.25 : i == 24 ? 0.5 : 0.75;
        b[i] = 1 - a[i];
        sum += a[i];
        square += a[i] * a[i];
    }
    double mean = sum / 49, variance = (square - 49 * mean * mean) / 48;
    double want = (-2 * variance + 0.0009) / (2 * variance + 0.0009);
    assert_true(fabs(ssim(PNB_SSIM_UNIFORM, 1, 7, 7, a, b, NULL) - want) < 1e-12);
    assert_true(isnan(ssim(PNB_SSIM_GAUSSIAN, 1, 7, 7, a, b, NULL)));
    assert_true(isnan(ssim(PNB_SSIM_UNIFORM, 1, 49, 1, a, b, NULL)));
    assert_true(isnan(ssim(PNB_SSIM_UNIFORM, 0, 7, 7, a, b, NULL)));
}

/* At 512 pixels piq averages 2 x 2: the same as Gaussian windows on such an image; below 384 it averages nothing. */
static void test_piq(void **state) {
    (void)state;
    enum { LARGE = 512, SMALL = LARGE / 2 };
    static double a[LARGE * LARGE], b[LARGE * LARGE], p[SMALL * SMALL], q[SMALL * SMALL];
    for (int i = 0; i < SMALL * SMALL; i++) {
        p[i] = i * 37 % 101 / 100.0;
        q[i] = 0.8 * p[i] + 0.2 * (i * 53 % 97 / 96.0);
    }
    for (int i = 0; i < LARGE * LARGE; i++) { /* means of p and q over 2 x 2, with a pattern of mean 0 on top */
        int y = i / LARGE, x = i % LARGE, at = y / 2 * SMALL + x / 2;
        a[i] = p[at] + 0.1 * ((x + y) % 2 ? 1 : -1);
        b[i] = q[at] + 0.2 * (x % 2 ? 1 : -1);
    }
    double want = ssim(PNB_SSIM_GAUSSIAN, 1, SMALL, SMALL, p, q, NULL);
    assert_true(fabs(ssim(PNB_SSIM_PIQ, 1, LARGE, LARGE, a, b, NULL) - want) < 1e-12);
    assert_true(fabs(ssim(PNB_SSIM_GAUSSIAN, 1, LARGE, LARGE, a, b, NULL) - want) > 0.01);
    assert_true(ssim(PNB_SSIM_PIQ, 1, SMALL, SMALL, p, q, NULL) == want);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_equal_images), cmocka_unit_test(test_constant_images),
                                       cmocka_unit_test(test_single_window), cmocka_unit_test(test_piq)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

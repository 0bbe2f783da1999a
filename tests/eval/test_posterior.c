/* The judge of toy posteriors, judged: exact samples, collapsed ones, shifted ones. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "eval/posterior.h"

#include <math.h>
#include <stdlib.h>

enum { K = 256 };

static void make(pnb_gmm *m) {
    const double weights[3] = {0.64, 0.32, 0.04}, means[6] = {0, 1, 0, -1, 3, 0};
    const double covariances[12] = {0.01, 0, 0, 0.02, 0.02, 0.01, 0.01, 0.02, 0.01, 0, 0, 0.01};
    pnb_error err = {0};
    if (pnb_gmm_init(&err, 2, 3, weights, means, covariances, m) != PNB_OK) fail_msg("%s", err.message);
}

static void draw(const pnb_gmm *m, uint64_t seed, float *x) {
    double wide[2 * K];
    assert_int_equal(pnb_gmm_sample(NULL, m, seed, 0, K, wide), PNB_OK);
    for (int i = 0; i < 2 * K; i++) x[i] = (float)wide[i];
}

static void test_exact_samples(void **state) {
    (void)state;
    pnb_gmm m;
    make(&m);
    float x[2 * K];
    pnb_posterior_scores s, again;
    draw(&m, 99, x);
    assert_int_equal(pnb_posterior_score(NULL, &m, K, x, &s), PNB_OK);
    assert_int_equal(s.modes, 2); /* a weight of 0.04 is no mode */
    assert_int_equal(s.modes_recovered, 2);
    assert_int_equal(s.mode[1].component, 1);
    assert_true(s.mode[0].weight == 0.64 && fabs(s.mode[0].found - 0.64) < 0.1);
    assert_true(s.total_variation < 0.08);
    assert_true(s.spread_least > 0.88 && s.spread_largest < 1.12);
    assert_true(s.sliced_w2 < 2 * s.sliced_w2_floor && s.sliced_w2_floor > 0.01);
    assert_true(s.mmd < 2 * s.mmd_floor && s.mmd_floor > 0.01 && s.mmd_floor < 0.1);
    assert_int_equal(pnb_posterior_score(NULL, &m, K, x, &again), PNB_OK);
    assert_true(s.sliced_w2 == again.sliced_w2 && s.sliced_w2_floor == again.sliced_w2_floor && s.mmd == again.mmd);
    pnb_gmm_finish(&m);
}

static void test_collapsed_samples(void **state) {
    (void)state;
    pnb_gmm m;
    make(&m);
    float x[2 * K];
    for (int i = 0; i < K; i++) {
        x[2 * i] = 0;
        x[2 * i + 1] = -1;
    }
    pnb_posterior_scores s;
    assert_int_equal(pnb_posterior_score(NULL, &m, K, x, &s), PNB_OK);
    assert_true(fabs(s.total_variation - 0.68) < 1e-12);
    assert_int_equal(s.modes_recovered, 1);
    assert_true(s.spread_least == 0 && s.spread_largest == 0);
    assert_true(s.sliced_w2 > 3 * s.sliced_w2_floor && s.mmd > 5 * s.mmd_floor);
    pnb_error err = {0};
    assert_int_equal(pnb_posterior_score(&err, &m, 0, x, &s), PNB_ERROR_INPUT);
    pnb_gmm_finish(&m);
}

static void test_sliced_distance(void **state) {
    (void)state;
    const double two[2] = {0, 1}, zero[1] = {0}, three[3] = {0, 0, 3};
    double d;
    assert_int_equal(pnb_sliced_w2(NULL, 1, 2, two, 1, zero, 8, 1, &d), PNB_OK);
    assert_true(fabs(d - sqrt(0.5)) < 1e-12);
    /* quantile functions 0|1 with a step at 1/2, 0|3 with one at 2/3: 1/6 of 1, then 1/3 of 4 */
    assert_int_equal(pnb_sliced_w2(NULL, 1, 2, two, 3, three, 8, 1, &d), PNB_OK);
    assert_true(fabs(d - sqrt(1.0 / 6 + 4.0 / 3)) < 1e-12);
    assert_int_equal(pnb_sliced_w2(NULL, 1, 3, three, 3, three, 8, 1, &d), PNB_OK);
    assert_true(d == 0);
    /* a shift by v: the mean of (v . direction)^2 is |v|^2 / 2 in the plane */
    const double a[4] = {0, 0, 1, 2}, b[4] = {3, 0, 4, 2};
    assert_int_equal(pnb_sliced_w2(NULL, 2, 2, a, 2, b, 4096, 1, &d), PNB_OK);
    assert_true(fabs(d - 3 / sqrt(2)) < 0.06);
}

static void test_mmd(void **state) {
    (void)state;
    const double a[2] = {0, 0}, b[2] = {1, 0};
    double k = (exp(-50) + exp(-1 / 0.18) + exp(-0.5)) / 3;
    assert_true(pnb_mmd(2, 1, a, 1, a) == 0);
    assert_true(fabs(pnb_mmd(2, 1, a, 1, b) - sqrt(2 - 2 * k)) < 1e-12);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_exact_samples), cmocka_unit_test(test_collapsed_samples),
                                       cmocka_unit_test(test_sliced_distance), cmocka_unit_test(test_mmd)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Poisson counts: the distribution by a chi-square against its formula, small means and large ones, and the same counts again. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/poisson.h"

#include <math.h>

enum { DRAWS = 100000, BINS = 64 };

/* Cells that expect fewer than 20 go into the ends. */
static void check_distribution(double mean) {
    double expected[BINS] = {0}, found[BINS] = {0}, chi2 = 0, low = floor(mean - 4 * sqrt(mean));
    if (low < 0) low = 0;
    int freedom = -1;
    for (int k = 0; k < 4000; k++) {
        double p = exp(k * log(mean) - mean - lgamma(k + 1.0));
        int bin = (int)fmin(fmax(k - low, 0), BINS - 1);
        expected[bin] += DRAWS * p;
    }
    for (uint32_t i = 0; i < DRAWS; i++) found[(int)fmin(fmax(pnb_poisson(5, 2, i, mean) - low, 0), BINS - 1)]++;
    double rest[2] = {0, 0};
    for (int i = 0; i < BINS; i++) {
        if (expected[i] < 20) {
            rest[0] += found[i];
            rest[1] += expected[i];
            continue;
        }
        chi2 += pow(found[i] - expected[i], 2) / expected[i];
        freedom++;
    }
    if (rest[1] > 5) chi2 += pow(rest[0] - rest[1], 2) / rest[1];
    if (!(chi2 < freedom + 5 * sqrt(2.0 * freedom) + 5)) fail_msg("mean %g: chi-square %g of %d", mean, chi2, freedom);
}

static void test_distribution(void **state) {
    (void)state;
    const double means[] = {0.05, 1, 4.5, 9.99, 10.01, 17, 60, 200};
    for (size_t i = 0; i < sizeof means / sizeof *means; i++) check_distribution(means[i]);
}

static void test_large_means(void **state) {
    (void)state;
    const double mean = 1e8;
    double sum = 0, square = 0;
    for (uint32_t i = 0; i < DRAWS; i++) {
        double z = (pnb_poisson(9, 1, i, mean) - mean) / sqrt(mean);
        sum += z;
        square += z * z;
    }
    assert_true(fabs(sum / DRAWS) < 4 / sqrt(DRAWS));
    assert_true(fabs(square / DRAWS - 1) < 4 * sqrt(2.0 / DRAWS));
}

static void test_names(void **state) {
    (void)state;
    int same = 0;
    for (uint32_t i = 0; i < 1000; i++) {
        assert_true(pnb_poisson(1, 2, i, 50) == pnb_poisson(1, 2, i, 50));
        same += pnb_poisson(1, 2, i, 50) == pnb_poisson(1, 3, i, 50);
    }
    assert_in_range(same, 5, 120); /* of 1000 pairs of independent draws, about 40 agree */
    assert_true(pnb_poisson(1, 2, 3, 0) == 0 && pnb_poisson(1, 2, 3, -4) == 0 && pnb_poisson(1, 2, 3, (double)NAN) == 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_distribution), cmocka_unit_test(test_large_means),
                                       cmocka_unit_test(test_names)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

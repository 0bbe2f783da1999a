/* The Moore-Penrose conditions on tall, wide, square and rank-deficient matrices. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "measure/pseudo_inverse.h"

#include <math.h>
#include <stdlib.h>

/* c [n,m] = a [n,k] b [k,m] */
static void multiply(uint32_t n, uint32_t k, uint32_t m, const double *a, const double *b, double *c) {
    for (uint32_t i = 0; i < n; i++) {
        for (uint32_t j = 0; j < m; j++) {
            c[i * m + j] = 0;
            for (uint32_t l = 0; l < k; l++) c[i * m + j] += a[i * k + l] * b[l * m + j];
        }
    }
}

static void assert_same(uint32_t n, const double *a, const double *b) {
    for (uint32_t i = 0; i < n; i++) {
        if (!(fabs(a[i] - b[i]) <= 1e-10)) fail_msg("element %u: %.15g and %.15g", i, a[i], b[i]);
    }
}

static void assert_symmetric(uint32_t n, const double *a) {
    for (uint32_t i = 0; i < n * n; i++) assert_true(fabs(a[i] - a[i % n * n + i / n]) <= 1e-10);
}

static void check(uint32_t rows, uint32_t cols, const double *a) {
    double inverse[64], left[64], right[64], back[64];
    pnb_error err = {0};
    assert_int_equal(pnb_pseudo_inverse(&err, rows, cols, a, 1e-12, inverse, NULL), PNB_OK);
    multiply(rows, cols, rows, a, inverse, left);
    multiply(cols, rows, cols, inverse, a, right);
    assert_symmetric(rows, left);
    assert_symmetric(cols, right);
    multiply(rows, rows, cols, left, a, back);
    assert_same(rows * cols, back, a);
    multiply(cols, cols, rows, right, inverse, back);
    assert_same(rows * cols, back, inverse);
}

static void test_conditions(void **state) {
    (void)state;
    static const uint32_t sizes[][2] = {{1, 1}, {1, 5}, {5, 1}, {3, 6}, {6, 3}, {7, 7}, {8, 8}};
    double a[64];
    uint32_t random = 1;
    for (size_t s = 0; s < sizeof sizes / sizeof sizes[0]; s++) {
        uint32_t n = sizes[s][0], m = sizes[s][1];
        for (uint32_t i = 0; i < n * m; i++) {
            random = random * 1664525u + 1013904223u;
            a[i] = (double)random / 2147483648.0 - 1;
        }
        check(n, m, a);
        for (uint32_t j = 0; n > 2 && j < m; j++) a[(n - 1) * m + j] = 2 * a[j] - a[m + j]; /* one row depends on others */
        check(n, m, a);
    }
    for (int i = 0; i < 12; i++) a[i] = 0;
    check(3, 4, a);
}

static void test_norm(void **state) {
    (void)state;
    const double a[4] = {3, 0, 4, 5}; /* singular values sqrt(45) and sqrt(5) */
    double inverse[4], largest;
    assert_int_equal(pnb_pseudo_inverse(NULL, 2, 2, a, 1e-12, inverse, &largest), PNB_OK);
    assert_true(fabs(largest - sqrt(45)) < 1e-12);
    const double row[2] = {1, 0};
    assert_int_equal(pnb_pseudo_inverse(NULL, 1, 2, row, 1e-12, inverse, &largest), PNB_OK);
    assert_true(largest == 1 && inverse[0] == 1 && inverse[1] == 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_conditions), cmocka_unit_test(test_norm)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Shapes: counts, comparison, text, and the limits in words. */
#include "graph/fake.h"

static void test_counts(void **state) {
    (void)state;
    assert_int_equal(pnb_shape_count(pnb_shape4(2, 3, 4, 5)), 120);
    assert_int_equal(pnb_shape_bytes(pnb_shape1(5)), 32);
    assert_true(pnb_shape_count(pnb_shape4(UINT32_MAX, UINT32_MAX, UINT32_MAX, 2)) == UINT64_MAX);
    assert_true(pnb_shape_equal(pnb_shape2(2, 3), pnb_shape2(2, 3)));
    assert_false(pnb_shape_equal(pnb_shape2(2, 3), pnb_shape3(2, 3, 1)));
}

static void test_text(void **state) {
    (void)state;
    char buf[48];
    assert_string_equal(pnb_shape_text(pnb_shape4(8, 32, 16, 16), buf), "[8,32,16,16]");
    assert_string_equal(pnb_shape_text(pnb_shape4(UINT32_MAX, UINT32_MAX, UINT32_MAX, UINT32_MAX), buf),
                        "[4294967295,4294967295,4294967295,4294967295]");
}

static void test_check(void **state) {
    (void)state;
    pnb_error err = {0};
    assert_int_equal(pnb_shape_check(&err, "x", pnb_shape2(3, 0)), PNB_ERROR_USAGE);
    assert_string_equal(err.message, "x: shape [3,0] has no elements");
    assert_int_equal(pnb_shape_check(&err, "x", (pnb_shape){5, {1, 1, 1, 1}}), PNB_ERROR_USAGE);
    assert_contains(err.message, "1 to 4 dimensions, not 5");
    assert_int_equal(pnb_shape_check(&err, "x", pnb_shape2(65536, 65536)), PNB_ERROR_USAGE);
    assert_contains(err.message, "4294967296 elements");
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_counts), cmocka_unit_test(test_text), cmocka_unit_test(test_check)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

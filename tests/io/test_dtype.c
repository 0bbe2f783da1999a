/* Element types: every half survives the way to float and back; rounding is to nearest even; signs of integers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "io/dtype.h"

#include <math.h>

static void test_half_round_trip(void **state) {
    (void)state;
    for (uint32_t h = 0; h < 65536; h++) {
        float f = pnb_half_to_float((uint16_t)h);
        if (isnan(f))
            assert_true(isnan(pnb_half_to_float(pnb_float_to_half(f))));
        else
            assert_int_equal(pnb_float_to_half(f), h);
    }
}

static void test_half_rounding(void **state) {
    (void)state;
    for (uint32_t h = 0; h < 0x7bff; h++) { /* the middle between neighbours goes to the even one */
        float low = pnb_half_to_float((uint16_t)h), high = pnb_half_to_float((uint16_t)(h + 1)),
              mid = 0.5f * (low + high);
        assert_int_equal(pnb_float_to_half(mid), h & 1 ? h + 1 : h);
        assert_int_equal(pnb_float_to_half(nextafterf(mid, low)), h);
        assert_int_equal(pnb_float_to_half(nextafterf(mid, high)), h + 1);
    }
    assert_int_equal(pnb_float_to_half(65519.0f), 0x7bff);
    assert_int_equal(pnb_float_to_half(65520.0f), 0x7c00);
    assert_int_equal(pnb_float_to_half(-INFINITY), 0xfc00);
}

static void test_integers(void **state) {
    (void)state;
    const unsigned char ones[8] = {255, 255, 255, 255, 255, 255, 255, 255}, lowest[8] = {0, 0, 0, 0, 0, 0, 0, 128};
    int64_t v;
    for (pnb_dtype t = PNB_I64; t <= PNB_I8; t++) {
        pnb_dtype_to_i64(t, ones, 1, &v);
        assert_int_equal(v, -1);
    }
    pnb_dtype_to_i64(PNB_U8, ones, 1, &v);
    assert_int_equal(v, 255);
    pnb_dtype_to_i64(PNB_I64, lowest, 1, &v);
    assert_true(v == INT64_MIN);
    float f;
    const unsigned char bf16[2] = {0xc0, 0x3f};
    pnb_dtype_to_f32(PNB_BF16, bf16, 1, &f);
    assert_true(f == 1.5f);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_half_round_trip),
        cmocka_unit_test(test_half_rounding),
        cmocka_unit_test(test_integers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

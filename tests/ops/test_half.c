/* half: values rounded to 16 bits where they are read as texels, what does not fit, and who may read them. */
#include "device.h"

#include "prior/rig.h"

#include "graph/op.h"
#include "ops/half.h"

/* y = concat(half of x, half of x), and the gradient of <y, y> in x through it. */
static void check(void **state, pnb_shape shape, bool fits) {
    rig r = rig_open(state);
    size_t n = pnb_shape_count(shape);
    float *x = rig_normal(7, n);
    pnb_tensor t = rig_input(&r, "x", shape, x), h, again, y, gx;
    TEST_OK(r.err, pnb_half(r.g, t, &h));
    TEST_OK(r.err, pnb_half(r.g, t, &again));
    assert_int_equal(h, again);
    assert_int_equal(h != t, fits);
    assert_int_equal(pnb_graph_is_half(r.g, h), fits);
    TEST_OK(r.err, pnb_concat(r.g, 0, (pnb_tensor[]){h, h}, 2, &y));
    TEST_OK(r.err, pnb_graph_grad(r.g, &y, &y, 1, &t, 1, &gx));
    rig_output(&r, y);
    rig_output(&r, gx);
    rig_run(&r);
    float *got = rig_read(&r, y), *grad = rig_read(&r, gx);
    double worst = 0;
    for (size_t i = 0; i < 2 * n; i++) worst = fmax(worst, fabs(got[i] - x[i % n]) / fmax(fabs(x[i % n]), 6.2e-5));
    assert_true(fits ? worst > 1e-5 && worst <= 1.0 / 1024 : worst == 0); /* rounding to nearest, or towards zero */
    for (size_t i = 0; i < n; i++) assert_true(fabs(grad[i] - 2 * got[i]) <= 1e-6 * fabs(got[i]));
    free(grad);
    free(got);
    free(x);
    rig_close(&r);
}

static void test_values(void **state) {
    check(state, pnb_shape4(2, 3, 8, 8), true);
    check(state, pnb_shape1(8), true);
    check(state, pnb_shape4(2, 16, 32, 24), true);
    check(state, pnb_shape2(3, 5), false);
    check(state, pnb_shape1(12), false);
}

/* An op that does not read 16-bit floats says so, and they are no results. */
static void test_readers(void **state) {
    rig r = rig_open(state);
    pnb_tensor x = rig_normal_input(&r, "x", pnb_shape2(4, 8), 3), h, y;
    TEST_OK(r.err, pnb_half(r.g, x, &h));
    assert_int_equal(pnb_silu(r.g, h, &y), PNB_ERROR_INTERNAL);
    assert_non_null(strstr(r.err->message, "16-bit floats"));
    assert_int_equal(pnb_graph_output(r.g, h), PNB_ERROR_INTERNAL);
    assert_int_equal(pnb_graph_slice0(r.g, h, 1, 2, &y), PNB_ERROR_INTERNAL);
    rig_close(&r);
}

/* A copy that is asked for late is made where its input is, so that the input's memory can be used again. */
static void test_early(void **state) {
    uint64_t bytes[2];
    for (int half = 0; half < 2; half++) {
        rig r = rig_open(state);
        pnb_plan_report report;
        pnb_tensor x = rig_normal_input(&r, "x", pnb_shape4(1, 16, 32, 32), 5), kept[4], t = x;
        for (int i = 0; i < 4; i++) {
            TEST_OK(r.err, pnb_unary_op(r.g, PNB_TANH, t, &t)); /* may not be made in the place of what is kept */
            kept[i] = t;
        }
        for (int i = 0; i < 4 && half; i++) TEST_OK(r.err, pnb_half(r.g, kept[i], &kept[i]));
        TEST_OK(r.err, pnb_concat(r.g, 0, kept, 4, &t));
        rig_output(&r, t);
        TEST_OK(r.err, pnb_graph_plan(r.g, NULL, &report));
        bytes[half] = report.arena_bytes;
        rig_close(&r);
    }
    const uint64_t one = 16 * 32 * 32 * 4;
    assert_int_equal(bytes[0], 8 * one);
    assert_int_equal(bytes[1], 6 * one);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_values), cmocka_unit_test(test_readers), cmocka_unit_test(test_early)};
    return cmocka_run_group_tests(tests, test_device_setup, test_device_teardown);
}

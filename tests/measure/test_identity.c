/* identity: every direction is the tensor itself. */
#include "measure/rig.h"

static void reference(const pnb_operator *op, const double *x, double *y) {
    memcpy(y, x, pnb_shape_count(pnb_operator_image_shape(op)) * sizeof *y);
}

static void test_all(void **state) {
    pnb_operator *op = rig_make(state, "identity", NULL, pnb_shape3(2, 5, 7));
    assert_true(pnb_operator_linear(op) && pnb_operator_has_pinv(op));
    assert_int_equal(pnb_operator_measured_count(op), 70);
    assert_null(pnb_operator_measured(op));
    rig_check(state, op, reference);
    pnb_operator_destroy(&op, test_gpu(state));
    assert_null(op);
    op = rig_make(state, "identity", "{}", pnb_shape1(3));
    rig_check(state, op, reference);
    pnb_operator_destroy(&op, test_gpu(state));
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_all)};
    return cmocka_run_group_tests(tests, test_device_setup, test_device_teardown);
}

/* average_pool: block means, their adjoint and the replicating pseudo-inverse. */
#include "measure/rig.h"

static void reference(const pnb_operator *op, const double *x, double *y) {
    pnb_shape i = pnb_operator_image_shape(op), m = pnb_operator_measurement_shape(op);
    uint32_t f = i.d[1] / m.d[1];
    for (uint32_t c = 0; c < m.d[0]; c++) {
        for (uint32_t r = 0; r < m.d[1]; r++) {
            for (uint32_t q = 0; q < m.d[2]; q++) {
                double sum = 0;
                for (uint32_t k = 0; k < f * f; k++) sum += x[(c * i.d[1] + r * f + k / f) * i.d[2] + q * f + k % f];
                y[(c * m.d[1] + r) * m.d[2] + q] = sum / (f * f);
            }
        }
    }
}

static void test_values(void **state) {
    static const char *const args[] = {NULL, "{\"factor\": 2}", "{\"type\": \"average_pool\", \"factor\": 8}"};
    static const double factor[] = {4, 2, 8};
    for (int i = 0; i < 3; i++) {
        pnb_operator *op = rig_make(state, "average_pool", args[i], pnb_shape3(3, 16, 24));
        assert_true(fabs(pnb_operator_norm(op) - 1 / factor[i]) < 1e-12);
        rig_check(state, op, reference);
        pnb_operator_destroy(&op, test_gpu(state));
    }
}

static void test_pinv_replicates(void **state) {
    pnb_operator *op = rig_make(state, "average_pool", "{\"factor\": 2}", pnb_shape3(1, 2, 4));
    const float y[2] = {3, -5};
    float *x = rig_run(state, op, PINV, 1, y);
    const float want[8] = {3, 3, -5, -5, 3, 3, -5, -5};
    assert_memory_equal(x, want, sizeof want);
    free(x);
    pnb_operator_destroy(&op, test_gpu(state));
}

static void test_refused(void **state) {
    (void)state;
    rig_refuse("average_pool", "{\"factor\": 3}", pnb_shape3(1, 28, 28), "factor 3 does not divide the image of 28 x 28 pixels");
    rig_refuse("average_pool", "{\"factor\": 1}", pnb_shape3(1, 28, 28), "factor: expected a whole number from 2 to 256 pixels, found 1");
    rig_refuse("average_pool", NULL, pnb_shape1(4), "it needs images [C,H,W]");
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_values), cmocka_unit_test(test_pinv_replicates),
                                       cmocka_unit_test(test_refused)};
    return cmocka_run_group_tests(tests, test_device_setup, test_device_teardown);
}

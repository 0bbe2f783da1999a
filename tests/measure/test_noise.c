/* Simulated measurements: the right statistics, the same bytes for the same seed, nothing where nothing is measured. */
#include "measure/rig.h"

#include "measure/noise.h"

enum { SIDE = 64, COUNT = SIDE * SIDE };

static void test_statistics(void **state) {
    pnb_operator *op = rig_make(state, "identity", NULL, pnb_shape3(1, SIDE, SIDE));
    float *x = rig_random(COUNT, 1), y[COUNT], again[COUNT], other[COUNT];
    pnb_error *err = test_err(state);
    TEST_OK(err, pnb_measure_simulate(err, test_gpu(state), op, x, 0.05, NULL, 7, 3, y));
    TEST_OK(err, pnb_measure_simulate(err, test_gpu(state), op, x, 0.05, NULL, 7, 3, again));
    TEST_OK(err, pnb_measure_simulate(err, test_gpu(state), op, x, 0.05, NULL, 7, 4, other));
    assert_memory_equal(y, again, sizeof y);
    double sum = 0, square = 0, cross = 0;
    for (int i = 0; i < COUNT; i++) {
        double n = (y[i] - x[i]) / 0.05, m = (other[i] - x[i]) / 0.05;
        sum += n;
        square += n * n;
        cross += n * m;
    }
    /* 4 standard errors */
    assert_true(fabs(sum / COUNT) < 4 / sqrt(COUNT));
    assert_true(fabs(square / COUNT - 1) < 4 * sqrt(2.0 / COUNT));
    assert_true(fabs(cross / COUNT) < 4 / sqrt(COUNT));
    TEST_OK(err, pnb_measure_simulate(err, test_gpu(state), op, x, 0, NULL, 7, 3, y));
    assert_memory_equal(x, y, sizeof y);
    assert_int_equal(pnb_measure_simulate(err, test_gpu(state), op, x, -1, NULL, 7, 3, y), PNB_ERROR_INPUT);
    free(x);
    pnb_operator_destroy(&op, test_gpu(state));
}

static void test_hidden_gets_no_noise(void **state) {
    pnb_operator *op = rig_make(state, "mask_box", NULL, pnb_shape3(2, 8, 8));
    float x[128], y[128];
    for (int i = 0; i < 128; i++) x[i] = 0.5f;
    TEST_OK(test_err(state), pnb_measure_simulate(test_err(state), test_gpu(state), op, x, 0.1, NULL, 1, 0, y));
    for (int i = 0; i < 128; i++) {
        if (pnb_operator_measured(op)[i] == 0) {
            assert_true(y[i] == 0);
        } else {
            assert_true(y[i] != 0.5f && fabsf(y[i] - 0.5f) < 0.6f);
        }
    }
    pnb_operator_destroy(&op, test_gpu(state));
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_statistics), cmocka_unit_test(test_hidden_gets_no_noise)};
    return cmocka_run_group_tests(tests, test_device_setup, test_device_teardown);
}

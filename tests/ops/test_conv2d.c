/* conv2d on the device against its fp64 reference, in every way that it can be built; on GPUs also from weights of 16 bits. */
#include "suite_test.h"

#include "prior/rig.h"

#include "graph/op.h"

extern const pnb_op_suite pnb_suite_conv2d;

/* A convolution with frozen weights and its input gradient, stored as 16-bit floats or not; to be freed. */
static void convolve(void **state, bool half, float *result[2]) {
    rig r = rig_open(state);
    pnb_shape weight = pnb_shape4(16, 8, 3, 3);
    float *w = rig_normal(3, pnb_shape_count(weight));
    pnb_storage *s;
    pnb_tensor t, y, gx, x = rig_normal_input(&r, "x", pnb_shape4(2, 8, 6, 8), 5);
    TEST_OK(r.err, pnb_store_add(r.store, "weight", weight, PNB_STORAGE_FROZEN, &s));
    TEST_OK(r.err, pnb_store_commit(r.store, r.gpu));
    TEST_OK(r.err, pnb_storage_write(s, r.gpu, w, pnb_shape_count(weight)));
    TEST_OK(r.err, pnb_graph_bind(r.g, s, &t));
    pnb_graph_narrow(r.g, half);
    TEST_OK(r.err, pnb_conv2d(r.g, x, t, PNB_NONE, 1, 1, &y));
    TEST_OK(r.err, pnb_graph_grad(r.g, &y, &y, 1, &x, 1, &gx));
    rig_output(&r, y);
    rig_output(&r, gx);
    rig_run(&r);
    result[0] = rig_read(&r, y);
    result[1] = rig_read(&r, gx);
    free(w);
    rig_close(&r);
}

static void test_half_weights(void **state) {
    const uint64_t count[2] = {2 * 16 * 6 * 8, 2 * 8 * 6 * 8};
    float *whole[2], *half[2];
    convolve(state, false, whole);
    convolve(state, true, half);
    for (int i = 0; i < 2; i++) {
        double e = relative_error(half[i], whole[i], count[i], 0);
        if (!(e > 1e-6 && e <= 2e-3)) fail_msg("result %d: off by %g of the largest value, expected rounding to 16 bits", i, e);
        free(whole[i]);
        free(half[i]);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_half_weights)};
    int failed = cmocka_run_group_tests_name("weights of 16 bits", tests, test_hardware_setup, test_device_teardown);
    return failed + test_suite_ways(&pnb_suite_conv2d, 3) + test_suite_hardware(&pnb_suite_conv2d);
}

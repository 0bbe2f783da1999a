/* psf: true convolution (the kernel flipped), every border, odd and even images. */
#include "measure/kernels.h"

static void test_files(void **state) {
    float kernel[5 * 7];
    for (int i = 0; i < 35; i++) kernel[i] = 1 / (1 + (float)i) + 0.1f; /* no symmetry */
    char json[400];
    for (ref_border = 0; ref_border < 3; ref_border++) {
        ref_set(5, 7, kernel, true);
        ref_write("psf.npy", 5, 7, kernel, pnb_border_names[ref_border], json, sizeof json);
        pnb_operator *op = rig_make(state, "psf", json, pnb_shape3(3, 12, 16));
        rig_check(state, op, ref_filter);
        pnb_operator_destroy(&op, test_gpu(state));
        op = rig_make(state, "psf", json, pnb_shape3(1, 9, 11));
        rig_check(state, op, ref_filter);
        pnb_operator_destroy(&op, test_gpu(state));
    }
    remove(in_folder("psf.npy"));
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_files)};
    return cmocka_run_group_tests(tests, kernels_setup, kernels_teardown);
}

/* psf: true convolution (the kernel flipped), every border, odd and even images; computed functions; Wiener's inverse. */
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

/* Bessel's functions by their series, where they converge well. */
static double series(int n, double x) {
    double term = n ? x / 2 : 1, sum = term;
    for (int k = 1; k < 60; k++) {
        term *= -x * x / 4 / (k * (k + n));
        sum += term;
    }
    return sum;
}

/* The models against their formulas, as answers to a point. */
static void test_models(void **state) {
    enum { SIDE = 33, HALF = 16 };
    static const char *const models[] = {"airy", "gaussian", "born_wolf"};
    double v1 = 2 * 3.14159265358979323846 / 500 * 1.2 * 100;
    for (int m = 0; m < 3; m++) {
        char json[200];
        float x[SIDE * SIDE] = {0};
        x[HALF * SIDE + HALF] = 1;
        snprintf(json, sizeof json, "{\"na\": 1.2, \"wavelength_nm\": 500, \"pixel_nm\": 100, \"size\": 33, \"model\": \"%s\", \"boundary\": \"zero\"}", models[m]);
        pnb_operator *op = rig_make(state, "psf", json, pnb_shape3(1, SIDE, SIDE));
        float *y = rig_run(state, op, APPLY, 1, x);
        double sum = 0;
        for (int i = 0; i < SIDE * SIDE; i++) sum += y[i];
        if (!(fabs(sum - 1) < 1e-5)) fail_msg("%s: sum %.9g", models[m], sum);
        for (int i = 0; i < 49; i++) {
            int dy = i / 7 - 3, dx = i % 7 - 3;
            double v = v1 * hypot(dy, dx), airy = v > 0 ? 4 * series(1, v) * series(1, v) / (v * v) : 1;
            double want = m == 1 ? exp(-v * v / 4) : airy; /* in focus Born and Wolf's is Airy's */
            double found = y[(HALF + dy) * SIDE + HALF + dx] / y[HALF * SIDE + HALF];
            if (!(fabs(found - want) < 2e-5)) fail_msg("%s at %d, %d: %g, expected %g", models[m], dy, dx, found, want);
        }
        free(y);
        pnb_operator_destroy(&op, test_gpu(state));
    }
    pnb_operator *sharp = rig_make(state, "psf", "{\"model\": \"born_wolf\", \"size\": 31}", pnb_shape3(1, SIDE, SIDE));
    pnb_operator *blurred = rig_make(state, "psf", "{\"model\": \"born_wolf\", \"size\": 31, \"defocus_nm\": 400}", pnb_shape3(1, SIDE, SIDE));
    float x[SIDE * SIDE] = {0};
    x[HALF * SIDE + HALF] = 1;
    float *a = rig_run(state, sharp, APPLY, 1, x), *b = rig_run(state, blurred, APPLY, 1, x);
    assert_true(b[HALF * SIDE + HALF] < 0.8f * a[HALF * SIDE + HALF]); /* out of focus the peak is lower */
    free(a);
    free(b);
    pnb_operator_destroy(&sharp, test_gpu(state));
    pnb_operator_destroy(&blurred, test_gpu(state));
    rig_refuse("psf", "{\"size\": 4}", pnb_shape3(1, 16, 16), "size must be odd, found 4");
    rig_refuse("psf", "{\"na\": 0}", pnb_shape3(1, 16, 16), "na: expected a number from 0.01 to 3, found 0");
}

/* Wiener's inverse of a circular image: conj(k) / (|k|^2 + r), at frequency 0. */
static void test_wiener(void **state) {
    pnb_operator *op = rig_make(state, "psf", "{\"model\": \"gaussian\", \"size\": 9, \"boundary\": \"circular\", \"regularisation\": 1}",
                                pnb_shape3(1, 12, 16));
    float ones[192];
    for (int i = 0; i < 192; i++) ones[i] = 1;
    float *x = rig_run(state, op, PINV, 1, ones);
    for (int i = 0; i < 192; i++) assert_true(fabsf(x[i] - 0.5f) < 1e-5f); /* at frequency 0 k is 1: 1 / (1 + 1) */
    free(x);
    pnb_operator_destroy(&op, test_gpu(state));
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_files), cmocka_unit_test(test_models), cmocka_unit_test(test_wiener)};
    return cmocka_run_group_tests(tests, kernels_setup, kernels_teardown);
}

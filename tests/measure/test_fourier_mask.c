/* fourier_mask: kept coefficients against the definition, adjoint, pseudo-inverse, frequency 0 in the middle or the corner. */
#include "measure/kernels.h"

static const double PI = 3.14159265358979323846;
static const float *ref_mask;
static bool ref_centred;

static void reference(const pnb_operator *op, const double *x, double *y) {
    pnb_shape s = pnb_operator_image_shape(op);
    int h = (int)s.d[1], w = (int)s.d[2], n = h * w;
    for (int c = 0; c < (int)s.d[0]; c++) {
        for (int k = 0; k < n; k++) {
            int row = k / w - (ref_centred ? h / 2 : 0), column = k % w - (ref_centred ? w / 2 : 0);
            double re = 0, im = 0;
            for (int i = 0; i < n; i++) {
                double turn = (double)row * (i / w) / h + (double)column * (i % w) / w;
                re += x[c * n + i] * cos(2 * PI * turn);
                im -= x[c * n + i] * sin(2 * PI * turn);
            }
            y[2 * c * n + k] = ref_mask[k] != 0 ? re / sqrt(n) : 0;
            y[(2 * c + 1) * n + k] = ref_mask[k] != 0 ? im / sqrt(n) : 0;
        }
    }
}

static void check(void **state, pnb_shape image, bool centred) {
    int h = (int)image.d[1], w = (int)image.d[2];
    float *mask = rig_random((uint64_t)(h * w), 11);
    char json[400];
    pnb_error err = {0};
    uint32_t kept = 0;
    for (int i = 0; i < h * w; i++) kept += (mask[i] = mask[i] > -0.2f) != 0; /* with partners and without */
    TEST_OK(&err, pnb_npy_write(&err, in_folder("mask.npy"), 2, (uint64_t[]){(uint64_t)h, (uint64_t)w}, mask));
    snprintf(json, sizeof json, "{\"file\": \"%s\", \"centred\": %s}", in_folder("mask.npy"), centred ? "true" : "false");
    ref_mask = mask;
    ref_centred = centred;
    pnb_operator *op = rig_make(state, "fourier_mask", json, image);
    assert_int_equal(pnb_operator_measured_count(op), 2 * image.d[0] * kept);
    rig_check(state, op, reference);
    pnb_operator_destroy(&op, test_gpu(state));
    remove(in_folder("mask.npy"));
    free(mask);
}

static void test_sizes(void **state) {
    check(state, pnb_shape3(1, 8, 12), true);
    check(state, pnb_shape3(3, 7, 10), true);
    check(state, pnb_shape3(1, 9, 5), false);
    check(state, pnb_shape3(2, 6, 4), false);
}

static void test_refused(void **state) {
    (void)state;
    const float none[4] = {0};
    char json[400];
    ref_write("none.npy", 2, 2, none, "zero", json, sizeof json);
    snprintf(json, sizeof json, "{\"file\": \"%s\"}", in_folder("none.npy"));
    rig_refuse("fourier_mask", json, pnb_shape3(1, 2, 2), "keeps no coefficient, nothing is measured");
    rig_refuse("fourier_mask", json, pnb_shape3(1, 4, 4), "is [2, 2], expected [4, 4]");
    rig_refuse("fourier_mask", NULL, pnb_shape3(1, 4, 4), "'file' is missing");
    remove(in_folder("none.npy"));
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_sizes), cmocka_unit_test(test_refused)};
    return cmocka_run_group_tests(tests, device_and_folder_setup, device_and_folder_teardown);
}

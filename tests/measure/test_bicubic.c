/* bicubic: against the definition tap by tap, odd and even sizes and factors, one pixel left, one channel and three. */
#include "measure/rig.h"

static int ref_factor;

static double cubic(double x) {
    x = fabs(x);
    if (x <= 1) return 1.5 * x * x * x - 2.5 * x * x + 1;
    return x < 2 ? -0.5 * x * x * x + 2.5 * x * x - 4 * x + 2 : 0;
}

static int mirrored(int q, int n) {
    while (q < 0 || q >= n) q = q < 0 ? -1 - q : 2 * n - 1 - q;
    return q;
}

/* The weight of tap j for output i; taps sum to 1. */
static double weight(int i, int j, int f) {
    double centre = f * (i + 0.5) - 0.5, sum = 0;
    for (int k = (int)centre - 2 * f - 1; k <= (int)centre + 2 * f + 1; k++) sum += cubic((k - centre) / f);
    return cubic((j - centre) / f) / sum;
}

static void reference(const pnb_operator *op, const double *x, double *y) {
    pnb_shape s = pnb_operator_image_shape(op);
    int h = (int)s.d[1], w = (int)s.d[2], f = ref_factor;
    for (int c = 0; c < (int)s.d[0]; c++) {
        for (int i = 0; i < h / f; i++) {
            for (int j = 0; j < w / f; j++) {
                double sum = 0;
                for (int k = i * f - 2 * f; k < (i + 3) * f; k++) {
                    for (int l = j * f - 2 * f; l < (j + 3) * f; l++) {
                        sum += weight(i, k, f) * weight(j, l, f) * x[(c * h + mirrored(k, h)) * w + mirrored(l, w)];
                    }
                }
                y[(c * (h / f) + i) * (w / f) + j] = sum;
            }
        }
    }
}

static void check(void **state, int factor, pnb_shape image) {
    char json[64];
    ref_factor = factor;
    snprintf(json, sizeof json, "{\"factor\": %d}", factor);
    pnb_operator *op = rig_make(state, "bicubic", json, image);
    assert_true(pnb_operator_has_pinv(op));
    rig_check(state, op, reference);
    pnb_operator_destroy(&op, test_gpu(state));
}

static void test_sizes(void **state) {
    check(state, 4, pnb_shape3(3, 24, 16));
    check(state, 2, pnb_shape3(1, 14, 10));
    check(state, 3, pnb_shape3(3, 27, 9));
    check(state, 5, pnb_shape3(1, 5, 15)); /* one row left */
    check(state, 8, pnb_shape3(1, 32, 24));
}

static void test_constant_image_stays(void **state) {
    pnb_operator *op = rig_make(state, "bicubic", "{\"factor\": 4}", pnb_shape3(1, 16, 16));
    float x[256];
    for (int i = 0; i < 256; i++) x[i] = 0.7f;
    float *y = rig_run(state, op, APPLY, 1, x), *back = rig_run(state, op, PINV, 1, y);
    for (int i = 0; i < 16; i++) assert_true(fabsf(y[i] - 0.7f) < 1e-6f);
    for (int i = 0; i < 256; i++) assert_true(fabsf(back[i] - 0.7f) < 1e-5f);
    free(y);
    free(back);
    pnb_operator_destroy(&op, test_gpu(state));
}

static void test_refused(void **state) {
    (void)state;
    rig_refuse("bicubic", "{\"factor\": 3}", pnb_shape3(1, 28, 28), "factor 3 does not divide the image of 28 x 28 pixels");
    rig_refuse("bicubic", "{\"factor\": 1}", pnb_shape3(1, 28, 28), "factor: expected a whole number from 2 to 256 pixels, found 1");
    rig_refuse("bicubic", NULL, pnb_shape1(4), "it needs images [C,H,W]");
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_sizes), cmocka_unit_test(test_constant_image_stays),
                                       cmocka_unit_test(test_refused)};
    return cmocka_run_group_tests(tests, test_device_setup, test_device_teardown);
}

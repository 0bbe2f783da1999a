/* phase_retrieval: amplitudes against the definition, gradients against finite differences, where particles start. */
#include "measure/rig.h"

static const double PI = 3.14159265358979323846;

/* Of one image, in double: centred unitary transform of the image in the middle of zeros. */
static void reference(const pnb_operator *op, const double *x, double *y) {
    pnb_shape s = pnb_operator_image_shape(op), t = pnb_operator_measurement_shape(op);
    int h = (int)s.d[1], w = (int)s.d[2], H = (int)t.d[1], W = (int)t.d[2];
    for (int c = 0; c < (int)s.d[0]; c++) {
        for (int k = 0; k < H * W; k++) {
            double re = 0, im = 0;
            for (int i = 0; i < h * w; i++) {
                double turn = (double)(k / W - H / 2) * (i / w + (H - h) / 2) / H + (double)(k % W - W / 2) * (i % w + (W - w) / 2) / W;
                re += x[c * h * w + i] * cos(2 * PI * turn);
                im += x[c * h * w + i] * sin(2 * PI * turn);
            }
            y[c * H * W + k] = hypot(re, im) / sqrt((double)H * W);
        }
    }
}

static void check(void **state, const char *json, pnb_shape image, uint32_t rows, uint32_t columns) {
    pnb_operator *op = rig_make(state, "phase_retrieval", json, image);
    pnb_shape t = pnb_operator_measurement_shape(op);
    assert_true(t.d[0] == image.d[0] && t.d[1] == rows && t.d[2] == columns);
    assert_false(pnb_operator_linear(op));
    uint64_t nx = pnb_shape_count(image), ny = pnb_shape_count(t);
    float *x = rig_random(nx, 3), *u = rig_random(ny, 4);
    float *y = rig_run(state, op, APPLY, 1, x), *gradient = rig_run_at(state, op, GRADIENT, 1, u, x);
    double *wide = calloc(nx, sizeof *wide), *want = malloc(ny * sizeof *want), *slope = malloc(nx * sizeof *slope);
    assert_true(wide && want && slope);
    for (uint64_t i = 0; i < nx; i++) wide[i] = x[i];
    reference(op, wide, want);
    rig_near(ny, y, want, 1e-5, "apply");
    for (uint64_t i = 0; i < nx; i++) {
        double side[2] = {0, 0};
        for (int k = 0; k < 2; k++) {
            wide[i] = x[i] + (k ? 1e-5 : -1e-5);
            reference(op, wide, want);
            for (uint64_t j = 0; j < ny; j++) side[k] += want[j] * u[j];
        }
        wide[i] = x[i];
        slope[i] = (side[1] - side[0]) / 2e-5;
    }
    rig_near(nx, gradient, slope, 1e-4, "gradient");
    free(x);
    free(u);
    free(y);
    free(gradient);
    free(wide);
    free(want);
    free(slope);
    pnb_operator_destroy(&op, test_gpu(state));
}

static void test_sizes(void **state) {
    check(state, NULL, pnb_shape3(1, 8, 8), 12, 12);
    check(state, "{\"oversample\": 4}", pnb_shape3(3, 4, 5), 8, 9);
    check(state, "{\"oversample\": 0}", pnb_shape3(1, 7, 6), 7, 6);
}

/* A point has amplitudes that are all the same, and phases 0 if it lies in the middle: the start is the point itself. */
static void test_start(void **state) {
    pnb_operator *op = rig_make(state, "phase_retrieval", NULL, pnb_shape3(1, 8, 8));
    float x[64] = {0};
    x[4 * 8 + 4] = 1;
    float *y = rig_run(state, op, APPLY, 1, x), *start = rig_run(state, op, INITIAL, 1, y);
    for (int i = 0; i < 64; i++) assert_true(fabsf(start[i] - x[i]) < 1e-5f);
    free(y);
    free(start);
    pnb_operator_destroy(&op, test_gpu(state));
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_sizes), cmocka_unit_test(test_start)};
    return cmocka_run_group_tests(tests, test_device_setup, test_device_teardown);
}

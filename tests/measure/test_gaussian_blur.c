/* gaussian_blur: mirrored and circular, even and odd sizes, kernels from one tap to the whole image. */
#include "measure/rig.h"
#include "ops/ops.h"

/* What a case asks for, for the reference, which knows nothing of the operator's inside. */
static double ref_sigma;
static int ref_radius;
static int ref_border;

static int place(int q, int n) {
    if (ref_border == PNB_BORDER_ZERO) return q >= 0 && q < n ? q : -1;
    if (ref_border == PNB_BORDER_CIRCULAR) return ((q % n) + n) % n;
    q = abs(q);
    return q < n ? q : 2 * (n - 1) - q;
}

static void reference(const pnb_operator *op, const double *x, double *y) {
    pnb_shape s = pnb_operator_image_shape(op);
    int h = (int)s.d[1], w = (int)s.d[2], r = ref_radius;
    double norm = 0;
    for (int k = -r; k <= r; k++) norm += exp(-0.5 * k * k / (ref_sigma * ref_sigma));
    for (int c = 0; c < (int)s.d[0]; c++) {
        for (int i = 0; i < h; i++) {
            for (int j = 0; j < w; j++) {
                double sum = 0;
                for (int k = -r; k <= r; k++) {
                    for (int l = -r; l <= r; l++) {
                        double weight = exp(-0.5 * (k * k + l * l) / (ref_sigma * ref_sigma));
                        int row = place(i + k, h), column = place(j + l, w);
                        if (row >= 0 && column >= 0) sum += weight * x[(c * h + row) * w + column];
                    }
                }
                y[(c * h + i) * w + j] = sum / (norm * norm);
            }
        }
    }
}

static void check(void **state, const char *json, double sigma, int radius, int border, pnb_shape image) {
    ref_sigma = sigma;
    ref_radius = radius;
    ref_border = border;
    pnb_operator *op = rig_make(state, "gaussian_blur", json, image);
    assert_true(pnb_operator_has_pinv(op) == (border == PNB_BORDER_CIRCULAR));
    rig_check(state, op, reference);
    pnb_operator_destroy(&op, test_gpu(state));
}

static void test_reflect(void **state) {
    check(state, NULL, 3, 12, PNB_BORDER_REFLECT, pnb_shape3(3, 28, 32));
    check(state, "{\"sigma\": 1}", 1, 4, PNB_BORDER_REFLECT, pnb_shape3(1, 7, 5)); /* every row is mirrored on both sides */
    check(state, "{\"sigma\": 25, \"size\": 5}", 25, 2, PNB_BORDER_REFLECT, pnb_shape3(2, 9, 11));
    check(state, "{\"sigma\": 1.5, \"size\": 61}", 1.5, 6, PNB_BORDER_REFLECT, pnb_shape3(1, 16, 12)); /* cut at 4 sigma all the same */
    check(state, "{\"sigma\": 0.1}", 0.1, 0, PNB_BORDER_REFLECT, pnb_shape3(1, 3, 3));
}

static void test_circular(void **state) {
    check(state, "{\"boundary\": \"circular\"}", 3, 12, PNB_BORDER_CIRCULAR, pnb_shape3(1, 16, 20));
    check(state, "{\"sigma\": 1, \"size\": 7, \"boundary\": \"circular\"}", 1, 3, PNB_BORDER_CIRCULAR, pnb_shape3(2, 4, 5));
}

static void test_zero(void **state) {
    check(state, "{\"boundary\": \"zero\"}", 3, 12, PNB_BORDER_ZERO, pnb_shape3(3, 28, 31));
    check(state, "{\"sigma\": 3, \"cut\": 20, \"size\": 61, \"boundary\": \"zero\"}", 3, 30, PNB_BORDER_ZERO,
          pnb_shape3(1, 33, 40)); /* DAVI */
    check(state, "{\"sigma\": 1, \"boundary\": \"zero\"}", 1, 4, PNB_BORDER_ZERO, pnb_shape3(1, 5, 7));
}

static void test_constant_image_stays(void **state) {
    pnb_operator *op = rig_make(state, "gaussian_blur", "{\"sigma\": 2}", pnb_shape3(1, 12, 12));
    float x[144], *y;
    for (int i = 0; i < 144; i++) x[i] = 0.7f;
    y = rig_run(state, op, APPLY, 1, x);
    for (int i = 0; i < 144; i++) assert_true(fabsf(y[i] - 0.7f) < 1e-6f);
    free(y);
    pnb_operator_destroy(&op, test_gpu(state));
}

static void test_refused(void **state) {
    pnb_shape image = pnb_shape3(1, 28, 28);
    rig_refuse("gaussian_blur", "{\"size\": 4}", image, "size must be odd, found 4");
    rig_refuse("gaussian_blur", "{\"sigma\": 7}", image, "a kernel of 57 taps is too wide for an image of 28 x 28 pixels");
    rig_refuse("gaussian_blur", "{\"sigma\": \"wide\"}", image, "sigma: expected a number");
    rig_refuse("gaussian_blur", "{\"sigma\": -1}", image, "sigma: expected a number from 0.05 to 1000 pixels, found -1");
    rig_refuse("gaussian_blur", "{\"boundary\": \"none\"}", image, "expected one of reflect, circular, zero, found 'none'");
    rig_refuse("gaussian_blur", "{\"boundary\": 1}", image, "boundary: expected a word in quotes");
    /* no pseudo-inverse: a sentence, not a crash */
    pnb_operator *op = rig_make(state, "gaussian_blur", NULL, image);
    pnb_error *err = test_err(state);
    pnb_store *store;
    pnb_storage *y;
    pnb_graph *g;
    pnb_tensor t, x;
    TEST_OK(err, pnb_store_create(err, "test", &store));
    TEST_OK(err, pnb_store_add(store, "y", pnb_shape4(1, 1, 28, 28), PNB_STORAGE_VARIABLE, &y));
    TEST_OK(err, pnb_graph_create(err, NULL, "test", &g));
    TEST_OK(err, pnb_graph_bind(g, y, &t));
    assert_int_equal(pnb_operator_pinv(op, g, t, &x), PNB_ERROR_USAGE);
    assert_non_null(strstr(err->message, "gaussian_blur has no pseudo-inverse"));
    TEST_OK(err, pnb_operator_initial(op, g, t, &x));
    assert_int_equal(x, t); /* the blurred image itself */
    pnb_graph_destroy(&g);
    pnb_store_destroy(&store, NULL);
    pnb_operator_destroy(&op, test_gpu(state));
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_reflect), cmocka_unit_test(test_circular), cmocka_unit_test(test_zero),
                                       cmocka_unit_test(test_constant_image_stays), cmocka_unit_test(test_refused)};
    return cmocka_run_group_tests(tests, test_device_setup, test_device_teardown);
}

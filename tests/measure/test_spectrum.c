/* The singular value decomposition of operators: V^T A^T y = S U^T y and U^T A x = S V^T x, V's columns orthonormal. */
#include "measure/rig.h"

#include "ops/ops.h"

typedef pnb_status (*node)(pnb_operator *, pnb_graph *, pnb_tensor, pnb_tensor *);

/* first, then second (may be NULL), of one input of this shape; result malloc'd, *count elements. */
static float *chain(void **state, pnb_operator *op, pnb_shape shape, const float *in, node first, node second,
                    uint64_t *count) {
    pnb_error *err = test_err(state);
    pnb_gpu *gpu = test_gpu(state);
    pnb_store *store;
    pnb_storage *x;
    pnb_graph *g;
    pnb_program *program;
    pnb_tensor t;
    TEST_OK(err, pnb_store_create(err, "test", &store));
    TEST_OK(err, pnb_store_add(store, "in", shape, PNB_STORAGE_VARIABLE, &x));
    TEST_OK(err, pnb_store_commit(store, gpu));
    TEST_OK(err, pnb_storage_write(x, gpu, in, pnb_shape_count(shape)));
    TEST_OK(err, pnb_graph_create(err, gpu, "test", &g));
    TEST_OK(err, pnb_graph_bind(g, x, &t));
    TEST_OK(err, first(op, g, t, &t));
    if (second) TEST_OK(err, second(op, g, t, &t));
    TEST_OK(err, pnb_copy(g, t, &t));
    TEST_OK(err, pnb_graph_output(g, t));
    TEST_OK(err, pnb_program_create(g, gpu, NULL, &program));
    TEST_OK(err, pnb_program_run(program));
    *count = pnb_shape_count(pnb_graph_shape(g, t));
    float *out = malloc(*count * sizeof *out);
    assert_non_null(out);
    TEST_OK(err, pnb_program_read(program, t, out, *count));
    pnb_program_destroy(&program);
    pnb_graph_destroy(&g);
    pnb_store_destroy(&store, gpu);
    return out;
}

/* left = S right, coefficient by coefficient. */
static void assert_scaled(const pnb_operator *op, uint64_t n, const float *left, const float *right, const char *what) {
    uint32_t count;
    const float *s = pnb_operator_spectrum(op, &count);
    assert_non_null(s);
    assert_true(count == 1 || count == n);
    double *want = malloc(n * sizeof *want);
    assert_non_null(want);
    for (uint64_t i = 0; i < n; i++) want[i] = (double)s[count == 1 ? 0 : i] * (double)right[i];
    rig_near(n, left, want, 1e-5, what);
    free(want);
}

static void check(void **state, const char *type, const char *args, pnb_shape image) {
    pnb_operator *op = rig_make(state, type, args, image);
    pnb_shape xs = rig_batch(2, image), ys = rig_batch(2, pnb_operator_measurement_shape(op));
    uint64_t n, m;
    float *x = rig_random(pnb_shape_count(xs), 1), *y = rig_random(pnb_shape_count(ys), 2);
    const float *measured = pnb_operator_measured(op);
    for (uint64_t i = 0; measured && i < pnb_shape_count(ys); i++) y[i] *= measured[i % (pnb_shape_count(ys) / 2)];
    float *a = chain(state, op, ys, y, pnb_operator_adjoint, pnb_operator_to_right, &n);
    float *b = chain(state, op, ys, y, pnb_operator_to_left, NULL, &m);
    assert_int_equal(n, m);
    assert_scaled(op, n / 2, a, b, "V^T A^T y = S U^T y");
    float *c = chain(state, op, xs, x, pnb_operator_apply, pnb_operator_to_left, &n);
    float *d = chain(state, op, xs, x, pnb_operator_to_right, NULL, &m);
    assert_scaled(op, n / 2, c, d, "U^T A x = S V^T x");
    pnb_shape cs = {.rank = 2, .d = {2, (uint32_t)(n / 2), 1, 1}};
    if (image.rank == 3 && n == pnb_shape_count(ys)) cs = ys; /* coefficients laid out as y */
    float *e = chain(state, op, cs, d, pnb_operator_from_right, pnb_operator_to_right, &m);
    double *want = malloc(n * sizeof *want);
    assert_non_null(want);
    for (uint64_t i = 0; i < n; i++) want[i] = (double)d[i];
    rig_near(n, e, want, 1e-5, "V^T V c = c");
    free(want);
    float *all[] = {x, y, a, b, c, d, e};
    for (int i = 0; i < 7; i++) free(all[i]);
    pnb_operator_destroy(&op, test_gpu(state));
}

static void test_known(void **state) {
    check(state, "identity", NULL, pnb_shape1(5));
    check(state, "mask_box", "{\"top\":1,\"left\":2,\"height\":3,\"width\":4}", pnb_shape3(2, 8, 8));
    check(state, "average_pool", "{\"factor\":2}", pnb_shape3(3, 8, 12));
    check(state, "bicubic", "{\"factor\":2}", pnb_shape3(3, 8, 12));
    check(state, "bicubic", "{\"factor\":3}", pnb_shape3(1, 9, 15));
    check(state, "gaussian_blur", "{\"sigma\":1,\"boundary\":\"circular\"}", pnb_shape3(3, 8, 12));
    check(state, "psf", "{\"size\":5,\"boundary\":\"circular\"}", pnb_shape3(1, 9, 7));
    check(state, "matrix", "{\"matrix\":[[1,2,3,4],[0,1,-1,2]]}", pnb_shape1(4));
    check(state, "matrix", "{\"matrix\":[[1,2],[0,1],[2,-1]]}", pnb_shape1(2));
}

static void test_unknown(void **state) {
    pnb_operator *op = rig_make(state, "gaussian_blur", "{\"sigma\":1}", pnb_shape3(1, 16, 16));
    pnb_graph *g;
    pnb_tensor x;
    uint32_t count;
    assert_null(pnb_operator_spectrum(op, &count));
    TEST_OK(test_err(state), pnb_graph_create(test_err(state), test_gpu(state), "test", &g));
    TEST_OK(test_err(state), pnb_constant(g, pnb_shape4(1, 1, 16, 16), 0, &x));
    assert_int_equal(pnb_operator_to_right(op, g, x, &x), PNB_ERROR_USAGE);
    assert_string_equal(test_err(state)->message, "operator gaussian_blur: its singular values are not known");
    pnb_graph_destroy(&g);
    pnb_operator_destroy(&op, test_gpu(state));
}

static int setup(void **state) {
    return test_device_setup(state);
}
static int teardown(void **state) {
    return test_device_teardown(state);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_known), cmocka_unit_test(test_unknown)};
    return cmocka_run_group_tests(tests, setup, teardown);
}

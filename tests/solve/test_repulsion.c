/* The repulsion of RLSD against its formula in double. */
#include "device.h"

#include "base/philox.h"
#include "ops/ops.h"
#include "solve/repulsion.h"

#include <math.h>
#include <string.h>

static int setup(void **state) {
    return test_device_setup(state);
}
static int teardown(void **state) {
    return test_device_teardown(state);
}

enum { D = 6, MOST = 16 };

static int ascending(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double distance2(const float *a, const float *b) {
    double d = 0;
    for (int i = 0; i < D; i++) d += pow((double)a[i] - (double)b[i], 2);
    return d;
}

static void reference(uint32_t k, const float *f, double *rep) {
    for (uint32_t i = 0; i < k; i++) {
        double others[MOST], sum = 0;
        uint32_t n = 0;
        for (uint32_t j = 0; j < k; j++)
            if (j != i) others[n++] = distance2(f + i * D, f + j * D);
        qsort(others, n, sizeof *others, ascending);
        double h = others[(n - 1) / 2] / log(k > 2 ? k - 1 : k);
        for (int c = 0; c < D; c++) rep[i * D + (uint32_t)c] = 0;
        for (uint32_t j = 0; j < k; j++) {
            if (j == i) continue;
            double w = exp(-distance2(f + i * D, f + j * D) / h);
            sum += w;
            for (uint32_t c = 0; c < D; c++)
                rep[i * D + c] += 2 * w * ((double)f[i * D + c] - (double)f[j * D + c]) / h;
        }
        for (uint32_t c = 0; c < D; c++) rep[i * D + c] /= sum;
    }
}

/* rep of K features into out. */
static void on_device(void **state, uint32_t k, const float *f, float *out) {
    pnb_gpu *gpu = test_gpu(state);
    pnb_error *err = test_err(state);
    pnb_store *store;
    pnb_storage *x;
    pnb_graph *g;
    pnb_program *program;
    pnb_tensor t, rep;
    TEST_OK(err, pnb_store_create(err, "test", &store));
    TEST_OK(err, pnb_store_add(store, "x", pnb_shape4(k, 1, 2, D / 2), PNB_STORAGE_VARIABLE, &x));
    TEST_OK(err, pnb_store_commit(store, gpu));
    TEST_OK(err, pnb_storage_write(x, gpu, f, (uint64_t)k * D));
    TEST_OK(err, pnb_graph_create(err, gpu, "repulsion", &g));
    TEST_OK(err, pnb_graph_bind(g, x, &t));
    TEST_OK(err, pnb_repulsion(g, t, &rep));
    TEST_OK(err, pnb_graph_output(g, rep));
    TEST_OK(err, pnb_program_create(g, gpu, NULL, &program));
    TEST_OK(err, pnb_program_run(program));
    TEST_OK(err, pnb_program_read(program, rep, out, (uint64_t)k * D));
    pnb_program_destroy(&program);
    pnb_graph_destroy(&g);
    pnb_store_destroy(&store, gpu);
}

static void test_formula(void **state) {
    static const uint32_t counts[] = {2, 3, 8, 16};
    for (int c = 0; c < 4; c++) {
        uint32_t k = counts[c];
        float f[MOST * D], found[MOST * D];
        double want[MOST * D], top = 0;
        pnb_fill_normal(5, 1, (uint32_t)c, 0, f, (size_t)k * D);
        for (uint32_t i = 0; i < k * D; i++) f[i] = 3 + 0.2f * f[i]; /* far from 0 against their distances */
        on_device(state, k, f, found);
        reference(k, f, want);
        for (uint32_t i = 0; i < k * D; i++) top = fmax(top, fabs(want[i]));
        for (uint32_t i = 0; i < k * D; i++) {
            if (fabs((double)found[i] - want[i]) > 2e-4 * top)
                fail_msg("%u particles, element %u: %g, expected %g", k, i, (double)found[i], want[i]);
        }
    }
}

/* A step along rep takes particles apart: the sign that the method relies on. */
static void test_sign(void **state) {
    float f[2 * D] = {0.5f, 0, 0, 0, 0, 0, -0.5f}, rep[2 * D];
    on_device(state, 2, f, rep);
    assert_true(rep[0] > 0.1f && rep[D] < -0.1f);
}

static void test_coincident(void **state) {
    float f[3 * D], rep[3 * D];
    for (int i = 0; i < 3 * D; i++) f[i] = 0.7f * (float)(i % D);
    on_device(state, 3, f, rep);
    for (int i = 0; i < 3 * D; i++) assert_true(rep[i] == 0);
}

static void test_too_few(void **state) {
    pnb_error *err = test_err(state);
    pnb_graph *g;
    pnb_tensor x;
    TEST_OK(err, pnb_graph_create(err, test_gpu(state), "repulsion", &g));
    TEST_OK(err, pnb_constant(g, pnb_shape2(1, 4), 0, &x));
    assert_int_equal(pnb_repulsion(g, x, &x), PNB_ERROR_INPUT);
    assert_string_equal(err->message, "repulsion: expects 2 to 512 particles, found 1");
    pnb_graph_destroy(&g);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_formula), cmocka_unit_test(test_sign),
                                       cmocka_unit_test(test_coincident), cmocka_unit_test(test_too_few)};
    return cmocka_run_group_tests(tests, setup, teardown);
}

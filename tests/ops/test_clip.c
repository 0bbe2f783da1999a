/* clip on the device against its fp64 reference; more gradients than one sum takes. */
#include "suite_test.h"

#include "ops/ops.h"

#include <math.h>
#include <string.h>

extern const pnb_op_suite pnb_suite_clip;

enum { MANY = 75 };

/* Gradient i is one number, i + 1; every third is none. */
static void test_many(void **state) {
    pnb_error *err = test_err(state);
    pnb_gpu *gpu = test_gpu(state);
    pnb_store *store;
    pnb_graph *g;
    pnb_program *p;
    pnb_storage *scalars;
    pnb_tensor grad[MANY], scalars_tensor;
    float values[2];
    double sum = 0;
    TEST_OK(err, pnb_store_create(err, "tensors", &store));
    TEST_OK(err, pnb_graph_create(err, gpu, "clip", &g));
    TEST_OK(err, pnb_store_add(store, "state", pnb_shape1(2), PNB_STORAGE_VARIABLE, &scalars));
    TEST_OK(err, pnb_store_commit(store, gpu));
    TEST_OK(err, pnb_graph_bind(g, scalars, &scalars_tensor));
    for (int i = 0; i < MANY; i++) {
        grad[i] = PNB_NONE;
        if (i % 3 == 2) continue;
        TEST_OK(err, pnb_constant(g, pnb_shape1(1), (float)(i + 1), &grad[i]));
        sum += pow(i + 1, 2);
    }
    TEST_OK(err, pnb_clip_norm(g, grad, MANY, 0.5f, 2, scalars_tensor, 0));
    TEST_OK(err, pnb_program_create(g, gpu, NULL, &p));
    TEST_OK(err, pnb_program_run(p));
    TEST_OK(err, pnb_storage_read(scalars, gpu, values, 2));
    double norm = 0.5 * sqrt(sum);
    assert_true(fabs((double)values[1] / norm - 1) < 1e-6);
    assert_true(fabs((double)values[0] * (norm + 1e-6) / 2 - 1) < 1e-6);
    pnb_program_destroy(&p);
    pnb_graph_destroy(&g);
    pnb_store_destroy(&store, gpu);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_suite_cases), cmocka_unit_test(test_many)};
    test_suite_current = &pnb_suite_clip;
    return cmocka_run_group_tests_name("clip", tests, test_device_setup, test_device_teardown);
}

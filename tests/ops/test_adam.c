/* adam on the device against its fp64 reference; many tensors in one dispatch are the same bytes as one by one. */
#include "suite_test.h"

#include "ops/ops.h"

#include <string.h>

extern const pnb_op_suite pnb_suite_adam;

enum { TENSORS = 4, MOST = 640 };
static const pnb_shape shapes[TENSORS] = {{1, {70, 1, 1, 1}}, {2, {10, 64, 1, 1}}, {1, {3, 1, 1, 1}}, {2, {33, 1, 1, 1}}};

/* Two steps on tensors of these shapes, gradients made from the tensors; the last has none. All values into out. */
static uint32_t run(void **state, bool grouped, float *out) {
    pnb_error *err = test_err(state);
    pnb_gpu *gpu = test_gpu(state);
    pnb_store *store;
    pnb_graph *g;
    pnb_program *p;
    pnb_storage *s[3][TENSORS], *scalars;
    pnb_tensor t[3][TENSORS], grad[TENSORS], state_tensor;
    TEST_OK(err, pnb_store_create(err, "tensors", &store));
    TEST_OK(err, pnb_graph_create(err, gpu, "adam", &g));
    for (int k = 0; k < 3; k++) {
        for (int i = 0; i < TENSORS; i++) {
            char name[8];
            snprintf(name, sizeof name, "%c%d", "wmv"[k], i);
            TEST_OK(err, pnb_store_add(store, name, shapes[i], PNB_STORAGE_VARIABLE, &s[k][i]));
        }
        if (grouped) TEST_OK(err, pnb_store_group(store, s[k], TENSORS));
    }
    TEST_OK(err, pnb_store_add(store, "state", pnb_shape1(3), PNB_STORAGE_VARIABLE, &scalars));
    TEST_OK(err, pnb_store_commit(store, gpu));
    TEST_OK(err, pnb_storage_write(scalars, gpu, (float[]){0.1f, 0.5f, 0.25f}, 3));
    TEST_OK(err, pnb_graph_bind(g, scalars, &state_tensor));
    for (int i = 0; i < TENSORS; i++) {
        float values[MOST];
        uint64_t n = pnb_shape_count(shapes[i]);
        for (uint64_t e = 0; e < n; e++) values[e] = (float)(e % 7) - 0.3f * (float)i;
        for (int k = 0; k < 3; k++) TEST_OK(err, pnb_graph_bind(g, s[k][i], &t[k][i]));
        TEST_OK(err, pnb_storage_write(s[0][i], gpu, values, n));
        grad[i] = PNB_NONE;
        if (i + 1 < TENSORS) TEST_OK(err, pnb_unary_op(g, PNB_TANH, t[0][i], &grad[i]));
    }
    pnb_adam params = {.beta1 = 0.9f, .beta2 = 0.99f, .eps = 1e-8f, .decay = 0.01f, .gscale = 2};
    TEST_OK(err, pnb_adam_steps(g, t[0], t[1], t[2], NULL, grad, TENSORS, state_tensor, params));
    TEST_OK(err, pnb_program_create(g, gpu, NULL, &p));
    for (int i = 0; i < 2; i++) TEST_OK(err, pnb_program_run(p));
    TEST_OK(err, pnb_gpu_wait(gpu));
    for (int k = 0; k < 3; k++)
        for (int i = 0; i < TENSORS; i++, out += MOST) TEST_OK(err, pnb_storage_read(s[k][i], gpu, out, pnb_shape_count(shapes[i])));
    uint32_t dispatches = pnb_program_report(p)->dispatches;
    pnb_program_destroy(&p);
    pnb_graph_destroy(&g);
    pnb_store_destroy(&store, gpu);
    return dispatches;
}

static void test_steps(void **state) {
    static float one[3 * TENSORS * MOST], all[3 * TENSORS * MOST];
    assert_int_equal(run(state, false, one), 3 + 3);
    assert_int_equal(run(state, true, all), 3 + 1); /* three gradients, one optimiser */
    assert_memory_equal(one, all, sizeof one);
    assert_true(one[TENSORS * MOST + 1] != 0); /* m moved */
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_suite_cases), cmocka_unit_test(test_steps)};
    test_suite_current = &pnb_suite_adam;
    return cmocka_run_group_tests_name("adam", tests, test_device_setup, test_device_teardown);
}

/* low_rank on the device against its fp64 reference, and how few dispatches it makes. */
#include "suite_test.h"

#include "ops/ops.h"

extern const pnb_op_suite pnb_suite_low_rank;

static pnb_tensor input(void **state, pnb_graph *g, pnb_store *store, const char *name, pnb_shape shape) {
    pnb_storage *s;
    pnb_tensor t;
    TEST_OK(test_err(state), pnb_store_add(store, name, shape, PNB_STORAGE_VARIABLE, &s));
    TEST_OK(test_err(state), pnb_graph_bind(g, s, &t));
    return t;
}

/* Shapes of a layer's y and x, Down and Up. */
typedef struct layer {
    pnb_shape big, down, up;
    uint32_t pad;
} layer;

/* Dispatches of y + low rank, and of that with all gradients; y is an intermediate tensor where made is set. */
static void dispatches(void **state, layer shapes, bool made, uint32_t *forward, uint32_t *both) {
    pnb_error *err = test_err(state);
    pnb_store *store;
    pnb_graph *g;
    pnb_plan_report report;
    TEST_OK(err, pnb_store_create(err, "inputs", &store));
    TEST_OK(err, pnb_graph_create(err, NULL, "low rank", &g));
    pnb_shape big = shapes.big;
    pnb_tensor y = input(state, g, store, "y", big), x = input(state, g, store, "x", big);
    pnb_tensor down = input(state, g, store, "down", shapes.down), up = input(state, g, store, "up", shapes.up);
    pnb_tensor out, cotangent = input(state, g, store, "cotangent", big), grad[3];
    if (made) TEST_OK(err, pnb_silu(g, y, &y));
    TEST_OK(err, pnb_low_rank(g, y, x, down, up, 1, shapes.pad, 2, 1.0f, &out));
    TEST_OK(err, pnb_graph_output(g, out));
    TEST_OK(err, pnb_graph_plan(g, NULL, &report));
    *forward = report.dispatches;
    TEST_OK(err, pnb_graph_grad(g, &out, &cotangent, 1, (pnb_tensor[]){x, down, up}, 3, grad));
    for (int i = 0; i < 3; i++) TEST_OK(err, pnb_graph_output(g, grad[i]));
    TEST_OK(err, pnb_graph_plan(g, NULL, &report));
    *both = report.dispatches;
    pnb_graph_destroy(&g);
    pnb_store_destroy(&store, NULL);
}

static void test_dispatches(void **state) {
    const layer conv = {pnb_shape4(4, 16, 8, 8), pnb_shape4(8, 16, 3, 3), pnb_shape4(16, 8, 1, 1), 1};
    const layer linear = {pnb_shape2(4, 64), pnb_shape2(8, 64), pnb_shape2(64, 8), 0};
    uint32_t forward, both;
    dispatches(state, conv, true, &forward, &both);
    assert_int_equal(forward, 3); /* silu, down, up added to it in place */
    assert_int_equal(both, 3 + 3 + 2 + 2); /* cotangent down, up to the rows of x, zeros around; two weights, their sums */
    dispatches(state, conv, false, &forward, &both);
    assert_int_equal(forward, 3); /* y is kept, so it is copied first */
    dispatches(state, linear, true, &forward, &both);
    assert_int_equal(forward, 2); /* silu, all of the low-rank part */
    assert_int_equal(both, 2 + 1 + 2); /* both weights; the rows of x, zeros around */
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_suite_cases), cmocka_unit_test(test_dispatches)};
    test_suite_current = &pnb_suite_low_rank;
    int failed = cmocka_run_group_tests_name("low_rank", tests, test_device_setup, test_device_teardown);
    return failed + test_suite_hardware(&pnb_suite_low_rank);
}

/* linear on the device against its fp64 reference; what several layers read is prepared once. */
#include "suite_test.h"

#include "ops/ops.h"

extern const pnb_op_suite pnb_suite_linear;

/* Dispatches of `layers` frozen layers of the same activations. */
static uint32_t dispatches(void **state, uint32_t layers) {
    pnb_error *err = test_err(state);
    pnb_store *store;
    pnb_storage *s;
    pnb_graph *g;
    pnb_tensor x, w, y;
    pnb_plan_report report;
    TEST_OK(err, pnb_store_create(err, "inputs", &store));
    TEST_OK(err, pnb_graph_create(err, test_gpu(state), "layers", &g));
    TEST_OK(err, pnb_store_add(store, "x", pnb_shape2(16, 128), PNB_STORAGE_VARIABLE, &s));
    TEST_OK(err, pnb_graph_bind(g, s, &x));
    TEST_OK(err, pnb_silu(g, x, &x));
    for (uint32_t i = 0; i < layers; i++) {
        char name[16];
        snprintf(name, sizeof name, "w%u", i);
        TEST_OK(err, pnb_store_add(store, name, pnb_shape2(1024u << i, 128), PNB_STORAGE_FROZEN, &s));
        TEST_OK(err, pnb_graph_bind(g, s, &w));
        TEST_OK(err, pnb_linear(g, x, w, PNB_NONE, &y));
        TEST_OK(err, pnb_graph_output(g, y));
    }
    TEST_OK(err, pnb_graph_plan(g, NULL, &report));
    pnb_graph_destroy(&g);
    pnb_store_destroy(&store, test_gpu(state));
    return report.dispatches;
}

static void test_shared_activations(void **state) {
    uint32_t one = dispatches(state, 1), two = dispatches(state, 2), three = dispatches(state, 3);
    assert_in_range(two - one, 1, 2); /* the product, and the packing of its weights where products are packed */
    assert_int_equal(three - two, two - one);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_suite_cases), cmocka_unit_test(test_shared_activations)};
    test_suite_current = &pnb_suite_linear;
    return cmocka_run_group_tests_name("linear", tests, test_device_setup, test_device_teardown);
}

/* The registry, the sentences about types and arguments, and shape checks of graph nodes. */
#include "measure/rig.h"

static void test_types(void **state) {
    size_t count;
    const pnb_operator_doc *const *docs = pnb_operator_docs(&count);
    assert_true(count >= 11);
    for (size_t i = 0; i < count; i++) {
        assert_true(strlen(docs[i]->type) > 2 && strlen(docs[i]->summary) > 5);
        for (size_t k = 0; k < docs[i]->table.count; k++) assert_true(strlen(docs[i]->table.options[k].help) > 5);
        for (size_t k = 0; k < docs[i]->n_keys; k++) assert_true(strlen(docs[i]->keys[k].help) > 5);
    }
    (void)state;
}

static void test_refused(void **state) {
    (void)state;
    pnb_shape image = pnb_shape3(1, 28, 28);
    rig_refuse("mask_bax", NULL, image, "there is no operator 'mask_bax'; did you mean 'mask_box'?");
    rig_refuse("fourier", NULL, image,
               "there is no operator 'fourier' (there are identity, mask_box, mask, mask_random, average_pool, bicubic, ");
    rig_refuse("identity", "{\"sigma\": 3}", image, "operator identity: unknown key 'sigma'");
    rig_refuse("gaussian_blur", "{\"factor\": 3}", image, "unknown key 'factor'");
    rig_refuse("identity", "[]", image, "expected an object {...}");
    rig_refuse("identity", NULL, pnb_shape2(3, 4), "images must be [C,H,W] or [D], found [3,4]");
    rig_refuse("identity", NULL, pnb_shape1(0), "images must be [C,H,W] or [D]");
}

static void test_wrong_batch(void **state) {
    pnb_error *err = test_err(state);
    pnb_operator *op = rig_make(state, "average_pool", NULL, pnb_shape3(3, 8, 8));
    pnb_store *store;
    pnb_storage *s;
    pnb_graph *g;
    pnb_tensor x, y;
    TEST_OK(err, pnb_store_create(err, "test", &store));
    TEST_OK(err, pnb_store_add(store, "x", pnb_shape4(2, 1, 8, 8), PNB_STORAGE_VARIABLE, &s));
    TEST_OK(err, pnb_graph_create(err, NULL, "test", &g));
    TEST_OK(err, pnb_graph_bind(g, s, &x));
    assert_int_equal(pnb_operator_apply(op, g, x, &y), PNB_ERROR_INPUT);
    assert_string_equal(err->message, "operator average_pool: image must be a batch of [3,8,8], found [2,1,8,8]");
    assert_int_equal(pnb_operator_adjoint(op, g, x, &y), PNB_ERROR_INPUT);
    assert_string_equal(err->message, "operator average_pool: measurement must be a batch of [3,2,2], found [2,1,8,8]");
    pnb_graph_destroy(&g);
    pnb_store_destroy(&store, NULL);
    pnb_operator_destroy(&op, test_gpu(state));
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_types), cmocka_unit_test(test_refused),
                                       cmocka_unit_test(test_wrong_batch)};
    return cmocka_run_group_tests(tests, test_device_setup, test_device_teardown);
}

/* compose: the parts' product, its adjoint, where it starts, masks at its end, faults with the entry's number. */
#include "measure/rig.h"

/* A 2 x 2 mean, then a box of row 0, column 0 hidden. */
static void reference(const pnb_operator *op, const double *x, double *y) {
    pnb_shape s = pnb_operator_image_shape(op);
    int h = (int)s.d[1], w = (int)s.d[2];
    for (int c = 0, at = 0; c < (int)s.d[0]; c++) {
        for (int i = 0; i < h; i += 2) {
            for (int j = 0; j < w; j += 2) {
                const double *p = x + (c * h + i) * w + j;
                y[at++] = i || j ? (p[0] + p[1] + p[w] + p[w + 1]) / 4 : 0;
            }
        }
    }
}

static const char pooled_box[] = "{\"operators\": [{\"type\": \"average_pool\", \"factor\": 2}, "
                                 "{\"type\": \"mask_box\", \"top\": 0, \"left\": 0, \"height\": 1, \"width\": 1}]}";

static void test_product(void **state) {
    pnb_operator *op = rig_make(state, "compose", pooled_box, pnb_shape3(3, 6, 10));
    assert_int_equal(pnb_operator_measured_count(op), 3 * 14);
    assert_true(pnb_operator_measured(op)[0] == 0 && pnb_operator_measured(op)[1] == 1);
    assert_false(pnb_operator_has_pinv(op));
    rig_check(state, op, reference);
    cJSON *args = pnb_operator_args(op);
    char *text = cJSON_PrintUnformatted(args);
    assert_string_equal(text, "{\"operators\":[{\"type\":\"average_pool\",\"factor\":2},"
                              "{\"type\":\"mask_box\",\"top\":0,\"left\":0,\"height\":1,\"width\":1}],\"type\":\"compose\"}");
    cJSON_free(text);
    pnb_operator *again, *other;
    TEST_OK(test_err(state), pnb_operator_create(test_err(state), "compose", args, pnb_shape3(3, 6, 10), NULL, &again));
    cJSON_Delete(args);
    assert_true(pnb_operator_hash(again) == pnb_operator_hash(op));
    TEST_OK(test_err(state), rig_try(test_err(state), "compose", "{\"operators\": [{\"type\": \"average_pool\", \"factor\": 2}]}",
                                     pnb_shape3(3, 6, 10), &other));
    assert_true(pnb_operator_hash(other) != pnb_operator_hash(op));
    pnb_operator_destroy(&other, NULL);
    pnb_operator_destroy(&again, NULL);
    pnb_operator_destroy(&op, test_gpu(state));
}

/* Particles start from the parts' pseudo-inverses: means of blocks, replicated. */
static void test_start(void **state) {
    pnb_error *err = test_err(state);
    pnb_gpu *gpu = test_gpu(state);
    pnb_operator *op = rig_make(state, "compose", pooled_box, pnb_shape3(1, 4, 4));
    pnb_store *store;
    pnb_storage *y;
    pnb_graph *g;
    pnb_program *program;
    pnb_tensor t, x;
    const float given[4] = {9, 2, 3, 4};
    float found[16];
    TEST_OK(err, pnb_store_create(err, "test", &store));
    TEST_OK(err, pnb_store_add(store, "y", pnb_shape4(1, 1, 2, 2), PNB_STORAGE_VARIABLE, &y));
    TEST_OK(err, pnb_store_commit(store, gpu));
    TEST_OK(err, pnb_storage_write(y, gpu, given, 4));
    TEST_OK(err, pnb_graph_create(err, gpu, "test", &g));
    TEST_OK(err, pnb_graph_bind(g, y, &t));
    TEST_OK(err, pnb_operator_initial(op, g, t, &x));
    TEST_OK(err, pnb_graph_output(g, x));
    TEST_OK(err, pnb_program_create(g, gpu, NULL, &program));
    TEST_OK(err, pnb_program_run(program));
    TEST_OK(err, pnb_program_read(program, x, found, 16));
    for (int i = 0; i < 16; i++) {
        float mean = given[i / 8 * 2 + i % 4 / 2];
        assert_true(found[i] == (i / 8 * 2 + i % 4 / 2 ? mean : 0));
    }
    pnb_program_destroy(&program);
    pnb_graph_destroy(&g);
    pnb_store_destroy(&store, gpu);
    pnb_operator_destroy(&op, gpu);
}

static void test_refused(void **state) {
    (void)state;
    pnb_shape image = pnb_shape3(1, 6, 6);
    rig_refuse("compose", NULL, image, "'operators' is missing");
    rig_refuse("compose", "{\"operators\": []}", image, "must be a list of 1 to 16 operators");
    rig_refuse("compose", "{\"operators\": [{\"type\": \"identity\"}, {\"factor\": 2}]}", image,
               "entry 2 of 'operators' must be an object");
    rig_refuse("compose", "{\"operators\": [{\"type\": \"average_pool\", \"factor\": 3}, {\"type\": \"average_pool\", \"factor\": 4}]}",
               image, "operator compose, entry 2: operator average_pool: factor 4 does not divide the image of 2 x 2 pixels");
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_product), cmocka_unit_test(test_start), cmocka_unit_test(test_refused)};
    return cmocka_run_group_tests(tests, test_device_setup, test_device_teardown);
}

/* Persistent tensors: names, blocks, host copies. */
#include "run.h"

static void test_describe(void **state) {
    pnb_error *err = test_err(state);
    pnb_store *s = NULL;
    pnb_storage *a = NULL, *b = NULL;
    float v[3] = {0};
    TEST_OK(err, pnb_store_create(err, "net", &s));
    TEST_OK(err, pnb_store_add(s, "conv.weight", pnb_shape2(3, 1), PNB_STORAGE_FROZEN, &a));
    assert_int_equal(pnb_store_add(s, "conv.weight", pnb_shape1(3), PNB_STORAGE_FROZEN, &b), PNB_ERROR_USAGE);
    assert_string_equal(err->message, "store 'net': there is a tensor 'conv.weight' already");
    assert_int_equal(pnb_store_add(s, "empty", pnb_shape1(0), PNB_STORAGE_FROZEN, &b), PNB_ERROR_USAGE);
    assert_string_equal(err->message, "empty: shape [0] has no elements");
    assert_int_equal(pnb_storage_read(a, test_gpu(state), v, 3), PNB_ERROR_USAGE);
    assert_non_null(strstr(err->message, "commit its store first"));
    assert_ptr_equal(pnb_store_find(s, "conv.weight"), a);
    assert_null(pnb_store_find(s, "conv.bias"));
    assert_int_equal(pnb_store_count(s), 1);
    assert_ptr_equal(pnb_store_at(s, 0), a);
    assert_int_equal(pnb_store_bytes(s), 16);
    assert_string_equal(pnb_storage_name(a), "conv.weight");
    assert_int_equal(pnb_storage_get_kind(a), PNB_STORAGE_FROZEN);
    pnb_store_destroy(&s, NULL);
    assert_null(s);
}

static void test_copies(void **state) {
    pnb_error *err = test_err(state);
    pnb_gpu *gpu = test_gpu(state);
    pnb_store *s = NULL;
    pnb_storage *t[20];
    float in[60], out[60];
    TEST_OK(err, pnb_store_create(err, "net", &s));
    for (uint32_t i = 0; i < 20; i++) { /* committed in two goes */
        char name[8];
        snprintf(name, sizeof name, "t%u", i);
        TEST_OK(err, pnb_store_add(s, name, pnb_shape1(3 * i + 1), PNB_STORAGE_VARIABLE, &t[i]));
        if (i % 10 == 9) TEST_OK(err, pnb_store_commit(s, gpu));
    }
    uint64_t allocations = pnb_gpu_get_stats(gpu).allocations;
    TEST_OK(err, pnb_store_commit(s, gpu));
    assert_int_equal(pnb_gpu_get_stats(gpu).allocations, allocations);
    TEST_OK(err, pnb_storage_read(t[19], gpu, out, 58));
    for (int k = 0; k < 58; k++) assert_true(out[k] == 0.0f);
    for (uint32_t i = 0; i < 20; i++) {
        for (uint32_t k = 0; k < 3 * i + 1; k++) in[k] = (float)(100 * i + k);
        TEST_OK(err, pnb_storage_write(t[i], gpu, in, 3 * i + 1));
        assert_int_equal(pnb_storage_binding(t[i]).offset % PNB_MEMORY_ALIGNMENT, 0);
        assert_int_equal(pnb_storage_binding(t[i]).bytes % 16, 0);
    }
    for (uint32_t i = 0; i < 20; i++) {
        TEST_OK(err, pnb_storage_read(t[i], gpu, out, 3 * i + 1));
        for (uint32_t k = 0; k < 3 * i + 1; k++) assert_true(out[k] == (float)(100 * i + k));
    }
    assert_int_equal(pnb_storage_write(t[2], gpu, in, 6), PNB_ERROR_USAGE);
    assert_string_equal(err->message, "write tensor 't2' [7]: expected 7 values, got 6");
    pnb_store_destroy(&s, gpu);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_describe), cmocka_unit_test(test_copies)};
    return cmocka_run_group_tests(tests, test_device_setup, test_device_teardown);
}

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

/* Grouped tensors lie one behind the other by rank, are listed, written and read as all are, and are views of one in a graph. */
static void test_groups(void **state) {
    bench b = bench_begin(state);
    const pnb_shape shapes[] = {{2, {5, 7, 1, 1}}, {1, {3, 1, 1, 1}}, {2, {64, 1, 1, 1}}, {1, {70, 1, 1, 1}}};
    const uint64_t offsets[] = {768, 0, 1024, 256}; /* [3], [70], [5,7], [64,1] */
    pnb_storage *t[4], *frozen;
    char name[8] = "t0";
    for (int i = 0; i < 4; i++, name[1]++) TEST_OK(b.err, pnb_store_add(b.store, name, shapes[i], PNB_STORAGE_VARIABLE, &t[i]));
    TEST_OK(b.err, pnb_store_add(b.store, "frozen", pnb_shape1(4), PNB_STORAGE_FROZEN, &frozen));
    TEST_OK(b.err, pnb_store_group(b.store, t, 4));
    assert_int_equal(pnb_store_group(b.store, t + 3, 1), PNB_ERROR_USAGE);
    assert_non_null(strstr(b.err->message, "tensor 't3' cannot be grouped"));
    assert_int_equal(pnb_store_group(b.store, &frozen, 1), PNB_ERROR_USAGE);
    assert_int_equal(pnb_store_count(b.store), 5);
    TEST_OK(b.err, pnb_store_commit(b.store, b.gpu));
    pnb_gpu_binding first = pnb_storage_binding(t[1]);
    pnb_tensor tensor[4];
    for (uint32_t i = 0; i < 4; i++) {
        float in[70], out[70];
        uint64_t n = pnb_shape_count(shapes[i]), offset;
        pnb_gpu_binding at = pnb_storage_binding(t[i]);
        assert_ptr_equal(at.buffer, first.buffer);
        assert_int_equal(at.offset - first.offset, offsets[i]);
        for (uint32_t k = 0; k < n; k++) in[k] = (float)(100 * i + k);
        TEST_OK(b.err, pnb_storage_write(t[i], b.gpu, in, n));
        TEST_OK(b.err, pnb_storage_read(t[i], b.gpu, out, n));
        assert_memory_equal(in, out, n * sizeof *in);
        TEST_OK(b.err, pnb_graph_bind(b.g, t[i], &tensor[i]));
        assert_true(pnb_shape_equal(pnb_graph_shape(b.g, tensor[i]), shapes[i]));
        assert_int_equal(pnb_graph_root(b.g, tensor[i], &offset), pnb_graph_root(b.g, tensor[0], &(uint64_t){0}));
        assert_int_equal(offset, offsets[i]);
        pnb_tensor again;
        TEST_OK(b.err, pnb_graph_bind(b.g, t[i], &again));
        assert_int_equal(again, tensor[i]);
    }
    bench_end(&b);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_describe), cmocka_unit_test(test_copies), cmocka_unit_test(test_groups)};
    return cmocka_run_group_tests(tests, test_device_setup, test_device_teardown);
}

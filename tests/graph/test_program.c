/* Programs: replays that only submit, constants computed once, writes through slices, submissions cut by cost, reading. */
#include "gpu/testing.h"
#include "run.h"

static void test_replay(void **state) {
    bench b = bench_begin(state);
    pnb_tensor v = bench_storage(&b, "v", pnb_shape2(4, 64), PNB_STORAGE_VARIABLE, 0), next, top, twice;
    pnb_tensor kept = bench_storage(&b, "kept", pnb_shape2(4, 64), PNB_STORAGE_VARIABLE, 9);
    TEST_OK(b.err, pnb_affine(b.g, v, 1, 1, &next));
    TEST_OK(b.err, pnb_graph_slice0(b.g, v, 0, 2, &top));
    TEST_OK(b.err, pnb_graph_slice0(b.g, next, 0, 2, &next));
    TEST_OK(b.err, pnb_assign(b.g, top, next)); /* the first two rows grow by 1 each run */
    TEST_OK(b.err, pnb_mul(b.g, v, kept, &twice));
    TEST_OK(b.err, pnb_graph_output(b.g, twice));
    pnb_program *p = bench_program(&b, NULL);
    pnb_gpu_stats before = pnb_gpu_get_stats(b.gpu);
    for (int i = 0; i < 100; i++) TEST_OK(b.err, pnb_program_run(p));
    TEST_OK(b.err, pnb_gpu_wait(b.gpu));
    pnb_gpu_stats after = pnb_gpu_get_stats(b.gpu);
    assert_int_equal(after.allocations, before.allocations);
    assert_int_equal(after.kernels_created, before.kernels_created);
    assert_int_equal(after.lists_recorded, before.lists_recorded);
    assert_int_equal(after.submissions, before.submissions + 100);
    assert_int_equal(after.dispatches_submitted, before.dispatches_submitted + 100 * pnb_program_report(p)->dispatches);
    float *values = bench_read(&b, p, v), *product = bench_read(&b, p, twice), *other = bench_read(&b, p, kept);
    for (uint32_t i = 0; i < 256; i++) {
        float expected = bench_value(i) + (i < 128 ? 100.0f : 0.0f);
        if (i >= 128) assert_true(values[i] == expected);
        assert_true(values[i] - expected < 1e-3f && expected - values[i] < 1e-3f);
        assert_true(other[i] == bench_value(9 + i));
        assert_true(product[i] == values[i] * other[i]);
    }
    free(values);
    free(product);
    free(other);
    pnb_program_destroy(&p);
    bench_end(&b);
}

static void test_prologue_runs_once(void **state) {
    bench b = bench_begin(state);
    pnb_tensor w = bench_storage(&b, "w", pnb_shape1(64), PNB_STORAGE_FROZEN, 0),
               v = bench_storage(&b, "v", pnb_shape1(64), PNB_STORAGE_VARIABLE, 5);
    pnb_tensor prepared, y;
    TEST_OK(b.err, pnb_affine(b.g, w, 2, 0, &prepared));
    TEST_OK(b.err, pnb_affine(b.g, prepared, 1, 3, &prepared));
    TEST_OK(b.err, pnb_add(b.g, prepared, v, &y));
    TEST_OK(b.err, pnb_graph_output(b.g, y));
    pnb_gpu_stats before = pnb_gpu_get_stats(b.gpu);
    pnb_program *p = bench_program(&b, NULL);
    assert_int_equal(pnb_gpu_get_stats(b.gpu).dispatches_submitted, before.dispatches_submitted + 2);
    float zeros[64] = {0};
    TEST_OK(b.err, pnb_storage_write(pnb_store_find(b.store, "w"), b.gpu, zeros, 64)); /* too late to be seen */
    for (int i = 0; i < 3; i++) TEST_OK(b.err, pnb_program_run(p));
    assert_int_equal(pnb_gpu_get_stats(b.gpu).dispatches_submitted, before.dispatches_submitted + 5);
    float *values = bench_read(&b, p, y);
    for (uint32_t i = 0; i < 64; i++) {
        float d = values[i] - (2 * bench_value(i) + 3 + bench_value(5 + i));
        assert_true(d < 1e-6f && d > -1e-6f);
    }
    free(values);
    pnb_program_destroy(&p);
    bench_end(&b);
}

static pnb_tensor build_chain(bench *b, int n) {
    pnb_tensor x = bench_storage(b, "x", pnb_shape2(64, 1024), PNB_STORAGE_VARIABLE, 0);
    for (int i = 0; i < n; i++) TEST_OK(b->err, pnb_unary_op(b->g, PNB_TANH, x, &x));
    TEST_OK(b->err, pnb_graph_output(b->g, x));
    return x;
}

static void test_submissions(void **state) {
    const double limits[2] = {1e-6, 1e6};
    float *values[2];
    for (int k = 0; k < 2; k++) {
        bench b = bench_begin(state);
        pnb_tensor x = build_chain(&b, 60);
        pnb_program *p = bench_program(&b, &(pnb_program_params){.max_submission_ms = limits[k]});
        for (int i = 0; i < 4; i++) TEST_OK(b.err, pnb_program_run(p));
        pnb_program_stats s = pnb_program_get_stats(p);
        assert_true(s.lists >= 3);
        if (pnb_gpu_get_caps(b.gpu)->timestamp_ns > 0) assert_int_equal(s.submissions, k == 0 ? s.lists : 1);
        values[k] = bench_read(&b, p, x);
        pnb_program_destroy(&p);
        bench_end(&b);
    }
    assert_memory_equal(values[0], values[1], 4 * 64 * 1024);
    free(values[0]);
    free(values[1]);
}

static void test_profile(void **state) {
    bench b = bench_begin(state);
    build_chain(&b, 30);
    pnb_program *p = bench_program(&b, &(pnb_program_params){.profile = true});
    const pnb_profile_row *rows = NULL;
    size_t count = 0;
    TEST_OK(b.err, pnb_program_run(p));
    assert_int_equal(pnb_program_profile(p, &rows, &count), PNB_ERROR_USAGE);
    TEST_OK(b.err, pnb_program_run_profiled(p));
    if (pnb_gpu_get_caps(b.gpu)->timestamp_ns > 0) {
        TEST_OK(b.err, pnb_program_profile(p, &rows, &count));
        assert_int_equal(count, 30);
        double total = 0;
        for (size_t i = 0; i < count; i++) {
            assert_non_null(rows[i].op);
            assert_non_null(rows[i].kernel);
            assert_true(rows[i].ms >= 0);
            total += rows[i].ms;
        }
        assert_true(total > 0);
    }
    pnb_program_destroy(&p);
    p = bench_program(&b, NULL);
    assert_int_equal(pnb_program_run_profiled(p), PNB_ERROR_USAGE);
    pnb_program_destroy(&p);
    bench_end(&b);
}

static void test_errors(void **state) {
    bench b = bench_begin(state);
    pnb_program *p = NULL;
    pnb_storage *s = NULL;
    float v[256];
    pnb_tensor x = bench_storage(&b, "x", pnb_shape2(4, 64), PNB_STORAGE_VARIABLE, 0), late, y, z;
    TEST_OK(b.err, pnb_store_add(b.store, "late", pnb_shape2(4, 64), PNB_STORAGE_VARIABLE, &s));
    TEST_OK(b.err, pnb_graph_bind(b.g, s, &late));
    TEST_OK(b.err, pnb_mul(b.g, x, late, &y));
    TEST_OK(b.err, pnb_unary_op(b.g, PNB_TANH, y, &z));
    TEST_OK(b.err, pnb_graph_output(b.g, z));
    assert_int_equal(pnb_program_create(b.g, b.gpu, NULL, &p), PNB_ERROR_USAGE);
    assert_string_equal(b.err->message, "program 'test': tensor 'late' has no memory yet, commit its store first");
    assert_null(p);
    TEST_OK(b.err, pnb_store_commit(b.store, b.gpu));
    assert_int_equal(pnb_program_create(b.g, b.gpu, &(pnb_program_params){.memory_budget = 100}, &p), PNB_ERROR_OUT_OF_MEMORY);
    assert_non_null(strstr(b.err->message, "the budget is 100 bytes"));
    p = bench_program(&b, NULL);
    TEST_OK(b.err, pnb_program_run(p));
    assert_int_equal(pnb_program_read(p, y, v, 256), PNB_ERROR_USAGE);
    assert_non_null(strstr(b.err->message, "mark it with pnb_graph_output"));
    assert_int_equal(pnb_program_read(p, z, v, 255), PNB_ERROR_USAGE);
    assert_non_null(strstr(b.err->message, "has 256 elements, not 255"));
    assert_int_equal(pnb_program_read(p, 99, v, 1), PNB_ERROR_USAGE);
    pnb_program_destroy(&p);
    assert_null(p);
    bench_end(&b);
}

/* A failed allocation is a status, and the next attempt succeeds. */
static void test_failed_allocation(void **state) {
    bench b = bench_begin(state);
    pnb_tensor x = bench_storage(&b, "x", pnb_shape1(1), PNB_STORAGE_VARIABLE, 0), large, y;
    TEST_OK(b.err, pnb_constant(b.g, pnb_shape2(9, 1 << 20), 2, &large)); /* 36 MiB, and as much again for y */
    TEST_OK(b.err, pnb_mul(b.g, large, x, &y));
    TEST_OK(b.err, pnb_graph_output(b.g, y));
    pnb_program *p = NULL;
    pnb_gpu_test_fail_allocation(b.gpu, 1); /* that of the constants where the arena still fits into an earlier block */
    assert_int_equal(pnb_program_create(b.g, b.gpu, NULL, &p), PNB_ERROR_OUT_OF_MEMORY);
    assert_null(p);
    pnb_gpu_test_fail_allocation(b.gpu, 0);
    p = bench_program(&b, NULL);
    TEST_OK(b.err, pnb_program_run(p));
    pnb_program_destroy(&p);
    bench_end(&b);
}

static void test_nothing_to_do(void **state) {
    bench b = bench_begin(state);
    pnb_tensor x = bench_storage(&b, "x", pnb_shape1(8), PNB_STORAGE_VARIABLE, 0), y;
    TEST_OK(b.err, pnb_affine(b.g, x, 2, 0, &y)); /* nobody wants it */
    pnb_program *p = bench_program(&b, NULL);
    TEST_OK(b.err, pnb_program_run(p));
    float *v = bench_read(&b, p, x);
    assert_true(v[3] == bench_value(3));
    free(v);
    pnb_program_destroy(&p);
    bench_end(&b);
}

/* On a device of its own: afterwards it is lost. */
static void test_lost_device(void **state) {
    (void)state;
    test_device own = {0};
    void *inner = &own;
    own.gpu = test_gpu_create(&own.err);
    assert_non_null(own.gpu);
    bench b = bench_begin(&inner);
    pnb_tensor x = build_chain(&b, 3);
    float v[4] = {0};
    pnb_program *p = bench_program(&b, NULL);
    TEST_OK(b.err, pnb_program_run(p));
    TEST_OK(b.err, pnb_gpu_wait(b.gpu));
    pnb_gpu_test_lose(b.gpu);
    assert_int_equal(pnb_program_run(p), PNB_ERROR_DEVICE_LOST);
    assert_int_equal(pnb_program_read(p, x, v, 64 * 1024), PNB_ERROR_DEVICE_LOST);
    assert_true(strlen(own.err.message) > 0);
    pnb_program_destroy(&p);
    bench_end(&b);
    assert_int_equal(test_gpu_destroy(&own.gpu), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_replay),        cmocka_unit_test(test_prologue_runs_once),
                                       cmocka_unit_test(test_submissions),   cmocka_unit_test(test_profile),
                                       cmocka_unit_test(test_errors),        cmocka_unit_test(test_failed_allocation),
                                       cmocka_unit_test(test_nothing_to_do), cmocka_unit_test(test_lost_device)};
    return cmocka_run_group_tests(tests, test_device_setup, test_device_teardown);
}

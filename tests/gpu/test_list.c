/* Recorded lists: replay, order between lists and submissions, copies, timestamps, errors in words. */
#include "device.h"
#include "gpu/fill.h"

#include <string.h>

enum { N = 1000 };

static pnb_gpu_buffer *buffer(void **state, uint64_t floats, const char *name) {
    pnb_gpu_buffer *b = NULL;
    TEST_OK(test_err(state), pnb_gpu_buffer_create(test_gpu(state), 4 * floats, name, &b));
    return b;
}

static pnb_gpu_kernel *fill_kernel(void **state, bool texel) {
    pnb_gpu_kernel_desc desc = {.shader = texel ? "gpu/fill.texel" : "gpu/fill",
                                .bindings = 2,
                                .texel_mask = texel ? 1 : 0,
                                .push_bytes = sizeof(pnb_push_fill),
                                .spec_count = 1,
                                .spec = {64}};
    pnb_gpu_kernel *k = NULL;
    TEST_OK(test_err(state), pnb_gpu_kernel_get(test_gpu(state), &desc, &k));
    return k;
}

/* y = scale x + shift over N floats, with a barrier behind. */
static void record_fill(void **state, pnb_gpu_list *list, pnb_gpu_buffer *x, pnb_gpu_buffer *y, float scale, float shift, bool texel) {
    pnb_gpu_binding bind[2] = {{x, 0, 4 * N}, {y, 0, 4 * N}};
    pnb_push_fill push = {N, scale, shift};
    uint32_t groups[3] = {(N + 63) / 64, 1, 1};
    TEST_OK(test_err(state), pnb_gpu_list_dispatch(list, fill_kernel(state, texel), bind, &push, groups, "fill test"));
    TEST_OK(test_err(state), pnb_gpu_list_barrier(list));
}

static pnb_gpu_list *begin(void **state, const char *name) {
    pnb_gpu_list *list = NULL;
    TEST_OK(test_err(state), pnb_gpu_list_begin(test_gpu(state), name, &list));
    return list;
}

static void check_all(void **state, pnb_gpu_buffer *b, float expected) {
    float values[N];
    TEST_OK(test_err(state), pnb_gpu_download(test_gpu(state), b, 0, values, sizeof values));
    for (int i = 0; i < N; i++) {
        if (values[i] != expected) fail_msg("element %d is %g, expected %g", i, (double)values[i], (double)expected);
    }
}

/* x -> y -> x, each adding one: replayed without a wait, and a second list that depends on the first. */
static void replay_form(void **state, bool texel) {
    pnb_gpu *gpu = test_gpu(state);
    pnb_gpu_buffer *x = buffer(state, N, "x"), *y = buffer(state, N, "y");
    pnb_gpu_list *lists[2] = {begin(state, "count up"), begin(state, "double")};
    record_fill(state, lists[0], x, y, 1, 1, texel);
    record_fill(state, lists[0], y, x, 1, 1, texel);
    record_fill(state, lists[1], x, y, 2, 0, texel);
    for (int i = 0; i < 2; i++) TEST_OK(test_err(state), pnb_gpu_list_end(lists[i]));
    pnb_gpu_stats before = pnb_gpu_get_stats(gpu);
    for (int i = 0; i < 100; i++) TEST_OK(test_err(state), pnb_gpu_submit(gpu, lists, 2)); /* more than there are fences */
    TEST_OK(test_err(state), pnb_gpu_wait(gpu));
    pnb_gpu_stats after = pnb_gpu_get_stats(gpu);
    assert_int_equal(after.submissions - before.submissions, 100);
    assert_int_equal(after.dispatches_submitted - before.dispatches_submitted, 300);
    assert_int_equal(after.allocations, before.allocations);
    assert_int_equal(after.lists_recorded, before.lists_recorded);
    check_all(state, x, 200);
    check_all(state, y, 400);
    for (int i = 0; i < 2; i++) pnb_gpu_list_destroy(gpu, &lists[i]);
    pnb_gpu_buffer_destroy(gpu, &x);
    pnb_gpu_buffer_destroy(gpu, &y);
}

static void test_replay(void **state) { replay_form(state, false); }
static void test_replay_texel(void **state) { replay_form(state, true); }

/* Texel views of any length give what is in them, also where a view is made longer than its tensor (only without validation). */
static void test_texel_lengths(void **state) {
    pnb_error err = {PNB_OK, ""};
    test_device plain = {.err = err};
    void *device = &plain;
    pnb_gpu_params params = {.cache_dir = ""};
    static float values[1 << 15];
    (void)state;
    TEST_OK(&err, pnb_gpu_create(&params, &err, &plain.gpu));
    for (uint32_t n = 4; n <= 1 << 15; n *= 2) {
        pnb_gpu_buffer *x = buffer(&device, n, "x"), *y = buffer(&device, n, "y");
        pnb_gpu_binding bind[2] = {{x, 0, 4 * n}, {y, 0, 4 * n}};
        pnb_push_fill push = {n, 2, 1};
        uint32_t groups[3] = {(n + 63) / 64, 1, 1};
        for (uint32_t i = 0; i < n; i++) values[i] = (float)i;
        TEST_OK(&err, pnb_gpu_upload(plain.gpu, x, 0, values, 4 * n));
        pnb_gpu_list *list = begin(&device, "lengths");
        TEST_OK(&err, pnb_gpu_list_dispatch(list, fill_kernel(&device, true), bind, &push, groups, "fill test"));
        TEST_OK(&err, pnb_gpu_list_end(list));
        TEST_OK(&err, pnb_gpu_submit(plain.gpu, &list, 1));
        TEST_OK(&err, pnb_gpu_download(plain.gpu, y, 0, values, 4 * n));
        for (uint32_t i = 0; i < n; i++) assert_true(values[i] == 2 * (float)i + 1);
        pnb_gpu_list_destroy(plain.gpu, &list);
        pnb_gpu_buffer_destroy(plain.gpu, &x);
        pnb_gpu_buffer_destroy(plain.gpu, &y);
    }
    pnb_gpu_destroy(&plain.gpu);
}

/* One submission may hold more lists than one batch. */
static void test_many_lists(void **state) {
    pnb_gpu *gpu = test_gpu(state);
    pnb_gpu_buffer *x = buffer(state, N, "x");
    pnb_gpu_list *one = begin(state, "one"), *lists[150];
    record_fill(state, one, x, x, 1, 1, false);
    TEST_OK(test_err(state), pnb_gpu_list_end(one));
    for (int i = 0; i < 150; i++) lists[i] = one;
    TEST_OK(test_err(state), pnb_gpu_submit(gpu, lists, 150));
    check_all(state, x, 150);
    pnb_gpu_list_destroy(gpu, &one);
    pnb_gpu_buffer_destroy(gpu, &x);
}

/* Many dispatches in a list: descriptor pools and texel views grow. */
static void test_long_list(void **state) {
    pnb_gpu *gpu = test_gpu(state);
    pnb_gpu_buffer *x = buffer(state, N, "x"), *y = buffer(state, N, "y");
    pnb_gpu_list *list = begin(state, "long");
    for (int i = 0; i < 200; i++) {
        record_fill(state, list, x, y, 1, 1, i & 1);
        record_fill(state, list, y, x, 1, 0, !(i & 1));
    }
    TEST_OK(test_err(state), pnb_gpu_list_end(list));
    TEST_OK(test_err(state), pnb_gpu_submit(gpu, &list, 1));
    check_all(state, x, 200);
    pnb_gpu_list_destroy(gpu, &list);
    pnb_gpu_buffer_destroy(gpu, &x);
    pnb_gpu_buffer_destroy(gpu, &y);
}

static void test_copy(void **state) {
    pnb_gpu *gpu = test_gpu(state);
    uint32_t align = pnb_gpu_get_caps(gpu)->binding_alignment;
    pnb_gpu_buffer *x = buffer(state, 2 * N, "x"), *y = buffer(state, N, "y"), *z = buffer(state, N, "z");
    float values[N];
    for (int i = 0; i < N; i++) values[i] = 3;
    TEST_OK(test_err(state), pnb_gpu_upload(gpu, x, align, values, sizeof values));
    pnb_gpu_list *list = begin(state, "copies");
    TEST_OK(test_err(state), pnb_gpu_list_copy(list, (pnb_gpu_binding){x, align, 4 * N}, (pnb_gpu_binding){y, 0, 4 * N}));
    record_fill(state, list, y, z, 2, 1, false);
    TEST_OK(test_err(state), pnb_gpu_list_copy(list, (pnb_gpu_binding){z, 0, 4 * N}, (pnb_gpu_binding){x, 0, 4 * N}));
    assert_int_equal(pnb_gpu_list_copy(list, (pnb_gpu_binding){z, 16, 4 * N}, (pnb_gpu_binding){x, 0, 4 * N}), PNB_ERROR_INTERNAL);
    assert_int_equal(pnb_gpu_list_copy(list, (pnb_gpu_binding){z, 0, 64}, (pnb_gpu_binding){z, 32, 64}), PNB_ERROR_INTERNAL);
    TEST_OK(test_err(state), pnb_gpu_list_end(list));
    TEST_OK(test_err(state), pnb_gpu_submit(gpu, &list, 1));
    check_all(state, x, 7);
    pnb_gpu_list_destroy(gpu, &list);
    pnb_gpu_buffer_destroy(gpu, &x);
    pnb_gpu_buffer_destroy(gpu, &y);
    pnb_gpu_buffer_destroy(gpu, &z);
}

/* More timestamps than one query pool holds; they never go back. */
static void test_timestamps(void **state) {
    pnb_gpu *gpu = test_gpu(state);
    enum { STAMPS = 600 };
    pnb_gpu_buffer *x = buffer(state, N, "x");
    pnb_gpu_list *list = begin(state, "timed");
    for (int i = 0; i < STAMPS; i++) {
        TEST_OK(test_err(state), pnb_gpu_list_timestamp(list));
        if (i % 50 == 0) record_fill(state, list, x, x, 1, 1, false);
    }
    TEST_OK(test_err(state), pnb_gpu_list_end(list));
    for (int i = 0; i < 3; i++) TEST_OK(test_err(state), pnb_gpu_submit(gpu, &list, 1));
    TEST_OK(test_err(state), pnb_gpu_wait(gpu));
    double times[STAMPS + 1];
    size_t count = STAMPS + 1;
    TEST_OK(test_err(state), pnb_gpu_list_times(gpu, list, times, &count));
    bool has = pnb_gpu_get_caps(gpu)->timestamp_ns > 0;
    assert_int_equal(count, has ? STAMPS : 0);
    if (has) assert_true(times[0] == 0);
    for (size_t i = 1; i < count; i++) assert_true(times[i] >= times[i - 1]);
    if (has) assert_true(times[STAMPS - 1] > 0 && times[STAMPS - 1] < 60e9);
    count = 2;
    TEST_OK(test_err(state), pnb_gpu_list_times(gpu, list, times, &count));
    assert_int_equal(count, has ? 2 : 0);
    pnb_gpu_list_destroy(gpu, &list);
    pnb_gpu_buffer_destroy(gpu, &x);
}

/* What the device could not take is refused in words before it reaches the driver. */
static void test_refusals(void **state) {
    pnb_gpu *gpu = test_gpu(state);
    pnb_gpu_buffer *x = buffer(state, N, "x");
    pnb_gpu_list *list = begin(state, "bad");
    pnb_push_fill push = {N, 1, 1};
    uint32_t groups[3] = {1, 1, 1}, none[3] = {0, 1, 1};
    pnb_gpu_kernel *k = fill_kernel(state, false);
    pnb_gpu_binding good[2] = {{x, 0, 64}, {x, 0, 64}}, bad[2] = {{x, 0, 64}, {x, 0, 64}};
    assert_int_equal(pnb_gpu_list_dispatch(list, k, good, &push, none, NULL), PNB_ERROR_INTERNAL);
    bad[1].offset = 4;
    assert_int_equal(pnb_gpu_list_dispatch(list, k, bad, &push, groups, NULL), PNB_ERROR_INTERNAL);
    assert_non_null(strstr(test_err(state)->message, "buffer 'x'"));
    bad[1] = (pnb_gpu_binding){x, 0, 4 * N + 400};
    assert_int_equal(pnb_gpu_list_dispatch(list, k, bad, &push, groups, NULL), PNB_ERROR_INTERNAL);
    assert_non_null(strstr(test_err(state)->message, "past the end"));
    bad[1] = (pnb_gpu_binding){NULL, 0, 16};
    assert_int_equal(pnb_gpu_list_dispatch(list, k, bad, &push, groups, NULL), PNB_ERROR_INTERNAL);
    assert_int_equal(pnb_gpu_submit(gpu, &list, 1), PNB_ERROR_INTERNAL); /* not ended */
    TEST_OK(test_err(state), pnb_gpu_list_end(list));
    assert_int_equal(pnb_gpu_list_barrier(list), PNB_ERROR_INTERNAL); /* ended */
    pnb_gpu_list_destroy(gpu, &list);
    assert_null(list);
    pnb_gpu_buffer_destroy(gpu, &x);
}

/* Validation is awake: it sees a missing barrier. In a context of its own, since the count is kept. */
static void test_missing_barrier(void **state) {
    test_device d = {0};
    void *own = &d;
    (void)state;
    if (!pnb_gpu_has_validation()) return;
    d.gpu = test_gpu_create(&d.err);
    assert_non_null(d.gpu);
    pnb_gpu_buffer *x = buffer(&own, N, "x"), *y = buffer(&own, N, "y");
    pnb_gpu_binding there[2] = {{x, 0, 4 * N}, {y, 0, 4 * N}}, back[2] = {{y, 0, 4 * N}, {x, 0, 4 * N}};
    pnb_push_fill push = {N, 1, 1};
    uint32_t groups[3] = {(N + 63) / 64, 1, 1};
    pnb_gpu_list *list = begin(&own, "hazard");
    TEST_OK(&d.err, pnb_gpu_list_dispatch(list, fill_kernel(&own, false), there, &push, groups, NULL));
    assert_int_equal(pnb_gpu_get_stats(d.gpu).validation_messages, 0);
    TEST_OK(&d.err, pnb_gpu_list_dispatch(list, fill_kernel(&own, false), back, &push, groups, NULL));
    assert_true(pnb_gpu_get_stats(d.gpu).validation_messages > 0);
    assert_non_null(strstr(pnb_gpu_validation_text(d.gpu), "SYNC-HAZARD"));
    TEST_OK(&d.err, pnb_gpu_list_end(list));
    pnb_gpu_list_destroy(d.gpu, &list);
    pnb_gpu_buffer_destroy(d.gpu, &x);
    pnb_gpu_buffer_destroy(d.gpu, &y);
    pnb_gpu_destroy(&d.gpu);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_replay),     cmocka_unit_test(test_replay_texel), cmocka_unit_test(test_texel_lengths),cmocka_unit_test(test_many_lists),
        cmocka_unit_test(test_long_list),  cmocka_unit_test(test_copy),         cmocka_unit_test(test_timestamps),
        cmocka_unit_test(test_refusals),   cmocka_unit_test(test_missing_barrier),
    };
    return cmocka_run_group_tests(tests, test_device_setup, test_device_teardown);
}

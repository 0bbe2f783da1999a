/* Device memory: zeroed buffers, reuse of blocks, both ways of copying, limits and failures in words. */
#include "device.h"
#include "gpu/testing.h"

#include <string.h>

static void round_trip(void **state, uint64_t bytes, uint64_t offset, uint64_t part) {
    pnb_gpu *gpu = test_gpu(state);
    pnb_gpu_buffer *b = NULL;
    unsigned char *in = malloc(bytes), *out = malloc(bytes);
    TEST_OK(test_err(state), pnb_gpu_buffer_create(gpu, bytes, "round trip", &b));
    assert_int_equal(pnb_gpu_buffer_bytes(b), (bytes + 15) / 16 * 16);
    TEST_OK(test_err(state), pnb_gpu_download(gpu, b, 0, out, bytes));
    for (uint64_t i = 0; i < bytes; i++) {
        if (out[i]) fail_msg("byte %llu of a new buffer is not zero", (unsigned long long)i);
        in[i] = (unsigned char)(i * 7 + i / 251);
    }
    TEST_OK(test_err(state), pnb_gpu_upload(gpu, b, 0, in, bytes));
    TEST_OK(test_err(state), pnb_gpu_download(gpu, b, offset, out, part));
    assert_memory_equal(out, in + offset, part);
    TEST_OK(test_err(state), pnb_gpu_fill_zero(gpu, b, 16, 32));
    memset(in + 16, 0, 32);
    TEST_OK(test_err(state), pnb_gpu_download(gpu, b, 0, out, bytes));
    assert_memory_equal(out, in, bytes);
    pnb_gpu_buffer_destroy(gpu, &b);
    assert_null(b);
    pnb_gpu_buffer_destroy(gpu, &b);
    free(in);
    free(out);
}

static void test_round_trip(void **state) {
    round_trip(state, 1000, 13, 500);
    round_trip(state, 3 << 20, 1 << 20, 1 << 20);
}

/* As on a discrete device: more than one staging buffer's worth, odd offsets. */
static void test_staging(void **state) {
    pnb_gpu_test_force_staging(test_gpu(state), true);
    round_trip(state, 1000, 12, 500);
    round_trip(state, (17 << 20) + 52, 4, 9 << 20);
    pnb_gpu_test_force_staging(test_gpu(state), false);
}

/* Small buffers share a block; what is given back is used again and is zero again. */
static void test_blocks(void **state) {
    pnb_gpu *gpu = test_gpu(state);
    enum { N = 200 };
    pnb_gpu_buffer *b[N] = {0};
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < N; i++) {
            if (b[i]) continue;
            unsigned char bytes[64] = {0}, ones[64];
            TEST_OK(test_err(state), pnb_gpu_buffer_create(gpu, 64u + 1000u * (uint32_t)((i * 7 + round) % 90), "shared", &b[i]));
            TEST_OK(test_err(state), pnb_gpu_download(gpu, b[i], 0, bytes, 64));
            memset(ones, 255, sizeof ones);
            for (int k = 0; k < 64; k++) assert_int_equal(bytes[k], 0);
            TEST_OK(test_err(state), pnb_gpu_upload(gpu, b[i], 0, ones, 64));
        }
        for (int i = round; i < N; i += 2) pnb_gpu_buffer_destroy(gpu, &b[i]);
    }
    uint64_t held = pnb_gpu_get_stats(gpu).allocated_bytes;
    assert_true(held <= 64u << 20);
    for (int i = 0; i < N; i++) pnb_gpu_buffer_destroy(gpu, &b[i]);
    assert_true(pnb_gpu_get_stats(gpu).allocated_bytes <= held);
    assert_true(pnb_gpu_get_stats(gpu).peak_bytes >= held);
}

/* Buffers keep their values while neighbours come and go: no two overlap. */
static void test_no_overlap(void **state) {
    pnb_gpu *gpu = test_gpu(state);
    enum { N = 64, WORDS = 300 };
    pnb_gpu_buffer *b[N] = {0};
    uint32_t size[N] = {0}, seed = 1;
    for (uint32_t step = 0; step < 1000; step++) {
        uint32_t words[WORDS], i;
        seed = seed * 1664525u + 1013904223u;
        i = seed >> 26;
        if (b[i]) {
            TEST_OK(test_err(state), pnb_gpu_download(gpu, b[i], 0, words, 4 * size[i]));
            for (uint32_t k = 0; k < size[i]; k++) assert_int_equal(words[k], i * 1000 + k);
            pnb_gpu_buffer_destroy(gpu, &b[i]);
            continue;
        }
        size[i] = 1 + (seed >> 8) % WORDS;
        for (uint32_t k = 0; k < size[i]; k++) words[k] = i * 1000 + k;
        TEST_OK(test_err(state), pnb_gpu_buffer_create(gpu, 4 * size[i], "one of many", &b[i]));
        TEST_OK(test_err(state), pnb_gpu_upload(gpu, b[i], 0, words, 4 * size[i]));
    }
    for (int i = 0; i < N; i++) pnb_gpu_buffer_destroy(gpu, &b[i]);
}

static void test_bad_ranges(void **state) {
    pnb_gpu *gpu = test_gpu(state);
    pnb_gpu_buffer *b = NULL, *none = NULL;
    char byte[32] = {0};
    assert_int_equal(pnb_gpu_buffer_create(gpu, 0, "empty", &none), PNB_ERROR_INTERNAL);
    TEST_OK(test_err(state), pnb_gpu_buffer_create(gpu, 32, "small", &b));
    assert_int_equal(pnb_gpu_upload(gpu, b, 8, byte, 32), PNB_ERROR_INTERNAL);
    assert_non_null(strstr(test_err(state)->message, "small"));
    assert_int_equal(pnb_gpu_download(gpu, b, UINT64_MAX, byte, 2), PNB_ERROR_INTERNAL);
    assert_int_equal(pnb_gpu_fill_zero(gpu, b, 0, 64), PNB_ERROR_INTERNAL);
    pnb_gpu_buffer_destroy(gpu, &b);
}

/* The error names the buffer and the sizes, and the device goes on. */
static void test_out_of_memory(void **state) {
    pnb_gpu *gpu = test_gpu(state);
    pnb_gpu_buffer *b = NULL;
    pnb_gpu_test_fail_allocation(gpu, 1);
    assert_int_equal(pnb_gpu_buffer_create(gpu, 100 << 20, "activations", &b), PNB_ERROR_OUT_OF_MEMORY);
    assert_null(b);
    assert_non_null(strstr(test_err(state)->message, "'activations'"));
    assert_non_null(strstr(test_err(state)->message, "100.0 MiB"));
    assert_int_equal(pnb_gpu_buffer_create(gpu, UINT64_MAX - 5, "too much", &b), PNB_ERROR_OUT_OF_MEMORY);
    pnb_gpu_test_fail_allocation(gpu, 0);
    round_trip(state, 1000, 0, 1000);
}

static void test_limit(void **state) {
    pnb_error err = {PNB_OK, ""};
    pnb_gpu *gpu = NULL;
    pnb_gpu_buffer *a = NULL, *b = NULL;
    pnb_gpu_params params = {.cache_dir = "", .memory_limit = 10 << 20};
    (void)state;
    TEST_OK(&err, pnb_gpu_create(&params, &err, &gpu));
    TEST_OK(&err, pnb_gpu_buffer_create(gpu, 6 << 20, "first", &a));
    assert_int_equal(pnb_gpu_buffer_create(gpu, 6 << 20, "second", &b), PNB_ERROR_OUT_OF_MEMORY);
    assert_non_null(strstr(err.message, "'second'"));
    assert_non_null(strstr(err.message, "limit of 10.0 MiB"));
    TEST_OK(&err, pnb_gpu_buffer_create(gpu, 3 << 20, "third", &b));
    assert_true(pnb_gpu_get_stats(gpu).peak_bytes <= 10 << 20);
    pnb_gpu_buffer_destroy(gpu, &a);
    pnb_gpu_buffer_destroy(gpu, &b);
    pnb_gpu_destroy(&gpu);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip), cmocka_unit_test(test_staging),    cmocka_unit_test(test_blocks),
        cmocka_unit_test(test_no_overlap), cmocka_unit_test(test_bad_ranges), cmocka_unit_test(test_out_of_memory),
        cmocka_unit_test(test_limit),
    };
    return cmocka_run_group_tests(tests, test_device_setup, test_device_teardown);
}

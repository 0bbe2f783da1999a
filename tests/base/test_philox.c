/* Philox: known answers, the distribution, and the shader against the host on the device. */
#include "base/philox.h"

#include "device.h"
#include "gpu/philox.h"

#include <math.h>
#include <string.h>

/* From the authors' Random123, kat_vectors, philox4x32 10 */
static void test_known_answers(void **state) {
    (void)state;
    static const uint32_t kat[3][10] = {
        {0, 0, 0, 0, 0, 0, 0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8},
        {0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff, 0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd},
        {0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344, 0xa4093822, 0x299f31d0, 0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1},
    };
    for (int i = 0; i < 3; i++) {
        uint32_t out[4];
        pnb_philox(kat[i], kat[i] + 4, out);
        assert_memory_equal(out, kat[i] + 6, sizeof out);
    }
}

static void test_uniform(void **state) {
    (void)state;
    assert_true(pnb_uniform(0) == 0.0f);
    assert_true(pnb_uniform(0xffffffff) < 1.0f);
    assert_true(pnb_uniform(0x80000000) == 0.5f);
}

/* Against libm in double; the extremes of both words among them. */
static void test_box_muller(void **state) {
    (void)state;
    static const uint32_t edge[] = {0, 255, 256, 0x3fffffff, 0x40000000, 0x20000000, 0x1fffff00, 0x7fffffff, 0x80000000,
                                    0xa0000000, 0xc0000000, 0xdfffffff, 0xe0000000, 0xfffffeff, 0xffffffff};
    enum { EDGES = sizeof edge / sizeof *edge };
    double worst = 0;
    for (uint32_t i = 0; i < 100000; i++) {
        uint32_t counter[4] = {i, 0, 0, 0}, key[2] = {5, 6}, w[4];
        float got[4];
        pnb_philox(counter, key, w);
        if (i < EDGES * EDGES) w[0] = edge[i / EDGES], w[1] = edge[i % EDGES];
        pnb_normal4(w, got);
        for (int j = 0; j < 2; j++) {
            double r = sqrt(-2 * log(((w[2 * j] >> 8) + 1) * 0x1p-24)), angle = 2 * 3.14159265358979323846 * (w[2 * j + 1] >> 8) * 0x1p-24;
            double e = fmax(fabs(got[2 * j] - r * cos(angle)), fabs(got[2 * j + 1] - r * sin(angle)));
            if (e > worst) worst = e;
        }
    }
    if (!(worst < 1.5e-6)) fail_msg("the worst error of Box-Muller is %g", worst);
}

static void test_moments(void **state) {
    (void)state;
    enum { N = 200000 };
    float *x = malloc(N * sizeof *x);
    double m[5] = {0};
    pnb_fill_normal(7, 1, 2, 0, x, N);
    for (int i = 0; i < N; i++) {
        for (int k = 1; k < 5; k++) m[k] += pow((double)x[i], k) / N;
    }
    assert_true(fabs(m[1]) < 0.01 && fabs(m[2] - 1) < 0.015 && fabs(m[3]) < 0.04 && fabs(m[4] - 3) < 0.12);
    free(x);
}

/* A draw does not depend on how it is cut up. */
static void test_split(void **state) {
    (void)state;
    float whole[101], parts[101];
    pnb_fill_normal(1, 2, 3, 0, whole, 101);
    pnb_fill_normal(1, 2, 3, 0, parts, 7);
    pnb_fill_normal(1, 2, 3, 7, parts + 7, 94);
    assert_memory_equal(whole, parts, sizeof whole);
    pnb_fill_uniform(1, 2, 3, 0, whole, 101);
    pnb_fill_uniform(1, 2, 3, 0, parts, 50);
    pnb_fill_uniform(1, 2, 3, 50, parts + 50, 51);
    assert_memory_equal(whole, parts, sizeof whole);
    pnb_fill_uniform(1, 2, 4, 0, parts, 101);
    assert_memory_not_equal(whole, parts, sizeof whole);
}

static void test_shader(void **state) {
    enum { BLOCKS = 20000 };
    test_device d = {0};
    (void)state;
    d.gpu = test_gpu_create(&d.err);
    assert_non_null(d.gpu);
    pnb_gpu_buffer *b[3] = {0};
    pnb_gpu_binding bind[3];
    for (int i = 0; i < 3; i++) {
        TEST_OK(&d.err, pnb_gpu_buffer_create(d.gpu, 16 * BLOCKS, "philox", &b[i]));
        bind[i] = (pnb_gpu_binding){b[i], 0, 16 * BLOCKS};
    }
    pnb_gpu_kernel_desc desc = {
        .shader = "gpu/philox", .bindings = 3, .push_bytes = sizeof(pnb_push_philox), .spec_count = 1, .spec = {64}};
    pnb_gpu_kernel *kernel;
    pnb_gpu_list *list;
    pnb_push_philox push = {BLOCKS, 0x89abcdef, 0x01234567, 42, 17};
    uint32_t groups[3] = {(BLOCKS + 63) / 64, 1, 1};
    TEST_OK(&d.err, pnb_gpu_kernel_get(d.gpu, &desc, &kernel));
    TEST_OK(&d.err, pnb_gpu_list_begin(d.gpu, "philox", &list));
    TEST_OK(&d.err, pnb_gpu_list_dispatch(list, kernel, bind, &push, groups, NULL));
    TEST_OK(&d.err, pnb_gpu_list_end(list));
    TEST_OK(&d.err, pnb_gpu_submit(d.gpu, &list, 1));
    uint32_t *words = malloc(16 * BLOCKS);
    float *values = malloc(16 * BLOCKS), *expected = malloc(16 * BLOCKS);
    TEST_OK(&d.err, pnb_gpu_download(d.gpu, b[0], 0, words, 16 * BLOCKS));
    for (uint32_t i = 0; i < BLOCKS; i++) {
        uint32_t counter[4] = {i, 17, 42, 0}, key[2] = {0x89abcdef, 0x01234567}, w[4];
        pnb_philox(counter, key, w);
        assert_memory_equal(words + 4 * i, w, sizeof w);
    }
    TEST_OK(&d.err, pnb_gpu_download(d.gpu, b[1], 0, values, 16 * BLOCKS));
    pnb_fill_uniform(0x0123456789abcdefull, 42, 17, 0, expected, 4 * BLOCKS);
    assert_memory_equal(values, expected, 16 * BLOCKS);
    TEST_OK(&d.err, pnb_gpu_download(d.gpu, b[2], 0, values, 16 * BLOCKS));
    pnb_fill_normal(0x0123456789abcdefull, 42, 17, 0, expected, 4 * BLOCKS);
    float worst = 0;
    for (int i = 0; i < 4 * BLOCKS; i++) worst = fmaxf(worst, fabsf(values[i] - expected[i]));
    if (!(worst <= 1e-6f)) fail_msg("normal numbers of device and host differ by %g", (double)worst);
    free(words);
    free(values);
    free(expected);
    pnb_gpu_list_destroy(d.gpu, &list);
    for (int i = 0; i < 3; i++) pnb_gpu_buffer_destroy(d.gpu, &b[i]);
    assert_int_equal(test_gpu_destroy(&d.gpu), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_known_answers), cmocka_unit_test(test_uniform), cmocka_unit_test(test_box_muller),
        cmocka_unit_test(test_moments),       cmocka_unit_test(test_split),   cmocka_unit_test(test_shader),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

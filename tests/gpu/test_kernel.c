/* Kernels: the same description gives the same pipeline; the table grows; what cannot be is refused in words. */
#include "device.h"
#include "gpu/fill.h"
#include "gpu/shaders.h"

#include <string.h>

static pnb_gpu_kernel_desc fill_desc(void) {
    return (pnb_gpu_kernel_desc){
        .shader = "gpu/fill", .bindings = 2, .push_bytes = sizeof(pnb_push_fill), .spec_count = 1, .spec = {64}};
}

static void test_same(void **state) {
    pnb_gpu *gpu = test_gpu(state);
    char name[] = "gpu/fill"; /* another pointer, the same name */
    pnb_gpu_kernel_desc desc = fill_desc();
    pnb_gpu_kernel *a = NULL, *b = NULL, *c = NULL, *d = NULL;
    TEST_OK(test_err(state), pnb_gpu_kernel_get(gpu, &desc, &a));
    desc.shader = name;
    desc.spec[5] = 7; /* past spec_count: not part of the description */
    TEST_OK(test_err(state), pnb_gpu_kernel_get(gpu, &desc, &b));
    assert_ptr_equal(a, b);
    desc.spec[0] = 32;
    TEST_OK(test_err(state), pnb_gpu_kernel_get(gpu, &desc, &c));
    assert_ptr_not_equal(a, c);
    desc.shader = "gpu/fill.texel";
    desc.texel_mask = 1;
    TEST_OK(test_err(state), pnb_gpu_kernel_get(gpu, &desc, &d));
    assert_ptr_not_equal(c, d);
}

static void test_many(void **state) {
    pnb_gpu *gpu = test_gpu(state);
    enum { N = 100 };
    pnb_gpu_kernel *k[N];
    pnb_gpu_kernel_desc desc = fill_desc();
    for (uint32_t i = 0; i < N; i++) {
        desc.spec[0] = 1 + i;
        TEST_OK(test_err(state), pnb_gpu_kernel_get(gpu, &desc, &k[i]));
    }
    uint64_t made = pnb_gpu_get_stats(gpu).kernels_created;
    for (uint32_t i = 0; i < N; i++) {
        pnb_gpu_kernel *again;
        desc.spec[0] = 1 + i;
        TEST_OK(test_err(state), pnb_gpu_kernel_get(gpu, &desc, &again));
        assert_ptr_equal(again, k[i]);
    }
    assert_int_equal(pnb_gpu_get_stats(gpu).kernels_created, made);
}

static void test_refusals(void **state) {
    pnb_gpu *gpu = test_gpu(state);
    pnb_gpu_kernel *k = NULL;
    pnb_gpu_kernel_desc desc = fill_desc();
    desc.shader = "gpu/nothing";
    assert_int_equal(pnb_gpu_kernel_get(gpu, &desc, &k), PNB_ERROR_INTERNAL);
    assert_non_null(strstr(test_err(state)->message, "gpu/nothing"));
    desc = fill_desc();
    desc.spec[0] = 1 << 20;
    assert_int_equal(pnb_gpu_kernel_get(gpu, &desc, &k), PNB_ERROR_INTERNAL);
    desc = fill_desc();
    desc.push_bytes = 132;
    assert_int_equal(pnb_gpu_kernel_get(gpu, &desc, &k), PNB_ERROR_INTERNAL);
    desc = fill_desc();
    desc.bindings = 13;
    assert_int_equal(pnb_gpu_kernel_get(gpu, &desc, &k), PNB_ERROR_INTERNAL);
    assert_null(k);
}

static void test_embedded(void **state) {
    (void)state;
    assert_true(pnb_shader_count > 0);
    for (size_t i = 0; i < pnb_shader_count; i++) {
        assert_int_equal(pnb_shaders[i].code[0], 0x07230203); /* SPIR-V's magic */
        for (size_t j = 0; j < i; j++) assert_string_not_equal(pnb_shaders[i].name, pnb_shaders[j].name);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_same),
        cmocka_unit_test(test_many),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_embedded),
    };
    return cmocka_run_group_tests(tests, test_device_setup, test_device_teardown);
}

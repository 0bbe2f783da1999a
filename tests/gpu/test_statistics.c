/* What the compiler says of a kernel: on the device at hand, which may not tell; tools/radv is where it must. */
#include "device.h"
#include "gpu/fill.h"
#include "gpu/statistics.h"

#include <string.h>

static pnb_gpu_kernel_desc fill(uint32_t local) {
    return (pnb_gpu_kernel_desc){
        .shader = "gpu/fill", .bindings = 2, .push_bytes = sizeof(pnb_push_fill), .spec_count = 1, .spec = {local}};
}

static void test_not_asked(void **state) {
    pnb_gpu_kernel_desc desc = fill(64);
    pnb_gpu_kernel *kernel;
    pnb_gpu_kernel_statistics s;
    TEST_OK(test_err(state), pnb_gpu_kernel_get(test_gpu(state), &desc, &kernel));
    assert_int_equal(pnb_gpu_kernel_get_statistics(test_gpu(state), 0, &s), PNB_ERROR_USAGE);
    assert_non_null(strstr(test_err(state)->message, "not asked for"));
}

/* Two kernels in their order; a device without the extension says which it is. */
static void test_asked(void **state) {
    pnb_gpu_params params = {.validate = pnb_gpu_has_validation(), .cache_dir = "", .statistics = true};
    pnb_error err = {0};
    pnb_gpu *gpu;
    (void)state;
    if (pnb_gpu_create(&params, &err, &gpu) != PNB_OK) {
        assert_int_equal(err.status, PNB_ERROR_NO_DEVICE);
        assert_non_null(strstr(err.message, "VK_KHR_pipeline_executable_properties"));
        return;
    }
    pnb_gpu_kernel *kernel;
    pnb_gpu_kernel_statistics s;
    for (uint32_t i = 0; i < 2; i++) {
        pnb_gpu_kernel_desc desc = fill(32 << i);
        TEST_OK(&err, pnb_gpu_kernel_get(gpu, &desc, &kernel));
    }
    for (uint32_t i = 0; i < 2; i++) {
        TEST_OK(&err, pnb_gpu_kernel_get_statistics(gpu, i, &s));
        assert_string_equal(s.desc.shader, "gpu/fill");
        assert_int_equal(s.desc.spec[0], 32 << i);
        assert_true(s.subgroup_size > 0);
        for (uint32_t k = 0; k < s.count; k++) assert_true(*s.item[k].name);
    }
    assert_int_equal(pnb_gpu_kernel_get_statistics(gpu, 2, &s), PNB_ERROR_USAGE);
    assert_int_equal(test_gpu_destroy(&gpu), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_not_asked), cmocka_unit_test(test_asked)};
    return cmocka_run_group_tests(tests, test_device_setup, test_device_teardown);
}

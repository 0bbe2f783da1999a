/* Devices: what they say of themselves, the choice, two contexts in two threads, a lost device. */
#include "device.h"
#include "gpu/fill.h"
#include "gpu/testing.h"

#include <pthread.h>
#include <string.h>

static bool power_of_two(uint64_t x) { return x && (x & (x - 1)) == 0; }

static void test_enumerate(void **state) {
    pnb_error err = {PNB_OK, ""};
    pnb_gpu_caps *caps = NULL;
    size_t n = 0;
    (void)state;
    TEST_OK(&err, pnb_gpu_enumerate(&err, &caps, &n));
    assert_true(n > 0);
    for (size_t i = 0; i < n; i++) {
        assert_true(*caps[i].name);
        assert_true(caps[i].usable ? !*caps[i].why_not : *caps[i].why_not);
        assert_true(power_of_two(caps[i].binding_alignment));
        assert_in_range(caps[i].binding_alignment, 16, 256);
        assert_true(caps[i].max_binding_bytes <= 1ull << 31);
        if (!caps[i].usable) continue;
        assert_true(*caps[i].driver);
        assert_true(caps[i].max_local_size >= 128 && caps[i].shared_bytes >= 16384 && caps[i].memory_bytes > 0);
        assert_true(caps[i].max_groups[0] >= 65535 && caps[i].max_groups[2] >= 65535);
        assert_true(caps[i].max_texel_elements >= 65536 && caps[i].subgroup_size >= 1);
    }
    free(caps);
}

static pnb_status open_named(const char *name, pnb_error *err, pnb_gpu **gpu) {
    pnb_gpu_params params = {.device = name, .cache_dir = ""};
    return pnb_gpu_create(&params, err, gpu);
}

static void test_choice(void **state) {
    pnb_error err = {PNB_OK, ""};
    pnb_gpu *gpu = NULL;
    char part[5] = {0};
    (void)state;
    TEST_OK(&err, open_named("0", &err, &gpu));
    assert_non_null(strstr(pnb_gpu_choice(gpu), "device 0"));
    memcpy(part, pnb_gpu_get_caps(gpu)->name, 4);
    for (int i = 0; i < 4; i++) part[i] = part[i] >= 'a' && part[i] <= 'z' ? (char)(part[i] - 32) : part[i];
    pnb_gpu_destroy(&gpu);
    TEST_OK(&err, open_named(part, &err, &gpu)); /* any case */
    assert_non_null(strstr(pnb_gpu_choice(gpu), part));
    pnb_gpu_destroy(&gpu);
    assert_null(gpu);
    pnb_gpu_destroy(&gpu);
    assert_int_equal(open_named("no such device", &err, &gpu), PNB_ERROR_NO_DEVICE);
    assert_non_null(strstr(err.message, "'no such device'"));
    assert_non_null(strstr(err.message, "0: "));
    assert_null(gpu);
    assert_int_equal(open_named("99", &err, &gpu), PNB_ERROR_NO_DEVICE);
    assert_int_equal(open_named("99999999999999999999", &err, &gpu), PNB_ERROR_NO_DEVICE);
    setenv("PENUMBRA_DEVICE", "nothing of the kind", 1);
    assert_int_equal(open_named(NULL, &err, &gpu), PNB_ERROR_NO_DEVICE);
    assert_non_null(strstr(err.message, "PENUMBRA_DEVICE"));
    TEST_OK(&err, open_named("0", &err, &gpu)); /* the argument wins */
    unsetenv("PENUMBRA_DEVICE");
    pnb_gpu_destroy(&gpu);
}

/* A caller that gives no pnb_error still gets the status. */
static void test_no_error(void **state) {
    pnb_gpu *gpu = NULL;
    (void)state;
    assert_int_equal(open_named("no such device", NULL, &gpu), PNB_ERROR_NO_DEVICE);
    assert_int_equal(open_named(NULL, NULL, &gpu), PNB_OK);
    assert_non_null(pnb_gpu_get_error(gpu));
    pnb_gpu_destroy(&gpu);
}

/* Adds one to a buffer a hundred times in a context of its own; NULL on success. */
static void *work(void *argument) {
    float base = *(const float *)argument, got[64] = {0};
    pnb_error err = {PNB_OK, ""};
    pnb_gpu *gpu = test_gpu_create(&err);
    pnb_gpu_buffer *x = NULL;
    pnb_gpu_kernel *kernel = NULL;
    pnb_gpu_list *list = NULL;
    pnb_gpu_kernel_desc desc = {
        .shader = "gpu/fill", .bindings = 2, .push_bytes = sizeof(pnb_push_fill), .spec_count = 1, .spec = {64}};
    pnb_push_fill push = {64, 1, base};
    uint32_t one[3] = {1, 1, 1};
    bool good = gpu && pnb_gpu_buffer_create(gpu, 256, "x", &x) == PNB_OK && pnb_gpu_kernel_get(gpu, &desc, &kernel) == PNB_OK &&
                pnb_gpu_list_begin(gpu, "work", &list) == PNB_OK;
    pnb_gpu_binding bind[2] = {{x, 0, 256}, {x, 0, 256}};
    good = good && pnb_gpu_list_dispatch(list, kernel, bind, &push, one, NULL) == PNB_OK && pnb_gpu_list_end(list) == PNB_OK;
    for (int i = 0; good && i < 100; i++) good = pnb_gpu_submit(gpu, &list, 1) == PNB_OK;
    good = good && pnb_gpu_download(gpu, x, 0, got, 256) == PNB_OK && got[63] == 100 * base;
    if (gpu) {
        pnb_gpu_list_destroy(gpu, &list);
        pnb_gpu_buffer_destroy(gpu, &x);
        good = test_gpu_destroy(&gpu) == 0 && good;
    }
    return good ? NULL : argument;
}

static void test_two_threads(void **state) {
    float base[2] = {1, 2};
    pthread_t thread[2];
    (void)state;
    for (int i = 0; i < 2; i++) assert_int_equal(pthread_create(&thread[i], NULL, work, &base[i]), 0);
    for (int i = 0; i < 2; i++) {
        void *failed = NULL;
        pthread_join(thread[i], &failed);
        assert_null(failed);
    }
}

/* After a lost device every call says so, with the first sentence, and the end is clean. */
static void test_lost(void **state) {
    pnb_error err = {PNB_OK, ""};
    pnb_gpu *gpu = test_gpu_create(&err);
    pnb_gpu_buffer *b = NULL, *other = NULL;
    pnb_gpu_list *list = NULL;
    char first[PNB_ERROR_MESSAGE_SIZE], bytes[16];
    (void)state;
    assert_non_null(gpu);
    TEST_OK(&err, pnb_gpu_buffer_create(gpu, 16, "b", &b));
    pnb_gpu_test_lose(gpu);
    assert_int_equal(pnb_gpu_wait(gpu), PNB_ERROR_DEVICE_LOST);
    memcpy(first, err.message, sizeof first);
    assert_int_equal(pnb_gpu_buffer_create(gpu, 16, "c", &other), PNB_ERROR_DEVICE_LOST);
    assert_int_equal(pnb_gpu_download(gpu, b, 0, bytes, 16), PNB_ERROR_DEVICE_LOST);
    assert_int_equal(pnb_gpu_list_begin(gpu, "l", &list), PNB_ERROR_DEVICE_LOST);
    assert_int_equal(pnb_gpu_submit(gpu, NULL, 0), PNB_ERROR_DEVICE_LOST);
    assert_string_equal(err.message, first);
    pnb_gpu_buffer_destroy(gpu, &b);
    assert_int_equal(test_gpu_destroy(&gpu), 0);
}

/* No driver at all: a status and a sentence that says what to do. Last, since the environment stays changed. */
static void test_no_driver(void **state) {
    pnb_error err = {PNB_OK, ""};
    pnb_gpu *gpu = NULL;
    pnb_gpu_caps *caps = NULL;
    size_t n = 1;
    (void)state;
    setenv("VK_ICD_FILENAMES", "/dev/null", 1);
    setenv("VK_DRIVER_FILES", "/dev/null", 1);
    assert_int_equal(pnb_gpu_enumerate(&err, &caps, &n), PNB_ERROR_NO_DEVICE);
    assert_null(caps);
    assert_int_equal(n, 0);
    assert_int_equal(open_named(NULL, &err, &gpu), PNB_ERROR_NO_DEVICE);
    assert_non_null(strstr(err.message, "install"));
    assert_null(gpu);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_enumerate),   cmocka_unit_test(test_choice), cmocka_unit_test(test_no_error),
        cmocka_unit_test(test_two_threads), cmocka_unit_test(test_lost),   cmocka_unit_test(test_no_driver),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* The pipeline cache on disk: written at the end, read at the start, and never the reason for a failure. */
#include "base/file.h"
#include "device.h"
#include "folder.h"
#include "gpu/fill.h"

#include <dirent.h>
#include <string.h>

static void count_warnings(void *user, int level, const char *line) {
    (void)line;
    if (level <= 1) ++*(int *)user;
}

/* One context that makes a kernel; gives the number of warnings. */
static int run(const char *dir) {
    int warnings = 0;
    pnb_error err = {PNB_OK, ""};
    pnb_gpu *gpu = NULL;
    pnb_gpu_kernel *k = NULL;
    pnb_gpu_params params = {.validate = pnb_gpu_has_validation(), .cache_dir = dir, .log = count_warnings, .log_user = &warnings};
    pnb_gpu_kernel_desc desc = {
        .shader = "gpu/fill", .bindings = 2, .push_bytes = sizeof(pnb_push_fill), .spec_count = 1, .spec = {64}};
    TEST_OK(&err, pnb_gpu_create(&params, &err, &gpu));
    TEST_OK(&err, pnb_gpu_kernel_get(gpu, &desc, &k));
    assert_int_equal(test_gpu_destroy(&gpu), 0);
    return warnings;
}

/* The one file of the cache folder; the caller frees it. */
static char *cache_file(const char *dir) {
    char *found = NULL;
    DIR *d = opendir(dir);
    assert_non_null(d);
    for (struct dirent *e; (e = readdir(d));) {
        if (e->d_name[0] == '.') continue;
        assert_null(found);
        found = pnb_path_join(dir, e->d_name);
    }
    closedir(d);
    assert_non_null(found);
    return found;
}

static void test_cache(void **state) {
    pnb_error err = {PNB_OK, ""};
    char *dir = pnb_path_join(folder, "deep/cache");
    void *first, *second;
    size_t bytes, again;
    (void)state;
    assert_int_equal(run(dir), 0);
    char *path = cache_file(dir);
    TEST_OK(&err, pnb_file_read(&err, path, 1 << 24, &first, &bytes));
    assert_memory_equal(first, "pnbcache", 8);
    assert_int_equal(run(dir), 0); /* reads it */
    /* damaged in each of the ways a file can be: one warning each, and it is replaced */
    for (int kind = 0; kind < 4; kind++) {
        unsigned char *bad = malloc(bytes + 1);
        size_t size = kind == 0 ? 0 : kind == 1 ? bytes - 1 : bytes;
        memcpy(bad, first, bytes);
        if (kind == 2) bad[0] ^= 1;
        if (kind == 3) bad[bytes - 1] ^= 1;
        TEST_OK(&err, pnb_file_write(&err, path, bad, size));
        free(bad);
        assert_int_equal(run(dir), 1);
        TEST_OK(&err, pnb_file_read(&err, path, 1 << 24, &second, &again));
        assert_int_equal(again, bytes);
        free(second);
    }
    free(first);
    free(path);
    free(dir);
}

static void test_unwritable(void **state) {
    (void)state;
    assert_int_equal(run("/dev/null/cache"), 1);
    assert_int_equal(run(""), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_cache), cmocka_unit_test(test_unwritable)};
    return cmocka_run_group_tests(tests, folder_setup, folder_teardown);
}

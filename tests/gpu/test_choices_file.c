/* The tuner's table on disk: what is written is read, and everything else is ignored. */
#include "base/file.h"
#include "device.h"
#include "folder.h"
#include "gpu/choices.h"

#include <string.h>

static int setup(void **state) {
    return folder_make() ? -1 : test_device_setup(state);
}

static int teardown(void **state) {
    return folder_remove() ? -1 : test_device_teardown(state);
}

static pnb_choices *table(pnb_error *err) {
    pnb_choices *c = NULL;
    TEST_OK(err, pnb_choices_create(err, &c));
    return c;
}

static void test_round_trip(void **state) {
    pnb_error *err = test_err(state);
    const pnb_gpu_caps *caps = pnb_gpu_get_caps(test_gpu(state));
    pnb_choices *a = table(err), *b = table(err);
    char *path = pnb_path_join(folder, "deep/choices.json");
    assert_true(pnb_choices_hash(a) == 0);
    TEST_OK(err, pnb_choices_set(a, "conv2d 3x3 n16 c32 o32 32x32", "winograd 4"));
    TEST_OK(err, pnb_choices_set(a, "matmul \"odd\" 7", "tile\n2"));
    TEST_OK(err, pnb_choices_save(a, caps, path, err));
    TEST_OK(err, pnb_choices_load(b, caps, path, err));
    assert_int_equal(pnb_choices_count(b), 2);
    assert_string_equal(pnb_choices_find(b, "matmul \"odd\" 7"), "tile\n2");
    assert_true(pnb_choices_hash(a) != 0 && pnb_choices_hash(a) == pnb_choices_hash(b));
    TEST_OK(err, pnb_choices_set(b, "conv2d 3x3 n16 c32 o32 32x32", "direct"));
    assert_true(pnb_choices_hash(a) != pnb_choices_hash(b));
    free(path);
    pnb_choices_destroy(&a);
    pnb_choices_destroy(&b);
}

/* The file of `text` is refused with `sentence`, and the table stays empty. %s in text: this device's identity. */
static void refuse(void **state, const char *identity, const char *text, const char *sentence) {
    pnb_error *err = test_err(state);
    pnb_choices *c = table(err);
    char *path = pnb_path_join(folder, "broken.json"), whole[1024];
    const char *at = strstr(text, "%s");
    int begin = at ? (int)(at - text) : (int)strlen(text);
    snprintf(whole, sizeof whole, "%.*s%s%s", begin, text, at ? identity : "", at ? at + 2 : "");
    TEST_OK(err, pnb_file_write(err, path, whole, strlen(whole)));
    assert_int_equal(pnb_choices_load(c, pnb_gpu_get_caps(test_gpu(state)), path, err), PNB_ERROR_INPUT);
    if (!strstr(err->message, sentence)) fail_msg("'%s' does not say '%s'", err->message, sentence);
    assert_int_equal(pnb_choices_count(c), 0);
    pnb_choices_destroy(&c);
    free(path);
}

/* The identity that save writes for this device. */
static void read_identity(void **state, char *identity, size_t bytes) {
    pnb_error *err = test_err(state);
    pnb_choices *c = table(err);
    char *path = pnb_path_join(folder, "identity.json");
    void *text;
    size_t n;
    TEST_OK(err, pnb_choices_save(c, pnb_gpu_get_caps(test_gpu(state)), path, err));
    TEST_OK(err, pnb_file_read(err, path, 1 << 16, &text, &n));
    const char *key = "\"identity\": \"", *at = strstr(text, key);
    assert_non_null(at);
    at += strlen(key);
    assert_true(strcspn(at, "\"") < bytes);
    snprintf(identity, bytes, "%.*s", (int)strcspn(at, "\""), at);
    free(text);
    free(path);
    pnb_choices_destroy(&c);
}

#define HEAD "{\"format\": \"penumbra choices 1\", \"device\": \"d\", \"identity\": \"%s\", "

static void test_broken(void **state) {
    char id[256];
    read_identity(state, id, sizeof id);
    assert_non_null(strstr(id, PNB_VERSION));
    refuse(state, id, "", "broken.json");
    refuse(state, id, "{\"format\": ", "broken.json");
    refuse(state, id, "[]", "expected");
    refuse(state, id, "{\"format\": \"penumbra choices 2\"}", "format: expected \"penumbra choices 1\"");
    refuse(state, id, "{\"format\": \"penumbra choices 1\", \"identity\": \"other\", \"choices\": {}}",
           "identity: expected this device");
    refuse(state, id, HEAD "\"extra\": 1, \"choices\": {}}", "extra");
    refuse(state, id, HEAD "\"choices\": []}", "choices: expected an object");
    refuse(state, id, "{\"format\": \"penumbra choices 1\", \"identity\": \"%s\"}", "choices: expected an object");
    refuse(state, id, HEAD "\"choices\": {\"a\": \"x\", \"b\": 3}}", "choices.b: expected the name of a candidate");
    refuse(state, id, HEAD "\"choices\": {\"a\": \"\"}}", "choices.a: expected the name of a candidate");
    refuse(state, id, HEAD "\"choices\": {\"a\": \"x\", \"a\": \"y\"}}", "choices.a: expected each key once");
}

static void keep_line(void *user, int level, const char *line) {
    if (level <= 1) snprintf(user, 512, "%s", line);
}

/* A context on the folder; its first warning into said. */
static pnb_gpu *open_gpu(pnb_error *err, bool no_tuning, char said[512]) {
    pnb_gpu *gpu = NULL;
    pnb_gpu_params params = {.cache_dir = folder, .no_tuning = no_tuning, .log = keep_line, .log_user = said};
    said[0] = 0;
    TEST_OK(err, pnb_gpu_create(&params, err, &gpu));
    return gpu;
}

/* A device finds what was saved for it, unless asked not to, and goes on without a file that is broken. */
static void test_device_finds_it(void **state) {
    (void)state;
    pnb_error err = {0};
    char said[512];
    pnb_gpu *gpu = open_gpu(&err, false, said);
    assert_int_equal(pnb_choices_count(pnb_gpu_choices(gpu)), 0);
    TEST_OK(&err, pnb_choices_set(pnb_gpu_choices(gpu), "a", "x"));
    TEST_OK(&err, pnb_gpu_save_choices(gpu));
    char *path = strdup(pnb_gpu_choices_path(gpu));
    pnb_gpu_destroy(&gpu);
    gpu = open_gpu(&err, false, said);
    assert_string_equal(pnb_choices_find(pnb_gpu_choices(gpu), "a"), "x");
    pnb_gpu_destroy(&gpu);
    gpu = open_gpu(&err, true, said);
    assert_int_equal(pnb_choices_count(pnb_gpu_choices(gpu)), 0);
    pnb_gpu_destroy(&gpu);
    TEST_OK(&err, pnb_file_write(&err, path, "{\"format\"", 9));
    gpu = open_gpu(&err, false, said);
    assert_int_equal(pnb_choices_count(pnb_gpu_choices(gpu)), 0);
    assert_non_null(strstr(said, "tuning table ignored: "));
    pnb_gpu_destroy(&gpu);
    free(path);
}

static void test_nowhere(void **state) {
    assert_string_equal(pnb_gpu_choices_path(test_gpu(state)), "");
    assert_int_equal(pnb_gpu_save_choices(test_gpu(state)), PNB_ERROR_USAGE);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_round_trip), cmocka_unit_test(test_broken),
                                       cmocka_unit_test(test_device_finds_it), cmocka_unit_test(test_nowhere)};
    return cmocka_run_group_tests(tests, setup, teardown);
}

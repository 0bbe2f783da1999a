/* PyTorch's files against the shared checkpoints: the honest ones with their sums, the hostile ones with a sentence,
 * and memory in proportion. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "io/files.h"
#include "io/checkpoints.h"

static const char *dtype_word(pnb_dtype t) { /* as PyTorch says it */
    static const char *const words[] = {"float64", "float32", "float16", "bfloat16", "int64",
                                        "int32",   "int16",   "int8",    "uint8",    "bool"};
    return words[t];
}

static void check_tensor(pnb_torch *t, const cJSON *want) {
    for (size_t i = 0; i < pnb_torch_count(t); i++) {
        const pnb_torch_entry *e = pnb_torch_at(t, i);
        const unsigned char *bytes;
        if (strcmp(e->name, want->string) != 0) continue;
        assert_string_equal(dtype_word(e->dtype), cJSON_GetObjectItem(want, "dtype")->valuestring);
        double *v = malloc((size_t)e->count * sizeof *v + 1);
        assert_non_null(v);
        assert_int_equal(pnb_torch_bytes(t, i, &bytes), PNB_OK);
        pnb_dtype_to_f64(e->dtype, bytes, (size_t)e->count, v);
        compare_expected(want, e->rank, e->shape, e->count, v);
        free(v);
        return;
    }
    fail_msg("there is no tensor '%s'", want->string);
}

static void check_honest(pnb_torch *t, const cJSON *tensors) {
    const cJSON *want;
    assert_int_equal(pnb_torch_count(t), cJSON_GetArraySize(tensors));
    cJSON_ArrayForEach(want, tensors) check_tensor(t, want);
}

static void test_expected(void **state) {
    (void)state;
    cJSON *root = checkpoints_expected();
    const cJSON *file;
    int loaded = 0, refused = 0;
    cJSON_ArrayForEach(file, root) {
        if (strstr(file->string, ".safetensors")) continue;
        char path[1024];
        snprintf(path, sizeof path, CHECKPOINTS "%s", file->string);
        pnb_error err = {0};
        pnb_torch *t;
        pnb_status status = pnb_torch_open(&err, path, &t);
        if (strstr(err.message, "built without libzip")) continue;
        if (status == PNB_OK) status = pnb_torch_verify(t);
        if (strcmp(cJSON_GetObjectItem(file, "expect")->valuestring, "load") == 0) {
            if (status != PNB_OK) fail_msg("%s", err.message);
            check_honest(t, cJSON_GetObjectItem(file, "tensors"));
            loaded++;
        } else {
            assert_sentence(&err, PNB_ERROR_MODEL, status, file->string);
            refused++;
        }
        pnb_torch_close(t);
    }
    assert_true(loaded >= 3 && refused >= 9);
    assert_int_not_equal(access("/tmp/importer_was_fooled", F_OK), 0);
    cJSON_Delete(root);
}

int main(void) {
    if (access(PNB_SHARED_DIR, R_OK) != 0) return 77;
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_expected)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

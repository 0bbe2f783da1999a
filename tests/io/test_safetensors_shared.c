/* safetensors against the shared checkpoints: the good ones with their sums, the hostile ones, and the real prior. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "io/files.h"
#include "io/checkpoints.h"

static void check_tensor(pnb_safetensors *st, const cJSON *want) {
    const pnb_safetensors_entry *e = pnb_safetensors_find(st, want->string);
    assert_non_null(e);
    double *v = malloc((size_t)e->count * sizeof *v + 1);
    assert_non_null(v);
    if (pnb_safetensors_read_f64(st, e, v) != PNB_OK) fail_msg("%s cannot be read", want->string);
    compare_expected(want, e->rank, e->shape, e->count, v);
    free(v);
}

static void test_expected(void **state) {
    (void)state;
    cJSON *root = checkpoints_expected();
    int tried = 0;
    const cJSON *file;
    cJSON_ArrayForEach(file, root) {
        if (!strstr(file->string, ".safetensors")) continue;
        char path[1024];
        snprintf(path, sizeof path, CHECKPOINTS "%s", file->string);
        pnb_error err = {0};
        pnb_safetensors *st;
        pnb_status status = pnb_safetensors_open(&err, path, &st);
        if (strcmp(cJSON_GetObjectItem(file, "expect")->valuestring, "load") == 0) {
            if (status != PNB_OK) fail_msg("%s", err.message);
            const cJSON *tensors = cJSON_GetObjectItem(file, "tensors"), *want;
            assert_int_equal(pnb_safetensors_count(st), cJSON_GetArraySize(tensors));
            cJSON_ArrayForEach(want, tensors) check_tensor(st, want);
            pnb_safetensors_close(st);
        } else {
            print_message("%s\n", err.message);
            assert_sentence(&err, PNB_ERROR_MODEL, status, file->string);
        }
        tried++;
    }
    assert_true(tried >= 9);
    cJSON_Delete(root);
}

static void test_real_prior(void **state) {
    (void)state;
    pnb_error err = {0};
    pnb_safetensors *st;
    if (pnb_safetensors_open(&err, PNB_SHARED_DIR "/data/priors/garments_32.safetensors", &st) != PNB_OK)
        fail_msg("%s", err.message);
    assert_string_equal(pnb_safetensors_metadata(st, "architecture"), "adm");
    for (size_t i = 0; i < pnb_safetensors_count(st); i++) {
        const pnb_safetensors_entry *e = pnb_safetensors_at(st, i);
        float *v = malloc((size_t)e->count * sizeof *v + 1);
        assert_non_null(v);
        assert_int_equal(pnb_safetensors_read_f32(st, e, v), PNB_OK);
        for (uint64_t k = 0; k < e->count; k++) assert_true(isfinite(v[k]));
        free(v);
    }
    pnb_safetensors_close(st);
}

int main(void) {
    if (access(PNB_SHARED_DIR, R_OK) != 0) return 77;
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_expected), cmocka_unit_test(test_real_prior)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

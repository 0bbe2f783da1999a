/* safetensors against the shared checkpoints: the good ones with their sums, the hostile ones, and the real prior. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "io/files.h"
#include "io/safetensors.h"

#include <cjson/cJSON.h>
#include <math.h>

#define CHECKPOINTS PNB_SHARED_DIR "/fixtures/checkpoints/"

static void check_tensor(pnb_safetensors *st, const cJSON *want) {
    const pnb_safetensors_entry *e = pnb_safetensors_find(st, want->string);
    assert_non_null(e);
    const cJSON *shape = cJSON_GetObjectItem(want, "shape"), *first = cJSON_GetObjectItem(want, "first");
    assert_int_equal(e->rank, cJSON_GetArraySize(shape));
    for (uint32_t d = 0; d < e->rank; d++)
        assert_true((double)e->shape[d] == cJSON_GetArrayItem(shape, (int)d)->valuedouble);
    double *v = malloc((size_t)e->count * sizeof *v + 1), sum = 0, abs_sum = 0;
    assert_non_null(v);
    if (pnb_safetensors_read_f64(st, e, v) != PNB_OK) fail_msg("%s cannot be read", want->string);
    for (uint64_t i = 0; i < e->count; i++) {
        sum += v[i];
        abs_sum += fabs(v[i]);
        if (i < (uint64_t)cJSON_GetArraySize(first))
            assert_true(v[i] == cJSON_GetArrayItem(first, (int)i)->valuedouble);
    }
    assert_true(fabs(sum - cJSON_GetObjectItem(want, "sum")->valuedouble) <= 1e-6 * (1 + abs_sum));
    assert_true(fabs(abs_sum - cJSON_GetObjectItem(want, "abs_sum")->valuedouble) <= 1e-6 * (1 + abs_sum));
    free(v);
}

static void test_expected(void **state) {
    (void)state;
    size_t n;
    char *text = (char *)get_bytes(CHECKPOINTS "expect.json", &n);
    cJSON *root = cJSON_ParseWithLength(text, n);
    assert_non_null(root);
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
    free(text);
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

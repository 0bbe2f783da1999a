/* safetensors: round trips, every fault of a header, and damage at random. Files here are made by the test itself. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "io/files.h"
#include "io/safetensors.h"

#include <math.h>

static void write_two(const char *path, pnb_dtype dtype) {
    static const float a[6] = {1, -2, 0.5f, 3.25f, 100, -0.125f}, b[1] = {7};
    const pnb_safetensors_item items[] = {
        {"layer.weight", 2, {2, 3}, a}, {"scalar", 0, {0}, b}, {"none", 2, {0, 3}, b}};
    const pnb_safetensors_pair metadata[] = {{"format", "pt"}, {"note", "quotes \" and \\ and \xc3\xa9"}};
    pnb_error err = {0};
    if (pnb_safetensors_write(&err, path, dtype, items, 3, metadata, 2) != PNB_OK) fail_msg("%s", err.message);
}

static void check_round_trip(pnb_dtype dtype) {
    const char *path = in_folder("two.safetensors");
    write_two(path, dtype);
    pnb_error err = {0};
    pnb_safetensors *st = NULL;
    if (pnb_safetensors_open(&err, path, &st) != PNB_OK) fail_msg("%s", err.message);
    assert_int_equal(pnb_safetensors_count(st), 3);
    assert_string_equal(pnb_safetensors_metadata(st, "note"), "quotes \" and \\ and \xc3\xa9");
    assert_null(pnb_safetensors_metadata(st, "other"));
    const char *key, *value;
    assert_true(pnb_safetensors_metadata_at(st, 0, &key, &value));
    assert_string_equal(key, "format");
    assert_false(pnb_safetensors_metadata_at(st, 2, &key, &value));
    const pnb_safetensors_entry *e = pnb_safetensors_find(st, "layer.weight");
    assert_non_null(e);
    assert_ptr_equal(e, pnb_safetensors_at(st, 0));
    assert_int_equal(e->rank, 2);
    assert_int_equal(e->count, 6);
    assert_int_equal(e->dtype, dtype);
    assert_int_equal(e->offset % 8, 0);
    float v[6];
    double d[6];
    assert_int_equal(pnb_safetensors_read_f32(st, e, v), PNB_OK);
    assert_int_equal(pnb_safetensors_read_f64(st, e, d), PNB_OK);
    assert_true(v[0] == 1 && v[3] == 3.25f && v[5] == -0.125f && d[1] == -2);
    int64_t n[6];
    assert_sentence(&err, PNB_ERROR_MODEL, pnb_safetensors_read_i64(st, e, n), "expected integers");
    const uint64_t wrong[2] = {3, 2};
    assert_sentence(&err, PNB_ERROR_MODEL, pnb_safetensors_read_shape_f32(st, "layer.weight", 2, wrong, v),
                    "expected shape [3, 2], found [2, 3]");
    assert_sentence(&err, PNB_ERROR_MODEL, pnb_safetensors_read_shape_f32(st, "bias", 0, NULL, v), "'bias' is missing");
    assert_int_equal(pnb_safetensors_read_shape_f32(st, "scalar", 0, NULL, v), PNB_OK);
    assert_true(v[0] == 7);
    assert_null(pnb_safetensors_find(st, "layer"));
    pnb_safetensors_close(st);
    remove(path);
}

static void test_round_trip_f32(void **state) {
    (void)state;
    check_round_trip(PNB_F32);
}

static void test_round_trip_f16(void **state) {
    (void)state;
    check_round_trip(PNB_F16);
}

/* A file with this header text and n bytes of data. */
static void refuse(const char *header, size_t data_bytes, const char *sentence) {
    unsigned char bytes[2048] = {0};
    size_t length = strlen(header);
    assert_true(8 + length + data_bytes <= sizeof bytes);
    pnb_put_le64(bytes, length);
    memcpy(bytes + 8, header, length);
    const char *path = in_folder("bad.safetensors");
    put_bytes(path, bytes, 8 + length + data_bytes);
    pnb_error err = {0};
    pnb_safetensors *st = (pnb_safetensors *)&err;
    assert_sentence(&err, PNB_ERROR_MODEL, pnb_safetensors_open(&err, path, &st), sentence);
    assert_non_null(strstr(err.message, "bad.safetensors"));
    assert_null(st);
    remove(path);
}

#define T(name, dtype, shape, range)                                                                                   \
    "\"" name "\":{\"dtype\":\"" dtype "\",\"shape\":[" shape "],\"data_offsets\":[" range "]}"

static void test_refusals(void **state) {
    (void)state;
    refuse("{" T("a", "F32", "2", "0,8") "," T("b", "F32", "2", "4,12") "}", 12, "overlaps");
    refuse("{" T("a", "F32", "2", "0,8") "," T("b", "F32", "1", "12,16") "}", 16, "hole");
    refuse("{" T("a", "F32", "2", "0,8") "}", 12, "4 bytes follow the last tensor");
    refuse("{" T("a", "F32", "2", "0,8") "," T("a", "F32", "1", "8,12") "}", 12, "appears twice");
    refuse("{" T("a", "F32", "3,3", "0,16") "}", 16, "F32 of shape [3, 3] needs 36 bytes, data_offsets span 16");
    refuse("{" T("a", "F32", "4", "0,16") "}", 12, "truncated");
    refuse("{" T("a", "F32", "4", "16,0") "}", 16, "two whole numbers");
    refuse("{" T("a", "F32", "4", "0") "}", 16, "two whole numbers");
    refuse("{" T("a", "F32", "4", "-8,8") "}", 16, "two whole numbers");
    refuse("{" T("a", "F32", "4.5", "0,16") "}", 16, "whole numbers");
    refuse("{" T("a", "F32", "-4", "0,16") "}", 16, "whole numbers");
    refuse("{" T("a", "F32", "1,1,1,1,1,1,1,1,1", "0,4") "}", 4, "at most 8");
    refuse("{" T("a", "F32", "4294967296,4294967296,4294967296", "0,16") "}", 16, "impossibly large");
    refuse("{" T("a", "F4", "4", "0,16") "}", 16, "'F4' is not one of");
    refuse("{" T("", "F32", "4", "0,16") "}", 16, "name is empty");
    refuse("{\"a\":3}", 0, "expected exactly");
    refuse("{\"a\":{\"dtype\":\"F32\",\"shape\":[1]}}", 4, "expected exactly");
    refuse("{\"__metadata__\":{\"steps\":3}}", 0, "'steps' must be a string");
    refuse("[]", 0, "must be a JSON object");
    refuse("{} x", 0, "ends at byte");
    refuse("{\"a\":", 0, "not valid JSON");
    refuse("", 0, "not valid JSON");
}

static void test_bad_lengths(void **state) {
    (void)state;
    unsigned char bytes[64] = {0};
    const char *path = in_folder("short.safetensors");
    pnb_error err = {0};
    pnb_safetensors *st;
    put_bytes(path, bytes, 7);
    assert_sentence(&err, PNB_ERROR_MODEL, pnb_safetensors_open(&err, path, &st), "7 bytes long");
    pnb_put_le64(bytes, (uint64_t)1 << 62);
    put_bytes(path, bytes, sizeof bytes);
    assert_sentence(&err, PNB_ERROR_MODEL, pnb_safetensors_open(&err, path, &st),
                    "header claims 4611686018427387904 bytes");
    remove(path);
    assert_sentence(&err, PNB_ERROR_INPUT, pnb_safetensors_open(&err, path, &st), "cannot be opened");
    assert_sentence(&err, PNB_ERROR_MODEL, pnb_safetensors_open(&err, folder, &st), "file '");
}

static void test_deep_nesting(void **state) {
    (void)state;
    size_t n = 200000;
    unsigned char *bytes = malloc(n + 8);
    assert_non_null(bytes);
    pnb_put_le64(bytes, n);
    memset(bytes + 8, '[', n);
    const char *path = in_folder("deep.safetensors");
    put_bytes(path, bytes, n + 8);
    pnb_error err = {0};
    pnb_safetensors *st;
    assert_sentence(&err, PNB_ERROR_MODEL, pnb_safetensors_open(&err, path, &st), "not valid JSON");
    remove(path);
    free(bytes);
}

static void test_write_refusals(void **state) {
    (void)state;
    pnb_error err = {0};
    const float v[1] = {0};
    const pnb_safetensors_item bad[] = {{"", 0, {0}, v}}, good[] = {{"a", 0, {0}, v}};
    assert_sentence(&err, PNB_ERROR_USAGE, pnb_safetensors_write(&err, in_folder("x"), PNB_F32, bad, 1, NULL, 0),
                    "printable");
    assert_sentence(&err, PNB_ERROR_USAGE, pnb_safetensors_write(&err, in_folder("x"), PNB_BF16, good, 1, NULL, 0),
                    "F32 or F16");
    assert_sentence(&err, PNB_ERROR_INPUT, pnb_safetensors_write(&err, in_folder("none/x"), PNB_F32, good, 1, NULL, 0),
                    "none/x");
}

static void load_all(const char *path) {
    pnb_error err = {0};
    pnb_safetensors *st;
    if (pnb_safetensors_open(&err, path, &st) != PNB_OK) return;
    for (size_t i = 0; i < pnb_safetensors_count(st); i++) {
        const pnb_safetensors_entry *e = pnb_safetensors_at(st, i);
        assert_true(e->bytes < 4096);
        double *v = malloc((size_t)e->count * sizeof *v + 1);
        assert_non_null(v);
        pnb_safetensors_read_f64(st, e, v);
        free(v);
    }
    pnb_safetensors_close(st);
}

static void test_damage(void **state) {
    (void)state;
    const char *path = in_folder("damaged.safetensors");
    write_two(path, PNB_F32);
    size_t n;
    unsigned char *bytes = get_bytes(path, &n);
    try_damage(bytes, n, n - 28, 600, path, load_all);
    free(bytes);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip_f32), cmocka_unit_test(test_round_trip_f16),
        cmocka_unit_test(test_refusals),       cmocka_unit_test(test_bad_lengths),
        cmocka_unit_test(test_deep_nesting),   cmocka_unit_test(test_write_refusals),
        cmocka_unit_test(test_damage),
    };
    return cmocka_run_group_tests(tests, folder_setup, remove_empty_folder);
}

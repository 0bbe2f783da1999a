/* NPY: round trips, every element type, Fortran order, and every fault of a header. Files here are made by the test
 * itself. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "io/files.h"
#include "io/npy.h"

static size_t make(unsigned char *bytes, int version, const char *header, const void *data, size_t n) {
    size_t length = strlen(header), at = 8;
    memcpy(bytes, "\x93NUMPY", 6);
    bytes[6] = (unsigned char)version;
    bytes[7] = 0;
    for (int i = 0; i < (version == 1 ? 2 : 4); i++) bytes[at++] = (unsigned char)(length >> (8 * i));
    memcpy(bytes + at, header, length);
    memcpy(bytes + at + length, data, n);
    return at + length + n;
}

static void check(int version, const char *header, const void *data, size_t n, const char *shape, const float *want) {
    unsigned char bytes[1024];
    const char *path = in_folder("a.npy");
    put_bytes(path, bytes, make(bytes, version, header, data, n));
    pnb_error err = {0};
    pnb_array a;
    if (pnb_npy_read(&err, path, &a) != PNB_OK) fail_msg("%s", err.message);
    char text[PNB_SHAPE_TEXT_SIZE];
    assert_string_equal(pnb_shape_to_text(a.rank, a.shape, text), shape);
    for (uint64_t i = 0; i < a.count; i++) assert_true(a.data[i] == want[i]);
    pnb_array_free(&a);
    assert_null(a.data);
    remove(path);
}

#define HEADER(descr, fortran, shape) "{'descr': '" descr "', 'fortran_order': " fortran ", 'shape': " shape ", }"

static void test_types(void **state) {
    (void)state;
    const float want[2] = {1, -2}, bytes_want[2] = {1, 254};
    check(1, HEADER("<f4", "False", "(2,)"), "\0\0\x80\x3f\0\0\0\xc0", 8, "[2]", want);
    check(2, HEADER("<f8", "False", "(2,)"), "\0\0\0\0\0\0\xf0\x3f\0\0\0\0\0\0\0\xc0", 16, "[2]", want);
    check(3, HEADER("<f2", "False", "(2, 1)"), "\0\x3c\0\xc0", 4, "[2, 1]", want);
    check(1, HEADER("<i4", "False", "(1, 2)"), "\1\0\0\0\xfe\xff\xff\xff", 8, "[1, 2]", want);
    check(1, HEADER("<i8", "False", "(2,)"), "\1\0\0\0\0\0\0\0\xfe\xff\xff\xff\xff\xff\xff\xff", 16, "[2]", want);
    check(1, HEADER("<i2", "False", "(2,)"), "\1\0\xfe\xff", 4, "[2]", want);
    check(1, HEADER("|i1", "False", "(2,)"), "\1\xfe", 2, "[2]", want);
    check(1, HEADER("|u1", "False", "(2,)"), "\1\xfe", 2, "[2]", bytes_want);
    check(1, HEADER("|b1", "False", "()"), "\1", 1, "[]", want);
    check(1, HEADER("<f4", "False", "(0, 5)"), "", 0, "[0, 5]", want);
    check(1, "{\"shape\":(2L,),\"fortran_order\":False,\"descr\":\"|u1\"}  \n", "\1\xfe", 2, "[2]", bytes_want);
}

static void test_fortran_order(void **state) {
    (void)state;
    unsigned char data[24];
    float want[24];
    for (int i = 0; i < 2; i++) {
        for (int j = 0; j < 3; j++) {
            for (int k = 0; k < 4; k++) {
                want[(i * 3 + j) * 4 + k] = (float)((i * 3 + j) * 4 + k);
                data[i + 2 * (j + 3 * k)] = (unsigned char)((i * 3 + j) * 4 + k);
            }
        }
    }
    check(1, HEADER("|u1", "True", "(2, 3, 4)"), data, 24, "[2, 3, 4]", want);
    check(1, HEADER("|u1", "True", "(24,)"), "\0\1\2\3\4\5\6\7\10\11\12\13\14\15\16\17\20\21\22\23\24\25\26\27", 24,
          "[24]", want);
}

static void test_round_trip(void **state) {
    (void)state;
    const float v[6] = {1.5f, -3e38f, 1e-45f, 0.1f, -0.0f, 7};
    const uint64_t shapes[3][3] = {{6}, {2, 3}, {1, 6, 1}};
    const char *path = in_folder("r.npy");
    for (uint32_t rank = 1; rank <= 3; rank++) {
        pnb_error err = {0};
        pnb_array a;
        if (pnb_npy_write(&err, path, rank, shapes[rank - 1], v) != PNB_OK) fail_msg("%s", err.message);
        size_t n;
        unsigned char *bytes = get_bytes(path, &n);
        assert_int_equal((n - sizeof v) % 64, 0);
        free(bytes);
        if (pnb_npy_read(&err, path, &a) != PNB_OK) fail_msg("%s", err.message);
        assert_int_equal(a.rank, rank);
        assert_memory_equal(a.shape, shapes[rank - 1], rank * sizeof(uint64_t));
        assert_memory_equal(a.data, v, sizeof v);
        pnb_array_free(&a);
    }
    remove(path);
    pnb_error err = {0};
    assert_sentence(&err, PNB_ERROR_INPUT, pnb_npy_write(&err, in_folder("none/r.npy"), 0, NULL, v), "none/r.npy");
    assert_sentence(&err, PNB_ERROR_USAGE, pnb_npy_write(&err, path, 9, shapes[0], v), "rank up to 8");
}

static void refuse(int version, const char *header, size_t n, const char *sentence) {
    unsigned char bytes[1024], zeros[64] = {0};
    const char *path = in_folder("bad.npy");
    put_bytes(path, bytes, make(bytes, version, header, zeros, n));
    pnb_error err = {0};
    pnb_array a;
    assert_sentence(&err, PNB_ERROR_INPUT, pnb_npy_read(&err, path, &a), sentence);
    assert_non_null(strstr(err.message, "bad.npy"));
    assert_null(a.data);
    remove(path);
}

static void test_refusals(void **state) {
    (void)state;
    refuse(1, HEADER("<f4", "False", "(2,)"), 7, "truncated?");
    refuse(1, HEADER("<f4", "False", "(2,)"), 12, "left over");
    refuse(1, HEADER("<f4", "False", "(4294967296, 4294967296, 4294967296)"), 8, "does not fit");
    refuse(1, HEADER("<f4", "False", "(4611686018427387905,)"), 4, "does not fit");
    refuse(1, HEADER("<f4", "False", "(99999999999999999999999,)"), 4, "shape must be");
    refuse(1, HEADER("<f4", "False", "(1,1,1,1,1,1,1,1,1)"), 4, "at most 8");
    refuse(1, HEADER("<f4", "False", "(-1,)"), 4, "shape must be");
    refuse(1, HEADER("<f4", "False", "[1]"), 4, "shape must be");
    refuse(1, HEADER(">f4", "False", "(1,)"), 4, "little-endian");
    refuse(1, HEADER("<c8", "False", "(1,)"), 8, "last axis of 2");
    refuse(1, HEADER("|O", "False", "(1,)"), 8, "not supported");
    refuse(1, HEADER("<f4", "Maybe", "(1,)"), 4, "expected {'descr'");
    refuse(1, "{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (1,)}", 4, "one plain element type");
    refuse(1, "{'descr': '<f4', 'shape': (1,)}", 4, "expected {'descr'");
    refuse(1, "{'descr': '<f4', 'descr': '<f4', 'fortran_order': False, 'shape': (1,)}", 4, "expected {'descr'");
    refuse(1, "{'descr': '<f4', 'fortran_order': False, 'shape': (1,)} x", 4, "expected {'descr'");
    refuse(1, "", 0, "expected {'descr'");
    refuse(4, HEADER("<f4", "False", "(1,)"), 4, "version 4.0");
    pnb_error err = {0};
    pnb_array a;
    assert_sentence(&err, PNB_ERROR_INPUT, pnb_npy_read(&err, in_folder("none.npy"), &a), "cannot be opened");
    put_bytes(in_folder("bad.npy"), "PK\3\4 not an array", 18);
    assert_sentence(&err, PNB_ERROR_INPUT, pnb_npy_read(&err, in_folder("bad.npy"), &a), "not an NPY file");
    put_bytes(in_folder("bad.npy"), "\x93NUMPY\2\0\xff\xff\xff\xff{", 13);
    assert_sentence(&err, PNB_ERROR_INPUT, pnb_npy_read(&err, in_folder("bad.npy"), &a),
                    "header claims 4294967295 bytes");
    remove(in_folder("bad.npy"));
}

static void load(const char *path) {
    pnb_error err = {0};
    pnb_array a;
    if (pnb_npy_read(&err, path, &a) == PNB_OK) assert_true(a.count <= 1024);
    pnb_array_free(&a);
}

static void test_damage(void **state) {
    (void)state;
    unsigned char bytes[256], data[24] = {0};
    size_t n = make(bytes, 1, HEADER("<f4", "True", "(2, 3)"), data, sizeof data);
    try_damage(bytes, n, n - sizeof data, 400, in_folder("damaged.npy"), load);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_types),    cmocka_unit_test(test_fortran_order), cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_refusals), cmocka_unit_test(test_damage),
    };
    return cmocka_run_group_tests(tests, folder_setup, remove_empty_folder);
}

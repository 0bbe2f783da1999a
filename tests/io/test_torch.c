/* PyTorch's files, made here in both formats: tensors and views, what is refused, and damage at random. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "io/files.h"
#include "io/tensor_file.h"
#include "io/torch_writer.h"

static const float ramp[12] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11}, pair[2] = {-1, 0.5f};
static const torch_storage storages[] = {{ramp, 12}, {pair, 2}};
static const torch_tensor tensors[] = {
    {"ema.whole", 2, {3, 4}, {4, 1}, 0, 0}, {"ema.turned", 2, {4, 3}, {1, 4}, 0, 0},
    {"ema.part", 2, {2, 2}, {4, 1}, 0, 5},  {"ema.spread", 2, {3, 2}, {0, 1}, 1, 0},
    {"ema.scalar", 0, {0}, {0}, 1, 1},      {"ema.nothing", 2, {0, 5}, {5, 1}, 1, 0},
};
enum { TENSORS = sizeof tensors / sizeof *tensors };

/* Without libzip the zip format is one sentence. */
static bool zip_is_read(void) {
    static int known = -1;
    if (known >= 0) return known;
    pile object = {0}, file;
    pnb_error err = {0};
    pnb_torch *t;
    pickle_tensors(&object, tensors, 1, storages, false);
    file = torch_zip(&object, storages, 1);
    put_bytes(in_folder("probe.pt"), file.at, file.n);
    known = pnb_torch_open(&err, in_folder("probe.pt"), &t) == PNB_OK;
    if (!known) assert_sentence(&err, PNB_ERROR_MODEL, err.status, "built without libzip");
    pnb_torch_close(known ? t : NULL);
    remove(in_folder("probe.pt"));
    free(object.at);
    free(file.at);
    return known;
}

static pile make(bool zip, const torch_tensor *list, size_t n) {
    pile object = {0};
    pickle_tensors(&object, list, n, storages, !zip);
    pile file = zip ? torch_zip(&object, storages, 2) : torch_stream(&object, storages, 2);
    free(object.at);
    return file;
}

static void check_values(pnb_tensor_file *f, const char *name, size_t n, const float *want) {
    size_t i;
    float got[12];
    pnb_error err = {0};
    assert_true(pnb_tensor_file_find(f, name, &i));
    assert_int_equal(pnb_tensor_file_at(f, i).count, n);
    assert_int_equal(pnb_tensor_file_at(f, i).dtype, PNB_F32);
    if (pnb_tensor_file_read_f32(f, i, got) != PNB_OK) fail_msg("%s", err.message);
    assert_memory_equal(got, want, n * sizeof *got);
}

static void check_format(bool zip) {
    pile file = make(zip, tensors, TENSORS);
    pnb_error err = {0};
    pnb_tensor_file *f;
    float out[12];
    put_bytes(in_folder("a.pt"), file.at, file.n);
    assert_true(pnb_torch_recognise(in_folder("a.pt")));
    if (pnb_tensor_file_open(&err, in_folder("a.pt"), &f) != PNB_OK) fail_msg("%s", err.message);
    assert_int_equal(pnb_tensor_file_count(f), TENSORS);
    assert_non_null(pnb_tensor_file_torch(f));
    assert_null(pnb_tensor_file_metadata(f, "format"));
    check_values(f, "ema.whole", 12, ramp);
    check_values(f, "ema.turned", 12, (float[]){0, 4, 8, 1, 5, 9, 2, 6, 10, 3, 7, 11});
    check_values(f, "ema.part", 4, (float[]){5, 6, 9, 10});
    check_values(f, "ema.spread", 6, (float[]){-1, 0.5f, -1, 0.5f, -1, 0.5f});
    check_values(f, "ema.scalar", 1, (float[]){0.5f});
    check_values(f, "ema.nothing", 0, ramp);
    assert_int_equal(pnb_tensor_file_verify(f), PNB_OK);
    assert_int_equal(pnb_tensor_file_read_shape_f32(f, "ema.part", 2, (uint64_t[]){2, 2}, out), PNB_OK);
    pnb_status status = pnb_tensor_file_read_shape_f32(f, "ema.part", 2, (uint64_t[]){2, 3}, out);
    assert_sentence(&err, PNB_ERROR_MODEL, status, "expected shape [2, 3], found [2, 2]");
    status = pnb_tensor_file_read_shape_f32(f, "gone", 1, (uint64_t[]){2}, out);
    assert_sentence(&err, PNB_ERROR_MODEL, status, "'gone' is missing");
    pnb_tensor_file_close(f);
    remove(in_folder("a.pt"));
    free(file.at);
}

static void test_stream(void **state) {
    (void)state;
    check_format(false);
}

static void test_zip(void **state) {
    (void)state;
    if (zip_is_read()) check_format(true);
}

static void refuse_file(const pile *file, const char *part) {
    pnb_error err = {0};
    pnb_torch *t;
    put_bytes(in_folder("bad.pt"), file->at, file->n);
    pnb_status status = pnb_torch_open(&err, in_folder("bad.pt"), &t);
    assert_sentence(&err, PNB_ERROR_MODEL, status, part);
    assert_null(t);
    remove(in_folder("bad.pt"));
}

static void refuse(torch_tensor a, const char *part) {
    pile file = make(false, (torch_tensor[]){a, tensors[0], tensors[4]}, 3);
    refuse_file(&file, part);
    free(file.at);
}

static void test_refused(void **state) {
    (void)state;
    refuse((torch_tensor){"x", 1, {13}, {1}, 0, 0}, "shape [13] does not fit");
    refuse((torch_tensor){"x", 1, {2}, {1}, 0, 11}, "does not fit");
    refuse((torch_tensor){"x", 2, {2, 2}, {0x7fffffff, 0x7fffffff}, 0, 0}, "does not fit");
    refuse((torch_tensor){"x", 2, {0x7fffffff, 0x7fffffff}, {0, 0}, 0, 0}, "does not fit");
    refuse((torch_tensor){"x", 1, {0xffffffff}, {1}, 0, 0}, "whole numbers");
    refuse((torch_tensor){"ema.whole", 1, {2}, {1}, 0, 0}, "appears twice");
    refuse((torch_tensor){"", 1, {2}, {1}, 0, 0}, "a key is no");
    refuse((torch_tensor){"line\nfeed", 1, {2}, {1}, 0, 0}, "a key is no");
    pile file = make(false, tensors, TENSORS);
    file.n -= 1;
    refuse_file(&file, "cut short");
    pile_text(&file, "12");
    refuse_file(&file, "1 bytes follow");
    free(file.at);
    refuse_file(&(pile){.at = (unsigned char *)"\x80\x02N.", .n = 4}, "bare pickle");
    refuse_file(&(pile){.n = 0}, "empty");
}

static void refuse_pickle(const pile *object, const char *part) {
    pile file = torch_stream(object, storages, 0);
    refuse_file(&file, part);
    free(file.at);
}

#define REFUSE_PICKLE(text, part) refuse_pickle(&(pile){.at = (unsigned char *)(text), .n = sizeof(text) - 1}, part)

/* Structures without end, and without tensors. */
static void test_structures(void **state) {
    (void)state;
    pile object = {0};
    pile_put(&object, "\x80\x02", 2);
    for (int i = 0; i < 50; i++) pile_text(&object, "]");
    for (int i = 0; i < 49; i++) pile_text(&object, "a");
    pile_text(&object, ".");
    refuse_pickle(&object, "nested deeper");
    object.n = 2; /* 25 lists in one, each with the one before it twice: 2^25 visits */
    pile_put(&object, "(]q\x00", 4);
    for (uint64_t i = 1; i <= 25; i++) {
        pile_text(&object, "](");
        for (int k = 0; k < 2; k++) {
            pile_text(&object, "h");
            pile_number(&object, i - 1, 1);
        }
        pile_text(&object, "eq");
        pile_number(&object, i, 1);
    }
    pile_text(&object, "t.");
    refuse_pickle(&object, "too often");
    free(object.at);
    REFUSE_PICKLE("\x80\x02]q\x00(h\x00h\x00h\x00"
                  "e.",
                  "too often");
    REFUSE_PICKLE("\x80\x02}.", "no tensors");
    REFUSE_PICKLE("\x80\x02K\x01.", "no tensors");
    REFUSE_PICKLE("\x80\x02(X\x06\x00\x00\x00modulectorch\nSize\nX\x01\x00\x00\x00"
                  "0NNtQ.",
                  "no storage");
}

static void load(const char *path) {
    pnb_error err = {0};
    pnb_torch *t;
    const unsigned char *bytes;
    pnb_status status = pnb_torch_open(&err, path, &t);
    for (size_t i = 0; status == PNB_OK && i < pnb_torch_count(t); i++) status = pnb_torch_bytes(t, i, &bytes);
    if (status != PNB_OK) assert_true(status == PNB_ERROR_MODEL && err.message[0]);
    pnb_torch_close(t);
}

static void test_damage(void **state) {
    (void)state;
    for (int zip = 0; zip < 2; zip++) {
        pile file = make(zip, tensors, TENSORS);
        try_damage(file.at, file.n, file.n, 3000, in_folder("damaged.pt"), load);
        free(file.at);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_stream),     cmocka_unit_test(test_zip),    cmocka_unit_test(test_refused),
        cmocka_unit_test(test_structures), cmocka_unit_test(test_damage),
    };
    return cmocka_run_group_tests(tests, folder_setup, remove_empty_folder);
}

/* The makers of training images: the same bytes for a seed, a longer file begins with a shorter one, values from -1 to 1. */
#include "cli/command.h"

#include "base/file.h"

enum { SIDE = 64, PIXELS = SIDE * SIDE, FEW = 3, MORE = 5 };

/* Runs a program beside the command: "<folder of the command>/name words". Returns its exit code. */
static int run_maker(const char *name, const char *words) {
    char line[1024], *folder = pnb_path_folder(PNB_COMMAND);
    assert_non_null(folder);
    snprintf(line, sizeof line, "'%s/%s' %s 2>stderr.txt", folder, name, words);
    free(folder);
    int status = system(line);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static pnb_array made(const char *path, uint64_t n) {
    pnb_error err = {0};
    pnb_array a;
    if (pnb_npy_read(&err, path, &a) != PNB_OK) fail_msg("%s", err.message);
    assert_int_equal(a.rank, 3);
    assert_int_equal(a.shape[0], n);
    assert_int_equal(a.shape[1], SIDE);
    assert_int_equal(a.shape[2], SIDE);
    return a;
}

static void check_maker(const char *name) {
    char text[256];
    assert_int_equal(run_maker(name, "3 few.npy 7"), 0);
    assert_int_equal(run_maker(name, "5 more.npy 7"), 0);
    assert_int_equal(run_maker(name, "3 other.npy 8"), 0);
    pnb_array few = made("few.npy", FEW), more = made("more.npy", MORE), other = made("other.npy", FEW);
    assert_memory_equal(few.data, more.data, FEW * PIXELS * sizeof(float));
    assert_memory_not_equal(few.data, other.data, FEW * PIXELS * sizeof(float));
    for (int k = 0; k < MORE; k++) {
        float low = 1, high = -1;
        for (int i = 0; i < PIXELS; i++) {
            float v = more.data[k * PIXELS + i];
            low = v < low ? v : low;
            high = v > high ? v : high;
        }
        assert_true(high == 1);                 /* the brightest pixel */
        assert_true(low >= -1 && low < -0.7f);  /* dark sky, empty cell */
    }
    pnb_array_free(&few);
    pnb_array_free(&more);
    pnb_array_free(&other);
    assert_int_equal(run_maker(name, "0 few.npy"), 2);
    assert_int_equal(run_maker(name, "3"), 2);
    assert_int_equal(run_maker(name, "3 nowhere/few.npy"), 3);
    assert_true(read_text("stderr.txt", text, sizeof text) > 0);
    assert_non_null(strstr(text, "nowhere"));
}

static void test_blackhole(void **state) {
    (void)state;
    check_maker("blackhole");
}

static void test_filaments(void **state) {
    (void)state;
    check_maker("filaments");
}

/* One family by name: those images of a mixed file that are of it are the same there. */
static void test_family(void **state) {
    static const char *const families[] = {"microtubules", "reticulum", "pits", "actin"};
    (void)state;
    assert_int_equal(run_maker("filaments", "5 more.npy 7"), 0);
    pnb_array mixed = made("more.npy", MORE);
    int found = 0;
    for (int f = 0; f < 4; f++) {
        char words[64];
        snprintf(words, sizeof words, "5 one.npy 7 %s", families[f]);
        assert_int_equal(run_maker("filaments", words), 0);
        pnb_array one = made("one.npy", MORE);
        for (int k = 0; k < MORE; k++) found += memcmp(one.data + k * PIXELS, mixed.data + k * PIXELS, PIXELS * sizeof(float)) == 0;
        pnb_array_free(&one);
    }
    assert_int_equal(found, MORE);
    pnb_array_free(&mixed);
    assert_int_equal(run_maker("filaments", "5 one.npy 7 mitochondria"), 2);
    assert_int_equal(run_maker("blackhole", "5 one.npy 7 pits"), 2);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_blackhole), cmocka_unit_test(test_filaments),
                                       cmocka_unit_test(test_family)};
    return cmocka_run_group_tests(tests, shell_setup, shell_teardown);
}

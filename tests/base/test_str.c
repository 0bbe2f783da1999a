/* Strings. */
#include "base/str.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

static void test_strings(void **state) {
    (void)state;
    char *s = pnb_format("%d %s", 7, "x"), *copy = pnb_copy_string(s);
    assert_string_equal(s, "7 x");
    assert_string_equal(copy, s);
    assert_null(pnb_copy_string(NULL));
    free(s);
    free(copy);
    assert_true(pnb_contains_nocase("NVIDIA H100", "nvidia"));
    assert_true(pnb_contains_nocase("llvmpipe", "PIPE"));
    assert_true(pnb_contains_nocase("x", "") && pnb_contains_nocase("", ""));
    assert_false(pnb_contains_nocase("", "x"));
    assert_false(pnb_contains_nocase("abab", "abc"));
    assert_true(pnb_contains_nocase("ababc", "abc"));
    assert_true(pnb_starts_with("conv2d", "conv") && !pnb_starts_with("co", "conv"));
    assert_true(pnb_ends_with("x.png", ".png") && !pnb_ends_with("png", ".png"));
    char text[PNB_BYTES_TEXT_SIZE];
    assert_string_equal(pnb_bytes_text(100, text), "100 bytes");
    assert_string_equal(pnb_bytes_text(852492288, text), "813.0 MiB");
    double number;
    assert_true(pnb_text_to_number("-4.5e3", &number) && number == -4500);
    assert_false(pnb_text_to_number("", &number) || pnb_text_to_number("1,5", &number) || pnb_text_to_number("1 x", &number));
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_strings)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* The typeface: every glyph has strokes, within its box. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "io/font.h"

static void test_boxes(void **state) {
    (void)state;
    for (int c = 33; c < 127; c++) {
        pnb_segment s[PNB_FONT_MAX_SEGMENTS];
        size_t n = pnb_font_segments((char)c, s);
        assert_in_range(n, 1, PNB_FONT_MAX_SEGMENTS - 1);
        for (size_t i = 0; i < n; i++) {
            assert_true(s[i].x0 >= -0.5f && s[i].x1 <= pnb_font_advance((char)c) - 1.5f);
            assert_true(s[i].y0 >= -2.3f && s[i].y1 <= 8.0f);
        }
    }
}

static void test_others(void **state) {
    (void)state;
    pnb_segment a[PNB_FONT_MAX_SEGMENTS], b[PNB_FONT_MAX_SEGMENTS];
    assert_int_equal(pnb_font_segments(' ', a), 0);
    assert_true(pnb_font_advance(' ') > 1);
    size_t n = pnb_font_segments('?', a);
    assert_int_equal(pnb_font_segments('\xc3', b), n);
    assert_memory_equal(a, b, n * sizeof *a);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_boxes), cmocka_unit_test(test_others)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

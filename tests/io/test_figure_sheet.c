/* The contact sheet: sizes, ranges, pictures of unequal sizes, and values that must not be drawn. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "io/figure.h"
#include "io/files.h"
#include "io/image.h"

#include <math.h>
#include <string.h>

static pnb_error err;

static void test_sheet(void **state) {
    (void)state;
    static float image[3 * 32 * 32], small[64], flat[16];
    for (int i = 0; i < 3 * 32 * 32; i++) image[i] = (float)(i % 97) / 97;
    for (int i = 0; i < 64; i++) small[i] = (float)i;
    const pnb_tile tiles[] = {
        {"truth", {image, 3, 32, 32, 0, 1, PNB_MAP_NONE}, false},
        {"measurement", {small, 1, 8, 8, 0, 0, PNB_MAP_NONE}, false},
        {"standard deviation, a caption that is too long for its tile",
         {image, 3, 32, 32, 0, NAN, PNB_MAP_INFERNO},
         true},
        {NULL, {flat, 1, 2, 8, 0, 0, PNB_MAP_VIRIDIS}, true},
        {"last", {small, 1, 4, 16, 0, 63, PNB_MAP_NONE}, false},
    };
    const char *path = in_folder("sheet.png");
    for (size_t columns = 1; columns <= 6; columns++) {
        if (pnb_figure_contact_sheet(&err, path, tiles, 5, columns) != PNB_OK) fail_msg("%s", err.message);
        pnb_array a;
        assert_int_equal(pnb_image_read(&err, path, 3, &a), PNB_OK);
        size_t across = columns < 5 ? columns : 5;
        assert_true(a.shape[2] > across * 150 && a.shape[2] < across * 200 + 60);
        assert_true(a.data[0] == 1); /* a white margin */
        pnb_array_free(&a);
    }
    remove(path);
}

static uint64_t height_of(const pnb_block *blocks, size_t n, size_t columns, uint64_t *width) {
    const char *path = in_folder("blocks.png");
    if (pnb_figure_sheet(&err, path, blocks, n, columns) != PNB_OK) fail_msg("%s", err.message);
    pnb_array a;
    assert_int_equal(pnb_image_read(&err, path, 3, &a), PNB_OK);
    uint64_t height = a.shape[1];
    *width = a.shape[2];
    pnb_array_free(&a);
    remove(path);
    return height;
}

/* Each block begins a row; a title takes its own height once, whatever the length of the note. */
static void test_blocks(void **state) {
    (void)state;
    static float image[64];
    static char note[400];
    for (int i = 0; i < 64; i++) image[i] = (float)i;
    memset(note, 'm', sizeof note - 1);
    pnb_tile tiles[3];
    for (int i = 0; i < 3; i++) tiles[i] = (pnb_tile){"tile", {image, 1, 8, 8, 0, 0, PNB_MAP_NONE}, false};
    const pnb_block plain[] = {{NULL, NULL, tiles, 3}, {"", NULL, tiles, 1}, {NULL, NULL, NULL, 0}},
                    titled[] = {{"PPM", note, tiles, 3}, {"RED-Diff", NULL, tiles, 1}};
    uint64_t width, same, one = height_of(plain, 1, 4, &width), two = height_of(plain, 3, 4, &same);
    uint64_t with_titles = height_of(titled, 2, 4, &same);
    assert_int_equal(width, same); /* three columns are enough */
    assert_true(width > 3 * 150 && width < 4 * 150);
    assert_true(two > one + 150);
    assert_true(with_titles > two + 40 && with_titles < two + 80);
    assert_true(height_of(titled, 2, 2, &same) > with_titles + 150);
    assert_true(same < width);
}

static void test_refusals(void **state) {
    (void)state;
    float v[4] = {0, 1, 2, NAN};
    const char *path = in_folder("sheet.png");
    const pnb_tile bad = {"mean", {v, 1, 2, 2, 0, 1, PNB_MAP_NONE}, false},
                   none = {"x", {NULL, 1, 2, 2, 0, 1, PNB_MAP_NONE}, false};
    assert_sentence(&err, PNB_ERROR_NUMERIC, pnb_figure_contact_sheet(&err, path, &bad, 1, 1),
                    "(mean): a value that is not finite at row 1, column 1");
    assert_sentence(&err, PNB_ERROR_USAGE, pnb_figure_contact_sheet(&err, path, &none, 1, 1), "expected a picture");
    assert_sentence(&err, PNB_ERROR_USAGE, pnb_figure_contact_sheet(&err, path, &bad, 0, 1), "1 to 4096 tiles");
    assert_int_not_equal(access(path, F_OK), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_sheet), cmocka_unit_test(test_blocks),
                                       cmocka_unit_test(test_refusals)};
    return cmocka_run_group_tests(tests, folder_setup, remove_empty_folder);
}

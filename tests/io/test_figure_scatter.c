/* The scatter plot: sizes, ranges from the points, odd input, and values that must not be drawn. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "io/figure.h"
#include "io/files.h"
#include "io/image.h"

#include <math.h>

static pnb_error err;

static void draw(const pnb_scatter *s, pnb_array *out) {
    const char *path = in_folder("scatter.png");
    if (pnb_figure_scatter(&err, path, s) != PNB_OK) fail_msg("%s", err.message);
    assert_int_equal(pnb_image_read(&err, path, 3, out), PNB_OK);
    remove(path);
}

static void test_panels(void **state) {
    (void)state;
    const float grid[6] = {0, 1, 2, 3, 4, 5}, zero[1] = {0}, points[6] = {0, 0, 1, 1, 500, 0};
    const pnb_density d[] = {{grid, 3, 2, PNB_BLUE}, {zero, 1, 1, PNB_RED}};
    const pnb_points p[] = {
        {points, 3, PNB_ORANGE, "samples", 0}, {points, 2, PNB_GREEN, NULL, 2}, {NULL, 0, PNB_RED, "none", 0}};
    const pnb_panel panels[] = {{"prior", d, 2, NULL, 0}, {NULL, NULL, 0, p, 3}, {"both", d, 1, p, 1}};
    pnb_array one, three;
    draw(&(pnb_scatter){panels, 3, -1, 2, -1, 2, "x", "y"}, &three);
    draw(&(pnb_scatter){panels, 1, -1, 2, -1, 2, NULL, NULL}, &one);
    assert_true(three.shape[2] > 2 * one.shape[2]);
    assert_true(three.shape[1] > one.shape[1]); /* the legend */
    pnb_array_free(&one);
    pnb_array_free(&three);
}

static void test_ranges(void **state) {
    (void)state;
    const float same[4] = {3, 3, 3, 3}, wide[4] = {-3e38f, 1, 3e38f, 2};
    const pnb_points p[] = {
        {same, 2, PNB_ORANGE, "a", 0}, {wide, 2, PNB_ORANGE, "a", 0}, {NULL, 0, PNB_ORANGE, "a", 0}};
    for (size_t i = 0; i < 3; i++) {
        const pnb_panel panel = {"p", NULL, 0, &p[i], 1};
        pnb_array a;
        draw(&(pnb_scatter){&panel, 1, 0, 0, 0, 0, NULL, NULL}, &a);
        pnb_array_free(&a);
    }
}

static void test_refusals(void **state) {
    (void)state;
    const float v[4] = {0, 1, 2, NAN};
    const pnb_points p = {v, 2, PNB_ORANGE, "PPM", 0};
    const pnb_density d = {v, 2, 2, PNB_BLUE};
    const pnb_panel points = {"p", NULL, 0, &p, 1}, density = {"d", &d, 1, NULL, 0};
    pnb_scatter s = {&points, 1, 0, 1, 0, 1, NULL, NULL};
    const char *path = in_folder("scatter.png");
    assert_sentence(&err, PNB_ERROR_NUMERIC, pnb_figure_scatter(&err, path, &s), "point 1 of 'PPM' is not finite");
    s.panels = &density;
    assert_sentence(&err, PNB_ERROR_NUMERIC, pnb_figure_scatter(&err, path, &s), "not finite at cell 3");
    s.n_panels = 0;
    assert_sentence(&err, PNB_ERROR_USAGE, pnb_figure_scatter(&err, path, &s), "1 to 8 panels");
    assert_int_not_equal(access(path, F_OK), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_panels), cmocka_unit_test(test_ranges),
                                       cmocka_unit_test(test_refusals)};
    return cmocka_run_group_tests(tests, folder_setup, remove_empty_folder);
}

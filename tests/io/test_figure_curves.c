/* Curves: the picture's size, points where their values are, and values that cannot stand on a logarithmic axis. */
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

static void draw(const pnb_curve *curves, size_t n, size_t columns, pnb_array *out) {
    const char *path = in_folder("curves.png");
    if (pnb_figure_curves(&err, path, curves, n, columns) != PNB_OK) fail_msg("%s", err.message);
    assert_int_equal(pnb_image_read(&err, path, 3, out), PNB_OK);
    remove(path);
}

/* Mean height, in rows from the top, of the pixels that are red. */
static double height_of_red(const pnb_array *a) {
    const float *v = a->data;
    size_t h = (size_t)a->shape[1], w = (size_t)a->shape[2], n = 0;
    double sum = 0;
    for (size_t y = 0; y < h; y++) {
        for (size_t x = 0; x < w; x++) {
            const float *p = v + y * w + x;
            if (p[0] < p[h * w] + 0.5f) continue;
            sum += (double)y;
            n++;
        }
    }
    assert_true(n > 0);
    return sum / (double)n;
}

static void test_panels(void **state) {
    (void)state;
    const double x[] = {32, 64, 128, 256}, flat[] = {3, 3, 3, 3}, steep[] = {1, 4, 16, 64}, one[] = {1e-9};
    const pnb_curve c[] = {{"side", "flat", x, flat, 4, PNB_RED},
                           {"side", "steep", x, steep, 4, PNB_RED},
                           {"side", "one", x, one, 1, PNB_BLUE},
                           {"side", "none", NULL, NULL, 0, PNB_BLUE}};
    pnb_array a, b;
    draw(c, 4, 2, &a);
    draw(c, 1, 9, &b);
    assert_int_equal(a.shape[1], 2 * b.shape[1]);
    assert_int_equal(a.shape[2], 2 * b.shape[2]);
    double flat_height = height_of_red(&b);
    pnb_array_free(&b);
    draw(c + 1, 1, 1, &b);
    assert_true(fabs(flat_height - height_of_red(&b)) < 2); /* both about the middle of their axes */
    pnb_array_free(&a);
    pnb_array_free(&b);
}

static void test_refusals(void **state) {
    (void)state;
    const double x[] = {1, 2}, y[] = {1, 0};
    const pnb_curve c = {"side", "time", x, y, 2, PNB_BLUE};
    const char *path = in_folder("curves.png");
    assert_sentence(&err, PNB_ERROR_NUMERIC, pnb_figure_curves(&err, path, &c, 1, 1), "point 1 of 'time' is (2, 0)");
    assert_sentence(&err, PNB_ERROR_USAGE, pnb_figure_curves(&err, path, &c, 0, 1), "0 curves");
    assert_sentence(&err, PNB_ERROR_USAGE, pnb_figure_curves(&err, path, &c, 1, 0), "in 0 columns");
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_panels), cmocka_unit_test(test_refusals)};
    return cmocka_run_group_tests(tests, folder_setup, remove_empty_folder);
}

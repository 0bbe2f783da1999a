/* The canvas: what is drawn is where it should be; clipping; colour maps; ticks. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "io/figure.h"
#include "io/files.h"
#include "io/image.h"

#include <float.h>
#include <math.h>

static pnb_error err;

static pnb_figure *make(uint32_t width, uint32_t height) {
    pnb_figure *f;
    if (pnb_figure_create(&err, width, height, PNB_WHITE, &f) != PNB_OK) fail_msg("%s", err.message);
    return f;
}

static pnb_rgb at(const pnb_figure *f, uint32_t x, uint32_t y) {
    uint32_t width, height;
    const unsigned char *p = pnb_figure_pixels(f, &width, &height);
    assert_true(x < width && y < height);
    p += 3 * (y * width + x);
    return (pnb_rgb)p[0] << 16 | (pnb_rgb)p[1] << 8 | p[2];
}

static void test_shapes(void **state) {
    (void)state;
    pnb_figure *f = make(40, 30);
    pnb_figure_rect(f, 10, 5, 4, 3, PNB_RED, 1);
    assert_int_equal(at(f, 10, 5), PNB_RED);
    assert_int_equal(at(f, 13, 7), PNB_RED);
    assert_int_equal(at(f, 9, 5), PNB_WHITE);
    assert_int_equal(at(f, 14, 5), PNB_WHITE);
    assert_int_equal(at(f, 10, 8), PNB_WHITE);
    pnb_figure_rect(f, 20.5f, 5, 1, 1, 0x000000, 1); /* half of two pixels */
    assert_int_equal(at(f, 20, 5), 0x808080);
    assert_int_equal(at(f, 21, 5), 0x808080);
    pnb_figure_dot(f, 25.5f, 20.5f, 3, PNB_BLUE, 1);
    assert_int_equal(at(f, 25, 20), PNB_BLUE);
    assert_int_equal(at(f, 25, 24), PNB_WHITE);
    pnb_figure_line(f, 0.5f, 28.5f, 39.5f, 28.5f, 1, PNB_GREEN, 1);
    assert_int_equal(at(f, 20, 28), PNB_GREEN);
    assert_int_equal(at(f, 20, 26), PNB_WHITE);
    pnb_figure_frame(f, 1, 1, 6, 6, 1, PNB_INK);
    assert_int_equal(at(f, 1, 6), PNB_INK);
    assert_int_equal(at(f, 2, 2), PNB_WHITE);
    pnb_figure_destroy(&f);
    assert_null(f);
}

static void test_clipping(void **state) {
    (void)state;
    pnb_figure *f = make(8, 8);
    const float edge[] = {-FLT_MAX, -1e9f, -3, 0, 7.5f, 12, 1e9f, FLT_MAX, NAN, INFINITY};
    for (size_t i = 0; i < sizeof edge / sizeof *edge; i++) {
        for (size_t k = 0; k < sizeof edge / sizeof *edge; k++) {
            pnb_figure_dot(f, edge[i], edge[k], 2, PNB_RED, 0.5f);
            pnb_figure_line(f, edge[i], 1, edge[k], 5, 2, PNB_RED, 0.5f);
            pnb_figure_rect(f, edge[i], edge[k], 3, 3, PNB_RED, 0.5f);
            pnb_figure_text(f, edge[i], edge[k], 8, PNB_RED, PNB_ALIGN_CENTRE, "clip");
            pnb_figure_text_up(f, edge[i], edge[k], 8, PNB_RED, PNB_ALIGN_RIGHT, "clip");
        }
    }
    const float v[4] = {0, 1, 2, NAN};
    const pnb_picture p = {v, 1, 2, 2, 0, 1, PNB_MAP_VIRIDIS};
    pnb_figure_image(f, -3, -3, 20, 20, &p);
    pnb_figure_image(f, 5, 5, 1, 1, &p);
    pnb_figure_destroy(&f);
    assert_sentence(&err, PNB_ERROR_USAGE, pnb_figure_create(&err, 0, 5, PNB_WHITE, &f), "0 x 5 pixels");
    assert_sentence(&err, PNB_ERROR_USAGE, pnb_figure_create(&err, 100000, 5, PNB_WHITE, &f), "limit");
}

static void test_text(void **state) {
    (void)state;
    pnb_figure *f = make(60, 30);
    pnb_figure_text(f, 10, 20, 14, PNB_INK, PNB_ALIGN_LEFT, "I");
    assert_int_equal(at(f, 10, 12), at(f, 9, 12)); /* a stem on the pixel border, both sides alike */
    assert_true(at(f, 10, 12) != PNB_WHITE);
    assert_int_equal(at(f, 10, 3), PNB_WHITE);
    assert_int_equal(at(f, 10, 22), PNB_WHITE);
    assert_true(pnb_figure_text_width(10, "wide") > 2 * pnb_figure_text_width(10, "wi") * 0.8f);
    assert_true(pnb_figure_text_width(10, "") == 0);
    assert_true(fabsf(pnb_figure_text_width(20, "abc") - 2 * pnb_figure_text_width(10, "abc")) < 1e-3f);
    pnb_figure_destroy(&f);
}

static void test_images(void **state) {
    (void)state;
    pnb_figure *f = make(20, 20);
    const float grey[4] = {-1, 1, 0, 1}, rgb[12] = {1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0};
    const pnb_picture a = {grey, 1, 2, 2, -1, 1, PNB_MAP_NONE}, b = {rgb, 3, 2, 2, 0, 1, PNB_MAP_NONE};
    pnb_figure_image(f, 2, 2, 8, 8, &a);
    assert_int_equal(at(f, 2, 2), 0x000000);
    assert_int_equal(at(f, 5, 5), 0x000000);
    assert_int_equal(at(f, 6, 2), 0xffffff);
    assert_int_equal(at(f, 2, 6), 0x808080);
    pnb_figure_image(f, 0, 0, 2, 2, &b);
    assert_int_equal(at(f, 0, 0), 0xff0000);
    assert_int_equal(at(f, 1, 0), 0x00ff00);
    assert_int_equal(at(f, 0, 1), 0x0000ff);
    pnb_figure_image(f, 19, 19, 1, 1, &a); /* reduced: the mean */
    assert_int_equal(at(f, 19, 19), 0x9f9f9f);
    pnb_figure_destroy(&f);
}

static void test_maps(void **state) {
    (void)state;
    for (pnb_map map = PNB_MAP_NONE; map <= PNB_MAP_INFERNO; map++) {
        double last = -1;
        for (int i = 0; i <= 255; i++) { /* luminance grows along a map */
            pnb_rgb c = pnb_map_color(map, (float)i / 255);
            double light = 0.2126 * pow((c >> 16) / 255.0, 2.2) + 0.7152 * pow((c >> 8 & 255) / 255.0, 2.2) +
                           0.0722 * pow((c & 255) / 255.0, 2.2);
            assert_true(light >= last - 2e-3);
            last = light;
        }
    }
    assert_int_equal(pnb_map_color(PNB_MAP_VIRIDIS, -3), 0x440154);
    assert_int_equal(pnb_map_color(PNB_MAP_VIRIDIS, 3), 0xfde725);
    assert_int_equal(pnb_map_color(PNB_MAP_INFERNO, NAN), 0x000004);
}

static void test_ticks(void **state) {
    (void)state;
    double first, step;
    assert_int_equal(pnb_ticks(-6, 6, 8, &first, &step), 7);
    assert_true(first == -6 && step == 2);
    assert_int_equal(pnb_ticks(0.013, 0.087, 6, &first, &step), 4);
    assert_true(fabs(first - 0.02) < 1e-12 && fabs(step - 0.02) < 1e-12);
    const double odd[][2] = {{1, 1},   {2, 1},       {0, 1e-320}, {-1e308, 1e308}, {1e300, 1.0000001e300},
                             {0, NAN}, {0, INFINITY}};
    for (size_t i = 0; i < sizeof odd / sizeof *odd; i++)
        assert_true(pnb_ticks(odd[i][0], odd[i][1], 6, &first, &step) <= 6);
}

static void test_save(void **state) {
    (void)state;
    const char *path = in_folder("f.png");
    pnb_figure *f = make(5, 4);
    pnb_figure_rect(f, 0, 0, 1, 1, 0x0000ff, 1);
    assert_int_equal(pnb_figure_save_png(f, path), PNB_OK);
    pnb_array a;
    assert_int_equal(pnb_image_read(&err, path, 3, &a), PNB_OK);
    assert_true(a.shape[1] == 4 && a.shape[2] == 5 && a.data[0] == 0 && a.data[40] == 1);
    pnb_array_free(&a);
    remove(path);
    assert_sentence(&err, PNB_ERROR_INPUT, pnb_figure_save_png(f, in_folder("none/f.png")), "none/f.png");
    pnb_figure_destroy(&f);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_shapes), cmocka_unit_test(test_clipping), cmocka_unit_test(test_text),
        cmocka_unit_test(test_images), cmocka_unit_test(test_maps),     cmocka_unit_test(test_ticks),
        cmocka_unit_test(test_save),
    };
    return cmocka_run_group_tests(tests, folder_setup, remove_empty_folder);
}

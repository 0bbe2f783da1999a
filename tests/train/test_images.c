/* Training images from arrays, IDX files, pictures and folders; brought to a size; held out; refused in words. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "folder.h"
#include "io/image.h"
#include "io/npy.h"
#include "train/images.h"

#include <math.h>
#include <string.h>
#include <sys/stat.h>

static pnb_error err;

static const char *in_folder(const char *name) {
    static char path[128];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return path;
}

static void write_array(const char *name, uint32_t rank, const uint64_t *shape, const float *values) {
    assert_int_equal(pnb_npy_write(&err, in_folder(name), rank, shape, values), PNB_OK);
}

static void write_picture(const char *name, uint32_t side, float value) {
    float image[64];
    for (int i = 0; i < 64; i++) image[i] = value;
    assert_int_equal(pnb_image_write_png(&err, in_folder(name), 1, side, side, image), PNB_OK);
}

static pnb_images load(const char *name, pnb_images_params q) {
    pnb_images im;
    if (pnb_images_read(&err, in_folder(name), &q, &im) != PNB_OK) fail_msg("%s: %s", name, err.message);
    return im;
}

static void refused(const char *name, pnb_images_params q, const char *why) {
    pnb_images im;
    assert_int_equal(pnb_images_read(&err, in_folder(name), &q, &im), PNB_ERROR_INPUT);
    if (!strstr(err.message, why)) fail_msg("no '%s' in: %s", why, err.message);
    assert_null(im.data);
}

static void test_array(void **state) {
    (void)state;
    float values[2 * 3 * 4 * 4];
    for (int i = 0; i < 96; i++) values[i] = (float)(i % 7) / 7;
    write_array("stack.npy", 3, (uint64_t[]){6, 4, 4}, values);
    pnb_images im = load("stack.npy", (pnb_images_params){.channels = 1, .size = 4});
    assert_int_equal(im.n, 6);
    assert_memory_equal(im.data, values, sizeof values);
    pnb_images_free(&im);
    write_array("colour.npy", 4, (uint64_t[]){2, 3, 4, 4}, values);
    im = load("colour.npy", (pnb_images_params){.channels = 3, .size = 4});
    assert_int_equal(im.n, 2);
    assert_memory_equal(im.data, values, sizeof values);
    pnb_images_free(&im);
    im = load("stack.npy", (pnb_images_params){.channels = 1, .size = 4, .has_range = true, .low = 0, .high = 1});
    for (int i = 0; i < 96; i++) assert_true(fabsf(im.data[i] - (2 * values[i] - 1)) < 1e-6f);
    pnb_images_free(&im);
    refused("colour.npy", (pnb_images_params){.channels = 1, .size = 4}, "with 1 channels, found [2, 3, 4, 4]");
    refused("none.npy", (pnb_images_params){.channels = 1, .size = 4}, "no such file");
    for (int i = 0; i < 96; i++) values[i] *= 255;
    write_array("bytes.npy", 3, (uint64_t[]){6, 4, 4}, values);
    refused("bytes.npy", (pnb_images_params){.channels = 1, .size = 4}, "--range LOW,HIGH");
    values[5] = NAN;
    write_array("nan.npy", 3, (uint64_t[]){6, 4, 4}, values);
    refused("nan.npy", (pnb_images_params){.channels = 1, .size = 4}, "element 5 is not finite");
}

static void test_idx(void **state) {
    (void)state;
    static const unsigned char bytes[] = {0, 0, 8, 3, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 2, 0, 255, 51, 204};
    FILE *file = fopen(in_folder("t.idx"), "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, sizeof bytes, file), sizeof bytes);
    fclose(file);
    pnb_images im = load("t.idx", (pnb_images_params){.channels = 1, .size = 4});
    const float want[16] = {-1, -1, -1, -1, -1, -1, 1, -1, -1, -0.6f, 0.6f, -1, -1, -1, -1, -1};
    for (int i = 0; i < 16; i++) assert_true(fabsf(im.data[i] - want[i]) < 1e-6f);
    pnb_images_free(&im);
    refused("t.idx", (pnb_images_params){.channels = 3, .size = 4}, "3 channels");
}

/* Pictures in the order of their names, folders below included, other files passed over. */
static void test_folder(void **state) {
    (void)state;
    char path[128];
    snprintf(path, sizeof path, "%s/set", folder);
    assert_int_equal(mkdir(path, 0777), 0);
    refused("set", (pnb_images_params){.channels = 1, .size = 4}, "no images");
    snprintf(path, sizeof path, "%s/set/inner", folder);
    assert_int_equal(mkdir(path, 0777), 0);
    write_picture("set/b.png", 4, 1);
    write_picture("set/a.PNG", 8, 0);
    write_picture("set/inner/c.png", 4, 0.6f);
    FILE *file = fopen(in_folder("set/notes.txt"), "w");
    assert_non_null(file);
    fclose(file);
    pnb_images im = load("set", (pnb_images_params){.channels = 3, .size = 4});
    assert_int_equal(im.n, 3);
    const float want[3] = {-1, 1, 0.2f};
    for (int i = 0; i < 3; i++)
        for (int k = 0; k < 48; k++) assert_true(fabsf(im.data[48 * i + k] - want[i]) < 1e-6f);
    pnb_images_free(&im);
    refused("set/notes.txt", (pnb_images_params){.channels = 1, .size = 4}, "PNG, JPEG, TIFF, FITS, NPY or IDX");
}

static void test_fit(void **state) {
    (void)state;
    const float line[6] = {1, 2, 3, 4, 5, 6};
    float six[36], to[16];
    for (int i = 0; i < 36; i++) six[i] = line[i % 6];
    assert_int_equal(pnb_image_fit(&err, six, 1, 6, 6, false, 4, to), PNB_OK);
    const float areas[4] = {(1 + 0.5f * 2) / 1.5f, (0.5f * 2 + 3) / 1.5f, (4 + 0.5f * 5) / 1.5f, (0.5f * 5 + 6) / 1.5f};
    for (int i = 0; i < 16; i++) assert_true(fabsf(to[i] - areas[i % 4]) < 1e-6f);
    const float two[4] = {0, 1, 0, 1};
    assert_int_equal(pnb_image_fit(&err, two, 1, 2, 2, false, 4, to), PNB_OK);
    const float lines[4] = {0, 0.25f, 0.75f, 1};
    for (int i = 0; i < 16; i++) assert_true(fabsf(to[i] - lines[i % 4]) < 1e-6f);
    assert_int_equal(pnb_image_fit(&err, six, 1, 6, 6, true, 4, to), PNB_OK); /* cut */
    for (int i = 0; i < 16; i++) assert_true(to[i] == line[1 + i % 4]);
    assert_int_equal(pnb_image_fit(&err, six, 1, 4, 6, false, 4, to), PNB_OK); /* the square in the middle */
    for (int i = 0; i < 16; i++) assert_true(fabsf(to[i] - line[1 + i % 4]) < 1e-6f);
}

static void test_hold_out(void **state) {
    (void)state;
    float values[10];
    for (int i = 0; i < 10; i++) values[i] = 0.1f * (float)i;
    write_array("ten.npy", 3, (uint64_t[]){10, 1, 1}, values);
    pnb_images im = load("ten.npy", (pnb_images_params){.channels = 1, .size = 1}), held;
    assert_int_equal(pnb_images_hold_out(&err, &im, 2, &held), PNB_OK);
    assert_int_equal(im.n, 8);
    assert_int_equal(held.n, 2);
    assert_true(held.data[0] == values[2] && held.data[1] == values[7]);
    assert_true(im.data[1] == values[1] && im.data[2] == values[3] && im.data[7] == values[9]);
    pnb_images_free(&held);
    assert_int_equal(pnb_images_hold_out(&err, &im, 8, &held), PNB_ERROR_INPUT);
    pnb_images_free(&im);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_array), cmocka_unit_test(test_idx),
                                       cmocka_unit_test(test_folder), cmocka_unit_test(test_fit),
                                       cmocka_unit_test(test_hold_out)};
    if (folder_make()) return 1;
    int failures = cmocka_run_group_tests(tests, NULL, NULL);
    return folder_remove() ? 1 : failures;
}

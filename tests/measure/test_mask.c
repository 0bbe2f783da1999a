/* mask_box and mask: what is kept, what is hidden, and files that are no mask. */
#include "measure/rig.h"

#include "device_and_folder.h"
#include "io/image.h"
#include "io/npy.h"

static void reference(const pnb_operator *op, const double *x, double *y) {
    const float *m = pnb_operator_measured(op);
    for (uint64_t i = 0; i < pnb_shape_count(pnb_operator_image_shape(op)); i++) y[i] = m[i] != 0 ? x[i] : 0;
}

static void test_box(void **state) {
    pnb_operator *op = rig_make(state, "mask_box", "{\"top\": 1, \"left\": 2, \"height\": 3, \"width\": 4}", pnb_shape3(3, 8, 12));
    assert_int_equal(pnb_operator_measured_count(op), 3 * (96 - 12));
    const float *m = pnb_operator_measured(op);
    for (int i = 0; i < 3 * 96; i++) {
        int row = i / 12 % 8, column = i % 12;
        assert_true(m[i] == (row >= 1 && row < 4 && column >= 2 && column < 6 ? 0.0f : 1.0f));
    }
    rig_check(state, op, reference);
    pnb_operator_destroy(&op, test_gpu(state));
    op = rig_make(state, "mask_box", NULL, pnb_shape3(1, 7, 5)); /* 35 elements: no multiple of 4 */
    assert_int_equal(pnb_operator_measured_count(op), 35 - 3 * 2);
    rig_check(state, op, reference);
    cJSON *args = pnb_operator_args(op);
    char *text = cJSON_PrintUnformatted(args);
    assert_string_equal(text, "{\"type\":\"mask_box\",\"top\":2,\"left\":1,\"height\":3,\"width\":2}");
    cJSON_free(text);
    cJSON_Delete(args);
    pnb_operator_destroy(&op, test_gpu(state));
}

static void test_hidden_nan_stays_hidden(void **state) {
    pnb_operator *op = rig_make(state, "mask_box", "{\"top\": 0, \"left\": 0, \"height\": 1, \"width\": 1}", pnb_shape3(1, 2, 2));
    const float x[4] = {NAN, 1, 2, 3};
    float *y = rig_run(state, op, APPLY, 1, x);
    const float want[4] = {0, 1, 2, 3};
    assert_memory_equal(y, want, sizeof want);
    free(y);
    pnb_operator_destroy(&op, test_gpu(state));
}

static void write_npy(const char *path, uint32_t rank, const uint64_t *shape, const float *data) {
    pnb_error err = {0};
    TEST_OK(&err, pnb_npy_write(&err, path, rank, shape, data));
}

static void make_file_args(char *json, size_t bytes, const char *name) {
    snprintf(json, bytes, "{\"file\": \"%s/%s\"}", folder, name);
}

static void test_npy_file(void **state) {
    const float m[6] = {1, 0, 1, 0, 0, 1};
    char json[300];
    make_file_args(json, sizeof json, "m.npy");
    write_npy(in_folder("m.npy"), 2, (uint64_t[]){2, 3}, m); /* one plane for two channels */
    pnb_operator *op = rig_make(state, "mask", json, pnb_shape3(2, 2, 3));
    assert_int_equal(pnb_operator_measured_count(op), 6);
    for (int i = 0; i < 12; i++) assert_true(pnb_operator_measured(op)[i] == m[i % 6]);
    rig_check(state, op, reference);
    pnb_operator_destroy(&op, test_gpu(state));
    op = rig_make(state, "mask", json, pnb_shape3(1, 2, 3));
    pnb_operator_destroy(&op, test_gpu(state));
    rig_refuse("mask", json, pnb_shape3(1, 3, 2), "is [2, 3], the image is [1,3,2]");
    rig_refuse("mask", json, pnb_shape1(6), "is [2, 3], the image is [6]");
    write_npy(in_folder("m.npy"), 1, (uint64_t[]){6}, m);
    op = rig_make(state, "mask", json, pnb_shape1(6));
    rig_check(state, op, reference);
    pnb_operator_destroy(&op, test_gpu(state));
    rig_refuse("mask", json, pnb_shape3(1, 2, 3), "is [6], the image is [1,2,3]");
    const float grey[6] = {1, 0, 0.5f, 0, 0, 1}, none[6] = {0};
    write_npy(in_folder("m.npy"), 1, (uint64_t[]){6}, grey);
    rig_refuse("mask", json, pnb_shape1(6), "holds 0.5 at element 2, a mask holds 0 and 1 only");
    write_npy(in_folder("m.npy"), 1, (uint64_t[]){6}, none);
    rig_refuse("mask", json, pnb_shape1(6), "the mask hides every pixel");
    remove(in_folder("m.npy"));
}

static void test_png_file(void **state) {
    float m[40];
    for (int i = 0; i < 40; i++) m[i] = i % 3 == 0;
    pnb_error err = {0};
    TEST_OK(&err, pnb_image_write_png(&err, in_folder("m.png"), 1, 5, 8, m));
    cJSON *args = cJSON_Parse("{\"file\": \"m.png\"}"); /* relative to the folder of the problem */
    pnb_operator *op;
    TEST_OK(&err, pnb_operator_create(&err, "mask", args, pnb_shape3(3, 5, 8), folder, &op));
    cJSON_Delete(args);
    for (int i = 0; i < 120; i++) assert_true(pnb_operator_measured(op)[i] == m[i % 40]);
    pnb_operator_destroy(&op, NULL);
    (void)state;
    remove(in_folder("m.png"));
}

static void test_refused(void **state) {
    (void)state;
    pnb_shape image = pnb_shape3(1, 28, 28);
    rig_refuse("mask_box", "{\"top\": 20, \"height\": 9}", image,
               "the box of 9 x 14 pixels at row 20, column 7 leaves the image of 28 x 28 pixels");
    rig_refuse("mask_box", "{\"hight\": 9}", image, "operator mask_box: unknown key 'hight'; did you mean 'height'?");
    rig_refuse("mask_box", "{\"height\": 28, \"width\": 28}", image, "hides every pixel");
    rig_refuse("mask_box", "{\"top\": 1.5}", image, "top: expected a whole number");
    rig_refuse("mask_box", NULL, pnb_shape1(2), "it needs images [C,H,W], the prior makes vectors [2]");
    rig_refuse("mask", NULL, image, "'file' is missing");
    rig_refuse("mask", "{\"file\": 3}", image, "'file' must be a path in quotes");
    rig_refuse("mask", "{\"file\": \"/nonexistent/m.npy\"}", image, "/nonexistent/m.npy");
}

static void test_random(void **state) {
    pnb_operator *op = rig_make(state, "mask_random", "{\"fraction\": 0.7, \"seed\": 5}", pnb_shape3(3, 21, 20));
    assert_int_equal(pnb_operator_measured_count(op), 3 * (420 - 294));
    const float *m = pnb_operator_measured(op);
    for (int i = 420; i < 3 * 420; i++) assert_true(m[i] == m[i - 420]);
    rig_check(state, op, reference);
    pnb_operator *other = rig_make(state, "mask_random", "{\"fraction\": 0.7, \"seed\": 6}", pnb_shape3(3, 21, 20));
    assert_memory_not_equal(m, pnb_operator_measured(other), 420 * sizeof *m);
    pnb_operator_destroy(&other, test_gpu(state));
    pnb_operator_destroy(&op, test_gpu(state));
    op = rig_make(state, "mask_random", NULL, pnb_shape1(10)); /* vectors too */
    assert_int_equal(pnb_operator_measured_count(op), 3);
    pnb_operator_destroy(&op, test_gpu(state));
    rig_refuse("mask_random", "{\"fraction\": 1}", pnb_shape3(1, 4, 4), "the mask hides every pixel");
    rig_refuse("mask_random", "{\"fraction\": 1.5}", pnb_shape3(1, 4, 4), "expected a number from 0 to 1, found 1.5");
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_box), cmocka_unit_test(test_hidden_nan_stays_hidden),
                                       cmocka_unit_test(test_npy_file), cmocka_unit_test(test_png_file),
                                       cmocka_unit_test(test_random),
                                       cmocka_unit_test(test_refused)};
    return cmocka_run_group_tests(tests, device_and_folder_setup, device_and_folder_teardown);
}

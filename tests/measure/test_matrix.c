/* matrix: dense maps of vectors and images, from JSON and from files. */
#include "measure/rig.h"

#include "device_and_folder.h"
#include "io/npy.h"

static double ref_matrix[40 * 24];

static void reference(const pnb_operator *op, const double *x, double *y) {
    uint64_t n = pnb_shape_count(pnb_operator_image_shape(op)), m = pnb_shape_count(pnb_operator_measurement_shape(op));
    for (uint64_t i = 0; i < m; i++) {
        y[i] = 0;
        for (uint64_t j = 0; j < n; j++) y[i] += ref_matrix[i * n + j] * x[j];
    }
}

static void test_toy(void **state) {
    ref_matrix[0] = ref_matrix[1] = 0.7071067811865476;
    pnb_operator *op = rig_make(state, "matrix", "{\"matrix\": [[0.7071067811865476, 0.7071067811865476]]}", pnb_shape1(2));
    assert_int_equal(pnb_operator_measured_count(op), 1);
    assert_true(fabs(pnb_operator_norm(op) - 1) < 1e-6);
    rig_check(state, op, reference);
    const float y = 0.1f;
    float *x = rig_run(state, op, PINV, 1, &y);
    assert_true(fabs(x[0] - 0.0707107) < 1e-6 && fabs(x[1] - 0.0707107) < 1e-6);
    free(x);
    cJSON *args = pnb_operator_args(op);
    assert_non_null(cJSON_GetObjectItem(args, "matrix"));
    assert_string_equal(cJSON_GetObjectItem(args, "type")->valuestring, "matrix");
    cJSON_Delete(args);
    pnb_operator_destroy(&op, test_gpu(state));
}

static void check_file(void **state, uint32_t m, pnb_shape image) {
    uint32_t n = (uint32_t)pnb_shape_count(image);
    float *a = rig_random(m * n, 3);
    for (uint32_t i = 0; i < m * n; i++) ref_matrix[i] = a[i];
    pnb_error err = {0};
    TEST_OK(&err, pnb_npy_write(&err, in_folder("a.npy"), 2, (uint64_t[]){m, n}, a));
    char json[300];
    snprintf(json, sizeof json, "{\"matrix\": \"%s/a.npy\"}", folder);
    pnb_operator *op = rig_make(state, "matrix", json, image);
    assert_true(pnb_operator_has_pinv(op));
    rig_check(state, op, reference);
    pnb_operator_destroy(&op, test_gpu(state));
    rig_refuse("matrix", json, pnb_shape1(n + 1), "expected [m, ");
    remove(in_folder("a.npy"));
    free(a);
}

static void test_files(void **state) {
    check_file(state, 7, pnb_shape3(1, 4, 6));  /* wide, on images */
    check_file(state, 40, pnb_shape3(2, 3, 4)); /* tall */
    check_file(state, 5, pnb_shape1(5));
}

static void test_refused(void **state) {
    (void)state;
    pnb_shape two = pnb_shape1(2);
    rig_refuse("matrix", NULL, two, "'matrix' is missing");
    rig_refuse("matrix", "{\"matrix\": 3}", two, "'matrix' is [], expected rows of 2 numbers");
    rig_refuse("matrix", "{\"matrix\": []}", two, "'matrix' is [0], expected rows of 2 numbers");
    rig_refuse("matrix", "{\"matrix\": [1, 2]}", two, "'matrix' is [2], expected rows of 2 numbers");
    rig_refuse("matrix", "{\"matrix\": [[1, 2, 3]]}", two, "'matrix' is [1, 3], expected rows of 2 numbers");
    rig_refuse("matrix", "{\"matrix\": [[1, 2], [1]]}", two, "expected finite numbers in arrays of equal lengths");
    rig_refuse("matrix", "{\"matrix\": [[1, \"a\"]]}", two, "expected finite numbers in arrays of equal lengths");
    rig_refuse("matrix", "{\"matrix\": [[1, 1e300]]}", two, "row 0, column 1 is not finite");
    rig_refuse("matrix", "{\"matrix\": \"/nonexistent/a.npy\"}", two, "/nonexistent/a.npy");
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_toy), cmocka_unit_test(test_files), cmocka_unit_test(test_refused)};
    return cmocka_run_group_tests(tests, device_and_folder_setup, device_and_folder_teardown);
}

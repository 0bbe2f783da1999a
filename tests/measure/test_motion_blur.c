/* motion_blur: kernels from files with every border, generated ones, and files that are no kernel. */
#include "measure/kernels.h"

#include "measure/operator_type.h"

/* A crooked line of 9 x 7, mostly zero, and a dense kernel. */
static void test_files(void **state) {
    float line[63] = {0}, wide[63], dense[15], *random = rig_random(63, 7);
    for (int i = 0; i < 9; i++) line[i * 7 + (i * 5 / 9)] = 1 + 0.3f * (float)i;
    for (int i = 0; i < 15; i++) dense[i] = fabsf(random[i]) + 0.1f;
    for (int i = 0; i < 63; i++) wide[i] = fabsf(random[i]) + (i == 31 ? 30 : 0.1f);
    free(random);
    char json[400];
    for (ref_border = 0; ref_border < 3; ref_border++) {
        ref_set(9, 7, line, false);
        ref_write("line.npy", 9, 7, line, pnb_border_names[ref_border], json, sizeof json);
        pnb_operator *op = rig_make(state, "motion_blur", json, pnb_shape3(3, 12, 16));
        rig_check(state, op, ref_filter);
        pnb_operator_destroy(&op, test_gpu(state));
        op = rig_make(state, "motion_blur", json, pnb_shape3(1, 5, 9)); /* the kernel reaches over the whole image */
        rig_check(state, op, ref_filter);
        pnb_operator_destroy(&op, test_gpu(state));
        ref_set(3, 5, dense, false);
        ref_write("dense.npy", 3, 5, dense, pnb_border_names[ref_border], json, sizeof json);
        op = rig_make(state, "motion_blur", json, pnb_shape3(2, 11, 7));
        rig_check(state, op, ref_filter);
        pnb_operator_destroy(&op, test_gpu(state));
        ref_set(9, 7, wide, false); /* so many taps that an FFT makes it */
        ref_write("wide.npy", 9, 7, wide, pnb_border_names[ref_border], json, sizeof json);
        op = rig_make(state, "motion_blur", json, pnb_shape3(3, 12, 10));
        rig_check(state, op, ref_filter);
        pnb_operator_destroy(&op, test_gpu(state));
        op = rig_make(state, "motion_blur", json, pnb_shape3(2, 11, 7));
        rig_check(state, op, ref_filter);
        pnb_operator_destroy(&op, test_gpu(state));
    }
    remove(in_folder("wide.npy"));
    remove(in_folder("line.npy"));
    remove(in_folder("dense.npy"));
}

static void test_generated(void **state) {
    enum { SIDE = 65 };
    float *first = rig_answer(state, "motion_blur", NULL, SIDE), *again = rig_answer(state, "motion_blur", "{\"seed\": 0}", SIDE);
    assert_memory_equal(first, again, SIDE * SIDE * sizeof *first);
    int differ = 0;
    for (int seed = 1; seed < 6; seed++) {
        char json[64];
        snprintf(json, sizeof json, "{\"seed\": %d, \"intensity\": %g}", seed, 0.2 * seed);
        float *y = rig_answer(state, "motion_blur", json, SIDE);
        double sum = 0, row = 0, column = 0;
        int used = 0;
        for (int i = 0; i < SIDE * SIDE; i++) {
            assert_true(y[i] > -1e-6f); /* rounding of the FFT */
            sum += y[i];
            row += y[i] * (i / SIDE - SIDE / 2);
            column += y[i] * (i % SIDE - SIDE / 2);
            used += y[i] > 1e-5f;
        }
        assert_true(fabs(sum - 1) < 1e-5);                  /* it stays on its canvas, of which this image shows all */
        assert_true(fabs(row) < 12 && fabs(column) < 12);   /* near the centre: points are centred, not lengths */
        assert_true(used > 20 && used < 61 * 61 / 2);       /* a line */
        differ += memcmp(y, first, SIDE * SIDE * sizeof *y) != 0;
        free(y);
    }
    assert_int_equal(differ, 5);
    free(first);
    free(again);
}

static void test_refused(void **state) {
    (void)state;
    pnb_shape image = pnb_shape3(1, 64, 64);
    const float even[4] = {1, 1, 1, 1}, none[9] = {0};
    char json[400];
    rig_refuse("motion_blur", "{\"size\": 60}", image, "size must be odd, found 60");
    rig_refuse("motion_blur", NULL, pnb_shape3(1, 28, 28), "the kernel of 61 x 61 entries is too large for an image of 28 x 28 pixels");
    rig_refuse("motion_blur", "{\"file\": 3}", image, "'file' must be a path in quotes");
    rig_refuse("motion_blur", "{\"file\": \"/no/such/kernel.npy\"}", image, "/no/such/kernel.npy");
    ref_write("even.npy", 2, 2, even, "zero", json, sizeof json);
    rig_refuse("motion_blur", json, image, "has 2 x 2 entries; both must be odd");
    ref_write("even.npy", 3, 3, none, "zero", json, sizeof json);
    rig_refuse("motion_blur", json, image, "sum to 0, expected more than 0");
    ref_write("even.npy", 4, 1, even, "zero", json, sizeof json);
    pnb_error err = {0};
    TEST_OK(&err, pnb_npy_write(&err, in_folder("even.npy"), 1, (uint64_t[]){4}, even));
    rig_refuse("motion_blur", json, image, "is [4], expected a kernel [rows, columns]");
    remove(in_folder("even.npy"));
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_files), cmocka_unit_test(test_generated), cmocka_unit_test(test_refused)};
    return cmocka_run_group_tests(tests, device_and_folder_setup, device_and_folder_teardown);
}

/* From a camera's TIFF to TIFFs of results by the command: counts and pixel sizes kept, photon noise, pages, and what is refused. */
#include "cli/command.h"

#include "io/tiff.h"
#include "io/tiff_maker.h"

#include <math.h>

enum { H = 16, W = 8 };

/* Two pages of 16-bit counts between 100 and 1100; the second brighter by 50. */
static void write_counts(const char *path) {
    static maker m;
    double values[H * W];
    const kind k = {W, H, 16, 1, 1, 1, 0, "ImageJ=1.53f\nimages=2\nunit=nm\n", {1, 65}, 1};
    begin(&m, false);
    for (int page = 0; page < 2; page++) {
        for (int i = 0; i < H * W; i++) values[i] = 100 + i % 11 * 80 + 50 * page;
        add_page(&m, &k, values);
    }
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(m.bytes, 1, m.size, file), m.size);
    assert_int_equal(fclose(file), 0);
}

static void write_problem(const char *path, const char *measurement) {
    char text[1024];
    snprintf(text, sizeof text,
             "{\"prior\": {\"type\": \"random\", \"network\": \"garments\"}, \"size\": [%d, %d], \"operator\": {\"type\": \"psf\", "
             "\"na\": 1.4, \"wavelength_nm\": 525, \"pixel_nm\": 100}, \"measurement\": %s, "
             "\"noise\": {\"type\": \"poisson_gaussian\", \"photons\": 200, \"sigma\": 0.05}, "
             "\"method\": {\"type\": \"reddiff\", \"steps\": 4, \"particles\": 2}, \"seed\": 3}",
             H, W, measurement);
    write_text(path, text);
}

static pnb_array read_tiff(const char *path, pnb_tiff_info *info) {
    pnb_error err = {0};
    pnb_array a;
    if (pnb_tiff_read(&err, path, info, &a) != PNB_OK) fail_msg("%s", err.message);
    return a;
}

static pnb_array read_npy(const char *path) {
    pnb_error err = {0};
    pnb_array a;
    if (pnb_npy_read(&err, path, &a) != PNB_OK) fail_msg("%s", err.message);
    return a;
}

/* tif = low + scale * npy, with pixels of 65 nm. */
static void check_pair(const char *tif, const char *npy, uint64_t pages, double low, double scale) {
    pnb_tiff_info info;
    pnb_array t = read_tiff(tif, &info), n = read_npy(npy);
    assert_true(t.rank == 4 && t.shape[0] == pages && t.shape[2] == H && t.shape[3] == W && t.count == n.count);
    assert_true(!info.integer && info.bits == 32 && fabs(info.pixel_nm[0] - 65) < 1e-3 && fabs(info.pixel_nm[1] - 65) < 1e-3);
    for (uint64_t i = 0; i < t.count; i++) assert_true(fabs((double)t.data[i] - low - scale * (double)n.data[i]) < 1e-3 * scale);
    pnb_array_free(&t);
    pnb_array_free(&n);
}

static void test_counts_in_and_out(void **state) {
    shell *s = *state;
    write_counts("cells.tif");
    write_problem("p.json", "{\"file\": \"cells.tif\", \"black\": 100, \"white\": 1100, \"page\": 1}");
    RUN_OK(s, "solve p.json -o out --quiet");
    check_pair("out/mean.tif", "out/mean.npy", 1, 600, 500);
    check_pair("out/std.tif", "out/std.npy", 1, 0, 500);
    check_pair("out/samples.tif", "out/samples.npy", 2, 600, 500);
    static char text[1 << 20];
    read_text("out/run.json", text, sizeof text);
    cJSON *run = cJSON_Parse(text), *problem = cJSON_GetObjectItem(run, "problem"), *y = cJSON_GetObjectItem(problem, "measurement");
    assert_int_equal(cJSON_GetObjectItem(y, "page")->valueint, 1);
    assert_true(cJSON_GetObjectItem(y, "file")->valuestring[0] == '/');
    assert_string_equal(cJSON_GetObjectItem(cJSON_GetObjectItem(problem, "noise"), "type")->valuestring, "poisson_gaussian");
    assert_non_null(strstr(text, "pixel_nm is 100, the measurement's file says that its pixels are 65 nm"));
    cJSON_Delete(run);
    /* A run describes itself: the same bytes again. */
    RUN_OK(s, "solve out/run.json -o again --quiet");
    pnb_array a = read_npy("out/samples.npy"), b = read_npy("again/samples.npy");
    assert_memory_equal(a.data, b.data, a.count * sizeof *a.data);
    pnb_array_free(&a);
    pnb_array_free(&b);
    /* What is simulated from a picture of counts is read again. */
    RUN_OK(s, "simulate --problem p.json --x out/mean.npy -o y.tif --quiet");
    RUN_OK(s, "simulate --problem p.json --x out/mean.npy -o y.npy --quiet");
    pnb_array t = read_tiff("y.tif", NULL), n = read_npy("y.npy");
    assert_memory_equal(t.data, n.data, n.count * sizeof *n.data);
    pnb_array_free(&t);
    pnb_array_free(&n);
    RUN_OK(s, "inspect y.tif");
}

static void test_refused(void **state) {
    shell *s = *state;
    write_counts("cells.tif");
    write_problem("p.json", "\"cells.tif\"");
    expect_failure(s, NULL, "solve p.json -o x", 3, "has 2 pages: choose one");
    write_problem("p.json", "{\"file\": \"cells.tif\", \"page\": 2}");
    expect_failure(s, NULL, "solve p.json -o x", 3, "page 2: there are 2");
    write_problem("p.json", "{\"file\": \"cells.tif\", \"black\": 100}");
    expect_failure(s, NULL, "solve p.json -o x", 3, "measurement.white: missing");
    write_problem("p.json", "{\"file\": \"cells.tif\", \"black\": 100, \"white\": 50}");
    expect_failure(s, NULL, "solve p.json -o x", 3, "below white");
    write_problem("p.json", "{\"file\": \"cells.tif\", \"gamma\": 2}");
    expect_failure(s, NULL, "solve p.json -o x", 3, "gamma");
    static char bytes[1 << 12];
    FILE *file = fopen("cells.tif", "rb");
    assert_non_null(file);
    size_t size = fread(bytes, 1, sizeof bytes, file);
    fclose(file);
    file = fopen("cut.tif", "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, size / 2 + 40, file), size / 2 + 40);
    fclose(file);
    write_problem("p.json", "{\"file\": \"cut.tif\", \"page\": 0}");
    expect_failure(s, NULL, "solve p.json -o x", 3, "cut.tif");
    write_problem("p.json", "{\"file\": \"cells.tif\", \"page\": 0}");
    expect_failure(s, NULL, "solve p.json --method pigdm -o x --quiet", 3, "use ppm, dps, reddiff");
    expect_failure(s, NULL, "solve p.json --set noise.photons=-1 -o x --quiet", 3, "noise.photons");
    assert_false(file_exists("x"));
}

static void test_training_stack(void **state) {
    shell *s = *state;
    write_counts("cells.tif");
    expect_failure(s, NULL, "train --data cells.tif --size 8 --channels 1 --range 0,500 --preset tiny --steps 1 -o p.safetensors --quiet",
                   3, "outside of the range");
    RUN_OK(s, "train --data cells.tif --size 8 --channels 1 --range 0,1200 --preset tiny --steps 1 --set batch=2 --set validation=0 -o "
              "p.safetensors --quiet");
}

int main(void) {
#ifndef PNB_LIBTIFF
    fprintf(stderr, "skipped: this build has no libtiff\n");
    return 77;
#endif
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_counts_in_and_out), cmocka_unit_test(test_refused),
                                       cmocka_unit_test(test_training_stack)};
    return cmocka_run_group_tests(tests, shell_setup, shell_teardown);
}

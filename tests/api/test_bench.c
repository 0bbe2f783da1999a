/* The benchmark's JSON: what is asked for is there, with the fields that others read. No time is judged. */
#include "device.h"

#include "penumbra/penumbra.h"

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <string.h>

static pnb_context *context(void) {
    pnb_context *ctx = NULL;
    pnb_context_params params = PNB_CONTEXT_DEFAULTS;
    params.cache_dir = "";
    params.validate = pnb_gpu_has_validation();
    assert_int_equal(pnb_context_create(&params, &ctx), PNB_OK);
    return ctx;
}

static cJSON *bench(pnb_context *ctx, const pnb_bench_params *params) {
    char *text = NULL;
    if (pnb_bench(ctx, params, &text) != PNB_OK) fail_msg("%s", pnb_last_error(ctx));
    cJSON *json = cJSON_Parse(text);
    assert_non_null(json);
    pnb_free(text);
    assert_non_null(cJSON_GetObjectItem(cJSON_GetObjectItem(json, "device"), "name"));
    assert_string_equal(cJSON_GetStringValue(cJSON_GetObjectItem(json, "version")), pnb_version());
    return json;
}

static double number(const cJSON *row, const char *key) {
    const cJSON *v = cJSON_GetObjectItemCaseSensitive(row, key);
    if (!cJSON_IsNumber(v)) fail_msg("%s is no number", key);
    return v->valuedouble;
}

static void check_times(const cJSON *row, uint32_t repeat) {
    static const char *const keys[] = {"min", "q1", "median", "q3", "max"};
    const cJSON *ms = cJSON_GetObjectItemCaseSensitive(row, "ms");
    double last = 0;
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        assert_true(number(ms, keys[i]) >= last);
        last = number(ms, keys[i]);
    }
    assert_true(last > 0);
    assert_true(number(row, "repeat") == repeat);
    assert_true(number(row, "gflops") >= 0 && number(row, "gbps") >= 0);
}

/* The device's own roof, and a row's rates as shares of it. */
static void check_shares(const cJSON *json, const cJSON *row) {
    const cJSON *peak = cJSON_GetObjectItemCaseSensitive(json, "peak");
    double gflops = number(peak, "gflops"), gbps = number(peak, "gbps");
    assert_true(gflops > 0.1 && gbps > 0.01 && cJSON_IsString(cJSON_GetObjectItem(peak, "copy")));
    assert_float_equal(number(row, "copy_share"), number(row, "gbps") / gbps, 1e-6);
    assert_float_equal(number(row, "peak_share"), number(row, "gflops") / gflops, 1e-6);
}

static void check_word(const cJSON *row, const char *key, const char *word) {
    const char *found = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(row, key));
    if (!found || strcmp(found, word) != 0) fail_msg("%s: expected %s, found %s", key, word, found ? found : "none");
}

static void test_ops(void **state) {
    (void)state;
    pnb_context *ctx = context();
    pnb_bench_params params = PNB_BENCH_DEFAULTS;
    params.ops = "^linear$";
    params.cases = "128 to 512";
    params.repeat = 3;
    cJSON *json = bench(ctx, &params), *rows = cJSON_GetObjectItem(json, "rows");
    static const char *const passes[] = {"forward", "input", "weight"};
    assert_int_equal(cJSON_GetArraySize(rows), 3);
    for (int i = 0; i < 3; i++) {
        const cJSON *row = cJSON_GetArrayItem(rows, i);
        check_word(row, "op", "linear");
        check_word(row, "case", "bench n16 128 to 512");
        check_word(row, "pass", passes[i]);
        assert_true(cJSON_IsString(cJSON_GetObjectItem(row, "kernel")));
        check_times(row, 3);
        assert_true(number(row, "gflops") > 0);
        if (i == 0) check_shares(json, row);
    }
    assert_null(cJSON_GetObjectItem(json, "steps"));
    cJSON_Delete(json);
    params.cases = "no such case";
    char *text = NULL;
    assert_int_equal(pnb_bench(ctx, &params, &text), PNB_ERROR_USAGE);
    assert_non_null(strstr(pnb_last_error(ctx), "ops: no op has a name that matches '^linear$'"));
    assert_null(text);
    pnb_context_destroy(&ctx);
}

/* What a timed whole has beside its times: the sums of its profile agree with it. */
static void check_work(const cJSON *row, bool timestamps) {
    assert_true(number(row, "planned_bytes") > 0 && number(row, "build_seconds") > 0 && number(row, "first_ms") > 0);
    assert_true(cJSON_GetArraySize(cJSON_GetObjectItem(row, "programs")) > 0);
    if (!timestamps) return;
    double dispatches = 0, gflop = 0;
    const cJSON *item;
    cJSON_ArrayForEach(item, cJSON_GetObjectItem(row, "profile")) {
        assert_true(cJSON_IsString(cJSON_GetObjectItem(item, "op")) &&
                    cJSON_IsString(cJSON_GetObjectItem(item, "kernel")));
        assert_true(number(item, "ms") >= 0 && number(item, "dispatches") >= 1);
        dispatches += number(item, "dispatches");
        gflop += number(item, "gflop");
    }
    assert_true(dispatches > 0 && dispatches == number(row, "dispatches"));
    assert_true(gflop >= 0.999 * number(row, "gflop") && gflop <= 1.001 * number(row, "gflop"));
    assert_true(number(row, "kernel_ms") > 0 && number(row, "outside_kernels") < 1);
}

static const char toy[] =
    "{\"prior\": {\"type\": \"gmm\", \"weights\": [1, 1], \"means\": [[0, 4], [0, -4]], \"covariances\":"
    " [[[0.1, 0], [0, 0.1]], [[0.1, 0], [0, 0.1]]]},"
    " \"operator\": {\"type\": \"matrix\", \"matrix\": [[1, 0]]}, \"measurement\": [0.0],"
    " \"noise\": {\"type\": \"gaussian\", \"sigma\": 0.3}, \"method\": {\"type\": \"ppm\", \"particles\": 4}}";

static cJSON *bench_toy(pnb_context *ctx) {
    char path[] = "/tmp/penumbra-bench-XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    FILE *f = fdopen(fd, "w");
    fputs(toy, f);
    fclose(f);
    pnb_bench_params params = PNB_BENCH_DEFAULTS;
    params.step = 1;
    params.problem = path;
    params.repeat = 2;
    cJSON *json = bench(ctx, &params);
    remove(path);
    return json;
}

static void test_step(void **state) {
    pnb_context *ctx = context();
    cJSON *json = bench_toy(ctx), *steps = cJSON_GetObjectItem(json, "steps");
    assert_int_equal(cJSON_GetArraySize(steps), 1);
    const cJSON *row = cJSON_GetArrayItem(steps, 0);
    check_word(row, "step", "ppm");
    assert_true(number(row, "particles") == 4);
    check_times(row, 2);
    check_work(row, pnb_gpu_get_caps(test_gpu(state))->timestamp_ns > 0);
    check_shares(json, row);
    assert_null(cJSON_GetObjectItem(json, "rows"));
    cJSON_Delete(json);
    assert_int_equal(pnb_context_validation_messages(ctx), 0);
    pnb_context_destroy(&ctx);
}

static void test_network(void **state) {
    pnb_context *ctx = context();
    pnb_bench_params params = PNB_BENCH_DEFAULTS;
    params.network = "garments";
    params.repeat = 1;
    params.batch = 2;
    cJSON *json = bench(ctx, &params), *rows = cJSON_GetObjectItem(json, "networks");
    assert_int_equal(cJSON_GetArraySize(rows), 2);
    for (int i = 0; i < 2; i++) {
        const cJSON *row = cJSON_GetArrayItem(rows, i);
        check_word(row, "network", "garments");
        check_word(row, "pass", i ? "forward+input" : "forward");
        check_word(row, "input", "[2,1,32,32]");
        assert_true(number(row, "parameters") == 3368225);
        check_times(row, 1);
        check_work(row, pnb_gpu_get_caps(test_gpu(state))->timestamp_ns > 0);
    }
    cJSON_Delete(json);
    params.network = "garment";
    char *text = NULL;
    assert_int_equal(pnb_bench(ctx, &params, &text), PNB_ERROR_USAGE);
    assert_string_equal(pnb_last_error(ctx),
                        "there is no network preset 'garment'; there are garments, ffhq256, imagenet256");
    assert_int_equal(pnb_context_validation_messages(ctx), 0);
    pnb_context_destroy(&ctx);
}

/* Series of one point each, as no step is to take longer than a microsecond. */
static void test_scaling(void **state) {
    pnb_context *ctx = context();
    pnb_bench_params params = PNB_BENCH_DEFAULTS;
    params.scaling = 1;
    params.longest_step = 1e-6;
    params.repeat = 1;
    params.figure = "/tmp/penumbra-test-scaling.png";
    cJSON *json = bench(ctx, &params), *rows = cJSON_GetObjectItem(json, "scaling");
    static const char *const names[] = {"size", "particles", "width"};
    assert_int_equal(cJSON_GetArraySize(rows), 3);
    assert_int_equal(cJSON_GetArraySize(cJSON_GetObjectItem(json, "notes")), 3);
    for (int i = 0; i < 3; i++) {
        const cJSON *row = cJSON_GetArrayItem(rows, i);
        double pixels = 32 * 32 * number(row, "particles"), ms = number(cJSON_GetObjectItem(row, "ms"), "median");
        check_word(row, "scaling", names[i]);
        check_word(row, "image", "[1,32,32]");
        assert_true(number(row, "channels") == 32 && number(row, "particles") == (i == 2 ? 8 : 1));
        assert_true(number(row, "planned_bytes") > 1e6);
        assert_float_equal(number(row, "us_per_pixel_particle"), 1e3 * ms / pixels, 1e-6 * ms);
    }
    assert_null(cJSON_GetObjectItem(json, "rows"));
    cJSON_Delete(json);
    assert_int_equal(remove(params.figure), 0);
    assert_int_equal(pnb_context_validation_messages(ctx), 0);
    pnb_context_destroy(&ctx);
    (void)state;
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_ops), cmocka_unit_test(test_step),
                                       cmocka_unit_test(test_network), cmocka_unit_test(test_scaling)};
    return cmocka_run_group_tests(tests, test_device_setup, test_device_teardown);
}

/* Tuning through the public API: the table that is kept and found again, results within tolerance, and resuming. */
#include "device.h"
#include "folder.h"

#include "penumbra/penumbra.h"

#include <cjson/cJSON.h>
#include <dirent.h>
#include <math.h>
#include <string.h>

static int setup(void **state) {
    return folder_make() ? -1 : test_device_setup(state);
}

static int teardown(void **state) {
    return folder_remove() ? -1 : test_device_teardown(state);
}

#define OK(ctx, call)                                                                                                  \
    do {                                                                                                               \
        if ((call) != PNB_OK) fail_msg("%s: %s", #call, pnb_last_error(ctx));                                          \
    } while (0)

/* 2 particles of 16 x 16: the network's kernels at sizes that take little time. */
static const char small[] =
    "{\"prior\": {\"type\": \"random\", \"network\": \"garments\"}, \"size\": [16, 16],"
    " \"operator\": {\"type\": \"mask_box\", \"top\": 4, \"left\": 4, \"height\": 6, \"width\": 6},"
    " \"measurement\": \"%s/y.npy\", \"noise\": {\"type\": \"gaussian\", \"sigma\": 0.1},"
    " \"method\": {\"type\": \"ppm\", \"particles\": 2, \"init_steps\": 0, \"steps\": 3, \"aux_steps\": 1, \"aux_warmup\": 0, "
    "\"finish\": \"none\"},"
    " \"seed\": 3}";

static pnb_context *context(int no_tuning) {
    pnb_context *ctx = NULL;
    pnb_context_params params = PNB_CONTEXT_DEFAULTS;
    params.cache_dir = folder;
    params.no_tuning = no_tuning;
    assert_int_equal(pnb_context_create(&params, &ctx), PNB_OK);
    return ctx;
}

static pnb_problem *problem(pnb_context *ctx) {
    float y[256];
    char path[256], text[1024];
    pnb_extent extent = {3, {1, 16, 16}};
    pnb_problem *p = NULL;
    for (int i = 0; i < 256; i++) y[i] = 0.5f * sinf(0.1f * (float)i);
    snprintf(path, sizeof path, "%s/y.npy", folder);
    OK(ctx, pnb_ndarray_write(ctx, path, y, &extent));
    snprintf(text, sizeof text, small, folder);
    OK(ctx, pnb_problem_parse(ctx, text, NULL, &p));
    return p;
}

typedef struct result {
    float samples[512];
    char tuning[32];
} result;

static void solve(pnb_context *ctx, result *out) {
    pnb_problem *p = problem(ctx);
    pnb_run *run = NULL;
    char *json;
    OK(ctx, pnb_run_create(p, &run));
    OK(ctx, pnb_run_advance(run, 0, NULL, NULL));
    OK(ctx, pnb_run_samples(run, out->samples));
    OK(ctx, pnb_run_json(run, &json));
    cJSON *root = cJSON_Parse(json);
    const char *tuning = cJSON_GetStringValue(cJSON_GetObjectItem(root, "tuning"));
    assert_non_null(tuning);
    snprintf(out->tuning, sizeof out->tuning, "%s", tuning);
    cJSON_Delete(root);
    pnb_free(json);
    pnb_run_destroy(&run);
    pnb_problem_destroy(&p);
}

/* The table that the cache folder holds, into path; "" for none. */
static void find_table(char *path, size_t bytes) {
    DIR *d = opendir(folder);
    path[0] = 0;
    for (struct dirent *e; (e = readdir(d));) {
        if (strncmp(e->d_name, "choices-", 8) == 0) snprintf(path, bytes, "%s/%s", folder, e->d_name);
    }
    closedir(d);
}

static int count_calls(void *user, uint32_t done, uint32_t all) {
    uint32_t *calls = user;
    ++*calls;
    assert_true(done >= 1 && done <= all);
    return 0;
}

static int stop(void *user, uint32_t done, uint32_t all) {
    (void)user;
    return done > 0 && all > 0;
}

/* Whether the device can be tuned: it has timestamps. */
static bool tunable(void **state) {
    return pnb_gpu_get_caps(test_gpu(state))->timestamp_ns > 0;
}

static void test_tune(void **state) {
    pnb_context *ctx = context(0);
    pnb_problem *p = problem(ctx);
    pnb_tune_params params = PNB_TUNE_DEFAULTS;
    uint32_t calls = 0;
    char *text = NULL, path[512];
    params.progress = stop;
    if (!tunable(state)) {
        assert_int_equal(pnb_tune(p, NULL, &text), PNB_ERROR_USAGE);
    } else {
        assert_int_equal(pnb_tune(p, &params, &text), PNB_ERROR_CANCELLED);
        find_table(path, sizeof path);
        assert_string_equal(path, "");
        params.progress = count_calls;
        params.user = &calls;
        OK(ctx, pnb_tune(p, &params, &text));
        cJSON *root = cJSON_Parse(text), *row;
        assert_true(calls >= 4);
        find_table(path, sizeof path);
        assert_string_equal(cJSON_GetStringValue(cJSON_GetObjectItem(root, "file")), path);
        assert_int_equal(strlen(cJSON_GetStringValue(cJSON_GetObjectItem(root, "tuning"))), 16);
        assert_true(cJSON_GetArraySize(cJSON_GetObjectItem(root, "rows")) > 0);
        cJSON_ArrayForEach(row, cJSON_GetObjectItem(root, "rows")) {
            assert_non_null(cJSON_GetStringValue(cJSON_GetObjectItem(row, "key")));
            assert_non_null(cJSON_GetStringValue(cJSON_GetObjectItem(row, "winner")));
            assert_non_null(cJSON_GetStringValue(cJSON_GetObjectItem(row, "preferred")));
            assert_true(cJSON_GetNumberValue(cJSON_GetObjectItem(row, "ms")) > 0);
            assert_true(cJSON_GetNumberValue(cJSON_GetObjectItem(row, "preferred_ms")) > 0);
        }
        cJSON_Delete(root);
        pnb_free(text);
        params.missing_only = 1;
        calls = 0;
        OK(ctx, pnb_tune(p, &params, &text));
        assert_int_equal(calls, 0);
        pnb_free(text);
    }
    pnb_problem_destroy(&p);
    pnb_context_destroy(&ctx);
}

/* Rewrites the table so that every convolution takes another candidate than by default. */
static void turn_table(const char *from, const char *to) {
    char path[512], out[600], line[512];
    find_table(path, sizeof path);
    assert_string_not_equal(path, "");
    snprintf(out, sizeof out, "%s.new", path);
    FILE *f = fopen(path, "r"), *g = fopen(out, "w");
    assert_non_null(f);
    assert_non_null(g);
    while (fgets(line, sizeof line, f)) {
        char *at = strstr(line, "\": \"");
        if (strstr(line, from) && at)
            fprintf(g, "%.*s\": \"%s\"%s", (int)(at - line), line, to, strchr(line, ',') ? ",\n" : "\n");
        else
            fputs(line, g);
    }
    fclose(f);
    fclose(g);
    assert_int_equal(rename(out, path), 0);
}

static double difference(const float *a, const float *b, int n) {
    double most = 0, scale = 0;
    for (int i = 0; i < n; i++) {
        most = fmax(most, fabs((double)a[i] - b[i]));
        scale = fmax(scale, fabs((double)a[i]));
    }
    return most / scale;
}

/* Each candidate everywhere: other bytes or the same, but the same samples within what rounding does in three steps;
 * with no_tuning always the bytes of an untuned run. */
static void test_results(void **state) {
    if (!tunable(state)) skip();
    static const char *const ways[] = {"direct", "winograd 2", "winograd 4"};
    static result plain, again, tuned;
    pnb_context *ctx = context(1);
    solve(ctx, &plain);
    assert_string_equal(plain.tuning, "none");
    pnb_context_destroy(&ctx);
    for (int i = 0; i < 3; i++) {
        turn_table("conv2d 3x3", ways[i]);
        ctx = context(0);
        solve(ctx, &tuned);
        assert_string_not_equal(tuned.tuning, "none");
        if (difference(plain.samples, tuned.samples, 512) > 2e-3) {
            fail_msg("%s: samples differ by %g", ways[i], difference(plain.samples, tuned.samples, 512));
        }
        if (i == 0) {
            solve(ctx, &again);
            assert_memory_equal(again.samples, tuned.samples, sizeof again.samples);
        }
        pnb_context_destroy(&ctx);
    }
    ctx = context(1);
    solve(ctx, &again);
    assert_memory_equal(again.samples, plain.samples, sizeof again.samples);
    pnb_context_destroy(&ctx);
}

/* A run that saves after its first step, or one that goes on from there, to its end. */
static void solve_from(pnb_context *ctx, const char *path, bool save, float *out) {
    pnb_problem *p = problem(ctx);
    pnb_run *run = NULL;
    OK(ctx, pnb_run_create(p, &run));
    if (save) OK(ctx, pnb_run_advance(run, 1, NULL, NULL));
    if (save) OK(ctx, pnb_run_save(run, path));
    if (!save) OK(ctx, pnb_run_load(run, path));
    OK(ctx, pnb_run_advance(run, 0, NULL, NULL));
    OK(ctx, pnb_run_samples(run, out));
    pnb_run_destroy(&run);
    pnb_problem_destroy(&p);
}

/* A checkpoint goes on with the kernels that its run took, whatever was tuned in between. */
static void test_resume(void **state) {
    if (!tunable(state)) skip();
    static float first[512], again[512], other[512];
    char path[256];
    snprintf(path, sizeof path, "%s/checkpoint", folder);
    turn_table("conv2d 3x3", "winograd 2");
    pnb_context *ctx = context(0);
    solve_from(ctx, path, true, first);
    pnb_context_destroy(&ctx);
    turn_table("conv2d 3x3", "direct");
    for (int no_tuning = 0; no_tuning < 2; no_tuning++) {
        ctx = context(no_tuning);
        solve_from(ctx, path, false, again);
        assert_memory_equal(again, first, sizeof first);
        pnb_context_destroy(&ctx);
    }
    ctx = context(0);
    snprintf(path, sizeof path, "%s/other", folder);
    solve_from(ctx, path, true, other); /* and the table does make a difference */
    assert_true(memcmp(other, first, sizeof first) != 0);
    pnb_context_destroy(&ctx);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_tune), cmocka_unit_test(test_results),
                                       cmocka_unit_test(test_resume)};
    return cmocka_run_group_tests(tests, setup, teardown);
}

/* Images of sizes that a prior's network does not take, which are padded and said to be; and a prior's memory at a
 * size. */
#include "cli/command.h"

#include <math.h>

#define PRIOR PNB_SOURCE_DIR "/assets/garments.safetensors"

static void assert_shape(const char *path, uint32_t rank, const uint64_t *shape) {
    pnb_error err = {0};
    pnb_array a;
    if (pnb_npy_read(&err, path, &a) != PNB_OK) fail_msg("%s", err.message);
    assert_int_equal(a.rank, rank);
    for (uint32_t i = 0; i < rank; i++) assert_int_equal(a.shape[i], shape[i]);
    pnb_array_free(&a);
}

static void test_sample_and_predict(void **state) {
    shell *s = *state;
    static float x[20 * 28];
    RUN_OK(s, "sample --prior " PRIOR " -n 2 --steps 2 --size 20x28 -o draws");
    assert_non_null(strstr(s->err, "images of 20 x 28 are mirrored at their edges to 24 x 32"));
    assert_shape("draws/samples.npy", 4, (uint64_t[]){2, 1, 20, 28});
    static char text[1 << 16];
    assert_true(read_text("draws/run.json", text, sizeof text) > 0);
    assert_non_null(strstr(text, "mirrored at their edges"));
    expect_failure(s, NULL, "sample --prior " PRIOR " -n 512 --steps 2 -o many --memory 100M --quiet", 6,
                   "at a time fit");
    write_npy("x.npy", 2, (uint64_t[]){20, 28}, x);
    RUN_OK(s, "predict --prior " PRIOR " --x x.npy --t 100 -o eps.npy");
    assert_non_null(strstr(s->err, "to 24 x 32"));
    assert_shape("eps.npy", 2, (uint64_t[]){20, 28});
    write_npy("small.npy", 2, (uint64_t[]){20, 3}, x);
    expect_failure(s, NULL, "predict --prior " PRIOR " --x small.npy --t 100 -o y.npy --quiet", 3,
                   "20 x 3 is too small");
}

/* 16-bit storage by flag and by problem.json: close, not equal, and written down in the run. */
static void test_fp16(void **state) {
    shell *s = *state;
    static float x[32 * 32];
    static const char *const file[] = {"full.npy", "flag.npy", "problem.npy"};
    pnb_array a[3];
    static char text[1 << 16];
    for (int i = 0; i < 32 * 32; i++) x[i] = (float)(i % 13) / 6 - 1;
    write_npy("x32.npy", 2, (uint64_t[]){32, 32}, x);
    write_text("half.json", "{\"prior\": {\"file\": \"" PRIOR "\", \"precision\": \"fp16\"}, \"truth\": \"x32.npy\","
                            " \"operator\": {\"type\": \"identity\"}, \"noise\": {\"type\": \"gaussian\", \"sigma\": 0.5},"
                            " \"method\": {\"type\": \"dps\", \"particles\": 1, \"steps\": 2}}");
    RUN_OK(s, "predict --prior " PRIOR " --x x32.npy --t 100 -o full.npy");
    RUN_OK(s, "predict --prior " PRIOR " --fp16 --x x32.npy --t 100 -o flag.npy");
    RUN_OK(s, "predict --prior half.json --x x32.npy --t 100 -o problem.npy");
    for (int i = 0; i < 3; i++) assert_int_equal(pnb_npy_read(NULL, file[i], &a[i]), PNB_OK);
    assert_memory_equal(a[1].data, a[2].data, sizeof x);
    double most = 0, off = 0;
    for (int i = 0; i < 32 * 32; i++) {
        double p = (double)a[0].data[i], q = (double)a[1].data[i];
        most = fmax(most, fabs(p));
        off = fmax(off, fabs(p - q));
    }
    assert_true(off > 1e-6 * most && off <= 2e-2 * most);
    for (int i = 0; i < 3; i++) pnb_array_free(&a[i]);
    RUN_OK(s, "solve half.json -o half");
    assert_true(read_text("half/run.json", text, sizeof text) > 0);
    assert_non_null(strstr(text, "fp16"));
    write_text("bad.json", "{\"prior\": {\"file\": \"" PRIOR "\", \"precision\": \"fp8\"}}");
    expect_failure(s, NULL, "solve bad.json -o bad", 3, "fp8");
}

/* The operator and the measurement are of the true size. */
static void test_solve(void **state) {
    shell *s = *state;
    static float y[20 * 28];
    write_npy("y.npy", 3, (uint64_t[]){1, 20, 28}, y);
    write_text("odd.json",
               "{\"prior\": {\"file\": \"" PRIOR "\"}, \"size\": [20, 28], \"measurement\": \"y.npy\","
               " \"operator\": {\"type\": \"mask_box\", \"top\": 2, \"left\": 20, \"height\": 18, \"width\": 8},"
               " \"noise\": {\"type\": \"gaussian\", \"sigma\": 0.05}, \"method\": {\"type\": \"ppm\","
               " \"particles\": 2, \"steps\": 1, \"aux_warmup\": 0, \"finish\": \"none\"}}");
    RUN_OK(s, "solve odd.json -o odd");
    assert_non_null(strstr(s->err, "to 24 x 32"));
    assert_shape("odd/samples.npy", 4, (uint64_t[]){2, 1, 20, 28});
    expect_failure(s, NULL, "solve odd.json -o big --particles 64 --memory 100M --quiet", 6, "nothing was allocated");
    assert_non_null(strstr(s->err, "fit"));
    assert_false(file_exists("big/samples.npy"));
}

static double memory_at(shell *s, const char *words, const char *key) {
    RUN_OK(s, words);
    cJSON *json = cJSON_Parse(s->out);
    const cJSON *memory = cJSON_GetObjectItem(json, "memory_bytes"), *value = cJSON_GetObjectItem(memory, key);
    assert_true(cJSON_IsNumber(value));
    double bytes = value->valuedouble;
    cJSON_Delete(json);
    return bytes;
}

static void test_inspect(void **state) {
    shell *s = *state;
    double one = memory_at(s, "inspect " PRIOR " --json", "forward");
    assert_true(memory_at(s, "inspect " PRIOR " --json --batch 8 --size 64x32", "forward") > 1.3 * one);
    assert_true(memory_at(s, "inspect " PRIOR " --json --fp16", "forward") < 0.9 * one);
    double step = memory_at(s, "inspect " PRIOR " --json --particles 2", "step");
    assert_true(memory_at(s, "inspect " PRIOR " --json --particles 16", "step") > 2 * step);
    assert_true(memory_at(s, "inspect " PRIOR " --json --particles 2", "step_checkpointed") < step);
    RUN_OK(s, "inspect " PRIOR " --particles 3");
    assert_non_null(strstr(s->out, "32 x 32, 3 particles"));
    double whole = memory_at(s, "inspect " PRIOR " --json --size 96x64 --particles 2", "step");
    double tiled = memory_at(s, "inspect " PRIOR " --json --size 96x64 --particles 2 --tile 32", "step");
    assert_true(tiled > 1.2 * whole); /* 4 x 3 tiles, a third of whose pixels are seen twice */
    assert_true(memory_at(s, "inspect " PRIOR " --json --size 96x64 --particles 2 --tile 32 --overlap 16", "step") > tiled);
    RUN_OK(s, "inspect " PRIOR " --size 96x64 --tile 32");
    assert_non_null(strstr(s->out, "96 x 64 in tiles of 32, 8 particles"));
    expect_failure(s, NULL, "inspect " PRIOR " --tile 20", 3, "expected a multiple of 8");
    expect_failure(s, NULL, "inspect " PRIOR " --overlap 4", 2, "--overlap");
    expect_failure(s, NULL, "inspect " PRIOR " --tile 32 --overlap 17", 2, "1 to half of a --tile");
    expect_failure(s, NULL, "inspect " PRIOR " --size 64", 2, "HEIGHTxWIDTH");
    expect_failure(s, NULL, "inspect " PRIOR " --batch 0", 2, "--batch");
    expect_failure(s, NULL, "inspect " PRIOR " --particles 5000", 2, "5000");
    expect_failure(s, NULL, "inspect " PNB_SOURCE_DIR "/assets", 3, "diffusion_pytorch_model.safetensors");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sample_and_predict), cmocka_unit_test(test_fp16),
        cmocka_unit_test(test_solve),
        cmocka_unit_test(test_inspect),
    };
    return cmocka_run_group_tests(tests, shell_setup, shell_teardown);
}

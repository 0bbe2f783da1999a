/* penumbra amortize and reconstruct as people call them: killed and resumed, stopped, used for measurements that were
 * not in training; what they say to bad input. */
#include "cli/command.h"

#include "base/philox.h"
#include "io/safetensors.h"

#include <math.h>

enum { COUNT = 40, SIZE = 8, PIXELS = SIZE * SIZE };

/* Two modes on a line through the origin, seen from the side. */
static const char problem[] = "{\"prior\": {\"type\": \"gmm\", \"weights\": [0.5, 0.5], \"means\": [[0, 1], [0, -1]], "
                              "\"covariances\": [[[0.3, 0], "
                              "[0, 0.1]], [[0.3, 0], [0, 0.1]]]}, \"operator\": {\"type\": \"matrix\", \"matrix\": "
                              "[[1, 0]]}, \"noise\": {\"type\": "
                              "\"gaussian\", \"sigma\": 0.3}, \"method\": {\"type\": \"ppm_amortized\", \"batch\": 8, "
                              "\"aux_warmup\": 2}, \"seed\": 2}";

static void write_problem(void) {
    float y[COUNT];
    pnb_fill_normal(3, 0, 0, 0, y, COUNT);
    write_text("problem.json", problem);
    write_npy("y.npy", 2, (uint64_t[]){COUNT, 1}, y);
    write_npy("new.npy", 1, (uint64_t[]){1}, (float[]){0.4f});
    write_npy("pair.npy", 1, (uint64_t[]){2}, (float[]){0.4f, 0});
}

#define AMORTIZE "amortize problem.json --measurements y.npy --quiet "

static void assert_same_files(const char *a, const char *b) {
    enum { MOST = 1 << 20 };
    static char x[MOST], y[MOST];
    size_t n = read_text(a, x, MOST), m = read_text(b, y, MOST);
    assert_true(n > 0);
    assert_int_equal(n, m);
    assert_memory_equal(x, y, n);
}

static void test_resume_after_kill(void **state) {
    shell *s = *state;
    write_problem();
    RUN_OK(s, AMORTIZE "--steps 60 -o whole.safetensors");
    pid_t child = start_command(NULL, AMORTIZE "--steps 60 --checkpoint 0.05 -o cut.safetensors");
    for (int i = 0; i < 6000 && !file_exists("cut.amortize/checkpoint/state.safetensors.json"); i++) pause_ms(5);
    pause_ms(20);
    kill(child, SIGKILL);
    end_command(s, child);
    expect_failure(s, NULL, AMORTIZE "--steps 61 --resume -o cut.safetensors", 3, "steps is 60 there and 61 here");
    RUN_OK(s, AMORTIZE "--steps 60 --resume -o cut.safetensors");
    assert_same_files("whole.safetensors", "cut.safetensors");
    assert_same_files("whole.amortize/samples.npy", "cut.amortize/samples.npy");
    RUN_OK(s, AMORTIZE "--steps 60 --resume -o cut.safetensors"); /* complete */
    expect_failure(s, NULL, AMORTIZE "--steps 60 -o cut.safetensors", 2, "--overwrite");
}

static void test_stop(void **state) {
    shell *s = *state;
    write_problem();
    pid_t child = start_command(NULL, AMORTIZE "--steps 100000 --progress json -o stopped.safetensors");
    for (int i = 0; i < 6000; i++) {
        if (read_text("stdout.txt", s->out, sizeof s->out) && strstr(s->out, "\"step\":")) break;
        pause_ms(10);
    }
    kill(child, SIGINT);
    assert_int_equal(end_command(s, child), 130);
    assert_non_null(strstr(s->out, "\"seconds_left\":"));
    RUN_OK(s, "reconstruct --model stopped.safetensors --measurement new.npy --quiet -o so-far"); /* the model so far */
}

/* A measurement that was not in training: as many samples as asked for, one evaluation each, agreeing with y. */
static void test_reconstruct(void **state) {
    shell *s = *state;
    static char json[1 << 16];
    write_problem();
    RUN_OK(s, AMORTIZE "--steps 60 --set lr=4e-3 -o model.safetensors");
    RUN_OK(s, "reconstruct --model model.safetensors --measurement new.npy -n 33 --seed 5 --quiet -o first");
    RUN_OK(s, "reconstruct --model model.safetensors --measurement new.npy -n 33 --seed 5 --quiet -o second");
    assert_same_files("first/samples.npy", "second/samples.npy");
    assert_true(read_text("first/run.json", json, sizeof json) > 0);
    assert_non_null(strstr(json, "\"network_evaluations\": 33"));
    assert_non_null(strstr(json, "\"reconstruction\""));
    assert_non_null(strstr(json, "\"posterior\"")); /* the mixture is known: distances from its exact posterior */
    const char *at = strstr(json, "\"residual\":");
    assert_non_null(at);
    double residual = atof(at + strlen("\"residual\":"));
    if (!(residual > 0.1 && residual < 3)) fail_msg("residual %f, expected about 1", residual);
    RUN_OK(s, "amortize problem.json --measurements y.npy --method davi --steps 3 --quiet -o davi.safetensors");
    RUN_OK(s, "amortize problem.json --measurements y.npy --set preset=paper --steps 3 --quiet -o paper.safetensors");
    RUN_OK(s, "reconstruct --model davi.safetensors --measurement new.npy --quiet -o davi");
}

/* Of eight samples of folder/a.npy by a generator: the root mean square of y - A x over sigma. */
static double residual_of(shell *s, const char *model) {
    char words[160], path[64];
    snprintf(words, sizeof words, "reconstruct --model %s.safetensors --measurement folder/a.npy -n 8 --quiet -o by-%s", model, model);
    RUN_OK(s, words);
    snprintf(path, sizeof path, "by-%s/run.json", model);
    cJSON *run = read_json(path);
    const cJSON *chi2 = cJSON_GetObjectItemCaseSensitive(run, "chi2"), *v;
    double sum = 0;
    cJSON_ArrayForEach(v, chi2) sum += v->valuedouble;
    int n = cJSON_GetArraySize(chi2);
    cJSON_Delete(run);
    return sqrt(sum / n);
}

/* A U-Net prior, measurements from a folder, supervised terms, a copy for the auxiliary network. */
static void test_images(void **state) {
    shell *s = *state;
    static float images[COUNT * PIXELS];
    pnb_fill_uniform(4, 0, 0, 0, images, COUNT * PIXELS);
    write_npy("images.npy", 3, (uint64_t[]){COUNT, SIZE, SIZE}, images);
    assert_true(mkdir("folder", 0777) == 0);
    write_npy("folder/a.npy", 2, (uint64_t[]){SIZE, SIZE}, images);
    write_npy("folder/b.npy", 2, (uint64_t[]){SIZE, SIZE}, images + PIXELS);
    RUN_OK(s, "train --data images.npy --size 8 --preset tiny --batch 2 --steps 2 --set validation=0 --quiet -o "
              "prior.safetensors");
    write_text("box.json",
               "{\"prior\": {\"file\": \"prior.safetensors\"}, \"operator\": {\"type\": \"mask_box\", \"top\": 2, "
               "\"left\": 2, \"height\": 3, \"width\": 3}, \"noise\": {\"type\": \"gaussian\", \"sigma\": 0.1}}");
#define SMALL "--steps 2 --set batch=2 --set aux_warmup=1 --set particles=2 --quiet "
    RUN_OK(s, "amortize box.json --measurements folder --set rho=0.5 " SMALL "-o lora.safetensors");
    RUN_OK(s, "amortize box.json --measurements folder --set rho=0.5 --set consistency=0 " SMALL "-o without.safetensors");
    double with = residual_of(s, "lora"), without = residual_of(s, "without"); /* the measurement is put into what the network makes */
    if (!(with > 0.5 && with < 2 && without > 3)) fail_msg("residuals %f and, without consistency, %f", with, without);
    RUN_OK(s, "amortize box.json --measurements folder --truths folder --set supervised=1 --set targets=copy " SMALL
              "-o copy.safetensors");
    RUN_OK(s, "simulate --problem box.json --data images.npy -n 3 --quiet -o three.npy");
    expect_failure(s, NULL, "simulate --problem box.json --x images.npy --data images.npy -o y.npy", 2, "not both");
    expect_failure(s, NULL, "simulate --problem box.json --x images.npy -n 3 -o y.npy", 2, "images of --data");
    RUN_OK(s, "amortize box.json --measurements three.npy --method davi " SMALL "-o davi2.safetensors");
    cJSON *trained = read_json("davi2.amortize/run.json");
    assert_true(cJSON_GetObjectItemCaseSensitive(cJSON_GetObjectItemCaseSensitive(trained, "amortized"), "count")->valuedouble == 3);
    cJSON_Delete(trained);
    /* a generator in compare: on the measurement of its task; not for another operator; dashes where there is none */
    static const char *const compare =
        "{\"prior\": {\"file\": \"prior.safetensors\"}, \"tasks\": [{\"name\": \"2\", \"operator\": {\"type\": \"%s\"%s}, "
        "\"noise\": {\"sigma\": 0.1}}, {\"name\": \"none\", \"operator\": {\"type\": \"identity\"}, \"noise\": {\"sigma\": 0.1}}], "
        "\"methods\": [{\"name\": \"by DAVI\", \"model\": \"davi{task}.safetensors\"}], \"observations\": [\"folder/a.npy\"], \"samples\": "
        "2}";
    char text[1024];
    snprintf(text, sizeof text, compare, "mask_box", ", \"top\": 2, \"left\": 2, \"height\": 3, \"width\": 3");
    write_text("compare.json", text);
    RUN_OK(s, "compare compare.json -o compared");
    assert_non_null(strstr(s->err, "davinone.safetensors: there is no such file; penumbra amortize makes one"));
    cJSON *rows = read_json("compared/table.json"), *run = read_json("compared/2/by DAVI/0000/run.json");
    const cJSON *row = cJSON_GetArrayItem(rows, 0), *made = cJSON_GetObjectItemCaseSensitive(run, "reconstruction");
    assert_true(cJSON_GetObjectItemCaseSensitive(row, "observations")->valuedouble == 1);
    assert_true(cJSON_GetObjectItemCaseSensitive(row, "evaluations_a_sample")->valuedouble == 1);
    assert_true(cJSON_GetObjectItemCaseSensitive(cJSON_GetArrayItem(rows, 1), "refused") != NULL);
    assert_string_equal(cJSON_GetObjectItemCaseSensitive(made, "method")->valuestring, "davi");
    assert_true(file_exists("compared/2.png") && file_exists("compared/2/by DAVI/0000.measurement.npy"));
    cJSON_Delete(rows);
    cJSON_Delete(run);
    snprintf(text, sizeof text, compare, "identity", "");
    write_text("compare.json", text);
    expect_failure(s, NULL, "compare compare.json --quiet -o other", 3, "task '2' has {\"type\":\"identity\"}: train one for it");
    (void)remove("prior.safetensors"); /* the generator's file is all that is needed */
    RUN_OK(
        s,
        "reconstruct --model lora.safetensors --measurement folder/b.npy --truth folder/b.npy -n 3 --quiet -o boxes");
    expect_failure(s, NULL, "reconstruct --model lora.safetensors --measurement folder/b.npy -n 3 --memory 1M --quiet -o x",
                   6, "nothing was allocated");
    expect_failure(s, NULL, "sample --prior lora.safetensors -n 1 --quiet -o x", 4, "penumbra reconstruct");
    write_text("lora.json",
               "{\"prior\": {\"file\": \"lora.safetensors\"}, \"operator\": {\"type\": \"identity\"}, \"noise\": "
               "{\"type\": \"gaussian\", \"sigma\": 0.1}, \"measurement\": \"folder/b.npy\"}");
    expect_failure(s, NULL, "solve lora.json --quiet -o x", 4, "penumbra reconstruct");
    assert_true(file_exists("boxes/samples.png") && file_exists("boxes/mean.png"));
}

static void test_bad_input(void **state) {
    shell *s = *state;
    write_problem();
    expect_failure(s, NULL, "amortize problem.json -o x.safetensors", 2, "--measurements");
    expect_failure(s, NULL, "amortize problem.json --measurements y.npy", 2, "-o FILE");
    expect_failure(s, NULL, "amortize problem.json --measurements gone.npy --quiet -o x.safetensors", 3, "gone.npy");
    expect_failure(s, NULL, "amortize problem.json --measurements pair.npy --quiet -o x.safetensors", 3,
                   "shape [2], expected [1]");
    expect_failure(s, NULL, AMORTIZE "--set supervised=1 -o x.safetensors", 3, "--truths");
    expect_failure(s, NULL, AMORTIZE "--truths new.npy -o x.safetensors", 3, "truths");
    expect_failure(s, NULL, AMORTIZE "--method reddiff -o x.safetensors", 3, "ppm_amortized or davi");
    expect_failure(s, NULL, AMORTIZE "--set colour=1 -o x.safetensors", 2, "'colour'");
    expect_failure(s, NULL, "reconstruct --model y.npy --measurement new.npy --quiet -o x", 4, "y.npy");
    assert_false(file_exists("x.safetensors"));
    assert_false(file_exists("x"));
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_bad_input), cmocka_unit_test(test_reconstruct),
                                       cmocka_unit_test(test_images), cmocka_unit_test(test_stop),
                                       cmocka_unit_test(test_resume_after_kill)};
    return cmocka_run_group_tests(tests, shell_setup, shell_teardown);
}

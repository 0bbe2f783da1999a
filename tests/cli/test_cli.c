/* The command as people and scripts call it: exit codes, sentences, output folders, resuming, Ctrl-C. */
#include "cli/command.h"

#include "io/image.h"
#include "io/safetensors.h"

#include <math.h>

/* A mixture with two modes, one of its coordinates measured: solved in a moment on any device. */
static const char toy[] = "{\"prior\": {\"type\": \"gmm\", \"weights\": [0.5, 0.5], \"means\": [[0, 2], [0, -2]],"
                          " \"covariances\": [[[0.09, 0], [0, 0.09]], [[0.09, 0], [0, 0.09]]]},"
                          " \"operator\": {\"type\": \"matrix\", \"matrix\": [[1, 0]]}, \"measurement\": [0.1],"
                          " \"noise\": {\"type\": \"gaussian\", \"sigma\": 0.3},"
                          " \"method\": {\"type\": \"ppm\", \"particles\": 16, \"steps\": 40}, \"seed\": 7}";

/* The toy with one part replaced. */
static void write_variant(const char *path, const char *from, const char *to) {
    char text[2048];
    const char *at = strstr(toy, from);
    assert_non_null(at);
    snprintf(text, sizeof text, "%.*s%s%s", (int)(at - toy), toy, to, at + strlen(from));
    write_text(path, text);
}

static pnb_array read_npy(const char *path) {
    pnb_error err = {0};
    pnb_array a;
    if (pnb_npy_read(&err, path, &a) != PNB_OK) fail_msg("%s", err.message);
    return a;
}

static void assert_same_bytes(const char *a, const char *b) {
    static char x[1 << 16], y[1 << 16];
    size_t n = read_text(a, x, sizeof x), m = read_text(b, y, sizeof y);
    assert_true(n > 0);
    assert_int_equal(n, m);
    assert_memory_equal(x, y, n);
}

/* ---- usage
 * ---------------------------------------------------------------------------------------------------------------- */

static void test_usage(void **state) {
    shell *s = *state;
    static const char *const names[] = {"solve",  "sample",  "predict", "forward",  "simulate", "eval",
                                        "figure", "compare", "inspect", "convert", "devices", "selftest", "bench", "tune",
                                        "train",  "compare-devices", "doctor"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char words[64];
        snprintf(words, sizeof words, "%s --help", names[i]);
        RUN_OK(s, words);
        assert_non_null(strstr(s->out, "--device"));
        assert_string_equal(s->err, "");
    }
    RUN_OK(s, "--help");
    RUN_OK(s, "--version");
    assert_int_equal(run_command(s, ""), 2);
    expect_failure(s, NULL, "solv", 2, "did you mean solve");
    write_text("toy.json", toy);
    expect_failure(s, NULL, "solve toy.json --partikles 4 -o x", 2, "did you mean --particles");
    expect_failure(s, NULL, "solve toy.json --particles four -o x", 2, "'four'");
    expect_failure(s, NULL, "solve toy.json --seed 99999999999999999999 -o x", 2, "0 to 9007199254740992");
    expect_failure(s, NULL, "solve toy.json --steps 4294967297 -o x", 3, "from 0 to 1000000, found 4294967297");
    expect_failure(s, NULL, "solve toy.json --output=", 2, "needs a value (DIR), found an empty one");
    expect_failure(s, NULL, "sample --prior toy.json --size 4294967328x32 -o x", 2, "'4294967328x32'");
    expect_failure(s, NULL, "sample --prior toy.json --size 32x32 --quiet -o x", 3, "vectors of 2, not images");
    expect_failure(s, NULL, "solve toy.json", 2, "-o DIR");
    expect_failure(s, NULL, "solve toy.json --set nothing=1 -o x", 2, "'nothing'");
    expect_failure(s, NULL, "solve toy.json --memory much -o x", 2, "--memory");
    expect_failure(s, NULL, "forward --x x.npy -o y.npy", 2, "--operator");
    expect_failure(s, NULL, "predict --prior p.safetensors --x x.npy -o y.npy", 2, "--t or --sigma");
    expect_failure(s, NULL, "predict --prior p.safetensors --x x.npy --t 1 --cotangent v.npy -o y.npy", 2, "--grad-out");
    static const char *const methods[] = {"ppm", "dps", "pigdm", "ddrm", "reddiff", "rlsd", "langevin"};
    RUN_OK(s, "solve --method help");
    for (size_t i = 0; i < sizeof methods / sizeof *methods; i++) assert_non_null(strstr(s->out, methods[i]));
    assert_non_null(strstr(s->out, "cg_steps"));
}

/* ---- bad input
 * ------------------------------------------------------------------------------------------------------------ */

static void test_bad_json(void **state) {
    shell *s = *state;
    expect_failure(s, NULL, "solve nowhere.json -o x", 3, "nowhere.json");
    write_text("broken.json", "{\"prior\": ");
    expect_failure(s, NULL, "solve broken.json -o x", 3, "broken.json");
    write_variant("key.json", "\"seed\"", "\"sead\"");
    expect_failure(s, NULL, "solve key.json -o x", 3, "sead");
    write_variant("option.json", "\"particles\"", "\"partikles\"");
    expect_failure(s, NULL, "solve option.json -o x", 3, "unknown key 'partikles' in method");
    write_variant("type.json", "16", "\"many\"");
    expect_failure(s, NULL, "solve type.json -o x", 3, "method.particles");
    write_variant("method.json", "\"ppm\"", "\"magic\"");
    expect_failure(s, NULL, "solve method.json -o x", 3, "magic");
    write_variant("operator.json", "\"type\": \"matrix\"", "\"type\": \"matrox\"");
    expect_failure(s, NULL, "solve operator.json -o x", 3, "matrox");
    assert_false(file_exists("x"));
}

static void test_missing_files(void **state) {
    shell *s = *state;
    write_variant("nomeasurement.json", "[0.1]", "\"gone.npy\"");
    expect_failure(s, NULL, "solve nomeasurement.json -o x", 3, "gone.npy");
    expect_failure(s, NULL, "inspect gone.safetensors", 3, "gone.safetensors");
    expect_failure(s, NULL, "sample --prior gone.safetensors -n 1 -o x", 3, "gone.safetensors");
    expect_failure(s, NULL, "eval gone --truth gone.npy", 3, "gone");
}

static void test_bad_measurement(void **state) {
    shell *s = *state;
    float values[3] = {NAN, 1, 2};
    write_npy("nan.npy", 1, (uint64_t[]){1}, values);
    write_variant("nan.json", "[0.1]", "\"nan.npy\"");
    expect_failure(s, NULL, "solve nan.json -o x", 3, "nan.npy");
    assert_non_null(strstr(s->err, "finite"));
    write_text("toy.json", toy);
    write_npy("nanx.npy", 2, (uint64_t[]){1, 2}, (float[]){0, INFINITY});
    expect_failure(s, NULL, "predict --prior toy.json --x nanx.npy --t 1 -o y.npy", 3, "'nanx.npy': element 1");
    expect_failure(s, NULL, "forward --operator identity --x nanx.npy -o y.npy", 3, "'nanx.npy': element 1");
    expect_failure(s, NULL, "simulate --problem toy.json --x nanx.npy -o y.npy", 3, "'nanx.npy': element 1");
    assert_false(file_exists("y.npy"));
    write_npy("three.npy", 1, (uint64_t[]){3}, values);
    write_variant("three.json", "[0.1]", "\"three.npy\"");
    expect_failure(s, NULL, "solve three.json -o x", 3, "[3]");
}

static void test_impossible_size(void **state) {
    shell *s = *state;
    write_variant("matrix.json", "[[1, 0]]", "[[1, 0, 0]]");
    expect_failure(s, NULL, "solve matrix.json -o x", 3, "matrix");
    float image[64] = {0};
    write_npy("image.npy", 2, (uint64_t[]){8, 8}, image);
    expect_failure(s, NULL, "forward --operator average_pool --args {\"factor\":3} --x image.npy -o y.npy", 3,
                   "average_pool");
    expect_failure(
        s, NULL,
        "forward --operator mask_box --args {\"top\":6,\"left\":0,\"height\":4,\"width\":4} --x image.npy -o y.npy", 3,
        "mask_box");
    expect_failure(s, NULL, "forward --operator average_pool --args {\"faktor\":2} --x image.npy -o y.npy", 3,
                   "faktor");
}

static void test_bad_models(void **state) {
    shell *s = *state;
    pnb_error err = {0};
    float weights[64] = {0};
    pnb_safetensors_item items[] = {{"input_blocks.0.0.weight", 4, {4, 1, 3, 3}, weights},
                                    {"time_embed.0.weight", 2, {7, 5}, weights}};
    assert_int_equal(pnb_safetensors_write(&err, "shapes.safetensors", PNB_F32, items, 2, NULL, 0), PNB_OK);
    expect_failure(s, NULL, "inspect shapes.safetensors", 4, "shapes.safetensors");
    assert_int_equal(truncate("shapes.safetensors", 200), 0);
    expect_failure(s, NULL, "inspect shapes.safetensors", 4, "shapes.safetensors");
    assert_int_equal(truncate("shapes.safetensors", 4), 0);
    expect_failure(s, NULL, "predict --prior shapes.safetensors --x x.npy --t 1 -o y.npy", 4, "shapes.safetensors");
}

static void test_no_device(void **state) {
    shell *s = *state;
    write_text("toy.json", toy);
    expect_failure(s, "/dev/null", "devices", 5, "penumbra devices: ");
    expect_failure(s, "/dev/null", "solve toy.json -o none", 5, "penumbra solve: ");
    expect_failure(s, "/dev/null", "selftest", 5, "penumbra selftest: ");
    assert_false(file_exists("none/run.json"));
    int code = end_command(s, start_command("/dev/null", "solve toy.json --explain")); /* needs no device */
    assert_int_equal(code, 0);
    expect_failure(s, NULL, "solve toy.json -o none --device nosuchdevice", 5, "nosuchdevice");
}

/* ---- a run from end to end
 * --------------------------------------------------------------------------------------------------- */

static void check_run_json(const char *path, int steps) {
    cJSON *run = read_json(path);
    static const char *const keys[] = {"problem", "version", "device", "seed", "steps",  "network_evaluations",
                                       "seconds", "memory",  "loss",   "chi2", "scores", "warnings"};
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        if (!cJSON_GetObjectItemCaseSensitive(run, keys[i])) fail_msg("%s has no '%s'", path, keys[i]);
    }
    assert_true(cJSON_GetObjectItemCaseSensitive(run, "steps")->valuedouble >= steps);
    assert_int_equal(cJSON_GetArraySize(cJSON_GetObjectItemCaseSensitive(run, "chi2")), 16);
    cJSON_Delete(run);
}

static void test_solve(void **state) {
    shell *s = *state;
    write_text("toy.json", toy);
    RUN_OK(s, "solve toy.json -o first --quiet");
    assert_string_equal(s->err, "");
    assert_string_equal(s->out, "");
    pnb_array samples = read_npy("first/samples.npy"), mean = read_npy("first/mean.npy"),
              std = read_npy("first/std.npy");
    assert_int_equal(samples.rank, 2);
    assert_int_equal(samples.shape[0], 16);
    assert_int_equal(samples.shape[1], 2);
    assert_int_equal(mean.count, 2);
    assert_int_equal(std.count, 2);
    pnb_array_free(&samples);
    pnb_array_free(&mean);
    pnb_array_free(&std);
    assert_true(file_exists("first/scatter.png"));
    assert_false(file_exists("first/checkpoint"));
    check_run_json("first/run.json", 40);
    expect_failure(s, NULL, "solve toy.json -o first", 2, "already holds results");
    RUN_OK(s, "solve toy.json -o first --resume");
    RUN_OK(s, "solve toy.json -o first --overwrite --progress json");
    assert_non_null(strstr(s->out, "\"step\":"));
}

/* run.json runs again, to the same bytes; and so does the problem from another folder. */
static void test_run_json_runs_again(void **state) {
    shell *s = *state;
    write_text("toy.json", toy);
    RUN_OK(s, "solve toy.json -o once --particles 8 --set lr=0.03 --seed 3");
    RUN_OK(s, "solve once/run.json -o again");
    assert_same_bytes("once/samples.npy", "again/samples.npy");
    RUN_OK(s, "solve toy.json -o other --particles 8 --set lr=0.03 --seed 4");
    static char a[4096], b[4096];
    size_t n = read_text("once/samples.npy", a, sizeof a);
    assert_int_equal(read_text("other/samples.npy", b, sizeof b), n);
    assert_int_not_equal(memcmp(a, b, n), 0);
}

/* A relative measurement file is looked for beside the problem; a truth is measured with the problem's noise. */
static void test_truth(void **state) {
    shell *s = *state;
    if (!file_exists("inner")) assert_int_equal(mkdir("inner", 0777), 0);
    write_variant("inner/truth.json", "\"measurement\": [0.1]", "\"truth\": \"truth.npy\"");
    write_npy("inner/truth.npy", 1, (uint64_t[]){2}, (float[]){0.1f, 2});
    RUN_OK(s, "solve inner/truth.json -o inner/out");
    cJSON *run = read_json("inner/out/run.json");
    cJSON *scores = cJSON_GetObjectItemCaseSensitive(run, "scores");
    assert_non_null(cJSON_GetObjectItemCaseSensitive(scores, "crps"));
    cJSON_Delete(run);
    RUN_OK(s, "solve inner/out/run.json -o inner/again");
    assert_same_bytes("inner/out/samples.npy", "inner/again/samples.npy");
    RUN_OK(s, "eval inner/out --truth inner/truth.npy --json scores.json");
    assert_non_null(strstr(s->out, "crps"));
    RUN_OK(s, "simulate --problem inner/truth.json --x inner/truth.npy -o y.npy");
    pnb_array y = read_npy("y.npy");
    assert_int_equal(y.count, 1);
    assert_true(fabsf(y.data[0] - 0.1f) < 2);
    pnb_array_free(&y);
}

static void test_explain(void **state) {
    shell *s = *state;
    write_text("toy.json", toy);
    RUN_OK(s, "solve toy.json --explain --particles 5");
    assert_non_null(strstr(s->out, "particles"));
    RUN_OK(s, "solve toy.json --explain --json --particles 5");
    write_text("resolved.json", s->out);
    RUN_OK(s, "inspect resolved.json --json");
    cJSON *json = cJSON_Parse(s->out);
    cJSON *method = cJSON_GetObjectItemCaseSensitive(json, "method");
    assert_int_equal(cJSON_GetObjectItemCaseSensitive(method, "particles")->valueint, 5);
    cJSON_Delete(json);
}

/* ---- stopping and resuming
 * ------------------------------------------------------------------------------------------------------ */

static void wait_for(const char *path, pid_t child) {
    for (int i = 0; i < 3000; i++) {
        if (file_exists(path)) return;
        assert_int_equal(waitpid(child, NULL, WNOHANG), 0);
        pause_ms(10);
    }
    fail_msg("%s did not appear within 30 seconds", path);
}

/* Starts a run and kills it once it has left a checkpoint. False: it came to its end before that was seen. */
static bool kill_midway(shell *s, const char *arguments, const char *checkpoint) {
    pid_t child = start_command(NULL, arguments);
    siginfo_t ended = {0};
    for (int i = 0; i < 30000 && !file_exists(checkpoint) && ended.si_pid == 0; i++) {
        assert_int_equal(waitid(P_PID, (id_t)child, &ended, WEXITED | WNOHANG | WNOWAIT), 0);
        pause_ms(1);
    }
    kill(child, SIGKILL);
    return end_command(s, child) == -SIGKILL;
}

static void test_resume_after_kill(void **state) {
    shell *s = *state;
    write_text("toy.json", toy);
    RUN_OK(s, "solve toy.json --steps 400 -o whole");
    int tries = 1;
    while (!kill_midway(s, "solve toy.json --steps 400 --checkpoint 0.02 --overwrite -o killed", "killed/checkpoint/state"))
        assert_true(++tries < 10);
    assert_false(file_exists("killed/run.json"));
    expect_failure(s, NULL, "solve toy.json --steps 400 -o killed", 2, "--resume");
    expect_failure(s, NULL, "solve toy.json --steps 300 --resume -o killed --quiet", 3, "checkpoint");
    RUN_OK(s, "solve toy.json --steps 400 --resume -o killed");
    assert_same_bytes("whole/samples.npy", "killed/samples.npy");
    assert_false(file_exists("killed/checkpoint"));
}

/* What is gone on with is the same run: a changed problem, option or seed is named, with a checkpoint or without. */
static void test_resume_of_another(void **state) {
    shell *s = *state;
    write_text("toy.json", toy);
    write_variant("matrix.json", "[[1, 0]]", "[[1, 0.5]]"); /* the measurement and its shape stay */
    write_variant("prior.json", "[0.5, 0.5]", "[0.5, 0.25]");
    RUN_OK(s, "solve toy.json -o whole --overwrite");
    RUN_OK(s, "solve toy.json -o whole --resume");
    assert_non_null(strstr(s->err, "complete already"));
    expect_failure(s, NULL, "solve toy.json -o whole --resume --steps 41 --quiet", 3, "method.steps is 40 there and 41 here");
    expect_failure(s, NULL, "sample --prior toy.json -o whole --resume --quiet", 3, "sampling is absent there");
    pid_t child = start_command(NULL, "solve toy.json --steps 20000 --checkpoint 0.02 -o partly");
    wait_for("partly/checkpoint/state", child);
    kill(child, SIGHUP); /* as Ctrl-C */
    assert_int_equal(end_command(s, child), 130);
    expect_failure(s, NULL, "solve matrix.json --steps 20000 -o partly --resume --quiet", 3,
                   "operator.matrix[0][1] is 0 there and 0.5 here");
    expect_failure(s, NULL, "solve prior.json --steps 20000 -o partly --resume --quiet", 3, "prior.weights[1]");
    expect_failure(s, NULL, "solve toy.json --steps 20000 --seed 8 -o partly --resume --quiet", 3, "seed is 7 there");
}

/* No file over this many bytes can be written, by this program's children too. */
static void limit_files(rlim_t bytes) {
    struct rlimit limit;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
    limit.rlim_cur = bytes < limit.rlim_max ? bytes : limit.rlim_max;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
    signal(SIGXFSZ, SIG_IGN);
}

/* Files that cannot be written: the sentence is about them, what was computed is kept where it fits. */
static void test_full_disk(void **state) {
    shell *s = *state;
    write_text("toy.json", toy);
    RUN_OK(s, "sample --prior toy.json -n 4 --steps 3 -o fits");
    limit_files(4096); /* too small for the scatter plot and the state of a solver */
    expect_failure(s, NULL, "solve toy.json --checkpoint 0.001 -o full --quiet", 3,
                   "file 'full/checkpoint/state': cannot be written: ");
    assert_false(file_exists("full/run.json"));
    expect_failure(s, NULL, "sample --prior toy.json -n 4 --steps 3 -o kept --quiet", 3,
                   "the run is kept in 'kept/checkpoint/state'");
    assert_false(file_exists("kept/run.json"));
    limit_files(RLIM_INFINITY);
    RUN_OK(s, "sample --prior toy.json -n 4 --steps 3 -o kept --resume");
    assert_same_bytes("fits/samples.npy", "kept/samples.npy");
    assert_true(file_exists("kept/run.json"));
    assert_false(file_exists("kept/checkpoint"));
}

/* A stdout that takes nothing is a failure, and no device is replaced by a file. */
static void test_full_stdout(void **state) {
    shell *s = *state;
    struct stat info;
    if (stat("/dev/full", &info) != 0 || !S_ISCHR(info.st_mode)) skip();
    write_text("toy.json", toy);
    int code = end_command(s, start_command_to("/dev/full", NULL, "solve toy.json --explain"));
    assert_int_equal(code, 3);
    assert_non_null(strstr(s->err, "stdout cannot be written"));
    write_npy("x.npy", 2, (uint64_t[]){1, 2}, (float[]){0, 1});
    expect_failure(s, NULL, "predict --prior toy.json --x x.npy --t 1 --quiet -o /dev/full", 3, "No space left");
    assert_int_equal(stat("/dev/full", &info), 0);
    assert_true(S_ISCHR(info.st_mode));
}

/* Before the first step there is nothing to keep. The signal may come later than wanted: then there is all of it. */
static void test_interrupt_early(void **state) {
    shell *s = *state;
    char text[64];
    write_text("toy.json", toy);
    (void)remove("stderr.txt"); /* that of the last command */
    pid_t child = start_command(NULL, "solve toy.json --steps 20000 -o early");
    for (int i = 0; i < 3000 && read_text("stderr.txt", text, sizeof text) == 0; i++) pause_ms(2);
    kill(child, SIGINT);
    assert_int_equal(end_command(s, child), 130);
    if (file_exists("early")) {
        assert_true(file_exists("early/run.json"));
    } else {
        assert_non_null(strstr(s->err, "cancelled before the first step"));
    }
}

static void test_interrupt(void **state) {
    shell *s = *state;
    write_text("toy.json", toy);
    pid_t child = start_command(NULL, "solve toy.json --steps 20000 --checkpoint 0.02 -o stopped");
    wait_for("stopped/checkpoint/state", child);
    kill(child, SIGINT);
    assert_int_equal(end_command(s, child), 130);
    assert_true(file_exists("stopped/samples.npy"));
    assert_true(file_exists("stopped/checkpoint/state"));
    cJSON *run = read_json("stopped/run.json");
    assert_true(cJSON_GetObjectItemCaseSensitive(run, "steps_done")->valuedouble < 20000);
    assert_true(cJSON_GetArraySize(cJSON_GetObjectItemCaseSensitive(run, "warnings")) > 0);
    cJSON_Delete(run);
}

/* ---- figures of folders
 * ------------------------------------------------------------------------------------------------------ */

/* A folder as solve leaves it: three samples of 32 x 32, and a problem whose measurement is simulated from a truth. */
static void write_image_folder(const char *folder, const char *method) {
    static float samples[3 * 32 * 32];
    char path[64], text[2048];
    for (int i = 0; i < 3 * 32 * 32; i++) samples[i] = (float)(i * 7 % 64) / 32 - 1;
    if (!file_exists(folder)) assert_int_equal(mkdir(folder, 0777), 0);
    snprintf(path, sizeof path, "%s/samples.npy", folder);
    write_npy(path, 4, (uint64_t[]){3, 1, 32, 32}, samples);
    snprintf(path, sizeof path, "%s/run.json", folder);
    snprintf(text, sizeof text,
             "{\"problem\": {\"prior\": {\"file\": \"%s/assets/garments.safetensors\"},"
             " \"operator\": {\"type\": \"average_pool\", \"factor\": 4},"
             " \"truth\": \"%s/assets/garments/garment-00.png\", \"noise\": {\"sigma\": 0.05},"
             " \"method\": {\"type\": \"%s\"}, \"seed\": 7}, \"version\": \"0\", \"steps\": 9,"
             " \"steps_done\": 9, \"scores\": {\"psnr_mean\": 20.5, \"residual\": 1.01}}",
             PNB_SOURCE_DIR, PNB_SOURCE_DIR, method);
    write_text(path, text);
}

static void size_of_picture(const char *path, uint64_t *height, uint64_t *width) {
    pnb_error err = {0};
    pnb_array a;
    if (pnb_image_read(&err, path, 3, &a) != PNB_OK) fail_msg("%s", err.message);
    *height = a.shape[1];
    *width = a.shape[2];
    pnb_array_free(&a);
}

static void test_figure(void **state) {
    shell *s = *state;
    uint64_t height, width, taller, wider;
    write_image_folder("ppm", "ppm");
    write_image_folder("reddiff", "reddiff");
    RUN_OK(s, "figure ppm -o one.png --quiet");
    assert_string_equal(s->err, "");
    RUN_OK(s, "figure ppm reddiff -o two.png");
    assert_string_equal(s->out, "");
    assert_non_null(strstr(s->err, "two.png"));
    size_of_picture("one.png", &height, &width);
    size_of_picture("two.png", &taller, &wider);
    assert_true(width > 6 * 150 && width < 1400 && wider == width);
    assert_true(taller > height + 2 * 150 && taller < 2 * height);
    write_text("toy.json", toy);
    RUN_OK(s, "solve toy.json -o points");
    RUN_OK(s, "sample --prior toy.json -n 8 --steps 5 -o draws8");
    RUN_OK(s, "figure points draws8 -o points.png");
    size_of_picture("points.png", &height, &width);
    assert_true(width > 2 * 340);
}

static void test_figure_refusals(void **state) {
    shell *s = *state;
    expect_failure(s, NULL, "figure -o x.png", 2, "DIR");
    write_image_folder("ppm", "ppm");
    expect_failure(s, NULL, "figure ppm", 2, "-o FILE.png");
    expect_failure(s, NULL, "figure ppm nowhere -o x.png", 3, "'nowhere' holds no results");
    if (!file_exists("empty")) assert_int_equal(mkdir("empty", 0777), 0);
    expect_failure(s, NULL, "figure empty -o x.png", 3, "'empty' holds no results");
    write_text("empty/run.json", "{}");
    expect_failure(s, NULL, "figure empty -o x.png", 3, "empty/samples.npy");
    write_npy("empty/samples.npy", 2, (uint64_t[]){2, 2}, (float[]){0, 1, 2, 3});
    expect_failure(s, NULL, "figure ppm empty -o x.png", 3, "images");
    expect_failure(s, NULL, "figure ppm -o nofolder/x.png", 3, "nofolder/x.png");
    expect_failure(s, "/dev/null", "figure ppm -o x.png", 5, "penumbra figure: "); /* the measurement is simulated */
    write_npy("ppm/samples.npy", 4, (uint64_t[]){1, 1, 1, 4}, (float[]){0, 1, 2, 3});
    expect_failure(s, NULL, "figure ppm -o x.png", 3, "ppm/run.json");
    assert_false(file_exists("x.png"));
}

/* ---- the other commands
 * ------------------------------------------------------------------------------------------------------------ */

static void test_forward(void **state) {
    shell *s = *state;
    float image[64];
    for (int i = 0; i < 64; i++) image[i] = (float)i;
    write_npy("image.npy", 2, (uint64_t[]){8, 8}, image);
    write_npy("batch.npy", 4, (uint64_t[]){2, 1, 4, 8}, image);
    RUN_OK(s, "forward --operator average_pool --args {\"factor\":4} --x image.npy -o pooled.npy");
    pnb_array y = read_npy("pooled.npy");
    assert_int_equal(y.rank, 2);
    assert_int_equal(y.shape[0], 2);
    assert_true(fabsf(y.data[0] - 13.5f) < 1e-4f);
    pnb_array_free(&y);
    RUN_OK(s, "forward --operator average_pool --args {\"factor\":4} --x pooled.npy -o back.npy --adjoint");
    y = read_npy("back.npy");
    assert_int_equal(y.count, 64);
    assert_true(fabsf(y.data[0] - 13.5f / 16) < 1e-5f);
    pnb_array_free(&y);
    RUN_OK(s, "forward --operator identity --x batch.npy -o same.npy --pinv");
    assert_same_bytes("batch.npy", "same.npy");
    write_npy("rows.npy", 2, (uint64_t[]){2, 2}, image);
    RUN_OK(s, "forward --operator matrix --args {\"matrix\":[[1,1],[2,0],[0,3]]} --x rows.npy -o product.npy");
    y = read_npy("product.npy");
    assert_int_equal(y.shape[1], 3);
    assert_true(y.data[0] == 1 && y.data[1] == 0 && y.data[2] == 3 && y.data[3] == 5);
    pnb_array_free(&y);
    RUN_OK(s,
           "forward --operator matrix --args {\"matrix\":[[1,1],[2,0],[0,3]]} --x product.npy -o rows.npy --adjoint");
    RUN_OK(s, "forward --operator help");
    assert_non_null(strstr(s->out, "mask_box"));
}

/* The exact mixture's noise estimate, its denoised form and its gradient. */
static void test_predict_and_sample(void **state) {
    shell *s = *state;
    write_text("toy.json", toy);
    write_npy("x.npy", 2, (uint64_t[]){3, 2}, (float[]){0, 2, 1, -1, 0.5f, 0});
    write_npy("v.npy", 2, (uint64_t[]){3, 2}, (float[]){1, 0, 0, 1, 1, 1});
    RUN_OK(s,
           "predict --prior toy.json --x x.npy --t 10 --t 200 --t 900 -o eps.npy --cotangent v.npy --grad-out g.npy");
    RUN_OK(s, "predict --prior toy.json --x x.npy --sigma 0.5 -o d.npy");
    pnb_array d = read_npy("d.npy"), g = read_npy("g.npy");
    /* row 0 is the mean of a mode: denoising leaves it there */
    assert_true(fabsf(d.data[0]) < 1e-3f && fabsf(d.data[1] - 2) < 1e-2f);
    assert_int_equal(g.count, 6);
    pnb_array_free(&d);
    pnb_array_free(&g);
    assert_int_equal(run_command(s, "predict --prior toy.json --x x.npy --t 1000 -o eps.npy"), 3);
    RUN_OK(s, "sample --prior toy.json -n 32 --steps 20 -o draws");
    pnb_array x = read_npy("draws/samples.npy");
    assert_int_equal(x.shape[0], 32);
    pnb_array_free(&x);
    RUN_OK(s, "inspect draws/run.json");
    RUN_OK(s, "sample --prior toy.json -n 2 --sampler heun --steps 6 -o heun");
    cJSON *run = read_json("heun/run.json");
    assert_int_equal(cJSON_GetObjectItemCaseSensitive(run, "network_evaluations")->valueint, 2 * (2 * 6 - 1));
    cJSON_Delete(run);
    expect_failure(s, NULL, "sample --prior toy.json --sampler heun --eta 0.5 --quiet -o no", 2, "only ddim has it");
    expect_failure(s, NULL, "sample --prior toy.json --sampler euler --quiet -o no", 2, "ddim, ddpm or heun");
}

static void test_devices_and_selftest(void **state) {
    shell *s = *state;
    RUN_OK(s, "devices --json");
    cJSON *json = cJSON_Parse(s->out);
    assert_true(cJSON_GetArraySize(cJSON_GetObjectItemCaseSensitive(json, "devices")) >= 1);
    cJSON_Delete(json);
    RUN_OK(s, "selftest --ops ^axpby$ --json self.json");
    json = read_json("self.json");
    assert_true(cJSON_GetArraySize(cJSON_GetObjectItemCaseSensitive(json, "cases")) >= 1);
    cJSON_Delete(json);
    assert_int_equal(run_command(s, "selftest --ops nosuchop"), 2);
}

static void test_bench_and_tune(void **state) {
    shell *s = *state;
    write_text("toy.json", toy);
    RUN_OK(s, "bench --step toy.json --repeat 1 --json bench.json");
    assert_non_null(strstr(s->out, "ppm step, [2], K 16"));
    cJSON *json = read_json("bench.json");
    assert_int_equal(cJSON_GetArraySize(cJSON_GetObjectItemCaseSensitive(json, "steps")), 1);
    cJSON_Delete(json);
    RUN_OK(s, "bench --ops ^linear$ --cases 128 --repeat 1 --csv ops.csv --markdown - --quiet");
    assert_non_null(strstr(s->out, "\n| op | case | pass | kernel | ms_median |"));
    assert_non_null(strstr(s->out, "\n| linear | bench n16 128 to 512 | weight |"));
    char text[4096];
    read_text("ops.csv", text, sizeof text);
    assert_int_equal(strncmp(text, "op,network,scaling,step,case,", 29), 0);
    assert_non_null(strstr(text, "\nlinear,,,,bench n16 128 to 512,,,,,forward,"));
    RUN_OK(s, "bench --step toy.json --repeat 1 --csv - --quiet");
    assert_non_null(strstr(s->out, "\n,,,ppm,,,[2],16,,,"));
    assert_null(strstr(s->out, "GFLOP/s"));
    expect_failure(s, NULL, "bench --json - --csv -", 2, "only one of");
    expect_failure(s, NULL, "bench --figure x.png", 2, "for --scaling");
    expect_failure(s, NULL, "bench toy.json", 2, "--step");
    expect_failure(s, NULL, "bench --network garment --quiet", 2, "there are garments");
    expect_failure(s, NULL, "tune", 2, "expected a problem.json, or --prior P");
    expect_failure(s, NULL, "tune toy.json --prior x.safetensors", 2, "expected a problem.json, or --prior P");
    int code = run_command(s, "tune toy.json");
    if (code != 0) { /* a device without timestamps */
        assert_int_equal(code, 2);
        assert_non_null(strstr(s->err, "no timestamps"));
        return;
    }
    assert_non_null(strstr(s->out, "kept in "));
    RUN_OK(s, "solve toy.json --steps 2 -o tuned-first --tune");
    if (strstr(s->err, "tune: 1 of")) fail_msg("timed again: %s", s->err);
    expect_failure(s, NULL, "solve toy.json -o both --tune --no-tune", 2, "cannot both be given");
    RUN_OK(s, "solve toy.json --steps 2 -o tuned --no-tune");
    json = read_json("tuned/run.json");
    assert_string_equal(cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(json, "tuning")), "none");
    cJSON_Delete(json);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_usage),
        cmocka_unit_test(test_bad_json),
        cmocka_unit_test(test_missing_files),
        cmocka_unit_test(test_bad_measurement),
        cmocka_unit_test(test_impossible_size),
        cmocka_unit_test(test_bad_models),
        cmocka_unit_test(test_no_device),
        cmocka_unit_test(test_solve),
        cmocka_unit_test(test_run_json_runs_again),
        cmocka_unit_test(test_truth),
        cmocka_unit_test(test_explain),
        cmocka_unit_test(test_resume_after_kill),
        cmocka_unit_test(test_resume_of_another),
        cmocka_unit_test(test_full_disk),
        cmocka_unit_test(test_full_stdout),
        cmocka_unit_test(test_interrupt_early),
        cmocka_unit_test(test_interrupt),
        cmocka_unit_test(test_figure),
        cmocka_unit_test(test_figure_refusals),
        cmocka_unit_test(test_forward),
        cmocka_unit_test(test_predict_and_sample),
        cmocka_unit_test(test_devices_and_selftest),
        cmocka_unit_test(test_bench_and_tune),
    };
    return cmocka_run_group_tests(tests, shell_setup, shell_teardown);
}

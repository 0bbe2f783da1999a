/* Colour photographs of 256 x 256, PNG and JPEG, through simulate, solve and eval (the first two tasks by the command, the others by the
 * library, whose kernels are then made once), with a prior of the FFHQ network's shape in a quarter
 * of its width: inpainting of two sizes, super-resolution x8, motion and Gaussian deblurring, denoising; PPM in fp16, checkpointed.
 * The weights are random and the output layer next to zero, as when training begins: the network predicts hardly any noise, so what
 * comes out is nothing but the measurement's, which it must agree with. */
#include "cli/command.h"

#include "device.h"
#include "io/image.h"
#include "prior/rig.h"

#include <penumbra/penumbra.h>
#include <stb_image_write.h>

enum { SIDE = 256, PIXELS = SIDE * SIDE };

/* ---- files ------------------------------------------------------------------------------------------------------------- */

static void write_prior(void) {
    pnb_adm_config c = {.in_channels = 3,
                        .out_channels = 6,
                        .model_channels = 32,
                        .res_blocks = 1,
                        .levels = 6,
                        .channels = {32, 32, 64, 64, 128, 128},
                        .attention = {[4] = true},
                        .scale_shift = true,
                        .resblock_updown = true,
                        .conv_resample = true,
                        .head_channels = 32};
    adm_file *f = adm_file_create(&c);
    for (size_t i = 0; i < f->count; i++) {
        float *values = (float *)f->items[i].data;
        if (strcmp(f->names[i], "out.2.weight") != 0 && strcmp(f->names[i], "out.2.bias") != 0) continue;
        uint64_t count = f->items[i].shape[0] * (f->items[i].rank > 1 ? f->items[i].shape[1] * 9 : 1);
        for (uint64_t k = 0; k < count; k++) values[k] *= 0.01f;
    }
    adm_file_write_of(f, "prior.safetensors", SIDE);
    adm_file_destroy(f);
}

/* Sky, ground and a ball: smooth, with edges, in colour; bytes in rows of pixels. */
static void draw(unsigned char *rgb) {
    for (int i = 0; i < PIXELS; i++) {
        double y = i / SIDE, x = i % SIDE, ball = hypot(x - 150, y - 120);
        double sky[3] = {90 + 0.3 * y, 140 + 0.2 * y, 230 - 0.2 * y}, ground[3] = {80 + 0.2 * x, 120 - 0.2 * x, 50};
        for (int c = 0; c < 3; c++) {
            double v = y < 170 + 10 * sin(x / 20) ? sky[c] : ground[c];
            if (ball < 60) v = (c == 0 ? 220 : 60) * (1 - ball / 150);
            rgb[3 * i + c] = (unsigned char)v;
        }
    }
}

static void to_file(void *file, void *data, int size) {
    assert_int_equal(fwrite(data, 1, (size_t)size, file), (size_t)size);
}

static void write_photographs(void) {
    static unsigned char rgb[3 * PIXELS];
    draw(rgb);
    for (int jpeg = 0; jpeg < 2; jpeg++) {
        FILE *file = fopen(jpeg ? "photo.jpg" : "photo.png", "wb");
        assert_non_null(file);
        int ok = jpeg ? stbi_write_jpg_to_func(to_file, file, SIDE, SIDE, 3, rgb, 95)
                      : stbi_write_png_to_func(to_file, file, SIDE, SIDE, 3, rgb, 3 * SIDE);
        assert_true(ok && fclose(file) == 0);
    }
}

static pnb_array picture(const char *path) {
    pnb_error err = {0};
    pnb_array a;
    if (pnb_image_read(&err, path, 0, &a) != PNB_OK) fail_msg("%s", err.message);
    return a;
}

static pnb_array numbers(const char *path) {
    pnb_error err = {0};
    pnb_array a;
    if (pnb_npy_read(&err, path, &a) != PNB_OK) fail_msg("%s", err.message);
    return a;
}

/* ---- tasks ------------------------------------------------------------------------------------------------------------- */

typedef struct task {
    const char *name, *photo, *operator;
    double sigma;
    uint32_t side; /* of the measurement */
    uint32_t top, left, hidden; /* the box; hidden 0: none */
} task;

#define REDDIFF "\"type\": \"reddiff\", \"steps\": 2, \"lr\": 0.02, \"particles\": 1"
static const task tasks[] = {
    {"hole80", "photo.png", "\"type\": \"mask_box\", \"top\": 90, \"left\": 80, \"height\": 80, \"width\": 80", 0.05, SIDE, 90, 80, 80},
    {"motion", "photo.jpg", "\"type\": \"motion_blur\", \"size\": 61, \"intensity\": 0.5, \"seed\": 4", 0.05, SIDE, 0, 0, 0},
    {"hole128", "photo.jpg", "\"type\": \"mask_box\", \"height\": 128, \"width\": 128", 0.05, SIDE, 64, 64, 128},
    {"x8", "photo.png", "\"type\": \"bicubic\", \"factor\": 8", 0.05, 32, 0, 0, 0},
    {"noise", "photo.jpg", "\"type\": \"identity\"", 0.2, SIDE, 0, 0, 0},
    {"gaussian", "photo.png", "\"type\": \"gaussian_blur\", \"sigma\": 3, \"size\": 61", 0.05, SIDE, 0, 0, 0},
};

static void write_problem(const task *t, const char *method, const char *precision) {
    char text[1024], path[64];
    snprintf(text, sizeof text,
             "{\"prior\": {\"file\": \"prior.safetensors\"%s}, \"operator\": {%s}, \"truth\": \"%s\", "
             "\"noise\": {\"type\": \"gaussian\", \"sigma\": %g}, \"method\": {%s}, \"seed\": 5}",
             precision, t->operator, t->photo, t->sigma, method);
    snprintf(path, sizeof path, "%s.json", t->name);
    write_text(path, text);
}

static double score(const cJSON *object, const char *key) {
    const cJSON *value = cJSON_GetObjectItem(object, key);
    if (!cJSON_IsNumber(value)) fail_msg("there is no score %s", key);
    return value->valuedouble;
}

/* Outside the hole the sample is the photograph to the noise's level; in it, it is not (nobody told the network what is there). */
static void check_hole(const task *t, const pnb_array *x) {
    pnb_array truth = picture(t->photo);
    double sum[2] = {0, 0};
    uint32_t n[2] = {0, 0};
    assert_int_equal(truth.count, x->count);
    for (uint32_t i = 0; i < 3 * PIXELS; i++) {
        uint32_t row = i / SIDE % SIDE, column = i % SIDE;
        bool inside = row >= t->top && row < t->top + t->hidden && column >= t->left && column < t->left + t->hidden;
        sum[inside] += pow((double)x->data[i] - (2 * (double)truth.data[i] - 1), 2);
        n[inside]++;
    }
    assert_int_equal(n[1], 3 * t->hidden * t->hidden);
    assert_true(sqrt(sum[0] / n[0]) < 1.5 * t->sigma);
    assert_true(sqrt(sum[1] / n[1]) > 3 * t->sigma);
    pnb_array_free(&truth);
}

/* The three commands; scores of eval are those of the run. */
static void solve_by_command(shell *s, const task *t) {
    char words[256], path[64];
    snprintf(words, sizeof words, "simulate --problem %s.json --x %s -o %s-y.png --quiet", t->name, t->photo, t->name);
    RUN_OK(s, words);
    snprintf(path, sizeof path, "%s-y.png", t->name);
    pnb_array y = picture(path);
    assert_true(y.rank == 3 && y.shape[0] == 3 && y.shape[1] == t->side && y.shape[2] == t->side);
    pnb_array_free(&y);
    snprintf(words, sizeof words, "solve %s.json -o %s --quiet", t->name, t->name);
    RUN_OK(s, words);
    snprintf(words, sizeof words, "eval %s --truth %s --json - --quiet", t->name, t->photo);
    RUN_OK(s, words);
}

static void solve_by_library(pnb_context *ctx, const task *t) {
    char path[64];
    pnb_problem *problem = NULL;
    pnb_run *run = NULL;
    snprintf(path, sizeof path, "%s.json", t->name);
    if (pnb_problem_load(ctx, path, &problem) || pnb_run_create(problem, &run) || pnb_run_advance(run, 0, NULL, NULL) ||
        pnb_run_write(run, t->name, 0)) {
        fail_msg("%s: %s", t->name, pnb_last_error(ctx));
    }
    pnb_run_destroy(&run);
    pnb_problem_destroy(&problem);
}

/* The folder's numbers: agreement with the measurement, the photograph around a hole, a picture of the mean. */
static double check_folder(const task *t) {
    char path[64];
    snprintf(path, sizeof path, "%s/run.json", t->name);
    cJSON *run = read_json(path), *scores = cJSON_GetObjectItem(run, "scores");
    double residual = score(scores, "residual"), psnr = score(scores, "psnr_mean");
    print_message("%s: RMS(y - A x)/sigma %.3f, PSNR %.2f dB\n", t->name, residual, psnr);
    assert_true(residual > 0 && residual < 1.3);
    cJSON_Delete(run);
    snprintf(path, sizeof path, "%s/samples.npy", t->name);
    pnb_array x = numbers(path);
    assert_int_equal(x.count, 3 * PIXELS);
    if (t->hidden) check_hole(t, &x);
    pnb_array_free(&x);
    snprintf(path, sizeof path, "%s/mean.png", t->name);
    pnb_array shown = picture(path);
    assert_true(shown.rank == 3 && shown.shape[0] == 3 && shown.shape[1] == SIDE && shown.shape[2] == SIDE);
    pnb_array_free(&shown);
    return psnr;
}

static void test_tasks(void **state) {
    shell *s = *state;
    pnb_context *ctx = NULL;
    assert_int_equal(pnb_context_create(NULL, &ctx), PNB_OK);
    for (size_t i = 0; i < sizeof tasks / sizeof *tasks; i++) {
        write_problem(&tasks[i], REDDIFF, "");
        if (i < 2) solve_by_command(s, &tasks[i]);
        else solve_by_library(ctx, &tasks[i]);
        double psnr = check_folder(&tasks[i]);
        cJSON *scores = i < 2 ? cJSON_Parse(s->out) : NULL;
        if (scores) assert_true(fabs(score(scores, "psnr_mean") - psnr) < 1e-3);
        cJSON_Delete(scores);
    }
    pnb_context_destroy(&ctx);
}

/* A step of PPM runs through with 16-bit storage and checkpoints, and what comes out is finite. */
static void test_ppm(void **state) {
    write_problem(&tasks[0],
                  "\"type\": \"ppm\", \"particles\": 1, \"init_steps\": 0, \"steps\": 1, \"aux_warmup\": 0, \"finish\": \"none\", "
                  "\"checkpointing\": true",
                  ", \"precision\": \"fp16\"");
    RUN_OK((shell *)*state, "solve hole80.json -o ppm --quiet");
    pnb_array x = numbers("ppm/samples.npy");
    assert_int_equal(x.count, 3 * PIXELS);
    for (uint32_t i = 0; i < 3 * PIXELS; i++) assert_true(isfinite(x.data[i]));
    pnb_array_free(&x);
}

static int setup(void **state) {
    int code = shell_setup(state);
    if (code == 0) {
        write_prior();
        write_photographs();
    }
    return code;
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_tasks), cmocka_unit_test(test_ppm)};
    return cmocka_run_group_tests(tests, setup, shell_teardown);
}

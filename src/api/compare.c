/* Results of several output folders side by side, in one picture. */
#include "api/figures.h"
#include "api/problem_parse.h"
#include "api/runs.h"
#include "eval/metrics.h"
#include "io/json.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_FOLDERS = 16, MOST_SAMPLES = 8, COLUMNS = 6 };

/* What is shown of one folder. */
typedef struct result {
    const char *folder;
    char *title, *note;
    uint32_t k;
    pnb_array samples; /* [k, image...] */
    pnb_shape image, measurement;
    float *truth, *y;              /* NULL: not known, or not to be shown */
    float *mean, *std, *deviation; /* [image...], [image...], [H,W]; images only */
    char captions[MOST_SAMPLES][24];
    pnb_tile tiles[4 + MOST_SAMPLES];
    size_t n_tiles;
} result;

static void forget(result *r) {
    pnb_array_free(&r->samples);
    free(r->title);
    free(r->note);
    free(r->truth);
    free(r->y);
    free(r->mean);
    free(r->std);
    free(r->deviation);
}

/* ---- words
 * ------------------------------------------------------------------------------------------------------------- */

static double number(const cJSON *object, const char *key) {
    const cJSON *v = cJSON_GetObjectItemCaseSensitive(object, key);
    return cJSON_IsNumber(v) ? v->valuedouble : NAN;
}

static const char *word(const cJSON *object, const char *key) {
    const cJSON *v = cJSON_GetObjectItemCaseSensitive(object, key);
    return cJSON_IsString(v) ? v->valuestring : "";
}

/* As papers write it. */
static char *title_of(const cJSON *run) {
    static const char *const names[][2] = {{"ppm", "PPM"},       {"dps", "DPS"},   {"pigdm", "PiGDM"},
                                             {"ddrm", "DDRM"},     {"rlsd", "RLSD"}, {"reddiff", "RED-Diff"},
                                             {"langevin", "Langevin"}, {"ppm_amortized", "PPM, amortised"}, {"davi", "DAVI"}};
    const cJSON *problem = cJSON_GetObjectItemCaseSensitive(run, "problem");
    const cJSON *sampling = cJSON_GetObjectItemCaseSensitive(run, "sampling");
    const cJSON *reconstruction = cJSON_GetObjectItemCaseSensitive(run, "reconstruction");
    if (sampling) return pnb_format("prior, %s", word(sampling, "sampler"));
    const char *method = reconstruction ? word(reconstruction, "method")
                                        : word(cJSON_GetObjectItemCaseSensitive(problem, "method"), "type");
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (strcmp(method, names[i][0]) == 0) return pnb_copy_string(names[i][1]);
    }
    return pnb_copy_string(method);
}

static void add_score(pnb_text *text, double value, const char *format) {
    if (!isfinite(value)) return;
    if (text->used) pnb_text_add(text, ", ");
    pnb_text_add(text, format, value);
}

/* The scores that are known, whether the run was stopped, and the folder (the end of a long path). */
static pnb_status note_of(pnb_error *err, const char *folder, const cJSON *run, char **out) {
    enum { LONGEST = 48 };
    const cJSON *scores = cJSON_GetObjectItemCaseSensitive(run, "scores");
    double done = number(run, "steps_done"), steps = number(run, "steps");
    size_t length = strlen(folder);
    pnb_text text = {0};
    add_score(&text, number(scores, "psnr_mean"), "PSNR of the mean %.2f dB");
    add_score(&text, number(scores, "diversity"), "diversity %.3g");
    add_score(&text, number(scores, "residual"), "RMS(y - A x)/sigma %.3g");
    if (done < steps) add_score(&text, done, "stopped after step %.0f");
    pnb_text_add(&text, "%s%s%s", text.used ? ", " : "", length > LONGEST ? "..." : "",
                 length > LONGEST ? folder + length - LONGEST : folder);
    return pnb_text_take(err, &text, out);
}

/* ---- reading a folder
 * ---------------------------------------------------------------------------------------------------- */

/* Truth and measurement of an image problem; a measurement that was simulated is simulated again. */
static pnb_status take_problem(pnb_context *ctx, const char *path, result *r) {
    pnb_problem *p;
    PNB_TRY(pnb_problem_load(ctx, path, &p));
    pnb_status status = PNB_OK;
    if (!pnb_shape_equal(p->image, r->image)) {
        status = pnb_problem_fail(p, PNB_ERROR_INPUT, "the samples beside it are not of the problem's image size");
    } else if (r->image.rank == 3) {
        r->measurement = p->measurement;
        if (p->measurement.rank == 3) status = pnb_problem_ready(p);
        r->truth = p->truth;
        p->truth = NULL;
        if (p->measurement.rank == 3) {
            r->y = p->y;
            p->y = NULL;
        }
    }
    pnb_problem_destroy(&p);
    return status;
}

static pnb_status take_run(pnb_context *ctx, const char *path, result *r) {
    cJSON *run;
    PNB_TRY(pnb_json_load(&ctx->error, path, &run));
    pnb_status status = note_of(&ctx->error, r->folder, run, &r->note);
    r->title = title_of(run);
    if (status == PNB_OK && !r->title) status = pnb_no_memory(&ctx->error, path);
    bool solved = cJSON_GetObjectItemCaseSensitive(run, "problem") != NULL;
    cJSON_Delete(run);
    PNB_TRY(status);
    return solved ? take_problem(ctx, path, r) : PNB_OK;
}

static pnb_status take_moments(pnb_error *err, result *r) {
    if (r->image.rank != 3) return PNB_OK;
    uint32_t c = r->image.d[0], h = r->image.d[1], w = r->image.d[2];
    uint64_t count = pnb_shape_count(r->image);
    r->mean = malloc(count * sizeof *r->mean);
    r->std = malloc(count * sizeof *r->std);
    r->deviation = malloc((size_t)h * w * sizeof *r->deviation);
    if (!r->mean || !r->std || !r->deviation) return pnb_no_memory(err, "figure");
    pnb_moments(r->k, count, r->samples.data, r->mean, r->std);
    pnb_std_map(c, h, w, r->std, r->deviation);
    return PNB_OK;
}

static pnb_status read_folder(pnb_context *ctx, const char *folder, result *r) {
    pnb_error *err = &ctx->error;
    r->folder = folder;
    char *path = pnb_path_join(folder, "run.json");
    if (!path) return pnb_no_memory(err, folder);
    pnb_status status = PNB_OK;
    if (!pnb_file_exists(path)) {
        status = pnb_fail(err, PNB_ERROR_INPUT,
                          "'%s' holds no results: expected the output folder of penumbra solve or sample", folder);
    }
    if (status == PNB_OK) status = pnb_folder_samples(err, folder, &r->samples, &r->image);
    if (status == PNB_OK) status = take_run(ctx, path, r);
    if (status == PNB_OK) {
        r->k = (uint32_t)r->samples.shape[0];
        status = take_moments(err, r);
    }
    free(path);
    return status;
}

/* ---- images
 * ------------------------------------------------------------------------------------------------------------------ */

static float largest_deviation(size_t n, const result *r) {
    float largest = 0;
    for (size_t i = 0; i < n; i++) {
        size_t pixels = (size_t)r[i].image.d[1] * r[i].image.d[2];
        for (size_t k = 0; k < pixels; k++) largest = fmaxf(largest, r[i].deviation[k]);
    }
    return largest;
}

static void add_tile(result *r, const char *caption, pnb_picture picture, bool bar) {
    r->tiles[r->n_tiles++] = (pnb_tile){caption, picture, bar};
}

static void lay_tiles(result *r, float largest) {
    uint64_t count = pnb_shape_count(r->image);
    if (r->truth) add_tile(r, "truth", pnb_picture_of(r->truth, r->image), false);
    if (r->y) add_tile(r, "measurement", pnb_picture_of_measurement(r->y, r->measurement), false);
    add_tile(r, "mean", pnb_picture_of(r->mean, r->image), false);
    pnb_picture deviation = {r->deviation, 1, r->image.d[1], r->image.d[2], 0, largest, PNB_MAP_INFERNO};
    if (r->k > 1) add_tile(r, "standard deviation", deviation, true);
    for (uint32_t i = 0; i < r->k && i < MOST_SAMPLES; i++) {
        snprintf(r->captions[i], sizeof r->captions[i], "sample %u", i);
        add_tile(r, r->captions[i], pnb_picture_of(r->samples.data + i * count, r->image), false);
    }
}

static pnb_status draw_images(pnb_error *err, size_t n, result *r, const char *path) {
    pnb_block blocks[MOST_FOLDERS];
    float largest = largest_deviation(n, r);
    for (size_t i = 0; i < n; i++) {
        lay_tiles(&r[i], largest);
        blocks[i] = (pnb_block){r[i].title, r[i].note, r[i].tiles, r[i].n_tiles};
    }
    return pnb_figure_sheet(err, path, blocks, n, COLUMNS);
}

/* ---- vectors
 * ----------------------------------------------------------------------------------------------------------------- */

static pnb_status draw_vectors(pnb_error *err, size_t n, const result *r, const char *path) {
    pnb_points points[MOST_FOLDERS];
    pnb_panel panels[MOST_FOLDERS];
    size_t all = 0, used = 0;
    uint32_t dim = r[0].image.d[0];
    for (size_t i = 0; i < n; i++) all += r[i].k;
    float *xy = malloc(2 * all * sizeof *xy);
    if (!xy) return pnb_no_memory(err, "figure");
    for (size_t i = 0; i < n; i++) {
        pnb_plane_points(r[i].k, r[i].image.d[0], r[i].samples.data, xy + 2 * used);
        points[i] = (pnb_points){xy + 2 * used, r[i].k, PNB_RED, i == 0 ? "samples" : NULL, 0};
        panels[i] = (pnb_panel){r[i].title, NULL, 0, &points[i], 1};
        used += r[i].k;
    }
    pnb_scatter scatter = {panels, n, 0, 0, 0, 0, "x1", dim > 1 ? "x2" : "sample"};
    pnb_status status = pnb_figure_scatter(err, path, &scatter);
    free(xy);
    return status;
}

/* ---- all of it
 * ------------------------------------------------------------------------------------------------------------- */

static pnb_status draw(pnb_context *ctx, size_t n, const char *const *folders, result *r, const char *path) {
    for (size_t i = 0; i < n; i++) {
        if (!folders[i]) return pnb_fail(&ctx->error, PNB_ERROR_USAGE, "pnb_draw_folders: folder %zu is NULL", i);
        PNB_TRY(read_folder(ctx, folders[i], &r[i]));
        if (r[i].image.rank == r[0].image.rank) continue;
        return pnb_fail(&ctx->error, PNB_ERROR_INPUT,
                        "'%s' and '%s': one holds images and the other vectors, which do not go "
                        "into one picture",
                        folders[0], folders[i]);
    }
    return r[0].image.rank == 3 ? draw_images(&ctx->error, n, r, path) : draw_vectors(&ctx->error, n, r, path);
}

pnb_status pnb_draw_folders(pnb_context *ctx, size_t n, const char *const *folders, const char *path) {
    if (!ctx) return PNB_ERROR_USAGE;
    if (n < 1 || n > MOST_FOLDERS || !folders || !path) {
        return pnb_fail(&ctx->error, PNB_ERROR_USAGE,
                        "pnb_draw_folders: needs 1 to %d folders and the path of a picture", MOST_FOLDERS);
    }
    result *results = calloc(n, sizeof *results);
    if (!results) return pnb_no_memory(&ctx->error, "figure");
    pnb_status status = draw(ctx, n, folders, results, path);
    for (size_t i = 0; i < n; i++) forget(&results[i]);
    free(results);
    return status;
}

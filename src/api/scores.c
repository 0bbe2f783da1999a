/* Scores of samples against a known truth, from arrays and from output folders. */
#include "api/files.h"
#include "api/outcome.h"
#include "api/runs.h"
#include "api/sky.h"
#include "io/json.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static pnb_status compute(pnb_error *err, uint32_t k, pnb_shape image, const float *samples, const float *truth,
                          pnb_metrics *out) {
    uint64_t count = pnb_shape_count(image);
    for (uint64_t i = 0; i < k * count; i++) {
        if (!isfinite(samples[i])) {
            return pnb_fail(err, PNB_ERROR_INPUT, "scores: element %llu of the samples is not finite",
                            (unsigned long long)i);
        }
    }
    for (uint64_t i = 0; i < count; i++) {
        if (!isfinite(truth[i])) {
            return pnb_fail(err, PNB_ERROR_INPUT, "scores: element %llu of the truth is not finite",
                            (unsigned long long)i);
        }
    }
    pnb_metrics_input in = {.samples = k, .channels = image.d[0], .x = samples, .truth = truth};
    if (image.rank == 3) {
        in.height = image.d[1];
        in.width = image.d[2];
    }
    return pnb_metrics_compute(err, &in, out);
}

pnb_status pnb_evaluate(pnb_context *ctx, uint32_t k, const pnb_extent *image, const float *samples, const float *truth,
                        pnb_scores *out) {
    if (!ctx) return PNB_ERROR_USAGE;
    pnb_shape shape;
    if (k == 0 || !image || !samples || !truth || !out || !pnb_shape_of(image, &shape) ||
        (shape.rank != 1 && shape.rank != 3)) {
        return pnb_fail(&ctx->error, PNB_ERROR_USAGE,
                        "pnb_evaluate: needs k >= 1, an image extent [C,H,W] or [D], samples, truth and scores");
    }
    pnb_metrics m;
    PNB_TRY(compute(&ctx->error, k, shape, samples, truth, &m));
    pnb_scores s = PNB_SCORES_INIT;
    s.psnr_mean = m.psnr_mean;
    s.psnr_samples = m.psnr_samples;
    s.ssim_mean = m.ssim_mean;
    s.ssim_samples = m.ssim_samples;
    s.diversity = m.diversity;
    s.coverage_1sigma = m.coverage[0];
    s.crps = m.crps;
    pnb_struct_give(out, &s, sizeof s);
    return PNB_OK;
}

/* ---- folders
 * -------------------------------------------------------------------------------------------------------------- */

static pnb_status load(pnb_context *ctx, const char *folder, const char *truth_path, pnb_array *samples,
                       pnb_array *truth, pnb_shape *image) {
    char text[PNB_SHAPE_TEXT_SIZE], wanted[48];
    bool is_image;
    PNB_TRY(pnb_folder_samples(&ctx->error, folder, samples, image));
    uint32_t channels = image->rank == 3 && (image->d[0] == 1 || image->d[0] == 3) ? image->d[0] : 0;
    PNB_TRY(pnb_values_read(&ctx->error, truth_path, channels, truth, &is_image));
    if (truth->count == pnb_shape_count(*image) && truth->rank >= 1 &&
        truth->shape[truth->rank - 1] == image->d[image->rank - 1]) {
        return PNB_OK;
    }
    return pnb_fail(&ctx->error, PNB_ERROR_INPUT, "'%s': the shape is %s, expected %s, that of the samples in '%s'",
                    truth_path, pnb_shape_to_text(truth->rank, truth->shape, text), pnb_shape_text(*image, wanted),
                    folder);
}

/* What an interferometer's run says of its pixels, and of its data. */
static pnb_status add_sky(pnb_context *ctx, const cJSON *run, pnb_shape image, const float *samples, uint32_t k, const float *truth,
                          cJSON *to) {
    const cJSON *op = cJSON_GetObjectItemCaseSensitive(cJSON_GetObjectItemCaseSensitive(run, "problem"), "operator");
    const cJSON *type = cJSON_GetObjectItemCaseSensitive(op, "type"), *pixels = cJSON_GetObjectItemCaseSensitive(op, "pixels"),
                *fov = cJSON_GetObjectItemCaseSensitive(op, "fov_uas");
    if (!cJSON_IsString(type) || strcmp(type->valuestring, "vlbi") != 0 || image.rank != 3 || image.d[0] != 1) return PNB_OK;
    pnb_sky_agreement(cJSON_GetObjectItemCaseSensitive(run, "chi2_terms"), to);
    if (!cJSON_IsString(pixels) || strcmp(pixels->valuestring, "unit") != 0 || !cJSON_IsNumber(fov) || !(fov->valuedouble > 0)) {
        return PNB_OK;
    }
    uint64_t n = pnb_shape_count(image);
    float *moments = malloc(2 * n * sizeof *moments);
    if (!moments) return pnb_no_memory(&ctx->error, "scores");
    pnb_moments(k, n, samples, moments, moments + n);
    pnb_sky_images i = {image.d[1], image.d[2], k, fov->valuedouble / image.d[2], samples, moments, truth, NULL};
    pnb_status status = pnb_sky_likeness(&ctx->error, &i, to);
    free(moments);
    return status;
}

/* Keys of run.json that an evaluation passes on. A folder without one is fine. */
static pnb_status add_from_run(pnb_context *ctx, const char *folder, const pnb_array *samples, pnb_shape image, const pnb_array *truth,
                               cJSON *to) {
    char *path = pnb_path_join(folder, "run.json");
    if (!path) return pnb_no_memory(&ctx->error, folder);
    cJSON *run = NULL;
    pnb_status status = pnb_file_exists(path) ? pnb_json_load(&ctx->error, path, &run) : PNB_OK;
    free(path);
    PNB_TRY(status);
    cJSON *chi2 = cJSON_DetachItemFromObjectCaseSensitive(run, "chi2");
    if (chi2) cJSON_AddItemToObject(to, "chi2", chi2);
    cJSON *posterior =
        cJSON_DetachItemFromObjectCaseSensitive(cJSON_GetObjectItemCaseSensitive(run, "scores"), "posterior");
    if (posterior) cJSON_AddItemToObject(to, "posterior", posterior);
    status = add_sky(ctx, run, image, samples->data, (uint32_t)samples->shape[0], truth->data, to);
    cJSON_Delete(run);
    return status;
}

pnb_status pnb_evaluate_folder(pnb_context *ctx, const char *folder, const char *truth_path, char **json) {
    if (json) *json = NULL;
    if (!ctx) return PNB_ERROR_USAGE;
    if (!folder || !truth_path || !json) {
        return pnb_fail(&ctx->error, PNB_ERROR_USAGE, "pnb_evaluate_folder: needs a folder, a truth file and json");
    }
    pnb_array samples = {0}, truth = {0};
    pnb_shape image;
    pnb_metrics m;
    cJSON *scores = NULL;
    pnb_status status;
    PNB_TRY_GOTO(load(ctx, folder, truth_path, &samples, &truth, &image));
    PNB_TRY_GOTO(compute(&ctx->error, (uint32_t)samples.shape[0], image, samples.data, truth.data, &m));
    scores = pnb_scores_object(&m, true);
    PNB_TRY_GOTO(add_from_run(ctx, folder, &samples, image, &truth, scores));
    status = pnb_json_take(&ctx->error, scores, json);
    scores = NULL;
fail:
    cJSON_Delete(scores);
    pnb_array_free(&samples);
    pnb_array_free(&truth);
    return status;
}

/* The output folder: what is in it, made and cleared without touching files of others. */
#include "api/files.h"
#include "api/runs.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char *const result_files[] = {"samples.npy", "mean.npy", "std.npy",
                                           "samples.png", "mean.png", "std.png",
                                           "scatter.png", "run.json", "samples_before_finish.npy",
                                           "samples.fits", "mean.fits", "std.fits",
                                           "samples.tif", "mean.tif", "std.tif",
                                           "dirty.fits", "beam.fits", "dirty.png",
                                           "uv.png", "residuals.csv"};
static const char *const checkpoint_files[] = {"checkpoint/state", "checkpoint/state.json", "checkpoint/state.tmp",
                                               "checkpoint/state.json.tmp"};
enum {
    RESULT_FILES = sizeof result_files / sizeof *result_files,
    CHECKPOINT_FILES = sizeof checkpoint_files / sizeof *checkpoint_files
};

static bool exists(const char *folder, const char *name) {
    char *path = pnb_path_join(folder, name);
    bool found = path && access(path, F_OK) == 0;
    free(path);
    return found;
}

static bool remove_file(const char *folder, const char *name) {
    char *path = pnb_path_join(folder, name);
    bool gone = path && (unlink(path) == 0 || errno == ENOENT || errno == ENOTDIR);
    free(path);
    return gone;
}

pnb_status pnb_folder_state(pnb_context *ctx, const char *folder, int *has_results, int *has_checkpoint,
                            int *complete) {
    if (!ctx) return PNB_ERROR_USAGE;
    if (!folder) return pnb_fail(&ctx->error, PNB_ERROR_USAGE, "pnb_folder_state: folder is NULL");
    bool results = false;
    for (size_t i = 0; i < RESULT_FILES; i++) results = results || exists(folder, result_files[i]);
    bool checkpoint = exists(folder, "checkpoint/state");
    if (has_results) *has_results = results;
    if (has_checkpoint) *has_checkpoint = checkpoint;
    if (complete) *complete = exists(folder, "run.json") && !checkpoint;
    return PNB_OK;
}

pnb_status pnb_folder_prepare(pnb_error *err, const char *folder, char **state) {
    *state = NULL;
    PNB_TRY(pnb_make_folders(err, folder));
    char *inner = pnb_path_join(folder, "checkpoint");
    if (!inner) return pnb_no_memory(err, folder);
    pnb_status status = pnb_make_folders(err, inner);
    if (status == PNB_OK) {
        *state = pnb_path_join(inner, "state");
        if (!*state) status = pnb_no_memory(err, folder);
    }
    free(inner);
    return status;
}

void pnb_folder_remove_checkpoint(const char *folder) {
    for (size_t i = 0; i < CHECKPOINT_FILES; i++) (void)remove_file(folder, checkpoint_files[i]);
    char *path = pnb_path_join(folder, "checkpoint");
    if (path) (void)rmdir(path);
    free(path);
}

pnb_status pnb_folder_clear_results(pnb_error *err, const char *folder) {
    for (size_t i = 0; i < RESULT_FILES; i++) {
        if (!remove_file(folder, result_files[i])) {
            return pnb_fail(err, PNB_ERROR_INPUT, "'%s/%s': cannot be removed: %s", folder, result_files[i],
                            strerror(errno));
        }
    }
    return PNB_OK;
}

pnb_status pnb_folder_samples(pnb_error *err, const char *folder, pnb_array *samples, pnb_shape *image) {
    char *path = pnb_path_join(folder, "samples.npy");
    if (!path) return pnb_no_memory(err, folder);
    bool is_image;
    pnb_status status = pnb_values_read(err, path, 0, samples, &is_image);
    free(path);
    PNB_TRY(status);
    bool fits = (samples->rank == 2 || samples->rank == 4) && samples->shape[0] > 0 && samples->shape[0] <= UINT32_MAX;
    pnb_extent extent = {samples->rank - 1, {0}};
    for (uint32_t i = 1; fits && i < samples->rank; i++) {
        fits = samples->shape[i] <= UINT32_MAX;
        extent.size[i - 1] = (uint32_t)samples->shape[i];
    }
    if (fits && pnb_shape_of(&extent, image)) return PNB_OK;
    char text[PNB_SHAPE_TEXT_SIZE];
    pnb_shape_to_text(samples->rank, samples->shape, text);
    pnb_array_free(samples);
    return pnb_fail(err, PNB_ERROR_INPUT, "'%s/samples.npy': expected [K,C,H,W] or [K,D], found %s", folder, text);
}

pnb_status pnb_folder_clear(pnb_error *err, const char *folder) {
    pnb_folder_remove_checkpoint(folder);
    return pnb_folder_clear_results(err, folder);
}

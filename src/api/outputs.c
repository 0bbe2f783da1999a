/* The output folder: arrays, figures, and run.json last, so that its presence means that the rest is there. */
#include "api/files.h"
#include "api/outcome.h"
#include "api/runs.h"
#include "api/sky.h"
#include "io/json.h"
#include "io/npy.h"

#include <stdlib.h>

static pnb_status write_array(pnb_error *err, const char *folder, const char *name, const float *data, uint32_t k,
                              pnb_shape image) {
    uint64_t shape[4];
    uint32_t rank = 0;
    if (k) shape[rank++] = k;
    for (uint32_t i = 0; i < image.rank; i++) shape[rank++] = image.d[i];
    char *path = pnb_path_join(folder, name);
    if (!path) return pnb_no_memory(err, name);
    pnb_status status = pnb_npy_write(err, path, rank, shape, data);
    free(path);
    return status;
}

/* A TIFF beside the arrays where the measurement was one, in its file's numbers, with pixels in proportion. */
static pnb_status write_tiff(pnb_run *r, const char *folder, const char *name, uint32_t n, const float *data, bool deviations) {
    const pnb_problem *p = r->problem;
    pnb_value_map map = p->y_map;
    char *path = pnb_path_join(folder, name);
    if (!path) return pnb_no_memory(&r->ctx->error, name);
    for (int i = 0; i < 2 && p->measurement.rank == 3; i++) map.pixel_nm[i] *= (double)p->measurement.d[2 - i] / r->image.d[2 - i];
    pnb_status status =
        pnb_values_write_tiff(&r->ctx->error, path, n, r->image.d[0], r->image.d[1], r->image.d[2], data, &map, deviations);
    free(path);
    return status;
}

static pnb_status write_tiffs(pnb_run *r, const pnb_outcome *o, const char *folder) {
    bool pictures = r->image.rank == 3 && (r->image.d[0] == 1 || r->image.d[0] == 3);
    if (!r->problem || !r->problem->y_map.tiff || !pictures) return PNB_OK;
    PNB_TRY(write_tiff(r, folder, "samples.tif", o->k, o->samples, false));
    PNB_TRY(write_tiff(r, folder, "mean.tif", 1, o->mean, false));
    return write_tiff(r, folder, "std.tif", 1, o->std, true);
}

static pnb_status write_json(pnb_run *r, const pnb_outcome *o, const char *folder) {
    cJSON *json;
    PNB_TRY(pnb_outcome_json(r, o, &json));
    char *path = pnb_path_join(folder, "run.json");
    pnb_status status = path ? pnb_json_write(&r->ctx->error, path, json) : pnb_no_memory(&r->ctx->error, "run.json");
    free(path);
    cJSON_Delete(json);
    return status;
}

static pnb_status write_all(pnb_run *r, const pnb_outcome *o, const char *folder) {
    pnb_error *err = &r->ctx->error;
    PNB_TRY(write_array(err, folder, "samples.npy", o->samples, o->k, r->image));
    if (o->before_finish)
        PNB_TRY(write_array(err, folder, "samples_before_finish.npy", o->before_finish, o->k, r->image));
    PNB_TRY(write_array(err, folder, "mean.npy", o->mean, 0, r->image));
    PNB_TRY(write_array(err, folder, "std.npy", o->std, 0, r->image));
    PNB_TRY(pnb_outcome_figures(r, o, folder));
    PNB_TRY(write_tiffs(r, o, folder));
    PNB_TRY(pnb_sky_write(r, o, folder));
    return write_json(r, o, folder);
}

pnb_status pnb_run_write(pnb_run *r, const char *folder, unsigned flags) {
    if (!r) return PNB_ERROR_USAGE;
    pnb_error *err = &r->ctx->error;
    if (!folder) return pnb_fail(err, PNB_ERROR_USAGE, "pnb_run_write: folder is NULL");
    int results;
    PNB_TRY(pnb_folder_state(r->ctx, folder, &results, NULL, NULL));
    if (results && !(flags & PNB_WRITE_OVERWRITE)) {
        return pnb_fail(err, PNB_ERROR_USAGE, "'%s' already holds results: choose another folder, or overwrite",
                        folder);
    }
    pnb_outcome o;
    PNB_TRY(pnb_outcome_read(r, &o)); /* before anything old is touched */
    pnb_status status = pnb_make_folders(err, folder);
    if (status == PNB_OK && results) status = pnb_folder_clear_results(err, folder);
    if (status == PNB_OK) status = write_all(r, &o, folder);
    pnb_outcome_finish(&o);
    return status;
}

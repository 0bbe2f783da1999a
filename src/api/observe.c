/* Observations of a known sky: observation.json and an image become a file of visibilities, without a device. */
#include "api/files.h"
#include "io/json.h"
#include "measure/observe.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct request {
    pnb_uvdata data; /* all but the records */
    pnb_observing how;
    double fov, flux, peak; /* micro-arcseconds; Jy, 0: as peak says; Jy/pixel of value 1 */
    bool jy;
} request;

static pnb_status read_source(const pnb_json *doc, request *q) {
    pnb_json s;
    const char *name;
    PNB_TRY(pnb_json_require(doc, "source"));
    PNB_TRY(pnb_json_object(doc, "source", &s));
    PNB_TRY(pnb_json_known_keys(&s, (const char *const[]){"name", "ra_deg", "dec_deg", NULL}));
    PNB_TRY(pnb_json_require(&s, "ra_deg"));
    PNB_TRY(pnb_json_require(&s, "dec_deg"));
    PNB_TRY(pnb_json_string(&s, "name", "SIM", &name));
    PNB_TRY(pnb_json_real(&s, "ra_deg", 0, 0, 360, &q->data.ra));
    snprintf(q->data.source, sizeof q->data.source, "%.31s", name);
    return pnb_json_real(&s, "dec_deg", 0, -90, 90, &q->data.dec);
}

static pnb_status read_times(const pnb_json *doc, request *q) {
    int64_t mjd;
    PNB_TRY(pnb_json_require(doc, "mjd"));
    PNB_TRY(pnb_json_int(doc, "mjd", 0, 0, 1000000, &mjd));
    q->data.mjd = (double)mjd;
    PNB_TRY(pnb_json_real(doc, "start_hours", 0, 0, 48, &q->how.start));
    PNB_TRY(pnb_json_real(doc, "stop_hours", 24, 0, 72, &q->how.stop));
    PNB_TRY(pnb_json_real(doc, "interval_seconds", 600, 0.1, 86400, &q->how.interval));
    PNB_TRY(pnb_json_real(doc, "integration_seconds", 60, 0.1, 86400, &q->how.integration));
    if (q->how.integration <= q->how.interval) return PNB_OK;
    pnb_json at = pnb_json_get(doc, "integration_seconds");
    return pnb_json_expected(&at, "no more than interval_seconds");
}

static pnb_status read_errors(const pnb_json *doc, request *q) {
    int phases;
    PNB_TRY(pnb_json_real(doc, "gain_offset", 0, 0, 10, &q->how.gain_offset));
    PNB_TRY(pnb_json_real(doc, "gain_scan", 0, 0, 10, &q->how.gain_scan));
    PNB_TRY(pnb_json_choice(doc, "phases", 0, (const char *const[]){"none", "random", NULL}, &phases));
    q->how.phases = phases == 1;
    return pnb_json_bool(doc, "thermal_noise", true, &q->how.thermal);
}

static pnb_status read_image_scale(const pnb_json *doc, request *q) {
    int pixels;
    PNB_TRY(pnb_json_require(doc, "fov_uas"));
    PNB_TRY(pnb_json_real(doc, "fov_uas", 0, 1e-3, 1e9, &q->fov));
    PNB_TRY(pnb_json_choice(doc, "pixels", 0, (const char *const[]){"unit", "jy", NULL}, &pixels));
    PNB_TRY(pnb_json_real(doc, "flux_jy", 0, 0, 1e9, &q->flux));
    PNB_TRY(pnb_json_real(doc, "peak_jy", 0, 0, 1e9, &q->peak));
    q->jy = pixels == 1;
    if (q->jy || q->flux > 0 || q->peak > 0) return PNB_OK;
    return pnb_json_expected(doc, "flux_jy or peak_jy, or \"pixels\": \"jy\"");
}

static pnb_status read_request(pnb_context *ctx, const char *path, const cJSON *json, request *q) {
    pnb_json doc = pnb_json_root(&ctx->error, path, json);
    const char *array;
    int64_t seed;
    PNB_TRY(pnb_json_known_keys(&doc, (const char *const[]){"array",
                                                            "source",
                                                            "mjd",
                                                            "start_hours",
                                                            "stop_hours",
                                                            "interval_seconds",
                                                            "integration_seconds",
                                                            "frequency_hz",
                                                            "bandwidth_hz",
                                                            "least_elevation_deg",
                                                            "most_elevation_deg",
                                                            "gain_offset",
                                                            "gain_scan",
                                                            "phases",
                                                            "thermal_noise",
                                                            "seed",
                                                            "fov_uas",
                                                            "pixels",
                                                            "flux_jy",
                                                            "peak_jy",
                                                            NULL}));
    PNB_TRY(pnb_json_require(&doc, "array"));
    PNB_TRY(pnb_json_string(&doc, "array", NULL, &array));
    PNB_TRY(read_source(&doc, q));
    PNB_TRY(read_times(&doc, q));
    PNB_TRY(read_errors(&doc, q));
    PNB_TRY(read_image_scale(&doc, q));
    PNB_TRY(pnb_json_real(&doc, "frequency_hz", 230e9, 1e6, 1e15, &q->data.frequency));
    PNB_TRY(pnb_json_real(&doc, "bandwidth_hz", 4e9, 1, 1e12, &q->data.bandwidth));
    PNB_TRY(pnb_json_real(&doc, "least_elevation_deg", 10, -90, 90, &q->how.elevation[0]));
    PNB_TRY(pnb_json_real(&doc, "most_elevation_deg", 85, -90, 90, &q->how.elevation[1]));
    PNB_TRY(pnb_json_int(&doc, "seed", 0, 0, INT64_C(1) << 53, &seed));
    q->how.seed = (uint64_t)seed;
    char *folder = pnb_path_folder(path), *stations = folder ? pnb_path_join(folder, array) : NULL;
    pnb_status status =
        stations ? pnb_stations_read(&ctx->error, stations, &q->data) : pnb_no_memory(&ctx->error, "array");
    free(folder);
    free(stations);
    return status;
}

/* The image in Jy, for the caller to free. */
static double *brightness(const request *q, size_t n, const float *x) {
    pnb_vlbi v = {.flux = q->jy ? 0 : q->flux, .peak = q->flux > 0 ? 1 : q->peak, .jy = q->jy};
    double *jy = malloc(n * sizeof *jy);
    if (jy) pnb_vlbi_brightness(&v, n, x, jy);
    return jy;
}

static pnb_status observe(pnb_context *ctx, const pnb_observe_params *p, request *q) {
    const uint32_t *size = p->image.size + (p->image.rank - 2);
    pnb_sky_grid grid = {size[0], size[1], q->fov * PNB_RADIANS_OF_UAS / size[1]};
    double *jy = brightness(q, (size_t)size[0] * size[1], p->x);
    if (!jy) return pnb_no_memory(&ctx->error, "observation");
    if (p->seed_given) q->how.seed = p->seed;
    pnb_status status = pnb_observe(&ctx->error, &q->how, &grid, jy, &q->data);
    free(jy);
    return status ? status : pnb_uvdata_write(&ctx->error, p->output, &q->data);
}

pnb_status pnb_simulate_observation(pnb_context *ctx, const pnb_observe_params *given) {
    if (!ctx) return PNB_ERROR_USAGE;
    pnb_observe_params p = PNB_OBSERVE_DEFAULTS;
    pnb_struct_take(&p, sizeof p, given);
    bool shape = p.image.rank == 2 || (p.image.rank == 3 && p.image.size[0] == 1);
    if (!p.observation || !p.x || !p.output || !shape) {
        return pnb_fail(
            &ctx->error, PNB_ERROR_USAGE,
            "pnb_simulate_observation: needs observation, output and an image of one channel, [H,W] or [1,H,W]");
    }
    cJSON *json;
    request q = {0};
    PNB_TRY(pnb_json_load(&ctx->error, p.observation, &json));
    pnb_status status = read_request(ctx, p.observation, json, &q);
    if (status == PNB_OK) status = observe(ctx, &p, &q);
    cJSON_Delete(json);
    pnb_uvdata_free(&q.data);
    return status;
}

/* The files and numbers that an astronomer expects of an image from visibilities. */
#include "api/sky.h"

#include "eval/ring.h"
#include "io/figure.h"
#include "io/fits.h"
#include "measure/vlbi.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* NULL unless the problem's operator is vlbi itself: behind another operator the image is no image of the sky. */
static const pnb_vlbi *sky_of(const pnb_run *r) {
    const pnb_operator *op = r->problem ? r->problem->forward->op : NULL;
    return op && strcmp(pnb_operator_name(op), "vlbi") == 0 ? pnb_vlbi_of(op) : NULL;
}

static pnb_status no_memory(pnb_run *r) {
    return pnb_no_memory(&r->ctx->error, "images of the sky");
}

/* ---- FITS -------------------------------------------------------------------------------------------------------- */

#ifdef PNB_CFITSIO

typedef struct images {
    const pnb_vlbi *v;
    pnb_fits_sky sky;
    const char *folder;
    uint32_t h, w;
} images;

static pnb_status write_fits(pnb_run *r, const images *i, const char *name, uint32_t planes, const float *data) {
    char *path = pnb_path_join(i->folder, name);
    if (!path) return no_memory(r);
    pnb_status status = pnb_fits_write_image(&r->ctx->error, path, planes, i->h, i->w, data, &i->sky);
    free(path);
    return status;
}

static pnb_status write_samples(pnb_run *r, const pnb_outcome *o, const images *i) {
    size_t n = (size_t)i->h * i->w;
    float *jy = malloc((o->k + 2) * n * sizeof *jy);
    double *one = malloc(n * sizeof *one);
    pnb_status status = jy && one ? PNB_OK : no_memory(r);
    for (uint32_t k = 0; status == PNB_OK && k < o->k; k++) {
        pnb_vlbi_brightness(i->v, n, o->samples + k * n, one);
        for (size_t p = 0; p < n; p++) jy[k * n + p] = (float)one[p];
    }
    if (status == PNB_OK) {
        pnb_moments(o->k, n, jy, jy + o->k * n, jy + (o->k + 1) * n);
        status = write_fits(r, i, "samples.fits", o->k, jy);
    }
    if (status == PNB_OK) status = write_fits(r, i, "mean.fits", 0, jy + o->k * n);
    if (status == PNB_OK) status = write_fits(r, i, "std.fits", 0, jy + (o->k + 1) * n);
    free(jy);
    free(one);
    return status;
}

static pnb_status write_all_fits(pnb_run *r, const pnb_outcome *o, const char *folder, const float *dirty,
                                 const float *beam) {
    const pnb_vlbi *v = sky_of(r);
    const pnb_uvdata *d = &v->data;
    pnb_sky_beam b;
    images i = {v,
                {d->source, "JY/PIXEL", d->ra, d->dec, v->pixel / PNB_RADIANS_OF_UAS, d->frequency, d->mjd, {0, 0}, 0},
                folder,
                r->image.d[1],
                r->image.d[2]};
    if (pnb_sky_restoring_beam(d, &b)) {
        i.sky.beam_uas[0] = b.major / PNB_RADIANS_OF_UAS;
        i.sky.beam_uas[1] = b.minor / PNB_RADIANS_OF_UAS;
        i.sky.beam_angle = b.angle;
    }
    PNB_TRY(write_samples(r, o, &i));
    i.sky.unit = "JY/BEAM";
    PNB_TRY(write_fits(r, &i, "dirty.fits", 0, dirty));
    return write_fits(r, &i, "beam.fits", 0, beam);
}

#endif

/* ---- pictures ---------------------------------------------------------------------------------------------------- */

static pnb_status write_dirty(pnb_run *r, const char *folder, const float *dirty, const float *beam) {
    uint32_t h = r->image.d[1], w = r->image.d[2];
    const pnb_tile tiles[2] = {{"dirty image, Jy/beam", {dirty, 1, h, w, NAN, NAN, PNB_MAP_INFERNO}, true},
                               {"dirty beam", {beam, 1, h, w, NAN, NAN, PNB_MAP_INFERNO}, true}};
    char *path = pnb_path_join(folder, "dirty.png");
    if (!path) return no_memory(r);
    pnb_status status = pnb_figure_contact_sheet(&r->ctx->error, path, tiles, 2, 2);
    free(path);
    return status;
}

/* u grows to the left, as the east does in images. */
static pnb_status write_coverage(pnb_run *r, const char *folder) {
    const pnb_uvdata *d = &sky_of(r)->data;
    double reach = 0;
    float *xy = malloc(4 * (size_t)d->count * sizeof *xy);
    char *path = pnb_path_join(folder, "uv.png");
    pnb_status status = xy && path ? PNB_OK : no_memory(r);
    for (uint32_t k = 0; xy && k < d->count; k++) {
        const pnb_uv_record *q = &d->records[k];
        const float point[4] = {(float)(-q->u / 1e9), (float)(q->v / 1e9), (float)(q->u / 1e9), (float)(-q->v / 1e9)};
        memcpy(xy + 4 * (size_t)k, point, sizeof point);
        reach = fmax(reach, 1.1 * hypot(q->u, q->v) / 1e9);
    }
    if (status == PNB_OK) {
        pnb_points points = {xy, 2 * (size_t)d->count, PNB_BLUE, NULL, 0};
        pnb_panel panel = {"uv coverage", NULL, 0, &points, 1};
        pnb_scatter scatter = {
            &panel, 1, -reach, reach, -reach, reach, "-u (billion wavelengths)", "v (billion wavelengths)"};
        status = pnb_figure_scatter(&r->ctx->error, path, &scatter);
    }
    free(xy);
    free(path);
    return status;
}

/* ---- residuals --------------------------------------------------------------------------------------------------- */

static pnb_status write_rows(pnb_run *r, const char *path, const pnb_uvdata *d, const pnb_uv_record *model) {
    pnb_file_writer w;
    pnb_status status;
    char line[512];
    PNB_TRY(pnb_writer_open(&r->ctx->error, path, &w));
    int n = snprintf(
        line, sizeof line,
        "#time(UTC),T1,T2,U(lambda),V(lambda),re(Jy),im(Jy),sigma(Jy),mean_re(Jy),mean_im(Jy),residual/sigma\n");
    PNB_TRY_GOTO(pnb_writer_write(&w, line, (size_t)n));
    for (uint32_t k = 0; k < d->count; k++) {
        const pnb_uv_record *q = &d->records[k], *m = &model[k];
        n = snprintf(line, sizeof line, "%.8f,%s,%s,%.1f,%.1f,%.8f,%.8f,%.8f,%.8f,%.8f,%.4f\n", q->hours,
                     d->stations[q->station[0]].name, d->stations[q->station[1]].name, q->u, q->v, q->re, q->im,
                     q->sigma, m->re, m->im, hypot(q->re - m->re, q->im - m->im) / q->sigma);
        PNB_TRY_GOTO(pnb_writer_write(&w, line, (size_t)n));
    }
    return pnb_writer_commit(&w);
fail:
    pnb_writer_abort(&w);
    return status;
}

/* Each visibility beside that of the posterior mean. Gains that the data term does not see are in the difference, too.
 */
static pnb_status write_residuals(pnb_run *r, const pnb_outcome *o, const char *folder) {
    const pnb_vlbi *v = sky_of(r);
    size_t n = o->count;
    pnb_uvdata model = v->data;
    pnb_sky_grid grid = {r->image.d[1], r->image.d[2], v->pixel};
    double *mean = calloc(n, sizeof *mean), *one = malloc(n * sizeof *one);
    char *path = pnb_path_join(folder, "residuals.csv");
    model.records = malloc(model.count * sizeof *model.records);
    bool ok = mean && one && path && model.records;
    if (ok) memcpy(model.records, v->data.records, model.count * sizeof *model.records);
    for (uint32_t k = 0; ok && k < o->k; k++) {
        pnb_vlbi_brightness(v, n, o->samples + k * n, one);
        for (size_t i = 0; i < n; i++) mean[i] += one[i] / o->k;
    }
    pnb_status status = ok && pnb_sky_observe(&grid, mean, &model) ? PNB_OK : no_memory(r);
    if (status == PNB_OK) status = write_rows(r, path, &v->data, model.records);
    free(model.records);
    free(mean);
    free(one);
    free(path);
    return status;
}

pnb_status pnb_sky_write(pnb_run *r, const pnb_outcome *o, const char *folder) {
    const pnb_vlbi *v = sky_of(r);
    if (!v) return PNB_OK;
    size_t n = o->count;
    pnb_sky_grid grid = {r->image.d[1], r->image.d[2], v->pixel};
    double *exact = malloc(2 * n * sizeof *exact);
    float *dirty = malloc(2 * n * sizeof *dirty);
    pnb_status status = exact && dirty && pnb_sky_dirty(&grid, &v->data, exact, exact + n) ? PNB_OK : no_memory(r);
    for (size_t i = 0; status == PNB_OK && i < 2 * n; i++) dirty[i] = (float)exact[i];
    if (status == PNB_OK) status = write_dirty(r, folder, dirty, dirty + n);
#ifdef PNB_CFITSIO
    if (status == PNB_OK) status = write_all_fits(r, o, folder, dirty, dirty + n);
#endif
    free(exact);
    free(dirty);
    PNB_TRY(status);
    PNB_TRY(write_coverage(r, folder));
    return write_residuals(r, o, folder);
}

/* ---- numbers ----------------------------------------------------------------------------------------------------- */

static void add_observation(cJSON *json, const pnb_vlbi *v) {
    const pnb_uvdata *d = &v->data;
    pnb_sky_beam b;
    cJSON *o = cJSON_AddObjectToObject(json, "observation"), *dropped, *beam;
    cJSON_AddStringToObject(o, "source", d->source);
    cJSON_AddNumberToObject(o, "mjd", d->mjd);
    cJSON_AddNumberToObject(o, "frequency_hz", d->frequency);
    cJSON_AddNumberToObject(o, "visibilities", d->count);
    cJSON_AddNumberToObject(o, "times", d->groups);
    cJSON_AddNumberToObject(o, "closure_phases", v->closures.n_triangles);
    cJSON_AddNumberToObject(o, "log_closure_amplitudes", v->closures.n_quadrangles);
    dropped = cJSON_AddObjectToObject(o, "dropped");
    cJSON_AddNumberToObject(dropped, "flagged", d->dropped.flagged);
    cJSON_AddNumberToObject(dropped, "not_finite", d->dropped.not_finite);
    cJSON_AddNumberToObject(dropped, "autocorrelations", d->dropped.own);
    cJSON_AddNumberToObject(dropped, "intrasite", d->dropped.intrasite);
    cJSON_AddNumberToObject(dropped, "below_min_snr", d->dropped.faint);
    if (!pnb_sky_restoring_beam(d, &b)) return;
    beam = cJSON_AddObjectToObject(o, "restoring_beam");
    cJSON_AddNumberToObject(beam, "major_uas", b.major / PNB_RADIANS_OF_UAS);
    cJSON_AddNumberToObject(beam, "minor_uas", b.minor / PNB_RADIANS_OF_UAS);
    cJSON_AddNumberToObject(beam, "angle_deg", b.angle);
}

static void add_quantity(cJSON *ring, const char *name, const double *values, uint32_t n, bool angle) {
    double mean = 0, square = 0;
    cJSON *q = cJSON_AddObjectToObject(ring, name);
    for (uint32_t i = 0; i < n; i++) mean += values[i] / n;
    for (uint32_t i = 0; i < n; i++) square += (values[i] - mean) * (values[i] - mean);
    double std = n > 1 ? sqrt(square / (n - 1)) : 0;
    if (angle) pnb_angle_moments(n, values, &mean, &std);
    cJSON_AddNumberToObject(q, "mean", mean);
    cJSON_AddNumberToObject(q, "std", std);
    cJSON_AddItemToObject(q, "samples", cJSON_CreateDoubleArray(values, (int)n));
}

enum { DIAMETER, SCATTER, WIDTH, ORIENTATION, ASYMMETRY, CONTRAST, QUANTITIES };

/* Each sample by itself: the spread over them is the posterior's. values [QUANTITIES][k]. */
static bool measure_rings(const pnb_run *r, const pnb_outcome *o, double *jy, double *values) {
    const pnb_vlbi *v = sky_of(r);
    for (uint32_t k = 0; k < o->k; k++) {
        pnb_ring m;
        pnb_vlbi_brightness(v, o->count, o->samples + k * o->count, jy);
        if (!pnb_ring_measure(r->image.d[1], r->image.d[2], jy, v->pixel / PNB_RADIANS_OF_UAS, &m)) return false;
        const double of[QUANTITIES] = {m.diameter, m.scatter, m.width, m.orientation, m.asymmetry, m.contrast};
        for (int q = 0; q < QUANTITIES; q++) values[(size_t)q * o->k + k] = of[q];
    }
    return true;
}

static void add_ring(const pnb_run *r, const pnb_outcome *o, cJSON *json, double *jy, double *values) {
    static const char *const names[QUANTITIES] = {
        "diameter_uas", "diameter_scatter_uas", "width_uas", "orientation_deg", "asymmetry", "central_contrast"};
    if (!measure_rings(r, o, jy, values)) return; /* a sample that is dark all over has no ring */
    cJSON *ring = cJSON_AddObjectToObject(json, "ring");
    for (int q = 0; q < QUANTITIES; q++)
        add_quantity(ring, names[q], values + (size_t)q * o->k, o->k, q == ORIENTATION);
}

pnb_status pnb_sky_json(pnb_run *r, const pnb_outcome *o, cJSON *json, cJSON *scores) {
    const pnb_vlbi *v = sky_of(r);
    if (!v) return PNB_OK;
    size_t room = QUANTITIES * (size_t)o->k;
    double *work = malloc((room + o->count) * sizeof *work);
    if (!work) return no_memory(r);
    add_observation(json, v);
    add_ring(r, o, json, work + room, work);
    free(work);
    pnb_sky_agreement(cJSON_GetObjectItemCaseSensitive(json, "chi2_terms"), scores);
    if (!r->problem->truth || v->jy) return PNB_OK;
    pnb_sky_grid grid = {r->image.d[1], r->image.d[2], v->pixel};
    double *dirty = malloc(2 * o->count * sizeof *dirty);
    pnb_status status = dirty && pnb_sky_dirty(&grid, &v->data, dirty, dirty + o->count) ? PNB_OK : no_memory(r);
    pnb_sky_images i = {grid.height, grid.width, o->k,  v->pixel / PNB_RADIANS_OF_UAS, o->samples, o->mean, r->problem->truth,
                        dirty};
    if (status == PNB_OK) status = pnb_sky_likeness(&r->ctx->error, &i, scores);
    free(dirty);
    return status;
}

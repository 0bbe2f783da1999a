/* Works out what came of a run: moments, chi2, scores, and for mixtures the distance from the exact posterior. */
#include "api/outcome.h"
#include "api/runs.h"
#include "api/sky.h"
#include "io/json.h"
#include "measure/residual.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void pnb_outcome_finish(pnb_outcome *o) {
    free(o->samples);
    free(o->before_finish);
    free(o->mean);
    free(o->std);
    free(o->chi2);
    free(o->chi2_before);
    free(o->chi2_terms);
    free(o->matrix);
    pnb_gmm_finish(&o->prior);
    pnb_gmm_finish(&o->posterior);
    memset(o, 0, sizeof *o);
}

static void set_shape(pnb_metrics_input *in, pnb_shape image) {
    in->channels = image.d[0];
    if (image.rank != 3) return;
    in->height = image.d[1];
    in->width = image.d[2];
}

/* ---- agreement with the measurement
 * -------------------------------------------------------------------------------------- */

/* Residuals of all samples in units of the problem's sigma, [k,m]; the metrics then take them for A x, and 0 for y. */
static pnb_status residuals(pnb_run *r, const float *samples, uint32_t k, float *out) {
    pnb_problem *p = r->problem;
    PNB_TRY(pnb_forward_apply(p->forward, k, samples, out));
    uint64_t m = pnb_shape_count(p->measurement);
    pnb_photons photons = pnb_problem_photons(p);
    if (p->photons > 0) pnb_photons_residual_host(&photons, pnb_problem_noise_level(p), k * m, m, out, p->y, out);
    else pnb_operator_residual_host(p->forward->op, k, out, p->y, out);
    return PNB_OK;
}

static pnb_status add_agreement(pnb_run *r, const pnb_metrics_input *in, double **chi2) {
    *chi2 = malloc(in->samples * sizeof **chi2);
    if (!*chi2) return pnb_no_memory(&r->ctx->error, "chi2");
    pnb_chi2(in->samples, in->measurements, in->ax, in->y, in->measured, in->sigma, *chi2);
    return PNB_OK;
}

/* Reduced chi-squares of each kind of data, [terms][k]. */
static pnb_status add_terms(pnb_run *r, const pnb_metrics_input *in, pnb_outcome *o) {
    size_t n;
    const pnb_operator_term *terms = pnb_operator_terms(r->problem->forward->op, &n);
    if (n == 0) return PNB_OK;
    o->chi2_terms = malloc(n * o->k * sizeof *o->chi2_terms);
    if (!o->chi2_terms) return pnb_no_memory(&r->ctx->error, "chi2");
    for (size_t t = 0; t < n; t++) {
        for (uint32_t i = 0; i < o->k; i++) {
            const float *of = in->ax + i * in->measurements + terms[t].begin;
            double *to = o->chi2_terms + t * o->k + i;
            pnb_chi2(1, terms[t].count, of, in->y, NULL, in->sigma, to);
            *to /= terms[t].factor;
        }
    }
    return PNB_OK;
}

static pnb_status score(pnb_run *r, pnb_outcome *o) {
    pnb_problem *p = r->problem;
    pnb_metrics_input in = {.samples = o->k, .x = o->samples};
    set_shape(&in, r->image);
    if (!p) return pnb_metrics_compute(&r->ctx->error, &in, &o->metrics);
    uint64_t m = pnb_shape_count(p->measurement);
    float *ax = malloc(m * o->k * sizeof *ax), *zero = calloc(m, sizeof *zero);
    pnb_status status = ax && zero ? PNB_OK : pnb_no_memory(&r->ctx->error, "scores");
    if (status) goto fail;
    in.truth = p->truth;
    in.ax = ax;
    in.y = zero;
    in.measured = pnb_operator_measured(p->forward->op);
    in.measurements = m;
    in.sigma = pnb_problem_noise_level(p);
    if (o->before_finish) {
        PNB_TRY_GOTO(residuals(r, o->before_finish, o->k, ax));
        PNB_TRY_GOTO(add_agreement(r, &in, &o->chi2_before));
    }
    PNB_TRY_GOTO(residuals(r, o->samples, o->k, ax));
    PNB_TRY_GOTO(add_agreement(r, &in, &o->chi2));
    PNB_TRY_GOTO(add_terms(r, &in, o));
    status = pnb_metrics_compute(&r->ctx->error, &in, &o->metrics);
fail:
    free(ax);
    free(zero);
    return status;
}

/* ---- the exact posterior of a mixture
 * ------------------------------------------------------------------------------------ */

static pnb_status mixture_of(pnb_run *r, pnb_gmm *out) {
    pnb_json doc = pnb_json_root(&r->ctx->error, "prior", r->model->source);
    uint32_t rank;
    uint64_t shape[PNB_ARRAY_MAX_RANK], n = 0;
    double *values[3] = {NULL, NULL, NULL};
    static const char *const keys[] = {"weights", "means", "covariances"};
    pnb_status status = PNB_OK;
    for (int i = 0; i < 3; i++) {
        PNB_TRY_GOTO(pnb_json_numbers(&doc, keys[i], 1 << 26, &rank, shape, &values[i]));
        if (i == 0) n = shape[0];
    }
    status =
        pnb_gmm_init(&r->ctx->error, pnb_prior_dim(r->model->prior), (uint32_t)n, values[0], values[1], values[2], out);
fail:
    for (int i = 0; i < 3; i++) free(values[i]);
    return status;
}

/* Columns of A by applying it to the unit vectors: a [m,dim]. */
static pnb_status matrix_of(pnb_problem *p, uint32_t dim, uint32_t m, double *a) {
    float *unit = calloc((size_t)dim * dim, sizeof *unit), *columns = malloc((size_t)dim * m * sizeof *columns);
    pnb_status status = PNB_OK;
    if (!unit || !columns) {
        status = pnb_no_memory(&p->ctx->error, "exact posterior");
        goto fail;
    }
    for (uint32_t i = 0; i < dim; i++) unit[i * dim + i] = 1;
    PNB_TRY_GOTO(pnb_forward_apply(p->forward, dim, unit, columns));
    for (uint32_t i = 0; i < m; i++) {
        for (uint32_t j = 0; j < dim; j++) a[i * dim + j] = columns[j * m + i];
    }
fail:
    free(unit);
    free(columns);
    return status;
}

static pnb_status exact_posterior(pnb_run *r, pnb_outcome *o) {
    enum { LARGEST = 64 }; /* beyond this many dimensions it is no toy, and the distances take too long */
    uint32_t dim = pnb_prior_dim(r->model->prior);
    if (pnb_prior_get_kind(r->model->prior) != PNB_PRIOR_GMM || dim > LARGEST) return PNB_OK;
    PNB_TRY(mixture_of(r, &o->prior));
    pnb_problem *p = r->problem;
    if (!p || !pnb_operator_linear(p->forward->op) || p->photons > 0) return PNB_OK;
    uint32_t m = (uint32_t)pnb_shape_count(p->measurement);
    o->matrix = malloc((size_t)m * dim * sizeof *o->matrix);
    double *y = malloc(m * sizeof *y);
    pnb_status status =
        o->matrix && y ? matrix_of(p, dim, m, o->matrix) : pnb_no_memory(&r->ctx->error, "exact posterior");
    for (uint32_t i = 0; y && i < m; i++) y[i] = p->y[i];
    if (status == PNB_OK) {
        status = pnb_gmm_posterior(&r->ctx->error, &o->prior, m, o->matrix, y, p->sigma, &o->posterior);
    }
    free(y);
    PNB_TRY(status);
    PNB_TRY(pnb_posterior_score(&r->ctx->error, &o->posterior, o->k, o->samples, &o->distance));
    o->exact = true;
    return PNB_OK;
}

/* ---- all of it
 * -------------------------------------------------------------------------------------------------------------- */

static pnb_status read_samples(pnb_run *r, pnb_outcome *o) {
    size_t all = o->k * o->count;
    o->samples = malloc(all * sizeof *o->samples);
    o->mean = malloc(o->count * sizeof *o->mean);
    o->std = malloc(o->count * sizeof *o->std);
    float *before = malloc(all * sizeof *before);
    if (!o->samples || !o->mean || !o->std || !before) {
        free(before);
        return pnb_no_memory(&r->ctx->error, "samples");
    }
    pnb_error kept = r->ctx->error; /* a run without a finish is no failure */
    if (r->problem && pnb_solver_samples_before_finish(r->solver, before) == PNB_OK) {
        o->before_finish = before;
    } else {
        free(before);
        r->ctx->error = kept;
    }
    PNB_TRY(pnb_solver_samples(r->solver, o->samples));
    for (size_t i = 0; i < all; i++) {
        if (!isfinite(o->samples[i])) {
            return pnb_fail(&r->ctx->error, PNB_ERROR_NUMERIC, "step %u: element %zu of the samples is not finite",
                            pnb_solver_step_index(r->solver), i);
        }
    }
    pnb_moments(o->k, o->count, o->samples, o->mean, o->std);
    return PNB_OK;
}

pnb_status pnb_outcome_read(pnb_run *r, pnb_outcome *o) {
    memset(o, 0, sizeof *o);
    o->k = pnb_solver_particles(r->solver);
    o->count = pnb_shape_count(r->image);
    pnb_status status = read_samples(r, o);
    if (status == PNB_OK) status = score(r, o);
    if (status == PNB_OK) status = exact_posterior(r, o);
    if (status) pnb_outcome_finish(o);
    return status;
}

pnb_status pnb_run_moments(pnb_run *r, float *mean, float *std) {
    if (!r) return PNB_ERROR_USAGE;
    uint32_t k = pnb_solver_particles(r->solver);
    uint64_t count = pnb_shape_count(r->image);
    float *samples = malloc(k * count * sizeof *samples);
    if (!samples) return pnb_no_memory(&r->ctx->error, "samples");
    pnb_status status = pnb_solver_samples(r->solver, samples);
    if (status == PNB_OK) pnb_moments(k, count, samples, mean, std);
    free(samples);
    return status;
}

/* ---- run.json
 * -------------------------------------------------------------------------------------------------------------- */

static void add_known(cJSON *object, const char *key, double value) {
    if (isfinite(value)) cJSON_AddNumberToObject(object, key, value);
}

cJSON *pnb_scores_object(const pnb_metrics *m, bool truth) {
    cJSON *s = cJSON_CreateObject();
    if (truth) {
        add_known(s, "psnr_mean", m->psnr_mean);
        add_known(s, "psnr_samples", m->psnr_samples);
        add_known(s, "ssim_mean", m->ssim_mean);
        add_known(s, "ssim_samples", m->ssim_samples);
        add_known(s, "ssim_gauss_mean", m->ssim_gauss_mean);
        add_known(s, "ssim_gauss_samples", m->ssim_gauss_samples);
        add_known(s, "ssim_piq_mean", m->ssim_piq_mean);
        add_known(s, "ssim_piq_samples", m->ssim_piq_samples);
    }
    add_known(s, "diversity", m->diversity);
    add_known(s, "diversity_signed", m->diversity_signed);
    if (truth) {
        static const char *const plain[] = {"coverage_1sigma", "coverage_2sigma", "coverage_3sigma"};
        static const char *const fair[] = {"coverage_1sigma_fair", "coverage_2sigma_fair", "coverage_3sigma_fair"};
        static const char *const grey[] = {"coverage_1sigma_grey", "coverage_2sigma_grey", "coverage_3sigma_grey"};
        for (int i = 0; i < 3; i++) add_known(s, plain[i], m->coverage[i]);
        for (int i = 0; i < 3; i++) add_known(s, fair[i], m->coverage_fair[i]);
        for (int i = 0; i < 3; i++) add_known(s, grey[i], m->coverage_grey[i]);
        add_known(s, "crps", m->crps);
        add_known(s, "rmse", m->rmse);
        add_known(s, "error_correlation", m->error_correlation);
        add_known(s, "spread_skill", m->spread_skill);
        cJSON *ranks = m->rank_bins ? cJSON_AddArrayToObject(s, "rank_histogram") : NULL;
        for (uint32_t i = 0; i < m->rank_bins; i++) cJSON_AddItemToArray(ranks, cJSON_CreateNumber(m->rank[i]));
    }
    add_known(s, "spread", m->spread);
    add_known(s, "residual", m->residual_ratio);
    return s;
}

static void add_numbers(cJSON *json, pnb_run *r) {
    cJSON *seconds = cJSON_AddObjectToObject(json, "seconds"), *memory = cJSON_AddObjectToObject(json, "memory");
    uint32_t done = pnb_solver_step_index(r->solver);
    cJSON_AddNumberToObject(seconds, "total", r->build_seconds + r->run_seconds);
    cJSON_AddNumberToObject(seconds, "build", r->build_seconds);
    cJSON_AddNumberToObject(seconds, "per_step", done ? r->run_seconds / done : 0);
    cJSON_AddNumberToObject(memory, "planned_bytes", (double)pnb_solver_planned_bytes(r->solver));
    cJSON_AddNumberToObject(memory, "peak_bytes", (double)pnb_gpu_get_stats(r->ctx->gpu).buffer_peak_bytes);
    cJSON_AddNumberToObject(memory, "driver_bytes", (double)pnb_gpu_get_stats(r->ctx->gpu).peak_bytes);
}

static void add_chi2(cJSON *json, const char *key, const double *chi2, uint32_t k) {
    if (!chi2) return;
    cJSON *list = cJSON_AddArrayToObject(json, key);
    for (uint32_t i = 0; i < k; i++) cJSON_AddItemToArray(list, cJSON_CreateNumber(chi2[i]));
}

static void add_chi2_terms(cJSON *json, const pnb_run *r, const pnb_outcome *o) {
    size_t n = 0;
    if (!o->chi2_terms) return;
    const pnb_operator_term *terms = pnb_operator_terms(r->problem->forward->op, &n);
    cJSON *object = cJSON_AddObjectToObject(json, "chi2_terms");
    for (size_t t = 0; t < n; t++) add_chi2(object, terms[t].name, o->chi2_terms + t * o->k, o->k);
}

/* RMS(y - A x)/sigma over all samples. */
static double residual_of(const double *chi2, uint32_t k) {
    double sum = 0;
    for (uint32_t i = 0; chi2 && i < k; i++) sum += chi2[i];
    return chi2 ? sqrt(sum / k) : NAN;
}

static void add_distance(cJSON *scores, const pnb_posterior_scores *d) {
    cJSON *s = cJSON_AddObjectToObject(scores, "posterior");
    cJSON_AddNumberToObject(s, "total_variation", d->total_variation);
    cJSON_AddNumberToObject(s, "modes", d->modes);
    cJSON_AddNumberToObject(s, "modes_recovered", d->modes_recovered);
    add_known(s, "spread_least", d->spread_least);
    add_known(s, "spread_largest", d->spread_largest);
    add_known(s, "sliced_w2", d->sliced_w2);
    add_known(s, "sliced_w2_floor", d->sliced_w2_floor);
    add_known(s, "mmd", d->mmd);
    add_known(s, "mmd_floor", d->mmd_floor);
}

static void warn(cJSON *list, char *text) {
    if (text) cJSON_AddItemToArray(list, cJSON_CreateString(text));
    free(text);
}

/* That the point spread function was made for other pixels than the measurement's file has. */
static char *pixel_text(const pnb_problem *p) {
    cJSON *args = pnb_operator_args(p->forward->op);
    const cJSON *pixel = cJSON_GetObjectItemCaseSensitive(args, "pixel_nm");
    double made = cJSON_IsNumber(pixel) ? pixel->valuedouble : 0, has = p->y_map.pixel_nm[0];
    cJSON_Delete(args);
    if (!(made > 0 && has > 0) || fabs(made / has - 1) < 0.01) return NULL;
    return pnb_format("the operator's pixel_nm is %g, the measurement's file says that its pixels are %g nm", made, has);
}

static void add_warnings(cJSON *json, pnb_run *r, const pnb_outcome *o) {
    cJSON *list = cJSON_AddArrayToObject(json, "warnings");
    uint32_t done = pnb_solver_step_index(r->solver), all = pnb_solver_steps(r->solver);
    if (done < all)
        warn(list, pnb_format("stopped after step %u of %u: these are no posterior samples yet", done, all));
    warn(list, pnb_padding_text(r->model, r->image));
    if (r->problem) warn(list, pixel_text(r->problem));
    double ratio = o->metrics.residual_ratio;
    uint64_t entries = r->problem ? pnb_operator_measured_count(r->problem->forward->op) : 0;
    if (done == all && entries >= 30 && isfinite(ratio) && (ratio > 1.3 || ratio < 0.7)) {
        warn(list,
             pnb_format("RMS(y - A x)/sigma is %.3g, expected about 1: check noise.sigma, or take more steps", ratio));
    }
}

static void add_amortized(cJSON *json, const pnb_run *r) {
    cJSON *object = cJSON_AddObjectToObject(json, "amortized");
    cJSON_AddStringToObject(object, "generator", r->output);
    cJSON_AddStringToObject(object, "measurements", r->problem->measurements_path);
    cJSON_AddNumberToObject(object, "count", r->problem->n_measurements);
    cJSON_AddBoolToObject(object, "truths", r->problem->truths != NULL);
}

/* Of a reconstruction: what its generator was trained for, with this measurement. */
static pnb_status add_problem(cJSON *json, pnb_run *r) {
    void *options = NULL;
    cJSON *problem = NULL;
    pnb_status status = r->options ? PNB_OK : pnb_problem_options(r->problem, r->ctx->gpu, &options);
    if (status == PNB_OK) status = pnb_problem_object(r->problem, r->options ? r->options : options, &problem);
    if (status == PNB_OK) cJSON_AddItemToObject(json, "problem", problem);
    free(options);
    return status;
}

static pnb_status fill_json(pnb_run *r, const pnb_outcome *o, cJSON *json) {
    if (r->sampling) cJSON_AddItemToObject(json, pnb_run_kind(r), cJSON_Duplicate(r->sampling, 1));
    if (r->problem) PNB_TRY(add_problem(json, r));
    if (r->output) add_amortized(json, r);
    cJSON_AddStringToObject(json, "version", PNB_VERSION);
    pnb_json_device(json, r->ctx->gpu);
    if (!pnb_json_tuning(json, r->ctx->gpu)) return pnb_no_memory(&r->ctx->error, "run.json");
    cJSON_AddNumberToObject(json, "seed", (double)r->seed);
    cJSON_AddNumberToObject(json, "steps", pnb_solver_steps(r->solver));
    cJSON_AddNumberToObject(json, "steps_done", pnb_solver_step_index(r->solver));
    cJSON_AddNumberToObject(json, "particles", o->k);
    cJSON_AddNumberToObject(json, "network_evaluations", (double)pnb_solver_evaluations(r->solver));
    add_numbers(json, r);
    cJSON *loss = cJSON_AddObjectToObject(json, "loss");
    if (!pnb_run_add_history(r, loss)) return pnb_no_memory(&r->ctx->error, "run.json");
    add_chi2(json, "chi2", o->chi2, o->k);
    add_chi2(json, "chi2_before_finish", o->chi2_before, o->k);
    add_chi2_terms(json, r, o);
    cJSON *scores = pnb_scores_object(&o->metrics, r->problem && r->problem->truth);
    add_known(scores, "residual_before_finish", residual_of(o->chi2_before, o->k));
    if (o->exact) add_distance(scores, &o->distance);
    cJSON_AddItemToObject(json, "scores", scores);
    add_warnings(json, r, o);
    return pnb_sky_json(r, o, json, scores);
}

pnb_status pnb_outcome_json(pnb_run *r, const pnb_outcome *o, cJSON **out) {
    *out = cJSON_CreateObject();
    if (!*out) return pnb_no_memory(&r->ctx->error, "run.json");
    pnb_status status = fill_json(r, o, *out);
    if (status == PNB_OK) return PNB_OK;
    cJSON_Delete(*out);
    *out = NULL;
    return status;
}

pnb_status pnb_run_json(pnb_run *r, char **text) {
    if (text) *text = NULL;
    if (!r) return PNB_ERROR_USAGE;
    if (!text) return pnb_fail(&r->ctx->error, PNB_ERROR_USAGE, "pnb_run_json: json is NULL");
    pnb_outcome o;
    PNB_TRY(pnb_outcome_read(r, &o));
    cJSON *json = NULL;
    pnb_status status = pnb_outcome_json(r, &o, &json);
    pnb_outcome_finish(&o);
    return status ? status : pnb_json_take(&r->ctx->error, json, text);
}

/* Problems: made from files, text or parts; overridden; resolved and written out again. */
#include "api/problem_parse.h"
#include "io/json.h"
#include "measure/noise.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Philox stream of simulated measurements; image i of a batch uses stream + i. */
enum { PNB_STREAM_MEASUREMENT = 0x4d45u };

/* ---- life
 * -------------------------------------------------------------------------------------------------------------- */

static pnb_problem *new_problem(pnb_context *ctx, const char *file, const char *base_dir) {
    pnb_problem *p = calloc(1, sizeof *p);
    if (!p) return NULL;
    p->ctx = ctx;
    p->file = pnb_copy_string(file ? file : "problem");
    p->base_dir = pnb_copy_string(base_dir ? base_dir : "");
    if (!p->file || !p->base_dir) pnb_problem_destroy(&p);
    return p;
}

void pnb_problem_destroy(pnb_problem **problem) {
    if (!problem || !*problem) return;
    pnb_problem *p = *problem;
    if (p->owns_forward) pnb_forward_destroy(&p->forward);
    if (p->owns_model) pnb_model_destroy(&p->model);
    cJSON_Delete(p->y_source);
    cJSON_Delete(p->truth_source);
    cJSON_Delete(p->start_source);
    free(p->start);
    free(p->y);
    free(p->truth);
    free(p->measurements_path);
    free(p->measurements);
    free(p->truths);
    free(p->options);
    free(p->given);
    free(p->file);
    free(p->base_dir);
    free(p);
    *problem = NULL;
}

static pnb_status from_json(pnb_context *ctx, const char *file, const char *base_dir, cJSON *json, pnb_problem **out) {
    pnb_problem *p = new_problem(ctx, file, base_dir);
    pnb_status status = p ? pnb_problem_fill(p, json) : pnb_no_memory(&ctx->error, "problem");
    cJSON_Delete(json);
    if (status) {
        pnb_problem_destroy(&p);
        return status;
    }
    *out = p;
    return PNB_OK;
}

pnb_status pnb_problem_load(pnb_context *ctx, const char *path, pnb_problem **out) {
    if (out) *out = NULL;
    if (!ctx) return PNB_ERROR_USAGE;
    if (!path || !out) return pnb_fail(&ctx->error, PNB_ERROR_USAGE, "pnb_problem_load: path and out may not be NULL");
    cJSON *json;
    PNB_TRY(pnb_json_load_problem(&ctx->error, path, &json));
    char *folder = pnb_path_folder(path);
    if (!folder) {
        cJSON_Delete(json);
        return pnb_no_memory(&ctx->error, "problem");
    }
    pnb_status status = from_json(ctx, path, folder, json, out);
    free(folder);
    return status;
}

pnb_status pnb_problem_parse(pnb_context *ctx, const char *text, const char *base_dir, pnb_problem **out) {
    if (out) *out = NULL;
    if (!ctx) return PNB_ERROR_USAGE;
    if (!text || !out) return pnb_fail(&ctx->error, PNB_ERROR_USAGE, "pnb_problem_parse: json and out may not be NULL");
    cJSON *json;
    PNB_TRY(pnb_json_parse(&ctx->error, "problem", text, strlen(text), &json));
    return from_json(ctx, NULL, base_dir, json, out);
}

static pnb_status copy_values(pnb_problem *p, const char *key, const float *from, pnb_shape shape,
                              const float *measured, float **out, cJSON **source) {
    uint64_t count = pnb_shape_count(shape);
    *out = malloc(count * sizeof **out);
    if (!*out) return pnb_no_memory(&p->ctx->error, key);
    for (uint64_t i = 0; i < count; i++) {
        (*out)[i] = measured && measured[i] == 0 ? 0 : from[i];
        if (!isfinite((*out)[i])) {
            return pnb_problem_fail(p, PNB_ERROR_INPUT, "%s: element %llu is not a finite number", key,
                                    (unsigned long long)i);
        }
    }
    *source = pnb_json_floats(*out, shape);
    return *source ? PNB_OK : pnb_no_memory(&p->ctx->error, key);
}

pnb_status pnb_problem_take_given(pnb_problem *p) {
    const float *given = pnb_operator_given(p->forward->op);
    uint64_t count = pnb_shape_count(p->measurement);
    if (!given) return PNB_OK;
    p->y = malloc(count * sizeof *p->y);
    if (!p->y) return pnb_no_memory(&p->ctx->error, "measurement");
    memcpy(p->y, given, count * sizeof *p->y);
    return PNB_OK;
}

static pnb_status fill_from_parts(pnb_problem *p, const pnb_problem_params *parts) {
    p->model = parts->model;
    p->forward = parts->forward;
    p->image = pnb_operator_image_shape(p->forward->op);
    p->measurement = pnb_operator_measurement_shape(p->forward->op);
    p->sigma = parts->sigma;
    p->seed = parts->seed;
    const pnb_prior *prior = p->model->prior;
    uint32_t dim = pnb_prior_dim(prior), channels = pnb_prior_channels(prior);
    bool fits = dim ? pnb_shape_equal(p->image, pnb_shape1(dim)) : p->image.rank == 3 && p->image.d[0] == channels;
    p->size_given = !dim;
    if (!fits) {
        char text[48];
        return pnb_problem_fail(p, PNB_ERROR_INPUT,
                                "the operator's images are %s; the prior needs %u channels, or vectors of %u",
                                pnb_shape_text(p->image, text), channels, dim);
    }
    p->photons = parts->photons;
    p->zero = parts->zero;
    if (!isfinite(p->sigma) || p->sigma < 0)
        return pnb_problem_fail(p, PNB_ERROR_INPUT, "sigma is %g, expected 0 or more", p->sigma);
    PNB_TRY(pnb_problem_check_noise(p));
    if (parts->truth) PNB_TRY(copy_values(p, "truth", parts->truth, p->image, NULL, &p->truth, &p->truth_source));
    if (parts->measurement) {
        PNB_TRY(copy_values(p, "measurement", parts->measurement, p->measurement, pnb_operator_measured(p->forward->op),
                            &p->y, &p->y_source));
    }
    p->simulated = !parts->measurement && parts->truth;
    if (!parts->measurement && !parts->truth) PNB_TRY(pnb_problem_take_given(p));
    return pnb_problem_set_method(p, parts->method ? parts->method : "ppm");
}

pnb_status pnb_problem_create(pnb_context *ctx, const pnb_problem_params *given, pnb_problem **out) {
    if (out) *out = NULL;
    if (!ctx) return PNB_ERROR_USAGE;
    pnb_problem_params parts = PNB_PROBLEM_DEFAULTS;
    pnb_struct_take(&parts, sizeof parts, given);
    if (!out || !parts.model || !parts.forward) {
        return pnb_fail(&ctx->error, PNB_ERROR_USAGE, "pnb_problem_create: needs a model, a forward operator and out");
    }
    if (parts.model->ctx != ctx || parts.forward->ctx != ctx) {
        return pnb_fail(&ctx->error, PNB_ERROR_USAGE,
                        "pnb_problem_create: model and operator must be of the same context");
    }
    pnb_problem *p = new_problem(ctx, NULL, NULL);
    if (!p) return pnb_no_memory(&ctx->error, "problem");
    pnb_status status = fill_from_parts(p, &parts);
    if (status) {
        pnb_problem_destroy(&p);
        return status;
    }
    *out = p;
    return PNB_OK;
}

/* ---- overrides
 * ------------------------------------------------------------------------------------------------------------ */

static pnb_status set_number(pnb_problem *p, const char *key, const char *text, bool whole, double max, double *out) {
    char *end;
    errno = 0;
    double value = strtod(text, &end);
    if (end == text || *end || errno || !isfinite(value) || value < 0 || value > max ||
        (whole && value != floor(value))) {
        return pnb_fail(&p->ctx->error, PNB_ERROR_INPUT, "%s: expected %s from 0 to %g, found '%s'", key,
                        whole ? "a whole number" : "a number", max, text);
    }
    *out = value;
    return PNB_OK;
}

pnb_status pnb_problem_set(pnb_problem *p, const char *key, const char *value) {
    if (!p) return PNB_ERROR_USAGE;
    pnb_error *err = &p->ctx->error;
    if (!key || !value) return pnb_fail(err, PNB_ERROR_USAGE, "pnb_problem_set: key and value may not be NULL");
    double number;
    if (strcmp(key, "seed") == 0) {
        PNB_TRY(set_number(p, key, value, true, (double)PNB_SEED_MAX, &number));
        p->seed = (uint64_t)number;
        return PNB_OK;
    }
    if (strcmp(key, "noise.sigma") == 0) {
        PNB_TRY(set_number(p, key, value, false, 1e30, &number));
        p->sigma = number;
        return PNB_OK;
    }
    if (strcmp(key, "noise.photons") == 0) {
        PNB_TRY(set_number(p, key, value, false, PNB_PHOTONS_MAX, &number));
        p->photons = number;
        return pnb_problem_check_noise(p);
    }
    if (strcmp(key, "method") == 0) {
        return strcmp(value, p->method->name) == 0 ? PNB_OK : pnb_problem_set_method(p, value);
    }
    if (strncmp(key, "method.", 7) != 0) {
        return pnb_fail(err, PNB_ERROR_USAGE, "unknown key '%s': expected seed, noise.sigma, noise.photons, method or method.<option>",
                        key);
    }
    const pnb_option *o = pnb_options_find(&p->method->table, key + 7);
    if (!o) {
        return pnb_fail(err, PNB_ERROR_USAGE, "method %s has no option '%s' (penumbra solve --explain lists them)",
                        p->method->name, key + 7);
    }
    PNB_TRY(pnb_options_set_text(err, key, o, p->options, value));
    p->given[o - p->method->table.options] = true;
    return PNB_OK;
}

/* ---- resolved
 * -------------------------------------------------------------------------------------------------------------- */

pnb_status pnb_problem_extents(const pnb_problem *p, pnb_extent *image, pnb_extent *measurement) {
    if (!p) return PNB_ERROR_USAGE;
    if (image) *image = pnb_extent_of(p->image);
    if (measurement) *measurement = pnb_extent_of(p->measurement);
    return PNB_OK;
}

pnb_forward *pnb_problem_forward(pnb_problem *p) {
    return p ? p->forward : NULL;
}

pnb_model *pnb_problem_model(pnb_problem *p) {
    return p ? p->model : NULL;
}

pnb_photons pnb_problem_photons(const pnb_problem *p) {
    return (pnb_photons){p->photons / (1 - p->zero), p->zero, p->sigma};
}

double pnb_problem_noise_level(const pnb_problem *p) {
    pnb_photons photons = pnb_problem_photons(p);
    return p->photons > 0 ? pnb_photons_level(&photons, p->forward->op, p->y) : p->sigma;
}

const char *pnb_problem_method(const pnb_problem *p) {
    return p ? p->method->name : NULL;
}

static pnb_task task_of(const pnb_problem *p, pnb_gpu *gpu) {
    return (pnb_task){.gpu = gpu,
                      .prior = p->model->prior,
                      .op = p->forward->op,
                      .y = p->y,
                      .sigma_y = pnb_problem_noise_level(p),
                      .photons = pnb_problem_photons(p),
                      .seed = p->seed,
                      .start = p->start,
                      .measurements = p->measurements,
                      .n_measurements = p->n_measurements,
                      .truths = p->truths,
                      .memory_budget = p->ctx->memory_limit};
}

pnb_status pnb_problem_solver(pnb_problem *p, bool profile, void **options, pnb_solver **out) {
    pnb_gpu *gpu;
    void *resolved = NULL;
    PNB_TRY(pnb_context_gpu(p->ctx, &gpu));
    if (pnb_operator_unproven(p->forward->op)) PNB_TRY(pnb_forward_ready(p->forward, &gpu)); /* options follow its norm */
    PNB_TRY(pnb_problem_options(p, gpu, &resolved));
    pnb_task task = task_of(p, gpu);
    pnb_status status = pnb_problem_check_memory(p, &task, resolved);
    if (status == PNB_OK) status = pnb_model_ready(p->model, &gpu);
    if (status == PNB_OK) status = pnb_forward_ready(p->forward, &gpu);
    if (status == PNB_OK) status = pnb_problem_ready(p);
    task = task_of(p, gpu);
    task.profile = profile;
    if (status == PNB_OK) status = p->method->create(&p->ctx->error, &task, resolved, out);
    if (options) *options = resolved;
    else free(resolved);
    return status;
}

/* The start's samples are the particles; a method that has no use for them says so. */
static pnb_status check_start(pnb_problem *p, const void *options) {
    const pnb_option *o = pnb_options_find(&p->method->table, "particles");
    if (!p->start) return PNB_OK;
    if (!p->method->takes_start)
        return pnb_problem_fail(p, PNB_ERROR_INPUT, "start: method %s makes its own start; leave it out, or use ppm", p->method->name);
    double particles = pnb_options_get(o, options);
    if (particles == p->n_start) return PNB_OK;
    return pnb_problem_fail(p, PNB_ERROR_INPUT, "start: it has %u samples, method.particles is %g; both should be the same", p->n_start,
                            particles);
}

pnb_status pnb_problem_options(pnb_problem *p, pnb_gpu *gpu, void **out) {
    size_t bytes = p->method->table.struct_bytes;
    *out = malloc(bytes ? bytes : 1);
    if (!*out) return pnb_no_memory(&p->ctx->error, "method");
    memcpy(*out, p->options, bytes);
    pnb_task task = task_of(p, gpu);
    if (p->method->resolve) p->method->resolve(&task, p->given, *out);
    pnb_status status = check_start(p, *out);
    if (status == PNB_OK && p->method->check) status = p->method->check(&p->ctx->error, &task, *out);
    if (status == PNB_OK) return PNB_OK;
    free(*out);
    *out = NULL;
    return status;
}

static bool add_method(cJSON *object, const pnb_problem *p, const void *options) {
    cJSON *method = cJSON_AddObjectToObject(object, "method");
    bool ok = method && cJSON_AddStringToObject(method, "type", p->method->name);
    for (size_t i = 0; ok && i < p->method->table.count; i++) {
        const pnb_option *o = &p->method->table.options[i];
        double value = pnb_options_get(o, options);
        if (o->kind == PNB_OPTION_BOOL) {
            ok = cJSON_AddBoolToObject(method, o->name, value != 0);
        } else if (o->kind == PNB_OPTION_CHOICE) {
            ok = cJSON_AddStringToObject(method, o->name, o->choices[(int)value]);
        } else {
            ok = cJSON_AddNumberToObject(method, o->name, value);
        }
    }
    return ok;
}

static bool add_copy(cJSON *object, const char *key, const cJSON *value) {
    cJSON *copy = cJSON_Duplicate(value, 1);
    if (copy && cJSON_AddItemToObject(object, key, copy)) return true;
    cJSON_Delete(copy);
    return false;
}

static bool add_parts(cJSON *json, const pnb_problem *p, const void *options) {
    if (!add_copy(json, "prior", p->model->source)) return false;
    if (p->size_given) {
        int size[2] = {(int)p->image.d[1], (int)p->image.d[2]};
        cJSON *list = cJSON_CreateIntArray(size, 2);
        if (!list || !cJSON_AddItemToObject(json, "size", list)) return false;
    }
    cJSON *op = pnb_operator_args(p->forward->op);
    if (!op || !cJSON_AddItemToObject(json, "operator", op)) return false;
    if (p->y_source && !add_copy(json, "measurement", p->y_source)) return false;
    if (p->truth_source && !add_copy(json, "truth", p->truth_source)) return false;
    if (p->start_source && !add_copy(json, "start", p->start_source)) return false;
    cJSON *noise = cJSON_AddObjectToObject(json, "noise");
    if (!noise || !cJSON_AddStringToObject(noise, "type", p->photons > 0 ? "poisson_gaussian" : "gaussian") ||
        !cJSON_AddNumberToObject(noise, "sigma", p->sigma)) {
        return false;
    }
    if (p->photons > 0 && (!cJSON_AddNumberToObject(noise, "photons", p->photons) || !cJSON_AddNumberToObject(noise, "zero", p->zero)))
        return false;
    if (p->noise_seed_given && !cJSON_AddNumberToObject(noise, "seed", (double)p->noise_seed)) return false;
    return add_method(json, p, options) && cJSON_AddNumberToObject(json, "seed", (double)p->seed);
}

pnb_status pnb_problem_object(pnb_problem *p, const void *options, cJSON **out) {
    *out = cJSON_CreateObject();
    if (*out && add_parts(*out, p, options)) return PNB_OK;
    cJSON_Delete(*out);
    *out = NULL;
    return pnb_no_memory(&p->ctx->error, "problem");
}

pnb_status pnb_problem_json(pnb_problem *p, char **json) {
    if (json) *json = NULL;
    if (!p) return PNB_ERROR_USAGE;
    if (!json) return pnb_fail(&p->ctx->error, PNB_ERROR_USAGE, "pnb_problem_json: json is NULL");
    void *options = NULL;
    cJSON *object = NULL;
    pnb_status status = pnb_problem_options(p, p->ctx->gpu, &options);
    if (status == PNB_OK) status = pnb_problem_object(p, options, &object);
    free(options);
    return status ? status : pnb_json_take(&p->ctx->error, object, json);
}

static void explain_option(pnb_text *text, const pnb_option *o, double value, const char *origin) {
    char shown[64];
    if (o->kind == PNB_OPTION_CHOICE) {
        snprintf(shown, sizeof shown, "%s", o->choices[(int)value]);
    } else if (o->kind == PNB_OPTION_BOOL) {
        snprintf(shown, sizeof shown, "%s", value != 0 ? "true" : "false");
    } else {
        snprintf(shown, sizeof shown, "%g%s%s", value, o->unit[0] ? " " : "", o->unit);
    }
    pnb_text_add(text, "  %-22s %-16s %-9s ", o->name, shown, origin);
    if (o->kind == PNB_OPTION_INT || o->kind == PNB_OPTION_REAL) pnb_text_add(text, "[%g, %g] ", o->min, o->max);
    for (int i = 0; o->kind == PNB_OPTION_CHOICE && o->choices[i]; i++)
        pnb_text_add(text, "%s%s", i ? "|" : "", o->choices[i]);
    pnb_text_add(text, "%s%s\n", o->kind == PNB_OPTION_CHOICE ? " " : "", o->help);
}

static void explain(pnb_text *text, const pnb_problem *p, const void *options) {
    char image[48], y[48];
    const char *source = p->simulated ? "simulated from the truth" : p->y ? "given" : "none";
    pnb_text_add(text, "prior        %s\n", pnb_prior_describe(p->model->prior));
    cJSON *op = pnb_operator_args(p->forward->op);
    char *args = op ? cJSON_PrintUnformatted(op) : NULL;
    if (args) pnb_text_add(text, "operator     %.400s%s\n", args, strlen(args) > 400 ? "..." : "");
    free(args);
    cJSON_Delete(op);
    pnb_text_add(text, "image        %s\n", pnb_shape_text(p->image, image));
    pnb_text_add(text, "measurement  %s, %s, %llu entries\n", pnb_shape_text(p->measurement, y), source,
                 (unsigned long long)pnb_operator_measured_count(p->forward->op));
    if (p->photons > 0) {
        pnb_text_add(text, "noise        poisson_gaussian, %g photons at 1 and none at %g, sigma %g\n", p->photons, p->zero, p->sigma);
    } else {
        pnb_text_add(text, "noise        gaussian, sigma %g%s\n", p->sigma,
                     pnb_operator_weights(p->forward->op) ? " of each entry's own" : "");
    }
    pnb_text_add(text, "truth        %s\n", p->truth ? "known (for scores)" : "not known");
    pnb_text_add(text, "seed         %llu\n", (unsigned long long)p->seed);
    pnb_text_add(text, "method       %s: %s\n", p->method->name, p->method->summary);
    for (size_t i = 0; i < p->method->table.count; i++) {
        const pnb_option *o = &p->method->table.options[i];
        double value = pnb_options_get(o, options);
        explain_option(text, o, value, p->given[i] ? "given" : value == o->def ? "default" : "derived");
    }
}

pnb_status pnb_problem_explain(pnb_problem *p, char **out) {
    if (out) *out = NULL;
    if (!p) return PNB_ERROR_USAGE;
    if (!out) return pnb_fail(&p->ctx->error, PNB_ERROR_USAGE, "pnb_problem_explain: text is NULL");
    void *options = NULL;
    PNB_TRY(pnb_problem_options(p, p->ctx->gpu, &options));
    pnb_text text = {0};
    explain(&text, p, options);
    free(options);
    return pnb_text_take(&p->ctx->error, &text, out);
}

/* ---- measurements
 * ------------------------------------------------------------------------------------------------------------ */

pnb_status pnb_problem_simulate(pnb_problem *p, uint32_t n, const float *x, float *y) {
    if (!p) return PNB_ERROR_USAGE;
    if (n == 0 || !x || !y)
        return pnb_fail(&p->ctx->error, PNB_ERROR_USAGE, "pnb_problem_simulate: a batch of 0, or no array");
    pnb_gpu *gpu;
    PNB_TRY(pnb_forward_ready(p->forward, &gpu));
    uint64_t nx = pnb_shape_count(p->image), ny = pnb_shape_count(p->measurement);
    uint64_t seed = p->noise_seed_given ? p->noise_seed : p->seed;
    pnb_photons photons = pnb_problem_photons(p);
    for (uint32_t i = 0; i < n; i++) {
        PNB_TRY(pnb_measure_simulate(&p->ctx->error, gpu, p->forward->op, x + i * nx, p->sigma, &photons, seed,
                                     PNB_STREAM_MEASUREMENT + i, y + i * ny));
    }
    return PNB_OK;
}

pnb_status pnb_problem_ready(pnb_problem *p) {
    if (p->y) return PNB_OK;
    if (!p->simulated) {
        return pnb_problem_fail(p, PNB_ERROR_INPUT,
                                "measurement: expected a file or a list, or a truth to simulate it from");
    }
    float *y = malloc(pnb_shape_count(p->measurement) * sizeof *y);
    if (!y) return pnb_no_memory(&p->ctx->error, "measurement");
    pnb_status status = pnb_problem_simulate(p, 1, p->truth, y);
    if (status) {
        free(y);
        return status;
    }
    p->y = y;
    return PNB_OK;
}

pnb_status pnb_problem_measurement(pnb_problem *p, float *y) {
    if (!p) return PNB_ERROR_USAGE;
    if (!y) return pnb_fail(&p->ctx->error, PNB_ERROR_USAGE, "pnb_problem_measurement: y is NULL");
    PNB_TRY(pnb_problem_ready(p));
    memcpy(y, p->y, pnb_shape_count(p->measurement) * sizeof *y);
    return PNB_OK;
}

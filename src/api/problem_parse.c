/* problem.json into a pnb_problem: every fault is a sentence with file, key, found and expected. */
#include "api/problem_parse.h"
#include "api/files.h"
#include "prior/gmm_host.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

pnb_status pnb_problem_fail(pnb_problem *p, pnb_status status, const char *format, ...) {
    char sentence[PNB_ERROR_MESSAGE_SIZE];
    va_list args;
    va_start(args, format);
    vsnprintf(sentence, sizeof sentence, format, args);
    va_end(args);
    return pnb_fail(&p->ctx->error, status, "%s: %.900s", p->file, sentence);
}

/* ---- prior
 * --------------------------------------------------------------------------------------------------------------- */

static pnb_status expect_shape(pnb_problem *p, const char *key, uint32_t rank, const uint64_t *shape,
                               uint32_t want_rank, const uint64_t *want) {
    bool same = rank == want_rank;
    for (uint32_t i = 0; same && i < rank; i++) same = shape[i] == want[i];
    if (same) return PNB_OK;
    char a[PNB_SHAPE_TEXT_SIZE], b[PNB_SHAPE_TEXT_SIZE];
    return pnb_problem_fail(p, PNB_ERROR_INPUT, "%s: expected the shape %s, found %s", key,
                            pnb_shape_to_text(want_rank, want, a), pnb_shape_to_text(rank, shape, b));
}

/* Key of the generator for truths that are drawn. */
enum { DRAW_SEED = 0x7472 };

static pnb_status required_numbers(const pnb_json *object, const char *key, uint32_t *rank, uint64_t *shape,
                                   double **out) {
    PNB_TRY(pnb_json_require(object, key));
    return pnb_json_numbers(object, key, PNB_PROBLEM_NUMBERS, rank, shape, out);
}

static pnb_status read_mixture(pnb_problem *p, const pnb_json *prior) {
    PNB_TRY(pnb_json_known_keys(prior, (const char *const[]){"type", "weights", "means", "covariances", NULL}));
    uint32_t rank;
    uint64_t shape[PNB_ARRAY_MAX_RANK];
    double *weights = NULL, *means = NULL, *covariances = NULL;
    pnb_status status;
    PNB_TRY_GOTO(required_numbers(prior, "weights", &rank, shape, &weights));
    uint64_t n = shape[0];
    PNB_TRY_GOTO(expect_shape(p, "prior.weights", rank, shape, 1, (uint64_t[]){n}));
    PNB_TRY_GOTO(required_numbers(prior, "means", &rank, shape, &means));
    uint64_t dim = rank > 1 ? shape[1] : 1;
    PNB_TRY_GOTO(expect_shape(p, "prior.means", rank, shape, 2, (uint64_t[]){n, dim}));
    PNB_TRY_GOTO(required_numbers(prior, "covariances", &rank, shape, &covariances));
    PNB_TRY_GOTO(expect_shape(p, "prior.covariances", rank, shape, 3, (uint64_t[]){n, dim, dim}));
    status = pnb_model_create_gmm(p->ctx, (uint32_t)dim, (uint32_t)n, weights, means, covariances, &p->model);
    if (status) pnb_error_prefix(&p->ctx->error, "%s: prior: ", p->file);
fail:
    free(weights);
    free(means);
    free(covariances);
    return status;
}

static pnb_status read_precision(pnb_problem *p, const pnb_json *prior) {
    int half;
    PNB_TRY(pnb_json_choice(prior, "precision", 0, (const char *const[]){"fp32", "fp16", NULL}, &half));
    return pnb_model_set_fp16(p->model, half);
}

/* Images larger than a tile, in tiles; the resolved prior says so. */
static pnb_status read_tiles(pnb_problem *p, const pnb_json *prior) {
    int64_t tile, overlap;
    PNB_TRY(pnb_json_int(prior, "tile", 0, 0, 4096, &tile));
    PNB_TRY(pnb_json_int(prior, "overlap", tile / 4, 0, 2048, &overlap));
    if (tile == 0) return PNB_OK;
    pnb_status status = pnb_prior_set_tiles(p->model->prior, (uint32_t)tile, (uint32_t)overlap);
    if (status) return pnb_error_prefix(&p->ctx->error, "%s: ", p->file);
    bool ok = cJSON_AddNumberToObject(p->model->source, "tile", (double)tile) &&
              cJSON_AddNumberToObject(p->model->source, "overlap", (double)overlap);
    return ok ? PNB_OK : pnb_no_memory(&p->ctx->error, "prior");
}

/* How a network is used. */
static pnb_status read_use(pnb_problem *p, const pnb_json *prior) {
    PNB_TRY(read_tiles(p, prior));
    return read_precision(p, prior);
}

/* A network of known shape with random weights: the same work as a trained one, for benchmarks. */
static pnb_status read_random(pnb_problem *p, const pnb_json *prior) {
    const char *network;
    PNB_TRY(pnb_json_known_keys(prior, (const char *const[]){"type", "network", "tile", "overlap", "precision", NULL}));
    PNB_TRY(pnb_json_require(prior, "network"));
    PNB_TRY(pnb_json_string(prior, "network", NULL, &network));
    PNB_TRY(pnb_model_create_random(p->ctx, network, &p->model));
    return read_use(p, prior);
}

static pnb_status read_prior(pnb_problem *p, const pnb_json *doc) {
    pnb_json prior;
    const char *file;
    int type;
    PNB_TRY(pnb_json_require(doc, "prior"));
    PNB_TRY(pnb_json_object(doc, "prior", &prior));
    PNB_TRY(pnb_json_string(&prior, "file", NULL, &file));
    p->owns_model = true;
    if (file) {
        PNB_TRY(pnb_json_known_keys(&prior, (const char *const[]){"file", "tile", "overlap", "precision", NULL}));
        char *path = pnb_path_join(p->base_dir, file);
        if (!path) return pnb_no_memory(&p->ctx->error, "prior.file");
        pnb_status status = pnb_model_load(p->ctx, path, &p->model);
        free(path);
        return status ? status : read_use(p, &prior);
    }
    if (!pnb_json_get(&prior, "type").value) return pnb_json_expected(&prior, "a \"file\", or \"type\": \"gmm\"");
    PNB_TRY(pnb_json_choice(&prior, "type", 0, (const char *const[]){"gmm", "random", NULL}, &type));
    return type ? read_random(p, &prior) : read_mixture(p, &prior);
}

/* ---- image size
 * ------------------------------------------------------------------------------------------------------------ */

static pnb_status read_size(pnb_problem *p, const pnb_json *doc) {
    uint32_t rank;
    uint64_t shape[PNB_ARRAY_MAX_RANK];
    double *size;
    PNB_TRY(pnb_json_numbers(doc, "size", 16, &rank, shape, &size));
    bool ok = rank == 1 && shape[0] == 2;
    for (int i = 0; ok && i < 2; i++) ok = size[i] >= 1 && size[i] <= 65536 && size[i] == floor(size[i]);
    if (ok) p->image = pnb_shape3(pnb_prior_channels(p->model->prior), (uint32_t)size[0], (uint32_t)size[1]);
    free(size);
    pnb_json here = pnb_json_get(doc, "size");
    if (!ok) return pnb_json_expected(&here, "[height, width]");
    p->size_given = true;
    return PNB_OK;
}

static pnb_status choose_image(pnb_problem *p, const pnb_json *doc) {
    bool size = pnb_json_get(doc, "size").value != NULL;
    const pnb_prior *prior = p->model->prior;
    uint32_t dim = pnb_prior_dim(prior), side = pnb_prior_size_hint(prior);
    if (dim) {
        if (size)
            return pnb_problem_fail(p, PNB_ERROR_INPUT, "size: this prior is one of vectors, it has no image size");
        p->image = pnb_shape1(dim);
        return PNB_OK;
    }
    if (size) return read_size(p, doc);
    if (!side) {
        return pnb_problem_fail(p, PNB_ERROR_INPUT,
                                "size: the prior's file does not say for which images it was trained; "
                                "add \"size\": [height, width]");
    }
    p->image = pnb_shape3(pnb_prior_channels(prior), side, side);
    return PNB_OK;
}

/* ---- operator
 * -------------------------------------------------------------------------------------------------------------- */

static bool is_path(const cJSON *operator_args, const cJSON *item) {
    const cJSON *type = cJSON_GetObjectItemCaseSensitive(operator_args, "type");
    if (!item->string || !cJSON_IsString(item)) return false;
    if (strcmp(item->string, "file") == 0) return true;
    if (cJSON_IsString(type) && strcmp(type->valuestring, "matrix") == 0) return strcmp(item->string, "matrix") == 0;
    if (!cJSON_IsString(type) || strcmp(type->valuestring, "custom") != 0) return false;
    return strcmp(item->string, "apply") == 0 || strcmp(item->string, "adjoint") == 0 || strcmp(item->string, "data") == 0;
}

/* File names in the arguments become absolute, so that the resolved problem runs from any folder. */
static bool make_absolute(const pnb_problem *p, cJSON *value) {
    for (cJSON *item = value->child; item; item = item->next) {
        if (item->child && !make_absolute(p, item)) return false;
        if (!is_path(value, item)) continue;
        char *path = pnb_path_absolute(p->base_dir, item->valuestring);
        bool set = path && cJSON_SetValuestring(item, path);
        free(path);
        if (!set) return false;
    }
    return true;
}

/* The scale of the prior's images, for operators that have one and are not told another. */
static bool take_scale(const pnb_problem *p, cJSON *args) {
    const pnb_prior *prior = p->model->prior;
    const char *type = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(args, "type"));
    bool sky = type && strcmp(type, "vlbi") == 0, specimen = type && strcmp(type, "psf") == 0;
    const char *name = sky ? "fov_uas" : "pixel_nm";
    double value = sky ? pnb_prior_fov_uas(prior, p->image.d[2]) : specimen ? pnb_prior_pixel_nm(prior) : 0;
    cJSON *part;
    cJSON_ArrayForEach(part, cJSON_GetObjectItemCaseSensitive(args, "operators")) {
        if (!take_scale(p, part)) return false;
    }
    bool given = cJSON_HasObjectItem(args, name) || (specimen && cJSON_HasObjectItem(args, "file"));
    return value == 0 || given || cJSON_AddNumberToObject(args, name, value);
}

static pnb_status read_operator(pnb_problem *p, const pnb_json *doc) {
    pnb_json given;
    const char *type;
    PNB_TRY(pnb_json_require(doc, "operator"));
    PNB_TRY(pnb_json_object(doc, "operator", &given));
    PNB_TRY(pnb_json_require(&given, "type"));
    PNB_TRY(pnb_json_string(&given, "type", NULL, &type));
    pnb_forward *f = calloc(1, sizeof *f);
    if (!f) return pnb_no_memory(&p->ctx->error, "operator");
    f->ctx = p->ctx;
    p->forward = f;
    p->owns_forward = true;
    cJSON *args = cJSON_Duplicate(given.value, 1);
    if (!args || !make_absolute(p, args) || (p->image.rank == 3 && !take_scale(p, args))) {
        cJSON_Delete(args);
        return pnb_no_memory(&p->ctx->error, "operator");
    }
    pnb_status status = pnb_operator_create(&p->ctx->error, type, args, p->image, p->base_dir, &f->op);
    cJSON_Delete(args);
    if (status) return pnb_error_prefix(&p->ctx->error, "%s: operator: ", p->file);
    p->measurement = pnb_operator_measurement_shape(f->op);
    return PNB_OK;
}

/* ---- measurement and truth
 * -------------------------------------------------------------------------------------------------- */

/* {"draw": n}: draw n of an exact mixture prior, for calibration. */
static pnb_status read_draw(pnb_problem *p, const pnb_json *truth) {
    const pnb_gmm *mixture = pnb_prior_gmm(p->model->prior);
    int64_t draw;
    PNB_TRY(pnb_json_known_keys(truth, (const char *const[]){"draw", NULL}));
    PNB_TRY(pnb_json_require(truth, "draw"));
    PNB_TRY(pnb_json_int(truth, "draw", 0, 0, UINT32_MAX, &draw));
    if (!mixture) return pnb_json_expected(truth, "the name of a file: only a mixture prior can be drawn from exactly");
    double *x = malloc(mixture->dim * sizeof *x);
    p->truth = malloc(mixture->dim * sizeof *p->truth);
    p->truth_source = cJSON_Duplicate(truth->value, 1);
    pnb_status status = x && p->truth && p->truth_source ? PNB_OK : pnb_no_memory(&p->ctx->error, "truth");
    if (status == PNB_OK) status = pnb_gmm_sample(&p->ctx->error, mixture, DRAW_SEED, (uint32_t)draw, 1, x);
    for (uint32_t i = 0; status == PNB_OK && i < mixture->dim; i++) p->truth[i] = (float)x[i];
    free(x);
    return status;
}

static pnb_status read_truth(pnb_problem *p, const pnb_json *doc) {
    pnb_json truth = pnb_json_get(doc, "truth");
    pnb_value_map map;
    if (cJSON_IsObject(truth.value) && !pnb_json_get(&truth, "file").value) return read_draw(p, &truth);
    return pnb_problem_read_values(p, "truth", doc, p->image, NULL, &map, &p->truth, &p->truth_source);
}

/* Without either the problem still serves `simulate` and `forward`; a run says what is missing. A measurement that came with
 * the operator's file stands in for both. */
static pnb_status read_measurement(pnb_problem *p, const pnb_json *doc) {
    bool truth = pnb_json_get(doc, "truth").value != NULL, y = pnb_json_get(doc, "measurement").value != NULL;
    if (truth) PNB_TRY(read_truth(p, doc));
    p->simulated = truth && !y;
    if (!y) return truth ? PNB_OK : pnb_problem_take_given(p);
    return pnb_problem_read_values(p, "measurement", doc, p->measurement, pnb_operator_measured(p->forward->op), &p->y_map,
                       &p->y, &p->y_source);
}

pnb_status pnb_problem_check_noise(pnb_problem *p) {
    if (!isfinite(p->photons) || p->photons < 0 || p->photons > PNB_PHOTONS_MAX)
        return pnb_problem_fail(p, PNB_ERROR_INPUT, "photons is %g, expected 0 to %g", p->photons, (double)PNB_PHOTONS_MAX);
    if (!isfinite(p->zero) || p->zero >= 1)
        return pnb_problem_fail(p, PNB_ERROR_INPUT, "zero is %g, expected a value below 1 (-1 for pictures)", p->zero);
    if (p->photons > 0 && pnb_operator_weights(p->forward->op)) {
        return pnb_problem_fail(p, PNB_ERROR_INPUT,
                                "noise: photon noise is a camera's; operator %s has an error for each entry, use gaussian",
                                pnb_operator_name(p->forward->op));
    }
    return PNB_OK;
}

/* "poisson_gaussian": photons must be given, zero may be. */
static pnb_status read_photons(pnb_problem *p, const pnb_json *noise) {
    PNB_TRY(pnb_json_require(noise, "photons"));
    PNB_TRY(pnb_json_real(noise, "photons", 0, 1e-3, PNB_PHOTONS_MAX, &p->photons));
    PNB_TRY(pnb_json_real(noise, "zero", -1, -1e30, 0.999, &p->zero));
    return pnb_problem_check_noise(p);
}

static pnb_status read_noise(pnb_problem *p, const pnb_json *doc) {
    pnb_json noise;
    int type;
    int64_t seed;
    bool own_errors = pnb_operator_weights(p->forward->op) != NULL; /* sigma then multiplies them */
    if (!own_errors) PNB_TRY(pnb_json_require(doc, "noise"));
    PNB_TRY(pnb_json_object(doc, "noise", &noise));
    if (!noise.value) {
        p->sigma = 1;
        return PNB_OK;
    }
    PNB_TRY(pnb_json_choice(&noise, "type", 0, (const char *const[]){"gaussian", "poisson_gaussian", NULL}, &type));
    if (!own_errors) PNB_TRY(pnb_json_require(&noise, "sigma"));
    PNB_TRY(pnb_json_real(&noise, "sigma", own_errors, 0, 1e30, &p->sigma));
    p->noise_seed_given = pnb_json_get(&noise, "seed").value != NULL;
    PNB_TRY(pnb_json_int(&noise, "seed", 0, 0, PNB_SEED_MAX, &seed));
    p->noise_seed = (uint64_t)seed;
    PNB_TRY(pnb_json_known_keys(&noise, type ? (const char *const[]){"type", "sigma", "seed", "photons", "zero", NULL}
                                             : (const char *const[]){"type", "sigma", "seed", NULL}));
    return type ? read_photons(p, &noise) : PNB_OK;
}

/* The name of a file of samples to start from. */
static pnb_status read_start(pnb_problem *p, const pnb_json *doc) {
    const char *name;
    PNB_TRY(pnb_json_string(doc, "start", NULL, &name));
    if (!name) return PNB_OK;
    char *path = pnb_path_absolute(p->base_dir, name);
    p->start_source = path ? cJSON_CreateString(path) : NULL;
    pnb_status status = p->start_source ? PNB_OK : pnb_no_memory(&p->ctx->error, "start");
    if (status == PNB_OK) status = pnb_problem_read_many(p, "start", path, p->image, NULL, &p->n_start, &p->start);
    free(path);
    return status;
}

/* ---- method
 * ------------------------------------------------------------------------------------------------------------------ */

pnb_status pnb_problem_set_method(pnb_problem *p, const char *name) {
    const pnb_method *method = pnb_method_find(name);
    if (!method) {
        char list[256] = "";
        size_t count;
        const pnb_method *const *all = pnb_methods(&count);
        for (size_t i = 0; i < count; i++) {
            size_t used = strlen(list);
            snprintf(list + used, sizeof list - used, "%s%s", i ? ", " : "", all[i]->name);
        }
        return pnb_problem_fail(p, PNB_ERROR_INPUT, "method: expected one of %s, found '%.100s'", list, name);
    }
    void *options = malloc(method->table.struct_bytes ? method->table.struct_bytes : 1);
    bool *given = calloc(method->table.count + 1, sizeof *given);
    if (!options || !given) {
        free(options);
        free(given);
        return pnb_no_memory(&p->ctx->error, "method");
    }
    free(p->options);
    free(p->given);
    p->method = method;
    p->options = options;
    p->given = given;
    pnb_options_defaults(&method->table, options);
    return PNB_OK;
}

static pnb_status read_option(pnb_problem *p, const pnb_json *method, const pnb_option *o) {
    pnb_json v = pnb_json_get(method, o->name);
    pnb_error *err = &p->ctx->error;
    bool number = o->kind == PNB_OPTION_INT || o->kind == PNB_OPTION_REAL;
    char where[512];
    snprintf(where, sizeof where, "%s: method.%s", p->file, o->name);
    if (number && cJSON_IsNumber(v.value))
        return pnb_options_set_number(err, where, o, p->options, v.value->valuedouble);
    if (o->kind == PNB_OPTION_BOOL && cJSON_IsBool(v.value)) {
        return pnb_options_set_number(err, where, o, p->options, cJSON_IsTrue(v.value));
    }
    if (o->kind == PNB_OPTION_CHOICE && cJSON_IsString(v.value)) {
        return pnb_options_set_text(err, where, o, p->options, v.value->valuestring);
    }
    return pnb_json_expected(&v, number ? "a number" : o->kind == PNB_OPTION_BOOL ? "true or false" : "a word");
}

static pnb_status read_method(pnb_problem *p, const pnb_json *doc) {
    pnb_json method;
    const char *type;
    PNB_TRY(pnb_json_object(doc, "method", &method));
    if (!method.value) return pnb_problem_set_method(p, "ppm");
    PNB_TRY(pnb_json_string(&method, "type", "ppm", &type));
    PNB_TRY(pnb_problem_set_method(p, type));
    const pnb_option_table *table = &p->method->table;
    const char **keys = calloc(table->count + 2, sizeof *keys);
    if (!keys) return pnb_no_memory(&p->ctx->error, "method");
    keys[0] = "type";
    for (size_t i = 0; i < table->count; i++) keys[i + 1] = table->options[i].name;
    pnb_status status = pnb_json_known_keys(&method, keys);
    free(keys);
    PNB_TRY(status);
    for (size_t i = 0; i < table->count; i++) {
        if (!pnb_json_get(&method, table->options[i].name).value) continue;
        PNB_TRY(read_option(p, &method, &table->options[i]));
        p->given[i] = true;
    }
    return PNB_OK;
}

/* ---- the whole
 * ---------------------------------------------------------------------------------------------------------------- */

pnb_status pnb_problem_fill(pnb_problem *p, const cJSON *json) {
    pnb_json doc = pnb_json_root(&p->ctx->error, p->file, json);
    int64_t seed;
    PNB_TRY(pnb_json_known_keys(&doc, (const char *const[]){"prior", "operator", "measurement", "truth", "noise",
                                                            "method", "seed", "size", "start", NULL}));
    PNB_TRY(pnb_json_int(&doc, "seed", 0, 0, PNB_SEED_MAX, &seed));
    p->seed = (uint64_t)seed;
    PNB_TRY(read_prior(p, &doc));
    PNB_TRY(choose_image(p, &doc));
    PNB_TRY(read_operator(p, &doc));
    PNB_TRY(read_noise(p, &doc));
    PNB_TRY(read_measurement(p, &doc));
    PNB_TRY(read_start(p, &doc));
    return read_method(p, &doc);
}

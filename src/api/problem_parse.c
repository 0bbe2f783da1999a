/* problem.json into a pnb_problem: every fault is a sentence with file, key, found and expected. */
#include "api/problem_parse.h"
#include "api/files.h"
#include "io/json.h"
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

/* Numbers of a problem at most: 2^22, 32 MB. */
enum { MAX_NUMBERS = 1 << 22 };
/* Key of the generator for truths that are drawn. */
enum { DRAW_SEED = 0x7472 };

static pnb_status required_numbers(const pnb_json *object, const char *key, uint32_t *rank, uint64_t *shape,
                                   double **out) {
    PNB_TRY(pnb_json_require(object, key));
    return pnb_json_numbers(object, key, MAX_NUMBERS, rank, shape, out);
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

/* A network of known shape with random weights: the same work as a trained one, for benchmarks. */
static pnb_status read_random(pnb_problem *p, const pnb_json *prior) {
    const char *network;
    PNB_TRY(pnb_json_known_keys(prior, (const char *const[]){"type", "network", NULL}));
    PNB_TRY(pnb_json_require(prior, "network"));
    PNB_TRY(pnb_json_string(prior, "network", NULL, &network));
    PNB_TRY(pnb_model_create_random(p->ctx, network, &p->model));
    return PNB_OK;
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
        PNB_TRY(pnb_json_known_keys(&prior, (const char *const[]){"file", NULL}));
        char *path = pnb_path_join(p->base_dir, file);
        if (!path) return pnb_no_memory(&p->ctx->error, "prior.file");
        pnb_status status = pnb_model_load(p->ctx, path, &p->model);
        free(path);
        return status;
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

/* Whether an array's shape is `want`, with or without dimensions of 1 in front. */
static bool fits(uint32_t rank, const uint64_t *shape, pnb_shape want) {
    uint32_t skip = 0, skip_want = 0;
    while (skip + 1 < rank && shape[skip] == 1) skip++;
    while (skip_want + 1 < want.rank && want.d[skip_want] == 1) skip_want++;
    if (rank - skip != want.rank - skip_want) return false;
    for (uint32_t i = 0; i + skip < rank; i++) {
        if (shape[skip + i] != want.d[skip_want + i]) return false;
    }
    return true;
}

static pnb_status wrong_size(pnb_problem *p, const char *key, const char *path, uint32_t rank, const uint64_t *shape,
                             pnb_shape want) {
    char a[PNB_SHAPE_TEXT_SIZE], b[48], c[48];
    pnb_shape_to_text(rank, shape, a);
    pnb_shape_text(want, b);
    if (want.rank == 3) {
        return pnb_problem_fail(
            p, PNB_ERROR_INPUT,
            "%s: %s%s%shas the shape %s, expected %s for images of %s; crop or pad it beforehand, or set "
            "\"size\": [height, width] to what you have",
            key, path ? "'" : "", path ? path : "the list ", path ? "' " : "", a, b, pnb_shape_text(p->image, c));
    }
    return pnb_problem_fail(p, PNB_ERROR_INPUT, "%s: %s%s%shas the shape %s, expected %s", key, path ? "'" : "",
                            path ? path : "the list ", path ? "' " : "", a, b);
}

/* Entries that the operator does not measure (mask: hidden pixels) are set to 0, whatever they are. */
static pnb_status check_values(pnb_problem *p, const char *key, const char *path, float *values, uint64_t count,
                               const float *measured) {
    for (uint64_t i = 0; i < count; i++) {
        if (measured && measured[i] == 0) {
            values[i] = 0;
        } else if (!isfinite(values[i])) {
            return pnb_problem_fail(p, PNB_ERROR_INPUT, "%s: %s%s%selement %llu is not a finite number", key,
                                    path ? "'" : "", path ? path : "", path ? "': " : "", (unsigned long long)i);
        }
    }
    return PNB_OK;
}

/* The name of a file, or {"file": name, "black": number, "white": number, "page": n}: as map and path (owned), and the same with an
 * absolute path as *source. */
static pnb_status read_file_values(pnb_problem *p, const pnb_json *v, pnb_value_map *map, char **path, cJSON **source) {
    pnb_json name = *v;
    *map = (pnb_value_map){0};
    if (cJSON_IsObject(v->value)) {
        int64_t page;
        PNB_TRY(pnb_json_known_keys(v, (const char *const[]){"file", "black", "white", "page", NULL}));
        PNB_TRY(pnb_json_require(v, "file"));
        name = pnb_json_get(v, "file");
        map->has_page = pnb_json_get(v, "page").value != NULL;
        map->has_range = pnb_json_get(v, "black").value || pnb_json_get(v, "white").value;
        if (map->has_range) {
            PNB_TRY(pnb_json_require(v, "white"));
            PNB_TRY(pnb_json_require(v, "black"));
        }
        PNB_TRY(pnb_json_int(v, "page", 0, 0, UINT16_MAX, &page));
        PNB_TRY(pnb_json_real(v, "black", 0, -1e30, 1e30, &map->black));
        PNB_TRY(pnb_json_real(v, "white", 1, -1e30, 1e30, &map->white));
        map->page = (uint32_t)page;
        if (map->has_range && !(map->white > map->black))
            return pnb_problem_fail(p, PNB_ERROR_INPUT, "black %g should be below white %g", map->black, map->white);
    }
    if (!cJSON_IsString(name.value)) return pnb_json_expected(&name, "the name of a file");
    *path = pnb_path_absolute(p->base_dir, name.value->valuestring);
    *source = *path ? cJSON_IsObject(v->value) ? cJSON_Duplicate(v->value, 1) : cJSON_CreateString(*path) : NULL;
    bool ok = *source != NULL;
    if (ok && cJSON_IsObject(*source)) {
        cJSON *absolute = cJSON_CreateString(*path);
        ok = absolute && cJSON_ReplaceItemInObjectCaseSensitive(*source, "file", absolute);
    }
    return ok ? PNB_OK : pnb_no_memory(&p->ctx->error, "problem");
}

static pnb_status values_from_file(pnb_problem *p, const char *key, const pnb_json *v, pnb_shape want, pnb_value_map *map, float **out,
                                   cJSON **source) {
    char *path = NULL;
    pnb_array a = {0};
    bool is_image;
    uint32_t channels = want.rank == 3 && (want.d[0] == 1 || want.d[0] == 3) ? want.d[0] : 0;
    pnb_status status;
    PNB_TRY_GOTO(read_file_values(p, v, map, &path, source));
    status = pnb_values_read_mapped(&p->ctx->error, path, channels, map, &a, &is_image);
    if (status) {
        pnb_error_prefix(&p->ctx->error, "%s: %s: ", p->file, key);
    } else if (map->tiff && a.rank == 4) {
        status = pnb_problem_fail(p, PNB_ERROR_INPUT, "%s: '%s' has %llu pages: choose one, {\"file\": ..., \"page\": 0}", key, path,
                                  (unsigned long long)a.shape[0]);
    } else if (!fits(a.rank, a.shape, want)) {
        status = wrong_size(p, key, path, a.rank, a.shape, want);
    } else {
        *out = a.data;
        a.data = NULL;
    }
fail:
    pnb_array_free(&a);
    free(path);
    return status;
}

/* An array [n, want...]; one [want...] is n = 1. */
static pnb_status many_from_array(pnb_problem *p, const char *key, const char *path, pnb_shape want, uint32_t *n,
                                  float **out) {
    pnb_array a = {0};
    bool is_image;
    uint64_t one = pnb_shape_count(want);
    uint32_t channels = want.rank == 3 && (want.d[0] == 1 || want.d[0] == 3) ? want.d[0] : 0;
    pnb_status status = pnb_values_read(&p->ctx->error, path, channels, &a, &is_image);
    bool single = status == PNB_OK && fits(a.rank, a.shape, want);
    bool stack = status == PNB_OK && a.rank > 1 && a.shape[0] > 0 && fits(a.rank - 1, a.shape + 1, want);
    if (status) {
        pnb_error_prefix(&p->ctx->error, "%s: %s: ", p->file, key);
    } else if (!single && !stack) {
        status = wrong_size(p, key, path, a.rank, a.shape, want);
    } else if (a.count / one > UINT32_MAX) {
        status = pnb_problem_fail(p, PNB_ERROR_INPUT, "%s: '%s' has more than %u entries", key, path, UINT32_MAX);
    } else {
        *n = (uint32_t)(a.count / one);
        *out = a.data;
        a.data = NULL;
    }
    pnb_array_free(&a);
    return status;
}

/* The files of a folder, one after the other. */
static pnb_status many_from_folder(pnb_problem *p, const char *key, const char *path, pnb_shape want, uint32_t *n,
                                   float **out) {
    char **names = NULL;
    size_t count = 0;
    uint64_t one = pnb_shape_count(want);
    pnb_status status = pnb_names_in_folder(&p->ctx->error, path, &names, &count);
    *n = 0;
    for (size_t i = 0; i < count && status == PNB_OK; i++) {
        float *some = NULL, *all;
        uint32_t here = 0;
        char *name = pnb_path_join(path, names[i]);
        status = name ? many_from_array(p, key, name, want, &here, &some) : pnb_no_memory(&p->ctx->error, key);
        all = status == PNB_OK ? realloc(*out, (*n + (uint64_t)here) * one * sizeof *all) : NULL;
        if (all) {
            *out = all;
            memcpy(all + *n * one, some, here * one * sizeof *all);
            *n += here;
        } else if (status == PNB_OK) {
            status = pnb_no_memory(&p->ctx->error, key);
        }
        free(some);
        free(name);
    }
    pnb_names_free(names, count);
    if (status == PNB_OK && *n == 0) status = pnb_problem_fail(p, PNB_ERROR_INPUT, "%s: '%s' has no files", key, path);
    return status;
}

pnb_status pnb_problem_read_many(pnb_problem *p, const char *key, const char *path, pnb_shape want,
                                 const float *measured, uint32_t *n, float **out) {
    uint64_t one = pnb_shape_count(want);
    *out = NULL;
    pnb_status status = pnb_is_folder(path) ? many_from_folder(p, key, path, want, n, out)
                                            : many_from_array(p, key, path, want, n, out);
    for (uint32_t i = 0; i < *n && status == PNB_OK; i++) status = check_values(p, key, path, *out + i * one, one, measured);
    if (status == PNB_OK) return PNB_OK;
    free(*out);
    *out = NULL;
    return status;
}

static pnb_status values_in_place(pnb_problem *p, const char *key, const pnb_json *doc, pnb_shape want, float **out,
                                  cJSON **source) {
    uint32_t rank;
    uint64_t shape[PNB_ARRAY_MAX_RANK];
    double *values;
    PNB_TRY(pnb_json_numbers(doc, key, MAX_NUMBERS, &rank, shape, &values));
    if (!fits(rank, shape, want)) {
        free(values);
        return wrong_size(p, key, NULL, rank, shape, want);
    }
    uint64_t count = pnb_shape_count(want);
    *out = malloc(count * sizeof **out);
    *source = cJSON_Duplicate(pnb_json_get(doc, key).value, 1);
    for (uint64_t i = 0; *out && i < count; i++) (*out)[i] = (float)values[i];
    free(values);
    return *out && *source ? PNB_OK : pnb_no_memory(&p->ctx->error, key);
}

static pnb_status read_values(pnb_problem *p, const char *key, const pnb_json *doc, pnb_shape want,
                              const float *measured, pnb_value_map *map, float **out, cJSON **source) {
    pnb_json v = pnb_json_get(doc, key);
    const char *name = cJSON_IsString(v.value) ? v.value->valuestring : NULL;
    if (name || cJSON_IsObject(v.value)) {
        PNB_TRY(values_from_file(p, key, &v, want, map, out, source));
    } else if (cJSON_IsArray(v.value)) {
        PNB_TRY(values_in_place(p, key, doc, want, out, source));
    } else {
        return pnb_json_expected(&v, "the name of a file or a list of numbers");
    }
    return check_values(p, key, name, *out, pnb_shape_count(want), measured);
}

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
    return read_values(p, "truth", doc, p->image, NULL, &map, &p->truth, &p->truth_source);
}

/* Without either the problem still serves `simulate` and `forward`; a run says what is missing. A measurement that came with
 * the operator's file stands in for both. */
static pnb_status read_measurement(pnb_problem *p, const pnb_json *doc) {
    bool truth = pnb_json_get(doc, "truth").value != NULL, y = pnb_json_get(doc, "measurement").value != NULL;
    if (truth) PNB_TRY(read_truth(p, doc));
    p->simulated = truth && !y;
    if (!y) return truth ? PNB_OK : pnb_problem_take_given(p);
    return read_values(p, "measurement", doc, p->measurement, pnb_operator_measured(p->forward->op), &p->y_map,
                       &p->y, &p->y_source);
}

pnb_status pnb_problem_check_noise(pnb_problem *p) {
    if (!isfinite(p->photons) || p->photons < 0 || p->photons > PNB_PHOTONS_MAX)
        return pnb_problem_fail(p, PNB_ERROR_INPUT, "photons is %g, expected 0 to %g", p->photons, (double)PNB_PHOTONS_MAX);
    if (!isfinite(p->zero) || p->zero >= 1)
        return pnb_problem_fail(p, PNB_ERROR_INPUT, "zero is %g, expected a value below 1 (-1 for pictures)", p->zero);
    if (p->photons > 0 && pnb_operator_weights(p->forward->op)) {
        return pnb_problem_fail(p, PNB_ERROR_INPUT, "noise: photon noise is a camera's; operator %s has an error for each entry, use gaussian",
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
                                                            "method", "seed", "size", NULL}));
    PNB_TRY(pnb_json_int(&doc, "seed", 0, 0, PNB_SEED_MAX, &seed));
    p->seed = (uint64_t)seed;
    PNB_TRY(read_prior(p, &doc));
    PNB_TRY(choose_image(p, &doc));
    PNB_TRY(read_operator(p, &doc));
    PNB_TRY(read_noise(p, &doc));
    PNB_TRY(read_measurement(p, &doc));
    return read_method(p, &doc);
}

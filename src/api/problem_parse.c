/* problem.json into a pnb_problem: every fault is a sentence with file, key, found and expected. */
#include "api/problem_parse.h"
#include "api/files.h"

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
    return pnb_fail(&p->ctx->error, status, "%s%s", p->file, sentence);
}

/* ---- JSON values ------------------------------------------------------------------------------------------------------- */

static const cJSON *get(const cJSON *object, const char *key) {
    return cJSON_GetObjectItemCaseSensitive(object, key);
}

static const char *kind_of(const cJSON *v) {
    if (!v) return "nothing";
    if (cJSON_IsObject(v)) return "an object";
    if (cJSON_IsArray(v)) return "a list";
    if (cJSON_IsString(v)) return "a text";
    if (cJSON_IsNumber(v)) return "a number";
    if (cJSON_IsBool(v)) return "true or false";
    return "null";
}

static pnb_status wrong_kind(pnb_problem *p, const char *key, const char *expected, const cJSON *found) {
    if (cJSON_IsString(found)) {
        return pnb_problem_fail(p, PNB_ERROR_INPUT, "%s: expected %s, found the text '%.100s'", key, expected, found->valuestring);
    }
    return pnb_problem_fail(p, PNB_ERROR_INPUT, "%s: expected %s, found %s", key, expected, kind_of(found));
}

/* known: NULL-terminated. where: "" or "noise." and so on. */
static pnb_status check_keys(pnb_problem *p, const cJSON *object, const char *where, const char *const *known) {
    for (const cJSON *item = object->child; item; item = item->next) {
        bool found = false;
        char list[256] = "";
        for (size_t i = 0; known[i]; i++) {
            found = found || strcmp(known[i], item->string) == 0;
            size_t used = strlen(list);
            snprintf(list + used, sizeof list - used, "%s%s", i ? ", " : "", known[i]);
        }
        if (!found) {
            return pnb_problem_fail(p, PNB_ERROR_INPUT, "unknown key '%s%.100s'; expected any of %s", where, item->string, list);
        }
    }
    return PNB_OK;
}

static pnb_status get_whole(pnb_problem *p, const cJSON *v, const char *key, double min, double max, double *out) {
    if (!cJSON_IsNumber(v)) return wrong_kind(p, key, "a whole number", v);
    if (v->valuedouble != floor(v->valuedouble) || v->valuedouble < min || v->valuedouble > max) {
        return pnb_problem_fail(p, PNB_ERROR_INPUT, "%s: expected a whole number from %.0f to %.0f, found %g", key, min, max,
                                v->valuedouble);
    }
    *out = v->valuedouble;
    return PNB_OK;
}

/* Numbers of a nested list, in order; the shape is that of the first entries, and all others must agree. */
static pnb_status list_shape(pnb_problem *p, const cJSON *list, const char *key, uint32_t *rank, uint64_t *shape) {
    *rank = 0;
    for (const cJSON *v = list; cJSON_IsArray(v); v = v->child) {
        if (*rank == 5) return pnb_problem_fail(p, PNB_ERROR_INPUT, "%s: the list is nested more than 5 deep", key);
        shape[(*rank)++] = (uint64_t)cJSON_GetArraySize(v);
    }
    return PNB_OK;
}

static pnb_status list_fill(pnb_problem *p, const cJSON *list, const char *key, uint32_t rank, const uint64_t *shape,
                            double **out) {
    if (!cJSON_IsArray(list) || (uint64_t)cJSON_GetArraySize(list) != shape[0]) {
        return pnb_problem_fail(p, PNB_ERROR_INPUT, "%s: expected lists of equal length (%llu), found %s", key,
                                (unsigned long long)shape[0], cJSON_IsArray(list) ? "another length" : kind_of(list));
    }
    for (const cJSON *v = list->child; v; v = v->next) {
        if (rank > 1) {
            PNB_TRY(list_fill(p, v, key, rank - 1, shape + 1, out));
        } else if (!cJSON_IsNumber(v)) {
            return wrong_kind(p, key, "numbers", v);
        } else {
            *(*out)++ = v->valuedouble;
        }
    }
    return PNB_OK;
}

/* *values is the caller's to free. */
static pnb_status get_numbers(pnb_problem *p, const cJSON *list, const char *key, uint32_t *rank, uint64_t *shape,
                              double **values) {
    *values = NULL;
    if (!cJSON_IsArray(list)) return wrong_kind(p, key, "a list of numbers", list);
    PNB_TRY(list_shape(p, list, key, rank, shape));
    uint64_t count;
    if (!pnb_shape_product(*rank, shape, &count) || count == 0 || count > UINT32_MAX) {
        return pnb_problem_fail(p, PNB_ERROR_INPUT, "%s: the list is empty or too long", key);
    }
    double *at = malloc(count * sizeof *at);
    if (!at) return pnb_no_memory(&p->ctx->error, key);
    *values = at;
    pnb_status status = list_fill(p, list, key, *rank, shape, &at);
    if (status == PNB_OK) return PNB_OK;
    free(*values);
    *values = NULL;
    return status;
}

/* ---- prior --------------------------------------------------------------------------------------------------------------- */

static pnb_status expect_shape(pnb_problem *p, const char *key, uint32_t rank, const uint64_t *shape, uint32_t want_rank,
                               const uint64_t *want) {
    bool same = rank == want_rank;
    for (uint32_t i = 0; same && i < rank; i++) same = shape[i] == want[i];
    if (same) return PNB_OK;
    char a[PNB_SHAPE_TEXT_SIZE], b[PNB_SHAPE_TEXT_SIZE];
    return pnb_problem_fail(p, PNB_ERROR_INPUT, "%s: expected the shape %s, found %s", key,
                            pnb_shape_to_text(want_rank, want, a), pnb_shape_to_text(rank, shape, b));
}

static pnb_status read_mixture(pnb_problem *p, const cJSON *prior) {
    static const char *const keys[] = {"type", "weights", "means", "covariances", NULL};
    PNB_TRY(check_keys(p, prior, "prior.", keys));
    uint32_t rank;
    uint64_t shape[5];
    double *weights = NULL, *means = NULL, *covariances = NULL;
    pnb_status status;
    PNB_TRY_GOTO(get_numbers(p, get(prior, "weights"), "prior.weights", &rank, shape, &weights));
    uint64_t n = shape[0];
    PNB_TRY_GOTO(expect_shape(p, "prior.weights", rank, shape, 1, (uint64_t[]){n}));
    PNB_TRY_GOTO(get_numbers(p, get(prior, "means"), "prior.means", &rank, shape, &means));
    uint64_t dim = rank > 1 ? shape[1] : 1;
    PNB_TRY_GOTO(expect_shape(p, "prior.means", rank, shape, 2, (uint64_t[]){n, dim}));
    PNB_TRY_GOTO(get_numbers(p, get(prior, "covariances"), "prior.covariances", &rank, shape, &covariances));
    PNB_TRY_GOTO(expect_shape(p, "prior.covariances", rank, shape, 3, (uint64_t[]){n, dim, dim}));
    status = pnb_model_create_gmm(p->ctx, (uint32_t)dim, (uint32_t)n, weights, means, covariances, &p->model);
    if (status) pnb_error_prefix(&p->ctx->error, "%sprior: ", p->file);
fail:
    free(weights);
    free(means);
    free(covariances);
    return status;
}

static pnb_status read_prior(pnb_problem *p, const cJSON *prior) {
    if (!cJSON_IsObject(prior)) {
        return wrong_kind(p, "prior", "an object, {\"file\": \"....safetensors\"} or {\"type\": \"gmm\", ...}", prior);
    }
    const cJSON *file = get(prior, "file"), *type = get(prior, "type");
    p->owns_model = true;
    if (file) {
        static const char *const keys[] = {"file", NULL};
        PNB_TRY(check_keys(p, prior, "prior.", keys));
        if (!cJSON_IsString(file)) return wrong_kind(p, "prior.file", "the name of a file", file);
        char *path = pnb_path_join(p->base_dir, file->valuestring);
        if (!path) return pnb_no_memory(&p->ctx->error, "prior.file");
        pnb_status status = pnb_model_load(p->ctx, path, &p->model);
        free(path);
        return status;
    }
    if (!cJSON_IsString(type) || strcmp(type->valuestring, "gmm") != 0) {
        return wrong_kind(p, "prior.type", "'gmm', or prior.file in its place", type);
    }
    return read_mixture(p, prior);
}

/* ---- image size ------------------------------------------------------------------------------------------------------------ */

static pnb_status read_size(pnb_problem *p, const cJSON *size) {
    uint32_t multiple = pnb_prior_multiple(p->model->prior);
    double h, w;
    if (!cJSON_IsArray(size) || cJSON_GetArraySize(size) != 2) return wrong_kind(p, "size", "[height, width]", size);
    PNB_TRY(get_whole(p, size->child, "size", 1, 65536, &h));
    PNB_TRY(get_whole(p, size->child->next, "size", 1, 65536, &w));
    if (multiple && ((uint32_t)h % multiple || (uint32_t)w % multiple)) {
        return pnb_problem_fail(p, PNB_ERROR_INPUT, "size: this prior needs multiples of %u, found [%g, %g]", multiple, h, w);
    }
    p->image = pnb_shape3(pnb_prior_channels(p->model->prior), (uint32_t)h, (uint32_t)w);
    p->size_given = true;
    return PNB_OK;
}

static pnb_status choose_image(pnb_problem *p, const cJSON *size) {
    const pnb_prior *prior = p->model->prior;
    uint32_t dim = pnb_prior_dim(prior), side = pnb_prior_size_hint(prior);
    if (dim) {
        if (size) return pnb_problem_fail(p, PNB_ERROR_INPUT, "size: this prior is one of vectors, it has no image size");
        p->image = pnb_shape1(dim);
        return PNB_OK;
    }
    if (size) return read_size(p, size);
    if (!side) {
        return pnb_problem_fail(p, PNB_ERROR_INPUT, "size: the prior's file does not say for which images it was trained; "
                                                    "add \"size\": [height, width]");
    }
    p->image = pnb_shape3(pnb_prior_channels(prior), side, side);
    return PNB_OK;
}

/* ---- operator -------------------------------------------------------------------------------------------------------------- */

/* File names in the arguments become absolute, so that the resolved problem runs from any folder. */
static bool make_absolute(const pnb_problem *p, cJSON *value) {
    for (cJSON *item = value->child; item; item = item->next) {
        if (item->child && !make_absolute(p, item)) return false;
        if (!item->string || strcmp(item->string, "file") != 0 || !cJSON_IsString(item)) continue;
        char *path = pnb_path_absolute(p->base_dir, item->valuestring);
        bool set = path && cJSON_SetValuestring(item, path);
        free(path);
        if (!set) return false;
    }
    return true;
}

static pnb_status read_operator(pnb_problem *p, const cJSON *given) {
    if (!cJSON_IsObject(given)) return wrong_kind(p, "operator", "an object with a type", given);
    const cJSON *type = get(given, "type");
    if (!cJSON_IsString(type)) return wrong_kind(p, "operator.type", "the name of an operator", type);
    pnb_forward *f = calloc(1, sizeof *f);
    if (!f) return pnb_no_memory(&p->ctx->error, "operator");
    f->ctx = p->ctx;
    p->forward = f;
    p->owns_forward = true;
    cJSON *args = cJSON_Duplicate(given, 1);
    if (!args || !make_absolute(p, args)) {
        cJSON_Delete(args);
        return pnb_no_memory(&p->ctx->error, "operator");
    }
    pnb_status status = pnb_operator_create(&p->ctx->error, type->valuestring, args, p->image, p->base_dir, &f->op);
    cJSON_Delete(args);
    if (status) return pnb_error_prefix(&p->ctx->error, "%soperator: ", p->file);
    p->measurement = pnb_operator_measurement_shape(f->op);
    return PNB_OK;
}

/* ---- measurement and truth -------------------------------------------------------------------------------------------------- */

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
        return pnb_problem_fail(p, PNB_ERROR_INPUT,
                                "%s: %s%s%shas the shape %s, expected %s for images of %s; crop or pad it beforehand, or set "
                                "\"size\": [height, width] to what you have",
                                key, path ? "'" : "", path ? path : "the list ", path ? "' " : "", a, b,
                                pnb_shape_text(p->image, c));
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
            return pnb_problem_fail(p, PNB_ERROR_INPUT, "%s: %s%s%selement %llu is not a finite number", key, path ? "'" : "",
                                    path ? path : "", path ? "': " : "", (unsigned long long)i);
        }
    }
    return PNB_OK;
}

static pnb_status values_from_file(pnb_problem *p, const char *key, const char *name, pnb_shape want, float **out,
                                   cJSON **source) {
    char *path = pnb_path_absolute(p->base_dir, name);
    if (!path) return pnb_no_memory(&p->ctx->error, key);
    pnb_array a = {0};
    bool is_image;
    pnb_status status;
    uint32_t channels = want.rank == 3 && (want.d[0] == 1 || want.d[0] == 3) ? want.d[0] : 0;
    status = pnb_file_read(&p->ctx->error, path, channels, &a, &is_image);
    if (status) {
        pnb_error_prefix(&p->ctx->error, "%s%s: ", p->file, key);
    } else if (!fits(a.rank, a.shape, want)) {
        status = wrong_size(p, key, name, a.rank, a.shape, want);
    } else {
        *out = a.data;
        a.data = NULL;
        *source = cJSON_CreateString(path);
        if (!*source) status = pnb_no_memory(&p->ctx->error, key);
    }
    pnb_array_free(&a);
    free(path);
    return status;
}

static pnb_status values_in_place(pnb_problem *p, const char *key, const cJSON *list, pnb_shape want, float **out,
                                  cJSON **source) {
    uint32_t rank;
    uint64_t shape[5];
    double *values;
    PNB_TRY(get_numbers(p, list, key, &rank, shape, &values));
    if (!fits(rank, shape, want)) {
        free(values);
        return wrong_size(p, key, NULL, rank, shape, want);
    }
    uint64_t count = pnb_shape_count(want);
    *out = malloc(count * sizeof **out);
    *source = cJSON_Duplicate(list, 1);
    for (uint64_t i = 0; *out && i < count; i++) (*out)[i] = (float)values[i];
    free(values);
    return *out && *source ? PNB_OK : pnb_no_memory(&p->ctx->error, key);
}

static pnb_status read_values(pnb_problem *p, const char *key, const cJSON *v, pnb_shape want, const float *measured, float **out,
                              cJSON **source) {
    const char *name = cJSON_IsString(v) ? v->valuestring : NULL;
    if (name) {
        PNB_TRY(values_from_file(p, key, name, want, out, source));
    } else if (cJSON_IsArray(v)) {
        PNB_TRY(values_in_place(p, key, v, want, out, source));
    } else {
        return wrong_kind(p, key, "the name of a file or a list of numbers", v);
    }
    return check_values(p, key, name, *out, pnb_shape_count(want), measured);
}

static pnb_status read_measurement(pnb_problem *p, const cJSON *json) {
    const cJSON *y = get(json, "measurement"), *truth = get(json, "truth");
    if (truth) PNB_TRY(read_values(p, "truth", truth, p->image, NULL, &p->truth, &p->truth_source));
    if (y) {
        return read_values(p, "measurement", y, p->measurement, pnb_operator_measured(p->forward->op), &p->y, &p->y_source);
    }
    p->simulated = truth != NULL;
    return PNB_OK; /* without either the problem serves `simulate` and `forward`; a run says what is missing */
}

static pnb_status read_noise(pnb_problem *p, const cJSON *noise) {
    static const char *const keys[] = {"type", "sigma", "seed", NULL};
    if (!cJSON_IsObject(noise)) return wrong_kind(p, "noise", "{\"type\": \"gaussian\", \"sigma\": ...}", noise);
    PNB_TRY(check_keys(p, noise, "noise.", keys));
    const cJSON *type = get(noise, "type"), *sigma = get(noise, "sigma"), *seed = get(noise, "seed");
    if (!cJSON_IsString(type) || strcmp(type->valuestring, "gaussian") != 0) {
        return wrong_kind(p, "noise.type", "'gaussian'", type);
    }
    if (!cJSON_IsNumber(sigma)) return wrong_kind(p, "noise.sigma", "a number", sigma);
    if (!isfinite(sigma->valuedouble) || sigma->valuedouble < 0) {
        return pnb_problem_fail(p, PNB_ERROR_INPUT, "noise.sigma: expected a number from 0, found %g", sigma->valuedouble);
    }
    p->sigma = sigma->valuedouble;
    if (!seed) return PNB_OK;
    double value;
    PNB_TRY(get_whole(p, seed, "noise.seed", 0, PNB_SEED_MAX, &value));
    p->noise_seed = (uint64_t)value;
    p->noise_seed_given = true;
    return PNB_OK;
}

/* ---- method ------------------------------------------------------------------------------------------------------------------ */

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

static pnb_status read_option(pnb_problem *p, const cJSON *v) {
    const pnb_option_table *table = &p->method->table;
    const pnb_option *o = pnb_options_find(table, v->string);
    if (!o) {
        char list[512] = "";
        for (size_t i = 0; i < table->count; i++) {
            size_t used = strlen(list);
            snprintf(list + used, sizeof list - used, "%s%s", i ? ", " : "", table->options[i].name);
        }
        return pnb_problem_fail(p, PNB_ERROR_INPUT, "unknown key 'method.%.100s'; %s has %s", v->string, p->method->name, list);
    }
    char where[256];
    snprintf(where, sizeof where, "%smethod.%s", p->file, o->name);
    p->given[o - table->options] = true;
    bool number = o->kind == PNB_OPTION_INT || o->kind == PNB_OPTION_REAL;
    if (number && cJSON_IsNumber(v)) {
        return pnb_options_set_number(&p->ctx->error, where, o, p->options, v->valuedouble);
    }
    if (o->kind == PNB_OPTION_BOOL && cJSON_IsBool(v)) {
        return pnb_options_set_number(&p->ctx->error, where, o, p->options, cJSON_IsTrue(v));
    }
    if (o->kind == PNB_OPTION_CHOICE && cJSON_IsString(v)) {
        return pnb_options_set_text(&p->ctx->error, where, o, p->options, v->valuestring);
    }
    snprintf(where, sizeof where, "method.%s", o->name);
    return wrong_kind(p, where, number ? "a number" : o->kind == PNB_OPTION_BOOL ? "true or false" : "a word", v);
}

static pnb_status read_method(pnb_problem *p, const cJSON *method) {
    if (!method) return pnb_problem_set_method(p, "ppm");
    if (!cJSON_IsObject(method)) return wrong_kind(p, "method", "an object, {\"type\": \"ppm\", ...}", method);
    const cJSON *type = get(method, "type");
    if (type && !cJSON_IsString(type)) return wrong_kind(p, "method.type", "the name of a method", type);
    PNB_TRY(pnb_problem_set_method(p, type ? type->valuestring : "ppm"));
    for (const cJSON *v = method->child; v; v = v->next) {
        if (strcmp(v->string, "type") != 0) PNB_TRY(read_option(p, v));
    }
    return PNB_OK;
}

/* ---- the whole ---------------------------------------------------------------------------------------------------------------- */

pnb_status pnb_problem_fill(pnb_problem *p, const cJSON *json) {
    static const char *const keys[] = {"prior", "operator", "measurement", "truth", "noise", "method", "seed", "size", NULL};
    if (!cJSON_IsObject(json)) return wrong_kind(p, "problem", "an object", json);
    PNB_TRY(check_keys(p, json, "", keys));
    const cJSON *seed = get(json, "seed");
    double value = 0;
    if (seed) PNB_TRY(get_whole(p, seed, "seed", 0, PNB_SEED_MAX, &value));
    p->seed = (uint64_t)value;
    PNB_TRY(read_prior(p, get(json, "prior")));
    PNB_TRY(choose_image(p, get(json, "size")));
    PNB_TRY(read_operator(p, get(json, "operator")));
    PNB_TRY(read_noise(p, get(json, "noise")));
    PNB_TRY(read_measurement(p, json));
    return read_method(p, get(json, "method"));
}

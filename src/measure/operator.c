/* The registry of forward operators, and what all of them share: arguments from JSON, shapes, constants, life. */
#include "base/file.h"
#include "base/hash.h"
#include "base/str.h"
#include "graph/op.h"
#include "io/image.h"
#include "io/json.h"
#include "io/npy.h"
#include "measure/custom.h"
#include "measure/operator_type.h"
#include "measure/vlbi.h"

#include <cjson/cJSON.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Every operator, once. */
#define OPERATORS(X)                                                                                                   \
    X(identity)                                                                                                        \
    X(mask_box) X(mask) X(mask_random) X(average_pool) X(bicubic) X(gaussian_blur) X(motion_blur) X(psf)                   \
    X(fourier_mask) X(phase_retrieval) X(vlbi) X(matrix) X(custom) X(compose)
#define TYPE(name) &pnb_operator_##name,
#define DOC(name) &pnb_operator_##name.doc,
static const pnb_operator_type *const types[] = {OPERATORS(TYPE)};
static const pnb_operator_doc *const docs[] = {OPERATORS(DOC)};
enum { TYPE_COUNT = sizeof types / sizeof types[0] };

const pnb_operator_doc *const *pnb_operator_docs(size_t *count) {
    *count = TYPE_COUNT;
    return docs;
}

static pnb_status find_type(pnb_error *err, const char *name, const pnb_operator_type **out) {
    const char *words[TYPE_COUNT + 1] = {NULL};
    char known[512] = "";
    for (size_t i = 0; i < TYPE_COUNT; i++) {
        if (strcmp(types[i]->doc.type, name) == 0) {
            *out = types[i];
            return PNB_OK;
        }
        words[i] = types[i]->doc.type;
        size_t used = strlen(known);
        snprintf(known + used, sizeof known - used, "%s%s", i ? ", " : "", words[i]);
    }
    const char *near = pnb_did_you_mean(name, words);
    if (near) return pnb_fail(err, PNB_ERROR_INPUT, "there is no operator '%.64s'; did you mean '%s'?", name, near);
    return pnb_fail(err, PNB_ERROR_INPUT, "there is no operator '%.64s' (there are %s)", name, known);
}

/* ---- arguments -------------------------------------------------------------------------------------------------- */

enum { MAX_ARGUMENTS = 16 };

/* Refuses arguments that the operator does not have, and keys that are missing. */
static pnb_status check_names(const pnb_operator *op, const cJSON *args) {
    const pnb_operator_doc *doc = &op->type->doc;
    const char *known[MAX_ARGUMENTS + 2] = {NULL};
    size_t n = 0;
    known[n++] = "type";
    for (size_t i = 0; i < doc->n_keys; i++) known[n++] = doc->keys[i].name;
    for (size_t i = 0; i < doc->table.count; i++) known[n++] = doc->table.options[i].name;
    char name[96];
    snprintf(name, sizeof name, "operator %s", doc->type);
    pnb_json json = pnb_json_root(op->err, name, args);
    PNB_TRY(pnb_json_known_keys(&json, known));
    for (size_t i = 0; i < doc->n_keys; i++) {
        if (doc->keys[i].optional || cJSON_GetObjectItemCaseSensitive(args, doc->keys[i].name)) continue;
        return pnb_fail(op->err, PNB_ERROR_INPUT, "%s: '%s' is missing: %s", name, doc->keys[i].name, doc->keys[i].help);
    }
    return PNB_OK;
}

static pnb_status set_option(const pnb_operator *op, const pnb_option *option, const cJSON *value) {
    char where[128];
    snprintf(where, sizeof where, "operator %s: %s", op->type->doc.type, option->name);
    bool choice = option->kind == PNB_OPTION_CHOICE, flag = option->kind == PNB_OPTION_BOOL;
    if (choice && cJSON_IsString(value)) {
        return pnb_options_set_text(op->err, where, option, op->options, value->valuestring);
    }
    if (flag && cJSON_IsBool(value)) {
        return pnb_options_set_number(op->err, where, option, op->options, cJSON_IsTrue(value));
    }
    if (!choice && !flag && cJSON_IsNumber(value)) {
        return pnb_options_set_number(op->err, where, option, op->options, value->valuedouble);
    }
    return pnb_fail(op->err, PNB_ERROR_INPUT, "%s: expected %s", where,
                    choice ? "a word in quotes" : flag ? "true or false" : "a number");
}

static pnb_status read_args(pnb_operator *op, const cJSON *args) {
    const pnb_operator_doc *doc = &op->type->doc;
    op->options = calloc(1, doc->table.struct_bytes ? doc->table.struct_bytes : 1);
    op->keys = cJSON_CreateObject();
    if (!op->options || !op->keys) return pnb_fail(op->err, PNB_ERROR_OUT_OF_MEMORY, "operator: no host memory");
    pnb_options_defaults(&doc->table, op->options);
    PNB_TRY(check_names(op, args));
    for (const cJSON *a = args ? args->child : NULL; a; a = a->next) {
        const pnb_option *option = pnb_options_find(&doc->table, a->string);
        if (option) PNB_TRY(set_option(op, option, a));
    }
    return PNB_OK;
}

cJSON *pnb_operator_args(const pnb_operator *op) {
    cJSON *object = cJSON_Duplicate(op->keys, true);
    if (!object) return NULL;
    bool ok = cJSON_AddStringToObject(object, "type", op->type->doc.type);
    const pnb_option_table *table = &op->type->doc.table;
    for (size_t i = 0; i < table->count && ok; i++) {
        const pnb_option *o = &table->options[i];
        double value = pnb_options_get(o, op->options);
        if (o->kind == PNB_OPTION_CHOICE) {
            ok = cJSON_AddStringToObject(object, o->name, o->choices[(size_t)value]);
        } else if (o->kind == PNB_OPTION_BOOL) {
            ok = cJSON_AddBoolToObject(object, o->name, value != 0);
        } else {
            ok = cJSON_AddNumberToObject(object, o->name, value);
        }
    }
    if (ok) return object;
    cJSON_Delete(object);
    return NULL;
}

/* ---- life ------------------------------------------------------------------------------------------------------- */

/* functions: of a custom operator, or NULL. */
static pnb_status create_from(pnb_error *err, const char *type, const cJSON *args, pnb_shape image, const char *base_dir,
                              const pnb_custom_callback *functions, pnb_operator **out) {
    *out = NULL;
    const pnb_operator_type *found = NULL;
    PNB_TRY(find_type(err, type, &found));
    char text[48];
    if ((image.rank != 1 && image.rank != 3) || pnb_shape_count(image) == 0) {
        return pnb_fail(err, PNB_ERROR_INPUT, "operator %s: images must be [C,H,W] or [D], found %s", type,
                        pnb_shape_text(image, text));
    }
    pnb_operator *op = calloc(1, sizeof *op);
    if (!op) return pnb_fail(err, PNB_ERROR_OUT_OF_MEMORY, "operator %s: no host memory", type);
    op->type = found;
    op->err = err;
    op->image = op->measurement = image;
    op->norm = 1;
    op->weights = op->spreads = op->start = -1;
    op->linear = found->linear;
    op->has_pinv = found->pinv != NULL;
    pnb_status status;
    PNB_TRY_GOTO(read_args(op, args));
    PNB_TRY_GOTO(functions ? pnb_custom_from_functions(op, functions) : found->create(op, args, base_dir));
    if (!op->measured) op->measured_count = pnb_shape_count(op->measurement);
    *out = op;
    return PNB_OK;
fail:
    pnb_operator_destroy(&op, NULL);
    return status;
}

pnb_status pnb_operator_create(pnb_error *err, const char *type, const cJSON *args, pnb_shape image, const char *base_dir,
                               pnb_operator **out) {
    return create_from(err, type, args, image, base_dir, NULL, out);
}

pnb_status pnb_operator_create_callback(pnb_error *err, pnb_shape image, const pnb_custom_callback *functions, pnb_operator **out) {
    return create_from(err, "custom", NULL, image, NULL, functions, out);
}

bool pnb_operator_unproven(const pnb_operator *op) {
    bool any = op->unproven;
    for (uint32_t i = 0; i < op->n_parts && !any; i++) any = pnb_operator_unproven(op->parts[i]);
    return any;
}

void pnb_operator_destroy(pnb_operator **handle, pnb_gpu *gpu) {
    if (!handle || !*handle) return;
    pnb_operator *op = *handle;
    for (uint32_t i = 0; i < op->n_parts; i++) pnb_operator_destroy(&op->parts[i], gpu);
    free(op->parts);
    if (op->store) pnb_store_destroy(&op->store, gpu);
    for (uint32_t i = 0; i < op->n_constants; i++) free(op->constants[i].values);
    free(op->given);
    pnb_vlbi_destroy(&op->vlbi);
    pnb_custom_destroy(&op->custom);
    cJSON_Delete(op->keys);
    free(op->options);
    free(op);
    *handle = NULL;
}

pnb_status pnb_operator_add_constant(pnb_operator *op, const char *name, pnb_shape shape, float *values) {
    if (!values) return pnb_fail(op->err, PNB_ERROR_OUT_OF_MEMORY, "operator %s: no host memory", op->type->doc.type);
    uint32_t i = op->n_constants++;
    op->constants[i].values = values;
    if (!op->store) PNB_TRY(pnb_store_create(op->err, op->type->doc.type, &op->store));
    return pnb_store_add(op->store, name, shape, PNB_STORAGE_FROZEN, &op->constants[i].storage);
}

pnb_status pnb_operator_add_narrowed(pnb_operator *op, const char *name, pnb_shape shape, const double *values) {
    uint64_t count = pnb_shape_count(shape);
    float *narrow = malloc(count * sizeof *narrow); /* NULL: add_constant says so */
    for (uint64_t i = 0; narrow && i < count; i++) narrow[i] = (float)values[i];
    return pnb_operator_add_constant(op, name, shape, narrow);
}

pnb_status pnb_operator_commit(pnb_operator *op, pnb_gpu *gpu) {
    bool found_out = pnb_operator_unproven(op);
    for (uint32_t i = 0; i < op->n_parts; i++) PNB_TRY(pnb_operator_commit(op->parts[i], gpu));
    if (op->n_parts && found_out) { /* a composition, whose parts know their norms by now */
        op->norm = 1;
        for (uint32_t i = 0; i < op->n_parts; i++) op->norm *= op->parts[i]->norm;
    }
    if (op->store) PNB_TRY(pnb_store_commit(op->store, gpu));
    for (uint32_t i = 0; i < op->n_constants; i++) {
        pnb_storage *s = op->constants[i].storage;
        PNB_TRY(pnb_storage_write(s, gpu, op->constants[i].values, pnb_shape_count(pnb_storage_shape(s))));
    }
    return op->type->commit ? op->type->commit(op, gpu) : PNB_OK;
}

uint64_t pnb_operator_hash(const pnb_operator *op) {
    uint64_t hash = pnb_hash(PNB_HASH_START, op->type->doc.type, strlen(op->type->doc.type));
    for (uint32_t i = 0; i < op->n_constants; i++)
        hash = pnb_hash_floats(hash, op->constants[i].values, pnb_shape_count(pnb_storage_shape(op->constants[i].storage)));
    if (op->custom) hash = pnb_custom_hash(op->custom, hash);
    for (uint32_t i = 0; i < op->n_parts; i++) {
        uint64_t part = pnb_operator_hash(op->parts[i]);
        hash = pnb_hash(hash, &part, sizeof part);
    }
    return hash;
}

uint64_t pnb_operator_bytes(const pnb_operator *op) {
    uint64_t bytes = op->store ? pnb_store_bytes(op->store) : 0;
    for (uint32_t i = 0; i < op->n_parts; i++) bytes += pnb_operator_bytes(op->parts[i]);
    return bytes;
}

pnb_status pnb_operator_bind(pnb_operator *op, pnb_graph *g, uint32_t i, pnb_tensor *out) {
    return pnb_graph_bind(g, op->constants[i].storage, out);
}

pnb_status pnb_operator_need_image(const pnb_operator *op) {
    char text[48];
    if (op->image.rank == 3) return PNB_OK;
    return pnb_fail(op->err, PNB_ERROR_INPUT, "operator %s: it needs images [C,H,W], the prior makes vectors %s",
                    op->type->doc.type, pnb_shape_text(op->image, text));
}

pnb_status pnb_operator_path(pnb_operator *op, const cJSON *args, const char *key, const char *base_dir, char **path) {
    const cJSON *value = cJSON_GetObjectItemCaseSensitive(args, key);
    *path = NULL;
    if (!value) return PNB_OK;
    const char *type = op->type->doc.type;
    if (!cJSON_IsString(value)) return pnb_fail(op->err, PNB_ERROR_INPUT, "operator %s: '%s' must be a path in quotes", type, key);
    *path = pnb_path_join(base_dir ? base_dir : "", value->valuestring);
    if (*path && cJSON_AddStringToObject(op->keys, key, *path)) return PNB_OK;
    free(*path);
    *path = NULL;
    return pnb_fail(op->err, PNB_ERROR_OUT_OF_MEMORY, "operator %s: no host memory", type);
}

pnb_status pnb_operator_read(pnb_operator *op, const char *path, pnb_array *out) {
    return pnb_ends_with(path, ".npy") ? pnb_npy_read(op->err, path, out) : pnb_image_read(op->err, path, 1, out);
}

/* ---- what is known ---------------------------------------------------------------------------------------------- */

const char *pnb_operator_name(const pnb_operator *op) {
    return op->type->doc.type;
}
pnb_shape pnb_operator_image_shape(const pnb_operator *op) {
    return op->image;
}
pnb_shape pnb_operator_measurement_shape(const pnb_operator *op) {
    return op->measurement;
}
bool pnb_operator_linear(const pnb_operator *op) {
    return op->linear;
}
bool pnb_operator_has_pinv(const pnb_operator *op) {
    return op->has_pinv;
}
uint64_t pnb_operator_measured_count(const pnb_operator *op) {
    return op->measured_count;
}
const float *pnb_operator_measured(const pnb_operator *op) {
    return op->measured;
}
double pnb_operator_norm(const pnb_operator *op) {
    return op->norm;
}

const pnb_operator *pnb_operator_last(const pnb_operator *op) {
    while (op->n_parts) op = op->parts[op->n_parts - 1];
    return op;
}
const float *pnb_operator_weights(const pnb_operator *op) {
    const pnb_operator *last = pnb_operator_last(op);
    return last->weights < 0 ? NULL : last->constants[last->weights].values;
}
const float *pnb_operator_spreads(const pnb_operator *op) {
    const pnb_operator *last = pnb_operator_last(op);
    return last->spreads < 0 ? NULL : last->constants[last->spreads].values;
}
pnb_status pnb_operator_bind_spreads(const pnb_operator *op, pnb_graph *g, pnb_tensor *out) {
    const pnb_operator *last = pnb_operator_last(op);
    return pnb_graph_bind(g, last->constants[last->spreads].storage, out);
}
const float *pnb_operator_given(const pnb_operator *op) {
    return pnb_operator_last(op)->given;
}
const pnb_operator_term *pnb_operator_terms(const pnb_operator *op, size_t *count) {
    const pnb_operator *last = pnb_operator_last(op);
    *count = last->n_terms;
    return last->terms;
}

/* ---- nodes ------------------------------------------------------------------------------------------------------ */

/* t must be [N, one...]. */
static pnb_status check(const pnb_operator *op, pnb_graph *g, const char *what, pnb_tensor t, pnb_shape one) {
    PNB_TRY(pnb_graph_check(g, op->type->doc.type, what, t));
    pnb_shape s = pnb_graph_shape(g, t);
    bool same = s.rank == one.rank + 1;
    for (uint32_t i = 0; same && i < one.rank; i++) same = s.d[i + 1] == one.d[i];
    if (same) return PNB_OK;
    char found[48], expected[48];
    return pnb_fail(pnb_graph_error(g), PNB_ERROR_INPUT, "operator %s: %s must be a batch of %s, found %s",
                    op->type->doc.type, what, pnb_shape_text(one, expected), pnb_shape_text(s, found));
}

pnb_status pnb_operator_apply(pnb_operator *op, pnb_graph *g, pnb_tensor x, pnb_tensor *y) {
    PNB_TRY(check(op, g, "image", x, op->image));
    return op->type->apply(op, g, x, y);
}

pnb_status pnb_operator_adjoint(pnb_operator *op, pnb_graph *g, pnb_tensor y, pnb_tensor *x) {
    PNB_TRY(check(op, g, "measurement", y, op->measurement));
    if (!op->linear || !op->type->adjoint) {
        return pnb_fail(pnb_graph_error(g), PNB_ERROR_USAGE, "operator %s has no adjoint: it is not linear", op->type->doc.type);
    }
    return op->type->adjoint(op, g, y, x);
}

pnb_status pnb_operator_pinv(pnb_operator *op, pnb_graph *g, pnb_tensor y, pnb_tensor *x) {
    PNB_TRY(check(op, g, "measurement", y, op->measurement));
    if (!op->has_pinv) {
        return pnb_fail(pnb_graph_error(g), PNB_ERROR_USAGE, "operator %s has no pseudo-inverse here; use the adjoint",
                        op->type->doc.type);
    }
    return op->type->pinv(op, g, y, x);
}

pnb_status pnb_operator_initial(pnb_operator *op, pnb_graph *g, pnb_tensor y, pnb_tensor *x) {
    PNB_TRY(check(op, g, "measurement", y, op->measurement));
    if (op->type->initial) return op->type->initial(op, g, y, x);
    if (op->has_pinv) return pnb_operator_pinv(op, g, y, x);
    for (uint32_t i = op->n_parts; i-- > 0;) {
        PNB_TRY(pnb_operator_initial(op->parts[i], g, y, x));
        y = *x;
    }
    if (op->n_parts) return PNB_OK;
    if (op->image.rank > 1 && pnb_shape_equal(op->image, op->measurement)) { /* a blurred picture is a picture */
        *x = y;
        return PNB_OK;
    }
    return pnb_operator_adjoint(op, g, y, x);
}

/* compose: operators one after the other, y = A_n(... A_2(A_1(x))). Linear where all are; masks count where the last is one.
 *
 * The pseudo-inverse of a product is no product of pseudo-inverses, so there is none; particles start from the parts' starts. */
#include "io/json.h"
#include "measure/operator_type.h"

#include <cjson/cJSON.h>

#include <stdlib.h>

enum { MAX_PARTS = 16 };

static const pnb_operator_key keys[] = {
    {"operators", "list of operators [{\"type\": ...}, ...] in the order in which they act", false},
};

/* Appends one part, whose images are what the parts before it make. */
static pnb_status add_part(pnb_operator *op, const cJSON *json, const char *base_dir) {
    const cJSON *type = cJSON_GetObjectItemCaseSensitive(json, "type");
    uint32_t number = op->n_parts + 1;
    if (!cJSON_IsObject(json) || !cJSON_IsString(type)) {
        return pnb_fail(op->err, PNB_ERROR_INPUT, "operator compose: entry %u of 'operators' must be an object with a \"type\"", number);
    }
    pnb_status status =
        pnb_operator_create(op->err, type->valuestring, json, op->measurement, base_dir, &op->parts[op->n_parts]);
    if (status != PNB_OK) return pnb_error_prefix(op->err, "operator compose, entry %u: ", number);
    const pnb_operator *part = op->parts[op->n_parts++];
    op->measurement = part->measurement;
    op->norm *= part->norm;
    op->linear = op->linear && part->linear;
    op->measured = part->measured;
    op->measured_count = part->measured ? part->measured_count : 0;
    return PNB_OK;
}

/* What the parts resolved to, for run.json. */
static pnb_status note_parts(pnb_operator *op) {
    cJSON *list = cJSON_AddArrayToObject(op->keys, "operators");
    for (uint32_t i = 0; list && i < op->n_parts; i++) {
        cJSON *args = pnb_operator_args(op->parts[i]);
        if (args && cJSON_AddItemToArray(list, args)) continue;
        cJSON_Delete(args);
        list = NULL;
    }
    return list ? PNB_OK : pnb_fail(op->err, PNB_ERROR_OUT_OF_MEMORY, "operator compose: no host memory");
}

static pnb_status create(pnb_operator *op, const cJSON *args, const char *base_dir) {
    const cJSON *list = cJSON_GetObjectItemCaseSensitive(args, "operators"), *item;
    int count = cJSON_IsArray(list) ? cJSON_GetArraySize(list) : 0;
    if (count < 1 || count > MAX_PARTS) {
        return pnb_fail(op->err, PNB_ERROR_INPUT, "operator compose: 'operators' must be a list of 1 to %d operators", (int)MAX_PARTS);
    }
    op->parts = calloc((size_t)count, sizeof(pnb_operator *));
    if (!op->parts) return pnb_fail(op->err, PNB_ERROR_OUT_OF_MEMORY, "operator compose: no host memory");
    cJSON_ArrayForEach(item, list) PNB_TRY(add_part(op, item, base_dir));
    return note_parts(op);
}

static pnb_status apply(pnb_operator *op, pnb_graph *g, pnb_tensor x, pnb_tensor *y) {
    for (uint32_t i = 0; i < op->n_parts; i++, x = *y) PNB_TRY(pnb_operator_apply(op->parts[i], g, x, y));
    return PNB_OK;
}

static pnb_status adjoint(pnb_operator *op, pnb_graph *g, pnb_tensor y, pnb_tensor *x) {
    for (uint32_t i = op->n_parts; i-- > 0; y = *x) PNB_TRY(pnb_operator_adjoint(op->parts[i], g, y, x));
    return PNB_OK;
}

const pnb_operator_type pnb_operator_compose = {
    .doc = {.type = "compose", .summary = "operators one after the other", .keys = keys, .n_keys = 1},
    .linear = true,
    .create = create,
    .apply = apply,
    .adjoint = adjoint,
};

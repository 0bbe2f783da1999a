/* Small helpers of this floor: texts, paths, JSON, versioned structs, shapes. */
#include "api/handles.h"
#include "gpu/choices.h"
#include "io/json.h"

#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

pnb_status pnb_no_memory(pnb_error *err, const char *what) {
    return pnb_fail(err, PNB_ERROR_OUT_OF_MEMORY, "%s: the host has no memory left", what);
}

double pnb_seconds_now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* ---- versioned structs: struct_size is the first member -----------------------------------------------------------
 */

static size_t struct_bytes(const void *s) {
    size_t bytes;
    memcpy(&bytes, s, sizeof bytes);
    return bytes;
}

void pnb_struct_take(void *to, size_t to_bytes, const void *from) {
    if (!from) return;
    size_t bytes = struct_bytes(from);
    memcpy(to, from, bytes < to_bytes ? bytes : to_bytes);
    memcpy(to, &to_bytes, sizeof to_bytes);
}

void pnb_struct_give(void *to, const void *from, size_t from_bytes) {
    size_t bytes = struct_bytes(to);
    if (bytes < sizeof bytes) return;
    memcpy(to, from, bytes < from_bytes ? bytes : from_bytes);
    memcpy(to, &bytes, sizeof bytes);
}

/* ---- shapes ---------------------------------------------------------------------------------------------------------
 */

pnb_extent pnb_extent_of(pnb_shape shape) {
    pnb_extent e = {shape.rank, {0}};
    for (uint32_t i = 0; i < shape.rank; i++) e.size[i] = shape.d[i];
    return e;
}

bool pnb_shape_of(const pnb_extent *e, pnb_shape *out) {
    if (e->rank < 1 || e->rank > 4) return false;
    *out = (pnb_shape){e->rank, {1, 1, 1, 1}};
    uint64_t count = 1;
    for (uint32_t i = 0; i < e->rank; i++) {
        if (e->size[i] == 0) return false;
        out->d[i] = e->size[i];
        count *= e->size[i];
        if (count > UINT32_MAX) return false;
    }
    return true;
}

pnb_shape pnb_shape_batched(uint32_t n, pnb_shape shape) {
    pnb_shape s = {shape.rank + 1, {n, 1, 1, 1}};
    for (uint32_t i = 0; i < shape.rank && i < 3; i++) s.d[i + 1] = shape.d[i];
    return s;
}

uint64_t pnb_extent_count(const pnb_extent *e) {
    if (!e || e->rank > PNB_MAX_RANK) return 0;
    uint64_t n = 1;
    for (uint32_t i = 0; i < e->rank; i++) n *= e->size[i];
    return n;
}

/* ---- text and paths -------------------------------------------------------------------------------------------------
 */

char *pnb_path_absolute(const char *base_dir, const char *path) {
    char *joined = pnb_path_join(base_dir, path);
    char here[4096];
    if (!joined || joined[0] == '/' || !getcwd(here, sizeof here)) return joined;
    char *absolute = pnb_path_join(here, strncmp(joined, "./", 2) == 0 ? joined + 2 : joined);
    free(joined);
    return absolute;
}

void pnb_text_add(pnb_text *text, const char *format, ...) {
    va_list args;
    for (;;) {
        if (text->failed) return;
        va_start(args, format);
        size_t room = text->room - text->used;
        int n = vsnprintf(text->at ? text->at + text->used : NULL, room, format, args);
        va_end(args);
        if (n < 0) {
            text->failed = true;
            return;
        }
        if ((size_t)n < room) {
            text->used += (size_t)n;
            return;
        }
        size_t larger = 2 * (text->room + (size_t)n + 1);
        char *at = realloc(text->at, larger);
        if (!at) {
            text->failed = true;
            return;
        }
        text->at = at;
        text->room = larger;
    }
}

pnb_status pnb_text_take(pnb_error *err, pnb_text *text, char **out) {
    if (!text->failed) {
        *out = text->at ? text->at : pnb_copy_string("");
        if (*out) return PNB_OK;
    }
    free(text->at);
    *out = NULL;
    return pnb_no_memory(err, "text");
}

/* ---- JSON -----------------------------------------------------------------------------------------------------------
 */

pnb_status pnb_json_take(pnb_error *err, cJSON *json, char **out) {
    *out = NULL;
    if (!json) return pnb_no_memory(err, "json");
    *out = pnb_json_print(json);
    cJSON_Delete(json);
    return *out ? PNB_OK : pnb_no_memory(err, "json");
}

void pnb_json_number(cJSON *object, const char *key, double value) {
    if (isfinite(value)) {
        cJSON_AddNumberToObject(object, key, value);
    } else {
        cJSON_AddNullToObject(object, key);
    }
}

static cJSON *floats_below(const float **values, pnb_shape shape, uint32_t level) {
    cJSON *list = cJSON_CreateArray();
    for (uint32_t i = 0; list && i < shape.d[level]; i++) {
        cJSON *item;
        if (level < 3 && level + 1 < shape.rank) {
            item = floats_below(values, shape, level + 1);
        } else {
            item = cJSON_CreateNumber(pnb_float_as_decimal(*(*values)++));
        }
        if (!item || !cJSON_AddItemToArray(list, item)) {
            cJSON_Delete(item);
            cJSON_Delete(list);
            return NULL;
        }
    }
    return list;
}

bool pnb_json_tuning(cJSON *object, pnb_gpu *gpu) {
    char text[20] = "none";
    uint64_t hash = pnb_choices_hash(pnb_gpu_choices(gpu));
    if (hash) snprintf(text, sizeof text, "%016" PRIx64, hash);
    return cJSON_AddStringToObject(object, "tuning", text) != NULL;
}

cJSON *pnb_json_floats(const float *values, pnb_shape shape) {
    return floats_below(&values, shape, 0);
}

pnb_status pnb_json_load_problem(pnb_error *err, const char *path, cJSON **out) {
    cJSON *json;
    *out = NULL;
    PNB_TRY(pnb_json_load(err, path, &json));
    cJSON *inner = cJSON_GetObjectItemCaseSensitive(json, "problem");
    if (cJSON_IsObject(inner) && cJSON_GetObjectItemCaseSensitive(json, "version")) {
        cJSON_DetachItemViaPointer(json, inner);
        cJSON_Delete(json);
        json = inner;
    }
    *out = json;
    return PNB_OK;
}

void pnb_json_device(cJSON *json, pnb_gpu *gpu) {
    const pnb_gpu_caps *caps = pnb_gpu_get_caps(gpu);
    cJSON *d = cJSON_AddObjectToObject(json, "device");
    char api[48];
    snprintf(api, sizeof api, "%u.%u.%u", caps->api_version >> 22, caps->api_version >> 12 & 0x3ff,
             caps->api_version & 0xfff);
    cJSON_AddStringToObject(d, "name", caps->name);
    cJSON_AddNumberToObject(d, "vendor_id", caps->vendor_id);
    cJSON_AddStringToObject(d, "driver", caps->driver);
    cJSON_AddStringToObject(d, "api", api);
}

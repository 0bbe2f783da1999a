/* Measurements and truths of a problem: one or many, from files or in place. */
#include "api/files.h"
#include "api/problem_parse.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

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
    PNB_TRY(pnb_json_numbers(doc, key, PNB_PROBLEM_NUMBERS, &rank, shape, &values));
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

pnb_status pnb_problem_read_values(pnb_problem *p, const char *key, const pnb_json *doc, pnb_shape want,
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

/* JSON of problems and runs: places, types, ranges and near misses on top of cJSON. Printing is in json_print.c. */
#include "io/json.h"

#include "base/file.h"

#include <cjson/cJSON.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* --- loading --- */

/* Text for a sentence: printable ASCII, control characters and the rest as '?', cut at `room`. */
static const char *clean(const char *text, size_t n, char *buf, size_t room) {
    size_t k = 0;
    while (k < n && text[k] && k + 1 < room) {
        unsigned char c = (unsigned char)text[k];
        buf[k++] = (char)(c < 32 || c >= 127 ? '?' : c);
    }
    buf[k] = 0;
    return buf;
}

static pnb_status syntax_error(pnb_error *err, const char *name, const char *text, size_t bytes, size_t at,
                               const char *what) {
    size_t line = 1, column = 1, stop = at;
    for (size_t i = 0; i < at; i++) {
        column++;
        if (text[i] == '\n') {
            line++;
            column = 1;
        }
    }
    while (stop < bytes && stop < at + 24 && text[stop] != '\n' && text[stop] != '\r') stop++;
    char near[32];
    clean(text + at, stop - at, near, sizeof near);
    return pnb_fail(err, PNB_ERROR_INPUT, "%s: line %zu, column %zu: %s%s%s%s", name, line, column, what,
                    *near ? " at '" : "", near, *near ? "'" : "");
}

pnb_status pnb_json_parse(pnb_error *err, const char *name, const char *text, size_t bytes, cJSON **root) {
    *root = NULL;
    const char *end = text;
    cJSON *parsed = cJSON_ParseWithLengthOpts(text, bytes, &end, 0);
    size_t at = end ? (size_t)(end - text) : 0;
    if (at > bytes) at = bytes;
    if (!parsed) return syntax_error(err, name, text, bytes, at, bytes ? "not valid JSON" : "the document is empty");
    while (at < bytes && (text[at] == ' ' || text[at] == '\n' || text[at] == '\r' || text[at] == '\t')) at++;
    if (at != bytes) {
        cJSON_Delete(parsed);
        return syntax_error(err, name, text, bytes, at, "expected the end of the document");
    }
    *root = parsed;
    return PNB_OK;
}

pnb_status pnb_json_load(pnb_error *err, const char *path, cJSON **root) {
    *root = NULL;
    void *bytes;
    size_t size;
    PNB_TRY(pnb_file_read(err, path, PNB_JSON_MAX_BYTES, &bytes, &size));
    pnb_status status = pnb_json_parse(err, path, bytes, size, root);
    free(bytes);
    return status;
}

/* --- places --- */

pnb_json pnb_json_root(pnb_error *err, const char *file, const cJSON *root) {
    return (pnb_json){.err = err, .file = file, .value = root};
}

static const cJSON *present(const cJSON *value) {
    return cJSON_IsNull(value) ? NULL : value;
}

pnb_json pnb_json_get(const pnb_json *object, const char *key) {
    pnb_json child = {.err = object->err, .file = object->file};
    child.value = present(cJSON_GetObjectItemCaseSensitive(object->value, key));
    snprintf(child.place, sizeof child.place, "%.100s%s%.50s", object->place, *object->place ? "." : "", key);
    return child;
}

pnb_json pnb_json_item(const pnb_json *array, size_t i) {
    pnb_json child = {.err = array->err, .file = array->file};
    if (cJSON_IsArray(array->value) && i <= INT32_MAX) child.value = present(cJSON_GetArrayItem(array->value, (int)i));
    snprintf(child.place, sizeof child.place, "%.120s[%zu]", array->place, i);
    return child;
}

/* "file: " or "file: place: " */
static const char *where(const pnb_json *json, char *buf, size_t room) {
    snprintf(buf, room, "%.400s: %s%s", json->file, json->place, *json->place ? ": " : "");
    return buf;
}

enum { WHERE_SIZE = 400 + PNB_JSON_PLACE_SIZE + 8 };

static const char *describe(const cJSON *value, char *buf, size_t room) {
    char text[64];
    if (!value || cJSON_IsNull(value))
        snprintf(buf, room, "nothing");
    else if (cJSON_IsString(value))
        snprintf(buf, room, "\"%s\"", clean(value->valuestring, SIZE_MAX, text, 48));
    else if (cJSON_IsNumber(value))
        snprintf(buf, room, "%s",
                 isfinite(value->valuedouble) ? pnb_number_to_text(value->valuedouble, text)
                                              : "a number that is too large");
    else if (cJSON_IsBool(value))
        snprintf(buf, room, "%s", cJSON_IsTrue(value) ? "true" : "false");
    else if (cJSON_IsArray(value))
        snprintf(buf, room, "an array of %d", cJSON_GetArraySize(value));
    else
        snprintf(buf, room, "an object");
    return buf;
}

pnb_status pnb_json_expected(const pnb_json *json, const char *expected) {
    char place[WHERE_SIZE], found[96];
    return pnb_fail(json->err, PNB_ERROR_INPUT, "%sexpected %s, found %s", where(json, place, sizeof place), expected,
                    describe(json->value, found, sizeof found));
}

/* --- getters --- */

static pnb_status check_object(const pnb_json *json) {
    return !json->value || cJSON_IsObject(json->value) ? PNB_OK : pnb_json_expected(json, "an object {...}");
}

pnb_status pnb_json_require(const pnb_json *object, const char *key) {
    PNB_TRY(check_object(object));
    pnb_json j = pnb_json_get(object, key);
    char place[WHERE_SIZE];
    return j.value ? PNB_OK : pnb_fail(j.err, PNB_ERROR_INPUT, "%smissing", where(&j, place, sizeof place));
}

pnb_status pnb_json_real(const pnb_json *object, const char *key, double def, double min, double max, double *out) {
    PNB_TRY(check_object(object));
    pnb_json j = pnb_json_get(object, key);
    *out = j.value ? j.value->valuedouble : def;
    if (!j.value || (cJSON_IsNumber(j.value) && isfinite(*out) && *out >= min && *out <= max)) return PNB_OK;
    char expected[128], low[PNB_NUMBER_TEXT_SIZE], high[PNB_NUMBER_TEXT_SIZE];
    pnb_number_to_text(min, low);
    pnb_number_to_text(max, high);
    if (isfinite(min) && isfinite(max))
        snprintf(expected, sizeof expected, "a number from %s to %s", low, high);
    else if (isfinite(min))
        snprintf(expected, sizeof expected, "a number of at least %s", low);
    else if (isfinite(max))
        snprintf(expected, sizeof expected, "a number of at most %s", high);
    else
        snprintf(expected, sizeof expected, "a number");
    return pnb_json_expected(&j, expected);
}

pnb_status pnb_json_int(const pnb_json *object, const char *key, int64_t def, int64_t min, int64_t max, int64_t *out) {
    PNB_TRY(check_object(object));
    pnb_json j = pnb_json_get(object, key);
    *out = def;
    if (!j.value) return PNB_OK;
    double d = j.value->valuedouble;
    if (cJSON_IsNumber(j.value) && d == floor(d) && fabs(d) <= 9007199254740992.0 && (int64_t)d >= min &&
        (int64_t)d <= max) {
        *out = (int64_t)d;
        return PNB_OK;
    }
    char expected[128];
    snprintf(expected, sizeof expected, "a whole number from %lld to %lld", (long long)min, (long long)max);
    return pnb_json_expected(&j, expected);
}

pnb_status pnb_json_bool(const pnb_json *object, const char *key, bool def, bool *out) {
    PNB_TRY(check_object(object));
    pnb_json j = pnb_json_get(object, key);
    *out = j.value ? cJSON_IsTrue(j.value) != 0 : def;
    return !j.value || cJSON_IsBool(j.value) ? PNB_OK : pnb_json_expected(&j, "true or false");
}

pnb_status pnb_json_string(const pnb_json *object, const char *key, const char *def, const char **out) {
    PNB_TRY(check_object(object));
    pnb_json j = pnb_json_get(object, key);
    *out = cJSON_IsString(j.value) ? j.value->valuestring : def;
    return !j.value || cJSON_IsString(j.value) ? PNB_OK : pnb_json_expected(&j, "a string");
}

pnb_status pnb_json_choice(const pnb_json *object, const char *key, int def, const char *const *words, int *out) {
    PNB_TRY(check_object(object));
    pnb_json j = pnb_json_get(object, key);
    *out = def;
    if (!j.value) return PNB_OK;
    const char *word = cJSON_IsString(j.value) ? j.value->valuestring : "";
    char expected[512] = "one of";
    for (int i = 0; words[i]; i++) {
        if (strcmp(words[i], word) == 0) {
            *out = i;
            return PNB_OK;
        }
        size_t used = strlen(expected);
        snprintf(expected + used, sizeof expected - used, "%s \"%s\"", i ? "," : "", words[i]);
    }
    pnb_status status = pnb_json_expected(&j, expected);
    const char *near = pnb_did_you_mean(word, words);
    if (near && j.err) {
        size_t used = strlen(j.err->message);
        snprintf(j.err->message + used, sizeof j.err->message - used, "; did you mean \"%s\"?", near);
    }
    return status;
}

pnb_status pnb_json_object(const pnb_json *object, const char *key, pnb_json *out) {
    PNB_TRY(check_object(object));
    *out = pnb_json_get(object, key);
    return check_object(out);
}

/* --- arrays of numbers --- */

/* Walks the first elements down to find rank and shape. */
static pnb_status find_shape(const pnb_json *j, uint64_t limit, uint32_t *rank, uint64_t *shape, uint64_t *count) {
    char expected[96];
    const cJSON *v = j->value;
    for (*rank = 0; cJSON_IsArray(v); v = v->child) {
        if (*rank == PNB_ARRAY_MAX_RANK) return pnb_json_expected(j, "numbers nested at most 8 deep");
        shape[(*rank)++] = (uint64_t)cJSON_GetArraySize(v);
        if (!v->child) break;
    }
    if (!pnb_shape_product(*rank, shape, count) || *count > limit) {
        snprintf(expected, sizeof expected, "at most %llu numbers", (unsigned long long)limit);
        return pnb_json_expected(j, expected);
    }
    return PNB_OK;
}

static bool fill(const cJSON *v, uint32_t rank, const uint64_t *shape, double **next) {
    if (rank == 0) {
        if (!cJSON_IsNumber(v) || !isfinite(v->valuedouble)) return false;
        *(*next)++ = v->valuedouble;
        return true;
    }
    if (!cJSON_IsArray(v) || (uint64_t)cJSON_GetArraySize(v) != shape[0]) return false;
    const cJSON *item;
    cJSON_ArrayForEach(item, v) {
        if (!fill(item, rank - 1, shape + 1, next)) return false;
    }
    return true;
}

pnb_status pnb_json_numbers(const pnb_json *object, const char *key, uint64_t limit, uint32_t *rank, uint64_t *shape,
                            double **out) {
    *out = NULL;
    *rank = 0;
    PNB_TRY(check_object(object));
    pnb_json j = pnb_json_get(object, key);
    if (!j.value) return PNB_OK;
    uint64_t count = 0;
    PNB_TRY(find_shape(&j, limit, rank, shape, &count));
    double *data = malloc((size_t)count * sizeof *data + 1), *next = data;
    if (!data)
        return pnb_fail(j.err, PNB_ERROR_OUT_OF_MEMORY, "%.400s: no memory for %llu numbers", j.file,
                        (unsigned long long)count);
    if (!fill(j.value, *rank, shape, &next)) {
        free(data);
        return pnb_json_expected(&j, "finite numbers in arrays of equal lengths");
    }
    *out = data;
    return PNB_OK;
}

/* --- keys --- */

static size_t least(size_t a, size_t b) {
    return a < b ? a : b;
}

/* Edits (insert, remove, replace, swap neighbours) from a to b; words of up to 47 letters. */
static size_t distance(const char *a, const char *b) {
    enum { MAX = 48 };
    size_t rows[3][MAX], n = strlen(b);
    if (n >= MAX || strlen(a) >= MAX) return MAX;
    for (size_t j = 0; j <= n; j++) rows[0][j] = j;
    for (size_t i = 1; a[i - 1]; i++) {
        size_t *now = rows[i % 3], *last = rows[(i + 2) % 3], *before = rows[(i + 1) % 3];
        now[0] = i;
        for (size_t j = 1; j <= n; j++) {
            bool same = a[i - 1] == b[j - 1];
            now[j] = least(least(last[j], now[j - 1]) + 1, last[j - 1] + !same);
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                now[j] = least(now[j], before[j - 2] + 1);
        }
    }
    return rows[strlen(a) % 3][n];
}

const char *pnb_did_you_mean(const char *word, const char *const *words) {
    const char *best = NULL;
    size_t best_distance = SIZE_MAX;
    for (; *words; words++) {
        size_t d = distance(word, *words);
        if (d < best_distance && d <= 1 + strlen(*words) / 4 && d < strlen(*words)) {
            best_distance = d;
            best = *words;
        }
    }
    return best;
}

/* What to write instead of a key: the known one that is nearest, else those that there are, as many as fit. */
static const char *advice(const char *key, const char *const *known, char *buf, size_t room) {
    const char *near = pnb_did_you_mean(key, known);
    if (near) {
        snprintf(buf, room, "; did you mean '%s'?", near);
        return buf;
    }
    size_t used = (size_t)snprintf(buf, room, "; expected ");
    for (size_t k = 0; known[k]; k++) {
        const char *before = k ? ", " : "";
        if (used + strlen(before) + strlen(known[k]) + sizeof ", ..." > room) {
            snprintf(buf + used, room - used, ", ...");
            break;
        }
        used += (size_t)snprintf(buf + used, room - used, "%s%s", before, known[k]);
    }
    return known[0] ? buf : "; none is expected";
}

pnb_status pnb_json_known_keys(const pnb_json *object, const char *const *known) {
    PNB_TRY(check_object(object));
    char file[WHERE_SIZE], key[64], in[PNB_JSON_PLACE_SIZE + 8] = "", instead[256];
    snprintf(file, sizeof file, "%.400s: ", object->file);
    if (*object->place) snprintf(in, sizeof in, " in %s", object->place);
    const cJSON *item = object->value ? object->value->child : NULL;
    for (; item; item = item->next) {
        size_t k = 0;
        while (known[k] && strcmp(known[k], item->string) != 0) k++;
        if (known[k]) continue;
        clean(item->string, SIZE_MAX, key, sizeof key);
        return pnb_fail(object->err, PNB_ERROR_INPUT, "%sunknown key '%s'%s%s", file, key, in,
                        advice(item->string, known, instead, sizeof instead));
    }
    for (size_t k = 0; known[k]; k++) {
        size_t seen = 0;
        for (item = object->value ? object->value->child : NULL; item; item = item->next)
            seen += strcmp(item->string, known[k]) == 0;
        if (seen > 1)
            return pnb_fail(object->err, PNB_ERROR_INPUT, "%skey '%s'%s appears %zu times", file, known[k], in, seen);
    }
    return PNB_OK;
}

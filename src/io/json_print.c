/* Printing JSON for people and for reading back: shortest numbers, two spaces a level, short arrays in one line. */
#include "io/json.h"

#include "base/file.h"

#include <cjson/cJSON.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* --- numbers --- */

/* The locale's decimal sign, whatever it is, becomes a point. */
static void point(char *text) {
    for (; *text; text++) {
        if (!strchr("0123456789+-e.", *text)) *text = '.';
    }
}

const char *pnb_number_to_text(double value, char *buf) {
    if (!isfinite(value)) {
        memcpy(buf, "null", 5);
        return buf;
    }
    for (int digits = 1; digits <= 17; digits++) {
        if (digits > 6 && digits < 15)
            digits = 15; /* few values need between 7 and 14 digits, and 15 are as short for them */
        snprintf(buf, PNB_NUMBER_TEXT_SIZE, "%.*g", digits, value);
        if (strtod(buf, NULL) == value) break;
    }
    if (fabs(value) < 1e15 && value == floor(value))
        snprintf(buf, PNB_NUMBER_TEXT_SIZE, "%.0f", value); /* 600, not 6e+02 */
    point(buf);
    return buf;
}

double pnb_float_as_decimal(float value) {
    char text[PNB_NUMBER_TEXT_SIZE];
    if (!isfinite(value)) return (double)value;
    for (int digits = 6; digits <= 9; digits++) {
        snprintf(text, sizeof text, "%.*g", digits, (double)value);
        if (strtof(text, NULL) == value) break;
    }
    return strtod(text, NULL);
}

/* --- documents --- */

typedef struct text {
    char *bytes;
    size_t size, room;
    bool failed;
} text;

static void put_bytes(text *t, const char *bytes, size_t n) {
    if (t->failed) return;
    if (t->room - t->size < n + 1) {
        size_t room = 2 * t->room + n + 256;
        char *more = realloc(t->bytes, room);
        if (!more) {
            t->failed = true;
            return;
        }
        t->bytes = more;
        t->room = room;
    }
    memcpy(t->bytes + t->size, bytes, n);
    t->size += n;
    t->bytes[t->size] = 0;
}

static void put(text *t, const char *string) {
    put_bytes(t, string, strlen(string));
}

static void put_line(text *t, int depth) {
    put(t, "\n");
    for (int i = 0; i < depth; i++) put(t, "  ");
}

static void put_string(text *t, const char *s) {
    put(t, "\"");
    for (; *s; s++) {
        char escape[8] = {'\\', *s, 0};
        if ((unsigned char)*s < 32) snprintf(escape, sizeof escape, "\\u%04x", (unsigned)(unsigned char)*s);
        if (*s == '\n') memcpy(escape, "\\n", 3);
        if (*s == '"' || *s == '\\' || (unsigned char)*s < 32)
            put(t, escape);
        else
            put_bytes(t, s, 1);
    }
    put(t, "\"");
}

static bool plain(const cJSON *v) {
    return !v->child;
}

/* Arrays whose entries (and theirs) are all plain go in one line: vectors and small matrices. */
static bool in_one_line(const cJSON *array) {
    const cJSON *item, *inner;
    cJSON_ArrayForEach(item, array) {
        if (plain(item)) continue;
        if (!cJSON_IsArray(item)) return false;
        cJSON_ArrayForEach(inner, item) {
            if (!plain(inner)) return false;
        }
    }
    return true;
}

static void put_value(text *t, const cJSON *v, int depth);

static void put_children(text *t, const cJSON *v, int depth, const char *open, const char *close) {
    bool line = cJSON_IsArray(v) && in_one_line(v);
    put(t, open);
    const cJSON *item;
    cJSON_ArrayForEach(item, v) {
        if (item != v->child) put(t, line ? ", " : ",");
        if (!line) put_line(t, depth + 1);
        if (cJSON_IsObject(v)) {
            put_string(t, item->string);
            put(t, ": ");
        }
        put_value(t, item, depth + 1);
    }
    if (v->child && !line) put_line(t, depth);
    put(t, close);
}

static void put_value(text *t, const cJSON *v, int depth) {
    char number[PNB_NUMBER_TEXT_SIZE];
    if (cJSON_IsObject(v))
        put_children(t, v, depth, "{", "}");
    else if (cJSON_IsArray(v))
        put_children(t, v, depth, "[", "]");
    else if (cJSON_IsString(v))
        put_string(t, v->valuestring);
    else if (cJSON_IsNumber(v))
        put(t, pnb_number_to_text(v->valuedouble, number));
    else if (cJSON_IsBool(v))
        put(t, cJSON_IsTrue(v) ? "true" : "false");
    else
        put(t, "null");
}

char *pnb_json_print(const cJSON *root) {
    text t = {0};
    put_value(&t, root, 0);
    if (t.failed) {
        free(t.bytes);
        return NULL;
    }
    return t.bytes;
}

pnb_status pnb_json_write(pnb_error *err, const char *path, const cJSON *root) {
    text t = {0};
    put_value(&t, root, 0);
    put(&t, "\n");
    pnb_status status = t.failed ? pnb_fail(err, PNB_ERROR_OUT_OF_MEMORY, "file '%s': no memory to print it", path)
                                 : pnb_file_write(err, path, t.bytes, t.size);
    free(t.bytes);
    return status;
}

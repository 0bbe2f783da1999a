/* Defaults, lookup and checked assignment for typed tables of arguments. */
#include "base/options.h"

#include <errno.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void store(const pnb_option *o, void *options, double value) {
    char *at = (char *)options + o->offset;
    switch (o->kind) {
    case PNB_OPTION_INT:
    case PNB_OPTION_CHOICE: *(int32_t *)(void *)at = (int32_t)value; break;
    case PNB_OPTION_REAL: *(double *)(void *)at = value; break;
    case PNB_OPTION_BOOL: *(bool *)(void *)at = value != 0; break;
    }
}

double pnb_options_get(const pnb_option *o, const void *options) {
    const char *at = (const char *)options + o->offset;
    switch (o->kind) {
    case PNB_OPTION_INT:
    case PNB_OPTION_CHOICE: return *(const int32_t *)(const void *)at;
    case PNB_OPTION_REAL: return *(const double *)(const void *)at;
    case PNB_OPTION_BOOL: return *(const bool *)(const void *)at;
    }
    return 0;
}

void pnb_options_defaults(const pnb_option_table *table, void *options) {
    memset(options, 0, table->struct_bytes);
    for (size_t i = 0; i < table->count; i++) store(&table->options[i], options, table->options[i].def);
}

const pnb_option *pnb_options_find(const pnb_option_table *table, const char *name) {
    for (size_t i = 0; i < table->count; i++) {
        if (strcmp(table->options[i].name, name) == 0) return &table->options[i];
    }
    return NULL;
}

pnb_status pnb_options_set_number(pnb_error *err, const char *where, const pnb_option *o, void *options, double value) {
    bool whole = o->kind != PNB_OPTION_REAL;
    if (!isfinite(value) || (whole && value != floor(value)) || value < o->min || value > o->max) {
        int digits = whole ? 15 : 6; /* 1000000, not 1e+06 */
        return pnb_fail(err, PNB_ERROR_INPUT, "%s: expected %s from %.*g to %.*g%s%s, found %.*g", where,
                        whole ? "a whole number" : "a number", digits, o->min, digits, o->max, o->unit[0] ? " " : "",
                        o->unit, digits, value);
    }
    store(o, options, value);
    return PNB_OK;
}

void pnb_options_prefer(const pnb_option_table *table, const bool *given, void *options, const pnb_option_value *list, size_t n) {
    for (size_t k = 0; k < n; k++) {
        const pnb_option *o = pnb_options_find(table, list[k].name);
        if (o && !given[o - table->options]) (void)pnb_options_set_number(NULL, o->name, o, options, list[k].value);
    }
}

static pnb_status set_choice(pnb_error *err, const char *where, const pnb_option *o, void *options, const char *text) {
    char list[256] = "";
    for (int i = 0; o->choices[i]; i++) {
        if (strcmp(o->choices[i], text) == 0) {
            store(o, options, i);
            return PNB_OK;
        }
        size_t used = strlen(list);
        snprintf(list + used, sizeof list - used, "%s%s", i ? ", " : "", o->choices[i]);
    }
    return pnb_fail(err, PNB_ERROR_INPUT, "%s: expected one of %s, found '%s'", where, list, text);
}

pnb_status pnb_options_set_text(pnb_error *err, const char *where, const pnb_option *o, void *options, const char *text) {
    if (o->kind == PNB_OPTION_CHOICE) return set_choice(err, where, o, options, text);
    if (o->kind == PNB_OPTION_BOOL) {
        bool yes = strcmp(text, "true") == 0 || strcmp(text, "1") == 0;
        if (!yes && strcmp(text, "false") != 0 && strcmp(text, "0") != 0) {
            return pnb_fail(err, PNB_ERROR_INPUT, "%s: expected true or false, found '%s'", where, text);
        }
        store(o, options, yes);
        return PNB_OK;
    }
    char *end;
    errno = 0;
    double value = strtod(text, &end);
    if (end == text || *end || errno) {
        return pnb_fail(err, PNB_ERROR_INPUT, "%s: expected a number, found '%s'", where, text);
    }
    return pnb_options_set_number(err, where, o, options, value);
}

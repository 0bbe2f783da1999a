/* Typed tables of arguments: one table a method or operator, from which defaults, JSON, --explain, --help and checks are made. */
#ifndef PNB_BASE_OPTIONS_H
#define PNB_BASE_OPTIONS_H

#include "base/status.h"

#include <stdbool.h>
#include <stddef.h>

typedef enum pnb_option_kind {
    PNB_OPTION_INT,   /* int32_t */
    PNB_OPTION_REAL,  /* double */
    PNB_OPTION_BOOL,  /* bool */
    PNB_OPTION_CHOICE /* int32_t: index into choices */
} pnb_option_kind;

typedef struct pnb_option {
    const char *name;           /* snake_case, as in JSON */
    pnb_option_kind kind;
    size_t offset;              /* of the member in the options struct */
    double def, min, max;       /* inclusive; def of a choice: its index */
    const char *const *choices; /* NULL-terminated; PNB_OPTION_CHOICE only */
    const char *unit;           /* "" where it has none */
    const char *help;           /* one sentence */
} pnb_option;

typedef struct pnb_option_table {
    const pnb_option *options;
    size_t count;
    size_t struct_bytes;
} pnb_option_table;

void pnb_options_defaults(const pnb_option_table *table, void *options);
const pnb_option *pnb_options_find(const pnb_option_table *table, const char *name);
/* Set one option from a number (INT, REAL, BOOL as 0/1, CHOICE as index) or from text (a choice's word, "true", "0.5").
 * where: "method.steps" or "--steps", for the sentence. Out of range or wrong type: PNB_ERROR_INPUT. */
pnb_status pnb_options_set_number(pnb_error *err, const char *where, const pnb_option *option, void *options, double value);
pnb_status pnb_options_set_text(pnb_error *err, const char *where, const pnb_option *option, void *options, const char *text);
/* Defaults that depend on the problem: sets those of list[n] that the user has not given. given[i] is that of
 * table->options[i]. Names and values are the program's own: others are ignored. */
typedef struct pnb_option_value {
    const char *name;
    double value;
} pnb_option_value;
void pnb_options_prefer(const pnb_option_table *table, const bool *given, void *options, const pnb_option_value *list, size_t n);
double pnb_options_get(const pnb_option *option, const void *options); /* as a number; CHOICE: index */

#endif

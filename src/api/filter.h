/* Names chosen by a regular expression. */
#ifndef PNB_API_FILTER_H
#define PNB_API_FILTER_H

#include "base/status.h"

#include <regex.h>
#include <stdbool.h>

/* A compiled POSIX extended pattern, or none: everything matches. Plain memory; finish it after a successful init. */
typedef struct pnb_filter {
    regex_t regex;
    bool active;
} pnb_filter;

/* what: "ops", for the sentence. pattern may be NULL. */
pnb_status pnb_filter_init(pnb_error *err, const char *what, const char *pattern, pnb_filter *f);
bool pnb_filter_takes(const pnb_filter *f, const char *name);
void pnb_filter_finish(pnb_filter *f);

#endif

/* Names chosen by a regular expression. */
#include "api/filter.h"

#include <stddef.h>

pnb_status pnb_filter_init(pnb_error *err, const char *what, const char *pattern, pnb_filter *f) {
    *f = (pnb_filter){.active = pattern != NULL};
    if (!pattern) return PNB_OK;
    int code = regcomp(&f->regex, pattern, REG_EXTENDED | REG_NOSUB);
    if (code == 0) return PNB_OK;
    char why[128];
    regerror(code, &f->regex, why, sizeof why);
    f->active = false;
    return pnb_fail(err, PNB_ERROR_USAGE, "%s: '%s' is no regular expression: %s", what, pattern, why);
}

bool pnb_filter_takes(const pnb_filter *f, const char *name) {
    return !f->active || regexec(&f->regex, name, 0, NULL, 0) == 0;
}

void pnb_filter_finish(pnb_filter *f) {
    if (f->active) regfree(&f->regex);
    f->active = false;
}

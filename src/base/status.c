/* The error idiom's few lines of code. */
#include "base/status.h"

#include <stdio.h>
#include <string.h>

pnb_status pnb_fail(pnb_error *err, pnb_status status, const char *format, ...) {
    if (err) {
        va_list args;
        va_start(args, format);
        err->status = status;
        vsnprintf(err->message, sizeof err->message, format, args);
        va_end(args);
    }
    return status;
}

pnb_status pnb_error_prefix(pnb_error *err, const char *format, ...) {
    if (!err) return PNB_ERROR_INTERNAL;
    char old[PNB_ERROR_MESSAGE_SIZE];
    memcpy(old, err->message, sizeof old);
    va_list args;
    va_start(args, format);
    int n = vsnprintf(err->message, sizeof err->message, format, args);
    va_end(args);
    if (n >= 0 && (size_t)n < sizeof err->message) {
        snprintf(err->message + n, sizeof err->message - (size_t)n, "%s", old);
    }
    return err->status;
}

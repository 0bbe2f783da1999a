/* The few things about strings that the standard library lacks. */
#include "base/str.h"

#include <locale.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

char *pnb_format(const char *format, ...) {
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    int n = vsnprintf(NULL, 0, format, args);
    va_end(args);
    char *text = n < 0 ? NULL : malloc((size_t)n + 1);
    if (text) vsnprintf(text, (size_t)n + 1, format, again);
    va_end(again);
    return text;
}

char *pnb_copy_string(const char *s) {
    if (!s) return NULL;
    size_t n = strlen(s) + 1;
    char *copy = malloc(n);
    if (copy) memcpy(copy, s, n);
    return copy;
}

static char lower(char c) { return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c; }

bool pnb_contains_nocase(const char *text, const char *part) {
    for (; ; text++) {
        size_t i = 0;
        while (part[i] && lower(text[i]) == lower(part[i])) i++;
        if (!part[i]) return true;
        if (!*text) return false;
    }
}

bool pnb_starts_with(const char *text, const char *prefix) { return strncmp(text, prefix, strlen(prefix)) == 0; }

bool pnb_ends_with(const char *text, const char *suffix) {
    size_t n = strlen(text), m = strlen(suffix);
    return n >= m && memcmp(text + n - m, suffix, m) == 0;
}

const char *pnb_bytes_text(uint64_t bytes, char *buf) {
    double b = (double)bytes;
    if (bytes < 1024) snprintf(buf, PNB_BYTES_TEXT_SIZE, "%u bytes", (unsigned)bytes);
    else if (b < 1048576.0) snprintf(buf, PNB_BYTES_TEXT_SIZE, "%.1f KiB", b / 1024.0);
    else if (b < 1073741824.0) snprintf(buf, PNB_BYTES_TEXT_SIZE, "%.1f MiB", b / 1048576.0);
    else snprintf(buf, PNB_BYTES_TEXT_SIZE, "%.2f GiB", b / 1073741824.0);
    return buf;
}

bool pnb_text_to_number(const char *text, double *out) {
    char copy[64], *end;
    size_t n = strlen(text);
    if (n == 0 || n >= sizeof copy) return false;
    memcpy(copy, text, n + 1);
    char *point = strchr(copy, '.');
    if (point) *point = localeconv()->decimal_point[0];
    *out = strtod(copy, &end);
    return *end == 0;
}

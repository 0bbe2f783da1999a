/* The few things about strings that the standard library lacks. */
#ifndef PNB_BASE_STR_H
#define PNB_BASE_STR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A new string made as by printf, for the caller to free(); NULL without memory. */
#if defined(__GNUC__)
__attribute__((format(printf, 1, 2)))
#endif
char *pnb_format(const char *format, ...);

/* A new copy of s, for the caller to free(); NULL for NULL or without memory. */
char *pnb_copy_string(const char *s);

/* Whether part occurs in text, ASCII letters of either case being equal. The empty part occurs in every text. */
bool pnb_contains_nocase(const char *text, const char *part);

bool pnb_starts_with(const char *text, const char *prefix);
bool pnb_ends_with(const char *text, const char *suffix);

/* The whole text as a number, with a point whatever the locale ("nan" and "inf" are numbers); false where it is none. */
bool pnb_text_to_number(const char *text, double *out);

enum { PNB_BYTES_TEXT_SIZE = 32 };
/* "512.0 MiB" into buf [PNB_BYTES_TEXT_SIZE], which is returned. */
const char *pnb_bytes_text(uint64_t bytes, char *buf);

#endif

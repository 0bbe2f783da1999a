/* Files of cfitsio in memory, and its errors as sentences. */
#include "io/cfitsio.h"

#include "base/file.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

pnb_status pnb_fits_absent(pnb_error *err, const char *what) {
    return pnb_fail(err, PNB_ERROR_INPUT,
                    "%s: this build of Penumbra has no FITS support; build it with cfitsio, or use CSV or NPY", what);
}

#ifdef PNB_CFITSIO

pnb_status pnb_fits_fail(pnb_error *err, const pnb_fits_file *f, const char *what) {
    char text[FLEN_STATUS];
    fits_get_errstatus(f->status, text);
    fits_clear_errmsg();
    pnb_status status = f->status == MEMORY_ALLOCATION ? PNB_ERROR_OUT_OF_MEMORY : PNB_ERROR_INPUT;
    return pnb_fail(err, status, "%s: %s (cfitsio %d)", what, text, f->status);
}

/* What cfitsio 4.2 believes of a table's header without asking: how many columns to allocate, and names and formats
 * that it copies to places which damaged cards overrun. */
static bool card_fits(const char *card) {
    enum { CARD = 80, VALUE = 10, LONGEST = 9, COLUMNS = 999 };
    bool format = memcmp(card, "TFORM", 5) == 0, name = memcmp(card, "TTYPE", 5) == 0;
    char value[CARD - VALUE + 1];
    memcpy(value, card + VALUE, CARD - VALUE);
    value[CARD - VALUE] = 0;
    if (memcmp(card, "TFIELDS ", 8) == 0) {
        long columns = strtol(value, NULL, 10);
        return columns >= 0 && columns <= COLUMNS;
    }
    if (!format && !name) return true;
    char *close = value[0] == '\'' ? strchr(value + 1, '\'') : NULL;
    if (!close) return false;
    while (close > value + 1 && close[-1] == ' ') close--;
    return name || close - value - 1 <= LONGEST;
}

/* Whether a card's value is a whole number of 0 or more. */
static bool whole(const char *card) {
    enum { CARD = 80, VALUE = 10 };
    char value[CARD - VALUE + 1], *end;
    memcpy(value, card + VALUE, CARD - VALUE);
    value[CARD - VALUE] = 0;
    long n = strtol(value, &end, 10);
    return end != value && n >= 0 && (*end == ' ' || *end == '/' || (*end == 0 && end == value + (CARD - VALUE)));
}

/* The cards that a table's header must begin with, in this order; where one is missing, cfitsio goes on without its
 * value. */
static bool table_fits(const char *card, size_t left) {
    static const char *const keys[] = {"XTENSION", "BITPIX  ", "NAXIS   ", "NAXIS1  ",
                                       "NAXIS2  ", "PCOUNT  ", "GCOUNT  ", "TFIELDS "};
    enum { CARD = 80, KEY = 8 };
    if (memcmp(card, "XTENSION", KEY) != 0) return true;
    if (memcmp(card + KEY, "= 'BINTABLE", 11) != 0 && memcmp(card + KEY, "= 'TABLE", 8) != 0) return true;
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        if ((i + 1) * CARD > left || memcmp(card + i * CARD, keys[i], KEY) != 0) return false;
        if (i > 0 && !whole(card + i * CARD)) return false;
    }
    return true;
}

static bool cards_fit(const char *bytes, size_t size) {
    enum { CARD = 80 };
    for (size_t at = 0; at + CARD <= size; at += CARD) {
        if (!card_fits(bytes + at) || !table_fits(bytes + at, size - at)) return false;
    }
    return true;
}

pnb_status pnb_fits_open(pnb_error *err, const void *bytes, size_t size, pnb_fits_file *out) {
    enum { BLOCK = 2880 };
    *out = (pnb_fits_file){0};
    if (size < BLOCK)
        return pnb_fail(err, PNB_ERROR_INPUT, "FITS: cut short, %zu bytes are less than one block of %d", size, BLOCK);
    if (!cards_fit(bytes, size))
        return pnb_fail(err, PNB_ERROR_INPUT,
                        "FITS: damaged: a table's header lacks a card that must be there, or has an impossible one");
    /* A copy, in whole blocks: cfitsio takes no const, and reads the last block whole. */
    out->size = (size + BLOCK - 1) / BLOCK * BLOCK;
    out->bytes = calloc(out->size, 1);
    if (!out->bytes) return pnb_fail(err, PNB_ERROR_OUT_OF_MEMORY, "FITS: no memory for %zu bytes", size);
    memcpy(out->bytes, bytes, size);
    if (fits_open_memfile(&out->fits, "memory", READONLY, &out->bytes, &out->size, 0, NULL, &out->status) == 0)
        return PNB_OK;
    out->fits = NULL;
    pnb_status status = pnb_fits_fail(err, out, "FITS header");
    pnb_fits_close(out);
    return status;
}

pnb_status pnb_fits_whole(pnb_error *err, pnb_fits_file *f, const char *what) {
    LONGLONG end = 0;
    fits_get_hduaddrll(f->fits, NULL, NULL, &end, &f->status);
    if (f->status) return pnb_fits_fail(err, f, what);
    if (end >= 0 && (uint64_t)end <= f->size) return PNB_OK;
    return pnb_fail(err, PNB_ERROR_INPUT, "%s: cut short: it should end at byte %lld of %zu", what, (long long)end,
                    f->size);
}

pnb_status pnb_fits_create(pnb_error *err, pnb_fits_file *out) {
    enum { START = 28800 };
    *out = (pnb_fits_file){.bytes = malloc(START), .size = START};
    if (!out->bytes) return pnb_fail(err, PNB_ERROR_OUT_OF_MEMORY, "FITS: no memory");
    if (fits_create_memfile(&out->fits, &out->bytes, &out->size, START, realloc, &out->status) == 0) return PNB_OK;
    out->fits = NULL;
    pnb_status status = pnb_fits_fail(err, out, "FITS");
    pnb_fits_close(out);
    return status;
}

pnb_status pnb_fits_finish(pnb_error *err, pnb_fits_file *f, const char *path) {
    LONGLONG end = 0;
    fits_flush_file(f->fits, &f->status);
    fits_get_hduaddrll(f->fits, NULL, NULL, &end, &f->status);
    pnb_status status = f->status ? pnb_fits_fail(err, f, path) : pnb_file_write(err, path, f->bytes, (size_t)end);
    pnb_fits_close(f);
    return status;
}

void pnb_fits_close(pnb_fits_file *f) {
    int status = 0;
    if (f->fits) fits_close_file(f->fits, &status);
    free(f->bytes);
    *f = (pnb_fits_file){0};
}

static const char *numbered(const char *key, int i, char out[FLEN_KEYWORD]) {
    if (i)
        snprintf(out, FLEN_KEYWORD, "%s%d", key, i);
    else
        snprintf(out, FLEN_KEYWORD, "%s", key);
    return out;
}

void pnb_fits_put_number(pnb_fits_file *f, const char *key, int i, double value, const char *comment) {
    char name[FLEN_KEYWORD];
    fits_write_key(f->fits, TDOUBLE, numbered(key, i, name), &value, comment, &f->status);
}

void pnb_fits_put_text(pnb_fits_file *f, const char *key, int i, const char *value) {
    char name[FLEN_KEYWORD];
    fits_write_key(f->fits, TSTRING, numbered(key, i, name), (char *)value, NULL, &f->status);
}

#endif

/* What the fuzz targets share. Each target is one function over bytes: libFuzzer calls it with what it makes up
 * (PNB_FUZZ, tools/fuzz), replay.c with the files of the corpus, so that every build tests them. */
#ifndef PNB_TESTS_FUZZ_FUZZ_H
#define PNB_TESTS_FUZZ_FUZZ_H

#include "base/status.h"

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The bytes as a file, for readers that take a path; the same file at each call. */
const char *fuzz_file(const uint8_t *data, size_t size);

/* A reader either succeeds or fails with one of these and a sentence. */
static inline void fuzz_check(const pnb_error *err, pnb_status status) {
    if (status == PNB_OK) return;
    if (status != PNB_ERROR_INPUT && status != PNB_ERROR_MODEL && status != PNB_ERROR_NUMERIC) abort();
    if (err->status != status || !err->message[0]) abort();
}

#endif

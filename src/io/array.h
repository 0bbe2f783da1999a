/* The one array type of the files: floats in row-major order with a shape. */
#ifndef PNB_IO_ARRAY_H
#define PNB_IO_ARRAY_H

#include "base/status.h"

#include <stdbool.h>

enum { PNB_ARRAY_MAX_RANK = 8, PNB_SHAPE_TEXT_SIZE = 8 * 22 + 3 };

/* Plain memory: zero-initialise it, free it with pnb_array_free. Images are [C, H, W]. */
typedef struct pnb_array {
    uint32_t rank; /* 0: a scalar, count 1 */
    uint64_t shape[PNB_ARRAY_MAX_RANK];
    uint64_t count; /* product of the shape */
    float *data;    /* owned; NULL only where nothing was read */
} pnb_array;

/* Allocates an uninitialised array. The sentence of a failure starts with `what`. On failure *out is all zero. */
pnb_status pnb_array_create(pnb_error *err, const char *what, uint32_t rank, const uint64_t *shape, pnb_array *out);

/* Frees the data and zeroes the struct. Accepts an all-zero array and NULL. */
void pnb_array_free(pnb_array *a);

/* Product of the dimensions; false where it leaves 64 bits. */
bool pnb_shape_product(uint32_t rank, const uint64_t *shape, uint64_t *count);

/* "[64, 32, 3, 3]" into buf (at least PNB_SHAPE_TEXT_SIZE bytes). Returns buf. */
const char *pnb_shape_to_text(uint32_t rank, const uint64_t *shape, char *buf);

#endif

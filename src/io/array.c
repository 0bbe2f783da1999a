/* Arrays of floats with a shape, and what is often asked of a shape. */
#include "io/array.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool pnb_shape_product(uint32_t rank, const uint64_t *shape, uint64_t *count) {
    *count = 1;
    for (uint32_t i = 0; i < rank; i++) {
        if (shape[i] && *count > UINT64_MAX / shape[i]) return false;
        *count *= shape[i];
    }
    return true;
}

const char *pnb_shape_to_text(uint32_t rank, const uint64_t *shape, char *buf) {
    size_t n = 0;
    buf[n++] = '[';
    for (uint32_t i = 0; i < rank && i < PNB_ARRAY_MAX_RANK; i++) {
        n += (size_t)snprintf(buf + n, 23, "%s%llu", i ? ", " : "", (unsigned long long)shape[i]);
    }
    buf[n++] = ']';
    buf[n] = 0;
    return buf;
}

pnb_status pnb_array_create(pnb_error *err, const char *what, uint32_t rank, const uint64_t *shape, pnb_array *out) {
    memset(out, 0, sizeof *out);
    char text[PNB_SHAPE_TEXT_SIZE];
    uint64_t count = 0;
    if (rank > PNB_ARRAY_MAX_RANK) {
        return pnb_fail(err, PNB_ERROR_INPUT, "%s: rank %u is beyond the limit of %d", what, rank, PNB_ARRAY_MAX_RANK);
    }
    if (!pnb_shape_product(rank, shape, &count) || count > PTRDIFF_MAX / sizeof(double)) {
        return pnb_fail(err, PNB_ERROR_INPUT, "%s: shape %s is impossibly large", what,
                        pnb_shape_to_text(rank, shape, text));
    }
    float *data = malloc(count ? (size_t)count * sizeof *data : 1);
    if (!data) {
        return pnb_fail(err, PNB_ERROR_OUT_OF_MEMORY, "%s: no memory for an array of shape %s", what,
                        pnb_shape_to_text(rank, shape, text));
    }
    out->rank = rank;
    if (rank) memcpy(out->shape, shape, rank * sizeof *shape);
    out->count = count;
    out->data = data;
    return PNB_OK;
}

void pnb_array_free(pnb_array *a) {
    if (!a) return;
    free(a->data);
    memset(a, 0, sizeof *a);
}

/* IDX: the arrays of bytes in which MNIST and Fashion-MNIST come (http://yann.lecun.com/exdb/mnist), plain or gzipped.
 */
#ifndef PNB_IO_IDX_H
#define PNB_IO_IDX_H

#include "base/status.h"

#include "io/array.h"

/* Plain memory; free with pnb_idx_free. */
typedef struct pnb_idx {
    uint32_t rank; /* images: [N, H, W]; labels: [N] */
    uint64_t shape[PNB_ARRAY_MAX_RANK];
    uint64_t count;
    unsigned char *data; /* owned; row-major */
} pnb_idx;

/* Reads a file of unsigned bytes (IDX type 0x08); a file that starts as gzip is unpacked, its length and checksum
 * checked. Faults are PNB_ERROR_INPUT. On failure *out is all zero. */
pnb_status pnb_idx_read(pnb_error *err, const char *path, pnb_idx *out);
void pnb_idx_free(pnb_idx *idx);

#endif

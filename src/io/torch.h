/* PyTorch's checkpoints (.pt, .pth): the tensors of nested dictionaries, read by a strict reader that runs nothing.
 *
 * Both formats that torch.save has written are known: the zip archive (needs libzip, see zip.h) and the older stream of
 * pickles. Dictionaries and lists are flattened to names with dots ("model.conv.weight"); plain values are passed over.
 * Lengths are checked before they are believed, and memory stays within a small multiple of the file's size.
 *
 *     pnb_torch *t;
 *     PNB_TRY(pnb_torch_open(err, "model.pt", &t));
 *     const pnb_torch_entry *e = pnb_torch_at(t, 0);
 *     const unsigned char *bytes;
 *     ... status = pnb_torch_bytes(t, 0, &bytes);          // e->bytes of them, until the next call
 *     pnb_torch_close(t);
 *
 * Every fault of a file is PNB_ERROR_MODEL; a file that cannot be opened is PNB_ERROR_INPUT. */
#ifndef PNB_IO_TORCH_H
#define PNB_IO_TORCH_H

#include "io/array.h"
#include "io/dtype.h"

typedef struct pnb_torch pnb_torch; /* one open file; used by one thread at a time */

typedef struct pnb_torch_entry {
    const char *name; /* owned by the file handle; printable ASCII */
    pnb_dtype dtype;
    uint32_t rank; /* 0: a scalar, count 1 */
    uint64_t shape[PNB_ARRAY_MAX_RANK];
    uint64_t count, bytes;
    uint64_t stride[PNB_ARRAY_MAX_RANK], offset; /* in elements, within its storage */
    size_t storage;
} pnb_torch_entry;

/* Is it such a file, by its first bytes? */
bool pnb_torch_recognise(const char *path);

/* Opens a file and checks everything but checksums. The handle writes later failures to err. */
pnb_status pnb_torch_open(pnb_error *err, const char *path, pnb_torch **out);
void pnb_torch_close(pnb_torch *t); /* NULL is accepted */

/* Entries in the order of the dictionaries. */
size_t pnb_torch_count(const pnb_torch *t);
const pnb_torch_entry *pnb_torch_at(const pnb_torch *t, size_t i);

/* The elements of an entry, little-endian, row-major and back to back; valid until the next call. A wrong checksum
 * shows here. */
pnb_status pnb_torch_bytes(pnb_torch *t, size_t i, const unsigned char **bytes);
/* Reads everything once, for the checksums. */
pnb_status pnb_torch_verify(pnb_torch *t);

#endif

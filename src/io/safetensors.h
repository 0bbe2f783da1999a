/* safetensors: named tensors in one file, with a JSON header that runs no code.
 *
 * The reader is strict: lengths are checked before they are believed and before anything is allocated; tensors lie back
 * to back and cover the data exactly; names are unique. Tensor data stay on disk until they are asked for.
 *
 *     pnb_safetensors *st;
 *     PNB_TRY(pnb_safetensors_open(err, "prior.safetensors", &st));
 *     const pnb_safetensors_entry *e = pnb_safetensors_find(st, "out.2.weight");
 *     ... status = pnb_safetensors_read_f32(st, e, buffer);          // e->count floats
 *     pnb_safetensors_close(st);
 *
 * Every fault of a file is PNB_ERROR_MODEL, in a sentence that names the file, the place and what was expected; a file
 * that cannot be opened is PNB_ERROR_INPUT. A caller for whom the file is not a model may replace err->status.
 */
#ifndef PNB_IO_SAFETENSORS_H
#define PNB_IO_SAFETENSORS_H

#include "base/status.h"
#include "io/array.h"
#include "io/dtype.h"

typedef struct pnb_safetensors pnb_safetensors; /* one open file; used by one thread at a time */

typedef struct pnb_safetensors_entry {
    const char *name; /* owned by the file handle; printable UTF-8 */
    pnb_dtype dtype;
    uint32_t rank; /* 0: a scalar, count 1 */
    uint64_t shape[PNB_ARRAY_MAX_RANK];
    uint64_t count;  /* elements; 0 where a dimension is 0 */
    uint64_t offset; /* of the first byte, from the start of the file */
    uint64_t bytes;
} pnb_safetensors_entry;

/* Opens a file and checks its whole header. The handle keeps the file open and writes later failures to err. */
pnb_status pnb_safetensors_open(pnb_error *err, const char *path, pnb_safetensors **out);

/* NULL is accepted. */
void pnb_safetensors_close(pnb_safetensors *st);

const char *pnb_safetensors_path(const pnb_safetensors *st);

/* Entries in the order of the header. Pointers live as long as the handle. find: NULL when there is no such name. */
size_t pnb_safetensors_count(const pnb_safetensors *st);
const pnb_safetensors_entry *pnb_safetensors_at(const pnb_safetensors *st, size_t i);
const pnb_safetensors_entry *pnb_safetensors_find(const pnb_safetensors *st, const char *name);

/* A string of the header's "__metadata__", NULL when there is none. metadata_at lists them: false when i is past the
 * end. */
const char *pnb_safetensors_metadata(const pnb_safetensors *st, const char *key);
bool pnb_safetensors_metadata_at(const pnb_safetensors *st, size_t i, const char **key, const char **value);

/* Reads entry->count elements, widened (see dtype.h). _i64 is an error for floating-point tensors. */
pnb_status pnb_safetensors_read_f32(pnb_safetensors *st, const pnb_safetensors_entry *entry, float *out);
pnb_status pnb_safetensors_read_f64(pnb_safetensors *st, const pnb_safetensors_entry *entry, double *out);
pnb_status pnb_safetensors_read_i64(pnb_safetensors *st, const pnb_safetensors_entry *entry, int64_t *out);

/* The bytes as they are stored, to a file that is being written. */
pnb_status pnb_safetensors_copy(pnb_safetensors *st, const pnb_safetensors_entry *entry, pnb_file_writer *w);

/* find and read in one: the tensor must exist and have exactly this shape. */
pnb_status pnb_safetensors_read_shape_f32(pnb_safetensors *st, const char *name, uint32_t rank, const uint64_t *shape,
                                          float *out);

/* --- writing --- */

typedef struct pnb_safetensors_item {
    const char *name;
    uint32_t rank;
    uint64_t shape[PNB_ARRAY_MAX_RANK];
    const float *data; /* row-major, prod(shape) elements */
} pnb_safetensors_item;

typedef struct pnb_safetensors_pair {
    const char *key, *value;
} pnb_safetensors_pair;

/* Writes tensor i: exactly entry i's bytes, little-endian. */
typedef pnb_status (*pnb_safetensors_emit)(void *user, size_t i, pnb_file_writer *w);
/* Writes n tensors, each of its own type, whose data emit gives one after the other; of an entry name, dtype, rank and
 * shape count. Atomically, as below. */
pnb_status pnb_safetensors_write_entries(pnb_error *err, const char *path, const pnb_safetensors_entry *entries, size_t n,
                                         const pnb_safetensors_pair *metadata, size_t n_metadata,
                                         pnb_safetensors_emit emit, void *user);

/* Writes n tensors as dtype (PNB_F32 or PNB_F16) and the metadata strings, atomically: the file appears whole or not at
 * all. Names must be unique. Failures to write are PNB_ERROR_INPUT. */
pnb_status pnb_safetensors_write(pnb_error *err, const char *path, pnb_dtype dtype, const pnb_safetensors_item *items,
                                 size_t n, const pnb_safetensors_pair *metadata, size_t n_metadata);

#endif

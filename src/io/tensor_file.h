/* Named tensors of a file, whatever its format: safetensors, or a checkpoint of PyTorch.
 *
 * Which of the two it is shows in its first bytes. Faults are as in safetensors.h and torch.h. */
#ifndef PNB_IO_TENSOR_FILE_H
#define PNB_IO_TENSOR_FILE_H

#include "io/safetensors.h"
#include "io/torch.h"

typedef struct pnb_tensor_file pnb_tensor_file; /* one open file; used by one thread at a time */

typedef struct pnb_tensor_entry {
    const char *name; /* owned by the file handle */
    pnb_dtype dtype;
    uint32_t rank; /* 0: a scalar, count 1 */
    uint64_t shape[PNB_ARRAY_MAX_RANK];
    uint64_t count, bytes;
} pnb_tensor_entry;

pnb_status pnb_tensor_file_open(pnb_error *err, const char *path, pnb_tensor_file **out);
/* The same where nothing but a file of PyTorch will do, and its reader's sentences are wanted. */
pnb_status pnb_tensor_file_open_torch(pnb_error *err, const char *path, pnb_tensor_file **out);
void pnb_tensor_file_close(pnb_tensor_file *f); /* NULL is accepted */

const char *pnb_tensor_file_path(const pnb_tensor_file *f);
pnb_torch *pnb_tensor_file_torch(const pnb_tensor_file *f); /* borrowed; NULL: safetensors */
size_t pnb_tensor_file_count(const pnb_tensor_file *f);
pnb_tensor_entry pnb_tensor_file_at(const pnb_tensor_file *f, size_t i); /* i < count */
bool pnb_tensor_file_find(const pnb_tensor_file *f, const char *name, size_t *i);
/* A string of the metadata; NULL when there is none, as in all files of PyTorch. metadata_at lists them: false when i is
 * past the end. */
const char *pnb_tensor_file_metadata(const pnb_tensor_file *f, const char *key);
bool pnb_tensor_file_metadata_at(const pnb_tensor_file *f, size_t i, const char **key, const char **value);

/* The elements of tensor i, widened. */
pnb_status pnb_tensor_file_read_f32(pnb_tensor_file *f, size_t i, float *out);
/* Tensor i as it is stored (row-major, little-endian), to a file that is being written. */
pnb_status pnb_tensor_file_copy(pnb_tensor_file *f, size_t i, pnb_file_writer *w);
/* find and read in one: the tensor must exist and have exactly this shape. */
pnb_status pnb_tensor_file_read_shape_f32(pnb_tensor_file *f, const char *name, uint32_t rank, const uint64_t *shape,
                                          float *out);
/* Compares checksums, where the format has them, by reading everything. */
pnb_status pnb_tensor_file_verify(pnb_tensor_file *f);

#endif

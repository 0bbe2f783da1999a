/* NPY: one array in a file, as NumPy saves it.
 *
 * Read: format versions 1 to 3, little-endian f2 f4 f8 i1 i2 i4 i8 u1 and bool, C or Fortran order, rank up to 8,
 * widened to float (f8, i4, i8 are rounded). Written: '<f4', C order, version 1. Complex data are stored as float with
 * a last axis of 2. A file that is not as it should be is PNB_ERROR_INPUT; the sentence names the file, the place and
 * the expectation. */
#ifndef PNB_IO_NPY_H
#define PNB_IO_NPY_H

#include "io/array.h"

/* Reads a whole array in C order into *out (owned by the caller, see pnb_array_free). On failure *out is all zero.
 * Lengths are checked against the file before anything is allocated. */
pnb_status pnb_npy_read(pnb_error *err, const char *path, pnb_array *out);

/* Writes prod(shape) floats, atomically. rank 0 writes a scalar. */
pnb_status pnb_npy_write(pnb_error *err, const char *path, uint32_t rank, const uint64_t *shape, const float *data);

#endif

/* Element types as files store them, little-endian, and their exact widening to the types the library computes with. */
#ifndef PNB_IO_DTYPE_H
#define PNB_IO_DTYPE_H

#include "base/file.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef enum pnb_dtype {
    PNB_F64,
    PNB_F32,
    PNB_F16,  /* IEEE 754 binary16 */
    PNB_BF16, /* the upper half of a binary32 */
    PNB_I64,
    PNB_I32,
    PNB_I16,
    PNB_I8,
    PNB_U8,
    PNB_BOOL, /* one byte, 0 or 1; reads as a number */
    PNB_DTYPE_COUNT
} pnb_dtype;

size_t pnb_dtype_size(pnb_dtype t);      /* bytes an element */
const char *pnb_dtype_name(pnb_dtype t); /* "F32": the name in a safetensors header; "?" for anything else */
bool pnb_dtype_is_integer(pnb_dtype t);  /* BOOL counts as integer */

/* n elements of type t at `bytes` (little-endian, any alignment), widened. F64 and 64-bit integers are rounded where
 * the target holds fewer bits; everything else is exact. to_i64 takes integer types only (see pnb_dtype_is_integer). */
void pnb_dtype_to_f32(pnb_dtype t, const unsigned char *bytes, size_t n, float *out);
void pnb_dtype_to_f64(pnb_dtype t, const unsigned char *bytes, size_t n, double *out);
void pnb_dtype_to_i64(pnb_dtype t, const unsigned char *bytes, size_t n, int64_t *out);

/* n floats to bytes of type F32 or F16 (round to nearest even; beyond 65504 becomes infinity). */
void pnb_dtype_from_f32(pnb_dtype t, const float *values, size_t n, unsigned char *bytes);

/* The same into a file that is being written, piece by piece. */
pnb_status pnb_dtype_write_f32(pnb_file_writer *w, pnb_dtype t, const float *values, uint64_t n);

float pnb_half_to_float(uint16_t h);
uint16_t pnb_float_to_half(float f);

/* Unsigned little-endian integers in a byte stream. */
uint16_t pnb_le16(const unsigned char *p);
uint32_t pnb_le32(const unsigned char *p);
uint64_t pnb_le64(const unsigned char *p);
void pnb_put_le32(unsigned char *p, uint32_t v);
void pnb_put_le64(unsigned char *p, uint64_t v);

#endif

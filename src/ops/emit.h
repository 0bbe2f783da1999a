/* How the ops of this floor write their dispatches: common sizes, bindings, and the choice between buffers and texels. */
#ifndef PNB_OPS_EMIT_H
#define PNB_OPS_EMIT_H

#include "graph/op.h"

/* A dispatch of `shader` with the device's usual local size, nothing bound, no groups. */
pnb_dispatch pnb_emit_begin(const pnb_lower *l, const char *shader, const char *label);
void pnb_emit_read(pnb_dispatch *d, pnb_tensor t, bool texel);
void pnb_emit_write(pnb_dispatch *d, pnb_tensor t);
void pnb_emit_update(pnb_dispatch *d, pnb_tensor t); /* read and written */
void pnb_emit_spec(pnb_dispatch *d, uint32_t value); /* the next specialisation constant */
void pnb_emit_push(pnb_dispatch *d, const void *push, size_t bytes);

/* Groups for a loop over `items` (PNB_EACH of lib/vec4.glsl): one item an invocation on a GPU, few fat workgroups on a CPU. */
void pnb_emit_spread(pnb_dispatch *d, const pnb_lower *l, uint64_t items);

/* Rows of `length` units, walked by several invocations each: how many invocations share a row, so that what they look up
 * once for the row is paid for, and the device is filled. */
uint32_t pnb_emit_segments(const pnb_lower *l, uint64_t rows, uint32_t length);

/* Sums over rows of `length` units: sets local size and groups, and returns the invocations that share a row (a power of two,
 * for pnb_lanes_sum of lib/reduce.glsl). */
uint32_t pnb_emit_row_lanes(pnb_dispatch *d, const pnb_lower *l, uint64_t rows, uint32_t length);

/* Whether this tensor is better read through a texel buffer here, and may be, or must be (16-bit floats). */
bool pnb_emit_texel(const pnb_lower *l, pnb_tensor t);

/* Copies rows between two tensors (shaders/ops/slice.comp; written by slice.c, used by embed and concat too): for each row r
 * to[r*to_stride + to_begin + j] = from[r*from_stride + from_begin + j - inside_begin] for inside_begin <= j < inside_end, and
 * 0 for the other j < length. All in elements. */
typedef struct pnb_row_copy {
    pnb_tensor from, to;
    const char *label;
    uint32_t rows, length;
    uint32_t from_stride, from_begin, to_stride, to_begin;
    uint32_t inside_begin, inside_end;
} pnb_row_copy;
pnb_status pnb_emit_rows(pnb_lower *l, const pnb_row_copy *copy);

/* Number of elements, as the kernels count them. */
uint32_t pnb_emit_count(const pnb_lower *l, pnb_tensor t);

#endif

/* Push constants of the packed matrix product and of packing.
 *
 * A lies in blocks of `wide` rows, each [k4][wide] vec4s over k; B in panels of `wide` vec4s of columns, each [4 k4][wide]. What
 * lies outside the matrices is zero. Where A is the same for all of a batch, the columns of all its matrices are one row of panels. */
#include "lib/share.h"

#define PNB_MATMUL_LANES 8 /* vec4s of columns that neighbouring invocations read together */

PNB_PUSH_BEGIN(matmul_packed)
    u32 m; u32 n; u32 k;
    u32 columns4;                           /* vec4s of columns: of one matrix, or of the whole batch where A is the same for all */
    u32 a_batch4, b_batch4;                 /* vec4s from one matrix to the next */
    u32 bias_kind; f32 scale;
    u32 count;                              /* packing: vec4s to make */
    u32 batch_stride, row_stride, k_stride; /* packing: of the source, in floats; a row of B is a column */
    u32 wide;                              /* packing: rows of a block of A, or vec4s of a panel of B */
PNB_PUSH_END(matmul_packed)

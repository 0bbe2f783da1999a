/* Push block of the reductions. */
#include "lib/share.h"

PNB_PUSH_BEGIN(reduce)
    u32 rows;         /* rows: rows of x; dim0: 1 */
    u32 len;       /* rows: elements of a row; dim0: columns; grad: elements of the result */
    u32 chunks;       /* partial results: of each row (rows), of each column (dim0) */
    u32 chunk_length; /* elements (rows: a multiple of 4 but for the last), or rows of x (dim0) */
    u32 height;       /* dim0: rows of x */
    f32 scale;        /* multiplies the result */
    u32 inner, modulo; /* grad: element i takes g[(i / inner) % modulo] */
PNB_PUSH_END(reduce)

#include "lib/share.h"

/* A tensor seen as [.., extent, stride]: the pass goes along `extent`. */
PNB_PUSH_BEGIN(gaussian_blur)
    u32 count;    /* elements of x */
    u32 extent;   /* elements along the axis */
    u32 stride;   /* distance of neighbours along it */
    u32 radius;   /* taps are w[0 .. 2 radius], then zeros up to a multiple of 4 */
    u32 boundary; /* PNB_BORDER_* of lib/border.h */
    u32 adjoint;  /* 1: the transposed matrix */
PNB_PUSH_END(gaussian_blur)

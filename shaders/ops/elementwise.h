/* Push block and operation numbers of the elementwise kernels. */
#include "lib/share.h"

PNB_PUSH_BEGIN(elementwise)
    u32 count; /* elements of the result */
    u32 inner; /* binary, one value a sample: elements of one sample */
    u32 segments; /* binary, one value a sample, inner a multiple of 4: invocations that share a sample */
    f32 a, b;  /* affine: scale, shift; clamp: bounds */
PNB_PUSH_END(elementwise)

/* unary operations after those of enum pnb_unary */
#define PNB_UNARY_AFFINE 11
#define PNB_UNARY_CLAMP 12
/* how a binary operation reads its second operand */
#define PNB_OPERAND_SAME 0
#define PNB_OPERAND_ROWS 1
#define PNB_OPERAND_SCALAR 2

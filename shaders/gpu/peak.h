/* Parameters of peak_fma.comp and peak_copy.comp. */
#include "lib/share.h"

#define PNB_PEAK_CHAINS 14 /* what hides the latency of a multiplication and an addition in 16 vector registers */
#define PNB_PEAK_STEPS 64  /* of each chain in one turn of the loop */

PNB_PUSH_BEGIN(peak)
    u32 count; /* turns of the loop; vec4s to copy */
    f32 shift;
PNB_PUSH_END(peak)

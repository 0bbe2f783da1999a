#include "lib/share.h"

/* How a pass finds its numbers (a specialisation constant). A unit is two complex numbers, one item transforms PNB_RADIX units. */
#define PNB_FFT_SINGLE 0  /* a unit is one complex number: any size, the slow way */
#define PNB_FFT_ACROSS 1  /* two neighbours across the axis, along which `inner` is even */
#define PNB_FFT_ALONG 2   /* two neighbours along the axis (inner is 1); all of n / radix and `done` are even, or done is 1 */
#define PNB_FFT_PAIRS 3   /* the same number of two rows: of n that is the radix, or in shared memory, and even */

PNB_PUSH_BEGIN(fft)
    u32 items; /* in shared memory: workgroups */
    u32 table; /* where the pass's twiddles begin in the table, in vec4 */
    f32 scale; /* of the result */
PNB_PUSH_END(fft)

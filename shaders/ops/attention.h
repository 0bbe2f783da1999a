/* What the attention shaders and src/ops/attention.c share.
 *
 * qkv [N,3C,T]: the row of channel c of part s (0 query, 1 key, 2 value) of head h is h*head_step + s*part_step + c*channel_step;
 * the three known orders differ in these steps only. Statistics [N,heads,2,T]: largest score, then 1 / sum of exponentials. */
#include "lib/share.h"

PNB_PUSH_BEGIN(attention)
    u32 heads; u32 width; /* channels of a head */
    u32 steps;            /* T */
    u32 head_step; u32 part_step; u32 channel_step;
    f32 scale;            /* of the scores: width^-1/2 */
    u32 count;            /* invocations: N * heads * ceil(T/4); gpu variants: all of N * heads * ceil(T / local size) workgroups */
PNB_PUSH_END(attention)

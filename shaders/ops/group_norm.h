/* Push block of the group norm kernels. x is [N,C,S], S the pixels of a channel; a group is C/groups channels in a row. */
#include "lib/share.h"

PNB_PUSH_BEGIN(group_norm)
    u32 batch, channels, groups;
    u32 pixels;       /* S */
    u32 chunks;       /* parts into which a group's elements are cut for the statistics */
    u32 chunk_length; /* elements, a multiple of 4 */
    u32 segments;     /* invocations that share a channel */
    f32 eps;
PNB_PUSH_END(group_norm)

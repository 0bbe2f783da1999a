/* Push constants of the packing of weights in Winograd's form. */
#include "lib/share.h"

PNB_PUSH_BEGIN(winograd_pack)
    u32 in_channels; u32 out_channels; u32 depth; /* in_channels, padded */
    u32 flip;  /* the weights are [C,O,3,3]: channels exchanged, taps reversed */
    u32 count; /* invocations */
PNB_PUSH_END(winograd_pack)

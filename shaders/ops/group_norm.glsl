// What the group norm kernels share.
//   xh = (x - mean) rstd;  v = (xh gamma + beta)(1 + scale) + shift = xh A + B;  y = v or silu(v)
// The statistics of a group are a vec4 (mean, mean_low, rstd, 0): x - mean is exact or nearly so, and mean_low, the small
// rest of the mean, is taken off after it. So an offset that is large against the deviation costs no digits.
#include "ops/group_norm.h"

uint group_of(uint row) { // the group's number of channel `row` = n*channels + c
    uint n = row / p.channels, c = row - n * p.channels;
    return n * p.groups + c / (p.channels / p.groups);
}

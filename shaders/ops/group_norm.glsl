// What the group norm kernels share.
//   xh = (x - mean) rstd;  v = (xh gamma + beta)(1 + scale) + shift = xh A + B;  y = v or silu(v)
// The statistics of a group are a vec4 (mean, mean_low, rstd, 0): x - mean is exact or nearly so, and mean_low, the small
// rest of the mean, is taken off after it. So an offset that is large against the deviation costs no digits.
#include "ops/group_norm.h"

uint group_of(uint row) { // the group's number of channel `row` = n*channels + c
    uint n = row / p.channels, c = row - n * p.channels;
    return n * p.groups + c / (p.channels / p.groups);
}

// (A, B) of channel c of sample n, for kernels that bind gamma, beta and scale_shift and say whether there is a SCALE_SHIFT.
#define PNB_GROUP_NORM_GAIN                                                                                            \
    vec2 gain_of(uint n, uint c) {                                                                                     \
        vec2 gain = vec2(gamma1(c), beta1(c));                                                                         \
        if (SCALE_SHIFT) {                                                                                             \
            gain *= 1.0 + scale_shift1(2u * n * p.channels + c);                                                       \
            gain.y += scale_shift1((2u * n + 1u) * p.channels + c);                                                    \
        }                                                                                                              \
        return gain;                                                                                                   \
    }

// Kernels in which neighbouring lanes walk through different groups: each begins elsewhere, or all would use the same few
// lines of a cache (groups are powers of two apart). Where depends on the group's number in its sample alone.
// Step j of a walk over `units` vec4s, a multiple of `step`:
uint walk_start(uint group, uint units, uint step) { return group % p.groups % 8u * units / (8u * step) * step; }
uint walk_at(uint j, uint start, uint units) { return j + start < units ? j + start : j + start - units; }

// y = x where the mask is 1, 0 where it is 0; one mask for every sample of the batch.
// A choice and no product, so that a NaN or an infinity in a hidden place stays out. The mask is its own adjoint.
// Layout: x and y [N, inner], mask [inner], four elements a step where inner is a multiple of 4.
#version 450
#extension GL_GOOGLE_include_directive : require
//! variant texel PNB_TEXEL=1
#include "lib/vec4.glsl"
#include "measure/mask.h"

layout(local_size_x_id = 0) in;
PNB_IN(0, x)
PNB_IN(1, mask)
PNB_OUT(2, y)

void main() {
    if (p.inner % 4u == 0u) {
        uint inner4 = p.inner / 4u;
        PNB_EACH(i, p.count / 4u) { y4_set(i, mix(vec4(0.0), x4(i), notEqual(mask4(i % inner4), vec4(0.0)))); }
    } else {
        PNB_EACH(i, p.count) { y1_set(i, mask1(i % p.inner) != 0.0 ? x1(i) : 0.0); }
    }
}

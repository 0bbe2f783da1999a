// y = N(0,1), or uniform on [0,1): Philox4x32-10 with key = seed and counter = (element / 4, step, stream, 0), so a number depends
// on its place alone, and a replay with another step draws afresh. The host's generator gives the same (base/philox.h).
#version 450
#extension GL_GOOGLE_include_directive : require
//! variant state PNB_STATE=1
#include "lib/philox.glsl"
#include "lib/vec4.glsl"
#include "ops/noise.h"

layout(local_size_x_id = 0) in;
layout(constant_id = 1) const bool NORMAL = true;
PNB_OUT(0, y)
#ifdef PNB_STATE
PNB_BUFFER(1, state)
uint step_now() { return floatBitsToUint(state1(p.step_index)); }
#else
uint step_now() { return 0u; }
#endif

vec4 draw(uint four, uint step) {
    uvec4 words = pnb_philox(uvec4(four, step, p.stream, 0u), uvec2(p.seed_low, p.seed_high));
    if (NORMAL) return pnb_normal4(words);
    return pnb_uniform4(words);
}

void main() {
    uint step = step_now();
    uint n4 = p.count / 4u, rest = p.count - 4u * n4;
    PNB_EACH(i, n4) { y4_set(i, draw(i, step)); }
    uint id = pnb_linear_id();
    if (id < rest) y1_set(4u * n4 + id, draw(n4, step)[id]);
}

// Sums over neighbouring invocations of a workgroup through shared memory, in a fixed order (a binary tree).
#ifndef PNB_REDUCE_GLSL
#define PNB_REDUCE_GLSL
shared vec2 pnb_part[256]; // at most 256 invocations in a workgroup that reduces

// The sum of v over each aligned run of `lanes` invocations (a power of two, the same for all), given to all of them.
// Every invocation of the workgroup must call it.
vec2 pnb_lanes_sum(vec2 v, uint lanes) {
    uint id = gl_LocalInvocationID.x;
    uint lane = id & (lanes - 1u);
    barrier();
    pnb_part[id] = v;
    barrier();
    for (uint s = lanes >> 1u; s > 0u; s >>= 1u) {
        if (lane < s) pnb_part[id] += pnb_part[id + s];
        barrier();
    }
    return pnb_part[id - lane];
}

float pnb_sum4(vec4 v) { return (v.x + v.y) + (v.z + v.w); }
#endif

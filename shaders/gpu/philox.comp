// words[i], uniform[i], normal[i] of Philox block i: shows that lib/philox.glsl agrees with the host's generator.
//
// Layout: three arrays of 4 * count 32-bit values. One invocation a block.
#version 450
#extension GL_GOOGLE_include_directive : require
#include "gpu/philox.h"
#include "lib/index.glsl"
#include "lib/philox.glsl"

layout(local_size_x_id = 0) in;
layout(set = 0, binding = 0, std430) writeonly buffer Words { uvec4 words[]; };
layout(set = 0, binding = 1, std430) writeonly buffer Uniform { vec4 uniforms[]; };
layout(set = 0, binding = 2, std430) writeonly buffer Normal { vec4 normals[]; };

void main() {
    uint i = pnb_linear_id();
    if (i >= p.count) return;
    uvec4 w = pnb_philox(uvec4(i, p.step, p.stream, 0u), uvec2(p.seed_low, p.seed_high));
    words[i] = w;
    uniforms[i] = pnb_uniform4(w);
    normals[i] = pnb_normal4(w);
}

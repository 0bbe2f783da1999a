// Tensors read and written as vec4 or as single floats, and loops over many elements.
//
// PNB_IN(slot, x) declares x4(i), the i-th four floats, and x1(i), the i-th float; PNB_OUT(slot, y) declares y4_set and y1_set.
// With PNB_TEXEL defined, PNB_IN reads through a uniform texel buffer (RGBA32F; the tensor's size is then a multiple of 4);
// PNB_BUFFER always reads a storage buffer. Both views of a buffer lie on one binding; a shader reads or writes each element
// through one of them only.
#ifndef PNB_VEC4_GLSL
#define PNB_VEC4_GLSL
#include "lib/index.glsl"

#define PNB_BUFFER(slot, name)                                                                                         \
    layout(set = 0, binding = slot, std430) readonly buffer name##_block4 { vec4 name##_v[]; };                        \
    layout(set = 0, binding = slot, std430) readonly buffer name##_block1 { float name##_f[]; };                       \
    vec4 name##4(uint i) { return name##_v[i]; }                                                                       \
    float name##1(uint i) { return name##_f[i]; }

#ifdef PNB_TEXEL
#define PNB_IN(slot, name)                                                                                             \
    layout(set = 0, binding = slot) uniform samplerBuffer name##_texels;                                               \
    vec4 name##4(uint i) { return texelFetch(name##_texels, int(i)); }                                                 \
    float name##1(uint i) { return texelFetch(name##_texels, int(i >> 2u))[i & 3u]; }
#else
#define PNB_IN(slot, name) PNB_BUFFER(slot, name)
#endif

#define PNB_OUT(slot, name)                                                                                            \
    layout(set = 0, binding = slot, std430) writeonly buffer name##_block4 { vec4 name##_v[]; };                       \
    layout(set = 0, binding = slot, std430) writeonly buffer name##_block1 { float name##_f[]; };                      \
    void name##4_set(uint i, vec4 value) { name##_v[i] = value; }                                                      \
    void name##1_set(uint i, float value) { name##_f[i] = value; }

// Elements that one workgroup takes of `count`: neighbours, so that a software driver's few workgroups walk through memory.
uint pnb_share(uint count) {
    uint invocations = gl_NumWorkGroups.x * gl_NumWorkGroups.y * gl_WorkGroupSize.x;
    return (count / invocations + (count % invocations != 0u ? 1u : 0u)) * gl_WorkGroupSize.x;
}
uint pnb_share_begin(uint count) { return min(pnb_linear_group() * pnb_share(count), count); }
uint pnb_share_end(uint count) { return min(pnb_share_begin(count) + pnb_share(count), count); }

// for each i below count, shared out over all invocations: one or several an invocation
#define PNB_EACH(i, count)                                                                                             \
    for (uint i = pnb_share_begin(count) + gl_LocalInvocationID.x, i##_end = pnb_share_end(count); i < i##_end;        \
         i += gl_WorkGroupSize.x)
#endif

/* Lets one header declare a push-constant block for C and for GLSL:
 *
 *     #include "lib/share.h"
 *     PNB_PUSH_BEGIN(conv2d)
 *         u32 batch; u32 in_channels; f32 scale;
 *     PNB_PUSH_END(conv2d)
 *
 * In C this is `typedef struct {...} pnb_push_conv2d;`, in GLSL the block `p` (so `p.batch`). Members are 4-byte scalars
 * only, at most 32 of them (128 bytes, the least that every device has), so both layouts are the same.
 * A header that both sides read is named shaders/<room>/<stem>.h and may also hold #defines that both need. */
#ifdef VULKAN /* glslang and glslc define it */
#define u32 uint
#define i32 int
#define f32 float
#define PNB_PUSH_BEGIN(name) layout(push_constant, std430) uniform pnb_push_##name {
#define PNB_PUSH_END(name)                                                                                             \
    }                                                                                                                  \
    p;
#else
#ifndef PNB_SHARE_H
#define PNB_SHARE_H
#include <stdint.h>
typedef uint32_t u32;
typedef int32_t i32;
typedef float f32;
#define PNB_PUSH_BEGIN(name) typedef struct pnb_push_##name {
#define PNB_PUSH_END(name)                                                                                             \
    }                                                                                                                  \
    pnb_push_##name;
#endif
#endif

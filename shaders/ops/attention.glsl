// What the three attention kernels share: four neighbouring places of a row as one vec4.
//
// The including shader leaves binding 0 to qkv. Plain and texel variants need T % 4 = 0; the ragged variant
// takes any T: it reads scalars, repeats the last place past the end, and writes only what exists.
#include "lib/index.glsl"
#include "ops/attention.h"

layout(local_size_x_id = 0) in;
layout(constant_id = 1) const int TILE4 = 4; // vec4s of the other side in a tile: 4 * TILE4 scores of each place at a time

#if defined(PNB_RAGGED)
#define PLACES float
#define GET(data, row, t4) \
    vec4(data[(row) * T + min(4 * (t4), T - 1)], data[(row) * T + min(4 * (t4) + 1, T - 1)], \
         data[(row) * T + min(4 * (t4) + 2, T - 1)], data[(row) * T + min(4 * (t4) + 3, T - 1)])
#define PUT(data, row, t4, value) \
    for (int put = 0; put < 4; put++) if (4 * (t4) + put < T) data[(row) * T + 4 * (t4) + put] = (value)[put]
#else
#define PLACES vec4
#define GET(data, row, t4) data[(row) * T4 + (t4)]
#define PUT(data, row, t4, value) data[(row) * T4 + (t4)] = value
#endif

#if defined(PNB_TEXEL)
layout(set = 0, binding = 0) uniform samplerBuffer qkv;
#define QKV(row, t4) texelFetch(qkv, (row) * T4 + (t4))
#else
layout(set = 0, binding = 0) readonly buffer QkvBlock { PLACES qkv[]; };
#define QKV(row, t4) GET(qkv, row, t4)
#endif

// A second operand that is read as often: the output's gradient, at binding PNB_G_BINDING.
#if defined(PNB_G_BINDING)
#if defined(PNB_TEXEL)
layout(set = 0, binding = PNB_G_BINDING) uniform samplerBuffer gy;
#define GY(row, t4) texelFetch(gy, (row) * T4 + (t4))
#else
layout(set = 0, binding = PNB_G_BINDING) readonly buffer GBlock { PLACES gy[]; };
#define GY(row, t4) GET(gy, row, t4)
#endif
#endif

const int QUERY = 0, KEY = 1, VALUE = 2;

// The first row of a part in the sample and head `nh`; channels follow in steps of p.channel_step.
int part_row(int nh, int part) {
    const int n = nh / int(p.heads), h = nh % int(p.heads);
    return n * 3 * int(p.heads * p.width) + h * int(p.head_step) + part * int(p.part_step);
}

// What the three attention kernels share: four neighbouring places of a row as one vec4.
//
// The including shader leaves binding 0 to qkv. Plain and texel variants need T % 4 = 0; the ragged variants
// take any T: they read scalars, repeat the last place past the end, and write only what exists.
//
// An invocation makes some places of one side (OWN: read with MINE, written with PUT) and walks over the other side in vec4s (GET):
// four places, or in the gpu variants one. There the places of a workgroup belong to one sample and head, so that all its lanes read
// the same of the other side (scalar loads on GPUs that have them), and few channels of many lanes fill a device.
#include "lib/index.glsl"
#include "ops/attention.h"

layout(local_size_x_id = 0) in;
layout(constant_id = 1) const int TILE4 = 4; // vec4s of the other side in a tile: 4 * TILE4 scores of each place at a time

#if defined(PNB_RAGGED) || defined(PNB_GPU)
#define PLACES float
#else
#define PLACES vec4
#endif

#if defined(PNB_RAGGED)
#define GET(data, row, t4) \
    vec4(data[(row) * T + min(4 * (t4), T - 1)], data[(row) * T + min(4 * (t4) + 1, T - 1)], \
         data[(row) * T + min(4 * (t4) + 2, T - 1)], data[(row) * T + min(4 * (t4) + 3, T - 1)])
#elif defined(PNB_GPU)
#define GET(data, row, t4) data##_4[(row) * T4 + (t4)]
#else
#define GET(data, row, t4) data[(row) * T4 + (t4)]
#endif

#if defined(PNB_GPU)
#define OWN float
#define MINE(data, row, t) data[(row) * T + (t)]
#define PUT(data, row, t, value) data[(row) * T + (t)] = value
#else
#define OWN vec4
#define MINE(data, row, t) GET(data, row, t)
#if defined(PNB_RAGGED)
#define PUT(data, row, t4, value) \
    for (int put = 0; put < 4; put++) if (4 * (t4) + put < T) data[(row) * T + 4 * (t4) + put] = (value)[put]
#else
#define PUT(data, row, t4, value) data[(row) * T4 + (t4)] = value
#endif
#endif

#if defined(PNB_GPU) && !defined(PNB_RAGGED)
#define PNB_PLACES(slot, name) \
    layout(set = 0, binding = slot) readonly buffer name##_block { float name[]; }; \
    layout(set = 0, binding = slot) readonly buffer name##_block4 { vec4 name##_4[]; }
#else
#define PNB_PLACES(slot, name) layout(set = 0, binding = slot) readonly buffer name##_block { PLACES name[]; }
#endif

#if defined(PNB_TEXEL)
layout(set = 0, binding = 0) uniform samplerBuffer qkv;
#define QKV(row, t4) texelFetch(qkv, (row) * T4 + (t4))
#define MY_QKV(row, t4) QKV(row, t4)
#else
PNB_PLACES(0, qkv);
#define QKV(row, t4) GET(qkv, row, t4)
#define MY_QKV(row, t) MINE(qkv, row, t)
#endif

// A second operand that is read as often: the output's gradient, at binding PNB_G_BINDING.
#if defined(PNB_G_BINDING)
#if defined(PNB_TEXEL)
layout(set = 0, binding = PNB_G_BINDING) uniform samplerBuffer gy;
#define GY(row, t4) texelFetch(gy, (row) * T4 + (t4))
#define MY_GY(row, t4) GY(row, t4)
#else
PNB_PLACES(PNB_G_BINDING, gy);
#define GY(row, t4) GET(gy, row, t4)
#define MY_GY(row, t) MINE(gy, row, t)
#endif
#endif

// The sample and head of this invocation and the place in it (a vec4 of places, or one); false: none.
bool my_place(int T, out int nh, out int place) {
    const int id = int(pnb_linear_id());
#if defined(PNB_GPU)
    const int size = int(gl_WorkGroupSize.x), blocks = (T + size - 1) / size, group = int(pnb_linear_group());
    nh = group / blocks;
    place = group % blocks * size + int(gl_LocalInvocationID.x);
    return id < int(p.count) && place < T;
#else
    nh = id / ((T + 3) / 4);
    place = id % ((T + 3) / 4);
    return id < int(p.count);
#endif
}

const int QUERY = 0, KEY = 1, VALUE = 2;

// The first row of a part in the sample and head `nh`; channels follow in steps of p.channel_step.
int part_row(int nh, int part) {
    const int n = nh / int(p.heads), h = nh % int(p.heads);
    return n * 3 * int(p.heads * p.width) + h * int(p.head_step) + part * int(p.part_step);
}

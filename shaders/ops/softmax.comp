// Softmax over the last dimension, and its gradient.
//
//     y_i = exp(x_i - max x) / sum_j exp(x_j - max x)
//     variant grad:   gx_i = y_i (g_i - sum_j g_j y_j)
//
// `lanes` neighbouring invocations (a power of two) share a row and walk it in steps of `lanes`. Numerics: fp32; sums over a
// binary tree in shared memory, in a fixed order. A row with an infinite maximum gives NaN, as the formula does.
//! variant grad PNB_GRAD=1
#version 450
#extension GL_GOOGLE_include_directive : require
#include "lib/index.glsl"
#include "ops/softmax.h"

layout(local_size_x_id = 0) in;
layout(set = 0, binding = 0) readonly buffer XBlock { float x[]; }; // grad: y
#ifdef PNB_GRAD
layout(set = 0, binding = 1) readonly buffer GBlock { float g[]; };
layout(set = 0, binding = 2) writeonly buffer YBlock { float y[]; };
#else
layout(set = 0, binding = 1) writeonly buffer YBlock { float y[]; };
#endif

shared float part[PNB_SOFTMAX_MOST];

float row_sum(float v, uint lane) {
    const uint id = gl_LocalInvocationID.x;
    barrier();
    part[id] = v;
    barrier();
    for (uint s = p.lanes / 2u; s > 0u; s /= 2u) {
        if (lane < s) part[id] += part[id + s];
        barrier();
    }
    return part[id - lane];
}

float row_max(float v, uint lane) {
    const uint id = gl_LocalInvocationID.x;
    barrier();
    part[id] = v;
    barrier();
    for (uint s = p.lanes / 2u; s > 0u; s /= 2u) {
        if (lane < s) part[id] = max(part[id], part[id + s]);
        barrier();
    }
    return part[id - lane];
}

void main() {
    const uint id = pnb_linear_id(), lane = id % p.lanes, row = id / p.lanes;
    const bool real = row < p.rows; // every invocation takes part in the reductions
    const uint begin = row * p.columns + lane, end = real ? (row + 1u) * p.columns : 0u;
    float sum = 0.0;
#ifdef PNB_GRAD
    for (uint i = begin; i < end; i += p.lanes) sum = fma(g[i], x[i], sum);
    sum = row_sum(sum, lane);
    for (uint i = begin; i < end; i += p.lanes) y[i] = x[i] * (g[i] - sum);
#else
    float most = real ? x[row * p.columns] : 0.0;
    for (uint i = begin; i < end; i += p.lanes) most = max(most, x[i]);
    most = row_max(most, lane);
    for (uint i = begin; i < end; i += p.lanes) sum += exp(x[i] - most);
    sum = row_sum(sum, lane);
    for (uint i = begin; i < end; i += p.lanes) y[i] = exp(x[i] - most) / sum;
#endif
}

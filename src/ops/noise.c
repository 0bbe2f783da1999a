/* noise: random numbers by counter; the step is read on the device, so that one recorded program draws afresh at each replay. */
#include "base/philox.h"
#include "graph/op.h"
#include "ops/emit.h"
#include "ops/noise.h"
#include "ops/ops.h"
#include "ops/suite.h"

#include <string.h>

typedef struct attributes {
    uint64_t seed;
    uint32_t stream, step_index, normal;
} attributes;

static pnb_status noise_lower(pnb_lower *l, const pnb_node *node) {
    const attributes *a = (const attributes *)node->attr;
    bool state = node->in[0] != PNB_NONE;
    pnb_push_noise push = {.count = pnb_emit_count(l, node->out[0]), .seed_low = (uint32_t)a->seed, .seed_high = (uint32_t)(a->seed >> 32),
                           .stream = a->stream, .step_index = a->step_index};
    pnb_dispatch d = pnb_emit_begin(l, state ? "ops/noise.state" : "ops/noise", a->normal ? "noise_normal" : "noise_uniform");
    pnb_emit_spec(&d, a->normal);
    pnb_emit_write(&d, node->out[0]);
    if (state) pnb_emit_read(&d, node->in[0], false);
    pnb_emit_push(&d, &push, sizeof push);
    pnb_emit_spread(&d, l, (push.count + 3) / 4);
    d.gbyte = 4e-9 * push.count;
    return pnb_lower_emit(l, &d);
}

const pnb_op pnb_op_noise = {.name = "noise", .lower = noise_lower, .impure = true};

static pnb_status add_node(pnb_graph *g, pnb_shape shape, const attributes *a, pnb_tensor state, pnb_tensor *y) {
    if (state != PNB_NONE) {
        PNB_TRY(pnb_graph_check(g, "noise", "state", state));
        uint64_t size = pnb_shape_count(pnb_graph_shape(g, state));
        if (a->step_index >= size) {
            return pnb_fail(pnb_graph_error(g), PNB_ERROR_USAGE, "noise: reads the state at %u, it has %llu entries", a->step_index,
                            (unsigned long long)size);
        }
    }
    return pnb_graph_add(g, &pnb_op_noise, &state, 1, 0, a, sizeof *a, &shape, 1, y, 1);
}

pnb_status pnb_noise_normal(pnb_graph *g, pnb_shape shape, uint64_t seed, uint32_t stream, pnb_tensor state, uint32_t step_index, pnb_tensor *y) {
    attributes a = {seed, stream, step_index, 1};
    return add_node(g, shape, &a, state, y);
}

pnb_status pnb_noise_uniform(pnb_graph *g, pnb_shape shape, uint64_t seed, uint32_t stream, pnb_tensor state, uint32_t step_index, pnb_tensor *y) {
    attributes a = {seed, stream, step_index, 0};
    return add_node(g, shape, &a, state, y);
}

/* ---- cases: arg = {normal, seed, stream, with state}; in[0] gives the shape; the bits of in[1][3] are the step ------- */

static pnb_status build(pnb_graph *g, const pnb_op_case *c, const pnb_tensor *in, pnb_tensor *out) {
    pnb_tensor state = c->arg[3] ? in[1] : PNB_NONE;
    uint64_t seed = (uint64_t)c->arg[1] * 0x100000001ull;
    if (c->arg[0]) return pnb_noise_normal(g, c->in[0], seed, (uint32_t)c->arg[2], state, 3, out);
    return pnb_noise_uniform(g, c->in[0], seed, (uint32_t)c->arg[2], state, 3, out);
}

static uint32_t step_of(const pnb_op_case *c, const double *const *in) {
    float value = c->arg[3] ? (float)in[1][3] : 0;
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

static void reference(const pnb_op_case *c, const double *const *in, double *out) {
    size_t count = pnb_shape_count(c->in[0]);
    uint64_t seed = (uint64_t)c->arg[1] * 0x100000001ull;
    for (size_t i = 0; i < count; i++) {
        float value;
        if (c->arg[0]) pnb_fill_normal(seed, (uint32_t)c->arg[2], step_of(c, in), i, &value, 1);
        else pnb_fill_uniform(seed, (uint32_t)c->arg[2], step_of(c, in), i, &value, 1);
        out[i] = (double)value;
    }
}

#define NOISE(text, normal, seed, stream, state, tolerance, ...)                                                       \
    {.name = text, .n_in = 2, .no_grad = 3, .arg = {normal, seed, stream, state}, .in = {__VA_ARGS__, {1, {5, 1, 1, 1}}}, .forward_tolerance = tolerance}

static const pnb_op_case cases[] = {
    NOISE("normal odd", 1, 7, 0, 0, 1e-6f, {4, {3, 5, 1, 7}}),
    NOISE("normal with a step", 1, 123456789, 3, 1, 1e-6f, {2, {16, 64, 1, 1}}),
    NOISE("uniform odd", 0, 7, 1, 0, 1e-9f, {1, {33, 1, 1, 1}}),
    NOISE("uniform with a step", 0, 99, 2, 1, 1e-9f, {2, {16, 64, 1, 1}}),
};

const pnb_op_suite pnb_suite_noise = {"noise", cases, sizeof cases / sizeof cases[0], build, reference, .flops = NULL};

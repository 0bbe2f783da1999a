/* Group norm with what follows it in diffusion networks fused in: scale-shift by an embedding, then SiLU.
 *
 * Two forms. On a software driver a group is taken whole, by one invocation or a few: one dispatch forward, one backward. On a
 * GPU, and where groups are few or pixels no multiple of four: statistics, then the result; channel sums, then the gradient.
 * The statistics are a workspace output [N,G,4] and the only thing kept for the backward pass besides x. Backward: channel
 * sums P, plain and times the channel's gain, [N,C,4]; from them everything else (derivation in the shaders' headers). All
 * sums have a fixed order that does not depend on the row, so equal samples of a batch give equal bytes.
 */
#include "graph/op.h"
#include "ops/emit.h"
#include "ops/group_norm.h"
#include "ops/ops.h"
#include "ops/suite.h"

#include <math.h>
#include <stdlib.h>

/* Longer groups are cut into chunks, so that a GPU has enough workgroups; their number depends on the shape alone. */
enum { CHUNK_ABOVE = 32768, CHUNK_LENGTH = 8192, CHUNKS_MOST = 64 };
/* Groups are taken whole from so many on; fewer than WHOLE_INVOCATIONS of them get several invocations each. */
enum { WHOLE_GROUPS = 32, WHOLE_LANES = 8, WHOLE_INVOCATIONS = 256 };

typedef struct attributes {
    uint32_t batch, channels, groups, pixels;
    uint32_t chunks, chunk_length;
    float eps;
    uint32_t silu;
} attributes;

static pnb_push_group_norm push_of(const pnb_node *node) {
    const attributes *a = (const attributes *)node->attr;
    return (pnb_push_group_norm){.batch = a->batch, .channels = a->channels, .groups = a->groups, .pixels = a->pixels,
                                 .chunks = a->chunks, .chunk_length = a->chunk_length, .segments = 1, .eps = a->eps};
}

/* The unused slot of an absent tensor is bound to another one. */
static pnb_tensor or_else(pnb_tensor t, pnb_tensor other) { return t == PNB_NONE ? other : t; }

enum { IN_X, IN_GAMMA, IN_BETA, IN_SS }; /* the inputs of group_norm; its gradient adds its own behind */
enum { IN_GY = 4, IN_STATS = 5, IN_ADDEND = 6 };
enum { OUT_GX, OUT_SUMS, OUT_GSS }; /* of the gradient */

static bool takes_whole(const pnb_lower *l, const attributes *a) {
    return pnb_lower_caps(l)->is_cpu && a->pixels % 4 == 0 && (uint64_t)a->batch * a->groups >= WHOLE_GROUPS;
}

/* Constants and groups of the kernels that take groups whole. */
static void emit_whole(pnb_dispatch *d, const pnb_lower *l, const pnb_node *node) {
    const attributes *a = (const attributes *)node->attr;
    uint32_t all = a->batch * a->groups, units = a->pixels / 4, lanes = 1, unroll = 4;
    while (lanes < WHOLE_LANES && all * lanes < WHOLE_INVOCATIONS && units % (2 * lanes) == 0) lanes *= 2;
    while (units % (lanes * unroll) != 0) unroll /= 2;
    d->spec[0] = WHOLE_LANES;
    pnb_emit_spec(d, lanes);
    pnb_emit_spec(d, unroll);
    pnb_emit_spec(d, a->silu);
    pnb_emit_spec(d, node->in[IN_SS] != PNB_NONE);
    pnb_groups_1d(pnb_lower_caps(l), (uint64_t)all * lanes, d->spec[0], d->groups);
}

/* gamma, beta, scale_shift */
static void read_affine(pnb_dispatch *d, const pnb_node *node) {
    pnb_emit_read(d, node->in[IN_GAMMA], false);
    pnb_emit_read(d, node->in[IN_BETA], false);
    pnb_emit_read(d, or_else(node->in[IN_SS], node->in[IN_GAMMA]), false);
}

static double gbyte_of(const attributes *a, double passes) {
    return 4e-9 * passes * a->batch * a->channels * a->pixels;
}

/* ---- backward nodes --------------------------------------------------------------------------------------------- */

/* What the gradient's kernels read first. */
static void read_gradient(pnb_dispatch *d, const pnb_node *node, bool texel) {
    pnb_emit_read(d, node->in[IN_X], texel);
    pnb_emit_read(d, node->in[IN_GY], texel);
    pnb_emit_read(d, node->in[IN_STATS], false);
    read_affine(d, node);
}

static pnb_status grad_lower_whole(pnb_lower *l, const pnb_node *node, bool texel) {
    pnb_push_group_norm push = push_of(node);
    pnb_dispatch d = pnb_emit_begin(l, texel ? "ops/group_norm_grad_whole.texel" : "ops/group_norm_grad_whole", "group_norm_grad");
    emit_whole(&d, l, node);
    read_gradient(&d, node, texel);
    pnb_emit_write(&d, node->out[OUT_GX]);
    pnb_emit_write(&d, node->out[OUT_SUMS]);
    pnb_emit_write(&d, or_else(node->out[OUT_GSS], node->out[OUT_SUMS]));
    pnb_emit_read(&d, or_else(node->in[IN_ADDEND], node->in[IN_X]), texel);
    pnb_emit_spec(&d, node->in[IN_ADDEND] != PNB_NONE);
    pnb_emit_push(&d, &push, sizeof push);
    d.gbyte = gbyte_of((const attributes *)node->attr, 3);
    return pnb_lower_emit(l, &d);
}

static pnb_status lower_sums(pnb_lower *l, const pnb_node *node, bool texel) {
    const attributes *a = (const attributes *)node->attr;
    bool vec = a->pixels % 4 == 0;
    pnb_push_group_norm push = push_of(node);
    pnb_dispatch d = pnb_emit_begin(l, texel ? "ops/group_norm_grad_sums.texel" : "ops/group_norm_grad_sums", "group_norm_grad_sums");
    uint32_t lanes = pnb_emit_row_lanes(&d, l, (uint64_t)a->batch * a->channels, vec ? a->pixels / 4 : a->pixels);
    pnb_emit_spec(&d, vec);
    pnb_emit_spec(&d, a->silu);
    pnb_emit_spec(&d, node->in[IN_SS] != PNB_NONE);
    pnb_emit_spec(&d, lanes);
    read_gradient(&d, node, texel);
    pnb_emit_write(&d, node->out[OUT_SUMS]);
    pnb_emit_write(&d, or_else(node->out[OUT_GSS], node->out[OUT_SUMS]));
    pnb_emit_push(&d, &push, sizeof push);
    d.gbyte = gbyte_of(a, 2);
    return pnb_lower_emit(l, &d);
}

static pnb_status grad_lower(pnb_lower *l, const pnb_node *node) {
    const attributes *a = (const attributes *)node->attr;
    bool texel = pnb_emit_texel(l, node->in[IN_X]), vec = a->pixels % 4 == 0;
    if (takes_whole(l, a)) return grad_lower_whole(l, node, texel);
    PNB_TRY(lower_sums(l, node, texel));
    uint64_t rows = (uint64_t)a->batch * a->channels;
    pnb_push_group_norm push = push_of(node);
    push.segments = pnb_emit_segments(l, rows, vec ? a->pixels / 4 : a->pixels);
    pnb_dispatch d = pnb_emit_begin(l, texel ? "ops/group_norm_grad.texel" : "ops/group_norm_grad", "group_norm_grad");
    pnb_emit_spec(&d, vec);
    pnb_emit_spec(&d, a->silu);
    pnb_emit_spec(&d, node->in[IN_SS] != PNB_NONE);
    read_gradient(&d, node, texel);
    pnb_emit_read(&d, node->out[OUT_SUMS], false);
    pnb_emit_write(&d, node->out[OUT_GX]);
    pnb_emit_read(&d, or_else(node->in[IN_ADDEND], node->in[IN_X]), texel);
    pnb_emit_spec(&d, node->in[IN_ADDEND] != PNB_NONE);
    pnb_emit_push(&d, &push, sizeof push);
    pnb_emit_spread(&d, l, rows * push.segments);
    d.gbyte = gbyte_of(a, 3);
    return pnb_lower_emit(l, &d);
}

static const pnb_op op_grad = {.name = "group_norm_grad", .lower = grad_lower, .addend = 1 + IN_ADDEND, .reads_half = 1u << IN_X,
                               .inplace = 1u << IN_X | 1u << IN_GY | 1u << IN_ADDEND};

static pnb_status weight_lower(pnb_lower *l, const pnb_node *node) {
    const attributes *a = (const attributes *)node->attr;
    pnb_push_group_norm push = push_of(node);
    pnb_dispatch d = pnb_emit_begin(l, "ops/group_norm_grad_weight", NULL);
    pnb_emit_spec(&d, node->in[1] != PNB_NONE);
    pnb_emit_read(&d, node->in[0], false);
    pnb_emit_read(&d, or_else(node->in[1], node->in[0]), false);
    pnb_emit_write(&d, node->out[0]);
    pnb_emit_write(&d, node->out[1]);
    pnb_emit_push(&d, &push, sizeof push);
    pnb_emit_spread(&d, l, a->channels);
    return pnb_lower_emit(l, &d);
}

static const pnb_op op_weight = {.name = "group_norm_grad_weight", .lower = weight_lower};

static pnb_status group_norm_vjp(pnb_graph *g, const pnb_node *node, const pnb_tensor *gout, uint32_t want, pnb_tensor *gin) {
    const attributes *a = (const attributes *)node->attr;
    if (gout[0] == PNB_NONE) return PNB_OK;
    bool ss = node->in[IN_SS] != PNB_NONE;
    pnb_tensor in[7] = {node->in[0], node->in[1], node->in[2], node->in[3], gout[0], node->out[1], PNB_NONE}, grad[3];
    pnb_shape out[3] = {pnb_graph_shape(g, node->in[IN_X]), pnb_shape3(a->batch, a->channels, 4)};
    if (ss) out[OUT_GSS] = pnb_graph_shape(g, node->in[IN_SS]);
    PNB_TRY(pnb_graph_add(g, &op_grad, in, 7, 0, a, sizeof *a, out, ss ? 3 : 2, grad, ss ? 3 : 2));
    if (want & 1u << IN_X) gin[IN_X] = grad[OUT_GX];
    if (want & 1u << IN_SS) gin[IN_SS] = grad[OUT_GSS];
    if (want & (1u << IN_GAMMA | 1u << IN_BETA)) {
        pnb_tensor weight_in[2] = {grad[OUT_SUMS], node->in[IN_SS]}, weight_out[2];
        pnb_shape shapes[2] = {pnb_shape1(a->channels), pnb_shape1(a->channels)};
        PNB_TRY(pnb_graph_add(g, &op_weight, weight_in, 2, 0, a, sizeof *a, shapes, 2, weight_out, 2));
        if (want & 1u << IN_GAMMA) gin[IN_GAMMA] = weight_out[0];
        if (want & 1u << IN_BETA) gin[IN_BETA] = weight_out[1];
    }
    return PNB_OK;
}

/* ---- forward ---------------------------------------------------------------------------------------------------- */

static pnb_status lower_whole(pnb_lower *l, const pnb_node *node, bool texel) {
    pnb_push_group_norm push = push_of(node);
    pnb_dispatch d = pnb_emit_begin(l, texel ? "ops/group_norm_whole.texel" : "ops/group_norm_whole", "group_norm");
    emit_whole(&d, l, node);
    pnb_emit_read(&d, node->in[IN_X], texel);
    read_affine(&d, node);
    pnb_emit_write(&d, node->out[0]);
    pnb_emit_write(&d, node->out[1]);
    pnb_emit_push(&d, &push, sizeof push);
    d.gbyte = gbyte_of((const attributes *)node->attr, 2);
    return pnb_lower_emit(l, &d);
}

static pnb_status lower_stats(pnb_lower *l, const pnb_node *node, bool texel) {
    const attributes *a = (const attributes *)node->attr;
    pnb_push_group_norm push = push_of(node);
    bool vec = a->pixels * (a->channels / a->groups) % 4 == 0;
    pnb_dispatch d = pnb_emit_begin(l, texel ? "ops/group_norm_stats.texel" : "ops/group_norm_stats", "group_norm_stats");
    uint64_t parts = (uint64_t)a->batch * a->groups * a->chunks;
    pnb_emit_spec(&d, pnb_emit_row_lanes(&d, l, parts, vec ? a->chunk_length / 4 : a->chunk_length));
    pnb_emit_spec(&d, vec);
    pnb_emit_read(&d, node->in[IN_X], texel);
    pnb_emit_write(&d, a->chunks > 1 ? node->out[2] : node->out[1]);
    pnb_emit_push(&d, &push, sizeof push);
    d.gbyte = gbyte_of(a, 1);
    PNB_TRY(pnb_lower_emit(l, &d));
    if (a->chunks == 1) return PNB_OK;

    pnb_dispatch merge = pnb_emit_begin(l, "ops/group_norm_merge", NULL);
    pnb_emit_read(&merge, node->out[2], false);
    pnb_emit_write(&merge, node->out[1]);
    pnb_emit_push(&merge, &push, sizeof push);
    pnb_emit_spread(&merge, l, (uint64_t)a->batch * a->groups);
    return pnb_lower_emit(l, &merge);
}

static pnb_status group_norm_lower(pnb_lower *l, const pnb_node *node) {
    const attributes *a = (const attributes *)node->attr;
    bool texel = pnb_emit_texel(l, node->in[IN_X]), vec = a->pixels % 4 == 0;
    if (takes_whole(l, a)) return lower_whole(l, node, texel);
    PNB_TRY(lower_stats(l, node, texel));
    uint64_t rows = (uint64_t)a->batch * a->channels;
    pnb_push_group_norm push = push_of(node);
    push.segments = pnb_emit_segments(l, rows, vec ? a->pixels / 4 : a->pixels);
    pnb_dispatch d = pnb_emit_begin(l, texel ? "ops/group_norm.texel" : "ops/group_norm", "group_norm");
    pnb_emit_spec(&d, vec);
    pnb_emit_spec(&d, a->silu);
    pnb_emit_spec(&d, node->in[IN_SS] != PNB_NONE);
    pnb_emit_read(&d, node->in[IN_X], texel);
    pnb_emit_read(&d, node->out[1], false);
    read_affine(&d, node);
    pnb_emit_write(&d, node->out[0]);
    pnb_emit_push(&d, &push, sizeof push);
    pnb_emit_spread(&d, l, rows * push.segments);
    d.gbyte = gbyte_of(a, 2);
    return pnb_lower_emit(l, &d);
}

const pnb_op pnb_op_group_norm = {.name = "group_norm", .vjp = group_norm_vjp, .lower = group_norm_lower, .inplace = 1u << IN_X,
                                  .reads_half = 1u << IN_X, .keeps_half = 1u << IN_X};

static pnb_status check_vector(pnb_graph *g, const char *role, pnb_tensor t, uint32_t channels) {
    PNB_TRY(pnb_graph_check(g, "group_norm", role, t));
    uint64_t count = pnb_shape_count(pnb_graph_shape(g, t));
    if (count == channels) return PNB_OK;
    return pnb_fail(pnb_graph_error(g), PNB_ERROR_INPUT, "group_norm: %s has %llu values, x has %u channels", role,
                    (unsigned long long)count, channels);
}

pnb_status pnb_group_norm(pnb_graph *g, pnb_tensor x, pnb_tensor gamma, pnb_tensor beta, pnb_tensor scale_shift, uint32_t groups,
                          float eps, bool silu, pnb_tensor *y) {
    PNB_TRY(pnb_graph_check(g, "group_norm", "x", x));
    pnb_shape s = pnb_graph_shape(g, x);
    char text[48];
    if (s.rank < 2) {
        return pnb_fail(pnb_graph_error(g), PNB_ERROR_INPUT, "group_norm: x has shape %s, expected [N,C,...]", pnb_shape_text(s, text));
    }
    if (!groups || s.d[1] % groups) {
        return pnb_fail(pnb_graph_error(g), PNB_ERROR_INPUT, "group_norm: %u channels cannot be cut into %u groups", s.d[1], groups);
    }
    PNB_TRY(check_vector(g, "gamma", gamma, s.d[1]));
    PNB_TRY(check_vector(g, "beta", beta, s.d[1]));
    if (scale_shift != PNB_NONE) {
        PNB_TRY(pnb_graph_check(g, "group_norm", "scale_shift", scale_shift));
        pnb_shape ss = pnb_graph_shape(g, scale_shift);
        if (ss.d[0] != s.d[0] || pnb_shape_count(ss) != 2ull * s.d[0] * s.d[1]) {
            return pnb_fail(pnb_graph_error(g), PNB_ERROR_INPUT, "group_norm: scale_shift expects shape [%u,%u], found %s", s.d[0],
                            2 * s.d[1], pnb_shape_text(ss, text));
        }
    }
    attributes a = {.batch = s.d[0], .channels = s.d[1], .groups = groups, .pixels = (s.rank > 2 ? s.d[2] : 1) * (s.rank > 3 ? s.d[3] : 1),
                    .eps = eps, .silu = silu};
    uint64_t length = (uint64_t)a.pixels * (a.channels / groups);
    a.chunks = 1;
    if (length > CHUNK_ABOVE) a.chunks = (uint32_t)((length + CHUNK_LENGTH - 1) / CHUNK_LENGTH);
    if (a.chunks > CHUNKS_MOST) a.chunks = CHUNKS_MOST;
    a.chunk_length = (uint32_t)(((length + a.chunks - 1) / a.chunks + 3) / 4 * 4);
    a.chunks = (uint32_t)((length + a.chunk_length - 1) / a.chunk_length);
    pnb_tensor in[4] = {x, gamma, beta, scale_shift};
    pnb_shape out[3] = {s, pnb_shape3(a.batch, groups, 4), pnb_shape4(a.batch, groups, a.chunks, 4)};
    return pnb_graph_add(g, &pnb_op_group_norm, in, 4, 0, &a, sizeof a, out, a.chunks > 1 ? 3 : 2, y, 1);
}

/* ---- cases: arg = {groups, silu, scale_shift, 1: x^2 is added, so that gradients meet in x}, farg = {eps} --------- */

static pnb_status build(pnb_graph *g, const pnb_op_case *c, const pnb_tensor *in, pnb_tensor *out) {
    pnb_tensor square;
    PNB_TRY(pnb_group_norm(g, in[0], in[1], in[2], c->arg[2] ? in[3] : PNB_NONE, (uint32_t)c->arg[0], c->farg[0], c->arg[1] != 0, out));
    if (!c->arg[3]) return PNB_OK;
    PNB_TRY(pnb_unary_op(g, PNB_SQUARE, in[0], &square));
    return pnb_add(g, *out, square, out);
}

static void reference(const pnb_op_case *c, const double *const *in, double *out) {
    size_t C = c->in[0].d[1], N = c->in[0].d[0], S = pnb_shape_count(c->in[0]) / (N * C);
    size_t G = (size_t)c->arg[0], W = C / G, D = W * S;
    for (size_t group = 0; group < N * G; group++) {
        const double *x = in[0] + group * D;
        double mean = 0, var = 0;
        for (size_t i = 0; i < D; i++) mean += x[i] / (double)D;
        for (size_t i = 0; i < D; i++) var += (x[i] - mean) * (x[i] - mean) / (double)D;
        double rstd = 1 / sqrt(var + (double)c->farg[0]);
        for (size_t i = 0; i < D; i++) {
            size_t n = group / G, ch = group % G * W + i / S;
            double v = (x[i] - mean) * rstd * in[1][ch] + in[2][ch];
            if (c->arg[2]) v = v * (1 + in[3][n * 2 * C + ch]) + in[3][n * 2 * C + C + ch];
            out[group * D + i] = (c->arg[1] ? v / (1 + exp(-v)) : v) + c->arg[3] * x[i] * x[i];
        }
    }
}

#define NORM_IN(n, c, h, w) .n_in = 4, .in = {{4, {n, c, h, w}}, {1, {c, 1, 1, 1}}, {1, {c, 1, 1, 1}}, {2, {n, 2 * (c), 1, 1}}}
#define NO_SS .no_grad = 8

static const pnb_op_case cases[] = {
    {.name = "n2 c8 5x7 g4", NORM_IN(2, 8, 5, 7), NO_SS, .arg = {4, 0, 0}, .farg = {1e-5f}},
    {.name = "n2 c8 4x4 g2 silu", NORM_IN(2, 8, 4, 4), NO_SS, .arg = {2, 1, 0}, .farg = {1e-5f}},
    {.name = "n3 c6 3x3 g2 scale-shift", NORM_IN(3, 6, 3, 3), .arg = {2, 0, 1}, .farg = {1e-6f}},
    {.name = "n2 c12 8x8 g3 scale-shift silu", NORM_IN(2, 12, 8, 8), .arg = {3, 1, 1}, .farg = {1e-5f}},
    {.name = "n1 c4 2x2 g4 one channel a group", NORM_IN(1, 4, 2, 2), NO_SS, .arg = {4, 1, 0}, .farg = {1e-5f}},
    {.name = "n2 c32 1x1 g32 one value a group", NORM_IN(2, 32, 1, 1), .no_grad = 9, .arg = {32, 0, 0}, .farg = {1e-5f}},
    {.name = "n2 c6 t10 rank 3", .n_in = 3, .in = {{3, {2, 6, 10, 1}}, {1, {6, 1, 1, 1}}, {1, {6, 1, 1, 1}}}, .arg = {3, 1, 0}, .farg = {1e-5f}},
    {.name = "offset 100", NORM_IN(1, 8, 16, 16), NO_SS, .shift = {100}, .arg = {2, 0, 0}, .farg = {1e-5f}},
    {.name = "offset 100 deviation 0.01 silu", NORM_IN(2, 4, 8, 8), NO_SS, .scale = {0.01f}, .shift = {100}, .arg = {2, 1, 0}, .farg = {1e-5f}},
    {.name = "scale 1e-4", NORM_IN(2, 8, 6, 6), NO_SS, .scale = {1e-4f}, .arg = {4, 0, 0}, .farg = {1e-5f}},
    {.name = "scale 1e4 silu", NORM_IN(1, 4, 8, 8), NO_SS, .scale = {1e4f, 30}, .arg = {2, 1, 0}, .farg = {1e-5f}},
    {.name = "n2 c32 4x4 g16 silu, groups whole", NORM_IN(2, 32, 4, 4), NO_SS, .arg = {16, 1, 0}, .farg = {1e-5f}},
    {.name = "n5 c64 4x6 g32 scale-shift silu, groups whole", NORM_IN(5, 64, 4, 6), .arg = {32, 1, 1}, .farg = {1e-5f}},
    {.name = "n9 c32 8x12 g32 scale-shift, groups whole", NORM_IN(9, 32, 8, 12), .arg = {32, 0, 1}, .farg = {1e-5f}},
    {.name = "n3 c24 16x20 g12 offset, groups whole", NORM_IN(3, 24, 16, 20), NO_SS, .scale = {0.01f}, .shift = {100}, .arg = {12, 1, 0}, .farg = {1e-5f}},
    {.name = "n1 c32 48x32 g32 groups whole", NORM_IN(1, 32, 48, 32), NO_SS, .shift = {-3}, .arg = {32, 1, 0}, .farg = {1e-5f}},
    {.name = "n2 c8 6x6 g4 silu, and x^2", NORM_IN(2, 8, 6, 6), NO_SS, .arg = {4, 1, 0, 1}, .farg = {1e-5f}},
    {.name = "n2 c8 3x5 g4 scale-shift, and x^2", NORM_IN(2, 8, 3, 5), .arg = {4, 0, 1, 1}, .farg = {1e-5f}},
    {.name = "n9 c32 4x8 g32 scale-shift silu, and x^2", NORM_IN(9, 32, 4, 8), .arg = {32, 1, 1, 1}, .farg = {1e-5f}},
    {.name = "n1 c3 121x111 g1 in chunks", NORM_IN(1, 3, 121, 111), NO_SS, .shift = {3}, .arg = {1, 1, 0}, .farg = {1e-5f}, .bench = true},
    {.name = "n2 c4 128x160 g2 in chunks", NORM_IN(2, 4, 128, 160), .shift = {-20}, .arg = {2, 1, 1}, .farg = {1e-5f}, .bench = true},
    {.name = "n8 c64 32x32 g32 silu", NORM_IN(8, 64, 32, 32), NO_SS, .arg = {32, 1, 0}, .farg = {1e-5f}, .bench = true},
};

const pnb_op_suite pnb_suite_group_norm = {"group_norm", cases, sizeof cases / sizeof cases[0], build, reference, .flops = NULL,
                                               .parameters = 1u << 1 | 1u << 2}; /* gamma, beta */

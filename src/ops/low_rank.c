/* Low-rank layers beside a layer: y plus scale * Up(Down(x)) in some of its rows, for linear layers and convolutions.
 *
 * Down makes r channels (the ranks) with the layer's own kernel, Up is a matrix. With few channels on one side these products
 * are bound by loads and stores, so they have thin kernels that read each activation once, take the weights unpacked, and add to
 * what is there: the forward to the layer's output, the input gradient to the layer's input gradient (add_to, used by add_rows).
 * All of it is one trilinear form, sum w[r,c,t] z[n,r,p] x[n,c,p+t], and its derivatives by z, x and w are each other's.
 * Weight gradients are partial sums over a few runs of rows (more on a GPU, to fill it), the last dimension of their tensor, so that an optimiser can add them
 * up itself; reduce_rows does it for all others. The low-rank part of a linear layer is one dispatch, and its weight gradients
 * another. Shapes that none of these serves are made of conv2d and linear. */
#include "ops/low_rank.h"

#include "graph/op.h"
#include "ops/emit.h"
#include "ops/load.h"
#include "ops/low_rank_linear.h"
#include "ops/ops.h"
#include "ops/suite.h"

#include <string.h>

enum { X, WEIGHT, BASE }; /* inputs of the product; of the weight gradient X (many channels), then: */
enum { Z = 1 };
enum { CPU_SPLITS = 4, GPU_SPLITS = 32, MANY = 4, MOST_T = 8 };

typedef struct attributes {
    uint32_t taps;    /* 1, or 9 for 3x3 with padding 1 */
    bool expand;      /* from the ranks to the many channels */
    bool rank_fast;   /* the weight is [channels, ranks], else [ranks, channels, taps] */
    uint32_t begin;   /* with a base: the first row that is added to */
    float scale;
} attributes;

static attributes attributes_of(const pnb_node *node) {
    attributes at;
    memcpy(&at, node->attr, sizeof at);
    return at;
}

/* Whether the weight's first dimension is the one that is summed over. */
static bool made_fast(const attributes *at) { return at->expand != at->rank_fast; }

extern const pnb_op pnb_op_low_rank, pnb_op_low_rank_weights;

static pnb_status product(pnb_graph *g, pnb_tensor x, pnb_tensor weight, pnb_tensor base, attributes at, pnb_tensor *y);

/* ---- planes ------------------------------------------------------------------------------------------------------- */

/* A plane of pixels as rows of vec4s; without a 3x3 window to mind, as `wanted` rows if they come out even. */
typedef struct grid {
    uint32_t height, width4;
} grid;

static grid grid_of(pnb_shape s, uint32_t taps, uint32_t wanted) {
    uint32_t vec4s = s.d[2] * s.d[3] / 4;
    if (taps == 9) return (grid){s.d[2], s.d[3] / 4};
    while (vec4s % wanted) wanted /= 2;
    return (grid){wanted, vec4s / wanted};
}

/* Channels that an invocation makes: 8, or 4 where they are no multiple of 8. */
static uint32_t made_together(uint32_t channels) { return channels % MOST_T == 0 ? MOST_T : 4; }

static pnb_load load_of(const pnb_lower *l, pnb_tensor a, pnb_tensor b, pnb_tensor c) {
    pnb_load load = pnb_load_choose(l, a, b);
    return load == PNB_LOAD_STORAGE || pnb_emit_texel(l, c) ? load : PNB_LOAD_STORAGE;
}

/* Whether sizes are known when SPIR-V is made, for drivers with quads (load.h). */
static bool is_fixed(const pnb_lower *l, pnb_load load) { return load == PNB_LOAD_STORAGE && pnb_load_quad(l); }

/* ---- the product ------------------------------------------------------------------------------------------------ */

/* Rows of an invocation: more reuse the weights better. On a CPU it does not depend on the size, for a driver compiles each number
 * anew, which is slow there: four pay where many channels are summed. On GPUs one: more leave registers for few subgroups. */
static uint32_t product_rows(const pnb_lower *l, const attributes *at, pnb_shape x) {
    uint32_t rows = !pnb_lower_caps(l)->is_cpu ? 1 : at->expand || at->taps == 1 ? 2 : 4;
    while (at->taps == 9 && x.d[2] % rows) rows /= 2;
    return rows;
}

/* All of a to y, where the planner could not let y take a's place. */
static pnb_status copy_base(pnb_lower *l, pnb_tensor a, pnb_tensor y) {
    uint32_t count = pnb_emit_count(l, y);
    return pnb_emit_rows(l, &(pnb_row_copy){.from = a, .to = y, .label = "low_rank copy", .rows = 1, .length = count, .inside_end = count});
}

static pnb_status lower(pnb_lower *l, const pnb_node *node) {
    static const char *const shader[] = {"ops/low_rank", "ops/low_rank.texel", "ops/low_rank.spread"};
    static const char *const fixed[2][2] = {{"ops/low_rank.fixed_1", "ops/low_rank.fixed_1_made_fast"},
                                            {"ops/low_rank.fixed_9", "ops/low_rank.fixed_9_made_fast"}};
    attributes at = attributes_of(node);
    pnb_tensor x = node->in[X], y = node->out[0];
    pnb_shape sx = pnb_lower_shape(l, x);
    uint32_t made = pnb_lower_shape(l, node->in[WEIGHT]).d[made_fast(&at) ? 1 : 0];
    bool update = node->in[BASE] != PNB_NONE;
    if (update && !pnb_lower_same_memory(l, node->in[BASE], y)) PNB_TRY(copy_base(l, node->in[BASE], y));

    pnb_load load = load_of(l, x, node->in[WEIGHT], update ? y : x);
    bool known = is_fixed(l, load) && (at.taps == 9 ? sx.d[2] % PNB_LOW_RANK_FIXED_ROWS == 0 : sx.d[2] * sx.d[3] % 8 == 0);
    uint32_t rows = known ? PNB_LOW_RANK_FIXED_ROWS : product_rows(l, &at, sx), t = known ? PNB_LOW_RANK_FIXED_T : made_together(made);
    grid plane = grid_of(sx, at.taps, rows);
    if (plane.height % rows) rows = plane.height; /* a plane of an odd number of vec4s */
    pnb_push_low_rank push = {
        .batch = sx.d[0],
        .summed = sx.d[1],
        .made = made,
        .height = plane.height,
        .width4 = plane.width4,
        .row_blocks = plane.height / rows,
        .count = sx.d[0] * (plane.height / rows) * plane.width4,
        .begin4 = update ? at.begin * made * plane.height * plane.width4 : 0,
        .update = update,
        .scale = at.scale,
    };
    bool gpu = !pnb_lower_caps(l)->is_cpu && load == PNB_LOAD_STORAGE;
    const char *name = known ? fixed[at.taps == 9][made_fast(&at)] : gpu ? "ops/low_rank.gpu" : shader[load];
    pnb_dispatch d = pnb_emit_begin(l, name, at.expand ? "low_rank up" : "low_rank down");
    pnb_emit_read(&d, x, load != PNB_LOAD_STORAGE);
    pnb_emit_read(&d, node->in[WEIGHT], load != PNB_LOAD_STORAGE);
    pnb_emit_read(&d, update ? y : x, load != PNB_LOAD_STORAGE); /* x: bound, never read */
    pnb_emit_write(&d, y);
    uint32_t lanes = pnb_lower_caps(l)->subgroup_size, local = pnb_load_local(l, push.count);
    d.spec[0] = local;
    const uint32_t spec[] = {at.taps, t, rows, made_fast(&at), lanes, at.taps == 9 && lanes % plane.width4 != 0};
    for (size_t i = 0; !known && i < sizeof spec / sizeof *spec; i++) pnb_emit_spec(&d, spec[i]);
    pnb_emit_push(&d, &push, sizeof push);
    pnb_groups_1d(pnb_lower_caps(l), push.count, local, d.groups);
    d.groups[2] = push.made / t;
    double pixels = (double)push.batch * sx.d[2] * sx.d[3];
    d.gflop = 2e-9 * pixels * push.summed * push.made * at.taps;
    d.gbyte = 4e-9 * pixels * (push.summed + push.made * (update ? 2.0 : 1.0));
    return pnb_lower_emit(l, &d);
}

/* The rows of a gradient that a product with a base was added to, else all. */
static pnb_status part_of(pnb_graph *g, const pnb_node *node, attributes at, pnb_tensor gy, pnb_tensor *out) {
    *out = gy;
    if (node->in[BASE] == PNB_NONE) return PNB_OK;
    return pnb_graph_slice0(g, gy, at.begin, pnb_graph_shape(g, node->in[X]).d[0], out);
}

static pnb_status weight_grad(pnb_graph *g, pnb_tensor x, pnb_tensor z, pnb_shape weight, attributes at, pnb_tensor *out);

static pnb_status vjp(pnb_graph *g, const pnb_node *node, const pnb_tensor *gout, uint32_t want, pnb_tensor *gin) {
    attributes at = attributes_of(node), back = at;
    pnb_tensor x = node->in[X], weight = node->in[WEIGHT], gy;
    back.expand = !at.expand;
    if (want & 1u << BASE) gin[BASE] = gout[0];
    if (!(want & (1u << X | 1u << WEIGHT))) return PNB_OK;
    PNB_TRY(part_of(g, node, at, gout[0], &gy));
    if (want & 1u << X) PNB_TRY(product(g, gy, weight, PNB_NONE, back, &gin[X]));
    if (want & 1u << WEIGHT)
        PNB_TRY(weight_grad(g, at.expand ? gy : x, at.expand ? x : gy, pnb_graph_shape(g, weight), at, &gin[WEIGHT]));
    return PNB_OK;
}

/* The same product, added to the rows of a. */
static pnb_status add_to(pnb_graph *g, const pnb_node *node, pnb_tensor a, uint32_t begin, float scale, pnb_tensor *y) {
    attributes at = attributes_of(node);
    at.begin = begin;
    at.scale *= scale;
    return product(g, node->in[X], node->in[WEIGHT], a, at, y);
}

const pnb_op pnb_op_low_rank = {.name = "low_rank", .vjp = vjp, .lower = lower, .add_to = add_to, .inplace = 1u << BASE};

/* Checked by the callers: shapes that fits() allows. base PNB_NONE, or what the product is added to from row at.begin on. */
static pnb_status product(pnb_graph *g, pnb_tensor x, pnb_tensor weight, pnb_tensor base, attributes at, pnb_tensor *y) {
    pnb_shape shape = pnb_graph_shape(g, x), w = pnb_graph_shape(g, weight);
    shape.d[1] = w.d[made_fast(&at) ? 1 : 0];
    if (base != PNB_NONE) shape = pnb_graph_shape(g, base);
    pnb_tensor in[] = {x, weight, base};
    return pnb_graph_add(g, &pnb_op_low_rank, in, 3, 0, &at, sizeof at, &shape, 1, y, 1);
}

/* ---- weight gradients --------------------------------------------------------------------------------------------- */

static pnb_status weights_lower(pnb_lower *l, const pnb_node *node) {
    static const char *const shader[] = {"ops/low_rank_weights", "ops/low_rank_weights.texel", "ops/low_rank_weights.spread"};
    attributes at = attributes_of(node);
    pnb_shape x = pnb_lower_shape(l, node->in[X]), z = pnb_lower_shape(l, node->in[Z]);
    bool cpu = pnb_lower_caps(l)->is_cpu;
    pnb_load load = pnb_load_choose(l, node->in[X], node->in[Z]);
    grid plane = grid_of(x, at.taps, x.d[2]);
    bool known = is_fixed(l, load);
    uint32_t t = known ? PNB_LOW_RANK_FIXED_T : made_together(z.d[1]), local = cpu ? 8 : 32;
    uint32_t wide = cpu && !known && at.taps == 1 && x.d[1] >= MANY * local ? MANY : 1;
    pnb_push_low_rank push = {
        .batch = x.d[0],
        .summed = x.d[1],
        .made = z.d[1],
        .height = plane.height,
        .width4 = plane.width4,
        .splits = pnb_lower_shape(l, node->out[0]).d[1],
        .scale = at.scale,
    };
    bool gpu = !cpu && load == PNB_LOAD_STORAGE;
    const char *name = gpu ? "ops/low_rank_weights.gpu" : shader[load];
    if (known) name = at.taps == 9 ? "ops/low_rank_weights.fixed_9" : "ops/low_rank_weights.fixed_1";
    pnb_dispatch d = pnb_emit_begin(l, name, "low_rank weight grad");
    pnb_emit_read(&d, node->in[X], load != PNB_LOAD_STORAGE);
    pnb_emit_read(&d, node->in[Z], load != PNB_LOAD_STORAGE);
    pnb_emit_write(&d, node->out[0]);
    d.spec[0] = local;
    const uint32_t spec[] = {at.taps, t, wide, at.rank_fast, pnb_lower_caps(l)->subgroup_size};
    for (size_t i = 0; i < sizeof spec / sizeof *spec; i++) pnb_emit_spec(&d, spec[i]);
    pnb_emit_push(&d, &push, sizeof push);
    d.groups[0] = (push.summed + local * wide - 1) / (local * wide);
    d.groups[1] = push.made / t;
    d.groups[2] = push.splits * (gpu && at.taps == 9 ? 3 : 1); /* there, by rows of taps */
    d.gflop = 2e-9 * (double)pnb_shape_count(x) * push.made * at.taps;
    d.gbyte = 4e-9 * (double)(pnb_shape_count(x) + pnb_shape_count(z));
    return pnb_lower_emit(l, &d);
}

const pnb_op pnb_op_low_rank_weights = {.name = "low_rank_weights", .lower = weights_lower};

static pnb_status weight_grad(pnb_graph *g, pnb_tensor x, pnb_tensor z, pnb_shape weight, attributes at, pnb_tensor *out) {
    uint32_t splits = pnb_graph_caps(g)->is_cpu ? CPU_SPLITS : GPU_SPLITS;
    pnb_shape shape = pnb_shape2((uint32_t)pnb_shape_count(weight), splits);
    pnb_tensor in[] = {x, z}, parts;
    PNB_TRY(pnb_graph_add(g, &pnb_op_low_rank_weights, in, 2, 0, &at, sizeof at, &shape, 1, &parts, 1));
    PNB_TRY(pnb_reduce_rows(g, PNB_SUM, parts, &parts));
    return pnb_graph_reshape(g, parts, weight, out);
}

/* ---- linear layers ------------------------------------------------------------------------------------------------ */

enum { LINEAR_X, LINEAR_DOWN, LINEAR_UP, LINEAR_BASE }; /* inputs; outputs: y, and z for the gradient of Up */
enum { GRAD_Y, GRAD_X, GRAD_UP, GRAD_Z };               /* of the gradient; outputs: of Down, of Up, of z */

/* x [N,C] beside y [N,O] from row begin on. */
static bool linear_fits(pnb_shape x, pnb_shape down, pnb_shape up, uint32_t begin) {
    uint32_t rows = x.d[0] - begin, ranks = down.d[0];
    return x.rank == 2 && (ranks | down.d[1] | up.d[0]) % 4 == 0 && ranks <= PNB_LOW_RANK_RANKS && rows <= PNB_LOW_RANK_SHARED / ranks;
}

static pnb_push_low_rank_linear linear_push(const pnb_lower *l, pnb_tensor x, pnb_tensor up, attributes at) {
    pnb_shape sx = pnb_lower_shape(l, x), su = pnb_lower_shape(l, up);
    return (pnb_push_low_rank_linear){.rows = sx.d[0],
                                      .channels = sx.d[1],
                                      .ranks = su.d[1],
                                      .outputs = su.d[0],
                                      .begin4 = at.begin * su.d[0] / 4,
                                      .scale = at.scale};
}

static bool all_texels(const pnb_lower *l, const pnb_tensor *t, uint32_t n) {
    bool texel = true;
    for (uint32_t i = 0; i < n; i++) texel = texel && pnb_emit_texel(l, t[i]);
    return texel;
}

static pnb_status linear_lower(pnb_lower *l, const pnb_node *node) {
    pnb_tensor y = node->out[0], in[] = {node->in[LINEAR_X], node->in[LINEAR_DOWN], node->in[LINEAR_UP], y};
    if (!pnb_lower_same_memory(l, node->in[LINEAR_BASE], y)) PNB_TRY(copy_base(l, node->in[LINEAR_BASE], y));
    pnb_push_low_rank_linear push = linear_push(l, in[LINEAR_X], in[LINEAR_UP], attributes_of(node));
    bool texel = all_texels(l, in, 4);
    pnb_dispatch d = pnb_emit_begin(l, texel ? "ops/low_rank_linear.texel" : "ops/low_rank_linear", "low_rank linear");
    for (int i = 0; i < 4; i++) pnb_emit_read(&d, in[i], texel);
    pnb_emit_write(&d, y);
    pnb_emit_write(&d, node->out[1]);
    pnb_emit_push(&d, &push, sizeof push);
    d.groups[0] = pnb_divide_up(push.rows, PNB_LOW_RANK_ROWS);
    d.groups[1] = d.groups[2] = 1;
    d.gflop = 2e-9 * push.rows * push.ranks * (push.channels + (double)push.outputs);
    return pnb_lower_emit(l, &d);
}

/* Shared memory for so many: on GPUs no more than that needs (rounded up to a power of two, for fewer kernels), since it bounds how
 * many workgroups fit. */
static uint32_t shared_floats(const pnb_gpu_caps *caps, uint32_t needed) {
    uint32_t floats = PNB_LOW_RANK_SHARED;
    while (!caps->is_cpu && floats / 2 >= needed && floats > 64) floats /= 2;
    return floats;
}

static pnb_status linear_grad_lower(pnb_lower *l, const pnb_node *node) {
    enum { ITEMS = 512, MOST_GROUPS = 16 }; /* vec4s of weights that a workgroup takes */
    pnb_push_low_rank_linear push = linear_push(l, node->in[GRAD_X], node->in[GRAD_UP], attributes_of(node));
    bool texel = all_texels(l, node->in, 4);
    uint32_t groups = pnb_divide_up((push.outputs + push.channels) * (push.ranks / 4), ITEMS);
    pnb_dispatch d = pnb_emit_begin(l, texel ? "ops/low_rank_linear_grad.texel" : "ops/low_rank_linear_grad", "low_rank linear grad");
    for (int i = 0; i < 4; i++) pnb_emit_read(&d, node->in[i], texel);
    for (int i = 0; i < 3; i++) pnb_emit_write(&d, node->out[i]);
    pnb_emit_spec(&d, shared_floats(pnb_lower_caps(l), push.rows * push.ranks));
    pnb_emit_push(&d, &push, sizeof push);
    d.groups[0] = groups < MOST_GROUPS ? groups : MOST_GROUPS;
    d.groups[1] = d.groups[2] = 1;
    d.gflop = 2e-9 * push.rows * push.ranks * (push.channels + 2.0 * push.outputs);
    return pnb_lower_emit(l, &d);
}

const pnb_op pnb_op_low_rank_linear_grad = {.name = "low_rank_linear_grad", .lower = linear_grad_lower};

static pnb_status linear_vjp(pnb_graph *g, const pnb_node *node, const pnb_tensor *gout, uint32_t want, pnb_tensor *gin) {
    attributes at = attributes_of(node);
    pnb_tensor x = node->in[LINEAR_X], down = node->in[LINEAR_DOWN], up = node->in[LINEAR_UP], z = node->out[1], made[3];
    if (want & 1u << LINEAR_BASE) gin[LINEAR_BASE] = gout[0];
    if (!(want & (1u << LINEAR_X | 1u << LINEAR_DOWN | 1u << LINEAR_UP))) return PNB_OK;
    pnb_tensor in[] = {gout[0], x, up, z};
    pnb_shape shapes[] = {pnb_graph_shape(g, down), pnb_graph_shape(g, up), pnb_graph_shape(g, z)};
    PNB_TRY(pnb_graph_slice0(g, gout[0], at.begin, shapes[2].d[0], &in[GRAD_Y]));
    PNB_TRY(pnb_graph_add(g, &pnb_op_low_rank_linear_grad, in, 4, 0, &at, sizeof at, shapes, 3, made, 3));
    if (want & 1u << LINEAR_X) PNB_TRY(pnb_matmul(g, made[2], down, false, false, 1, &gin[LINEAR_X]));
    if (want & 1u << LINEAR_DOWN) gin[LINEAR_DOWN] = made[0];
    if (want & 1u << LINEAR_UP) gin[LINEAR_UP] = made[1];
    return PNB_OK;
}

const pnb_op pnb_op_low_rank_linear = {
    .name = "low_rank_linear", .vjp = linear_vjp, .lower = linear_lower, .inplace = 1u << LINEAR_BASE};

static pnb_status linear_part(pnb_graph *g, pnb_tensor y, pnb_tensor rows, pnb_tensor down, pnb_tensor up, uint32_t begin, float scale,
                              pnb_tensor *out) {
    attributes at = {.begin = begin, .scale = scale};
    pnb_tensor in[] = {rows, down, up, y};
    pnb_shape shapes[] = {pnb_graph_shape(g, y), pnb_shape2(pnb_graph_shape(g, rows).d[0], pnb_graph_shape(g, down).d[0])};
    return pnb_graph_add(g, &pnb_op_low_rank_linear, in, 4, 0, &at, sizeof at, shapes, 2, out, 1);
}

/* ---- builder ---------------------------------------------------------------------------------------------------- */

/* Whether the thin kernels serve this layer: everything is read as vec4s. */
static bool fits(pnb_shape x, pnb_shape down, pnb_shape up, uint32_t stride, uint32_t pad) {
    if (x.rank != 4 || stride != 1 || (down.d[0] | down.d[1] | up.d[0]) % 4) return false;
    if (down.d[2] == 3 && down.d[3] == 3) return pad == 1 && x.d[3] % 4 == 0;
    return down.d[2] == 1 && down.d[3] == 1 && pad == 0 && x.d[2] * x.d[3] % 4 == 0;
}

static pnb_status check(pnb_graph *g, pnb_shape x, pnb_shape down, pnb_shape up) {
    char td[48], tu[48], tx[48];
    bool ranks = down.rank == x.rank && up.rank == x.rank && (x.rank == 2 || x.rank == 4);
    if (ranks && down.d[1] == x.d[1] && up.d[1] == down.d[0] && up.d[2] == 1 && up.d[3] == 1) return PNB_OK;
    return pnb_fail(pnb_graph_error(g), PNB_ERROR_INPUT,
                    "low_rank: down %s and up %s do not fit x %s (expected [r,C,kh,kw] and [O,r,1,1] for [N,C,H,W], or [r,C] and [O,r] for [N,C])",
                    pnb_shape_text(down, td), pnb_shape_text(up, tu), pnb_shape_text(x, tx));
}

pnb_status pnb_low_rank(pnb_graph *g, pnb_tensor y, pnb_tensor x, pnb_tensor down, pnb_tensor up, uint32_t stride, uint32_t pad,
                        uint32_t begin, float scale, pnb_tensor *out) {
    static const char *const roles[] = {"y", "x", "down", "up"};
    pnb_tensor in[] = {y, x, down, up}, rows;
    for (int i = 0; i < 4; i++) PNB_TRY(pnb_graph_check(g, "low_rank", roles[i], in[i]));
    pnb_shape sx = pnb_graph_shape(g, x), sd = pnb_graph_shape(g, down), su = pnb_graph_shape(g, up);
    PNB_TRY(check(g, sx, sd, su));
    if (begin >= sx.d[0])
        return pnb_fail(pnb_graph_error(g), PNB_ERROR_INPUT, "low_rank: begins at row %u, x has %u", begin, sx.d[0]);
    PNB_TRY(pnb_graph_slice0(g, x, begin, sx.d[0] - begin, &rows));
    if (linear_fits(sx, sd, su, begin)) return linear_part(g, y, rows, down, up, begin, scale, out);
    if (fits(sx, sd, su, stride, pad)) {
        attributes at = {.taps = sd.d[2] * sd.d[3], .scale = 1}, of_up = {.taps = 1, .expand = true, .rank_fast = true, .scale = 1};
        PNB_TRY(product(g, rows, down, PNB_NONE, at, &rows));
        PNB_TRY(product(g, rows, up, PNB_NONE, of_up, &rows));
    } else if (sx.rank == 4) {
        PNB_TRY(pnb_conv2d(g, rows, down, PNB_NONE, stride, pad, &rows));
        PNB_TRY(pnb_conv2d(g, rows, up, PNB_NONE, 1, 0, &rows));
    } else {
        PNB_TRY(pnb_linear(g, rows, down, PNB_NONE, &rows));
        PNB_TRY(pnb_linear(g, rows, up, PNB_NONE, &rows));
    }
    return pnb_add_rows(g, y, rows, begin, scale, out);
}

/* ---- cases: inputs y, x, down, up; arg: stride, pad, begin; farg: scale --------------------------------------------- */

static pnb_status case_build(pnb_graph *g, const pnb_op_case *c, const pnb_tensor *in, pnb_tensor *out) {
    return pnb_low_rank(g, in[0], in[1], in[2], in[3], (uint32_t)c->arg[0], (uint32_t)c->arg[1], (uint32_t)c->arg[2], c->farg[0], out);
}

/* One value of Down: rank r at row i, column j of sample n. */
static double case_down(const pnb_op_case *c, const double *const *in, size_t n, size_t r, long i, long j) {
    pnb_shape x = c->in[1], w = c->in[2];
    double sum = 0;
    for (size_t s = 0; s < x.d[1]; s++)
        for (long u = 0; u < (long)w.d[2]; u++)
            for (long v = 0; v < (long)w.d[3]; v++) {
                long a = i * c->arg[0] + u - c->arg[1], b = j * c->arg[0] + v - c->arg[1];
                if (a < 0 || b < 0 || a >= (long)x.d[2] || b >= (long)x.d[3]) continue;
                sum += in[2][((r * x.d[1] + s) * w.d[2] + (size_t)u) * w.d[3] + (size_t)v] *
                       in[1][((n * x.d[1] + s) * x.d[2] + (size_t)a) * x.d[3] + (size_t)b];
            }
    return sum;
}

static void case_reference(const pnb_op_case *c, const double *const *in, double *out) {
    pnb_shape y = c->in[0];
    size_t ranks = c->in[2].d[0], plane = (size_t)y.d[2] * y.d[3];
    memcpy(out, in[0], pnb_shape_count(y) * sizeof *out);
    for (size_t n = (size_t)c->arg[2]; n < y.d[0]; n++)
        for (size_t r = 0; r < ranks; r++)
            for (size_t p = 0; p < plane; p++) {
                double low = (double)c->farg[0] * case_down(c, in, n, r, (long)(p / y.d[3]), (long)(p % y.d[3]));
                for (size_t o = 0; o < y.d[1]; o++) out[(n * y.d[1] + o) * plane + p] += in[3][o * ranks + r] * low;
            }
}

static double case_flops(const pnb_op_case *c) {
    pnb_shape x = c->in[1], y = c->in[0], w = c->in[2];
    return 2.0 * (x.d[0] - (uint32_t)c->arg[2]) * y.d[2] * y.d[3] * w.d[0] * (x.d[1] * w.d[2] * w.d[3] + y.d[1]);
}

#define IMAGE(n, c, o, r, h, w, k, begin)                                                                              \
    .n_in = 4, .in = {{4, {n, o, h, w}}, {4, {n, c, h, w}}, {4, {r, c, k, k}}, {4, {o, r, 1, 1}}}, .arg = {1, k / 2, begin}
#define VECTOR(n, c, o, r, begin)                                                                                      \
    .n_in = 4, .in = {{2, {n, o, 1, 1}}, {2, {n, c, 1, 1}}, {2, {r, c, 1, 1}}, {2, {o, r, 1, 1}}}, .arg = {1, 0, begin}
static const pnb_op_case cases[] = {
    {.name = "3x3 n2 c4 o8 r4 4x4", IMAGE(2, 4, 8, 4, 4, 4, 3, 1), .farg = {1}},
    {.name = "3x3 n4 c12 o16 r8 6x8", IMAGE(4, 12, 16, 8, 6, 8, 3, 2), .farg = {0.5f}},
    {.name = "3x3 n3 c8 o4 r16 5x12", IMAGE(3, 8, 4, 16, 5, 12, 3, 1), .farg = {1}},
    {.name = "3x3 n1 c36 o12 r12 1x4", IMAGE(1, 36, 12, 12, 1, 4, 3, 0), .farg = {1}},
    {.name = "3x3 n2 c4 o4 r8 2x36", IMAGE(2, 4, 4, 8, 2, 36, 3, 1), .farg = {-2}},
    {.name = "1x1 n2 c8 o24 r8 4x4", IMAGE(2, 8, 24, 8, 4, 4, 1, 1), .farg = {1}},
    {.name = "1x1 n3 c4 o8 r4 2x6", IMAGE(3, 4, 8, 4, 2, 6, 1, 1), .farg = {1}},
    {.name = "1x1 n2 c44 o12 r16 16x16", IMAGE(2, 44, 12, 16, 16, 16, 1, 1), .farg = {0.7f}},
    {.name = "1x1 n1 c4 o4 r4 1x4", IMAGE(1, 4, 4, 4, 1, 4, 1, 0), .farg = {1}},
    {.name = "3x3 odd: c5 o7 r3 3x5", IMAGE(3, 5, 7, 3, 3, 5, 3, 1), .farg = {2}},
    {.name = "1x1 odd: c8 o6 r2 3x3", IMAGE(2, 8, 6, 2, 3, 3, 1, 1), .farg = {1}},
    {.name = "3x3 stride 2", .n_in = 4, .in = {{4, {2, 8, 4, 4}}, {4, {2, 4, 8, 8}}, {4, {4, 4, 3, 3}}, {4, {8, 4, 1, 1}}}, .arg = {2, 1, 1}, .farg = {1}},
    {.name = "linear n6 16 to 12 r4", VECTOR(6, 16, 12, 4, 3), .farg = {0.5f}},
    {.name = "linear n3 7 to 5 r2", VECTOR(3, 7, 5, 2, 1), .farg = {1}},
    {.name = "linear n1 4 to 4 r4", VECTOR(1, 4, 4, 4, 0), .farg = {1}},
    {.name = "linear n13 60 to 132 r12", VECTOR(13, 60, 132, 12, 2), .farg = {-1.5f}},
    {.name = "linear n1100 8 to 4 r4, many rows", VECTOR(1100, 8, 4, 4, 3), .farg = {1}},
    {.name = "bench 3x3 32 to 32 r8, 32x32, b16", IMAGE(16, 32, 32, 8, 32, 32, 3, 8), .farg = {1}, .bench = true},
    {.name = "bench 1x1 128 to 384 r8, 8x8, b16", IMAGE(16, 128, 384, 8, 8, 8, 1, 8), .farg = {1}, .bench = true},
    {.name = "bench linear 128 to 256 r8, b16", VECTOR(16, 128, 256, 8, 8), .farg = {1}, .bench = true},
};

const pnb_op_suite pnb_suite_low_rank = {
    .op = "low_rank",
    .cases = cases,
    .count = sizeof cases / sizeof cases[0],
    .build = case_build,
    .reference = case_reference,
    .flops = case_flops,
};

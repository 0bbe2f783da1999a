/* Batched matrix products with all transpositions, a broadcast batch on either side, and an optional bias.
 *
 * Three direct kernels: `wide` for a B that is contiguous along its columns (vec4s of columns), `dot` for operands that are both
 * contiguous along k, and a general one; `quad` is in the place of the first two where there are quads (load.h). Software drivers
 * make large products, and those that only the general kernel would serve, from packed operands; constant ones are packed once. A
 * GPU's matrix units serve graphs that store as 16-bit floats, forward: fp16
 * has not the range of gradients (matmul_cooperative.c). The derivatives are products again:
 *     A as stored [M,K]: dA = G op(B)^T;   [K,M]: dA = op(B) G^T
 *     B as stored [K,N]: dB = op(A)^T G;   [N,K]: dB = G^T op(A)
 * each summed over the batch where the operand was broadcast. */
#include "ops/emit.h"
#include "ops/half.h"
#include "ops/load.h"
#include "ops/matmul_cooperative.h"
#include "ops/matmul_packed.h"
#include "ops/matmul_quad.h"
#include "ops/ops.h"
#include "ops/product.h"
#include "ops/suite.h"

#include <stdio.h>
#include <string.h>

/* Inputs; B may come unpacked beside a packed A. For cooperative matrices, "packed" is a copy as 16-bit floats. */
enum { A, B, BIAS, PACKED_A, PACKED_B };

typedef struct attributes {
    float scale;
    bool trans_a, trans_b;
    uint8_t bias_kind; /* PNB_BIAS_* */
    uint8_t rows, vec4s; /* of the packed kernel's tile; 0: not packed */
    bool cooperative;
} attributes;

/* A product in numbers: sizes, and the batches of the operands. */
typedef struct sizes {
    uint32_t batch, m, n, k, batch_a, batch_b;
} sizes;

static uint32_t batch_of(pnb_shape s) { return s.rank == 3 ? s.d[0] : 1; }
static uint32_t rows_of(pnb_shape s) { return s.d[s.rank - 2]; }
static uint32_t columns_of(pnb_shape s) { return s.d[s.rank - 1]; }

static sizes sizes_of(pnb_shape a, pnb_shape b, bool trans_a, bool trans_b) {
    sizes s = {.batch_a = batch_of(a), .batch_b = batch_of(b)};
    s.batch = s.batch_a > s.batch_b ? s.batch_a : s.batch_b;
    s.m = trans_a ? columns_of(a) : rows_of(a);
    s.k = trans_a ? rows_of(a) : columns_of(a);
    s.n = trans_b ? rows_of(b) : columns_of(b);
    return s;
}

/* ---- derivative ------------------------------------------------------------------------------------------------- */

/* Sums a gradient over the batch if the operand was broadcast, and gives it the operand's shape. */
static pnb_status fit(pnb_graph *g, pnb_tensor grad, pnb_tensor operand, pnb_tensor *out) {
    pnb_shape shape = pnb_graph_shape(g, operand);
    if (batch_of(pnb_graph_shape(g, grad)) > batch_of(shape)) PNB_TRY(pnb_reduce_dim0(g, PNB_SUM, grad, &grad));
    if (pnb_shape_equal(pnb_graph_shape(g, grad), shape)) {
        *out = grad;
        return PNB_OK;
    }
    return pnb_graph_reshape(g, grad, shape, out);
}

static pnb_status bias_grad(pnb_graph *g, pnb_tensor gc, uint32_t kind, pnb_tensor *out) {
    pnb_shape s = pnb_graph_shape(g, gc);
    pnb_shape as = kind == PNB_BIAS_ROW ? pnb_shape4(batch_of(s), rows_of(s), columns_of(s), 1)
                                        : pnb_shape2(batch_of(s) * rows_of(s), columns_of(s));
    PNB_TRY(pnb_graph_reshape(g, gc, as, &gc));
    return pnb_reduce_channels(g, gc, out);
}

static pnb_status multiply(pnb_graph *g, pnb_tensor a, pnb_tensor b, attributes at, pnb_tensor bias, bool forward, pnb_tensor *c);

/* A product of a gradient. */
static pnb_status product(pnb_graph *g, pnb_tensor a, pnb_tensor b, bool trans_a, bool trans_b, float scale, pnb_tensor *c) {
    attributes at = {.scale = scale, .trans_a = trans_a, .trans_b = trans_b};
    return multiply(g, a, b, at, PNB_NONE, false, c);
}

static pnb_status vjp(pnb_graph *g, const pnb_node *node, const pnb_tensor *gout, uint32_t want, pnb_tensor *gin) {
    attributes at;
    memcpy(&at, node->attr, sizeof at);
    pnb_tensor a = node->in[A], b = node->in[B], gc = gout[0], t;
    if (want & 1u << A) {
        if (at.trans_a) PNB_TRY(product(g, b, gc, at.trans_b, true, at.scale, &t));
        else PNB_TRY(product(g, gc, b, false, !at.trans_b, at.scale, &t));
        PNB_TRY(fit(g, t, a, &gin[A]));
    }
    if (want & 1u << B) {
        if (at.trans_b) PNB_TRY(product(g, gc, a, true, at.trans_a, at.scale, &t));
        else PNB_TRY(product(g, a, gc, !at.trans_a, false, at.scale, &t));
        PNB_TRY(fit(g, t, b, &gin[B]));
    }
    if (want & 1u << BIAS && node->in[BIAS] != PNB_NONE) PNB_TRY(bias_grad(g, gc, at.bias_kind, &gin[BIAS]));
    return PNB_OK;
}

/* ---- lowering --------------------------------------------------------------------------------------------------- */

static const char *const wide_shader[] = {"ops/matmul_wide", "ops/matmul_wide.texel", "ops/matmul_wide.spread"};
static const char *const dot_shader[] = {"ops/matmul_dot", "ops/matmul_dot.texel", "ops/matmul_dot.texel"}; /* spread does not pay */

static pnb_push_matmul push_of(sizes s, const attributes *at) {
    uint32_t a_row = at->trans_a ? s.m : s.k, b_row = at->trans_b ? s.k : s.n;
    return (pnb_push_matmul){
        .batch = s.batch,
        .m = s.m,
        .n = s.n,
        .k = s.k,
        .a_batch = s.batch_a == 1 ? 0 : s.m * s.k,
        .a_m = at->trans_a ? 1 : a_row,
        .a_k = at->trans_a ? a_row : 1,
        .b_batch = s.batch_b == 1 ? 0 : s.n * s.k,
        .b_k = at->trans_b ? 1 : b_row,
        .b_n = at->trans_b ? b_row : 1,
        .bias_kind = at->bias_kind,
        .scale = at->scale,
    };
}

static void bind_all(pnb_dispatch *d, const pnb_node *node, bool texel) {
    pnb_emit_read(d, node->in[A], texel);
    pnb_emit_read(d, node->in[B], texel);
    pnb_emit_read(d, node->in[BIAS] != PNB_NONE ? node->in[BIAS] : node->in[A], false); /* A: bound, never read */
    pnb_emit_write(d, node->out[0]);
}

static double gflop_of(sizes s) { return 2e-9 * s.batch * s.m * s.n * s.k; }
static double gbyte_of(sizes s) {
    return 4e-9 * ((double)s.batch_a * s.m * s.k + (double)s.batch_b * s.n * s.k + (double)s.batch * s.m * s.n);
}
static void count_work(pnb_dispatch *d, sizes s) {
    d->gflop = gflop_of(s);
    d->gbyte = gbyte_of(s);
}

/* The shape of the two fast kernels: `rows` by `columns` in an invocation (columns in the kernel's own unit). */
typedef struct tile {
    uint32_t rows, columns;
} tile;

static tile wide_tile(const pnb_lower *l, sizes s) {
    bool cpu = pnb_lower_caps(l)->is_cpu;
    tile t = {8, 1};
    uint64_t lanes = (uint64_t)s.batch * (s.n / 4);
    if (cpu && s.n % 8 == 0 && lanes / 2 * ((s.m + 7) / 8) >= 128) t.columns = 2;
    if (s.m <= 4) t.rows = 4;
    return t;
}

static tile dot_tile(const pnb_lower *l, sizes s) {
    bool cpu = pnb_lower_caps(l)->is_cpu;
    tile t = {8, 1};
    if (cpu && (uint64_t)s.batch * s.n * ((s.m + 7) / 8) >= 512) t.columns = 2;
    if (s.m <= 4) t.rows = 4;
    return t;
}

/* Emits a fast kernel, or leaves *emitted false where the device's group limits do not allow it. */
static pnb_status lower_fast(pnb_lower *l, const pnb_node *node, sizes s, const attributes *at, bool wide, bool *emitted) {
    const pnb_gpu_caps *caps = pnb_lower_caps(l);
    tile t = wide ? wide_tile(l, s) : dot_tile(l, s);
    uint32_t columns = wide ? s.n / 4 / t.columns : (s.n + t.columns - 1) / t.columns;
    bool flat = s.batch_a == 1;
    uint64_t count = flat ? (uint64_t)s.batch * columns : columns;
    uint32_t local = pnb_load_local(l, count);
    uint64_t groups[3] = {(s.m + t.rows - 1) / t.rows, (count + local - 1) / local, flat ? 1 : s.batch};
    *emitted = pnb_load_groups_fit(l, groups);
    if (!*emitted) return PNB_OK;

    pnb_load load = pnb_load_choose(l, node->in[A], node->in[B]);
    const char *shader = wide ? wide_shader[load] : dot_shader[load];
    if (!caps->is_cpu && wide && load == PNB_LOAD_STORAGE) shader = "ops/matmul_wide.gpu";
    pnb_dispatch d = pnb_emit_begin(l, shader, "matmul");
    bind_all(&d, node, load != PNB_LOAD_STORAGE);
    d.spec[0] = local;
    pnb_emit_spec(&d, t.rows);
    pnb_emit_spec(&d, t.columns);
    if (wide) pnb_emit_spec(&d, at->trans_a);
    if (wide && load == PNB_LOAD_SPREAD) pnb_emit_spec(&d, caps->subgroup_size);
    pnb_push_matmul push = push_of(s, at);
    push.count = (uint32_t)count;
    pnb_emit_push(&d, &push, sizeof push);
    for (int i = 0; i < 3; i++) d.groups[i] = (uint32_t)groups[i];
    count_work(&d, s);
    return pnb_lower_emit(l, &d);
}

static pnb_status lower_general(pnb_lower *l, const pnb_node *node, sizes s, const attributes *at) {
    uint64_t count = (uint64_t)s.batch * ((s.m + PNB_MATMUL_BLOCK - 1) / PNB_MATMUL_BLOCK) * s.n;
    pnb_dispatch d = pnb_emit_begin(l, "ops/matmul", "matmul general");
    bind_all(&d, node, false);
    pnb_push_matmul push = push_of(s, at);
    push.count = (uint32_t)count;
    pnb_emit_push(&d, &push, sizeof push);
    pnb_groups_1d(pnb_lower_caps(l), count, d.spec[0], d.groups);
    count_work(&d, s);
    return pnb_lower_emit(l, &d);
}

/* ---- the packed kernel --------------------------------------------------------------------------------------------- */

/* Whether the columns of all matrices of a batch are one row of panels. */
static bool is_flat(sizes s) { return s.batch_a == 1 && s.n % 4 == 0; }

/* Sizes as the packed kernel sees them. */
static pnb_push_matmul_packed packed_push(sizes s, const attributes *at) {
    uint32_t k4 = (s.k + 3) / 4, n4 = (s.n + 3) / 4;
    pnb_push_matmul_packed p = {
        .m = s.m, .n = s.n, .k = s.k, .columns4 = is_flat(s) ? s.batch * n4 : n4, .bias_kind = at->bias_kind, .scale = at->scale};
    p.a_batch4 = s.batch_a == 1 ? 0 : (s.m + at->rows - 1) / at->rows * at->rows * k4;
    return p;
}

static uint32_t panels_of(const pnb_push_matmul_packed *p, const attributes *at) {
    uint32_t wide = PNB_MATMUL_LANES * at->vec4s;
    return (p->columns4 + wide - 1) / wide;
}

/* Vec4s of a packed operand. */
static uint64_t packed_count(sizes s, const attributes *at, bool side_b) {
    pnb_push_matmul_packed p = packed_push(s, at);
    uint64_t k4 = (s.k + 3) / 4;
    if (!side_b) return (uint64_t)s.batch_a * ((s.m + at->rows - 1) / at->rows) * at->rows * k4;
    return (uint64_t)(is_flat(s) ? 1 : s.batch_b) * panels_of(&p, at) * PNB_MATMUL_LANES * at->vec4s * 4 * k4;
}

typedef struct pack_attributes {
    attributes at;
    sizes s;
    uint32_t side_b;
} pack_attributes;

static pnb_status pack_lower(pnb_lower *l, const pnb_node *node) {
    pack_attributes pa;
    memcpy(&pa, node->attr, sizeof pa);
    pnb_push_matmul strides = push_of(pa.s, &pa.at);
    pnb_push_matmul_packed push = packed_push(pa.s, &pa.at);
    push.count = pnb_emit_count(l, node->out[0]) / 4;
    push.batch_stride = pa.side_b ? strides.b_batch : strides.a_batch;
    push.row_stride = pa.side_b ? strides.b_n : strides.a_m;
    push.k_stride = pa.side_b ? strides.b_k : strides.a_k;
    push.wide = pa.side_b ? PNB_MATMUL_LANES * pa.at.vec4s : pa.at.rows;
    bool runs = pa.side_b ? push.row_stride == 1 && pa.s.n % 4 == 0 : push.k_stride == 1 && pa.s.k % 4 == 0;
    bool texel = runs && pnb_emit_texel(l, node->in[0]);
    pnb_dispatch d = pnb_emit_begin(l, texel ? "ops/matmul_pack.texel" : "ops/matmul_pack", "matmul pack");
    pnb_emit_spec(&d, pa.side_b);
    pnb_emit_spec(&d, runs);
    pnb_emit_read(&d, node->in[0], texel);
    pnb_emit_write(&d, node->out[0]);
    pnb_emit_push(&d, &push, sizeof push);
    pnb_emit_spread(&d, l, push.count);
    d.gbyte = 32e-9 * push.count;
    return pnb_lower_emit(l, &d);
}

const pnb_op pnb_op_matmul_pack = {.name = "matmul_pack", .lower = pack_lower};

/* What is made of the same activations for several products is packed once. */
static pnb_status pack(pnb_graph *g, pnb_tensor x, sizes s, attributes at, bool side_b, pnb_tensor *out) {
    pack_attributes pa;
    memset(&pa, 0, sizeof pa);
    pa.at = at;
    pa.s = s;
    pa.side_b = side_b;
    pa.at.scale = 1;
    pa.at.bias_kind = 0;
    if (!side_b) pa.s.n = pa.at.vec4s = 4; /* any number of columns, and tile of them, does */
    if (pnb_graph_computed(g, x)) {
        *out = pnb_graph_user(g, &pnb_op_matmul_pack, x, &pa, sizeof pa);
        if (*out != PNB_NONE) return PNB_OK;
    }
    pnb_shape shape = pnb_shape2((uint32_t)packed_count(s, &at, side_b), 4);
    return pnb_graph_add(g, &pnb_op_matmul_pack, &x, 1, 0, &pa, sizeof pa, &shape, 1, out, 1);
}

static pnb_status lower_packed(pnb_lower *l, const pnb_node *node, sizes s, const attributes *at, bool *emitted) {
    static const char *const shader[] = {"ops/matmul_packed", "ops/matmul_packed.texel", "ops/matmul_packed.spread"};
    bool packed_b = node->in[PACKED_B] != PNB_NONE;
    pnb_tensor a = node->in[PACKED_A], b = node->in[packed_b ? PACKED_B : B];
    pnb_push_matmul_packed push = packed_push(s, at);
    uint32_t panels = panels_of(&push, at);
    uint64_t groups[3] = {(s.m + at->rows - 1) / at->rows, panels, is_flat(s) ? 1 : s.batch};
    *emitted = pnb_load_groups_fit(l, groups);
    if (!*emitted) return PNB_OK;
    push.b_batch4 = s.batch_b == 1 ? 0 : packed_b ? panels * PNB_MATMUL_LANES * at->vec4s * 4 * ((s.k + 3) / 4) : s.k * s.n / 4;
    pnb_load load = pnb_load_choose(l, a, b);
    pnb_dispatch d = pnb_emit_begin(l, shader[load], "matmul packed");
    pnb_emit_read(&d, a, load != PNB_LOAD_STORAGE);
    pnb_emit_read(&d, b, load != PNB_LOAD_STORAGE);
    pnb_emit_read(&d, node->in[node->in[BIAS] != PNB_NONE ? BIAS : A], false); /* A: bound, never read */
    pnb_emit_write(&d, node->out[0]);
    d.spec[0] = PNB_MATMUL_LANES;
    const uint32_t spec[] = {at->rows, at->vec4s, packed_b, s.n % 4 == 0};
    for (size_t i = 0; i < sizeof spec / sizeof *spec; i++) pnb_emit_spec(&d, spec[i]);
    pnb_emit_push(&d, &push, sizeof push);
    for (int i = 0; i < 3; i++) d.groups[i] = (uint32_t)groups[i];
    count_work(&d, s);
    return pnb_lower_emit(l, &d);
}

static pnb_status lower(pnb_lower *l, const pnb_node *node) {
    attributes at;
    memcpy(&at, node->attr, sizeof at);
    sizes s = sizes_of(pnb_lower_shape(l, node->in[A]), pnb_lower_shape(l, node->in[B]), at.trans_a, at.trans_b);
    bool wide = !at.trans_b && s.n % 4 == 0 && (at.trans_a ? s.m : s.k) % 4 == 0;
    bool dot = !at.trans_a && at.trans_b && s.k % 4 == 0;
    bool emitted = false;
    if (at.cooperative) {
        pnb_push_matmul push = push_of(s, &at);
        pnb_tensor bias = node->in[node->in[BIAS] != PNB_NONE ? BIAS : A]; /* A: bound, never read */
        return pnb_matmul_cooperative_emit(l, &push, (pnb_matmul_operands){node->in[PACKED_A], node->in[PACKED_B], bias, node->out[0]});
    }
    if (at.rows) PNB_TRY(lower_packed(l, node, s, &at, &emitted));
    bool half = pnb_lower_half(l, node->in[A]) || pnb_lower_half(l, node->in[B]);
    if (!emitted && (wide || dot) && !half && pnb_load_quad(l)) {
        pnb_tensor bias = node->in[node->in[BIAS] != PNB_NONE ? BIAS : A];
        pnb_matmul_quad quad = {node->in[A], node->in[B], bias, node->out[0], gflop_of(s), gbyte_of(s)};
        PNB_TRY(pnb_matmul_quad_emit(l, push_of(s, &at), &quad, &emitted));
    }
    if (!emitted && (wide || dot)) PNB_TRY(lower_fast(l, node, s, &at, wide, &emitted));
    return emitted ? PNB_OK : lower_general(l, node, s, &at);
}

const pnb_op pnb_op_matmul = {.name = "matmul", .vjp = vjp, .lower = lower, .reads_half = 1u << PACKED_A | 1u << PACKED_B};

/* ---- the choice --------------------------------------------------------------------------------------------------- */

/* Products that an element must go into before packing it pays, by what the product would be made with otherwise (measured on
 * lavapipe: packing an element costs as much as 15 to 40 of them). */
enum { WORTH_WIDE = 120, WORTH_DOT = 50, WORTH_GENERAL = 35, LEAST_ROWS = 8, LEAST_PRODUCTS = 1 << 20 };

enum { DIRECT, PACKED_16X2, PACKED_16X4, COOPERATIVE, WAYS };

static uint32_t preferred_way(sizes s, const attributes *at, bool pack_b, bool constant_a, bool constant_b) {
    uint32_t worth = WORTH_GENERAL;
    if (!at->trans_a && at->trans_b && s.k % 4 == 0) worth = WORTH_DOT;
    if (!at->trans_b && s.n % 4 == 0 && (at->trans_a ? s.m : s.k) % 4 == 0) worth = WORTH_WIDE;
    double products = (double)s.batch * s.m * s.n * s.k, packed = 1;
    if (!constant_a) packed += (double)s.batch_a * s.m * s.k;
    if (pack_b && !constant_b) packed += (double)s.batch_b * s.n * s.k;
    uint64_t columns = is_flat(s) ? (uint64_t)s.batch * s.n : s.n;
    /* a small one, as of embeddings, is not worth the time that a software driver takes to compile two more kernels */
    if (worth != WORTH_GENERAL && products < LEAST_PRODUCTS) return DIRECT;
    if (s.m < LEAST_ROWS || columns < 64 || s.k < 64 || products / packed < worth) return DIRECT;
    /* against the wide kernel, short sums and few rows gain nothing even where packing is free */
    if (worth == WORTH_WIDE && (s.m < 64 || s.k < 256)) return DIRECT;
    return columns >= 512 ? PACKED_16X4 : PACKED_16X2;
}

/* The only place that decides how a product is made: whether packed, with which tile, or cooperative (into *at), and whether B is
 * packed too. Packing is for software drivers with texel loads and subgroups of 8; the direct kernels are chosen in lower(). */
static bool choose(pnb_graph *g, sizes s, pnb_tensor a, pnb_tensor b, bool forward, attributes *at) {
    const pnb_gpu_caps *caps = pnb_graph_caps(g);
    const char *ways[WAYS] = {"direct", "packed 16x2", "packed 16x4"};
    pnb_push_matmul push = push_of(s, at);
    bool as_it_is = !at->trans_b && s.n % 4 == 0 && s.k % 4 == 0, pack_b = !as_it_is || s.m >= 64;
    bool packs = caps->is_cpu && caps->prefer_texel && caps->subgroup_shuffle && caps->subgroup_size == PNB_MATMUL_LANES;
    bool cooperative = forward && pnb_matmul_cooperative_fits(g, &push, a, b);
    if (!packs && !cooperative) return false;
    uint32_t n = packs ? COOPERATIVE : PACKED_16X2, last = n; /* the last way, where there is one more: cooperative */
    if (cooperative) ways[n++] = "cooperative";
    char key[96];
    snprintf(key, sizeof key, "matmul %c%c b%u,%u m%u n%u k%u%s", at->trans_a ? 't' : 'n', at->trans_b ? 't' : 'n', s.batch_a, s.batch_b,
             s.m, s.n, s.k, cooperative ? " fp16" : "");
    uint32_t preferred = packs ? preferred_way(s, at, pack_b, pnb_graph_constant(g, a), pnb_graph_constant(g, b)) : DIRECT;
    if (cooperative && !caps->is_cpu) preferred = last;
    uint32_t way = pnb_graph_choose(g, key, ways, n, preferred);
    at->cooperative = cooperative && way == last;
    if (way == DIRECT || at->cooperative) return false;
    at->rows = 16;
    at->vec4s = way == PACKED_16X4 ? 4 : 2;
    return pack_b;
}

/* ---- builders --------------------------------------------------------------------------------------------------- */

static pnb_status check_operands(pnb_graph *g, pnb_shape a, pnb_shape b, sizes s, bool trans_b) {
    char ta[48], tb[48];
    if (a.rank < 2 || a.rank > 3 || b.rank < 2 || b.rank > 3)
        return pnb_fail(pnb_graph_error(g), PNB_ERROR_INPUT, "matmul: operands have rank 2 or 3, found %s and %s",
                        pnb_shape_text(a, ta), pnb_shape_text(b, tb));
    uint32_t k = trans_b ? columns_of(b) : rows_of(b);
    if (k != s.k)
        return pnb_fail(pnb_graph_error(g), PNB_ERROR_INPUT, "matmul: a %s sums over %u values, b %s over %u",
                        pnb_shape_text(a, ta), s.k, pnb_shape_text(b, tb), k);
    if (s.batch_a != s.batch_b && s.batch_a != 1 && s.batch_b != 1)
        return pnb_fail(pnb_graph_error(g), PNB_ERROR_INPUT, "matmul: batches of %u and %u do not fit (equal, or one of them 1)",
                        s.batch_a, s.batch_b);
    return PNB_OK;
}

static pnb_status multiply(pnb_graph *g, pnb_tensor a, pnb_tensor b, attributes at, pnb_tensor bias, bool forward, pnb_tensor *c) {
    pnb_shape sa = pnb_graph_shape(g, a), sb = pnb_graph_shape(g, b);
    sizes s = sizes_of(sa, sb, at.trans_a, at.trans_b);
    pnb_shape out = sa.rank == 3 || sb.rank == 3 ? pnb_shape3(s.batch, s.m, s.n) : pnb_shape2(s.m, s.n);
    pnb_tensor in[] = {a, b, bias, PNB_NONE, PNB_NONE};
    bool pack_b = choose(g, s, a, b, forward, &at);
    if (at.rows) PNB_TRY(pack(g, a, s, at, false, &in[PACKED_A]));
    if (at.rows && pack_b) PNB_TRY(pack(g, b, s, at, true, &in[PACKED_B]));
    if (at.cooperative) PNB_TRY(pnb_half(g, a, &in[PACKED_A]));
    if (at.cooperative) PNB_TRY(pnb_half(g, b, &in[PACKED_B]));
    pnb_tensor read_b = in[PACKED_B] != PNB_NONE ? in[PACKED_B] : b;
    if (at.rows && pnb_half_fits(g, pnb_graph_shape(g, read_b))) PNB_TRY(pnb_half_constant(g, in[PACKED_A], &in[PACKED_A]));
    return pnb_graph_add(g, &pnb_op_matmul, in, 5, 0, &at, sizeof at, &out, 1, c, 1);
}

pnb_status pnb_matmul_bias(pnb_graph *g, pnb_tensor a, pnb_tensor b, bool trans_a, bool trans_b, float scale, pnb_tensor bias,
                           pnb_matmul_side side, pnb_tensor *c) {
    PNB_TRY(pnb_graph_check(g, "matmul", "a", a));
    PNB_TRY(pnb_graph_check(g, "matmul", "b", b));
    pnb_shape sa = pnb_graph_shape(g, a), sb = pnb_graph_shape(g, b);
    if (sa.rank < 2 || sb.rank < 2) return check_operands(g, sa, sb, (sizes){0}, trans_b);
    sizes s = sizes_of(sa, sb, trans_a, trans_b);
    PNB_TRY(check_operands(g, sa, sb, s, trans_b));
    attributes at = {.scale = scale, .trans_a = trans_a, .trans_b = trans_b};
    if (bias != PNB_NONE) {
        PNB_TRY(pnb_graph_check(g, "matmul", "bias", bias));
        uint32_t length = side == PNB_MATMUL_ROW ? s.m : s.n;
        if (pnb_shape_count(pnb_graph_shape(g, bias)) != length)
            return pnb_fail(pnb_graph_error(g), PNB_ERROR_INPUT, "matmul: bias expects %u values, found %u", length,
                            (unsigned)pnb_shape_count(pnb_graph_shape(g, bias)));
        at.bias_kind = side == PNB_MATMUL_ROW ? PNB_BIAS_ROW : PNB_BIAS_COLUMN;
    }
    return multiply(g, a, b, at, bias, true, c);
}

pnb_status pnb_matmul(pnb_graph *g, pnb_tensor a, pnb_tensor b, bool trans_a, bool trans_b, float scale, pnb_tensor *c) {
    return pnb_matmul_bias(g, a, b, trans_a, trans_b, scale, PNB_NONE, PNB_MATMUL_ROW, c);
}

/* ---- cases ------------------------------------------------------------------------------------------------------ */

/* arg: trans_a, trans_b, bias (0 none, 1 row, 2 column); farg: scale */
static sizes case_sizes(const pnb_op_case *c) { return sizes_of(c->in[0], c->in[1], c->arg[0] != 0, c->arg[1] != 0); }

static pnb_status case_build(pnb_graph *g, const pnb_op_case *c, const pnb_tensor *in, pnb_tensor *out) {
    return pnb_matmul_bias(g, in[0], in[1], c->arg[0] != 0, c->arg[1] != 0, c->farg[0], c->n_in > 2 ? in[2] : PNB_NONE,
                           c->arg[2] == PNB_BIAS_COLUMN ? PNB_MATMUL_COLUMN : PNB_MATMUL_ROW, out);
}

static void case_reference(const pnb_op_case *c, const double *const *in, double *out) {
    sizes s = case_sizes(c);
    attributes at = {.scale = c->farg[0], .trans_a = c->arg[0] != 0, .trans_b = c->arg[1] != 0};
    pnb_push_matmul p = push_of(s, &at);
    for (size_t b = 0; b < s.batch; b++)
        for (size_t i = 0; i < s.m; i++)
            for (size_t j = 0; j < s.n; j++) {
                const double *a = in[A] + b * p.a_batch + i * p.a_m, *bm = in[B] + b * p.b_batch + j * p.b_n;
                double sum = 0;
                for (size_t k = 0; k < s.k; k++) sum += a[k * p.a_k] * bm[k * p.b_k];
                double bias = c->n_in < 3 ? 0 : in[BIAS][c->arg[2] == PNB_BIAS_ROW ? i : j];
                out[(b * s.m + i) * s.n + j] = (double)c->farg[0] * sum + bias;
            }
}

static double case_flops(const pnb_op_case *c) {
    sizes s = case_sizes(c);
    return 2.0 * s.batch * s.m * s.n * s.k;
}

#define S2(a, b) {2, {a, b, 1, 1}}
#define S3(a, b, c) {3, {a, b, c, 1}}
static const pnb_op_case cases[] = {
    {.name = "nn 5x7x3", .n_in = 2, .in = {S2(5, 7), S2(7, 3)}, .farg = {1}},
    {.name = "nn 9x8x12", .n_in = 2, .in = {S2(9, 8), S2(8, 12)}, .farg = {0.5f}},
    {.name = "nn 1x4x4", .n_in = 2, .in = {S2(1, 4), S2(4, 4)}, .farg = {1}},
    {.name = "nn b3 17x36x24 row bias", .n_in = 3, .in = {S3(3, 17, 36), S3(3, 36, 24), {1, {17, 1, 1, 1}}}, .arg = {0, 0, 1}, .farg = {1}},
    {.name = "nn broadcast a b4 33x32x16 row bias", .n_in = 3, .in = {S2(33, 32), S3(4, 32, 16), {1, {33, 1, 1, 1}}}, .arg = {0, 0, 1}, .farg = {1}},
    {.name = "nn broadcast b b3 6x8x20 column bias", .n_in = 3, .in = {S3(3, 6, 8), S2(8, 20), {1, {20, 1, 1, 1}}}, .arg = {0, 0, 2}, .farg = {1}},
    {.name = "nn b2 3x5x7 column bias", .n_in = 3, .in = {S3(2, 3, 5), S3(2, 5, 7), {1, {7, 1, 1, 1}}}, .arg = {0, 0, 2}, .farg = {-2}},
    {.name = "tn b2 k7 m12 n8", .n_in = 2, .in = {S3(2, 7, 12), S3(2, 7, 8)}, .arg = {1, 0}, .farg = {1}},
    {.name = "tn broadcast a b5 k9 m20 n4", .n_in = 2, .in = {S2(9, 20), S3(5, 9, 4)}, .arg = {1, 0}, .farg = {3}},
    {.name = "tn k5 m3 n6", .n_in = 2, .in = {S2(5, 3), S2(5, 6)}, .arg = {1, 0}, .farg = {1}},
    {.name = "nt b2 11x16x13", .n_in = 2, .in = {S3(2, 11, 16), S3(2, 13, 16)}, .arg = {0, 1}, .farg = {0.25f}},
    {.name = "nt broadcast a b3 10x12x9", .n_in = 2, .in = {S2(10, 12), S3(3, 9, 12)}, .arg = {0, 1}, .farg = {1}},
    {.name = "nt 3x5x7", .n_in = 2, .in = {S2(3, 5), S2(7, 5)}, .arg = {0, 1}, .farg = {1}},
    {.name = "tt b2 k6 m5 n4", .n_in = 2, .in = {S3(2, 6, 5), S3(2, 4, 6)}, .arg = {1, 1}, .farg = {1}},
    {.name = "tt broadcast b b2 k4 m8 n8", .n_in = 2, .in = {S3(2, 4, 8), S2(8, 4)}, .arg = {1, 1}, .farg = {1}},
    {.name = "tt k66 m72 n74", .n_in = 2, .in = {S2(66, 72), S2(74, 66)}, .arg = {1, 1}, .farg = {1}},
    {.name = "nt b2 100x65x101 column bias", .n_in = 3, .in = {S3(2, 100, 65), S3(2, 101, 65), {1, {101, 1, 1, 1}}}, .arg = {0, 1, 2}, .no_grad = 7, .farg = {-0.5f}},
    {.name = "nn broadcast a b3 250x256x180 row bias", .n_in = 3, .in = {S2(250, 256), S3(3, 256, 180), {1, {250, 1, 1, 1}}}, .arg = {0, 0, 1}, .no_grad = 7, .farg = {2}},
    {.name = "tn k260 m280 n524", .n_in = 2, .in = {S2(260, 280), S2(260, 524)}, .arg = {1, 0}, .no_grad = 3, .farg = {1}},
    {.name = "nt broadcast b b2 24x128x200", .n_in = 2, .in = {S3(2, 24, 128), S2(200, 128)}, .arg = {0, 1}, .no_grad = 3, .farg = {1}},
    {.name = "bench nn 1024^3", .n_in = 2, .in = {S2(1024, 1024), S2(1024, 1024)}, .farg = {1}, .bench = true},
    {.name = "bench nn 512^3", .n_in = 2, .in = {S2(512, 512), S2(512, 512)}, .farg = {1}, .bench = true},
    {.name = "bench nn 256^3", .n_in = 2, .in = {S2(256, 256), S2(256, 256)}, .farg = {1}, .bench = true},
    {.name = "bench 1x1 64 to 64, 16x16, b16", .n_in = 3, .in = {S2(64, 64), S3(16, 64, 256), {1, {64, 1, 1, 1}}}, .arg = {0, 0, 1}, .farg = {1}, .bench = true},
    {.name = "bench nt 16x512x512", .n_in = 2, .in = {S2(16, 512), S2(512, 512)}, .arg = {0, 1}, .farg = {1}, .bench = true},
    {.name = "bench tn 256^3", .n_in = 2, .in = {S2(256, 256), S2(256, 256)}, .arg = {1, 0}, .farg = {1}, .bench = true},
};

const pnb_op_suite pnb_suite_matmul = {
    .op = "matmul",
    .cases = cases,
    .count = sizeof cases / sizeof cases[0],
    .build = case_build,
    .reference = case_reference,
    .flops = case_flops,
};

/* Elementwise ops: binary with a second operand that may be one value a sample or one value, unary functions, affine, clamp. */
#include "graph/op.h"
#include "ops/elementwise.h"
#include "ops/emit.h"
#include "ops/ops.h"
#include "ops/suite.h"

#include <math.h>

/* ---- unary ------------------------------------------------------------------------------------------------------ */

typedef struct unary_attributes {
    uint32_t kind; /* enum pnb_unary, PNB_UNARY_AFFINE, PNB_UNARY_CLAMP */
    float a, b;
} unary_attributes;

static const char *const unary_names[] = {"silu", "tanh", "exp", "log", "sqrt", "square", "abs", "neg", "recip", "sigmoid", "relu", "affine", "clamp"};
enum { UNARY_COUNT = sizeof unary_names / sizeof unary_names[0] };

static pnb_status unary_lower(pnb_lower *l, const pnb_node *node) {
    const unary_attributes *a = (const unary_attributes *)node->attr;
    bool texel = pnb_emit_texel(l, node->in[0]);
    pnb_push_elementwise push = {.count = pnb_emit_count(l, node->out[0]), .inner = 1, .a = a->a, .b = a->b};
    pnb_dispatch d = pnb_emit_begin(l, texel ? "ops/elementwise_unary.texel" : "ops/elementwise_unary", unary_names[a->kind]);
    pnb_emit_spec(&d, a->kind);
    pnb_emit_read(&d, node->in[0], texel);
    pnb_emit_write(&d, node->out[0]);
    pnb_emit_push(&d, &push, sizeof push);
    pnb_emit_spread(&d, l, (push.count + 3) / 4);
    d.gbyte = 8e-9 * push.count;
    return pnb_lower_emit(l, &d);
}

static pnb_status unary_grad_lower(pnb_lower *l, const pnb_node *node) {
    const unary_attributes *a = (const unary_attributes *)node->attr;
    bool texel = pnb_emit_texel(l, node->in[0]);
    pnb_push_elementwise push = {.count = pnb_emit_count(l, node->out[0]), .inner = 1, .a = a->a, .b = a->b};
    pnb_dispatch d = pnb_emit_begin(l, texel ? "ops/elementwise_unary_grad.texel" : "ops/elementwise_unary_grad", "unary_grad");
    pnb_emit_spec(&d, a->kind);
    pnb_emit_read(&d, node->in[0], texel);
    pnb_emit_read(&d, node->in[1], texel);
    pnb_emit_write(&d, node->out[0]);
    pnb_emit_push(&d, &push, sizeof push);
    pnb_emit_spread(&d, l, (push.count + 3) / 4);
    d.gbyte = 12e-9 * push.count;
    return pnb_lower_emit(l, &d);
}

static const pnb_op op_unary_grad = {.name = "elementwise_grad", .lower = unary_grad_lower, .inplace = 3};

static pnb_status unary_vjp(pnb_graph *g, const pnb_node *node, const pnb_tensor *gout, uint32_t want, pnb_tensor *gin) {
    const unary_attributes *a = (const unary_attributes *)node->attr;
    if (!(want & 1) || gout[0] == PNB_NONE) return PNB_OK;
    if (a->kind == PNB_UNARY_AFFINE) return pnb_affine(g, gout[0], a->a, 0, &gin[0]);
    if (a->kind == PNB_NEG) return pnb_affine(g, gout[0], -1, 0, &gin[0]);
    pnb_tensor in[2] = {node->in[0], gout[0]};
    pnb_shape shape = pnb_graph_shape(g, node->in[0]);
    return pnb_graph_add(g, &op_unary_grad, in, 2, 0, a, sizeof *a, &shape, 1, &gin[0], 1);
}

const pnb_op pnb_op_unary = {.name = "unary", .vjp = unary_vjp, .lower = unary_lower, .inplace = 1};

static pnb_status add_unary(pnb_graph *g, uint32_t kind, pnb_tensor x, float a, float b, pnb_tensor *y) {
    if (kind >= UNARY_COUNT) return pnb_fail(pnb_graph_error(g), PNB_ERROR_USAGE, "unary: there is no operation %u", kind);
    PNB_TRY(pnb_graph_check(g, unary_names[kind], "x", x));
    unary_attributes attr = {kind, a, b};
    pnb_shape shape = pnb_graph_shape(g, x);
    return pnb_graph_add(g, &pnb_op_unary, &x, 1, 0, &attr, sizeof attr, &shape, 1, y, 1);
}

pnb_status pnb_unary_op(pnb_graph *g, pnb_unary kind, pnb_tensor x, pnb_tensor *y) { return add_unary(g, (uint32_t)kind, x, 0, 0, y); }
pnb_status pnb_silu(pnb_graph *g, pnb_tensor x, pnb_tensor *y) { return add_unary(g, PNB_SILU, x, 0, 0, y); }

pnb_status pnb_affine(pnb_graph *g, pnb_tensor x, float scale, float shift, pnb_tensor *y) {
    return add_unary(g, PNB_UNARY_AFFINE, x, scale, shift, y);
}

pnb_status pnb_clamp(pnb_graph *g, pnb_tensor x, float lo, float hi, pnb_tensor *y) {
    if (!(lo <= hi)) {
        return pnb_fail(pnb_graph_error(g), PNB_ERROR_INPUT, "clamp: the lower bound %g is above the upper bound %g", (double)lo, (double)hi);
    }
    return add_unary(g, PNB_UNARY_CLAMP, x, lo, hi, y);
}

/* ---- binary ----------------------------------------------------------------------------------------------------- */

typedef struct binary_attributes {
    uint32_t kind;    /* enum pnb_binary */
    uint32_t operand; /* PNB_OPERAND_* */
    uint32_t inner;   /* elements of a sample */
} binary_attributes;

static const char *const binary_names[] = {"add", "sub", "mul", "div", "max", "min"};

static pnb_status binary_lower(pnb_lower *l, const pnb_node *node) {
    const binary_attributes *a = (const binary_attributes *)node->attr;
    bool texel = pnb_emit_texel(l, node->in[0]), same = a->operand == PNB_OPERAND_SAME;
    bool samples = a->operand == PNB_OPERAND_ROWS && a->inner % 4 == 0;
    pnb_push_elementwise push = {.count = pnb_emit_count(l, node->out[0]), .inner = a->inner};
    if (samples) push.segments = pnb_emit_segments(l, push.count / a->inner, a->inner / 4);
    const char *shader = !texel ? "ops/elementwise_binary" : same ? "ops/elementwise_binary.texel" : "ops/elementwise_binary.texel_rows";
    pnb_dispatch d = pnb_emit_begin(l, shader, binary_names[a->kind]);
    pnb_emit_spec(&d, a->kind);
    pnb_emit_spec(&d, a->operand);
    pnb_emit_read(&d, node->in[0], texel);
    pnb_emit_read(&d, node->in[1], texel && same);
    pnb_emit_write(&d, node->out[0]);
    pnb_emit_push(&d, &push, sizeof push);
    pnb_emit_spread(&d, l, samples ? (uint64_t)push.count / a->inner * push.segments : (push.count + 3) / 4);
    d.gbyte = (same ? 12e-9 : 8e-9) * push.count;
    return pnb_lower_emit(l, &d);
}

/* The cotangent of b: that of a full-size b, summed over what b was spread over, in b's shape. */
static pnb_status gather_operand(pnb_graph *g, const pnb_node *node, pnb_tensor full, pnb_tensor *out) {
    const binary_attributes *a = (const binary_attributes *)node->attr;
    if (a->operand == PNB_OPERAND_SAME) {
        *out = full;
        return PNB_OK;
    }
    pnb_tensor sum;
    if (a->operand == PNB_OPERAND_ROWS) PNB_TRY(pnb_reduce_rows(g, PNB_SUM, full, &sum));
    else PNB_TRY(pnb_reduce_all(g, PNB_SUM, full, &sum));
    return pnb_graph_reshape(g, sum, pnb_graph_shape(g, node->in[1]), out);
}

static pnb_status binary_vjp(pnb_graph *g, const pnb_node *node, const pnb_tensor *gout, uint32_t want, pnb_tensor *gin) {
    const binary_attributes *a = (const binary_attributes *)node->attr;
    pnb_tensor gy = gout[0], full = gy;
    if (gy == PNB_NONE) return PNB_OK;
    if (a->kind == PNB_MAX || a->kind == PNB_MIN) {
        return pnb_fail(pnb_graph_error(g), PNB_ERROR_USAGE, "%s: has no derivative", binary_names[a->kind]);
    }
    if (want & 1) {
        if (a->kind == PNB_MUL || a->kind == PNB_DIV) PNB_TRY(pnb_binary_op(g, (pnb_binary)a->kind, gy, node->in[1], &gin[0]));
        else gin[0] = gy;
    }
    if (!(want & 2)) return PNB_OK;
    if (a->kind == PNB_MUL) PNB_TRY(pnb_mul(g, gy, node->in[0], &full));
    if (a->kind == PNB_DIV) { /* d(a/b)/db = -(a/b)/b */
        PNB_TRY(pnb_mul(g, gy, node->out[0], &full));
        PNB_TRY(pnb_binary_op(g, PNB_DIV, full, node->in[1], &full));
    }
    PNB_TRY(gather_operand(g, node, full, &gin[1]));
    if (a->kind == PNB_SUB || a->kind == PNB_DIV) PNB_TRY(pnb_affine(g, gin[1], -1, 0, &gin[1]));
    return PNB_OK;
}

const pnb_op pnb_op_binary = {.name = "binary", .vjp = binary_vjp, .lower = binary_lower, .inplace = 3};

pnb_status pnb_binary_op(pnb_graph *g, pnb_binary kind, pnb_tensor a, pnb_tensor b, pnb_tensor *y) {
    if ((uint32_t)kind > PNB_MIN) return pnb_fail(pnb_graph_error(g), PNB_ERROR_USAGE, "binary: there is no operation %u", (uint32_t)kind);
    const char *name = binary_names[kind];
    PNB_TRY(pnb_graph_check(g, name, "a", a));
    PNB_TRY(pnb_graph_check(g, name, "b", b));
    pnb_shape sa = pnb_graph_shape(g, a), sb = pnb_graph_shape(g, b);
    binary_attributes attr = {.kind = (uint32_t)kind, .inner = (uint32_t)(pnb_shape_count(sa) / sa.d[0])};
    if (pnb_shape_equal(sa, sb)) {
        attr.operand = PNB_OPERAND_SAME;
    } else if (pnb_shape_count(sb) == 1) {
        attr.operand = PNB_OPERAND_SCALAR;
    } else if (sb.d[0] == sa.d[0] && pnb_shape_count(sb) == sa.d[0]) {
        attr.operand = PNB_OPERAND_ROWS;
    } else {
        char ta[48], tb[48];
        return pnb_fail(pnb_graph_error(g), PNB_ERROR_INPUT, "%s: b expects shape %s, [%u] or [1], found %s", name, pnb_shape_text(sa, ta),
                        sa.d[0], pnb_shape_text(sb, tb));
    }
    pnb_tensor in[2] = {a, b};
    return pnb_graph_add(g, &pnb_op_binary, in, 2, 0, &attr, sizeof attr, &sa, 1, y, 1);
}

pnb_status pnb_add(pnb_graph *g, pnb_tensor a, pnb_tensor b, pnb_tensor *y) { return pnb_binary_op(g, PNB_ADD, a, b, y); }
pnb_status pnb_sub(pnb_graph *g, pnb_tensor a, pnb_tensor b, pnb_tensor *y) { return pnb_binary_op(g, PNB_SUB, a, b, y); }
pnb_status pnb_mul(pnb_graph *g, pnb_tensor a, pnb_tensor b, pnb_tensor *y) { return pnb_binary_op(g, PNB_MUL, a, b, y); }

/* ---- cases: arg = {0 unary | 1 binary, kind}, farg = {a, b} ------------------------------------------------------- */

static pnb_status build(pnb_graph *g, const pnb_op_case *c, const pnb_tensor *in, pnb_tensor *out) {
    if (c->arg[0]) return pnb_binary_op(g, (pnb_binary)c->arg[1], in[0], in[1], out);
    if (c->arg[1] == PNB_UNARY_AFFINE) return pnb_affine(g, in[0], c->farg[0], c->farg[1], out);
    if (c->arg[1] == PNB_UNARY_CLAMP) return pnb_clamp(g, in[0], c->farg[0], c->farg[1], out);
    return pnb_unary_op(g, (pnb_unary)c->arg[1], in[0], out);
}

static double unary_reference(const pnb_op_case *c, double x) {
    switch (c->arg[1]) {
    case PNB_SILU: return x / (1 + exp(-x));
    case PNB_TANH: return tanh(x);
    case PNB_EXP: return exp(x);
    case PNB_LOG: return log(x);
    case PNB_SQRT: return sqrt(x);
    case PNB_SQUARE: return x * x;
    case PNB_ABS: return fabs(x);
    case PNB_NEG: return -x;
    case PNB_RECIP: return 1 / x;
    case PNB_SIGMOID: return 1 / (1 + exp(-x));
    case PNB_RELU: return x > 0 ? x : 0;
    case PNB_UNARY_AFFINE: return (double)c->farg[0] * x + (double)c->farg[1];
    default: return fmin(fmax(x, (double)c->farg[0]), (double)c->farg[1]);
    }
}

static double binary_reference(int32_t kind, double a, double b) {
    switch (kind) {
    case PNB_ADD: return a + b;
    case PNB_SUB: return a - b;
    case PNB_MUL: return a * b;
    case PNB_DIV: return a / b;
    case PNB_MAX: return fmax(a, b);
    default: return fmin(a, b);
    }
}

static void reference(const pnb_op_case *c, const double *const *in, double *out) {
    size_t count = pnb_shape_count(c->in[0]), of_b = pnb_shape_count(c->in[1]), inner = count / c->in[0].d[0];
    for (size_t i = 0; i < count; i++) {
        if (!c->arg[0]) out[i] = unary_reference(c, in[0][i]);
        else out[i] = binary_reference(c->arg[1], in[0][i], in[1][of_b == count ? i : of_b == 1 ? 0 : i / inner]);
    }
}

#define UNARY(text, kind, ...) {.name = text, .n_in = 1, .arg = {0, kind}, __VA_ARGS__}
#define BINARY(text, kind, ...) {.name = text, .n_in = 2, .arg = {1, kind}, __VA_ARGS__}
#define ODD {4, {3, 5, 1, 7}}
#define VECTOR(n) {1, {n, 1, 1, 1}}

static const pnb_op_case cases[] = {
    UNARY("silu", PNB_SILU, .in = {ODD}),
    UNARY("silu extreme", PNB_SILU, .in = {VECTOR(257)}, .scale = {60}),
    UNARY("silu one element", PNB_SILU, .in = {VECTOR(1)}),
    UNARY("tanh", PNB_TANH, .in = {ODD}, .scale = {0.3f}),
    UNARY("tanh extreme", PNB_TANH, .in = {VECTOR(66)}, .scale = {40}),
    UNARY("exp", PNB_EXP, .in = {ODD}),
    UNARY("log", PNB_LOG, .in = {ODD}, .scale = {0.5f}, .shift = {4}),
    UNARY("sqrt", PNB_SQRT, .in = {ODD}, .scale = {0.5f}, .shift = {4}),
    UNARY("square", PNB_SQUARE, .in = {ODD}),
    UNARY("abs", PNB_ABS, .in = {ODD}),
    UNARY("neg", PNB_NEG, .in = {ODD}),
    UNARY("recip", PNB_RECIP, .in = {ODD}, .scale = {0.5f}, .shift = {4}),
    UNARY("sigmoid", PNB_SIGMOID, .in = {VECTOR(64)}, .scale = {5}),
    UNARY("relu", PNB_RELU, .in = {ODD}),
    UNARY("affine", PNB_UNARY_AFFINE, .in = {ODD}, .farg = {-1.5f, 0.25f}),
    UNARY("clamp", PNB_UNARY_CLAMP, .in = {ODD}, .farg = {-0.5f, 0.75f}),
    BINARY("add", PNB_ADD, .in = {ODD, ODD}),
    BINARY("sub", PNB_SUB, .in = {VECTOR(32), VECTOR(32)}),
    BINARY("mul", PNB_MUL, .in = {ODD, ODD}),
    BINARY("div", PNB_DIV, .in = {ODD, ODD}, .shift = {0, 5}),
    BINARY("max", PNB_MAX, .in = {ODD, ODD}, .no_grad = 3),
    BINARY("min", PNB_MIN, .in = {ODD, ODD}, .no_grad = 3),
    BINARY("add one a sample", PNB_ADD, .in = {ODD, {2, {3, 1, 1, 1}}}),
    BINARY("sub one a sample", PNB_SUB, .in = {{4, {4, 2, 2, 3}}, VECTOR(4)}),
    BINARY("mul one a sample", PNB_MUL, .in = {{4, {2, 2, 4, 3}}, {4, {2, 1, 1, 1}}}),
    BINARY("div one a sample", PNB_DIV, .in = {ODD, VECTOR(3)}, .shift = {0, 5}),
    BINARY("mul one value", PNB_MUL, .in = {ODD, VECTOR(1)}),
    BINARY("sub one value", PNB_SUB, .in = {{2, {4, 8, 1, 1}}, VECTOR(1)}),
    BINARY("mul one element", PNB_MUL, .in = {VECTOR(1), VECTOR(1)}),
    BINARY("mul n8 c64 32x32", PNB_MUL, .in = {{4, {8, 64, 32, 32}}, {4, {8, 64, 32, 32}}}, .bench = true),
};

const pnb_op_suite pnb_suite_elementwise = {"elementwise", cases, sizeof cases / sizeof cases[0], build, reference, .flops = NULL};

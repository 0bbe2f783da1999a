/* complex_mul: complex numbers times a table along one axis, or over all trailing dimensions (a transfer function). Its adjoint takes
 * the table's conjugate. */
#include "ops/complex_mul.h"

#include "ops/complex_mul_push.h"
#include "ops/emit.h"
#include "ops/ops.h"
#include "ops/suite.h"

/* x as [outer, from, inner], y as [outer, to, inner] complex numbers. */
typedef struct attributes {
    uint32_t outer, from, to, inner, conjugate;
    float scale;
} attributes;

static pnb_status complex_mul_lower(pnb_lower *l, const pnb_node *node) {
    const attributes *a = (const attributes *)(const void *)node->attr;
    bool along = a->inner == 1, pairs = along ? a->from % 2 == 0 && a->to % 2 == 0 : a->inner % 2 == 0;
    uint32_t unit = pairs ? 2 : 1, step = along ? unit : 1;
    uint32_t rows = along ? a->outer : a->outer * a->to, length = along ? a->to / unit : a->inner / unit;
    uint32_t segments = pnb_emit_segments(l, rows, length);
    pnb_push_complex_mul push = {.items = rows * segments, .segments = segments, .in_size = a->from / step, .out_size = a->to / step,
                                 .inner = along ? 1 : a->inner / unit, .sign = a->conjugate ? -1.0f : 1.0f, .scale = a->scale};
    bool texel = pnb_emit_texel(l, node->in[0]) && pnb_emit_texel(l, node->in[1]);
    pnb_dispatch d = pnb_emit_begin(l, texel ? "ops/complex_mul.texel" : "ops/complex_mul", "complex_mul");
    pnb_emit_spec(&d, pairs);
    pnb_emit_read(&d, node->in[0], texel);
    pnb_emit_read(&d, node->in[1], texel);
    pnb_emit_write(&d, node->out[0]);
    pnb_emit_push(&d, &push, sizeof push);
    pnb_emit_spread(&d, l, push.items);
    d.gflop = 4e-9 * pnb_emit_count(l, node->out[0]);
    d.gbyte = 4e-9 * (pnb_emit_count(l, node->in[0]) + (double)pnb_emit_count(l, node->out[0]));
    return pnb_lower_emit(l, &d);
}

static const pnb_op pnb_op_complex_mul;

static pnb_status add(pnb_graph *g, pnb_tensor x, pnb_tensor table, const attributes *a, pnb_shape shape, pnb_tensor *y) {
    pnb_tensor in[2] = {x, table};
    return pnb_graph_add(g, &pnb_op_complex_mul, in, 2, 0, a, sizeof *a, &shape, 1, y, 1);
}

static pnb_status complex_mul_vjp(pnb_graph *g, const pnb_node *node, const pnb_tensor *gout, uint32_t want, pnb_tensor *gin) {
    attributes a = *(const attributes *)(const void *)node->attr;
    if (!(want & 1) || gout[0] == PNB_NONE) return PNB_OK;
    uint32_t from = a.from;
    a.from = a.to;
    a.to = from;
    a.conjugate = !a.conjugate;
    return add(g, gout[0], node->in[1], &a, pnb_graph_shape(g, node->in[0]), &gin[0]);
}

static const pnb_op pnb_op_complex_mul = {.name = "complex_mul", .vjp = complex_mul_vjp, .lower = complex_mul_lower};

static pnb_status check(pnb_graph *g, pnb_tensor x, pnb_tensor table) {
    PNB_TRY(pnb_graph_check(g, "complex_mul", "x", x));
    PNB_TRY(pnb_graph_check(g, "complex_mul", "table", table));
    pnb_shape s = pnb_graph_shape(g, x), t = pnb_graph_shape(g, table);
    if (s.rank >= 2 && s.d[s.rank - 1] == 2 && t.d[t.rank - 1] == 2) return PNB_OK;
    char a[48], b[48];
    return pnb_fail(pnb_graph_error(g), PNB_ERROR_INPUT, "complex_mul: complex tensors end in a dimension of 2, found x %s and table %s",
                    pnb_shape_text(s, a), pnb_shape_text(t, b));
}

pnb_status pnb_complex_mul_axis(pnb_graph *g, pnb_tensor x, pnb_tensor table, uint32_t axis, uint32_t size, bool conjugate, float scale,
                                pnb_tensor *y) {
    PNB_TRY(check(g, x, table));
    pnb_shape s = pnb_graph_shape(g, x);
    attributes a = {.outer = 1, .from = s.d[axis], .to = size, .inner = 1, .conjugate = conjugate, .scale = scale};
    for (uint32_t i = 0; i + 1 < s.rank; i++) *(i < axis ? &a.outer : &a.inner) *= i == axis ? 1 : s.d[i];
    s.d[axis] = size;
    return add(g, x, table, &a, s, y);
}

pnb_status pnb_complex_mul(pnb_graph *g, pnb_tensor x, pnb_tensor table, bool conjugate, pnb_tensor *y) {
    PNB_TRY(check(g, x, table));
    pnb_shape s = pnb_graph_shape(g, x), t = pnb_graph_shape(g, table);
    bool fits = t.rank <= s.rank;
    for (uint32_t i = 0; fits && i < t.rank; i++) fits = t.d[i] == s.d[s.rank - t.rank + i];
    if (!fits) {
        char a[48], b[48];
        return pnb_fail(pnb_graph_error(g), PNB_ERROR_INPUT, "complex_mul: the table must have the last dimensions of x, which is %s, found %s",
                        pnb_shape_text(s, a), pnb_shape_text(t, b));
    }
    uint32_t count = (uint32_t)(pnb_shape_count(t) / 2);
    attributes a = {.outer = (uint32_t)(pnb_shape_count(s) / 2 / count), .from = count, .to = count, .inner = 1, .conjugate = conjugate, .scale = 1};
    return add(g, x, table, &a, s, y);
}

/* ---- cases: arg = {axis or -1 for a table of all, size, conjugate} ------------------------------------------------ */

static pnb_status build(pnb_graph *g, const pnb_op_case *c, const pnb_tensor *in, pnb_tensor *out) {
    if (c->arg[0] < 0) return pnb_complex_mul(g, in[0], in[1], c->arg[2], out);
    return pnb_complex_mul_axis(g, in[0], in[1], (uint32_t)c->arg[0], (uint32_t)c->arg[1], c->arg[2], 0.5f, out);
}

static void reference(const pnb_op_case *c, const double *const *in, double *out) {
    pnb_shape s = c->in[0];
    size_t outer = 1, from = 1, inner = 1, to;
    double scale = c->arg[0] < 0 ? 1 : 0.5, sign = c->arg[2] ? -1 : 1;
    if (c->arg[0] < 0) from = pnb_shape_count(c->in[1]) / 2, outer = pnb_shape_count(s) / 2 / from, to = from;
    else {
        for (uint32_t i = 0; i + 1 < s.rank; i++) *((int)i < c->arg[0] ? &outer : (int)i > c->arg[0] ? &inner : &from) *= s.d[i];
        to = (size_t)c->arg[1];
    }
    for (size_t o = 0; o < outer; o++) {
        for (size_t j = 0; j < to; j++) {
            for (size_t i = 0; i < inner; i++) {
                const double *x = in[0] + 2 * ((o * from + j) * inner + i), *t = in[1] + 2 * j;
                double *y = out + 2 * ((o * to + j) * inner + i);
                y[0] = j < from ? scale * (x[0] * t[0] - sign * x[1] * t[1]) : 0;
                y[1] = j < from ? scale * (sign * x[0] * t[1] + x[1] * t[0]) : 0;
            }
        }
    }
}

static const pnb_op_case cases[] = {
    {.name = "all", .n_in = 2, .in = {{4, {2, 3, 4, 2}}, {3, {3, 4, 2, 1}}}, .arg = {-1, 0, 0}, .no_grad = 2},
    {.name = "all odd conjugate", .n_in = 2, .in = {{4, {2, 3, 5, 2}}, {3, {3, 5, 2, 1}}}, .arg = {-1, 0, 1}, .no_grad = 2},
    {.name = "rows, longer", .n_in = 2, .in = {{3, {3, 6, 2, 1}}, {2, {6, 2, 1, 1}}}, .arg = {1, 14, 0}, .no_grad = 2},
    {.name = "rows odd, shorter", .n_in = 2, .in = {{3, {3, 9, 2, 1}}, {2, {9, 2, 1, 1}}}, .arg = {1, 5, 1}, .no_grad = 2},
    {.name = "columns, longer", .n_in = 2, .in = {{4, {2, 5, 6, 2}}, {2, {5, 2, 1, 1}}}, .arg = {1, 9, 0}, .no_grad = 2},
    {.name = "columns odd, shorter", .n_in = 2, .in = {{4, {2, 7, 3, 2}}, {2, {7, 2, 1, 1}}}, .arg = {1, 4, 1}, .no_grad = 2},
    {.name = "n3 256x256", .n_in = 2, .in = {{4, {3, 256, 256, 2}}, {3, {256, 256, 2, 1}}}, .arg = {-1, 0, 0}, .no_grad = 2, .bench = true},
};

static double flops(const pnb_op_case *c) { return 3.0 * (double)pnb_shape_count(c->in[0]); }

const pnb_op_suite pnb_suite_complex_mul = {"complex_mul", cases, sizeof cases / sizeof cases[0], build, reference, .flops = flops};

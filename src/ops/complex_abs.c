/* complex_abs: the size of complex numbers. Its gradient at 0 is 0. */
#include "ops/complex_abs.h"

#include "ops/emit.h"
#include "ops/ops.h"
#include "ops/suite.h"

#include <math.h>

enum { Z, U }; /* inputs: numbers; the cotangent, in the gradient's node */

static pnb_status complex_abs_lower(pnb_lower *l, const pnb_node *node) {
    bool grad = node->n_in > U;
    pnb_tensor u = grad ? node->in[U] : node->in[Z];
    pnb_push_complex_abs push = {.count = pnb_emit_count(l, node->in[Z]) / 2};
    bool texel = pnb_emit_texel(l, node->in[Z]) && pnb_emit_texel(l, u);
    pnb_dispatch d = pnb_emit_begin(l, texel ? "ops/complex_abs.texel" : "ops/complex_abs", "complex_abs");
    pnb_emit_spec(&d, grad);
    pnb_emit_read(&d, node->in[Z], texel);
    pnb_emit_read(&d, u, texel);
    pnb_emit_write(&d, node->out[0]);
    pnb_emit_push(&d, &push, sizeof push);
    pnb_emit_spread(&d, l, push.count);
    d.gbyte = (grad ? 20e-9 : 12e-9) * push.count;
    return pnb_lower_emit(l, &d);
}

static const pnb_op pnb_op_complex_abs_grad = {.name = "complex_abs", .lower = complex_abs_lower};

static pnb_status complex_abs_vjp(pnb_graph *g, const pnb_node *node, const pnb_tensor *gout, uint32_t want, pnb_tensor *gin) {
    if (!(want & 1) || gout[0] == PNB_NONE) return PNB_OK;
    pnb_shape shape = pnb_graph_shape(g, node->in[Z]);
    pnb_tensor in[2] = {node->in[Z], gout[0]};
    return pnb_graph_add(g, &pnb_op_complex_abs_grad, in, 2, 0, NULL, 0, &shape, 1, &gin[0], 1);
}

static const pnb_op pnb_op_complex_abs = {.name = "complex_abs", .vjp = complex_abs_vjp, .lower = complex_abs_lower};

pnb_status pnb_complex_abs(pnb_graph *g, pnb_tensor z, pnb_tensor *y) {
    PNB_TRY(pnb_graph_check(g, "complex_abs", "z", z));
    pnb_shape s = pnb_graph_shape(g, z);
    if (s.rank < 2 || s.d[s.rank - 1] != 2) {
        char text[48];
        return pnb_fail(pnb_graph_error(g), PNB_ERROR_INPUT, "complex_abs: complex tensors end in a dimension of 2, found %s", pnb_shape_text(s, text));
    }
    s.d[--s.rank] = 1;
    return pnb_graph_add(g, &pnb_op_complex_abs, &z, 1, 0, NULL, 0, &s, 1, y, 1);
}

/* ---- cases ---------------------------------------------------------------------------------------------------------- */

static pnb_status build(pnb_graph *g, const pnb_op_case *c, const pnb_tensor *in, pnb_tensor *out) {
    (void)c;
    return pnb_complex_abs(g, in[0], out);
}

static void reference(const pnb_op_case *c, const double *const *in, double *out) {
    for (size_t i = 0; i < pnb_shape_count(c->in[0]) / 2; i++) out[i] = hypot(in[0][2 * i], in[0][2 * i + 1]);
}

static const pnb_op_case cases[] = {
    {.name = "n2 3x4", .n_in = 1, .in = {{4, {2, 3, 4, 2}}}},
    {.name = "odd", .n_in = 1, .in = {{3, {3, 5, 2, 1}}}},
    {.name = "large", .n_in = 1, .in = {{2, {6, 2, 1, 1}}}, .scale = {1e25f}},
    {.name = "n3 256x256", .n_in = 1, .in = {{4, {3, 256, 256, 2}}}, .bench = true},
};

const pnb_op_suite pnb_suite_complex_abs = {"complex_abs", cases, sizeof cases / sizeof cases[0], build, reference, .flops = NULL};

/* adam: one optimiser step on persistent tensors, in place; the scalars that change from step to step lie in the step state. */
#include "graph/op.h"
#include "ops/adam.h"
#include "ops/emit.h"
#include "ops/ops.h"
#include "ops/suite.h"

#include <math.h>

enum { IN_W, IN_M, IN_V, IN_GRAD, IN_STATE };

/* 1 - beta as the caller means it: 0.999 lies 1e-5 (relative to 0.001) off its float, so take the nearest 7-digit decimal. */
static double rest_of(float beta) { return 1 - round((double)beta * 1e7) * 1e-7; }

static pnb_status adam_lower(pnb_lower *l, const pnb_node *node) {
    const pnb_adam *a = (const pnb_adam *)node->attr;
    pnb_push_adam push = {.count = pnb_emit_count(l, node->in[IN_W]), .lr_index = a->lr_index, .beta1 = a->beta1, .beta2 = a->beta2,
                          .eps = a->eps, .decay = a->decay, .gscale = a->gscale, .rest1 = (float)rest_of(a->beta1),
                          .rest2 = (float)rest_of(a->beta2)};
    pnb_dispatch d = pnb_emit_begin(l, "ops/adam", NULL);
    for (uint32_t i = IN_W; i <= IN_V; i++) pnb_emit_update(&d, node->in[i]);
    pnb_emit_read(&d, node->in[IN_GRAD], false);
    pnb_emit_read(&d, node->in[IN_STATE], false);
    pnb_emit_push(&d, &push, sizeof push);
    pnb_emit_spread(&d, l, (push.count + 3) / 4);
    d.gbyte = 28e-9 * push.count;
    return pnb_lower_emit(l, &d);
}

const pnb_op pnb_op_adam = {.name = "adam", .lower = adam_lower, .impure = true};

pnb_status pnb_adam_step(pnb_graph *g, pnb_tensor w, pnb_tensor m, pnb_tensor v, pnb_tensor grad, pnb_tensor state, pnb_adam params) {
    static const char *const roles[] = {"w", "m", "v", "grad", "state"};
    pnb_tensor in[5] = {w, m, v, grad, state};
    char fa[48], fb[48];
    for (int i = 0; i < 5; i++) PNB_TRY(pnb_graph_check(g, "adam", roles[i], in[i]));
    pnb_shape s = pnb_graph_shape(g, w);
    for (int i = IN_M; i <= IN_GRAD; i++) {
        pnb_shape other = pnb_graph_shape(g, in[i]);
        if (pnb_shape_count(other) != pnb_shape_count(s)) {
            return pnb_fail(pnb_graph_error(g), PNB_ERROR_INPUT, "adam: %s expects shape %s, found %s", roles[i], pnb_shape_text(s, fa),
                            pnb_shape_text(other, fb));
        }
    }
    uint64_t state_size = pnb_shape_count(pnb_graph_shape(g, state));
    if (params.lr_index + 3ull > state_size) {
        return pnb_fail(pnb_graph_error(g), PNB_ERROR_USAGE, "adam: reads the state at %u to %u, it has %llu entries", params.lr_index,
                        params.lr_index + 2, (unsigned long long)state_size);
    }
    return pnb_graph_add(g, &pnb_op_adam, in, 5, 1u << IN_W | 1u << IN_M | 1u << IN_V, &params, sizeof params, NULL, 0, NULL, 0);
}

/* ---- cases: inputs w, m, v, grad, state (lr, c1, c2 from entry 1 on); the output joins the new w, m and v; farg = {decay, gscale} */

static pnb_adam params_of(const pnb_op_case *c) {
    return (pnb_adam){.beta1 = 0.9f, .beta2 = 0.999f, .eps = 1e-8f, .decay = c->farg[0], .gscale = c->farg[1], .lr_index = 1};
}

static pnb_status build(pnb_graph *g, const pnb_op_case *c, const pnb_tensor *in, pnb_tensor *out) {
    PNB_TRY(pnb_adam_step(g, in[0], in[1], in[2], in[3], in[4], params_of(c)));
    return pnb_concat(g, 0, in, 3, out);
}

static void reference(const pnb_op_case *c, const double *const *in, double *out) {
    pnb_adam p = params_of(c);
    size_t count = pnb_shape_count(c->in[0]);
    double lr = in[4][1], c1 = in[4][2], c2 = in[4][3], r1 = rest_of(p.beta1), r2 = rest_of(p.beta2);
    for (size_t i = 0; i < count; i++) {
        double g = in[3][i] * (double)p.gscale, w = in[0][i] * (1 - lr * (double)p.decay);
        double m = (1 - r1) * in[1][i] + r1 * g, v = (1 - r2) * in[2][i] + r2 * g * g;
        out[i] = w - lr / c1 * m / (sqrt(v / c2) + (double)p.eps);
        out[count + i] = m;
        out[2 * count + i] = v;
    }
}

#define ADAM(text, n, decay, gscale)                                                                                  \
    {.name = text, .n_in = 5, .in = {{1, {n, 1, 1, 1}}, {1, {n, 1, 1, 1}}, {1, {n, 1, 1, 1}}, {1, {n, 1, 1, 1}}, {1, {6, 1, 1, 1}}}, \
     .scale = {1, 0.1f, 0.02f, 1, 0.01f}, .shift = {0, 0, 0.2f, 0, 0.5f}, .no_grad = 31, .farg = {decay, gscale}}

static const pnb_op_case cases[] = {
    ADAM("odd", 103, 0, 1),
    ADAM("decay", 64, 0.01f, 1),
    ADAM("gradient scaled", 5, 0, 0.125f),
};

const pnb_op_suite pnb_suite_adam = {"adam", cases, sizeof cases / sizeof cases[0], build, reference, .flops = NULL};

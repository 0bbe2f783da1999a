/* upsample: nearest neighbour by an integer factor. Its transpose is a sum over blocks (pool.c). */
#include "graph/op.h"
#include "ops/emit.h"
#include "ops/ops.h"
#include "ops/resample.h"
#include "ops/suite.h"
#include "ops/upsample.h"

typedef struct attributes {
    uint32_t factor;
    float scale;
} attributes;

static pnb_status upsample_lower(pnb_lower *l, const pnb_node *node) {
    const attributes *a = (const attributes *)node->attr;
    pnb_shape x = pnb_lower_shape(l, node->in[0]);
    pnb_push_upsample push = {.rows = x.d[0] * x.d[1] * x.d[2], .width = x.d[3], .factor = a->factor, .scale = a->scale};
    bool fast = a->factor == 2 && push.width % 4 == 0, texel = pnb_emit_texel(l, node->in[0]);
    pnb_dispatch d = pnb_emit_begin(l, texel ? "ops/upsample.texel" : "ops/upsample", "upsample");
    pnb_emit_spec(&d, fast);
    pnb_emit_read(&d, node->in[0], texel);
    pnb_emit_write(&d, node->out[0]);
    pnb_emit_push(&d, &push, sizeof push);
    uint64_t small = (uint64_t)push.rows * push.width;
    pnb_emit_spread(&d, l, fast ? small / 4 : small * a->factor * a->factor);
    d.gbyte = 4e-9 * (double)small * (1 + a->factor * a->factor);
    return pnb_lower_emit(l, &d);
}

static pnb_status upsample_vjp(pnb_graph *g, const pnb_node *node, const pnb_tensor *gout, uint32_t want, pnb_tensor *gin) {
    const attributes *a = (const attributes *)node->attr;
    if (!(want & 1) || gout[0] == PNB_NONE) return PNB_OK;
    return pnb_pool_scaled(g, gout[0], a->factor, a->scale, &gin[0]);
}

const pnb_op pnb_op_upsample = {.name = "upsample", .vjp = upsample_vjp, .lower = upsample_lower};

pnb_status pnb_upsample_scaled(pnb_graph *g, pnb_tensor x, uint32_t factor, float scale, pnb_tensor *y) {
    PNB_TRY(pnb_graph_check(g, "upsample", "x", x));
    pnb_shape s = pnb_graph_shape(g, x);
    if (s.rank != 4 || !factor) {
        char text[48];
        return pnb_fail(pnb_graph_error(g), PNB_ERROR_INPUT, "upsample: expects x [N,C,H,W] and a factor of at least 1, found %s and %u",
                        pnb_shape_text(s, text), factor);
    }
    attributes a = {factor, scale};
    s.d[2] *= factor;
    s.d[3] *= factor;
    return pnb_graph_add(g, &pnb_op_upsample, &x, 1, 0, &a, sizeof a, &s, 1, y, 1);
}

pnb_status pnb_upsample_nearest(pnb_graph *g, pnb_tensor x, uint32_t factor, pnb_tensor *y) {
    return pnb_upsample_scaled(g, x, factor, 1, y);
}

/* ---- cases: arg = {factor} ---------------------------------------------------------------------------------------- */

static pnb_status build(pnb_graph *g, const pnb_op_case *c, const pnb_tensor *in, pnb_tensor *out) {
    return pnb_upsample_nearest(g, in[0], (uint32_t)c->arg[0], out);
}

static void reference(const pnb_op_case *c, const double *const *in, double *out) {
    size_t f = (size_t)c->arg[0], w = c->in[0].d[3], rows = pnb_shape_count(c->in[0]) / w;
    for (size_t i = 0; i < rows * f; i++) {
        for (size_t j = 0; j < w * f; j++) out[i * w * f + j] = in[0][i / f * w + j / f];
    }
}

static const pnb_op_case cases[] = {
    {.name = "factor 2", .n_in = 1, .in = {{4, {2, 3, 3, 8}}}, .arg = {2}},
    {.name = "factor 2 odd", .n_in = 1, .in = {{4, {2, 3, 5, 7}}}, .arg = {2}},
    {.name = "factor 2 one pixel", .n_in = 1, .in = {{4, {2, 2, 1, 1}}}, .arg = {2}},
    {.name = "factor 3", .n_in = 1, .in = {{4, {1, 2, 4, 4}}}, .arg = {3}},
    {.name = "factor 1", .n_in = 1, .in = {{4, {1, 2, 2, 2}}}, .arg = {1}},
    {.name = "n8 c64 16x16 factor 2", .n_in = 1, .in = {{4, {8, 64, 16, 16}}}, .arg = {2}, .bench = true},
};

const pnb_op_suite pnb_suite_upsample = {"upsample", cases, sizeof cases / sizeof cases[0], build, reference, .flops = NULL};

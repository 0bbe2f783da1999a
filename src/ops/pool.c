/* pool: the mean of each factor x factor block. Its transpose is nearest upsampling, scaled (upsample.c). */
#include "graph/op.h"
#include "ops/emit.h"
#include "ops/ops.h"
#include "ops/pool.h"
#include "ops/resample.h"
#include "ops/suite.h"

typedef struct attributes {
    uint32_t factor;
    float scale;
} attributes;

static pnb_status pool_lower(pnb_lower *l, const pnb_node *node) {
    const attributes *a = (const attributes *)node->attr;
    pnb_shape y = pnb_lower_shape(l, node->out[0]);
    pnb_push_pool push = {.rows = y.d[0] * y.d[1] * y.d[2], .width = y.d[3], .factor = a->factor, .scale = a->scale};
    bool fast = a->factor == 2 && push.width % 4 == 0, texel = pnb_emit_texel(l, node->in[0]);
    pnb_dispatch d = pnb_emit_begin(l, texel ? "ops/pool.texel" : "ops/pool", "pool");
    pnb_emit_spec(&d, fast);
    pnb_emit_read(&d, node->in[0], texel);
    pnb_emit_write(&d, node->out[0]);
    pnb_emit_push(&d, &push, sizeof push);
    uint64_t small = (uint64_t)push.rows * push.width;
    pnb_emit_spread(&d, l, fast ? small / 4 : small);
    d.gbyte = 4e-9 * (double)small * (1 + a->factor * a->factor);
    return pnb_lower_emit(l, &d);
}

static pnb_status pool_vjp(pnb_graph *g, const pnb_node *node, const pnb_tensor *gout, uint32_t want, pnb_tensor *gin) {
    const attributes *a = (const attributes *)node->attr;
    if (!(want & 1) || gout[0] == PNB_NONE) return PNB_OK;
    return pnb_upsample_scaled(g, gout[0], a->factor, a->scale, &gin[0]);
}

const pnb_op pnb_op_pool = {.name = "pool", .vjp = pool_vjp, .lower = pool_lower};

pnb_status pnb_pool_scaled(pnb_graph *g, pnb_tensor x, uint32_t factor, float scale, pnb_tensor *y) {
    PNB_TRY(pnb_graph_check(g, "avg_pool", "x", x));
    pnb_shape s = pnb_graph_shape(g, x);
    if (s.rank != 4 || !factor || s.d[2] % factor || s.d[3] % factor) {
        char text[48];
        return pnb_fail(pnb_graph_error(g), PNB_ERROR_INPUT, "avg_pool: expects x [N,C,H,W] with H and W multiples of %u, found %s", factor,
                        pnb_shape_text(s, text));
    }
    attributes a = {factor, scale};
    s.d[2] /= factor;
    s.d[3] /= factor;
    return pnb_graph_add(g, &pnb_op_pool, &x, 1, 0, &a, sizeof a, &s, 1, y, 1);
}

pnb_status pnb_avg_pool(pnb_graph *g, pnb_tensor x, uint32_t factor, pnb_tensor *y) {
    return pnb_pool_scaled(g, x, factor, factor ? 1.0f / ((float)factor * (float)factor) : 0, y);
}

/* ---- cases: arg = {factor} ---------------------------------------------------------------------------------------- */

static pnb_status build(pnb_graph *g, const pnb_op_case *c, const pnb_tensor *in, pnb_tensor *out) {
    return pnb_avg_pool(g, in[0], (uint32_t)c->arg[0], out);
}

static void reference(const pnb_op_case *c, const double *const *in, double *out) {
    size_t f = (size_t)c->arg[0], w = c->in[0].d[3], rows = pnb_shape_count(c->in[0]) / w;
    for (size_t i = 0; i < rows / f * (w / f); i++) out[i] = 0;
    for (size_t i = 0; i < rows; i++) {
        for (size_t j = 0; j < w; j++) out[i / f * (w / f) + j / f] += in[0][i * w + j] / (double)(f * f);
    }
}

static const pnb_op_case cases[] = {
    {.name = "factor 2", .n_in = 1, .in = {{4, {2, 3, 6, 8}}}, .arg = {2}},
    {.name = "factor 2 odd", .n_in = 1, .in = {{4, {2, 3, 10, 14}}}, .arg = {2}},
    {.name = "factor 2 to one pixel", .n_in = 1, .in = {{4, {2, 2, 2, 2}}}, .arg = {2}},
    {.name = "factor 3", .n_in = 1, .in = {{4, {1, 2, 6, 12}}}, .arg = {3}},
    {.name = "factor 8", .n_in = 1, .in = {{4, {1, 1, 16, 16}}}, .arg = {8}},
    {.name = "n8 c64 32x32 factor 2", .n_in = 1, .in = {{4, {8, 64, 32, 32}}}, .arg = {2}, .bench = true},
};

const pnb_op_suite pnb_suite_pool = {"pool", cases, sizeof cases / sizeof cases[0], build, reference, .flops = NULL};

/* pad: margins around images, as a border says; and fold, its adjoint. Each is the other's derivative. */
#include "ops/pad.h"

#include "ops/emit.h"
#include "ops/ops.h"
#include "ops/suite.h"

#include <stdlib.h>

typedef struct attributes {
    uint32_t border, before[2], after[2], fold;
} attributes;

const char *const pnb_border_names[] = {"reflect", "circular", "zero", NULL};

static pnb_status pad_lower(pnb_lower *l, const pnb_node *node) {
    const attributes *a = (const attributes *)(const void *)node->attr;
    pnb_shape out = pnb_lower_shape(l, node->out[0]);
    pnb_shape small = a->fold ? out : pnb_lower_shape(l, node->in[0]);
    uint32_t rows = out.d[0] * out.d[1] * out.d[2], segments = pnb_emit_segments(l, rows, out.d[3]);
    pnb_push_pad push = {.items = rows * segments, .segments = segments, .rows = (int32_t)small.d[2], .width = (int32_t)small.d[3],
                         .padded_rows = (int32_t)(small.d[2] + a->before[0] + a->after[0]),
                         .padded_width = (int32_t)(small.d[3] + a->before[1] + a->after[1]),
                         .top = (int32_t)a->before[0], .left = (int32_t)a->before[1], .border = a->border};
    bool texel = pnb_emit_texel(l, node->in[0]);
    pnb_dispatch d = pnb_emit_begin(l, texel ? "ops/pad.texel" : "ops/pad", a->fold ? "fold" : "pad");
    pnb_emit_spec(&d, a->fold);
    pnb_emit_read(&d, node->in[0], texel);
    pnb_emit_write(&d, node->out[0]);
    pnb_emit_push(&d, &push, sizeof push);
    pnb_emit_spread(&d, l, push.items);
    d.gbyte = 4e-9 * (pnb_emit_count(l, node->in[0]) + (double)pnb_emit_count(l, node->out[0]));
    return pnb_lower_emit(l, &d);
}

static pnb_status pad_vjp(pnb_graph *g, const pnb_node *node, const pnb_tensor *gout, uint32_t want, pnb_tensor *gin) {
    const attributes *a = (const attributes *)(const void *)node->attr;
    if (!(want & 1) || gout[0] == PNB_NONE) return PNB_OK;
    return (a->fold ? pnb_pad : pnb_fold)(g, gout[0], a->border, a->before, a->after, &gin[0]);
}

const pnb_op pnb_op_pad = {.name = "pad", .vjp = pad_vjp, .lower = pad_lower};

static pnb_status check(pnb_graph *g, const char *name, pnb_tensor x, uint32_t border, const uint32_t before[2], const uint32_t after[2],
                        bool fold) {
    PNB_TRY(pnb_graph_check(g, name, "x", x));
    pnb_shape s = pnb_graph_shape(g, x);
    bool fits = s.rank == 4 && border <= PNB_BORDER_ZERO;
    for (int i = 0; fits && i < 2; i++) {
        uint64_t margins = (uint64_t)before[i] + after[i];
        if (fold && margins >= s.d[2 + i]) fits = false;
        uint64_t size = fold ? s.d[2 + i] - margins : s.d[2 + i];
        fits = fits && before[i] < size && after[i] < size;
    }
    if (fits) return PNB_OK;
    char text[48];
    return pnb_fail(pnb_graph_error(g), PNB_ERROR_INPUT,
                    "%s: margins of %u and %u rows, %u and %u columns must be smaller than the images, x is %s", name, before[0], after[0],
                    before[1], after[1], pnb_shape_text(s, text));
}

static pnb_status add(pnb_graph *g, pnb_tensor x, uint32_t border, const uint32_t before[2], const uint32_t after[2], bool fold,
                      pnb_tensor *y) {
    PNB_TRY(check(g, fold ? "fold" : "pad", x, border, before, after, fold));
    pnb_shape s = pnb_graph_shape(g, x);
    attributes a = {border, {before[0], before[1]}, {after[0], after[1]}, fold};
    for (int i = 0; i < 2; i++) s.d[2 + i] = fold ? s.d[2 + i] - before[i] - after[i] : s.d[2 + i] + before[i] + after[i];
    return pnb_graph_add(g, &pnb_op_pad, &x, 1, 0, &a, sizeof a, &s, 1, y, 1);
}

pnb_status pnb_pad(pnb_graph *g, pnb_tensor x, uint32_t border, const uint32_t before[2], const uint32_t after[2], pnb_tensor *y) {
    return add(g, x, border, before, after, false, y);
}

pnb_status pnb_fold(pnb_graph *g, pnb_tensor y, uint32_t border, const uint32_t before[2], const uint32_t after[2], pnb_tensor *x) {
    return add(g, y, border, before, after, true, x);
}

/* ---- cases: arg = {border, top, left, bottom, right, fold} ------------------------------------------------------- */

static pnb_status build(pnb_graph *g, const pnb_op_case *c, const pnb_tensor *in, pnb_tensor *out) {
    uint32_t before[2] = {(uint32_t)c->arg[1], (uint32_t)c->arg[2]}, after[2] = {(uint32_t)c->arg[3], (uint32_t)c->arg[4]};
    return (c->arg[5] ? pnb_fold : pnb_pad)(g, in[0], (uint32_t)c->arg[0], before, after, out);
}

static int place(int q, int n, int border) {
    if (border == PNB_BORDER_ZERO) return q >= 0 && q < n ? q : -1;
    if (border == PNB_BORDER_CIRCULAR) return ((q % n) + n) % n;
    q = abs(q);
    return q < n ? q : 2 * (n - 1) - q;
}

static void reference(const pnb_op_case *c, const double *const *in, double *out) {
    int border = c->arg[0], top = c->arg[1], left = c->arg[2], fold = c->arg[5];
    int margin_rows = top + c->arg[3], margin_columns = left + c->arg[4];
    int h = (int)c->in[0].d[2] - (fold ? margin_rows : 0), w = (int)c->in[0].d[3] - (fold ? margin_columns : 0);
    int planes = (int)(c->in[0].d[0] * c->in[0].d[1]), H = h + margin_rows, W = w + margin_columns;
    for (int i = 0; i < planes * (fold ? h * w : H * W); i++) out[i] = 0;
    for (int q = 0; q < planes * H * W; q++) {
        int i = place(q / W % H - top, h, border), j = place(q % W - left, w, border);
        if (i < 0 || j < 0) continue;
        int small = (q / (H * W) * h + i) * w + j;
        if (fold) out[small] += in[0][q];
        else out[q] = in[0][small];
    }
}

static const pnb_op_case cases[] = {
    {.name = "reflect", .n_in = 1, .in = {{4, {2, 3, 5, 6}}}, .arg = {PNB_BORDER_REFLECT, 2, 1, 3, 4}},
    {.name = "reflect, the most", .n_in = 1, .in = {{4, {1, 1, 4, 3}}}, .arg = {PNB_BORDER_REFLECT, 3, 2, 3, 2}},
    {.name = "circular", .n_in = 1, .in = {{4, {1, 2, 5, 4}}}, .arg = {PNB_BORDER_CIRCULAR, 4, 1, 2, 3}},
    {.name = "zero", .n_in = 1, .in = {{4, {2, 1, 3, 4}}}, .arg = {PNB_BORDER_ZERO, 1, 0, 2, 3}},
    {.name = "fold reflect", .n_in = 1, .in = {{4, {2, 2, 10, 12}}}, .arg = {PNB_BORDER_REFLECT, 2, 1, 3, 5, 1}},
    {.name = "fold circular", .n_in = 1, .in = {{4, {1, 3, 11, 7}}}, .arg = {PNB_BORDER_CIRCULAR, 4, 1, 2, 2, 1}},
    {.name = "fold zero", .n_in = 1, .in = {{4, {1, 1, 9, 8}}}, .arg = {PNB_BORDER_ZERO, 3, 2, 1, 0, 1}},
    {.name = "n1 c3 256x256 by 30", .n_in = 1, .in = {{4, {1, 3, 256, 256}}}, .arg = {PNB_BORDER_REFLECT, 30, 30, 30, 30}, .bench = true},
};

const pnb_op_suite pnb_suite_pad = {"pad", cases, sizeof cases / sizeof cases[0], build, reference, .flops = NULL};

/* adam: one optimiser step on persistent tensors, in place; the scalars that change from step to step lie in the step state.
 *
 * Tensors that lie one behind the other (pnb_store_group), with moments that do so too, are one long tensor here: their gradients
 * are joined, and one dispatch serves them all. A gradient that is a sum of parts is taken in parts. */
#include "graph/op.h"
#include "ops/adam.h"
#include "ops/emit.h"
#include "ops/ops.h"
#include "ops/product.h"
#include "ops/suite.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { IN_W, IN_M, IN_V, IN_GRAD, IN_STATE, IN_EMA };

/* 1 - beta as the caller means it: 0.999 lies 1e-5 (relative to 0.001) off its float, so take the nearest 7-digit decimal. */
static double rest_of(float beta) { return 1 - round((double)beta * 1e7) * 1e-7; }

typedef struct attributes {
    pnb_adam adam;
    uint32_t parts; /* of each value of the gradient */
} attributes;

static pnb_status adam_lower(pnb_lower *l, const pnb_node *node) {
    attributes at;
    memcpy(&at, node->attr, sizeof at);
    const pnb_adam *a = &at.adam;
    bool ema = node->n_in > IN_EMA;
    pnb_push_adam push = {.count = pnb_emit_count(l, node->in[IN_W]), .lr_index = a->lr_index, .clip_index = a->clip_index,
                          .ema_index = a->ema_index, .beta1 = a->beta1, .beta2 = a->beta2,
                          .eps = a->eps, .decay = a->decay, .gscale = a->gscale, .rest1 = (float)rest_of(a->beta1),
                          .rest2 = (float)rest_of(a->beta2)};
    bool texel = pnb_emit_texel(l, node->in[IN_GRAD]);
    const char *shader = ema ? (texel ? "ops/adam.texel_ema" : "ops/adam.ema") : texel ? "ops/adam.texel" : "ops/adam";
    pnb_dispatch d = pnb_emit_begin(l, shader, "adam");
    pnb_emit_spec(&d, at.parts);
    for (uint32_t i = IN_W; i <= IN_V; i++) pnb_emit_update(&d, node->in[i]);
    pnb_emit_read(&d, node->in[IN_GRAD], texel);
    pnb_emit_read(&d, node->in[IN_STATE], false);
    if (ema) pnb_emit_update(&d, node->in[IN_EMA]);
    pnb_emit_push(&d, &push, sizeof push);
    pnb_emit_spread(&d, l, (push.count + 3) / 4);
    d.gbyte = (24e-9 + 4e-9 * at.parts + (ema ? 8e-9 : 0)) * push.count;
    return pnb_lower_emit(l, &d);
}

const pnb_op pnb_op_adam = {.name = "adam", .lower = adam_lower, .impure = true};

/* Parts of a gradient for a tensor of shape s: of [elements, parts], a multiple of 4; 1 for all others. */
static uint32_t parts_of(pnb_shape s, pnb_shape grad) {
    return grad.rank == 2 && grad.d[0] == pnb_shape_count(s) && grad.d[1] % 4 == 0 ? grad.d[1] : 1;
}

/* Entries from..from+n-1 are read of the step state. */
static pnb_status check_state(pnb_graph *g, pnb_tensor state, uint32_t from, uint32_t n) {
    uint64_t size = pnb_shape_count(pnb_graph_shape(g, state));
    if (from + (uint64_t)n <= size) return PNB_OK;
    return pnb_fail(pnb_graph_error(g), PNB_ERROR_USAGE, "adam: reads the state at %u to %u, it has %llu entries", from,
                    from + n - 1, (unsigned long long)size);
}

/* in: as the node takes them; IN_EMA may be PNB_NONE. */
static pnb_status add_step(pnb_graph *g, const pnb_tensor in[IN_EMA + 1], pnb_adam params) {
    static const char *const roles[] = {"w", "m", "v", "grad", "state", "ema"};
    uint32_t n_in = in[IN_EMA] == PNB_NONE ? IN_EMA : IN_EMA + 1, inout = 1u << IN_W | 1u << IN_M | 1u << IN_V;
    char fa[48], fb[48];
    for (uint32_t i = 0; i < n_in; i++) PNB_TRY(pnb_graph_check(g, "adam", roles[i], in[i]));
    pnb_shape s = pnb_graph_shape(g, in[IN_W]);
    attributes at = {.adam = params, .parts = parts_of(s, pnb_graph_shape(g, in[IN_GRAD]))};
    for (uint32_t i = IN_M; i < n_in; i++) {
        pnb_shape other = pnb_graph_shape(g, in[i]);
        if (i != IN_STATE && pnb_shape_count(other) != pnb_shape_count(s) * (i == IN_GRAD ? at.parts : 1)) {
            return pnb_fail(pnb_graph_error(g), PNB_ERROR_INPUT, "adam: %s expects shape %s, found %s", roles[i], pnb_shape_text(s, fa),
                            pnb_shape_text(other, fb));
        }
    }
    PNB_TRY(check_state(g, in[IN_STATE], params.lr_index, 3));
    PNB_TRY(check_state(g, in[IN_STATE], params.clip_index, 1));
    PNB_TRY(check_state(g, in[IN_STATE], params.ema_index, 1));
    if (n_in > IN_EMA) inout |= 1u << IN_EMA;
    return pnb_graph_add(g, &pnb_op_adam, in, n_in, inout, &at, sizeof at, NULL, 0, NULL, 0);
}

pnb_status pnb_adam_step(pnb_graph *g, pnb_tensor w, pnb_tensor m, pnb_tensor v, pnb_tensor grad, pnb_tensor state, pnb_adam params) {
    return add_step(g, (pnb_tensor[]){w, m, v, grad, state, PNB_NONE}, params);
}

/* ---- many tensors at once ------------------------------------------------------------------------------------------ */

static const int kept[] = {IN_W, IN_M, IN_V, IN_EMA}; /* what is updated in place */
enum { KEPT = sizeof kept / sizeof *kept };

/* A tensor to be updated: where it, its moments and its mean lie. */
typedef struct item {
    pnb_tensor in[IN_EMA + 1], root[IN_EMA + 1];
    uint64_t offset[IN_EMA + 1], bytes; /* bytes as far as the next tensor */
    uint32_t parts, number;
} item;

static item item_of(pnb_graph *g, const pnb_tensor in[IN_EMA + 1], uint32_t number) {
    item it = {.number = number};
    memcpy(it.in, in, sizeof it.in);
    for (int i = 0; i < KEPT; i++) {
        int k = kept[i];
        if (in[k] != PNB_NONE) it.root[k] = pnb_graph_root(g, in[k], &it.offset[k]);
    }
    pnb_shape s = pnb_graph_shape(g, in[IN_W]);
    it.bytes = pnb_round_up(4 * pnb_shape_count(s), PNB_MEMORY_ALIGNMENT);
    pnb_tensor summands = pnb_row_summands(g, in[IN_GRAD]);
    if (summands != PNB_NONE && parts_of(s, pnb_graph_shape(g, summands)) > 1) it.in[IN_GRAD] = summands;
    it.parts = parts_of(s, pnb_graph_shape(g, it.in[IN_GRAD]));
    return it;
}

static int by_place(const void *pa, const void *pb) {
    const item *a = pa, *b = pb;
    if (a->root[IN_W] != b->root[IN_W]) return a->root[IN_W] < b->root[IN_W] ? -1 : 1;
    if (a->offset[IN_W] != b->offset[IN_W]) return a->offset[IN_W] < b->offset[IN_W] ? -1 : 1;
    return a->number < b->number ? -1 : 1;
}

/* Whether b lies right behind a, and so do its moments. */
static bool follows(pnb_graph *g, const item *a, const item *b) {
    bool next = a->parts == b->parts && pnb_graph_joinable(g, a->in[IN_GRAD]) && pnb_graph_joinable(g, b->in[IN_GRAD]);
    for (int i = 0; i < KEPT; i++) {
        int k = kept[i];
        if (a->in[k] == PNB_NONE) continue;
        next = next && a->root[k] == b->root[k] && a->offset[k] + a->bytes == b->offset[k] && pnb_graph_shape(g, a->root[k]).rank == 1;
    }
    return next;
}

/* One step for items that follow each other. */
static pnb_status step_run(pnb_graph *g, const item *items, size_t n, pnb_adam params) {
    const item *a = &items[0], *z = &items[n - 1];
    if (n == 1) return add_step(g, a->in, params);
    uint32_t count = (uint32_t)((z->offset[IN_W] - a->offset[IN_W]) / 4 + pnb_shape_count(pnb_graph_shape(g, z->in[IN_W])));
    pnb_tensor in[IN_EMA + 1], *parts = malloc(n * sizeof *parts);
    memcpy(in, a->in, sizeof in);
    uint64_t *offsets = malloc(n * sizeof *offsets);
    pnb_status status = PNB_OK;
    if (!parts || !offsets) status = pnb_fail(pnb_graph_error(g), PNB_ERROR_OUT_OF_MEMORY, "adam: no memory for %zu tensors", n);
    for (size_t i = 0; i < n && status == PNB_OK; i++) {
        parts[i] = items[i].in[IN_GRAD];
        offsets[i] = a->parts * (items[i].offset[IN_W] - a->offset[IN_W]);
    }
    if (status == PNB_OK) status = pnb_graph_join(g, parts, offsets, n, count * a->parts, &in[IN_GRAD]);
    free(parts);
    free(offsets);
    PNB_TRY(status);
    if (a->parts > 1) PNB_TRY(pnb_graph_reshape(g, in[IN_GRAD], pnb_shape2(count, a->parts), &in[IN_GRAD]));
    for (int i = 0; i < KEPT; i++) {
        int k = kept[i];
        if (a->in[k] != PNB_NONE) PNB_TRY(pnb_graph_slice0(g, a->root[k], (uint32_t)(a->offset[k] / 4), count, &in[k]));
    }
    return add_step(g, in, params);
}

static pnb_status step_all(pnb_graph *g, const item *items, size_t n, pnb_adam params) {
    for (size_t first = 0, end; first < n; first = end) {
        uint64_t bytes = items[first].bytes * items[first].parts;
        for (end = first + 1; end < n && follows(g, &items[end - 1], &items[end]); end++) {
            bytes += items[end].bytes * items[end].parts;
            if (bytes > PNB_GROUP_BYTES) break;
        }
        PNB_TRY(step_run(g, items + first, end - first, params));
    }
    return PNB_OK;
}

pnb_status pnb_adam_steps(pnb_graph *g, const pnb_tensor *w, const pnb_tensor *m, const pnb_tensor *v, const pnb_tensor *ema,
                          const pnb_tensor *grad, size_t n, pnb_tensor state, pnb_adam params) {
    static const char *const roles[] = {"w", "m", "v", "grad", "state", "ema"};
    item *items = malloc((n ? n : 1) * sizeof *items);
    size_t count = 0;
    pnb_status status = PNB_OK;
    if (!items) return pnb_fail(pnb_graph_error(g), PNB_ERROR_OUT_OF_MEMORY, "adam: no memory for %zu tensors", n);
    for (size_t i = 0; i < n; i++) {
        pnb_tensor in[] = {w[i], m[i], v[i], grad[i], state, ema ? ema[i] : PNB_NONE};
        if (grad[i] == PNB_NONE) continue;
        for (int k = IN_W; k <= (ema ? IN_EMA : IN_STATE); k++) PNB_TRY_GOTO(pnb_graph_check(g, "adam", roles[k], in[k]));
        items[count] = item_of(g, in, (uint32_t)i);
        count++;
    }
    qsort(items, count, sizeof *items, by_place);
    status = step_all(g, items, count, params);
fail:
    free(items);
    return status;
}

/* ---- cases: inputs w, m, v, grad, state (lr, c1, c2 from entry 1 on, then clip and ema), ema; the output joins the new w, m, v and
 * the mean; farg = {decay, gscale}, arg = {clipped} */

static pnb_adam params_of(const pnb_op_case *c) {
    return (pnb_adam){.beta1 = 0.9f, .beta2 = 0.999f, .eps = 1e-8f, .decay = c->farg[0], .gscale = c->farg[1], .lr_index = 1,
                      .clip_index = c->arg[0] ? 4 : 0, .ema_index = 5};
}

static pnb_status build(pnb_graph *g, const pnb_op_case *c, const pnb_tensor *in, pnb_tensor *out) {
    bool ema = c->n_in > IN_EMA;
    pnb_tensor parts[] = {in[IN_W], in[IN_M], in[IN_V], ema ? in[IN_EMA] : PNB_NONE};
    PNB_TRY(pnb_adam_steps(g, &in[IN_W], &in[IN_M], &in[IN_V], ema ? &in[IN_EMA] : NULL, &in[IN_GRAD], 1, in[IN_STATE], params_of(c)));
    return pnb_concat(g, 0, parts, ema ? 4 : 3, out);
}

static void reference(const pnb_op_case *c, const double *const *in, double *out) {
    pnb_adam p = params_of(c);
    size_t count = pnb_shape_count(c->in[0]);
    size_t parts = pnb_shape_count(c->in[3]) / count;
    double lr = in[4][1], c1 = in[4][2], c2 = in[4][3], r1 = rest_of(p.beta1), r2 = rest_of(p.beta2);
    for (size_t i = 0; i < count; i++) {
        double sum = 0;
        for (size_t k = 0; k < parts; k++) sum += in[3][i * parts + k];
        double g = sum * (double)p.gscale * (p.clip_index ? in[4][p.clip_index] : 1), w = in[0][i] * (1 - lr * (double)p.decay);
        double m = (1 - r1) * in[1][i] + r1 * g, v = (1 - r2) * in[2][i] + r2 * g * g;
        out[i] = w - lr / c1 * m / (sqrt(v / c2) + (double)p.eps);
        out[count + i] = m;
        out[2 * count + i] = v;
        if (c->n_in > IN_EMA) out[3 * count + i] = in[5][i] + in[4][p.ema_index] * (out[i] - in[5][i]);
    }
}

#define ADAM(text, n, decay, gscale)                                                                                  \
    {.name = text, .n_in = 5, .in = {{1, {n, 1, 1, 1}}, {1, {n, 1, 1, 1}}, {1, {n, 1, 1, 1}}, {1, {n, 1, 1, 1}}, {1, {6, 1, 1, 1}}}, \
     .scale = {1, 0.1f, 0.02f, 1, 0.01f}, .shift = {0, 0, 0.2f, 0, 0.5f}, .no_grad = 31, .farg = {decay, gscale}}

static const pnb_op_case cases[] = {
    ADAM("odd", 103, 0, 1),
    ADAM("decay", 64, 0.01f, 1),
    ADAM("gradient scaled", 5, 0, 0.125f),
    {.name = "clipped, with a running mean", .n_in = 6, .arg = {1}, .in = {{1, {83, 1, 1, 1}}, {1, {83, 1, 1, 1}}, {1, {83, 1, 1, 1}}, {1, {83, 1, 1, 1}}, {1, {6, 1, 1, 1}}, {1, {83, 1, 1, 1}}},
     .scale = {1, 0.1f, 0.02f, 1, 0.01f, 1}, .shift = {0, 0, 0.2f, 0, 0.5f, 0}, .no_grad = 63, .farg = {0.01f, 0.5f}},
    {.name = "gradient in 8 parts", .n_in = 5, .in = {{1, {70, 1, 1, 1}}, {1, {70, 1, 1, 1}}, {1, {70, 1, 1, 1}}, {2, {70, 8, 1, 1}}, {1, {6, 1, 1, 1}}},
     .scale = {1, 0.1f, 0.02f, 1, 0.01f}, .shift = {0, 0, 0.2f, 0, 0.5f}, .no_grad = 31, .farg = {0.01f, 0.5f}},
};

const pnb_op_suite pnb_suite_adam = {"adam", cases, sizeof cases / sizeof cases[0], build, reference, .flops = NULL};

/* Self-attention over [N,3C,T], fused: no T x T matrix is stored. Three channel orders, given to the kernels as steps.
 *
 * The forward node keeps two numbers a query and head for the gradient (largest score, 1/sum of exponentials); the gradient
 * computes the scores again, once for the queries and once for keys and values. */
#include "ops/attention.h"

#include "graph/op.h"
#include "ops/emit.h"
#include "ops/load.h"
#include "ops/ops.h"
#include "ops/suite.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Scores of a place at a time, in vec4s: more spill registers. On GPUs, where an invocation has one place instead of four, as many as
 * leave room for half of the subgroups that AMD has place for. */
enum { TILE4 = 2, GPU_TILE4 = 8, GPU_GRAD_TILE4 = 4 };
enum { OUT, STATS };                             /* outputs of the forward node */
enum { QKV, GRAD_OUT, GRAD_STATS, GRAD };        /* inputs of the gradient node */
enum { GRAD_QKV, DELTA };                        /* its outputs; DELTA is workspace */

typedef struct attributes {
    uint32_t heads;
    uint32_t order; /* pnb_qkv_order */
} attributes;

extern const pnb_op pnb_op_attention_grad;

static pnb_push_attention push_of(pnb_shape qkv, attributes at) {
    uint32_t channels = qkv.d[1] / 3, width = channels / at.heads;
    pnb_push_attention p = {
        .heads = at.heads,
        .width = width,
        .steps = qkv.d[2],
        .head_step = at.order == PNB_QKV_NEW ? width : 3 * width,
        .part_step = at.order == PNB_QKV_NEW ? channels : at.order == PNB_QKV_LEGACY ? width : 1,
        .channel_step = at.order == PNB_QKV_INTERLEAVED ? 3 : 1,
        .scale = 1.0f / sqrtf((float)width),
        .count = qkv.d[0] * at.heads * ((qkv.d[2] + 3) / 4),
    };
    return p;
}

/* ---- lowering --------------------------------------------------------------------------------------------------- */

static attributes attributes_of(const pnb_node *node) {
    attributes at;
    memcpy(&at, node->attr, sizeof at);
    return at;
}

enum { PLAIN, TEXEL, RAGGED, GPU, GPU_RAGGED, VARIANTS };

/* The variant of a kernel that suits the device and T. Of a GPU the tuner may find that it is better off with four places a lane. */
static int variant_of(pnb_lower *l, pnb_tensor qkv, const char *pass, const pnb_push_attention *p) {
    static const char *const ways[] = {"one place a lane", "four places a lane"};
    bool ragged = p->steps % 4 != 0;
    char key[96];
    snprintf(key, sizeof key, "attention%s n%u h%u c%u t%u", pass, pnb_lower_shape(l, qkv).d[0], p->heads, p->width, p->steps);
    if (!pnb_lower_caps(l)->is_cpu && pnb_lower_choose(l, key, ways, 2, 0) == 0) return ragged ? GPU_RAGGED : GPU;
    if (ragged) return RAGGED;
    return pnb_emit_texel(l, qkv) ? TEXEL : PLAIN; /* the gradient of the output is smaller: it fits too */
}

/* products: how many [T,T] x channels products the kernel makes */
static pnb_status emit(pnb_lower *l, pnb_dispatch *d, pnb_push_attention p, int variant, uint32_t gpu_tile4, double products) {
    bool gpu = variant >= GPU;
    d->gflop = products * 8e-9 * p.count * p.steps * p.width;
    d->spec[0] = pnb_load_local(l, p.count);
    pnb_emit_spec(d, gpu ? gpu_tile4 : TILE4);
    if (gpu) p.count = p.count / ((p.steps + 3) / 4) * pnb_divide_up(p.steps, d->spec[0]) * d->spec[0];
    pnb_emit_push(d, &p, sizeof p);
    pnb_groups_1d(pnb_lower_caps(l), p.count, d->spec[0], d->groups);
    return pnb_lower_emit(l, d);
}

static pnb_status lower(pnb_lower *l, const pnb_node *node) {
    static const char *const shader[VARIANTS] = {"ops/attention", "ops/attention.texel", "ops/attention.ragged", "ops/attention.gpu",
                                                 "ops/attention.gpu_ragged"};
    pnb_push_attention p = push_of(pnb_lower_shape(l, node->in[QKV]), attributes_of(node));
    int variant = variant_of(l, node->in[QKV], "", &p);
    pnb_dispatch d = pnb_emit_begin(l, shader[variant], "attention");
    pnb_emit_read(&d, node->in[QKV], variant == TEXEL);
    pnb_emit_update(&d, node->out[OUT]);
    pnb_emit_write(&d, node->out[STATS]);
    return emit(l, &d, p, variant, GPU_TILE4, 2);
}

static pnb_status grad_lower(pnb_lower *l, const pnb_node *node) {
    static const char *const query[VARIANTS] = {"ops/attention_grad_query", "ops/attention_grad_query.texel",
                                                "ops/attention_grad_query.ragged", "ops/attention_grad_query.gpu",
                                                "ops/attention_grad_query.gpu_ragged"};
    static const char *const key[VARIANTS] = {"ops/attention_grad_key", "ops/attention_grad_key.texel",
                                              "ops/attention_grad_key.ragged", "ops/attention_grad_key.gpu",
                                              "ops/attention_grad_key.gpu_ragged"};
    pnb_push_attention p = push_of(pnb_lower_shape(l, node->in[QKV]), attributes_of(node));
    int variant = variant_of(l, node->in[QKV], "_grad", &p);
    pnb_dispatch d = pnb_emit_begin(l, query[variant], "attention grad query");
    pnb_emit_read(&d, node->in[QKV], variant == TEXEL);
    pnb_emit_read(&d, node->in[GRAD_OUT], false);
    pnb_emit_read(&d, node->in[GRAD_STATS], false);
    pnb_emit_read(&d, node->in[GRAD], variant == TEXEL);
    pnb_emit_update(&d, node->out[GRAD_QKV]);
    pnb_emit_write(&d, node->out[DELTA]);
    PNB_TRY(emit(l, &d, p, variant, GPU_GRAD_TILE4, 3));
    d = pnb_emit_begin(l, key[variant], "attention grad key");
    pnb_emit_read(&d, node->in[QKV], variant == TEXEL);
    pnb_emit_read(&d, node->in[GRAD_STATS], false);
    pnb_emit_read(&d, node->in[GRAD], variant == TEXEL);
    pnb_emit_read(&d, node->out[DELTA], false);
    pnb_emit_update(&d, node->out[GRAD_QKV]);
    return emit(l, &d, p, variant, GPU_GRAD_TILE4, 4);
}

static pnb_status vjp(pnb_graph *g, const pnb_node *node, const pnb_tensor *gout, uint32_t want, pnb_tensor *gin) {
    if (!(want & 1u) || gout[OUT] == PNB_NONE) return PNB_OK;
    attributes at = attributes_of(node);
    pnb_shape s = pnb_graph_shape(g, node->in[QKV]);
    pnb_tensor in[] = {node->in[QKV], node->out[OUT], node->out[STATS], gout[OUT]};
    pnb_shape shapes[] = {s, pnb_shape3(s.d[0], at.heads, s.d[2])};
    return pnb_graph_add(g, &pnb_op_attention_grad, in, 4, 0, &at, sizeof at, shapes, 2, gin, 1);
}

const pnb_op pnb_op_attention = {.name = "attention", .vjp = vjp, .lower = lower};
const pnb_op pnb_op_attention_grad = {.name = "attention_grad", .lower = grad_lower};

pnb_status pnb_attention(pnb_graph *g, pnb_tensor qkv, uint32_t heads, pnb_qkv_order order, pnb_tensor *y) {
    PNB_TRY(pnb_graph_check(g, "attention", "qkv", qkv));
    pnb_shape s = pnb_graph_shape(g, qkv);
    char text[48];
    if (s.rank != 3 || s.d[1] % 3 != 0)
        return pnb_fail(pnb_graph_error(g), PNB_ERROR_INPUT, "attention: qkv expects shape [N,3C,T], found %s", pnb_shape_text(s, text));
    uint32_t channels = s.d[1] / 3;
    if (heads == 0 || channels % heads != 0)
        return pnb_fail(pnb_graph_error(g), PNB_ERROR_INPUT, "attention: %u channels do not divide into %u heads", channels, heads);
    attributes at = {.heads = heads, .order = (uint32_t)order};
    pnb_shape shapes[] = {pnb_shape3(s.d[0], channels, s.d[2]), pnb_shape4(s.d[0], heads, 2, s.d[2])};
    return pnb_graph_add(g, &pnb_op_attention, &qkv, 1, 0, &at, sizeof at, shapes, 2, y, 1);
}

/* ---- cases ------------------------------------------------------------------------------------------------------ */

/* arg: heads, order */
static pnb_push_attention case_push(const pnb_op_case *c) {
    return push_of(c->in[0], (attributes){.heads = (uint32_t)c->arg[0], .order = (uint32_t)c->arg[1]});
}

static pnb_status case_build(pnb_graph *g, const pnb_op_case *c, const pnb_tensor *in, pnb_tensor *out) {
    return pnb_attention(g, in[0], (uint32_t)c->arg[0], (pnb_qkv_order)c->arg[1], out);
}

/* One query of one head: part[s] is the head's first row of query, key, value; y the head's first output row. */
static void case_query(const pnb_push_attention *p, const double *const part[3], size_t i, double *weight, double *y) {
    size_t T = p->steps, step = p->channel_step * T;
    double most = -INFINITY, total = 0;
    for (size_t j = 0; j < T; j++) {
        weight[j] = 0;
        for (size_t c = 0; c < p->width; c++) weight[j] += part[0][c * step + i] * part[1][c * step + j];
        weight[j] /= sqrt((double)p->width);
        most = weight[j] > most ? weight[j] : most;
    }
    for (size_t j = 0; j < T; j++) total += weight[j] = exp(weight[j] - most);
    for (size_t c = 0; c < p->width; c++) {
        double sum = 0;
        for (size_t j = 0; j < T; j++) sum += weight[j] * part[2][c * step + j];
        y[c * T + i] = sum / total;
    }
}

static void case_reference(const pnb_op_case *c, const double *const *in, double *out) {
    pnb_push_attention p = case_push(c);
    size_t T = p.steps, channels = (size_t)p.heads * p.width;
    double *weight = malloc(T * sizeof *weight);
    if (!weight) return;
    for (size_t n = 0; n < c->in[0].d[0]; n++)
        for (size_t h = 0; h < p.heads; h++) {
            const double *head = in[0] + (n * 3 * channels + h * p.head_step) * T, *part[3];
            for (size_t s = 0; s < 3; s++) part[s] = head + s * p.part_step * T;
            for (size_t i = 0; i < T; i++) case_query(&p, part, i, weight, out + (n * channels + h * p.width) * T);
        }
    free(weight);
}

static double case_flops(const pnb_op_case *c) {
    pnb_push_attention p = case_push(c);
    return 16.0 * p.count * p.steps * p.width;
}

#define ATTENTION(n, channels, t, heads, order) .n_in = 1, .in = {{3, {n, 3 * (channels), t, 1}}}, .arg = {heads, order}
static const pnb_op_case cases[] = {
    {.name = "n1 c1 t1 legacy", ATTENTION(1, 1, 1, 1, PNB_QKV_LEGACY)},
    {.name = "n2 c8 t16 h2 legacy", ATTENTION(2, 8, 16, 2, PNB_QKV_LEGACY)},
    {.name = "n2 c8 t16 h2 new", ATTENTION(2, 8, 16, 2, PNB_QKV_NEW)},
    {.name = "n2 c8 t16 h2 interleaved", ATTENTION(2, 8, 16, 2, PNB_QKV_INTERLEAVED)},
    {.name = "n1 c4 t4 h1 interleaved", ATTENTION(1, 4, 4, 1, PNB_QKV_INTERLEAVED)},
    {.name = "n1 c6 t7 h3 legacy", ATTENTION(1, 6, 7, 3, PNB_QKV_LEGACY)},
    {.name = "n2 c5 t21 h1 new", ATTENTION(2, 5, 21, 1, PNB_QKV_NEW)},
    {.name = "n1 c6 t20 h2 new", ATTENTION(1, 6, 20, 2, PNB_QKV_NEW)},
    {.name = "n1 c4 t36 h2 legacy", ATTENTION(1, 4, 36, 2, PNB_QKV_LEGACY)},
    {.name = "n1 c4 t132 h2 new", ATTENTION(1, 4, 132, 2, PNB_QKV_NEW)},
    {.name = "n2 c3 t70 h1 legacy", ATTENTION(2, 3, 70, 1, PNB_QKV_LEGACY)},
    {.name = "n1 c4 t18 h1, large scores", ATTENTION(1, 4, 18, 1, PNB_QKV_LEGACY), .scale = {6}},
    {.name = "bench n16 c128 t64 h4", ATTENTION(16, 128, 64, 4, PNB_QKV_LEGACY), .bench = true},
    {.name = "bench n16 c64 t256 h4", ATTENTION(16, 64, 256, 4, PNB_QKV_LEGACY), .bench = true},
};

const pnb_op_suite pnb_suite_attention = {
    .op = "attention",
    .cases = cases,
    .count = sizeof cases / sizeof cases[0],
    .build = case_build,
    .reference = case_reference,
    .flops = case_flops,
};

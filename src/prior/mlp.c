/* Time-conditioned MLP for vectors: h = silu(inp x + emb_0 f); h = silu(hid_i h + emb_i f) + h; eps = out h; f the
 * log-SNR features.
 *
 * Files: safetensors with the metadata architecture = "mlp" and the tensors inp, hid.i, emb.i, out (weight and bias
 * each).
 */
#include "base/philox.h"
#include "ops/ops.h"
#include "prior/internal.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { MAX_DEPTH = 64, NAME_SIZE = 32 };

typedef struct mlp_layer {
    char name[NAME_SIZE];
    uint32_t in, out;
} mlp_layer;

/* Layer i of inp, hid.0.., emb.0.., out; their number is 2 depth + 1. */
static mlp_layer layer_at(pnb_mlp_config c, uint32_t i) {
    mlp_layer l = {.in = c.hidden, .out = c.hidden};
    if (i == 0) {
        snprintf(l.name, sizeof l.name, "inp");
        l.in = c.inputs;
    } else if (i < c.depth) {
        snprintf(l.name, sizeof l.name, "hid.%u", i - 1);
    } else if (i < 2 * c.depth) {
        snprintf(l.name, sizeof l.name, "emb.%u", i - c.depth);
        l.in = PNB_FOURIER_DIM;
    } else {
        snprintf(l.name, sizeof l.name, "out");
        l.out = c.dim;
    }
    return l;
}

static pnb_status add_layer(pnb_weights *w, const mlp_layer *l, pnb_storage_kind kind, float **weight, float **bias) {
    char name[NAME_SIZE + 8];
    snprintf(name, sizeof name, "%s.weight", l->name);
    PNB_TRY(pnb_weights_add(w, name, pnb_shape2(l->out, l->in), kind, weight));
    snprintf(name, sizeof name, "%s.bias", l->name);
    return pnb_weights_add(w, name, pnb_shape1(l->out), kind, bias);
}

static void fill_uniform(uint64_t seed, uint32_t stream, float bound, float *values, size_t count) {
    pnb_fill_uniform(seed, stream, 0, 0, values, count);
    for (size_t i = 0; i < count; i++) values[i] = bound * (2.0f * values[i] - 1.0f);
}

pnb_status pnb_mlp_describe(pnb_weights *w, pnb_mlp_config c, pnb_storage_kind kind, uint64_t seed, bool zero_last) {
    for (uint32_t i = 0; i <= 2 * c.depth; i++) {
        mlp_layer l = layer_at(c, i);
        float *weight, *bias, bound = 1.0f / sqrtf((float)l.in);
        PNB_TRY(add_layer(w, &l, kind, &weight, &bias));
        if (zero_last && i == 2 * c.depth) continue;
        fill_uniform(seed, 2 * i, bound, weight, (size_t)l.in * l.out);
        fill_uniform(seed, 2 * i + 1, bound, bias, l.out);
    }
    return PNB_OK;
}

/* ---- files --------------------------------------------------------------------------------------------------------
 */

static bool has(const pnb_tensor_file *file, const char *name) {
    size_t i;
    return pnb_tensor_file_find(file, name, &i);
}

static pnb_status infer(pnb_prior *p, const pnb_tensor_file *file) {
    size_t at;
    pnb_tensor_entry inp = {0};
    if (pnb_tensor_file_find(file, "inp.weight", &at)) inp = pnb_tensor_file_at(file, at);
    if (inp.rank != 2 || inp.shape[0] < 1 || inp.shape[0] > 8192 || inp.shape[1] < 1 || inp.shape[1] > 8192)
        return pnb_fail(p->err, PNB_ERROR_MODEL, "mlp: tensor 'inp.weight' should be [hidden,dim], at most 8192 each");
    uint32_t depth = 0;
    for (char name[NAME_SIZE]; depth <= MAX_DEPTH; depth++) {
        snprintf(name, sizeof name, "emb.%u.weight", depth);
        if (!has(file, name)) break;
    }
    if (depth < 1 || depth > MAX_DEPTH)
        return pnb_fail(p->err, PNB_ERROR_MODEL, "mlp: found %u layers emb.i, expected 1 to %d", depth, MAX_DEPTH);
    pnb_tensor_entry out = {0};
    if (pnb_tensor_file_find(file, "out.weight", &at)) out = pnb_tensor_file_at(file, at);
    if (out.rank != 2 || out.shape[0] < 1 || out.shape[0] > 8192)
        return pnb_fail(p->err, PNB_ERROR_MODEL, "mlp: tensor 'out.weight' should be [dim,hidden], at most 8192 each");
    p->mlp = (pnb_mlp_config){.inputs = (uint32_t)inp.shape[1],
                              .dim = (uint32_t)out.shape[0],
                              .hidden = (uint32_t)inp.shape[0],
                              .depth = depth};
    size_t expected =
        2 * (2 * (size_t)depth + 1) + has(file, "fr"); /* fr: the features' frequencies */
    if (pnb_tensor_file_count(file) != expected)
        return pnb_fail(p->err, PNB_ERROR_MODEL, "mlp: found %zu tensors, expected %zu for %u layers",
                        pnb_tensor_file_count(file), expected, depth);
    return PNB_OK;
}

void pnb_mlp_say(pnb_prior *p) {
    snprintf(p->describe, sizeof p->describe, "MLP: %u dimensions, %u layers of %u, SiLU, log-SNR features", p->mlp.dim,
             p->mlp.depth, p->mlp.hidden);
}

pnb_status pnb_mlp_load(pnb_prior *p, pnb_tensor_file *file) {
    PNB_TRY(infer(p, file));
    for (uint32_t i = 0; i <= 2 * p->mlp.depth; i++) {
        mlp_layer l = layer_at(p->mlp, i);
        char name[NAME_SIZE + 8];
        float *weight, *bias;
        PNB_TRY(add_layer(&p->weights, &l, PNB_STORAGE_FROZEN, &weight, &bias));
        snprintf(name, sizeof name, "%s.weight", l.name);
        PNB_TRY(pnb_tensor_file_read_shape_f32(file, name, 2, (uint64_t[]){l.out, l.in}, weight));
        snprintf(name, sizeof name, "%s.bias", l.name);
        PNB_TRY(pnb_tensor_file_read_shape_f32(file, name, 1, (uint64_t[]){l.out}, bias));
    }
    pnb_mlp_say(p);
    return PNB_OK;
}

/* ---- graph --------------------------------------------------------------------------------------------------------
 */

static pnb_status hidden_layer(const pnb_net *net, pnb_mlp_config c, uint32_t i, pnb_tensor h, pnb_tensor features,
                               pnb_tensor *y) {
    pnb_tensor a, b;
    PNB_TRY(pnb_net_linear(net, layer_at(c, i).name, h, &a));
    PNB_TRY(pnb_net_linear(net, layer_at(c, c.depth + i).name, features, &b));
    PNB_TRY(pnb_add(net->g, a, b, &a));
    PNB_TRY(pnb_silu(net->g, a, y));
    return i ? pnb_add(net->g, *y, h, y) : PNB_OK;
}

pnb_status pnb_mlp_eps(const pnb_weights *w, pnb_mlp_config c, pnb_graph *g, pnb_tensor x, pnb_level level,
                       pnb_tensor *eps) {
    pnb_net net = {.g = g, .weights = w};
    pnb_tensor features, h = x;
    PNB_TRY(pnb_log_snr_features(g, level.alpha, level.sigma, &features));
    for (uint32_t i = 0; i < c.depth; i++) PNB_TRY(hidden_layer(&net, c, i, h, features, &h));
    return pnb_net_linear(&net, "out", h, eps);
}

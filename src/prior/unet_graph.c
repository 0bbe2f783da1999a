/* A U-Net as a graph: the list of layers laid one after the other (residual blocks after Dhariwal and Nichol 2021,
 * arXiv 2105.05233, and Karras et al. 2022, arXiv 2206.00364; attention after Ho et al. 2020). */
#include "graph/op.h"
#include "ops/half.h"
#include "ops/pad.h"
#include "prior/internal.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

typedef struct builder {
    pnb_net net;
    const pnb_unet *unet;
    pnb_tensor embedding; /* [N, embedding], after its SiLU */
    pnb_tensor condition; /* [rows, C, H, W], or PNB_NONE */
} builder;

/* layer.part into buf */
static const char *part(const pnb_unet_layer *l, const char *name, char buf[2 * PNB_UNET_NAME_SIZE]) {
    snprintf(buf, 2 * PNB_UNET_NAME_SIZE, "%s.%s", l->name, name);
    return buf;
}

static pnb_status norm(const builder *b, const char *name, pnb_tensor x, pnb_tensor scale_shift, bool silu,
                       pnb_tensor *y) {
    uint32_t groups = pnb_unet_groups(b->unet, pnb_graph_shape(b->net.g, x).d[1]);
    return pnb_net_norm(&b->net, name, x, scale_shift, groups, b->unet->norm_eps, silu, y);
}

static pnb_status resample(pnb_graph *g, int32_t direction, pnb_tensor *x) {
    if (direction < 0) return pnb_avg_pool(g, *x, 2, x);
    if (direction > 0) return pnb_upsample_nearest(g, *x, 2, x);
    return PNB_OK;
}

/* One value a sample and channel, [N,C], added to [N,C,H,W]: seen as N*C rows. */
static pnb_status add_channels(pnb_graph *g, pnb_tensor e, pnb_tensor *h) {
    pnb_shape s = pnb_graph_shape(g, *h);
    uint32_t rows = s.d[0] * s.d[1];
    PNB_TRY(pnb_graph_reshape(g, e, pnb_shape1(rows), &e));
    PNB_TRY(pnb_graph_reshape(g, *h, pnb_shape2(rows, s.d[2] * s.d[3]), h));
    PNB_TRY(pnb_add(g, *h, e, h));
    return pnb_graph_reshape(g, *h, s, h);
}

static pnb_status add_branch(const builder *b, pnb_tensor x, pnb_tensor h, pnb_tensor *y) {
    float s = b->unet->residual_scale;
    return s == 1 ? pnb_add(b->net.g, x, h, y) : pnb_axpby(b->net.g, s, PNB_NONE, x, s, PNB_NONE, h, y);
}

/* h = conv(resample(silu(norm x))); h = conv(silu(norm(h) with the embedding)); y = skip(resample x) + h */
static pnb_status residual(const builder *b, const pnb_unet_layer *l, pnb_tensor x, pnb_tensor *y) {
    const pnb_unet_names *names = b->unet->names;
    const pnb_net *net = &b->net;
    bool scale_shift = b->unet->scale_shift;
    char name[2 * PNB_UNET_NAME_SIZE];
    pnb_tensor h, e;
    PNB_TRY(norm(b, part(l, names->res_norm[0], name), x, PNB_NONE, true, &h));
    PNB_TRY(resample(net->g, l->resample, &h));
    PNB_TRY(resample(net->g, l->resample, &x));
    PNB_TRY(pnb_net_conv(net, part(l, names->res_conv[0], name), h, 1, 1, &h));
    PNB_TRY(pnb_net_linear(net, part(l, names->res_time, name), b->embedding, &e));
    if (!scale_shift) PNB_TRY(add_channels(net->g, e, &h));
    PNB_TRY(norm(b, part(l, names->res_norm[1], name), h, scale_shift ? e : PNB_NONE, true, &h));
    PNB_TRY(pnb_net_conv(net, part(l, names->res_conv[1], name), h, 1, 1, &h));
    if (pnb_unet_has_skip(b->unet, l)) PNB_TRY(pnb_net_conv(net, part(l, names->res_skip, name), x, 1, 0, &x));
    return add_branch(b, x, h, y);
}

static pnb_status attention(const builder *b, const pnb_unet_layer *l, pnb_tensor x, pnb_tensor *y) {
    const pnb_unet_names *names = b->unet->names;
    const pnb_net *net = &b->net;
    char name[2 * PNB_UNET_NAME_SIZE];
    pnb_shape s = pnb_graph_shape(net->g, x);
    pnb_tensor h = x, parts[3];
    uint32_t n = 0;
    if (!l->bare) PNB_TRY(norm(b, part(l, names->attention_norm, name), x, PNB_NONE, false, &h));
    for (; n < 3 && names->qkv[n]; n++) PNB_TRY(pnb_net_conv(net, part(l, names->qkv[n], name), h, 1, 0, &parts[n]));
    h = parts[0];
    if (n > 1) PNB_TRY(pnb_concat(net->g, 1, parts, n, &h));
    PNB_TRY(pnb_graph_reshape(net->g, h, pnb_shape3(s.d[0], 3 * s.d[1], s.d[2] * s.d[3]), &h));
    PNB_TRY(pnb_attention(net->g, h, l->heads, b->unet->order, &h));
    PNB_TRY(pnb_graph_reshape(net->g, h, s, &h));
    PNB_TRY(pnb_net_conv(net, part(l, names->proj, name), h, 1, 0, &h));
    return add_branch(b, x, h, y);
}

/* Strided convolution; with pad_after a row and a column of zeros below and to the right. */
static pnb_status shrink(const builder *b, const char *name, pnb_tensor x, pnb_tensor *y) {
    pnb_shape s = pnb_graph_shape(b->net.g, x);
    if (!b->unet->pad_after) return pnb_net_conv(&b->net, name, x, 2, 1, y);
    PNB_TRY(pnb_embed(b->net.g, x, 2, 0, s.d[2] + 1, &x));
    PNB_TRY(pnb_embed(b->net.g, x, 3, 0, s.d[3] + 1, &x));
    return pnb_net_conv(&b->net, name, x, 2, 0, y);
}

static pnb_status layer(const builder *b, const pnb_unet_layer *l, pnb_tensor x, pnb_tensor *y) {
    switch (l->kind) {
    case PNB_UNET_CONV:
        return pnb_net_conv(&b->net, l->name, x, 1, 1, y);
    case PNB_UNET_RES:
        return residual(b, l, x, y);
    case PNB_UNET_ATTENTION:
        return attention(b, l, x, y);
    case PNB_UNET_DOWN:
        return l->name[0] ? shrink(b, l->name, x, y) : pnb_avg_pool(b->net.g, x, 2, y);
    case PNB_UNET_UP:
        PNB_TRY(pnb_upsample_nearest(b->net.g, x, 2, y));
        return l->name[0] ? pnb_net_conv(&b->net, l->name, *y, 1, 1, y) : PNB_OK;
    }
    return PNB_OK;
}

/* ---- sizes that the network does not halve evenly: mirrored at the edges, and cropped ------------------------------
 */

static void margins(const pnb_prior *p, pnb_shape s, uint32_t before[2], uint32_t after[2]) {
    for (uint32_t i = 0; i < 2; i++) {
        uint32_t more = pnb_prior_padded(p, s.d[2 + i]) - s.d[2 + i];
        before[i] = more / 2;
        after[i] = more - more / 2;
    }
}

static pnb_status widen(const pnb_prior *p, pnb_graph *g, pnb_tensor *h) {
    uint32_t before[2], after[2];
    margins(p, pnb_graph_shape(g, *h), before, after);
    return after[0] || after[1] ? pnb_pad(g, *h, PNB_BORDER_REFLECT, before, after, h) : PNB_OK;
}

static pnb_status crop(const pnb_prior *p, pnb_graph *g, pnb_shape to, pnb_tensor *h) {
    uint32_t before[2], after[2];
    margins(p, to, before, after);
    for (uint32_t i = 0; i < 2; i++)
        if (after[i]) PNB_TRY(pnb_slice(g, *h, 2 + i, before[i], to.d[2 + i], h));
    return PNB_OK;
}

/* ---- the network --------------------------------------------------------------------------------------------------
 */

/* Adds what a class gives to x [N,D]. */
static pnb_status add_label(const builder *b, pnb_tensor label, pnb_tensor *x) {
    const pnb_unet *u = b->unet;
    pnb_graph *g = b->net.g;
    pnb_tensor table, bias, e;
    char name[PNB_UNET_NAME_SIZE];
    snprintf(name, sizeof name, "%s.weight", u->names->label);
    PNB_TRY(pnb_weights_bind(b->net.weights, g, name, &table));
    if (u->label != PNB_LABEL_TABLE) PNB_TRY(pnb_transpose(g, table, (uint32_t[4]){1, 0, 2, 3}, &table));
    PNB_TRY(pnb_lookup(g, table, label, &e));
    if (u->label == PNB_LABEL_NOISE) {
        snprintf(name, sizeof name, "%s.bias", u->names->label);
        PNB_TRY(pnb_weights_bind(b->net.weights, g, name, &bias));
        PNB_TRY(pnb_graph_reshape(g, bias, pnb_shape2(1, u->time_channels), &bias));
        PNB_TRY(pnb_affine(g, label, 0, 0, &label)); /* row 0 for each sample */
        PNB_TRY(pnb_lookup(g, bias, label, &bias));
        PNB_TRY(pnb_affine(g, e, sqrtf((float)u->classes), 0, &e));
        PNB_TRY(pnb_add(g, e, bias, &e));
    }
    return pnb_add(g, *x, e, x);
}

/* SiLU of the embedding of time (and class): all that residual blocks use of it, so it is made once. */
static pnb_status embedding(builder *b, pnb_tensor t, pnb_tensor label) {
    const pnb_unet *u = b->unet;
    pnb_graph *g = b->net.g;
    pnb_tensor e;
    PNB_TRY(pnb_timestep_embedding(g, t, u->time_channels, 10000.0f, u->sin_first, u->endpoint, &e));
    if (u->classes && u->label == PNB_LABEL_NOISE) PNB_TRY(add_label(b, label, &e));
    PNB_TRY(pnb_net_linear(&b->net, u->names->time[0], e, &e));
    PNB_TRY(pnb_silu(g, e, &e));
    PNB_TRY(pnb_net_linear(&b->net, u->names->time[1], e, &e));
    if (u->classes && u->label != PNB_LABEL_NOISE) PNB_TRY(add_label(b, label, &e));
    return pnb_silu(g, e, &b->embedding);
}

static pnb_status check_input(pnb_prior *p, pnb_graph *g, pnb_tensor x, pnb_level level, pnb_tensor label) {
    pnb_error *err = pnb_graph_error(g);
    PNB_TRY(pnb_graph_check(g, "prior", "x", x));
    PNB_TRY(pnb_graph_check(g, "prior", "t", level.t));
    pnb_shape s = pnb_graph_shape(g, x), t = pnb_graph_shape(g, level.t);
    if (s.rank != 4 || s.d[1] != p->unet.in_channels)
        return pnb_fail(err, PNB_ERROR_INPUT, "prior: expects images of %u channels, found %s", p->unet.in_channels,
                        pnb_shape_text(s, (char[64]){0}));
    for (uint32_t i = 2; i < 4; i++) {
        uint32_t padded = pnb_prior_padded(p, s.d[i]);
        if ((padded - s.d[i] + 1) / 2 >= s.d[i])
            return pnb_fail(err, PNB_ERROR_INPUT,
                            "prior: an image of %u x %u is too small: the network needs sides of %u, and mirroring gives "
                            "less than twice as much",
                            s.d[2], s.d[3], padded);
    }
    if (t.rank != 1 || t.d[0] != s.d[0])
        return pnb_fail(err, PNB_ERROR_INPUT, "prior: t should be [%u], found %s", s.d[0],
                        pnb_shape_text(t, (char[64]){0}));
    if (p->unet.classes && label == PNB_NONE)
        return pnb_fail(err, PNB_ERROR_USAGE, "prior: it is conditioned on %u classes, give a class for each image",
                        p->unet.classes);
    if (!p->unet.classes && label != PNB_NONE)
        return pnb_fail(err, PNB_ERROR_USAGE, "prior: it knows no classes, give none");
    return PNB_OK;
}

/* To the first layer's output on the adapter's rows. */
static pnb_status add_condition(const builder *b, pnb_tensor *h) {
    const pnb_net *net = &b->net;
    pnb_tensor w, seen;
    PNB_TRY(pnb_weights_bind(net->adapter ? &net->adapter->weights : net->weights, net->g, "condition.weight", &w));
    PNB_TRY(pnb_conv2d(net->g, b->condition, w, PNB_NONE, 1, 1, &seen));
    return pnb_add_rows(net->g, *h, seen, net->begin, 1.0f, h);
}

/* What waits for the way up. */
static pnb_status keep_skip(pnb_graph *g, pnb_tensor h, pnb_tensor *skip) {
    *skip = h;
    return pnb_graph_narrows(g) ? pnb_half(g, h, skip) : PNB_OK;
}

static pnb_status lay(const builder *b, bool checkpoint, pnb_tensor *h, pnb_tensor *skips) {
    size_t depth = 0;
    for (size_t i = 0; i < b->unet->n_layers; i++) {
        const pnb_unet_layer *l = &b->unet->layers[i];
        bool segment = checkpoint && (l->kind == PNB_UNET_RES || l->kind == PNB_UNET_ATTENTION);
        if (segment) PNB_TRY(pnb_graph_segment_begin(b->net.g, l->name));
        if (l->pop) {
            PNB_TRY(pnb_concat(b->net.g, 1, (pnb_tensor[]){*h, skips[--depth]}, 2, h));
            pnb_net_remake(&b->net, *h); /* skips are kept in any case */
        }
        PNB_TRY(layer(b, l, *h, h));
        if (i == 0 && b->condition != PNB_NONE) PNB_TRY(add_condition(b, h));
        if (segment) PNB_TRY(pnb_graph_segment_end(b->net.g));
        if (l->push) PNB_TRY(keep_skip(b->net.g, *h, &skips[depth++]));
    }
    PNB_TRY(norm(b, b->unet->out_norm, *h, PNB_NONE, true, h));
    return pnb_net_conv(&b->net, b->unet->out_conv, *h, 1, 1, h);
}

pnb_status pnb_unet_eps(pnb_prior *p, const pnb_weights *weights, pnb_graph *g, pnb_tensor x, pnb_level level, const pnb_eps_params *params,
                        pnb_tensor *eps) {
    const pnb_unet *u = &p->unet;
    pnb_tensor h;
    builder b = {
        .net = {.g = g, .weights = weights, .adapter = params->adapter, .begin = params->adapter_begin},
        .unet = u,
        .condition = params->conditional ? params->condition : PNB_NONE,
    };
    PNB_TRY(check_input(p, g, x, level, params->label));
    PNB_TRY(pnb_precondition_input(g, p->precondition, x, level, &h));
    if (u->centre) PNB_TRY(pnb_affine(g, h, 2, -1, &h));
    PNB_TRY(widen(p, g, &h));
    if (b.condition != PNB_NONE) PNB_TRY(widen(p, g, &b.condition));
    PNB_TRY(embedding(&b, level.t, params->label));
    pnb_tensor *skips = malloc((u->n_skips + 1) * sizeof *skips);
    if (!skips) return pnb_fail(pnb_graph_error(g), PNB_ERROR_OUT_OF_MEMORY, "prior: no memory for its graph");
    bool narrow = pnb_graph_narrow(g, p->half);
    pnb_status status = lay(&b, params->checkpoint, &h, skips);
    pnb_graph_narrow(g, narrow);
    free(skips);
    PNB_TRY(status);
    PNB_TRY(crop(p, g, pnb_graph_shape(g, x), &h));
    if (params->raw) {
        *eps = h;
        return PNB_OK;
    }
    if (u->out_channels > u->in_channels) PNB_TRY(pnb_slice(g, h, 1, 0, u->in_channels, &h));
    return pnb_precondition_output(g, p->precondition, x, h, level, eps);
}

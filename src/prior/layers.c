/* Layers of a network by their names in the checkpoint: y = Wx + b, plus scale Up(Down(x)) on the rows that an adapter
 * has. */
#include "prior/internal.h"

#include "ops/ops.h"

#include <stdio.h>

enum { REMADE = 1 << 17 }; /* elements from which on it is worth a dispatch */

static pnb_status bind(const pnb_weights *w, pnb_graph *g, const char *name, const char *part, pnb_tensor *out) {
    char full[2 * PNB_UNET_NAME_SIZE];
    snprintf(full, sizeof full, "%s.%s", name, part);
    return pnb_weights_bind(w, g, full, out);
}

/* Down and Up of a layer; false where the adapter leaves it alone. */
static bool adapted(const pnb_net *net, const char *name) {
    if (!net->adapter) return false;
    char full[2 * PNB_UNET_NAME_SIZE];
    snprintf(full, sizeof full, "%s.down", name);
    return pnb_store_find(net->adapter->weights.store, full) != NULL;
}

/* Linear weights [O,I] and those of one-dimensional convolutions [O,I,1] serve as convolutions of size 1. */
static pnb_status conv_weight(pnb_graph *g, pnb_tensor *w) {
    pnb_shape s = pnb_graph_shape(g, *w);
    return s.rank == 4 ? PNB_OK : pnb_graph_reshape(g, *w, pnb_shape4(s.d[0], s.d[1], 1, 1), w);
}

pnb_status pnb_net_conv(const pnb_net *net, const char *name, pnb_tensor x, uint32_t stride, uint32_t pad,
                        pnb_tensor *y) {
    pnb_tensor w, b, down, up;
    PNB_TRY(bind(net->weights, net->g, name, "weight", &w));
    PNB_TRY(bind(net->weights, net->g, name, "bias", &b));
    PNB_TRY(conv_weight(net->g, &w));
    PNB_TRY(pnb_conv2d(net->g, x, w, b, stride, pad, y));
    if (!adapted(net, name)) return PNB_OK;
    PNB_TRY(bind(&net->adapter->weights, net->g, name, "down", &down));
    PNB_TRY(bind(&net->adapter->weights, net->g, name, "up", &up));
    PNB_TRY(conv_weight(net->g, &down));
    PNB_TRY(conv_weight(net->g, &up));
    return pnb_low_rank(net->g, *y, x, down, up, stride, pad, net->begin, net->adapter->params.scale, y);
}

pnb_status pnb_net_linear(const pnb_net *net, const char *name, pnb_tensor x, pnb_tensor *y) {
    pnb_tensor w, b, down, up;
    PNB_TRY(bind(net->weights, net->g, name, "weight", &w));
    PNB_TRY(bind(net->weights, net->g, name, "bias", &b));
    PNB_TRY(pnb_linear(net->g, x, w, b, y));
    if (!adapted(net, name)) return PNB_OK;
    PNB_TRY(bind(&net->adapter->weights, net->g, name, "down", &down));
    PNB_TRY(bind(&net->adapter->weights, net->g, name, "up", &up));
    return pnb_low_rank(net->g, *y, x, down, up, 1, 0, net->begin, net->adapter->params.scale, y);
}

void pnb_net_remake(const pnb_net *net, pnb_tensor t) {
    if (pnb_shape_count(pnb_graph_shape(net->g, t)) >= REMADE) pnb_graph_remake(net->g, t);
}

pnb_status pnb_net_norm(const pnb_net *net, const char *name, pnb_tensor x, pnb_tensor scale_shift, uint32_t groups,
                        float eps, bool silu, pnb_tensor *y) {
    pnb_tensor gamma, beta;
    PNB_TRY(bind(net->weights, net->g, name, "weight", &gamma));
    PNB_TRY(bind(net->weights, net->g, name, "bias", &beta));
    PNB_TRY(pnb_group_norm(net->g, x, gamma, beta, scale_shift, groups, eps, silu, y));
    pnb_net_remake(net, *y); /* x is kept in any case */
    return PNB_OK;
}

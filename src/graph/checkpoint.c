/* Checkpointed segments: the inner tensors of a segment are computed again in the backward pass, so they need not be kept. Single
 * tensors too, where pnb_graph_remake says so. */
#include "graph/internal.h"

#include "ops/half.h"

#include <stdlib.h>

static pnb_tensor mapped(const pnb_tensor *map, pnb_tensor t) { return t != PNB_NONE && map[t] != PNB_NONE ? map[t] : t; }

/* A storage that node `number` reads and that no longer holds what it read, or NULL. */
static const pnb_tensor_info *changed_since(const pnb_graph *g, int32_t number) {
    const pnb_node *n = &g->nodes[number].n;
    for (uint32_t i = 0; i < n->n_in; i++) {
        if (n->in[i] == PNB_NONE) continue;
        const pnb_tensor_info *root = &g->tensors[g->tensors[n->in[i]].root];
        if (root->last_write > number) return root;
    }
    return NULL;
}

static pnb_status check_unchanged(pnb_graph *g, int32_t segment, int32_t number) {
    const pnb_tensor_info *root = changed_since(g, number);
    if (!root) return PNB_OK;
    return pnb_fail(g->err, PNB_ERROR_USAGE,
                    "segment '%s' cannot be computed again: it reads '%s', which %s changes after it; take the gradient first",
                    g->segments[segment].name, root->name, g->nodes[root->last_write].n.op->name);
}

/* kept: what waits for the second computation is read as the derivative keeps it, in 16 bits where the op can. */
static pnb_status clone_node(pnb_graph *g, int32_t number, pnb_tensor *map, bool kept) {
    pnb_node n = g->nodes[number].n; /* copied: adding a node may move the array */
    pnb_tensor in[PNB_NODE_MAX_IN], out[PNB_NODE_MAX_OUT];
    pnb_shape shapes[PNB_NODE_MAX_OUT];
    uint32_t halves = kept ? n.op->keeps_half & n.op->reads_half : 0;
    bool narrow = pnb_graph_narrow(g, g->nodes[number].narrow);
    pnb_status status = PNB_OK;
    for (uint32_t i = 0; i < n.n_in && status == PNB_OK; i++) {
        in[i] = mapped(map, n.in[i]);
        if (halves >> i & 1 && in[i] == n.in[i]) status = pnb_half_activation(g, in[i], &in[i]);
    }
    for (uint32_t i = 0; i < n.n_out; i++) shapes[i] = g->tensors[n.out[i]].shape;
    if (status == PNB_OK) status = pnb_graph_add(g, n.op, in, n.n_in, 0, n.attr, sizeof n.attr, shapes, n.n_out, out, n.n_out);
    pnb_graph_narrow(g, narrow);
    PNB_TRY(status);
    g->nodes[g->node_count - 1].choice = g->nodes[number].choice;
    for (uint32_t i = 0; i < n.n_out; i++) map[n.out[i]] = out[i];
    return PNB_OK;
}

pnb_status pnb_segment_clone(pnb_graph *g, int32_t segment, pnb_tensor *map) {
    pnb_segment s = g->segments[segment];
    for (pnb_tensor t = s.first; t < s.end; t++) {
        pnb_tensor_info info = g->tensors[t];
        if (info.constant) continue;
        if (info.view != PNB_NOT_A_VIEW) {
            pnb_tensor parent = mapped(map, info.parent);
            if (parent == info.parent) continue;
            uint64_t offset = info.offset - g->tensors[info.parent].offset;
            PNB_TRY(pnb_graph_add_view(g, info.view, parent, info.shape, offset, info.begin, &map[t]));
        } else if (info.node >= 0) {
            const pnb_node *n = &g->nodes[info.node].n;
            if (n->out[0] != t || n->op->impure || n->inout != 0) continue;
            PNB_TRY(check_unchanged(g, segment, info.node));
            PNB_TRY(clone_node(g, info.node, map, false));
        }
    }
    return PNB_OK;
}

void pnb_graph_remake(pnb_graph *g, pnb_tensor t) { g->tensors[t].remake = g->open_segment < 0; }

static bool can_be_remade(const pnb_graph *g, const pnb_tensor_info *t) {
    if (!t->remake || t->constant || t->node < 0) return false;
    const pnb_node *n = &g->nodes[t->node].n;
    return !n->op->impure && n->inout == 0 && !changed_since(g, t->node);
}

pnb_status pnb_remade(pnb_graph *g, pnb_tensor t, pnb_tensor *map, pnb_tensor *out) {
    *out = mapped(map, t);
    if (t == PNB_NONE || *out != t) return PNB_OK;
    pnb_tensor_info info = g->tensors[t];
    if (info.view != PNB_NOT_A_VIEW) {
        pnb_tensor parent;
        PNB_TRY(pnb_remade(g, info.parent, map, &parent));
        if (parent == info.parent) return PNB_OK;
        uint64_t offset = info.offset - g->tensors[info.parent].offset;
        PNB_TRY(pnb_graph_add_view(g, info.view, parent, info.shape, offset, info.begin, &map[t]));
    } else if (can_be_remade(g, &info)) {
        PNB_TRY(clone_node(g, info.node, map, true));
    }
    *out = mapped(map, t);
    return PNB_OK;
}

/* Reverse-mode derivatives: walk the graph backwards, ask each op for its vector-Jacobian product, add up what meets.
 *
 * Tensor numbers are a topological order (a node's outputs and a view come after what they are made of), so walking them
 * downwards sees every use of a tensor before its origin. Only tensors that depend on wrt and lead to y are visited.
 * Gradients of slice0 views wait at their parent until all have come: slices that tile the parent become one concat, others
 * are added into rows of the parent's gradient, and zeros are materialised only where nothing else is there.
 */
#include "graph/internal.h"

#include "ops/half.h"
#include "ops/ops.h"

#include <stdlib.h>

/* The gradient of rows [begin, begin+count) of some tensor. */
typedef struct slice_grad {
    pnb_tensor grad;
    uint32_t begin, count;
    int32_t next; /* in the list of the same parent; -1: last */
} slice_grad;

typedef struct walk {
    pnb_graph *g;
    size_t count;        /* tensors when the walk began */
    bool *depends;       /* on wrt */
    pnb_tensor *grad;    /* what has come to each tensor */
    int32_t *slices;     /* heads of lists in slice_grads */
    pnb_tensor *map;     /* tensors that are computed a second time to their copies */
    bool *cloned;        /* by segment */
    slice_grad *slice_grads;
    size_t slice_count, slice_capacity;
} walk;

static void walk_free(walk *w) {
    free(w->depends);
    free(w->grad);
    free(w->slices);
    free(w->map);
    free(w->cloned);
    free(w->slice_grads);
}

static pnb_status walk_init(walk *w, pnb_graph *g) {
    *w = (walk){.g = g, .count = g->tensor_count};
    size_t n = w->count ? w->count : 1;
    w->depends = calloc(n, sizeof *w->depends);
    w->grad = malloc(n * sizeof *w->grad);
    w->slices = malloc(n * sizeof *w->slices);
    w->map = malloc(n * sizeof *w->map);
    w->cloned = calloc(g->segment_count ? g->segment_count : 1, sizeof *w->cloned);
    if (!w->depends || !w->grad || !w->slices || !w->map || !w->cloned) {
        walk_free(w);
        return pnb_fail(g->err, PNB_ERROR_OUT_OF_MEMORY, "grad: out of host memory");
    }
    for (size_t i = 0; i < w->count; i++) {
        w->grad[i] = w->map[i] = PNB_NONE;
        w->slices[i] = -1;
    }
    return PNB_OK;
}

static void mark_dependent(walk *w, const pnb_tensor *wrt, size_t nwrt) {
    const pnb_graph *g = w->g;
    for (size_t i = 0; i < nwrt; i++) w->depends[wrt[i]] = true;
    for (size_t t = 0; t < w->count; t++) {
        const pnb_tensor_info *info = &g->tensors[t];
        if (w->depends[t] || info->stop) continue;
        if (info->view != PNB_NOT_A_VIEW) {
            w->depends[t] = w->depends[info->parent];
        } else if (info->node >= 0) {
            const pnb_node *n = &g->nodes[info->node].n;
            for (uint32_t i = 0; i < n->n_in && !w->depends[t]; i++) w->depends[t] = n->in[i] != PNB_NONE && w->depends[n->in[i]];
        }
    }
}

/* Whether nothing uses a tensor yet. */
static bool unused(const pnb_graph *g, pnb_tensor t) {
    for (size_t i = (size_t)g->tensors[t].node + 1; i < g->node_count; i++) {
        for (uint32_t k = 0; k < g->nodes[i].n.n_in; k++) {
            if (g->nodes[i].n.in[k] == t) return false;
        }
    }
    for (size_t i = (size_t)t + 1; i < g->tensor_count; i++) {
        if (g->tensors[i].root == t) return false;
    }
    return true;
}

/* Let the node that makes `grad` add `other` to it. Only for one of the nodes from `fresh` on, which are newer than `other`. */
static bool fold_sum(pnb_graph *g, size_t fresh, pnb_tensor grad, pnb_tensor other) {
    const pnb_tensor_info *t = &g->tensors[grad];
    if (t->view != PNB_NOT_A_VIEW || t->node < 0 || (size_t)t->node < fresh) return false;
    pnb_graph_node *n = &g->nodes[t->node];
    uint32_t slot = n->n.op->addend;
    if (slot == 0 || n->constant || n->n.out[0] != grad || n->n.in[slot - 1] != PNB_NONE || !unused(g, grad)) return false;
    n->n.in[slot - 1] = other;
    return true;
}

/* Add to what has come to t already. fresh: the nodes from there on were made for `grad` and similar ones just now. */
static pnb_status accumulate(walk *w, pnb_tensor t, pnb_tensor grad, size_t fresh) {
    pnb_tensor other = w->grad[t];
    w->grad[t] = grad;
    if (other == PNB_NONE || fold_sum(w->g, fresh, grad, other)) return PNB_OK;
    return pnb_add(w->g, other, grad, &w->grad[t]);
}

static pnb_status accumulate_slice(walk *w, pnb_tensor parent, uint32_t begin, uint32_t count, pnb_tensor grad) {
    PNB_TRY(pnb_reserve(w->g->err, &w->slice_grads, &w->slice_capacity, w->slice_count + 1, sizeof *w->slice_grads));
    int32_t *link = &w->slices[parent]; /* kept in order of rows */
    while (*link >= 0 && w->slice_grads[*link].begin <= begin) link = &w->slice_grads[*link].next;
    w->slice_grads[w->slice_count] = (slice_grad){.grad = grad, .begin = begin, .count = count, .next = *link};
    *link = (int32_t)w->slice_count++;
    return PNB_OK;
}

/* The gradients of slices that lie one after the other and cover `rows` rows: their number, else 0. */
static uint32_t tiles(const walk *w, int32_t head, uint32_t rows, pnb_tensor *parts, uint32_t room) {
    uint32_t row = 0, n = 0;
    for (int32_t i = head; i >= 0; i = w->slice_grads[i].next) {
        if (w->slice_grads[i].begin != row || n == room) return 0;
        parts[n++] = w->slice_grads[i].grad;
        row += w->slice_grads[i].count;
    }
    return row == rows ? n : 0;
}

/* Bring the gradients of slices of t into its own. */
static pnb_status flush_slices(walk *w, pnb_tensor t) {
    pnb_graph *g = w->g;
    int32_t i = w->slices[t];
    if (i < 0) return PNB_OK;
    w->slices[t] = -1;
    pnb_shape shape = g->tensors[t].shape;
    if (w->grad[t] == PNB_NONE) {
        pnb_tensor parts[8];
        uint32_t n = tiles(w, i, shape.d[0], parts, 8);
        if (n == 1) {
            w->grad[t] = parts[0];
            return PNB_OK;
        }
        if (n > 1) return pnb_concat(g, 0, parts, n, &w->grad[t]);
        slice_grad s = w->slice_grads[i];
        PNB_TRY(pnb_embed(g, s.grad, 0, s.begin, shape.d[0], &w->grad[t]));
        i = s.next;
    }
    for (; i >= 0; i = w->slice_grads[i].next) {
        slice_grad s = w->slice_grads[i];
        PNB_TRY(pnb_add_rows(g, w->grad[t], s.grad, s.begin, 1.0f, &w->grad[t]));
    }
    return PNB_OK;
}

static pnb_tensor mapped(const walk *w, pnb_tensor t) { return t != PNB_NONE && w->map[t] != PNB_NONE ? w->map[t] : t; }

/* The node as its derivative shall see it: with the recomputed tensors where there are any, or will be. */
static pnb_status differentiable_node(walk *w, int32_t number, pnb_node *out) {
    pnb_graph *g = w->g;
    int32_t segment = g->nodes[number].segment;
    if (segment >= 0 && !w->cloned[segment]) {
        w->cloned[segment] = true;
        PNB_TRY(pnb_segment_clone(g, segment, w->map));
    }
    *out = g->nodes[number].n;
    for (uint32_t i = 0; i < out->n_in; i++) PNB_TRY(pnb_remade(g, out->in[i], w->map, &out->in[i]));
    if (segment < 0) return PNB_OK;
    for (uint32_t i = 0; i < out->n_out; i++) out->out[i] = mapped(w, out->out[i]);
    return PNB_OK;
}

static pnb_status check_gradient(pnb_graph *g, const pnb_node *n, uint32_t i, pnb_tensor grad) {
    pnb_shape want = g->tensors[n->in[i]].shape, have = pnb_graph_shape(g, grad);
    if (pnb_shape_equal(want, have)) return PNB_OK;
    char a[48], b[48];
    return pnb_fail(g->err, PNB_ERROR_INTERNAL, "%s: the gradient of input %u has shape %s, the input %s", n->op->name, i,
                    pnb_shape_text(have, a), pnb_shape_text(want, b));
}

/* Inputs that wait for the backward pass become what is kept of them; those that are made again do not wait. */
static pnb_status keep_half(pnb_graph *g, const pnb_node *original, pnb_node *n) {
    for (uint32_t i = 0; i < n->n_in; i++) {
        if (n->op->keeps_half >> i & 1 && n->in[i] == original->in[i]) PNB_TRY(pnb_half_activation(g, n->in[i], &n->in[i]));
    }
    return PNB_OK;
}

/* Carry the gradients of a node's outputs to its inputs. */
static pnb_status visit_node(walk *w, int32_t number) {
    pnb_graph *g = w->g;
    pnb_node original = g->nodes[number].n, node;
    uint32_t want = 0;
    for (uint32_t i = 0; i < original.n_in; i++) {
        if (original.in[i] != PNB_NONE && w->depends[original.in[i]]) want |= 1u << i;
    }
    pnb_tensor gout[PNB_NODE_MAX_OUT], gin[PNB_NODE_MAX_IN];
    bool any = false;
    for (uint32_t i = 0; i < PNB_NODE_MAX_OUT; i++) {
        gout[i] = i < original.n_out && !g->tensors[original.out[i]].stop ? w->grad[original.out[i]] : PNB_NONE;
        any = any || gout[i] != PNB_NONE;
    }
    if (!any || want == 0) return PNB_OK;
    if (!original.op->vjp) {
        return pnb_fail(g->err, PNB_ERROR_USAGE, "grad: %s ('%s') has no derivative; stop the gradient there or take another input",
                        original.op->name, g->tensors[original.out[0]].name);
    }
    for (uint32_t i = 0; i < PNB_NODE_MAX_IN; i++) gin[i] = PNB_NONE;
    PNB_TRY(differentiable_node(w, number, &node));
    bool narrow = pnb_graph_narrow(g, g->nodes[number].narrow);
    pnb_status status = keep_half(g, &original, &node);
    size_t fresh = g->node_count;
    if (status == PNB_OK) status = original.op->vjp(g, &node, gout, want, gin);
    pnb_graph_narrow(g, narrow);
    PNB_TRY(status);
    for (uint32_t i = 0; i < original.n_in; i++) {
        if (!(want >> i & 1) || gin[i] == PNB_NONE) continue;
        PNB_TRY(check_gradient(g, &node, i, gin[i]));
        for (uint32_t k = 0; k < original.n_in; k++) {
            if (k != i && gin[k] == gin[i]) fresh = g->node_count; /* one tensor for two inputs */
        }
        PNB_TRY(accumulate(w, original.in[i], gin[i], fresh));
    }
    return PNB_OK;
}

static pnb_status visit(walk *w, pnb_tensor t) {
    pnb_tensor_info info = w->g->tensors[t];
    PNB_TRY(flush_slices(w, t));
    if (info.view != PNB_NOT_A_VIEW) {
        pnb_tensor grad = w->grad[t];
        if (grad == PNB_NONE || info.stop || !w->depends[info.parent]) return PNB_OK;
        if (info.view == PNB_VIEW_SLICE0) return accumulate_slice(w, info.parent, info.begin, info.shape.d[0], grad);
        PNB_TRY(pnb_graph_reshape(w->g, grad, w->g->tensors[info.parent].shape, &grad));
        return accumulate(w, info.parent, grad, w->g->node_count);
    }
    /* A node is visited at its first output: the gradients of the others, with higher numbers, are complete by then. */
    if (info.node >= 0 && w->g->nodes[info.node].n.out[0] == t) return visit_node(w, info.node);
    return PNB_OK;
}

static pnb_status check_arguments(pnb_graph *g, const pnb_tensor *y, const pnb_tensor *cotangent, size_t ny, const pnb_tensor *wrt,
                                  size_t nwrt) {
    if (g->open_segment >= 0) {
        return pnb_fail(g->err, PNB_ERROR_USAGE, "grad: segment '%s' is still open", g->segments[g->open_segment].name);
    }
    for (size_t i = 0; i < nwrt; i++) PNB_TRY(pnb_graph_check(g, "grad", "wrt", wrt[i]));
    for (size_t i = 0; i < ny; i++) {
        PNB_TRY(pnb_graph_check(g, "grad", "y", y[i]));
        PNB_TRY(pnb_graph_check(g, "grad", "cotangent", cotangent[i]));
        pnb_shape a = g->tensors[y[i]].shape, b = g->tensors[cotangent[i]].shape;
        if (pnb_shape_equal(a, b)) continue;
        char ta[48], tb[48];
        return pnb_fail(g->err, PNB_ERROR_USAGE, "grad: y '%s' is %s, its cotangent '%s' is %s", g->tensors[y[i]].name,
                        pnb_shape_text(a, ta), g->tensors[cotangent[i]].name, pnb_shape_text(b, tb));
    }
    return PNB_OK;
}

pnb_status pnb_graph_grad(pnb_graph *g, const pnb_tensor *y, const pnb_tensor *cotangent, size_t ny, const pnb_tensor *wrt,
                          size_t nwrt, pnb_tensor *grad) {
    PNB_TRY(check_arguments(g, y, cotangent, ny, wrt, nwrt));
    walk w;
    PNB_TRY(walk_init(&w, g));
    pnb_status status = PNB_OK;
    mark_dependent(&w, wrt, nwrt);
    for (size_t i = 0; i < ny; i++) {
        if (w.depends[y[i]]) PNB_TRY_GOTO(accumulate(&w, y[i], cotangent[i], g->node_count));
    }
    for (size_t t = w.count; t-- > 0;) PNB_TRY_GOTO(visit(&w, (pnb_tensor)t));
    for (size_t i = 0; i < nwrt; i++) grad[i] = w.grad[wrt[i]];
fail:
    walk_free(&w);
    return status;
}

/* half: a copy that is stored as 16-bit floats, for what lives long and is read as texels: packed weights, and activations that
 * wait for the backward pass. Arithmetic stays fp32. */
#include "ops/half.h"

#include "graph/op.h"
#include "ops/copy.h"
#include "ops/emit.h"

static pnb_status lower(pnb_lower *l, const pnb_node *node) {
    bool texel = pnb_emit_texel(l, node->in[0]);
    pnb_push_copy push = {.count = pnb_emit_count(l, node->in[0])};
    pnb_dispatch d = pnb_emit_begin(l, texel ? "ops/half.texel" : "ops/half", "half");
    pnb_emit_read(&d, node->in[0], texel);
    pnb_emit_write(&d, node->out[0]);
    pnb_emit_push(&d, &push, sizeof push);
    pnb_emit_spread(&d, l, push.count / 8);
    d.gbyte = 6e-9 * push.count;
    return pnb_lower_emit(l, &d);
}

/* As if nothing had been rounded. */
static pnb_status vjp(pnb_graph *g, const pnb_node *node, const pnb_tensor *gout, uint32_t want, pnb_tensor *gin) {
    (void)g, (void)node;
    if (want & 1) gin[0] = gout[0];
    return PNB_OK;
}

const pnb_op pnb_op_half = {.name = "half", .vjp = vjp, .lower = lower, .makes_half = true, .early = true};

bool pnb_half_fits(const pnb_graph *g, pnb_shape s) {
    uint64_t count = pnb_shape_count(s);
    return count % 8 == 0 && count / 4 <= pnb_graph_caps(g)->max_texel_elements;
}

pnb_status pnb_half(pnb_graph *g, pnb_tensor x, pnb_tensor *y) {
    pnb_shape s = pnb_graph_shape(g, x);
    *y = x;
    if (!pnb_half_fits(g, s) || pnb_graph_is_half(g, x)) return PNB_OK;
    *y = pnb_graph_user(g, &pnb_op_half, x, NULL, 0);
    return *y != PNB_NONE ? PNB_OK : pnb_graph_add(g, &pnb_op_half, &x, 1, 0, NULL, 0, &s, 1, y, 1);
}

pnb_status pnb_half_constant(pnb_graph *g, pnb_tensor x, pnb_tensor *y) {
    *y = x;
    return pnb_graph_constant(g, x) && pnb_graph_narrows(g) ? pnb_half(g, x, y) : PNB_OK;
}

pnb_status pnb_half_activation(pnb_graph *g, pnb_tensor x, pnb_tensor *y) {
    *y = x;
    bool made = x != PNB_NONE && pnb_graph_computed(g, x) && !pnb_graph_constant(g, x);
    return made && pnb_graph_narrows(g) ? pnb_half(g, x, y) : PNB_OK;
}

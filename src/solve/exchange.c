/* Birth and death: the half of the KL's gradient flow that moves mass without moving particles.
 *
 * Gradients move particles along paths (the Wasserstein half), and where the posterior's modes are apart no path leads
 * from one to the other: a mode keeps the share of particles that it had when the sliding window resolved it. The KL
 * falls as well where particles of large first variation V = data + w (|r_theta|^2 - |r_phi|^2), which is log q - log
 * posterior up to a constant, give way to copies of particles where it is small (the Fisher-Rao half): modes then
 * exchange mass at a rate that no barrier slows. Lu, Lu & Nolen 2019 (arXiv 1905.09863) for Langevin dynamics; here V
 * is the loss that PPM evaluates anyway. At the posterior V is the same everywhere and nothing is exchanged but by
 * noise.
 *
 * Pairs of random partners: Lu et al.'s jump process, with no sum over all particles. Kernel:
 * shaders/solve/exchange.comp.
 */
#include "solve/exchange.h"

#include "graph/op.h"
#include "ops/emit.h"

#include "solve/exchange_push.h"

static pnb_status lower(pnb_lower *l, const pnb_node *node) {
    pnb_dispatch d = pnb_emit_begin(l, "solve/exchange", NULL);
    for (uint32_t i = 0; i < node->n_in; i++) pnb_emit_read(&d, node->in[i], false);
    pnb_emit_write(&d, node->out[0]);
    pnb_emit_push(&d, node->attr, sizeof(pnb_push_exchange));
    pnb_groups_1d(pnb_lower_caps(l), pnb_emit_count(l, node->out[0]), d.spec[0], d.groups);
    return pnb_lower_emit(l, &d);
}

static const pnb_op op_exchange = {.name = "exchange", .lower = lower, .impure = true};

pnb_status pnb_exchange_sources(pnb_graph *g, pnb_tensor state, pnb_tensor loss, pnb_exchange q, pnb_tensor *source) {
    PNB_TRY(pnb_graph_check(g, "exchange", "state", state));
    PNB_TRY(pnb_graph_check(g, "exchange", "loss", loss));
    pnb_shape shape = pnb_shape1(q.particles);
    if (pnb_shape_count(pnb_graph_shape(g, loss)) != q.particles)
        return pnb_fail(pnb_graph_error(g), PNB_ERROR_INPUT, "exchange: loss expects shape [%u], found %s", q.particles,
                        pnb_shape_text(pnb_graph_shape(g, loss), (char[64]){0}));
    pnb_push_exchange push = {q.particles, q.stream, (uint32_t)q.seed, (uint32_t)(q.seed >> 32), q.rate_index};
    pnb_tensor in[2] = {state, loss};
    return pnb_graph_add(g, &op_exchange, in, 2, 0, &push, sizeof push, &shape, 1, source, 1);
}

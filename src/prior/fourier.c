/* Log-SNR features: how an MLP prior is told the noise level, the same whatever schedule the level came from. */
#include "prior/internal.h"

#include "graph/op.h"
#include "ops/emit.h"
#include "prior/fourier.h"

static pnb_status lower(pnb_lower *l, const pnb_node *node) {
    pnb_push_fourier push = {.samples = pnb_lower_shape(l, node->in[0]).d[0]};
    pnb_dispatch d = pnb_emit_begin(l, "prior/fourier", NULL);
    pnb_emit_read(&d, node->in[0], false);
    pnb_emit_read(&d, node->in[1], false);
    pnb_emit_write(&d, node->out[0]);
    pnb_emit_push(&d, &push, sizeof push);
    pnb_emit_spread(&d, l, (uint64_t)push.samples * PNB_FOURIER_DIM / 2);
    return pnb_lower_emit(l, &d);
}

static const pnb_op pnb_op_fourier = {.name = "log_snr_features", .lower = lower};

pnb_status pnb_log_snr_features(pnb_graph *g, pnb_tensor alpha, pnb_tensor sigma, pnb_tensor *y) {
    pnb_tensor in[2] = {alpha, sigma};
    PNB_TRY(pnb_graph_check(g, "log_snr_features", "alpha", alpha));
    PNB_TRY(pnb_graph_check(g, "log_snr_features", "sigma", sigma));
    pnb_shape a = pnb_graph_shape(g, alpha), s = pnb_graph_shape(g, sigma);
    if (a.rank != 1 || !pnb_shape_equal(a, s))
        return pnb_fail(pnb_graph_error(g), PNB_ERROR_INPUT,
                        "log_snr_features: alpha %s and sigma %s should both be [N]", pnb_shape_text(a, (char[64]){0}),
                        pnb_shape_text(s, (char[64]){0}));
    pnb_shape out = pnb_shape2(a.d[0], PNB_FOURIER_DIM);
    return pnb_graph_add(g, &pnb_op_fourier, in, 2, 0, NULL, 0, &out, 1, y, 1);
}

/* The data term of all methods: minus the log-likelihood and its gradient, as it is or widened by what a level hides. */
#include "solve/phases.h"

#include "measure/residual.h"
#include "ops/ops.h"
#include "solve/matching.h"

#include <math.h>

pnb_status pnb_photons_term(pnb_solver *s, pnb_graph *g, pnb_tensor x, double sigma, pnb_tensor extra, pnb_tensor *gradient,
                            pnb_tensor *loss) {
    const pnb_task *task = &s->task;
    pnb_tensor y, ax, each, half;
    float scale = (float)(0.5 * task->sigma_y * task->sigma_y / (sigma * sigma));
    uint64_t hidden = pnb_shape_count(pnb_operator_measurement_shape(task->op)) - pnb_operator_measured_count(task->op);
    PNB_TRY(pnb_graph_bind(g, s->y, &y));
    PNB_TRY(pnb_operator_apply(task->op, g, x, &ax));
    PNB_TRY(pnb_photons_loss(g, &task->photons, ax, y, extra, &each));
    PNB_TRY(pnb_constant(g, pnb_graph_shape(g, each), scale, &half));
    PNB_TRY(pnb_graph_grad(g, &each, &half, 1, &x, 1, gradient));
    PNB_TRY(pnb_reduce_rows(g, PNB_SUM, each, loss));
    return pnb_affine(g, *loss, scale, -scale * (float)((double)hidden * pnb_photons_hidden(&task->photons)), loss);
}

pnb_status pnb_refuse_photons(pnb_error *err, const char *method, const pnb_task *task) {
    if (!(task->photons.gain > 0)) return PNB_OK;
    return pnb_fail(err, PNB_ERROR_INPUT,
                    "%s: it takes the noise to be equal everywhere, photon noise (poisson_gaussian) is not; use ppm, dps, reddiff, "
                    "rlsd or langevin",
                    method);
}

pnb_status pnb_data_term(pnb_solver *s, pnb_graph *g, pnb_tensor x, double sigma, pnb_tensor *gradient,
                         pnb_tensor *loss) {
    pnb_tensor y;
    if (s->task.photons.gain > 0) return pnb_photons_term(s, g, x, sigma, PNB_NONE, gradient, loss);
    PNB_TRY(pnb_graph_bind(g, s->y, &y));
    return pnb_data_term_of(s, g, x, y, sigma, gradient, loss);
}

pnb_status pnb_data_term_of(pnb_solver *s, pnb_graph *g, pnb_tensor x, pnb_tensor y, double sigma, pnb_tensor *gradient,
                            pnb_tensor *loss) {
    pnb_tensor ax, r, back, squares;
    float inverse = (float)(1 / (sigma * sigma));
    PNB_TRY(pnb_operator_apply(s->task.op, g, x, &ax));
    PNB_TRY(pnb_operator_residual(s->task.op, g, ax, y, &r));
    if (pnb_operator_linear(s->task.op) && !pnb_operator_weights(s->task.op)) {
        PNB_TRY(pnb_operator_adjoint(s->task.op, g, r, &back));
    } else {
        PNB_TRY(pnb_graph_grad(g, &r, &r, 1, &x, 1, &back));
    }
    PNB_TRY(pnb_affine(g, back, inverse, 0, gradient));
    PNB_TRY(pnb_reduce_rows(g, PNB_SQNORM, r, &squares));
    return pnb_affine(g, squares, 0.5f * inverse, 0, loss);
}

/* Entries of r over 1 + wider d_i. */
static pnb_status narrow(pnb_solver *s, pnb_graph *g, pnb_tensor r, pnb_tensor wider, pnb_tensor *out) {
    pnb_tensor ones, spreads, scale, flat;
    pnb_shape shape = pnb_graph_shape(g, r), rows = pnb_shape2(s->particles, (uint32_t)(pnb_shape_count(shape) / s->particles));
    if (!pnb_operator_spreads(s->task.op)) {
        PNB_TRY(pnb_affine(g, wider, 1, 1, &scale));
        PNB_TRY(pnb_unary_op(g, PNB_RECIP, scale, &scale));
        return pnb_mul(g, r, scale, out);
    }
    PNB_TRY(pnb_operator_bind_spreads(s->task.op, g, &spreads));
    PNB_TRY(pnb_graph_reshape(g, spreads, pnb_shape2(1, rows.d[1]), &spreads));
    PNB_TRY(pnb_constant(g, pnb_shape2(s->particles, 1), 1, &ones));
    PNB_TRY(pnb_matmul(g, ones, spreads, false, false, 1, &scale));
    PNB_TRY(pnb_mul(g, scale, wider, &scale));
    PNB_TRY(pnb_affine(g, scale, 1, 1, &scale));
    PNB_TRY(pnb_graph_reshape(g, r, rows, &flat));
    PNB_TRY(pnb_binary_op(g, PNB_DIV, flat, scale, &flat));
    return pnb_graph_reshape(g, flat, shape, out);
}

pnb_status pnb_data_term_wide(pnb_solver *s, pnb_graph *g, pnb_tensor x, double sigma, pnb_tensor wider, pnb_wide_term *out) {
    pnb_tensor y, ax, r, scaled, both, back;
    float inverse = (float)(1 / (sigma * sigma));
    pnb_operator *op = s->task.op;
    if (s->task.photons.gain > 0) {
        if (wider != PNB_NONE) PNB_TRY(pnb_affine(g, wider, (float)(sigma * sigma), 0, &wider));
        PNB_TRY(pnb_photons_term(s, g, x, sigma, wider, &out->gradient, &out->loss));
        out->misfit = out->loss;
        return PNB_OK;
    }
    if (wider == PNB_NONE) {
        PNB_TRY(pnb_data_term(s, g, x, sigma, &out->gradient, &out->loss));
        out->misfit = out->loss;
        return PNB_OK;
    }
    PNB_TRY(pnb_graph_bind(g, s->y, &y));
    PNB_TRY(pnb_operator_apply(op, g, x, &ax));
    PNB_TRY(pnb_operator_residual(op, g, ax, y, &r));
    PNB_TRY(narrow(s, g, r, wider, &scaled));
    if (pnb_operator_linear(op) && !pnb_operator_weights(op))
        PNB_TRY(pnb_operator_adjoint(op, g, scaled, &back));
    else
        PNB_TRY(pnb_graph_grad(g, &r, &scaled, 1, &x, 1, &back));
    PNB_TRY(pnb_affine(g, back, inverse, 0, &out->gradient));
    PNB_TRY(pnb_reduce_rows(g, PNB_SQNORM, r, &out->misfit));
    PNB_TRY(pnb_affine(g, out->misfit, 0.5f * inverse, 0, &out->misfit));
    PNB_TRY(pnb_mul(g, r, scaled, &both));
    PNB_TRY(pnb_reduce_rows(g, PNB_SUM, both, &out->loss));
    return pnb_affine(g, out->loss, 0.5f * inverse, 0, &out->loss);
}

double pnb_level_variance(const pnb_task *task, double rho) {
    double scale = pnb_prior_dim(task->prior) ? pnb_prior_scale(task->prior) : 0.5;
    return pnb_operator_linear(task->op) ? rho * rho : 1 / (1 / (rho * rho) + 1 / (scale * scale));
}

double pnb_data_curvature(const pnb_task *task, double sigma, double wider) {
    double whole = pow(pnb_operator_norm(task->op) / sigma, 2);
    if (pnb_operator_spreads(task->op)) return wider > 1 ? whole / wider : whole;
    return whole / (1 + wider);
}

/* One step down the noise levels: its rows, its graph, and where a walk starts. */
#include "solve/reverse.h"

#include "ops/ops.h"

#include <math.h>

_Static_assert((int)PNB_REVERSE_END <= PNB_ROW_SIZE, "a row of the step table is too short");

bool pnb_reverse_learned(const pnb_prior *prior) {
    return pnb_prior_channels(prior) && pnb_prior_out_channels(prior) == 2 * pnb_prior_channels(prior);
}

pnb_status pnb_reverse_check_steps(pnb_error *err, const char *method, const pnb_prior *prior, uint32_t steps) {
    uint32_t all = pnb_prior_schedule(prior)->steps;
    if (steps <= all) return PNB_OK;
    return pnb_fail(err, PNB_ERROR_INPUT, "%s: %u steps asked for, the schedule has %u", method, steps, all);
}

/* ---- rows -------------------------------------------------------------------------------------------------------- */

static void set_index(float *row, const pnb_schedule *r, uint32_t t) {
    pnb_row_set_level(row, PNB_REVERSE_T, r, t);
    row[PNB_REVERSE_INV_ALPHA] = (float)(1 / r->alpha[t]);
    row[PNB_REVERSE_RHO] = (float)r->rho[t];
}

static void set_rho(float *row, const pnb_schedule *sch, double rho) {
    pnb_row_set_rho(row, PNB_REVERSE_T, sch, rho);
    row[PNB_REVERSE_INV_ALPHA] = (float)sqrt(1 + rho * rho);
    row[PNB_REVERSE_RHO] = (float)rho;
}

void pnb_reverse_row_ddpm(float *row, const pnb_schedule *r, uint32_t t, bool learned) {
    double log_post = r->posterior_log_variance_clipped[t];
    set_index(row, r, t);
    row[PNB_REVERSE_X0] = (float)r->posterior_mean_coef1[t];
    row[PNB_REVERSE_X] = (float)r->posterior_mean_coef2[t];
    row[PNB_REVERSE_Z] = t == 0 ? 0 : learned ? 1 : (float)exp(0.5 * log_post);
    row[PNB_REVERSE_LOG_BETA] = (float)log(r->beta[t]);
    row[PNB_REVERSE_LOG_POST] = (float)log_post;
}

void pnb_reverse_row_ddim(float *row, const pnb_schedule *r, uint32_t t, int32_t s, double eta) {
    double to = s < 0 ? 1 : r->alpha_bar[s], now = r->alpha_bar[t];
    double noise = eta * sqrt((1 - to) / (1 - now) * (1 - now / to));
    set_index(row, r, t);
    row[PNB_REVERSE_X0] = (float)sqrt(to);
    row[PNB_REVERSE_EPS] = (float)sqrt(fmax(1 - to - noise * noise, 0));
    row[PNB_REVERSE_Z] = s < 0 ? 0 : (float)noise;
}

void pnb_reverse_row_rho(float *row, const pnb_schedule *sch, double rho, double next) {
    double alpha = 1 / sqrt(1 + next * next), kept = next * next / (rho * rho);
    set_rho(row, sch, rho);
    row[PNB_REVERSE_X0] = (float)alpha;
    row[PNB_REVERSE_EPS] = (float)(alpha * kept * rho);
    row[PNB_REVERSE_Z] = (float)(alpha * next * sqrt(1 - kept));
}

void pnb_reverse_row_euler(float *row, const pnb_schedule *sch, double tau, double next) {
    double rho = pnb_vp_sigma_of_tau(tau), sigma = rho / sqrt(1 + rho * rho);
    double by = (0.1 + 19.9 * tau) * (tau - next); /* beta(tau) dtau: 1.2 */
    set_rho(row, sch, rho);
    pnb_row_set_vp(row, PNB_REVERSE_T, sch, rho);
    row[PNB_REVERSE_X] = (float)(1 + 0.5 * by);
    row[PNB_REVERSE_EPS] = (float)(-by / sigma);
    row[PNB_REVERSE_Z] = (float)sqrt(by);
}

/* ---- graphs ------------------------------------------------------------------------------------------------------ */

/* exp(log Sigma / 2) z from the network's variance channels. */
static pnb_status scale_noise(pnb_solver *s, pnb_graph *g, pnb_tensor state, pnb_tensor raw, pnb_tensor z,
                              pnb_tensor *out) {
    uint32_t c = pnb_prior_channels(s->task.prior);
    pnb_tensor v, f, rest, log_beta, log_post, log_var, half, std;
    PNB_TRY(pnb_slice(g, raw, 1, c, c, &v));
    PNB_TRY(pnb_affine(g, v, 0.5f, 0.5f, &f));
    PNB_TRY(pnb_affine(g, v, -0.5f, 0.5f, &rest));
    PNB_TRY(pnb_solver_column(s, g, state, PNB_REVERSE_LOG_BETA, &log_beta));
    PNB_TRY(pnb_solver_column(s, g, state, PNB_REVERSE_LOG_POST, &log_post));
    PNB_TRY(pnb_axpby(g, 1, log_beta, f, 1, log_post, rest, &log_var));
    PNB_TRY(pnb_affine(g, log_var, 0.5f, 0, &half));
    PNB_TRY(pnb_unary_op(g, PNB_EXP, half, &std));
    return pnb_mul(g, std, z, out);
}

pnb_status pnb_reverse_estimate(pnb_solver *s, pnb_graph *g, pnb_tensor state, pnb_tensor x, bool clip,
                                pnb_estimate *e) {
    pnb_prior *prior = s->task.prior;
    bool learned = pnb_reverse_learned(prior);
    pnb_eps_params q = {.label = PNB_NONE, .raw = learned};
    PNB_TRY(pnb_solver_level(s, g, state, PNB_REVERSE_T, &e->level));
    PNB_TRY(pnb_prior_eps(prior, g, x, e->level, &q, &e->raw));
    return pnb_reverse_estimate_of(s, g, state, x, learned, clip, e);
}

pnb_status pnb_reverse_estimate_of(pnb_solver *s, pnb_graph *g, pnb_tensor state, pnb_tensor x, bool learned, bool clip,
                                   pnb_estimate *e) {
    const pnb_prior *prior = s->task.prior;
    pnb_tensor inverse, rho;
    PNB_TRY(pnb_solver_column(s, g, state, PNB_REVERSE_INV_ALPHA, &inverse));
    PNB_TRY(pnb_solver_column(s, g, state, PNB_REVERSE_RHO, &rho));
    e->eps = e->raw;
    if (learned) PNB_TRY(pnb_slice(g, e->raw, 1, 0, pnb_prior_channels(prior), &e->eps));
    PNB_TRY(pnb_axpby(g, 1, inverse, x, -1, rho, e->eps, &e->x0));
    return clip ? pnb_clamp(g, e->x0, -1, 1, &e->x0) : PNB_OK;
}

pnb_status pnb_reverse_next(pnb_solver *s, pnb_graph *g, pnb_tensor state, uint32_t uses, uint32_t stream, pnb_tensor x,
                            const pnb_estimate *e, pnb_tensor *next) {
    pnb_tensor a, b, d, z, mean;
    bool by_x = uses & PNB_REVERSE_USES_X;
    PNB_TRY(pnb_solver_column(s, g, state, PNB_REVERSE_X0, &a));
    PNB_TRY(pnb_solver_column(s, g, state, by_x ? PNB_REVERSE_X : PNB_REVERSE_EPS, &b));
    PNB_TRY(pnb_solver_column(s, g, state, PNB_REVERSE_Z, &d));
    PNB_TRY(pnb_axpby(g, 1, a, e->x0, 1, b, by_x ? x : e->eps, &mean));
    if (by_x && uses & PNB_REVERSE_USES_EPS) {
        PNB_TRY(pnb_solver_column(s, g, state, PNB_REVERSE_EPS, &b));
        PNB_TRY(pnb_axpby(g, 1, PNB_NONE, mean, 1, b, e->eps, &mean));
    }
    PNB_TRY(pnb_solver_noise(s, g, state, stream, &z));
    if (uses & PNB_REVERSE_LEARNED) PNB_TRY(scale_noise(s, g, state, e->raw, z, &z));
    return pnb_axpby(g, 1, PNB_NONE, mean, 1, d, z, next);
}

static pnb_status start_graph(pnb_solver *s, pnb_graph *g, const void *user) {
    double scale = *(const double *)user;
    pnb_tensor x, z;
    PNB_TRY(pnb_graph_bind(g, s->x, &x));
    PNB_TRY(pnb_noise_normal(g, s->sample, s->task.seed, PNB_STREAM_INIT, PNB_NONE, 0, &z));
    if (scale != 1) PNB_TRY(pnb_affine(g, z, (float)scale, 0, &z));
    return pnb_assign(g, x, z);
}

pnb_status pnb_reverse_start_with(pnb_solver *s, pnb_graph_builder build, const void *user) {
    pnb_program *program;
    if (s->task.start) return pnb_storage_write(s->x, s->task.gpu, s->task.start, pnb_shape_count(s->sample));
    PNB_TRY(pnb_solver_build(s, "start", build, user, &program));
    return pnb_solver_run_once(s, program);
}

pnb_status pnb_reverse_start(pnb_solver *s, double scale) {
    return pnb_reverse_start_with(s, start_graph, &scale);
}

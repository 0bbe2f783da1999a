/* Draws from the prior itself: ancestral DDPM sampling and DDIM (algorithms.md 3.1), as a solver without a measurement.
 *
 * DDPM: x0 = (x - sigma eps)/alpha, clamped if asked; mean = c1 x0 + c2 x; x' = mean + exp(log Sigma/2) z, none at the
 * last step. Networks with twice the channels give log Sigma = f log beta + (1-f) log beta~, f = (v+1)/2; otherwise
 * Sigma = beta~. DDIM: x' = alpha' x0 + sqrt(1 - alpha'^2 - s^2) eps + s z, with eps taken anew from the clamped x0, as
 * guided-diffusion does. Every coefficient comes from the row of the step.
 */
#include "solve/phases.h"

#include "ops/ops.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* x' = a x0 + b x + c eps + d z; e, f: log beta and log beta~ for learned variances. */
enum {
    ROW_T = PNB_ROW_FREE,
    ROW_ALPHA,
    ROW_SIGMA,
    ROW_INV_ALPHA,
    ROW_RHO,
    ROW_X0,
    ROW_X,
    ROW_EPS,
    ROW_Z,
    ROW_LOG_BETA,
    ROW_LOG_POST,
    ROW_END
};
_Static_assert(ROW_END <= PNB_ROW_SIZE, "a row of the step table is too short");

static bool learned(const pnb_prior *prior) {
    return pnb_prior_channels(prior) && pnb_prior_out_channels(prior) == 2 * pnb_prior_channels(prior);
}

static void fill_rows(pnb_solver *s, const pnb_schedule *r, const pnb_sampler_params *q) {
    for (uint32_t i = 0; i < r->steps; i++) {
        uint32_t t = r->steps - 1 - i;
        float *row = s->rows + (size_t)i * PNB_ROW_SIZE;
        row[ROW_T] = (float)r->timestep_map[t];
        row[ROW_ALPHA] = (float)r->alpha[t];
        row[ROW_SIGMA] = (float)r->sigma[t];
        row[ROW_INV_ALPHA] = (float)(1 / r->alpha[t]);
        row[ROW_RHO] = (float)r->rho[t];
        if (q->ddim) {
            double prev = t ? r->alpha_bar[t - 1] : 1, now = r->alpha_bar[t];
            double noise = q->eta * sqrt((1 - prev) / (1 - now) * (1 - now / prev));
            row[ROW_X0] = (float)sqrt(prev);
            row[ROW_EPS] = (float)sqrt(fmax(1 - prev - noise * noise, 0));
            row[ROW_Z] = t ? (float)noise : 0;
        } else {
            row[ROW_X0] = (float)r->posterior_mean_coef1[t];
            row[ROW_X] = (float)r->posterior_mean_coef2[t];
            row[ROW_Z] = t ? (learned(s->task.prior) ? 1 : (float)exp(0.5 * r->posterior_log_variance_clipped[t])) : 0;
            row[ROW_LOG_BETA] = (float)log(r->beta[t]);
            row[ROW_LOG_POST] = (float)r->posterior_log_variance_clipped[t];
        }
    }
}

static pnb_status column(pnb_solver *s, pnb_graph *g, pnb_tensor state, uint32_t c, pnb_tensor *out) {
    return pnb_spread(g, state, PNB_STATE_ROW + c, s->particles, out);
}

/* exp(log Sigma / 2) z from the network's variance channels. */
static pnb_status scale_noise(pnb_solver *s, pnb_graph *g, pnb_tensor state, pnb_tensor raw, pnb_tensor z,
                              pnb_tensor *out) {
    uint32_t c = pnb_prior_channels(s->task.prior);
    pnb_tensor v, f, rest, log_beta, log_post, log_var, half, std;
    PNB_TRY(pnb_slice(g, raw, 1, c, c, &v));
    PNB_TRY(pnb_affine(g, v, 0.5f, 0.5f, &f));
    PNB_TRY(pnb_affine(g, v, -0.5f, 0.5f, &rest));
    PNB_TRY(column(s, g, state, ROW_LOG_BETA, &log_beta));
    PNB_TRY(column(s, g, state, ROW_LOG_POST, &log_post));
    PNB_TRY(pnb_axpby(g, 1, log_beta, f, 1, log_post, rest, &log_var));
    PNB_TRY(pnb_affine(g, log_var, 0.5f, 0, &half));
    PNB_TRY(pnb_unary_op(g, PNB_EXP, half, &std));
    return pnb_mul(g, std, z, out);
}

static pnb_status network(pnb_solver *s, pnb_graph *g, pnb_tensor x, pnb_level level, pnb_tensor *raw,
                          pnb_tensor *eps) {
    pnb_prior *prior = s->task.prior;
    pnb_eps_params q = {.label = PNB_NONE, .raw = learned(prior)};
    PNB_TRY(pnb_prior_eps(prior, g, x, level, &q, raw));
    if (!learned(prior)) {
        *eps = *raw;
        return PNB_OK;
    }
    return pnb_slice(g, *raw, 1, 0, pnb_prior_channels(prior), eps);
}

static pnb_status next_sample(pnb_solver *s, pnb_graph *g, pnb_tensor state, const pnb_sampler_params *q, pnb_tensor x,
                              pnb_tensor *next) {
    pnb_tensor raw, eps, x0, z, a, b, c, d, inverse, rho, mean;
    pnb_level level;
    PNB_TRY(column(s, g, state, ROW_T, &level.t));
    PNB_TRY(column(s, g, state, ROW_ALPHA, &level.alpha));
    PNB_TRY(column(s, g, state, ROW_SIGMA, &level.sigma));
    PNB_TRY(column(s, g, state, ROW_INV_ALPHA, &inverse));
    PNB_TRY(column(s, g, state, ROW_RHO, &rho));
    PNB_TRY(column(s, g, state, ROW_X0, &a));
    PNB_TRY(column(s, g, state, q->ddim ? ROW_EPS : ROW_X, &b));
    PNB_TRY(column(s, g, state, ROW_Z, &d));
    PNB_TRY(network(s, g, x, level, &raw, &eps));
    PNB_TRY(pnb_axpby(g, 1, inverse, x, -1, rho, eps, &x0));
    if (q->clip) {
        PNB_TRY(pnb_clamp(g, x0, -1, 1, &x0));
        if (q->ddim) { /* eps of the clamped estimate: (x - alpha x0)/sigma */
            PNB_TRY(pnb_axpby(g, 1, PNB_NONE, x, -1, level.alpha, x0, &c));
            PNB_TRY(pnb_binary_op(g, PNB_DIV, c, level.sigma, &eps));
        }
    }
    PNB_TRY(pnb_axpby(g, 1, a, x0, 1, b, q->ddim ? eps : x, &mean));
    PNB_TRY(pnb_noise_normal(g, s->sample, q->seed, PNB_STREAM_SAMPLER, state, PNB_STATE_DRAW, &z));
    if (!q->ddim && learned(s->task.prior)) PNB_TRY(scale_noise(s, g, state, raw, z, &z));
    return pnb_axpby(g, 1, PNB_NONE, mean, 1, d, z, next);
}

static pnb_status step_graph(pnb_solver *s, pnb_graph *g, const pnb_sampler_params *q) {
    pnb_tensor state, table, x, next;
    PNB_TRY(pnb_graph_bind(g, s->state, &state));
    PNB_TRY(pnb_graph_bind(g, s->table, &table));
    PNB_TRY(pnb_graph_bind(g, s->x, &x));
    PNB_TRY(pnb_step_state_advance(g, state, table, (pnb_advance){.flags = PNB_ADVANCE_STEP | PNB_ADVANCE_DRAW}));
    PNB_TRY(next_sample(s, g, state, q, x, &next));
    return pnb_assign(g, x, next);
}

static pnb_status start_graph(pnb_solver *s, pnb_graph *g, const pnb_sampler_params *q) {
    pnb_tensor x, z;
    PNB_TRY(pnb_graph_bind(g, s->x, &x));
    PNB_TRY(pnb_noise_normal(g, s->sample, q->seed, PNB_STREAM_INIT, PNB_NONE, 0, &z));
    return pnb_assign(g, x, z);
}

static pnb_status build(pnb_solver *s, const pnb_schedule *r, const pnb_sampler_params *q) {
    pnb_program *start, *step;
    pnb_graph *g = NULL;
    pnb_status status = PNB_OK;
    fill_rows(s, r, q);
    pnb_solver_fingerprint(s, q, sizeof *q);
    PNB_TRY(pnb_solver_commit(s));
    PNB_TRY(pnb_graph_create(s->err, s->task.gpu, "sampler start", &g));
    PNB_TRY_GOTO(start_graph(s, g, q));
    PNB_TRY(pnb_solver_program(s, &g, &start));
    PNB_TRY(pnb_solver_run_once(s, start));
    PNB_TRY(pnb_graph_create(s->err, s->task.gpu, "sampler step", &g));
    PNB_TRY_GOTO(step_graph(s, g, q));
    PNB_TRY(pnb_solver_program(s, &g, &step));
    s->phases[0] =
        (pnb_phase){.name = "sampling", .steps = r->steps, .n_items = 1, .items = {{step, 1, 1, s->particles}}};
    s->n_phases = s->finish_phase = 1;
    return PNB_OK;
fail:
    pnb_graph_destroy(&g);
    return status;
}

static pnb_status check(pnb_error *err, const pnb_prior *prior, const pnb_sampler_params *q) {
    uint32_t m = pnb_prior_multiple(prior), all = pnb_prior_schedule(prior)->steps;
    if (q->n == 0) return pnb_fail(err, PNB_ERROR_INPUT, "sample: the number of samples must be at least 1");
    if (q->steps > all)
        return pnb_fail(err, PNB_ERROR_INPUT, "sample: %u steps asked for, the schedule has %u", q->steps, all);
    if (pnb_prior_channels(prior) && (q->height == 0 || q->width == 0 || q->height % m || q->width % m)) {
        return pnb_fail(err, PNB_ERROR_INPUT,
                        "sample: height and width must be multiples of %u for this prior, found %ux%u", m, q->height,
                        q->width);
    }
    return PNB_OK;
}

pnb_status pnb_sampler_create(pnb_error *err, pnb_gpu *gpu, pnb_prior *prior, const pnb_sampler_params *q,
                              pnb_solver **out) {
    pnb_schedule respaced;
    char spec[32];
    *out = NULL;
    PNB_TRY(check(err, prior, q));
    uint32_t c = pnb_prior_channels(prior), steps = q->steps ? q->steps : pnb_prior_schedule(prior)->steps;
    snprintf(spec, sizeof spec, "%u", steps);
    PNB_TRY(pnb_schedule_respace(err, pnb_prior_schedule(prior), spec, &respaced));
    pnb_task task = {.gpu = gpu, .prior = prior, .seed = q->seed};
    pnb_shape sample = c ? pnb_shape4(q->n, c, q->height, q->width) : pnb_shape2(q->n, pnb_prior_dim(prior));
    pnb_solver *s = NULL;
    pnb_status status = pnb_solver_begin(err, &task, "sample", sample, respaced.steps, &s);
    if (status == PNB_OK) status = build(s, &respaced, q);
    pnb_schedule_finish(&respaced);
    if (status != PNB_OK) pnb_solver_destroy(&s);
    *out = s;
    return status;
}

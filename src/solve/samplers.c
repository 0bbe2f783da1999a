/* Draws from the prior itself: ancestral DDPM sampling, DDIM (algorithms.md 3.1) and EDM's Heun (3.2), as a solver
 * without a measurement.
 *
 * DDPM: x0 = (x - sigma eps)/alpha, clamped if asked; mean = c1 x0 + c2 x; x' = mean + exp(log Sigma/2) z, none at the
 * last step. Networks with twice the channels give log Sigma = f log beta + (1-f) log beta~, f = (v+1)/2; otherwise
 * Sigma = beta~. DDIM: x' = alpha' x0 + sqrt(1 - alpha'^2 - s^2) eps + s z, with eps taken anew from the clamped x0, as
 * guided-diffusion does.
 *
 * Heun (Karras et al. 2022, algorithm 2, without churn), in x/alpha = x_0 + rho eps, whose slope in rho is eps: an
 * Euler step to the next level, the slope there, and the step again with the mean of both; to level 0 the Euler step
 * alone.
 *
 * Every coefficient comes from the row of the step.
 */
#include "solve/reverse.h"

#include "ops/ops.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

/* Heun: the level of the step, the next one, and next rho less rho. */
enum {
    HEUN_T = PNB_ROW_FREE,
    HEUN_ALPHA,
    HEUN_SIGMA,
    HEUN_NEXT_T,
    HEUN_NEXT_ALPHA,
    HEUN_NEXT_SIGMA,
    HEUN_STEP,
    HEUN_END
};
_Static_assert((int)HEUN_END <= PNB_ROW_SIZE, "a row of the step table is too short");
static const double HEUN_RHO_MIN = 0.002, HEUN_RHO_MAX = 80;

static void fill_rows(pnb_solver *s, const pnb_schedule *r, const pnb_sampler_params *q) {
    bool learned = pnb_reverse_learned(s->task.prior);
    for (uint32_t i = 0; i < r->steps; i++) {
        uint32_t t = r->steps - 1 - i;
        float *row = s->rows + (size_t)i * PNB_ROW_SIZE;
        if (q->sampler == PNB_SAMPLER_DDIM)
            pnb_reverse_row_ddim(row, r, t, (int32_t)t - 1, q->eta);
        else
            pnb_reverse_row_ddpm(row, r, t, learned);
    }
}

/* Karras' levels, as far as the prior's schedule reaches; the largest into *rho_max. */
static pnb_status fill_heun_rows(pnb_solver *s, const pnb_schedule *r, double *rho_max) {
    double *rho = malloc(s->n_rows * sizeof *rho);
    if (!rho) return pnb_fail(s->err, PNB_ERROR_OUT_OF_MEMORY, "sample: no host memory for %u noise levels", s->n_rows);
    pnb_edm_sigmas(s->n_rows, fmax(HEUN_RHO_MIN, r->rho[0]), fmin(HEUN_RHO_MAX, r->rho[r->steps - 1]), rho);
    for (uint32_t i = 0; i < s->n_rows; i++) {
        float *row = s->rows + (size_t)i * PNB_ROW_SIZE;
        double next = i + 1 < s->n_rows ? rho[i + 1] : 0;
        pnb_row_set_rho(row, HEUN_T, r, rho[i]);
        pnb_row_set_rho(row, HEUN_NEXT_T, r, next);
        row[HEUN_STEP] = (float)(next - rho[i]);
    }
    *rho_max = rho[0];
    free(rho);
    return PNB_OK;
}

static pnb_status next_sample(pnb_solver *s, pnb_graph *g, pnb_tensor state, const pnb_sampler_params *q, pnb_tensor x,
                              pnb_tensor *next) {
    pnb_estimate e;
    bool ddim = q->sampler == PNB_SAMPLER_DDIM;
    uint32_t uses = ddim ? PNB_REVERSE_USES_EPS : PNB_REVERSE_USES_X;
    PNB_TRY(pnb_reverse_estimate(s, g, state, x, q->clip, &e));
    if (q->clip && ddim) { /* eps of the clamped estimate: (x - alpha x0)/sigma */
        pnb_tensor rest;
        PNB_TRY(pnb_axpby(g, 1, PNB_NONE, x, -1, e.level.alpha, e.x0, &rest));
        PNB_TRY(pnb_binary_op(g, PNB_DIV, rest, e.level.sigma, &e.eps));
    }
    if (!ddim && pnb_reverse_learned(s->task.prior)) uses |= PNB_REVERSE_LEARNED;
    return pnb_reverse_next(s, g, state, uses, PNB_STREAM_SAMPLER, x, &e, next);
}

/* The slope at x (over alpha) of the level in columns t, t+1, t+2 of the row. */
static pnb_status slope(pnb_solver *s, pnb_graph *g, pnb_tensor state, uint32_t t, pnb_tensor x, pnb_tensor *eps) {
    pnb_level level;
    PNB_TRY(pnb_solver_level(s, g, state, t, &level));
    PNB_TRY(pnb_mul(g, x, level.alpha, &x));
    return pnb_prior_eps(s->task.prior, g, x, level, NULL, eps);
}

static pnb_status next_heun(pnb_solver *s, pnb_graph *g, pnb_tensor state, bool euler, pnb_tensor x, pnb_tensor *next) {
    pnb_tensor step, here, there, both;
    PNB_TRY(pnb_solver_column(s, g, state, HEUN_STEP, &step));
    PNB_TRY(slope(s, g, state, HEUN_T, x, &here));
    PNB_TRY(pnb_axpby(g, 1, PNB_NONE, x, 1, step, here, next));
    if (euler) return PNB_OK;
    PNB_TRY(slope(s, g, state, HEUN_NEXT_T, *next, &there));
    PNB_TRY(pnb_add(g, here, there, &both));
    return pnb_axpby(g, 1, PNB_NONE, x, 0.5f, step, both, next);
}

static pnb_status step_graph(pnb_solver *s, pnb_graph *g, const pnb_sampler_params *q, bool last) {
    pnb_tensor state, table, x, next;
    bool heun = q->sampler == PNB_SAMPLER_HEUN;
    PNB_TRY(pnb_graph_bind(g, s->state, &state));
    PNB_TRY(pnb_graph_bind(g, s->table, &table));
    PNB_TRY(pnb_graph_bind(g, s->x, &x));
    PNB_TRY(pnb_step_state_advance(g, state, table, (pnb_advance){.flags = PNB_ADVANCE_STEP | PNB_ADVANCE_DRAW}));
    PNB_TRY(heun ? next_heun(s, g, state, last, x, &next) : next_sample(s, g, state, q, x, &next));
    return pnb_assign(g, x, next);
}

/* `steps` more steps of one kind as a phase. */
static pnb_status add_phase(pnb_solver *s, const pnb_sampler_params *q, uint32_t steps, bool last) {
    pnb_program *step;
    pnb_graph *g;
    if (steps == 0) return PNB_OK;
    PNB_TRY(pnb_graph_create(s->err, s->task.gpu, "sampler step", &g));
    pnb_status status = step_graph(s, g, q, last);
    if (status != PNB_OK) pnb_graph_destroy(&g);
    PNB_TRY(status);
    PNB_TRY(pnb_solver_program(s, &g, &step));
    uint64_t evaluations = (uint64_t)s->particles * (q->sampler == PNB_SAMPLER_HEUN && !last ? 2 : 1);
    s->phases[s->n_phases++] =
        (pnb_phase){.name = "sampling", .steps = steps, .n_items = 1, .items = {{step, 1, 1, evaluations}}};
    s->finish_phase = s->n_phases;
    return PNB_OK;
}

static void fingerprint(pnb_solver *s, const pnb_sampler_params *q) {
    double numbers[] = {q->sampler, q->steps, q->eta, q->clip, q->n, q->height, q->width};
    pnb_solver_fingerprint(s, numbers, sizeof numbers);
    pnb_solver_fingerprint(s, &q->seed, sizeof q->seed);
}

static pnb_status build(pnb_solver *s, const pnb_schedule *r, const pnb_sampler_params *q) {
    double scale = 1;
    bool heun = q->sampler == PNB_SAMPLER_HEUN;
    if (heun)
        PNB_TRY(fill_heun_rows(s, pnb_prior_schedule(s->task.prior), &scale));
    else
        fill_rows(s, r, q);
    fingerprint(s, q);
    PNB_TRY(pnb_solver_commit(s));
    PNB_TRY(pnb_reverse_start(s, scale));
    PNB_TRY(add_phase(s, q, heun ? s->n_rows - 1 : s->n_rows, false));
    return heun ? add_phase(s, q, 1, true) : PNB_OK;
}

static pnb_status check(pnb_error *err, const pnb_prior *prior, const pnb_sampler_params *q) {
    if (q->n == 0) return pnb_fail(err, PNB_ERROR_INPUT, "sample: the number of samples must be at least 1");
    PNB_TRY(pnb_reverse_check_steps(err, "sample", prior, q->steps));
    if (q->noise && q->sampler == PNB_SAMPLER_HEUN)
        return pnb_fail(err, PNB_ERROR_INPUT, "sample: heun draws no noise, so none can be given for it");
    if (pnb_prior_channels(prior) && (q->height == 0 || q->width == 0))
        return pnb_fail(err, PNB_ERROR_INPUT, "sample: this prior makes images, which need a height and a width");
    return PNB_OK;
}

pnb_status pnb_sampler_create(pnb_error *err, pnb_gpu *gpu, pnb_prior *prior, const pnb_sampler_params *q,
                              pnb_solver **out) {
    pnb_schedule respaced = {0};
    char spec[32];
    *out = NULL;
    PNB_TRY(check(err, prior, q));
    bool heun = q->sampler == PNB_SAMPLER_HEUN;
    uint32_t c = pnb_prior_channels(prior), steps = q->steps ? q->steps : pnb_prior_schedule(prior)->steps;
    snprintf(spec, sizeof spec, "%u", steps);
    if (!heun) {
        PNB_TRY(pnb_schedule_respace(err, pnb_prior_schedule(prior), spec, &respaced));
        steps = respaced.steps;
    }
    pnb_task task = {.gpu = gpu, .prior = prior, .seed = q->seed, .start = q->start, .noise = q->noise};
    pnb_shape sample = c ? pnb_shape4(q->n, c, q->height, q->width) : pnb_shape2(q->n, pnb_prior_dim(prior));
    pnb_solver *s = NULL;
    pnb_status status = pnb_solver_begin(err, &task, "sample", sample, steps, &s);
    if (status == PNB_OK) status = build(s, &respaced, q);
    pnb_schedule_finish(&respaced);
    if (status != PNB_OK) pnb_solver_destroy(&s);
    *out = s;
    return status;
}

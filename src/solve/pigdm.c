/* Pseudo-inverse guided diffusion, PiGDM (Song et al. 2023; algorithms.md 3.4): x0 given x_t is taken for a Gaussian of
 * variance r^2 = sigma_t^2, so that the likelihood of y is known and its gradient goes through the network once.
 *
 *     q = A^T (A A^T + sigma_y^2/r^2)^-1 (y - A x0),   h = (dx0/dx_t)^T q
 *
 * weight = published: DDIM's step plus alpha_s alpha_t h, that is, the correction r^2 at every level; it counts the
 * data again and again. weight = exact: the ancestral step in x/alpha from rho to rho', on levels even in log rho, plus
 * (rho^2 - rho'^2)/r^2 alpha_t h: the drift of the reverse equation of the posterior. With prior N(0, I) it is exact in
 * the limit of many steps.
 * covariance = jacobian: rho^2 J in place of r^2, J = dx0/d(x_t/alpha), the covariance that Tweedie's formula gives
 * (Boys et al. 2023, Rozet et al. 2024): exact for any Gaussian prior, where r^2 is so for N(0, I) only. The equation
 * is solved by conjugate gradients, a backward pass for each. noise = none: q = A^+ (y - A x0); with masks the known
 * pixels are set, and h acts on the others.
 */
#include "solve/pigdm.h"
#include "solve/reverse.h"

#include "ops/ops.h"

#include <math.h>

static const char *const weights[] = {"published", "exact", NULL};
static const char *const covariances[] = {"isotropic", "jacobian", NULL};
static const char *const noises[] = {"auto", "gaussian", "none", NULL};

enum { OPTION_CG_STEPS = 4, OPTION_CLIP = 10 };
#define REAL(name, def, lo, hi, help)                                                                                  \
    { #name, PNB_OPTION_REAL, offsetof(pnb_pigdm_options, name), def, lo, hi, NULL, "", help }
static const pnb_option options[] = {
    {"particles", PNB_OPTION_INT, offsetof(pnb_pigdm_options, particles), 8, 1, 4096, NULL, "",
     "independent samples (K)"},
    {"steps", PNB_OPTION_INT, offsetof(pnb_pigdm_options, steps), 100, 1, 100000, NULL, "", "noise levels"},
    {"weight", PNB_OPTION_CHOICE, offsetof(pnb_pigdm_options, weight), PNB_PIGDM_PUBLISHED, 0, 1, weights, "",
     "the correction's weight: r^2 as published, or rho^2 - rho'^2, which the reverse equation asks for"},
    {"noise", PNB_OPTION_CHOICE, offsetof(pnb_pigdm_options, noise), PNB_PIGDM_NOISE_AUTO, 0, 2, noises, "",
     "the measurement's noise in the formula: gaussian (sigma_y), none (needs a pseudo-inverse), or by sigma_y"},
    [OPTION_CG_STEPS] = {"cg_steps", PNB_OPTION_INT, offsetof(pnb_pigdm_options, cg_steps), 30, 1, 200, NULL, "",
                         "steps of conjugate gradients, for operators whose singular values are not known; covariance "
                         "jacobian: 3"},
    {"covariance", PNB_OPTION_CHOICE, offsetof(pnb_pigdm_options, covariance), PNB_PIGDM_ISOTROPIC, 0, 1, covariances,
     "",
     "of x_0 given x_t: isotropic (r^2), or rho^2 times the network's Jacobian, which knows the directions that the "
     "prior has "
     "settled (weight exact; cg_steps backward passes a step)"},
    REAL(eta, 1, 0, 1, "noise of the published form's DDIM steps"),
    REAL(scale, 1, 0, 100, "multiplies the correction; 1 is the method"),
    REAL(rho_max, 100, 1e-2, 1000, "largest noise level of the exact weight's steps"),
    REAL(rho_min, 0.01, 1e-4, 10, "their smallest, before the last step to none"),
    [OPTION_CLIP] = {"clip", PNB_OPTION_BOOL, offsetof(pnb_pigdm_options, clip), 0, 0, 1, NULL, "",
                     "clamp the estimate of x_0 to [-1,1]; weight exact, images: true"},
};

/* By how much h moves x'. */
enum { ROW_GUIDE = PNB_REVERSE_END, ROW_LAMBDA };
_Static_assert((int)ROW_LAMBDA < PNB_ROW_SIZE, "a row of the step table is too short");

static void resolve_noise(const pnb_task *task, pnb_pigdm_options *o) {
    if (o->noise == PNB_PIGDM_NOISE_AUTO) o->noise = task->sigma_y > 0 ? PNB_PIGDM_GAUSSIAN : PNB_PIGDM_NONE;
}

static void resolve(const pnb_task *task, const bool *given, void *opts) {
    pnb_pigdm_options *o = opts;
    bool exact = o->weight == PNB_PIGDM_EXACT;
    if (o->covariance == PNB_PIGDM_JACOBIAN && !given[OPTION_CG_STEPS]) o->cg_steps = 3;
    /* Networks are wrong by more than the image's range at levels of 10 and more; the correction would multiply that.
     */
    if (exact && !given[OPTION_CLIP]) o->clip = pnb_prior_channels(task->prior) != 0;
    resolve_noise(task, o);
}

static pnb_status check(pnb_error *err, const pnb_task *task, const void *given) {
    const pnb_pigdm_options *o = given;
    const char *name = pnb_operator_name(task->op);
    if (!pnb_operator_linear(task->op)) {
        return pnb_fail(err, PNB_ERROR_INPUT, "pigdm: operator %s is not linear; use dps, ppm, reddiff or langevin",
                        name);
    }
    PNB_TRY(pnb_refuse_photons(err, "pigdm", task));
    if (pnb_operator_weights(task->op)) {
        return pnb_fail(
            err, PNB_ERROR_INPUT,
            "pigdm: it takes the noise to be equal everywhere, operator %s has an error for each entry; use "
            "dps, ppm, reddiff or langevin",
            name);
    }
    if (o->noise == PNB_PIGDM_NONE && !pnb_operator_has_pinv(task->op)) {
        return pnb_fail(
            err, PNB_ERROR_INPUT,
            "pigdm: without noise it needs a pseudo-inverse, which operator %s has not here; give a noise.sigma "
            "above 0 and \"noise\": \"gaussian\", or use dps, ppm or reddiff",
            name);
    }
    if (o->noise == PNB_PIGDM_GAUSSIAN && task->sigma_y == 0) {
        return pnb_fail(err, PNB_ERROR_INPUT,
                        "pigdm: \"noise\": \"gaussian\" needs a noise.sigma above 0, found 0; use \"none\"");
    }
    if (o->covariance == PNB_PIGDM_JACOBIAN && (o->weight != PNB_PIGDM_EXACT || o->noise != PNB_PIGDM_GAUSSIAN)) {
        return pnb_fail(
            err, PNB_ERROR_INPUT,
            "pigdm: covariance jacobian belongs to weight exact and to a noise.sigma above 0, found weight %s and "
            "sigma %g; use covariance isotropic",
            weights[o->weight], task->sigma_y);
    }
    if (o->weight == PNB_PIGDM_EXACT && o->rho_min >= o->rho_max) {
        return pnb_fail(err, PNB_ERROR_INPUT, "pigdm: rho_min %g should be below rho_max %g", o->rho_min, o->rho_max);
    }
    return o->weight == PNB_PIGDM_EXACT ? PNB_OK
                                        : pnb_reverse_check_steps(err, "pigdm", task->prior, (uint32_t)o->steps);
}

/* ---- rows -------------------------------------------------------------------------------------------------------- */

static void published_row(float *row, const pnb_schedule *sch, const pnb_pigdm_options *o, uint32_t i) {
    uint32_t stride = sch->steps / (uint32_t)o->steps, t = ((uint32_t)o->steps - 1 - i) * stride;
    int32_t to = t == 0 ? -1 : (int32_t)(t - stride);
    pnb_reverse_row_ddim(row, sch, t, to, o->eta);
    row[ROW_GUIDE] = (float)(o->scale * sch->alpha[t] * (to < 0 ? 1 : sch->alpha[to]));
}

static double level(const pnb_schedule *sch, const pnb_pigdm_options *o, uint32_t i) {
    double from = fmin(o->rho_max, sch->rho[sch->steps - 1]), last = o->steps > 1 ? o->steps - 1 : 1;
    return i < (uint32_t)o->steps ? from * pow(o->rho_min / from, i / last) : 0;
}

static void exact_row(float *row, const pnb_schedule *sch, const pnb_pigdm_options *o, uint32_t i) {
    bool jacobian = o->covariance == PNB_PIGDM_JACOBIAN;
    double rho = level(sch, o, i), next = level(sch, o, i + 1), r2 = rho * rho / (jacobian ? 1 : 1 + rho * rho);
    double alpha = 1 / sqrt(1 + rho * rho), to = 1 / sqrt(1 + next * next);
    pnb_reverse_row_rho(row, sch, rho, next);
    row[ROW_GUIDE] = (float)(o->scale * to * alpha * (rho * rho - next * next) / r2);
}

static void fill_rows(pnb_solver *s, const pnb_pigdm_options *o, uint32_t first, pnb_spectral *t) {
    const pnb_schedule *sch = pnb_prior_schedule(s->task.prior);
    double sigma2 = o->noise == PNB_PIGDM_GAUSSIAN ? s->task.sigma_y * s->task.sigma_y : 0;
    for (uint32_t i = 0; i < (uint32_t)o->steps; i++) {
        float *row = s->rows + (size_t)(first + i) * PNB_ROW_SIZE;
        if (o->weight == PNB_PIGDM_EXACT)
            exact_row(row, sch, o, i);
        else
            published_row(row, sch, o, i);
        double r = (double)row[o->covariance == PNB_PIGDM_JACOBIAN ? PNB_REVERSE_RHO : PNB_REVERSE_SIGMA];
        double lambda = sigma2 / (r * r);
        row[ROW_LAMBDA] = (float)lambda;
        for (uint32_t k = 0; t->values && k < t->count; k++) {
            double v = (double)t->singular[k];
            t->values[(size_t)i * t->count + k] = v > 0 ? (float)(v / (v * v + lambda)) : 0;
        }
    }
}

/* ---- graphs ------------------------------------------------------------------------------------------------------ */

/* What one step's equation is made of. */
typedef struct step_parts {
    pnb_tensor state, x, x0, alpha, lambda;
} step_parts;

/* A J A^T p + lambda p, where J is 1, or alpha (dx0/dx_t)^T. */
static pnb_status product(pnb_solver *s, pnb_graph *g, const pnb_pigdm_options *o, const step_parts *at, pnb_tensor p,
                          pnb_tensor *out) {
    pnb_tensor back;
    PNB_TRY(pnb_operator_adjoint(s->task.op, g, p, &back));
    if (o->covariance == PNB_PIGDM_JACOBIAN) {
        PNB_TRY(pnb_graph_grad(g, &at->x0, &back, 1, &at->x, 1, &back));
        PNB_TRY(pnb_mul(g, back, at->alpha, &back));
    }
    PNB_TRY(pnb_operator_apply(s->task.op, g, back, out));
    return pnb_axpby(g, 1, PNB_NONE, *out, 1, at->lambda, p, out);
}

/* v with (A J A^T + lambda) v = r after n steps of conjugate gradients; a sample that is solved stays so. */
static pnb_status conjugate_gradients(pnb_solver *s, pnb_graph *g, const pnb_pigdm_options *o, const step_parts *at,
                                      pnb_tensor r, pnb_tensor *v) {
    pnb_tensor p = r, square, ap, by, least, step, next, ratio;
    PNB_TRY(pnb_reduce_rows(g, PNB_SQNORM, r, &square));
    PNB_TRY(pnb_constant(g, pnb_graph_shape(g, r), 0, v));
    for (int32_t i = 0; i < o->cg_steps; i++) {
        PNB_TRY(product(s, g, o, at, p, &ap));
        PNB_TRY(pnb_mul(g, p, ap, &by));
        PNB_TRY(pnb_reduce_rows(g, PNB_SUM, by, &by));
        PNB_TRY(pnb_reduce_rows(g, PNB_SQNORM, p, &least)); /* a network's Jacobian need not be positive, as a covariance is */
        PNB_TRY(pnb_axpby(g, 1, at->lambda, least, 0, PNB_NONE, least, &least));
        PNB_TRY(pnb_binary_op(g, PNB_MAX, by, least, &by));
        PNB_TRY(pnb_affine(g, by, 1, 1e-30f, &by));
        PNB_TRY(pnb_binary_op(g, PNB_DIV, square, by, &step));
        PNB_TRY(pnb_axpby(g, 1, PNB_NONE, *v, 1, step, p, v));
        if (i + 1 == o->cg_steps) break;
        PNB_TRY(pnb_axpby(g, 1, PNB_NONE, r, -1, step, ap, &r));
        PNB_TRY(pnb_reduce_rows(g, PNB_SQNORM, r, &next));
        PNB_TRY(pnb_affine(g, square, 1, 1e-30f, &square));
        PNB_TRY(pnb_binary_op(g, PNB_DIV, next, square, &ratio));
        PNB_TRY(pnb_axpby(g, 1, PNB_NONE, r, 1, ratio, p, &p));
        square = next;
    }
    return PNB_OK;
}

/* q, from the residual r = y - A x0. */
static pnb_status direction(pnb_solver *s, pnb_graph *g, const pnb_pigdm_options *o, const pnb_spectral *t,
                            const step_parts *at, pnb_tensor r, pnb_tensor *q) {
    pnb_operator *op = s->task.op;
    pnb_tensor c;
    if (o->noise == PNB_PIGDM_NONE) return pnb_operator_pinv(op, g, r, q);
    if (t->singular) {
        PNB_TRY(pnb_operator_to_left(op, g, r, &c));
        PNB_TRY(pnb_spectral_times(s, g, t, at->state, 0, c, &c));
        return pnb_operator_from_right(op, g, c, q);
    }
    PNB_TRY(conjugate_gradients(s, g, o, at, r, &c));
    return pnb_operator_adjoint(op, g, c, q);
}

/* Noiseless inpainting: the known pixels of x0 are y's, and h acts on the others. */
static pnb_status set_known(pnb_solver *s, pnb_graph *g, pnb_tensor r, pnb_tensor *x0, pnb_tensor *h) {
    pnb_tensor known;
    PNB_TRY(pnb_operator_apply(s->task.op, g, *h, &known));
    PNB_TRY(pnb_sub(g, *h, known, h));
    return pnb_add(g, *x0, r, x0);
}

static pnb_status step_graph(pnb_solver *s, pnb_graph *g, const void *user) {
    const pnb_pigdm *p = user;
    const pnb_pigdm_options *o = &p->options;
    const pnb_spectral *t = &p->spectral;
    pnb_tensor state, table, x, y, ax, r, q, h, loss, guide, next;
    pnb_estimate e;
    PNB_TRY(pnb_graph_bind(g, s->state, &state));
    PNB_TRY(pnb_graph_bind(g, s->table, &table));
    PNB_TRY(pnb_graph_bind(g, s->x, &x));
    PNB_TRY(pnb_graph_bind(g, s->y, &y));
    PNB_TRY(pnb_step_state_advance(g, state, table, (pnb_advance){.flags = PNB_ADVANCE_STEP | PNB_ADVANCE_DRAW}));
    PNB_TRY(pnb_solver_column(s, g, state, ROW_GUIDE, &guide));
    PNB_TRY(pnb_reverse_estimate(s, g, state, x, o->clip, &e));
    PNB_TRY(pnb_operator_apply(s->task.op, g, e.x0, &ax));
    PNB_TRY(pnb_sub(g, y, ax, &r));
    step_parts at = {state, x, e.x0, e.level.alpha, PNB_NONE};
    PNB_TRY(pnb_solver_column(s, g, state, ROW_LAMBDA, &at.lambda));
    PNB_TRY(direction(s, g, o, t, &at, r, &q));
    PNB_TRY(pnb_graph_grad(g, &e.x0, &q, 1, &x, 1, &h));
    if (o->noise == PNB_PIGDM_NONE && pnb_operator_measured(s->task.op)) PNB_TRY(set_known(s, g, r, &e.x0, &h));
    PNB_TRY(pnb_reverse_next(s, g, state, PNB_REVERSE_USES_EPS, PNB_STREAM_SAMPLER, x, &e, &next));
    PNB_TRY(pnb_axpby(g, 1, PNB_NONE, next, 1, guide, h, &next));
    PNB_TRY(pnb_assign(g, x, next));
    PNB_TRY(pnb_reduce_rows(g, PNB_SQNORM, r, &loss));
    PNB_TRY(pnb_affine(g, loss, 0.5f, 0, &loss));
    return pnb_solver_record_losses(s, g, loss, PNB_NONE, PNB_NONE);
}

/* ---- as a part of other methods ---------------------------------------------------------------------------------- */

pnb_pigdm_options pnb_pigdm_exact(uint32_t particles, uint32_t steps, int32_t covariance, double rho_max, double rho_min) {
    return (pnb_pigdm_options){.particles = (int32_t)particles,
                               .steps = (int32_t)steps,
                               .weight = PNB_PIGDM_EXACT,
                               .covariance = covariance,
                               .cg_steps = covariance == PNB_PIGDM_JACOBIAN ? 3 : 30,
                               .eta = 1,
                               .scale = 1,
                               .rho_max = rho_max,
                               .rho_min = rho_min};
}

bool pnb_pigdm_fits(const pnb_task *task) {
    pnb_error unused = {0};
    pnb_pigdm_options o = {.weight = PNB_PIGDM_EXACT, .rho_max = 1};
    resolve_noise(task, &o);
    return check(&unused, task, &o) == PNB_OK;
}

pnb_status pnb_pigdm_describe(pnb_solver *s, const pnb_pigdm_options *o, uint32_t first, pnb_pigdm *p) {
    *p = (pnb_pigdm){.options = *o};
    resolve_noise(&s->task, &p->options);
    if (p->options.noise == PNB_PIGDM_GAUSSIAN && p->options.covariance == PNB_PIGDM_ISOTROPIC)
        PNB_TRY(pnb_spectral_describe(s, 1, first, (uint32_t)o->steps, &p->spectral));
    fill_rows(s, &p->options, first, &p->spectral);
    return PNB_OK;
}

pnb_status pnb_pigdm_program(pnb_solver *s, pnb_pigdm *p, pnb_program **step) {
    PNB_TRY(pnb_spectral_write(s, &p->spectral));
    return pnb_solver_build(s, "pigdm", step_graph, p, step);
}

/* ---- the method -------------------------------------------------------------------------------------------------- */

static pnb_status build(pnb_solver *s, const pnb_pigdm_options *o, pnb_pigdm *p) {
    PNB_TRY(pnb_pigdm_describe(s, o, 0, p));
    PNB_TRY(pnb_solver_commit(s));
    PNB_TRY(pnb_spectral_write(s, &p->spectral));
    PNB_TRY(pnb_reverse_start(s, 1));
    return pnb_solver_only_phase(s, PNB_LOSS_DATA, step_graph, p);
}

static pnb_status create(pnb_error *err, const pnb_task *task, const void *given, pnb_solver **out) {
    const pnb_pigdm_options *o = given;
    pnb_pigdm p = {0};
    pnb_solver *s;
    *out = NULL;
    PNB_TRY(check(err, task, o));
    PNB_TRY(
        pnb_solver_begin(err, task, "pigdm", pnb_samples_shape(task, (uint32_t)o->particles), (uint32_t)o->steps, &s));
    pnb_solver_fingerprint(s, o, sizeof *o);
    pnb_status status = build(s, o, &p);
    pnb_spectral_finish(&p.spectral);
    if (status != PNB_OK) pnb_solver_destroy(&s);
    *out = s;
    return status;
}

const pnb_method pnb_method_pigdm = {
    .name = "pigdm",
    .summary = "pseudo-inverse guided diffusion, as published or with the exact weight of the reverse equation",
    .table = {options, sizeof options / sizeof *options, sizeof(pnb_pigdm_options)},
    .create = create,
    .resolve = resolve,
    .check = check,
};

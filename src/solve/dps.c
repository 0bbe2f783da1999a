/* Diffusion posterior sampling (Chung et al. 2023; algorithms.md 3.3): an unconditional step, then a step against the
 * gradient of the residual's norm, taken through the network.
 *
 *     x' = step(x) - zeta d/dx |y - A(x0(x))|,   the norm of each sample by itself
 *
 * form = ancestral: DDPM's step with the network's variances, as published; x0 is clamped for images, and the clamp
 * passes no gradient outside [-1,1]. form = euler: InverseBench's, the reverse SDE in continuous time, no clamp; for
 * priors in preconditioned form. Any differentiable A will do. It is no sampler of the posterior: zeta over the norm is
 * a step size that knows nothing of sigma_y.
 */
#include "solve/reverse.h"

#include "ops/ops.h"

#include <stdio.h>

typedef struct dps_options {
    int32_t particles, steps, form;
    double scale;
    bool clip, learned_variance;
} dps_options;

enum { FORM_ANCESTRAL, FORM_EULER };
static const char *const forms[] = {"ancestral", "euler", NULL};

enum { OPTION_SCALE = 3, OPTION_CLIP };
static const pnb_option options[] = {
    {"particles", PNB_OPTION_INT, offsetof(dps_options, particles), 8, 1, 4096, NULL, "", "independent samples (K)"},
    {"steps", PNB_OPTION_INT, offsetof(dps_options, steps), 1000, 1, 100000, NULL, "",
     "noise levels, evenly through the schedule"},
    {"form", PNB_OPTION_CHOICE, offsetof(dps_options, form), FORM_ANCESTRAL, 0, 1, forms, "",
     "the published ancestral steps, or Euler steps of the reverse SDE (InverseBench)"},
    [OPTION_SCALE] = {"scale", PNB_OPTION_REAL, offsetof(dps_options, scale), 0.3, 0, 1000, NULL, "",
                      "step against the gradient of the residual's norm (zeta); published: 0.5 with masks, else 0.3"},
    [OPTION_CLIP] = {"clip", PNB_OPTION_BOOL, offsetof(dps_options, clip), 1, 0, 1, NULL, "",
                     "clamp the estimate of x_0 to [-1,1] (ancestral steps, images)"},
    {"learned_variance", PNB_OPTION_BOOL, offsetof(dps_options, learned_variance), 1, 0, 1, NULL, "",
     "the network's variances where it has learned them, else the posterior's of the schedule"},
};

enum { ROW_SCALE = PNB_REVERSE_END };
_Static_assert((int)ROW_SCALE < PNB_ROW_SIZE, "a row of the step table is too short");

static void resolve(const pnb_task *task, const bool *given, void *opts) {
    dps_options *o = opts;
    if (!given[OPTION_SCALE] && pnb_operator_measured(task->op)) o->scale = 0.5;
    if (!given[OPTION_CLIP]) o->clip = pnb_prior_channels(task->prior) != 0 && o->form == FORM_ANCESTRAL;
}

static bool learned(const pnb_solver *s, const dps_options *o) {
    return o->form == FORM_ANCESTRAL && o->learned_variance && pnb_reverse_learned(s->task.prior);
}

static pnb_status fill_rows(pnb_solver *s, const dps_options *o) {
    const pnb_schedule *full = pnb_prior_schedule(s->task.prior);
    uint32_t n = (uint32_t)o->steps;
    pnb_schedule kept = {0};
    char spec[32];
    snprintf(spec, sizeof spec, "%u", n);
    if (o->form == FORM_ANCESTRAL) PNB_TRY(pnb_schedule_respace(s->err, full, spec, &kept));
    for (uint32_t i = 0; i < n; i++) {
        float *row = s->rows + (size_t)i * PNB_ROW_SIZE;
        if (o->form == FORM_EULER)
            pnb_reverse_row_euler(row, full, pnb_vp_time(i, n), pnb_vp_time(i + 1, n));
        else
            pnb_reverse_row_ddpm(row, &kept, n - 1 - i, learned(s, o));
        row[ROW_SCALE] = (float)-o->scale;
    }
    pnb_schedule_finish(&kept);
    return PNB_OK;
}

/* d/dx |y - A(x0)|, and 1/2 |y - A(x0)|^2 of each sample. */
static pnb_status guidance(pnb_solver *s, pnb_graph *g, pnb_tensor x, pnb_tensor x0, pnb_tensor *gradient,
                           pnb_tensor *loss) {
    pnb_tensor at_x0, norm, inverse, cotangent;
    PNB_TRY(pnb_data_term(s, g, x0, 1, &at_x0, loss));
    PNB_TRY(pnb_affine(g, *loss, 2, 1e-20f, &norm)); /* the norm of nothing is no reason to divide by zero */
    PNB_TRY(pnb_unary_op(g, PNB_SQRT, norm, &norm));
    PNB_TRY(pnb_unary_op(g, PNB_RECIP, norm, &inverse));
    PNB_TRY(pnb_mul(g, at_x0, inverse, &cotangent));
    return pnb_graph_grad(g, &x0, &cotangent, 1, &x, 1, gradient);
}

static pnb_status step_graph(pnb_solver *s, pnb_graph *g, const void *user) {
    const dps_options *o = user;
    pnb_tensor state, table, x, gradient, loss, scale, next;
    pnb_estimate e;
    uint32_t uses = PNB_REVERSE_USES_X;
    if (o->form == FORM_EULER) uses |= PNB_REVERSE_USES_EPS;
    if (learned(s, o)) uses |= PNB_REVERSE_LEARNED;
    PNB_TRY(pnb_graph_bind(g, s->state, &state));
    PNB_TRY(pnb_graph_bind(g, s->table, &table));
    PNB_TRY(pnb_graph_bind(g, s->x, &x));
    PNB_TRY(pnb_step_state_advance(g, state, table, (pnb_advance){.flags = PNB_ADVANCE_STEP | PNB_ADVANCE_DRAW}));
    PNB_TRY(pnb_solver_column(s, g, state, ROW_SCALE, &scale));
    PNB_TRY(pnb_reverse_estimate(s, g, state, x, o->clip, &e));
    PNB_TRY(guidance(s, g, x, e.x0, &gradient, &loss));
    PNB_TRY(pnb_reverse_next(s, g, state, uses, PNB_STREAM_SAMPLER, x, &e, &next));
    PNB_TRY(pnb_axpby(g, 1, PNB_NONE, next, 1, scale, gradient, &next));
    PNB_TRY(pnb_assign(g, x, next));
    return pnb_solver_record_losses(s, g, loss, PNB_NONE, PNB_NONE);
}

static pnb_status build(pnb_solver *s, const dps_options *o) {
    PNB_TRY(fill_rows(s, o));
    PNB_TRY(pnb_solver_commit(s));
    PNB_TRY(pnb_reverse_start(s, 1));
    return pnb_solver_only_phase(s, PNB_LOSS_DATA, step_graph, o);
}

static pnb_status check(pnb_error *err, const pnb_task *task, const void *given) {
    const dps_options *o = given;
    return o->form == FORM_ANCESTRAL ? pnb_reverse_check_steps(err, "dps", task->prior, (uint32_t)o->steps) : PNB_OK;
}

static pnb_status create(pnb_error *err, const pnb_task *task, const void *given, pnb_solver **out) {
    const dps_options *o = given;
    pnb_solver *s;
    *out = NULL;
    PNB_TRY(check(err, task, o));
    PNB_TRY(
        pnb_solver_begin(err, task, "dps", pnb_samples_shape(task, (uint32_t)o->particles), (uint32_t)o->steps, &s));
    pnb_solver_fingerprint(s, o, sizeof *o);
    pnb_status status = build(s, o);
    if (status != PNB_OK) pnb_solver_destroy(&s);
    *out = s;
    return status;
}

const pnb_method pnb_method_dps = {
    .name = "dps",
    .summary = "diffusion posterior sampling: ancestral steps guided by the gradient of the residual's norm",
    .table = {options, sizeof options / sizeof *options, sizeof(dps_options)},
    .create = create,
    .resolve = resolve,
    .check = check,
};

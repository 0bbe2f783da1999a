/* Guided Langevin dynamics with the prior alone at one small noise level (algorithms.md 2.10, reference ppm_highd.py,
 * finish).
 *
 *     x += h (s_theta(x) + A^T (y - A x)/sigma_y^2) + sqrt(2 h) xi,   s_theta(x) = -eps_theta(alpha x, t)/rho,
 *     h = c / (||A||^2/sigma_y^2 + 1/rho^2)
 *
 * It is the finish of PPM, and a method of its own for comparison and for chains started elsewhere.
 */
#include "solve/phases.h"

#include "ops/ops.h"

#include <math.h>

static pnb_status constant_level(pnb_graph *g, const pnb_schedule *s, double rho, uint32_t n, pnb_level *out,
                                 double *level_rho) {
    uint32_t t = pnb_schedule_index_of_rho(s, rho);
    *level_rho = s->rho[t];
    PNB_TRY(pnb_constant(g, pnb_shape1(n), (float)s->timestep_map[t], &out->t));
    PNB_TRY(pnb_constant(g, pnb_shape1(n), (float)s->alpha[t], &out->alpha));
    return pnb_constant(g, pnb_shape1(n), (float)s->sigma[t], &out->sigma);
}

static pnb_status step_graph(pnb_solver *s, pnb_graph *g, const pnb_finish *f) {
    const pnb_task *task = &s->task;
    pnb_tensor state, table, x, scaled, eps, data, loss, drift, xi, moved, next;
    pnb_level level;
    double rho;
    PNB_TRY(pnb_graph_bind(g, s->state, &state));
    PNB_TRY(pnb_graph_bind(g, s->table, &table));
    PNB_TRY(pnb_graph_bind(g, s->x, &x));
    PNB_TRY(pnb_step_state_advance(g, state, table, (pnb_advance){.flags = PNB_ADVANCE_STEP | PNB_ADVANCE_DRAW}));
    PNB_TRY(constant_level(g, pnb_prior_schedule(task->prior), f->rho, s->particles, &level, &rho));
    PNB_TRY(pnb_mul(g, x, level.alpha, &scaled));
    PNB_TRY(pnb_prior_eps(task->prior, g, scaled, level, NULL, &eps));
    PNB_TRY(pnb_data_term(s, g, x, task->sigma_y, &data, &loss));
    double norm = pnb_operator_norm(task->op);
    double h = f->step_size / (norm * norm / (task->sigma_y * task->sigma_y) + 1 / (rho * rho));
    PNB_TRY(pnb_axpby(g, (float)(-h / rho), PNB_NONE, eps, (float)-h, PNB_NONE, data, &drift));
    PNB_TRY(pnb_noise_normal(g, s->sample, task->seed, PNB_STREAM_FINISH, state, PNB_STATE_DRAW, &xi));
    PNB_TRY(pnb_axpby(g, 1, PNB_NONE, drift, (float)sqrt(2 * h), PNB_NONE, xi, &moved));
    PNB_TRY(pnb_add(g, x, moved, &next));
    PNB_TRY(pnb_assign(g, x, next));
    return pnb_solver_record_losses(s, g, loss, PNB_NONE, PNB_NONE);
}

static pnb_status snapshot_graph(pnb_solver *s, pnb_graph *g) {
    pnb_tensor x, before;
    PNB_TRY(pnb_graph_bind(g, s->x, &x));
    PNB_TRY(pnb_graph_bind(g, s->before, &before));
    return pnb_assign(g, before, x);
}

pnb_status pnb_langevin_program(pnb_solver *s, const pnb_finish *f, pnb_program **snapshot, pnb_program **step) {
    pnb_graph *g;
    pnb_status status = PNB_OK;
    PNB_TRY(pnb_graph_create(s->err, "langevin", &g));
    PNB_TRY_GOTO(step_graph(s, g, f));
    PNB_TRY(pnb_solver_program(s, &g, step));
    if (!snapshot) return PNB_OK;
    PNB_TRY(pnb_graph_create(s->err, "snapshot", &g));
    PNB_TRY_GOTO(snapshot_graph(s, g));
    return pnb_solver_program(s, &g, snapshot);
fail:
    pnb_graph_destroy(&g);
    return status;
}

/* ---- the method -------------------------------------------------------------------------------------------------- */

typedef struct langevin_options {
    int32_t particles, steps;
    double rho, step_size, init_std;
} langevin_options;

static const pnb_option options[] = {
    {"particles", PNB_OPTION_INT, offsetof(langevin_options, particles), 8, 1, 4096, NULL, "", "independent chains"},
    {"steps", PNB_OPTION_INT, offsetof(langevin_options, steps), 300, 1, 1e6, NULL, "", "Langevin steps"},
    {"rho", PNB_OPTION_REAL, offsetof(langevin_options, rho), 0.015, 1e-3, 10, NULL, "",
     "noise level sigma_t/alpha_t at which the prior's score is taken"},
    {"step_size", PNB_OPTION_REAL, offsetof(langevin_options, step_size), 0.3, 1e-4, 1, NULL, "",
     "fraction of the largest stable step"},
    {"init_std", PNB_OPTION_REAL, offsetof(langevin_options, init_std), 0.1, 0, 100, NULL, "",
     "noise added to the initial guess"},
};

static pnb_status build(pnb_solver *s, const langevin_options *o) {
    pnb_program *step;
    PNB_TRY(pnb_solver_commit(s));
    PNB_TRY(pnb_solver_initialise(s, o->init_std));
    pnb_finish f = {(uint32_t)o->steps, o->rho, o->step_size};
    PNB_TRY(pnb_langevin_program(s, &f, NULL, &step));
    s->phases[0] =
        (pnb_phase){.name = "langevin", .steps = f.steps, .n_items = 1, .items = {{step, 1, 1, s->particles}}};
    s->n_phases = s->finish_phase = 1;
    return PNB_OK;
}

static pnb_status create(pnb_error *err, const pnb_task *task, const void *given, pnb_solver **out) {
    const langevin_options *o = given;
    pnb_shape sample = pnb_samples_shape(task, (uint32_t)o->particles);
    pnb_solver *s;
    PNB_TRY(pnb_solver_begin(err, task, "langevin", sample, (uint32_t)o->steps, &s));
    pnb_solver_fingerprint(s, o, sizeof *o);
    pnb_status status = build(s, o);
    if (status != PNB_OK) pnb_solver_destroy(&s);
    *out = s;
    return status;
}

const pnb_method pnb_method_langevin = {
    .name = "langevin",
    .summary = "guided Langevin dynamics with the prior's score at one small noise level",
    .table = {options, sizeof options / sizeof *options, sizeof(langevin_options)},
    .create = create,
};

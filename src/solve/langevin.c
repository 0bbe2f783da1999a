/* Guided Langevin dynamics with the prior alone, at noise levels that fall to one small one (algorithms.md 2.10,
 * reference ppm_highd.py, finish; annealing as Song & Ermon 2019, the likelihood widened by the level as Jalal et al.
 * 2021).
 *
 *     x += (h + d) g(x) + sqrt(2 h + d rho'^2/rho^2) xi,   g = s_theta(x) + A^T (y - A x)/v,
 *     s_theta(x) = -eps_theta(alpha x, t)/rho,   v = sigma_y^2 + ||A||^2 rho^2 (sigma_y^2 where the level is constant; where
 *     entries have spreads, each its own v: pnb_operator_spreads),
 *     h = c / (||A||^2/v + 1/rho^2),   d = rho^2 - rho'^2, rho' the next level
 *
 * With photon noise each entry has a v of its own: its variance and ||A||^2 rho^2.
 *
 * h is Langevin's step at the level, d the reverse diffusion's to the next: without d what is wider than a level would
 * keep that level's noise, since steps as short as the narrow directions ask for no longer move it. The last step has no
 * noise and takes out what the last level has put in: x += rho^2/2 g, the flow's to second order.
 *
 * It is a finish of PPM (finish.h), and a method of its own: with many steps and rho_start above the prior's spread, a
 * slow judge of the others that is right in the limit.
 */
#include "solve/phases.h"

#include "ops/ops.h"

#include <math.h>

/* Free columns of a row: x += eps_coef eps + data_coef A^T (A x - y)/sigma_y^2 + noise xi. */
enum { ROW_T = PNB_ROW_FREE, ROW_ALPHA, ROW_SIGMA, ROW_EPS, ROW_DATA, ROW_NOISE, ROW_WIDER };

/* Without noise there is no finite likelihood: far below what any prior's smallest level resolves will do. */
static double noise_of(const pnb_task *task) {
    return fmax(task->sigma_y, 1e-3);
}

/* Where each entry has its own, the least bounds the step: the camera's, which is left in the dark. */
static double least_noise_of(const pnb_task *task) {
    return task->photons.gain > 0 ? fmax(fmin(task->photons.sigma, task->sigma_y), 1e-3) : noise_of(task);
}

/* What the data term is computed with. */
static double sigma_of(const pnb_task *task) {
    return task->photons.gain > 0 ? task->sigma_y : noise_of(task);
}

/* Level i of a run; level `steps`: none. */
static double level(const pnb_langevin *f, uint32_t i) {
    if (i >= f->steps) return 0;
    if (f->rho_start <= f->rho || f->steps == 1) return f->rho;
    return f->rho_start * pow(f->rho / f->rho_start, i / (f->steps - 1.0));
}

void pnb_langevin_rows(pnb_solver *s, const pnb_langevin *f, uint32_t first) {
    const pnb_schedule *sch = pnb_prior_schedule(s->task.prior);
    double norm = pnb_operator_norm(s->task.op), least = least_noise_of(&s->task), sigma = sigma_of(&s->task);
    bool anneals = f->rho_start > f->rho;
    for (uint32_t i = 0; i < f->steps; i++) {
        float *row = s->rows + (size_t)(first + i) * PNB_ROW_SIZE;
        double rho = level(f, i), next = level(f, i + 1), wide = anneals ? pow(norm * rho, 2) : 0;
        double curvature = pnb_data_curvature(&s->task, least, wide / (least * least)) + 1 / (rho * rho);
        double h = f->step_size / curvature, d = rho * rho - next * next;
        bool last = next == 0;
        double drift = last ? 0.5 * rho * rho : h + d;
        pnb_row_set_rho(row, ROW_T, sch, rho);
        row[ROW_EPS] = (float)(-drift / rho);
        row[ROW_DATA] = (float)(last && !anneals ? 0 : -drift);
        row[ROW_WIDER] = (float)(wide / (sigma * sigma));
        row[ROW_NOISE] = (float)(last ? 0 : sqrt(2 * h + d * next * next / (rho * rho)));
    }
}

static pnb_status step_graph(pnb_solver *s, pnb_graph *g, const void *user) {
    const pnb_langevin *f = user;
    const pnb_task *task = &s->task;
    pnb_tensor state, table, x, scaled, eps, wider, by_eps, by_data, by_noise, drift, xi, moved, next;
    pnb_wide_term data;
    pnb_level level;
    PNB_TRY(pnb_graph_bind(g, s->state, &state));
    PNB_TRY(pnb_graph_bind(g, s->table, &table));
    PNB_TRY(pnb_graph_bind(g, s->x, &x));
    PNB_TRY(pnb_step_state_advance(g, state, table, (pnb_advance){.flags = PNB_ADVANCE_STEP | PNB_ADVANCE_DRAW}));
    PNB_TRY(pnb_solver_level(s, g, state, ROW_T, &level));
    PNB_TRY(pnb_solver_column(s, g, state, ROW_EPS, &by_eps));
    PNB_TRY(pnb_solver_column(s, g, state, ROW_DATA, &by_data));
    PNB_TRY(pnb_solver_column(s, g, state, ROW_NOISE, &by_noise));
    PNB_TRY(pnb_mul(g, x, level.alpha, &scaled));
    PNB_TRY(pnb_prior_eps(task->prior, g, scaled, level, NULL, &eps));
    PNB_TRY(pnb_solver_column(s, g, state, ROW_WIDER, &wider));
    PNB_TRY(pnb_data_term_wide(s, g, x, sigma_of(task), f->rho_start > f->rho || task->photons.gain > 0 ? wider : PNB_NONE, &data));
    PNB_TRY(pnb_axpby(g, 1, by_eps, eps, 1, by_data, data.gradient, &drift));
    PNB_TRY(pnb_noise_normal(g, s->sample, task->seed, PNB_STREAM_FINISH, state, PNB_STATE_DRAW, &xi));
    PNB_TRY(pnb_axpby(g, 1, PNB_NONE, drift, 1, by_noise, xi, &moved));
    PNB_TRY(pnb_add(g, x, moved, &next));
    PNB_TRY(pnb_assign(g, x, next));
    if (f->project) PNB_TRY(pnb_project(s, g));
    return pnb_solver_record_losses(s, g, data.misfit, PNB_NONE, PNB_NONE);
}

pnb_status pnb_langevin_program(pnb_solver *s, const pnb_langevin *f, pnb_program **step) {
    return pnb_solver_build(s, "langevin", step_graph, f, step);
}

/* ---- the method -------------------------------------------------------------------------------------------------- */

typedef struct langevin_options {
    int32_t particles, steps;
    double rho, rho_start, step_size, init_std;
} langevin_options;

static const pnb_option options[] = {
    {"particles", PNB_OPTION_INT, offsetof(langevin_options, particles), 8, 1, 4096, NULL, "", "independent chains"},
    {"steps", PNB_OPTION_INT, offsetof(langevin_options, steps), 300, 1, 1e6, NULL, "", "Langevin steps"},
    {"rho", PNB_OPTION_REAL, offsetof(langevin_options, rho), 0.015, 1e-3, 10, NULL, "",
     "noise level sigma_t/alpha_t at which the prior's score is taken, at the end"},
    {"rho_start", PNB_OPTION_REAL, offsetof(langevin_options, rho_start), 0, 0, 1000, NULL, "",
     "noise level at the start, falling to rho; 0: rho all along"},
    {"step_size", PNB_OPTION_REAL, offsetof(langevin_options, step_size), 0.3, 1e-4, 1, NULL, "",
     "fraction of the largest stable step"},
    {"init_std", PNB_OPTION_REAL, offsetof(langevin_options, init_std), 0.1, 0, 100, NULL, "",
     "noise added to the initial guess"},
};

static pnb_status build(pnb_solver *s, const langevin_options *o) {
    pnb_program *step;
    pnb_langevin f = {(uint32_t)o->steps, o->rho, o->rho_start, o->step_size, false};
    pnb_langevin_rows(s, &f, 0);
    PNB_TRY(pnb_solver_commit(s));
    PNB_TRY(pnb_solver_initialise(s, o->init_std));
    PNB_TRY(pnb_langevin_program(s, &f, &step));
    s->phases[0] = (pnb_phase){.name = "langevin",
                               .steps = f.steps,
                               .losses = PNB_LOSS_DATA,
                               .n_items = 1,
                               .items = {{step, 1, 1, s->particles}}};
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
    .summary = "guided Langevin dynamics with the prior's score, at one small noise level or annealed to it",
    .table = {options, sizeof options / sizeof *options, sizeof(langevin_options)},
    .create = create,
};

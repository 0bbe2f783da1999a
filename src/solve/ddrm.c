/* Denoising diffusion restoration models, DDRM (Kawar et al. 2022; algorithms.md 3.5): no gradients, each coefficient
 * of the operator's singular value decomposition A = U S V^T treated by how much of it the measurement tells.
 *
 * In x/alpha, with eps and x0 of the network at x_t, rho' the next level, e = sqrt(1 - eta^2) rho':
 *     not measured      V^T x0 + e V^T eps + eta rho' z
 *     s rho' < sigma_y  V^T x0 + e (U^T y - s V^T x0)/sigma_y + eta rho' z
 *     else              (1 - eta_b) V^T x0 + eta_b U^T y/s + sqrt(rho'^2 - eta_b^2 sigma_y^2/s^2) z
 *
 * The first line holds for all of space, where it is the plain step; what the others change is added through V, so that
 * the directions that are not measured need no basis.
 */
#include "solve/reverse.h"
#include "solve/spectral.h"

#include "ops/ops.h"

#include <math.h>

typedef struct ddrm_options {
    int32_t particles, steps;
    double eta, eta_b;
    bool clip;
} ddrm_options;

#define REAL(name, def, lo, hi, help)                                                                                  \
    { #name, PNB_OPTION_REAL, offsetof(ddrm_options, name), def, lo, hi, NULL, "", help }
static const pnb_option options[] = {
    {"particles", PNB_OPTION_INT, offsetof(ddrm_options, particles), 8, 1, 4096, NULL, "", "independent samples (K)"},
    {"steps", PNB_OPTION_INT, offsetof(ddrm_options, steps), 20, 1, 100000, NULL, "",
     "noise levels, by a uniform stride"},
    REAL(eta, 0.85, 0, 1, "share of fresh noise where the measurement says nothing or little"),
    REAL(eta_b, 1, 0, 1, "weight of the measurement where it says more than the noise level"),
    {"clip", PNB_OPTION_BOOL, offsetof(ddrm_options, clip), 0, 0, 1, NULL, "", "clamp the estimate of x_0 to [-1,1]"},
};

/* Columns of a row; kinds of numbers a coefficient: what V^T x0, V^T eps, U^T y and V^T z are multiplied with, and the
 * last two at the start. */
enum { ROW_ALPHA_NEXT = PNB_REVERSE_END };
_Static_assert((int)ROW_ALPHA_NEXT < PNB_ROW_SIZE, "a row of the step table is too short");
enum { OF_X0, OF_EPS, OF_Y, OF_Z, START_Y, START_Z, KINDS };

static pnb_status check(pnb_error *err, const pnb_task *task, const void *given) {
    const ddrm_options *o = given;
    uint32_t count;
    if (!pnb_operator_linear(task->op) || !pnb_operator_spectrum(task->op, &count)) {
        return pnb_fail(err, PNB_ERROR_INPUT,
                        "ddrm: it works on singular values, and those of operator %s are not known here; use %s",
                        pnb_operator_name(task->op),
                        pnb_operator_linear(task->op) ? "pigdm, dps, reddiff or ppm" : "dps, reddiff or ppm");
    }
    PNB_TRY(pnb_refuse_photons(err, "ddrm", task));
    return pnb_reverse_check_steps(err, "ddrm", task->prior, (uint32_t)o->steps);
}

/* ---- rows -------------------------------------------------------------------------------------------------------- */

/* What the step to level `next` changes of a coefficient of singular value s. */
static void change(const ddrm_options *o, double s, double sigma_y, double next, float *out[KINDS], size_t k) {
    double e = sqrt(1 - o->eta * o->eta) * next, n = o->eta * next;
    if (s == 0) return;
    if (s * next < sigma_y) {
        out[OF_X0][k] = (float)(-e * s / sigma_y);
        out[OF_EPS][k] = (float)-e;
        out[OF_Y][k] = (float)(e / sigma_y);
        return;
    }
    double noise = sqrt(fmax(next * next - pow(o->eta_b * sigma_y / s, 2), 0));
    out[OF_X0][k] = (float)-o->eta_b;
    out[OF_EPS][k] = (float)-e;
    out[OF_Y][k] = (float)(o->eta_b / s);
    out[OF_Z][k] = (float)(noise - n);
}

static void start_change(double s, double sigma_y, double rho, float *out[KINDS], size_t k) {
    if (s == 0 || s * rho <= sigma_y) return;
    out[START_Y][k] = (float)(1 / s);
    out[START_Z][k] = (float)(sqrt(rho * rho - sigma_y * sigma_y / (s * s)) - rho);
}

static void fill_rows(pnb_solver *s, const ddrm_options *o, pnb_spectral *t) {
    const pnb_schedule *sch = pnb_prior_schedule(s->task.prior);
    uint32_t stride = sch->steps / s->n_rows;
    for (uint32_t i = 0; i < s->n_rows; i++) {
        uint32_t now = (s->n_rows - 1 - i) * stride;
        int32_t to = now ? (int32_t)(now - stride) : -1;
        double next = to < 0 ? 0 : sch->rho[to], alpha = to < 0 ? 1 : sch->alpha[to];
        float *row = s->rows + (size_t)i * PNB_ROW_SIZE, *at[KINDS];
        pnb_reverse_row_ddim(row, sch, now, to, 0);
        row[PNB_REVERSE_EPS] = (float)(alpha * sqrt(1 - o->eta * o->eta) * next);
        row[PNB_REVERSE_Z] = (float)(alpha * o->eta * next);
        row[ROW_ALPHA_NEXT] = (float)alpha;
        for (uint32_t kind = 0; kind < KINDS; kind++) at[kind] = t->values + ((size_t)i * KINDS + kind) * t->count;
        for (uint32_t k = 0; k < t->count; k++) {
            change(o, (double)t->singular[k], s->task.sigma_y, next, at, k);
            if (i == 0) start_change((double)t->singular[k], s->task.sigma_y, sch->rho[now], at, k);
        }
    }
}

/* ---- graphs ------------------------------------------------------------------------------------------------------ */

/* sum += numbers of this kind times c; sum PNB_NONE: nothing yet. */
static pnb_status add_part(pnb_solver *s, pnb_graph *g, const pnb_spectral *t, pnb_tensor state, uint32_t kind,
                           pnb_tensor c, pnb_tensor *sum) {
    PNB_TRY(pnb_spectral_times(s, g, t, state, kind, c, &c));
    if (*sum != PNB_NONE) return pnb_add(g, *sum, c, sum);
    *sum = c;
    return PNB_OK;
}

static pnb_status add_right(pnb_solver *s, pnb_graph *g, const pnb_spectral *t, pnb_tensor state, uint32_t kind,
                            pnb_tensor x, pnb_tensor *sum) {
    PNB_TRY(pnb_operator_to_right(s->task.op, g, x, &x));
    return add_part(s, g, t, state, kind, x, sum);
}

static pnb_status add_left(pnb_solver *s, pnb_graph *g, const pnb_spectral *t, pnb_tensor state, uint32_t kind,
                           pnb_tensor *sum) {
    pnb_tensor y;
    PNB_TRY(pnb_graph_bind(g, s->y, &y));
    PNB_TRY(pnb_operator_to_left(s->task.op, g, y, &y));
    return add_part(s, g, t, state, kind, y, sum);
}

static pnb_status half_square(pnb_solver *s, pnb_graph *g, pnb_tensor x0, pnb_tensor *loss) {
    pnb_tensor unused;
    return pnb_data_term(s, g, x0, 1, &unused, loss);
}

typedef struct step_parts {
    const ddrm_options *o;
    pnb_spectral *t;
} step_parts;

static pnb_status step_graph(pnb_solver *s, pnb_graph *g, const void *user) {
    const step_parts *parts = user;
    const pnb_spectral *t = parts->t;
    pnb_tensor state, table, x, z, loss, plain, alpha, sum = PNB_NONE;
    pnb_estimate e;
    PNB_TRY(pnb_graph_bind(g, s->state, &state));
    PNB_TRY(pnb_graph_bind(g, s->table, &table));
    PNB_TRY(pnb_graph_bind(g, s->x, &x));
    PNB_TRY(pnb_step_state_advance(g, state, table, (pnb_advance){.flags = PNB_ADVANCE_STEP | PNB_ADVANCE_DRAW}));
    PNB_TRY(pnb_reverse_estimate(s, g, state, x, parts->o->clip, &e));
    PNB_TRY(pnb_reverse_next(s, g, state, PNB_REVERSE_USES_EPS, PNB_STREAM_SAMPLER, x, &e, &plain));
    PNB_TRY(pnb_solver_noise(s, g, state, PNB_STREAM_SAMPLER, &z)); /* the plain step's: by counter, the same numbers */
    PNB_TRY(add_right(s, g, t, state, OF_X0, e.x0, &sum));
    PNB_TRY(add_right(s, g, t, state, OF_EPS, e.eps, &sum));
    PNB_TRY(add_left(s, g, t, state, OF_Y, &sum));
    PNB_TRY(add_right(s, g, t, state, OF_Z, z, &sum));
    PNB_TRY(pnb_operator_from_right(s->task.op, g, sum, &sum));
    PNB_TRY(pnb_solver_column(s, g, state, ROW_ALPHA_NEXT, &alpha));
    PNB_TRY(pnb_axpby(g, 1, PNB_NONE, plain, 1, alpha, sum, &sum));
    PNB_TRY(half_square(s, g, e.x0, &loss));
    PNB_TRY(pnb_assign(g, x, sum));
    return pnb_solver_record_losses(s, g, loss, PNB_NONE, PNB_NONE);
}

/* x = alpha_T V(...): what is measured better than the first level starts there. Before any step the state's row is
 * zero, and its number 0 finds the table's first row. */
static pnb_status start_graph(pnb_solver *s, pnb_graph *g, const void *user) {
    const pnb_spectral *t = ((const step_parts *)user)->t;
    const pnb_schedule *sch = pnb_prior_schedule(s->task.prior);
    uint32_t first = (s->n_rows - 1) * (sch->steps / s->n_rows);
    pnb_tensor state, x, z, sum = PNB_NONE;
    PNB_TRY(pnb_graph_bind(g, s->state, &state));
    PNB_TRY(pnb_graph_bind(g, s->x, &x));
    PNB_TRY(pnb_noise_normal(g, s->sample, s->task.seed, PNB_STREAM_INIT, PNB_NONE, 0, &z));
    PNB_TRY(add_left(s, g, t, state, START_Y, &sum));
    PNB_TRY(add_right(s, g, t, state, START_Z, z, &sum));
    PNB_TRY(pnb_operator_from_right(s->task.op, g, sum, &sum));
    PNB_TRY(pnb_axpby(g, (float)sch->sigma[first], PNB_NONE, z, (float)sch->alpha[first], PNB_NONE, sum, &sum));
    return pnb_assign(g, x, sum);
}

static pnb_status build(pnb_solver *s, const ddrm_options *o, pnb_spectral *t) {
    step_parts parts = {o, t};
    PNB_TRY(pnb_spectral_describe(s, KINDS, 0, s->n_rows, t));
    fill_rows(s, o, t);
    PNB_TRY(pnb_solver_commit(s));
    PNB_TRY(pnb_spectral_write(s, t));
    PNB_TRY(pnb_reverse_start_with(s, start_graph, &parts));
    return pnb_solver_only_phase(s, PNB_LOSS_DATA, step_graph, &parts);
}

static pnb_status create(pnb_error *err, const pnb_task *task, const void *given, pnb_solver **out) {
    const ddrm_options *o = given;
    pnb_spectral t = {0};
    pnb_solver *s;
    *out = NULL;
    PNB_TRY(check(err, task, o));
    PNB_TRY(
        pnb_solver_begin(err, task, "ddrm", pnb_samples_shape(task, (uint32_t)o->particles), (uint32_t)o->steps, &s));
    pnb_solver_fingerprint(s, o, sizeof *o);
    pnb_status status = build(s, o, &t);
    pnb_spectral_finish(&t);
    if (status != PNB_OK) pnb_solver_destroy(&s);
    *out = s;
    return status;
}

const pnb_method pnb_method_ddrm = {
    .name = "ddrm",
    .summary =
        "denoising diffusion restoration: no gradients, coefficient by coefficient of the operator's singular values",
    .table = {options, sizeof options / sizeof *options, sizeof(ddrm_options)},
    .create = create,
    .check = check,
};

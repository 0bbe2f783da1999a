/* RED-Diff (Mardani et al. 2023; algorithms.md 3.7): one Gaussian's mean per seed, by a stop-gradient denoising
 * residual.
 *
 *     L = 1/2 mean|y - A mu|^2 obs_weight + lambda rho_t mean(sg(eps_theta(x_t) - eps) * mu),   x_t = alpha mu + sigma
 * eps
 *
 * with t falling uniformly over the steps and Adam(0.9, 0.99). K particles are K seeds run as one batch.
 */
#include "solve/reddiff.h"
#include "solve/repulsion.h"

#include "ops/ops.h"

#include <math.h>
#include <string.h>

static const char *const forms[] = {"official", "inversebench", NULL};
const char *const pnb_reddiff_weights[] = {"linear", "sqrt", "square", "log", "clip", "two_thirds", "constant", NULL};

#define REAL(name, def, lo, hi, help)                                                                                  \
    { #name, PNB_OPTION_REAL, offsetof(pnb_reddiff_options, name), def, lo, hi, NULL, "", help }
enum { OPTION_WEIGHT = 3, OPTION_LR };
static const pnb_option options[] = {
    {"particles", PNB_OPTION_INT, offsetof(pnb_reddiff_options, particles), 8, 1, 4096, NULL, "",
     "seeds run side by side (K)"},
    {"steps", PNB_OPTION_INT, offsetof(pnb_reddiff_options, steps), 100, 1, 1000000, NULL, "",
     "steps, t falling from the last index to 0"},
    {"form", PNB_OPTION_CHOICE, offsetof(pnb_reddiff_options, form), PNB_REDDIFF_OFFICIAL, 0, 1, forms, "",
     "the published loss in means, from the initial guess; or InverseBench's in sums, from 0, in continuous time"},
    [OPTION_WEIGHT] = {"weight", PNB_OPTION_CHOICE, offsetof(pnb_reddiff_options, weight), PNB_REDDIFF_LINEAR, 0, 6,
                       pnb_reddiff_weights, "",
                       "of the prior term by rho = sigma_t/alpha_t: rho, its root, square, log(1+rho), min(rho,1), "
                       "rho^(2/3), 1"},
    [OPTION_LR] = REAL(lr, 0.1, 1e-6, 10, "Adam learning rate"),
    REAL(lambda, 0.25, 0, 1e6, "weight of the prior term"),
    REAL(obs_weight, 1, 0, 1e6, "weight of the data term"),
    REAL(beta1, 0.9, 0, 0.9999, "Adam's beta 1"),
    REAL(beta2, 0.99, 0, 0.99999, "Adam's beta 2"),
    REAL(init_std, 0, 0, 100, "noise added to the initial guess (0 in the paper)"),
    REAL(sigma_x0, 0, 0, 10, "noise added to the mean before it is diffused and measured (0 in the paper)"),
    {"scale_twice", PNB_OPTION_BOOL, offsetof(pnb_reddiff_options, scale_twice), 0, 0, 1, NULL, "",
     "for comparison: scale the network's input by alpha_t twice, as InverseBench's code does"},
};

/* Free columns of a row: what the step's single noise level needs. */
enum { ROW_T = PNB_ROW_FREE, ROW_ALPHA, ROW_SIGMA, ROW_PRIOR };

static void resolve(const pnb_task *task, const bool *given, void *opts) {
    pnb_reddiff_options *o = opts;
    (void)task;
    if (o->form != PNB_REDDIFF_INVERSEBENCH) return;
    if (!given[OPTION_WEIGHT]) o->weight = PNB_REDDIFF_CONSTANT;
    if (!given[OPTION_LR]) o->lr = 0.02;
}

static double weight_of(int32_t weight, double rho) {
    switch (weight) {
    case PNB_REDDIFF_SQRT:
        return sqrt(rho);
    case PNB_REDDIFF_SQUARE:
        return rho * rho;
    case PNB_REDDIFF_LOG:
        return log1p(rho);
    case PNB_REDDIFF_CLIP:
        return fmin(rho, 1);
    case PNB_REDDIFF_TWO_THIRDS:
        return cbrt(rho * rho);
    case PNB_REDDIFF_CONSTANT:
        return 1;
    default:
        return rho;
    }
}

static void fill_rows(pnb_solver *s, const pnb_reddiff_options *o) {
    const pnb_schedule *sch = pnb_prior_schedule(s->task.prior);
    double share = o->form == PNB_REDDIFF_OFFICIAL ? s->particles / (double)pnb_shape_count(s->sample) : 1;
    for (uint32_t i = 0; i < (uint32_t)o->steps; i++) {
        float *row = s->rows + (size_t)i * PNB_ROW_SIZE;
        uint32_t t = (uint32_t)((sch->steps - 1) * (1 - (double)i / o->steps));
        double rho = sch->rho[t];
        if (o->form == PNB_REDDIFF_OFFICIAL) {
            pnb_row_set_level(row, ROW_T, sch, t);
        } else {
            rho = pnb_vp_sigma_of_tau(pnb_vp_time(i, (uint32_t)o->steps));
            pnb_row_set_vp(row, ROW_T, sch, rho);
        }
        row[PNB_ROW_LR] = (float)o->lr;
        row[ROW_PRIOR] = (float)(o->lambda * weight_of(o->weight, rho) * share);
    }
}

/* Of half the mean of squares (official), or of their sum. */
static pnb_status data_gradient(pnb_solver *s, pnb_graph *g, const pnb_reddiff_options *o, pnb_tensor x,
                                pnb_tensor *gradient, pnb_tensor *loss) {
    double m = (double)pnb_shape_count(pnb_operator_measurement_shape(s->task.op));
    double sigma =
        o->form == PNB_REDDIFF_OFFICIAL ? sqrt(m) : sqrt(0.5); /* |r|^2/(2 sigma^2) is then that mean, or sum */
    pnb_tensor at_sigma;
    PNB_TRY(pnb_data_term(s, g, x, sigma, &at_sigma, loss));
    return pnb_affine(g, at_sigma, (float)o->obs_weight, 0, gradient);
}

/* The mean, with sigma_x0 of noise where it is asked for. */
static pnb_status draw_x0(pnb_solver *s, pnb_graph *g, const pnb_reddiff_options *o, pnb_tensor state, pnb_tensor x,
                          pnb_tensor *x0) {
    pnb_tensor xi;
    *x0 = x;
    if (o->sigma_x0 == 0) return PNB_OK;
    PNB_TRY(pnb_noise_normal(g, s->sample, s->task.seed, PNB_STREAM_MU, state, PNB_STATE_DRAW, &xi));
    return pnb_axpby(g, 1, PNB_NONE, x, (float)o->sigma_x0, PNB_NONE, xi, x0);
}

/* What RLSD takes off the residual: rep times gamma sigma_t, or times what makes it a fraction of the residual's norm.
 */
static pnb_status repel(pnb_graph *g, const pnb_reddiff_options *o, pnb_tensor x, pnb_level level, pnb_tensor *r) {
    pnb_tensor rep, by, norm;
    if (o->repulsion == 0 && o->gamma == 0) return PNB_OK;
    PNB_TRY(pnb_repulsion(g, x, &rep));
    if (o->gamma > 0) {
        PNB_TRY(pnb_affine(g, level.sigma, (float)o->gamma, 0, &by));
    } else {
        PNB_TRY(pnb_reduce_rows(g, PNB_SQNORM, *r, &by));
        PNB_TRY(pnb_reduce_rows(g, PNB_SQNORM, rep, &norm));
        PNB_TRY(pnb_affine(g, norm, 1, 1e-20f, &norm)); /* rep is 0 while all particles coincide */
        PNB_TRY(pnb_binary_op(g, PNB_DIV, by, norm, &by));
        PNB_TRY(pnb_unary_op(g, PNB_SQRT, by, &by));
        PNB_TRY(pnb_affine(g, by, (float)o->repulsion, 0, &by));
    }
    return pnb_axpby(g, 1, PNB_NONE, *r, -1, by, rep, r);
}

static pnb_status step_graph(pnb_solver *s, pnb_graph *g, const void *user) {
    const pnb_reddiff_options *o = user;
    pnb_tensor state, table, x, m, v, x0, noise, x_t, eps, r, weight, data, loss, total, prior, product;
    pnb_level level;
    float b1 = (float)o->beta1, b2 = (float)o->beta2;
    PNB_TRY(pnb_graph_bind(g, s->state, &state));
    PNB_TRY(pnb_graph_bind(g, s->table, &table));
    PNB_TRY(pnb_graph_bind(g, s->x, &x));
    PNB_TRY(pnb_graph_bind(g, pnb_store_find(s->store, "m.x"), &m));
    PNB_TRY(pnb_graph_bind(g, pnb_store_find(s->store, "v.x"), &v));
    PNB_TRY(pnb_step_state_advance(
        g, state, table, (pnb_advance){PNB_ADVANCE_STEP | PNB_ADVANCE_DRAW | PNB_ADVANCE_ADAM, b1, b2, b1, b2}));
    PNB_TRY(pnb_solver_level(s, g, state, ROW_T, &level));
    PNB_TRY(pnb_solver_column(s, g, state, ROW_PRIOR, &weight));
    PNB_TRY(pnb_solver_noise(s, g, state, PNB_STREAM_EPS, &noise));
    PNB_TRY(draw_x0(s, g, o, state, x, &x0));
    PNB_TRY(pnb_axpby(g, 1, level.alpha, x0, 1, level.sigma, noise, &x_t));
    if (o->scale_twice) PNB_TRY(pnb_mul(g, x_t, level.alpha, &x_t));
    PNB_TRY(pnb_prior_eps(s->task.prior, g, x_t, level, NULL, &eps));
    PNB_TRY(pnb_sub(g, eps, noise, &r));
    PNB_TRY(repel(g, o, x, level, &r));
    PNB_TRY(data_gradient(s, g, o, x0, &data, &loss));
    PNB_TRY(pnb_axpby(g, 1, weight, r, 1, PNB_NONE, data, &total));
    PNB_TRY(pnb_mul(g, r, x0, &product));
    PNB_TRY(pnb_mul(g, product, weight, &product));
    PNB_TRY(pnb_reduce_rows(g, PNB_SUM, product, &prior));
    PNB_TRY(pnb_solver_record_losses(s, g, loss, prior, PNB_NONE));
    pnb_adam adam = {.beta1 = b1, .beta2 = b2, .eps = 1e-8f, .gscale = 1, .lr_index = PNB_STATE_LR};
    return pnb_adam_step(g, x, m, v, total, state, adam);
}

static pnb_status build(pnb_solver *s, const pnb_reddiff_options *o) {
    pnb_storage *unused;
    PNB_TRY(pnb_store_add(s->store, "m.x", s->sample, PNB_STORAGE_VARIABLE, &unused));
    PNB_TRY(pnb_store_add(s->store, "v.x", s->sample, PNB_STORAGE_VARIABLE, &unused));
    fill_rows(s, o);
    PNB_TRY(pnb_solver_commit(s));
    if (o->form == PNB_REDDIFF_OFFICIAL) PNB_TRY(pnb_solver_initialise(s, o->init_std)); /* else x is 0 */
    return pnb_solver_only_phase(s, PNB_LOSS_DATA | PNB_LOSS_PRIOR, step_graph, o);
}

pnb_status pnb_reddiff_create(pnb_error *err, const pnb_task *task, const char *method, const pnb_reddiff_options *o,
                              pnb_solver **out) {
    pnb_shape sample = pnb_samples_shape(task, (uint32_t)o->particles);
    pnb_solver *s;
    PNB_TRY(pnb_solver_begin(err, task, method, sample, (uint32_t)o->steps, &s));
    pnb_solver_fingerprint(s, o, sizeof *o);
    pnb_status status = build(s, o);
    if (status != PNB_OK) pnb_solver_destroy(&s);
    *out = s;
    return status;
}

static pnb_status create(pnb_error *err, const pnb_task *task, const void *given, pnb_solver **out) {
    return pnb_reddiff_create(err, task, "reddiff", given, out);
}

const pnb_method pnb_method_reddiff = {
    .name = "reddiff",
    .summary = "RED-Diff: variational mean by a denoising residual without Jacobian",
    .table = {options, sizeof options / sizeof *options, sizeof(pnb_reddiff_options)},
    .create = create,
    .resolve = resolve,
};

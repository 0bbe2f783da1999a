/* Draws, the auxiliary network's step, and the gradient of the prior term. */
#include "solve/matching.h"

#include "ops/ops.h"
#include "prior/gmm_host.h"

#include <math.h>
#include <stdio.h>

enum { MAX_ADAPTER = 1024, MAX_REPEAT = 8, MAX_SCALE_DIM = 64 };

const char *const pnb_matching_weights[] = {"exact_kl", "constant", "inv_snr",  "sqrt", "square",
                                            "clip",     "log",      "variance", "sid",  NULL};
const char *const pnb_t_orders[] = {"log_snr", "uniform", "descending", NULL};
const char *const pnb_adapter_target_words[] = {"attention", "extended", "copy", NULL};
const char *const pnb_distance_words[] = {"l2", "pseudo_huber", "pseudo_huber_pixel", "log_cosh", "power", NULL};

/* ---- the window -------------------------------------------------------------------------------------------------- */

/* rho at the fraction f of the way from one level to another, evenly in the schedule's index. */
static double rho_between(const pnb_schedule *s, double from, double to, double f) {
    double a = pnb_schedule_index_of_rho(s, from), b = pnb_schedule_index_of_rho(s, to), t = a + (b - a) * f;
    uint32_t i = (uint32_t)t, next = i + 1 < s->steps ? i + 1 : i;
    return exp(log(s->rho[i]) + (t - i) * log(s->rho[next] / s->rho[i]));
}

void pnb_window_set(const pnb_window *w, const pnb_schedule *schedule, double f, float *row) {
    double slid = w->anneal > 0 ? fmin(1, f / w->anneal) : 1;
    double fine = w->by_index ? rho_between(schedule, w->rho_start, w->rho_end, slid)
                              : w->rho_start * pow(w->rho_end / w->rho_start, slid);
    double coarse = w->rho_ratio > 0 ? fmin(w->rho_max, fmax(fine * w->rho_ratio, 10 * w->sigma)) : w->rho_max;
    row[PNB_ROW_LAMBDA_FINE] = (float)(-2 * log(fine));
    row[PNB_ROW_LAMBDA_COARSE] = (float)(-2 * log(fmax(coarse, fine)));
}

/* ---- the prior's scale ------------------------------------------------------------------------------------------- */

double pnb_prior_scale(pnb_prior *prior) {
    const pnb_gmm *m = pnb_prior_gmm(prior);
    double trace = 0, mean[MAX_SCALE_DIM], covariance[MAX_SCALE_DIM * MAX_SCALE_DIM];
    if (!m || m->dim > MAX_SCALE_DIM) return 1;
    pnb_gmm_moments(m, mean, covariance);
    for (uint32_t i = 0; i < m->dim; i++) trace += covariance[i * m->dim + i];
    return sqrt(trace / m->dim);
}

/* ---- persistent tensors ------------------------------------------------------------------------------------------ */

static pnb_status too_many(pnb_solver *s, size_t n) {
    return pnb_fail(s->err, PNB_ERROR_MODEL, "%s: the adapter has %zu tensors, at most %d are supported", s->method, n,
                    MAX_ADAPTER);
}

/* Adam's moments of the adapter's tensors, laid out as these are. */
static pnb_status describe_moments(pnb_solver *s) {
    pnb_store *params = pnb_adapter_store(s->adapter);
    pnb_storage *moments[2][MAX_ADAPTER];
    size_t n = pnb_store_count(params);
    if (n > MAX_ADAPTER) return too_many(s, n);
    for (size_t i = 0; i < n; i++) {
        const pnb_storage *p = pnb_store_at(params, i);
        for (int k = 0; k < 2; k++) {
            char name[160];
            int length = snprintf(name, sizeof name, "%c.%s", "mv"[k], pnb_storage_name(p));
            if (length < 0 || (size_t)length >= sizeof name)
                return pnb_fail(s->err, PNB_ERROR_MODEL, "%s: tensor name too long: %s", s->method, name);
            PNB_TRY(pnb_store_add(s->store, name, pnb_storage_shape(p), PNB_STORAGE_VARIABLE, &moments[k][i]));
        }
    }
    for (int k = 0; k < 2; k++) PNB_TRY(pnb_store_group(s->store, moments[k], n));
    return PNB_OK;
}

pnb_status pnb_matching_describe(pnb_solver *s, const pnb_matching *m) {
    PNB_TRY(pnb_adapter_create(s->err, s->task.prior, &m->adapter, &s->adapter));
    return describe_moments(s);
}

/* ---- draws ------------------------------------------------------------------------------------------------------- */

pnb_status pnb_matching_begin(pnb_solver *s, pnb_graph *g, const pnb_matching *m, uint32_t flags, pnb_tensor *state) {
    pnb_tensor table;
    float b1 = (float)m->beta1, b2 = (float)m->beta2;
    PNB_TRY(pnb_graph_bind(g, s->state, state));
    PNB_TRY(pnb_graph_bind(g, s->table, &table));
    return pnb_step_state_advance(g, *state, table, (pnb_advance){flags, b1, b2, b1, b2});
}

static pnb_status repeat_rows(pnb_graph *g, pnb_tensor x, uint32_t times, pnb_tensor *out) {
    pnb_tensor parts[MAX_REPEAT];
    if (times == 1 || x == PNB_NONE) {
        *out = x;
        return PNB_OK;
    }
    for (uint32_t i = 0; i < times; i++) parts[i] = x;
    return pnb_concat(g, 0, parts, times, out);
}

pnb_status pnb_matching_draw(pnb_solver *s, pnb_graph *g, const pnb_matching *m, pnb_tensor state, pnb_tensor x,
                             pnb_tensor condition, uint32_t draws, pnb_draw *d) {
    pnb_tensor rows, schedule, xi;
    uint64_t seed = s->task.seed;
    d->k = pnb_graph_shape(g, x).d[0];
    d->draws = draws;
    d->n = draws * d->k;
    PNB_TRY(pnb_graph_bind(g, s->schedule, &schedule));
    PNB_TRY(repeat_rows(g, x, draws, &rows));
    PNB_TRY(repeat_rows(g, condition, draws, &d->condition));
    pnb_shape shape = pnb_graph_shape(g, rows);
    if (m->mu_noise > 0) {
        PNB_TRY(pnb_noise_normal(g, shape, seed, PNB_STREAM_MU, state, PNB_STATE_DRAW, &xi));
        PNB_TRY(pnb_axpby(g, 1, PNB_NONE, rows, (float)m->mu_noise, PNB_NONE, xi, &rows));
    }
    PNB_TRY(pnb_noise_normal(g, shape, seed, PNB_STREAM_EPS, state, PNB_STATE_DRAW, &d->eps));
    pnb_level_params q = {.count = d->n,
                          .seed = seed,
                          .stream = PNB_STREAM_LEVEL,
                          .sampling = m->t_order,
                          .constant_weight = m->weight != PNB_WEIGHT_EXACT_KL,
                          .weight = (float)m->prior_weight};
    PNB_TRY(pnb_draw_levels(g, state, schedule, q, &d->levels));
    return pnb_axpby(g, 1, d->levels.level.alpha, rows, 1, d->levels.level.sigma, d->eps, &d->x_t);
}

pnb_status pnb_matching_sum_draws(pnb_graph *g, pnb_tensor rows, uint32_t draws, pnb_tensor *out) {
    uint32_t k = pnb_graph_shape(g, rows).d[0] / draws;
    PNB_TRY(pnb_graph_slice0(g, rows, 0, k, out));
    for (uint32_t i = 1; i < draws; i++) {
        pnb_tensor part;
        PNB_TRY(pnb_graph_slice0(g, rows, i * k, k, &part));
        PNB_TRY(pnb_add(g, *out, part, out));
    }
    return PNB_OK;
}

/* ---- the auxiliary network --------------------------------------------------------------------------------------- */

/* The adapter's parameters in this graph. */
static pnb_status adapter_tensors(pnb_solver *s, pnb_graph *g, pnb_tensor *out, uint32_t *n) {
    pnb_store *store = pnb_adapter_store(s->adapter);
    *n = (uint32_t)pnb_store_count(store);
    if (*n > MAX_ADAPTER) return too_many(s, *n);
    for (uint32_t i = 0; i < *n; i++) PNB_TRY(pnb_graph_bind(g, pnb_store_at(store, i), &out[i]));
    return PNB_OK;
}

/* Adam steps of the adapter's parameters from their gradients for residual r = eps_phi - eps with cotangent r. */
static pnb_status train_adapter(pnb_solver *s, pnb_graph *g, const pnb_matching *o, pnb_tensor state,
                                const pnb_tensor *w, const pnb_tensor *grad, uint32_t n, uint32_t rows) {
    pnb_adam adam = {.beta1 = (float)o->beta1,
                     .beta2 = (float)o->beta2,
                     .eps = 1e-8f,
                     .gscale = 2.0f / (float)rows,
                     .lr_index = PNB_STATE_AUX_LR};
    pnb_tensor m[MAX_ADAPTER], v[MAX_ADAPTER];
    for (uint32_t i = 0; i < n; i++) {
        char name[160];
        snprintf(name, sizeof name, "m.%s", pnb_storage_name(pnb_store_at(pnb_adapter_store(s->adapter), i)));
        PNB_TRY(pnb_graph_bind(g, pnb_store_find(s->store, name), &m[i]));
        name[0] = 'v';
        PNB_TRY(pnb_graph_bind(g, pnb_store_find(s->store, name), &v[i]));
    }
    return pnb_adam_steps(g, w, m, v, NULL, grad, n, state, adam);
}

pnb_status pnb_matching_learn(pnb_solver *s, pnb_graph *g, const pnb_matching *m, pnb_tensor state, const pnb_draw *d) {
    pnb_tensor eps, r, w[MAX_ADAPTER], grad[MAX_ADAPTER];
    uint32_t n;
    pnb_eps_params q = {.label = PNB_NONE,
                        .conditional = d->condition != PNB_NONE,
                        .condition = d->condition,
                        .adapter = s->adapter,
                        .checkpoint = m->checkpointing};
    PNB_TRY(pnb_prior_eps(s->task.prior, g, d->x_t, d->levels.level, &q, &eps));
    PNB_TRY(pnb_sub(g, eps, d->eps, &r));
    PNB_TRY(adapter_tensors(s, g, w, &n));
    PNB_TRY(pnb_graph_grad(g, &eps, &r, 1, w, n, grad));
    return train_adapter(s, g, m, state, w, grad, n, d->n);
}

/* ---- the force --------------------------------------------------------------------------------------------------- */

/* 1 becomes w(rho), or SiD's weight of the x_0 form in eps space: rho^2/mean|x_0 - x0_theta|, x_0 - x0_theta = rho
 * r_theta. */
static pnb_status weigh(pnb_graph *g, pnb_matching_weight weight, pnb_tensor r_theta, pnb_levels *levels) {
    pnb_tensor rho, w, size;
    if (weight <= PNB_WEIGHT_CONSTANT) return PNB_OK;
    PNB_TRY(pnb_binary_op(g, PNB_DIV, levels->level.sigma, levels->level.alpha, &rho));
    w = rho;
    if (weight == PNB_WEIGHT_SQRT) PNB_TRY(pnb_unary_op(g, PNB_SQRT, rho, &w));
    if (weight == PNB_WEIGHT_SQUARE || weight == PNB_WEIGHT_SID) PNB_TRY(pnb_unary_op(g, PNB_SQUARE, rho, &w));
    if (weight == PNB_WEIGHT_CLIP) PNB_TRY(pnb_clamp(g, rho, 0, 1, &w));
    if (weight == PNB_WEIGHT_VARIANCE) PNB_TRY(pnb_unary_op(g, PNB_SQUARE, levels->level.sigma, &w));
    if (weight == PNB_WEIGHT_LOG) {
        PNB_TRY(pnb_affine(g, rho, 1, 1, &w));
        PNB_TRY(pnb_unary_op(g, PNB_LOG, w, &w));
    }
    if (weight == PNB_WEIGHT_SID) {
        PNB_TRY(pnb_unary_op(g, PNB_ABS, r_theta, &size));
        PNB_TRY(pnb_reduce_rows(g, PNB_MEAN, size, &size));
        PNB_TRY(pnb_mul(g, size, rho, &size));
        PNB_TRY(pnb_clamp(g, size, 1e-5f, 1e30f, &size));
        PNB_TRY(pnb_binary_op(g, PNB_DIV, w, size, &w));
    }
    PNB_TRY(pnb_mul(g, levels->coef, w, &levels->coef));
    return pnb_mul(g, levels->weight, w, &levels->weight);
}

/* What goes back through both networks: r itself for PPM's L2, else the distance's, [2N,...] as r. */
static pnb_status cotangents(pnb_graph *g, const pnb_distance_params *q, uint32_t n, pnb_tensor r, pnb_tensor *out) {
    pnb_tensor theta, phi, both[2];
    *out = r;
    if (q->distance == PNB_DISTANCE_L2 && q->alpha == 0.5) return PNB_OK;
    PNB_TRY(pnb_graph_slice0(g, r, 0, n, &theta));
    PNB_TRY(pnb_graph_slice0(g, r, n, n, &phi));
    PNB_TRY(pnb_distance_cotangents(g, q, theta, phi, &both[0], &both[1]));
    return pnb_concat(g, 0, both, 2, out);
}

/* Losses: prior w (|r_theta|^2 - entropy |r_phi|^2) of each row, auxiliary |r_phi|^2 per element. */
static pnb_status losses(pnb_graph *g, const pnb_matching *m, pnb_tensor r, const pnb_draw *d, pnb_force *out) {
    pnb_tensor rows, a, b, diff;
    double elements = (double)pnb_shape_count(pnb_graph_shape(g, d->x_t)) / d->n;
    PNB_TRY(pnb_reduce_rows(g, PNB_SQNORM, r, &rows));
    PNB_TRY(pnb_graph_slice0(g, rows, 0, d->n, &a));
    PNB_TRY(pnb_graph_slice0(g, rows, d->n, d->n, &b));
    PNB_TRY(pnb_axpby(g, 1, PNB_NONE, a, -(float)m->entropy, PNB_NONE, b, &diff));
    PNB_TRY(pnb_mul(g, diff, d->levels.weight, &out->prior));
    return pnb_affine(g, b, (float)(1 / elements), 0, &out->auxiliary);
}

/* Both networks on the same x_t, [2N,...]. */
static pnb_status both_eps(pnb_solver *s, pnb_graph *g, const pnb_matching *m, const pnb_draw *d, pnb_tensor *xx,
                           pnb_tensor *eps, pnb_tensor *r) {
    const pnb_level *from = &d->levels.level;
    pnb_level level;
    pnb_tensor ee;
    PNB_TRY(repeat_rows(g, d->x_t, 2, xx));
    PNB_TRY(repeat_rows(g, d->eps, 2, &ee));
    PNB_TRY(repeat_rows(g, from->t, 2, &level.t));
    PNB_TRY(repeat_rows(g, from->alpha, 2, &level.alpha));
    PNB_TRY(repeat_rows(g, from->sigma, 2, &level.sigma));
    pnb_eps_params q = {.label = PNB_NONE,
                        .conditional = d->condition != PNB_NONE,
                        .condition = d->condition,
                        .adapter = s->adapter,
                        .adapter_begin = d->n,
                        .checkpoint = m->checkpointing};
    PNB_TRY(pnb_prior_eps(s->task.prior, g, *xx, level, &q, eps));
    return pnb_sub(g, *eps, ee, r);
}

/* coef (u - entropy v) of the two halves u, v of `both`, with the mean over draws. */
static pnb_status difference(pnb_graph *g, const pnb_matching *m, const pnb_draw *d, pnb_tensor coef, pnb_tensor both,
                             pnb_tensor *out) {
    float share = 1.0f / (float)d->draws;
    pnb_tensor u, v;
    PNB_TRY(pnb_graph_slice0(g, both, 0, d->n, &u));
    PNB_TRY(pnb_graph_slice0(g, both, d->n, d->n, &v));
    PNB_TRY(pnb_axpby(g, share, coef, u, -share * (float)m->entropy, coef, v, out));
    return pnb_matching_sum_draws(g, *out, d->draws, out);
}

/* w (alpha/sigma) (eps_theta - eps_phi); coef is 2 w alpha. */
static pnb_status ikl(pnb_graph *g, const pnb_matching *m, const pnb_draw *d, pnb_tensor eps, pnb_tensor *out) {
    pnb_tensor coef;
    PNB_TRY(pnb_binary_op(g, PNB_DIV, d->levels.coef, d->levels.level.sigma, &coef));
    PNB_TRY(pnb_affine(g, coef, 0.5f, 0, &coef));
    return difference(g, m, d, coef, eps, out);
}

pnb_status pnb_matching_force(pnb_solver *s, pnb_graph *g, const pnb_matching *m, pnb_tensor state, pnb_draw *d,
                              bool learn, pnb_force *out) {
    bool theorem = m->gradient == PNB_MATCH_THEOREM1;
    pnb_tensor eps, r, back, theta, wrt[MAX_ADAPTER + 1], grad[MAX_ADAPTER + 1];
    uint32_t n = 0;
    PNB_TRY(both_eps(s, g, m, d, &wrt[0], &eps, &r));
    if (learn) PNB_TRY(adapter_tensors(s, g, wrt + 1, &n));
    back = r;
    if (theorem) {
        PNB_TRY(cotangents(g, &m->distance, d->n, r, &back));
        PNB_TRY(pnb_graph_grad(g, &eps, &back, 1, wrt, back == r ? n + 1 : 1, grad));
    }
    /* the adapter's loss is L2, whatever the distance */
    if (n && (!theorem || back != r)) PNB_TRY(pnb_graph_grad(g, &eps, &r, 1, wrt + 1, n, grad + 1));
    PNB_TRY(pnb_graph_slice0(g, r, 0, d->n, &theta));
    PNB_TRY(weigh(g, m->weight, theta, &d->levels));
    PNB_TRY(theorem ? difference(g, m, d, d->levels.coef, grad[0], &out->gradient) : ikl(g, m, d, eps, &out->gradient));
    PNB_TRY(losses(g, m, r, d, out));
    return learn ? train_adapter(s, g, m, state, wrt + 1, grad + 1, n, d->n) : PNB_OK;
}

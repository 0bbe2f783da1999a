/* Principled Posterior Matching, particle mode (algorithms.md section 2; arXiv 2605.25042, Algorithm 1 and Eq. 21).
 *
 * K particles mu_k follow, with x_t = alpha mu + sigma eps, r_theta = eps_theta(x_t) - eps, r_phi = eps_phi(x_t) - eps,
 *     G_k = 2 w alpha (J_theta^T r_theta - J_phi^T r_phi) + A^T (A mu_k - y)/sigma_y^2,     mu <- Adam(mu, G),
 * while the auxiliary network phi = theta + adapter is trained on |r_phi|^2. theta and phi run as one batch of 2N rows:
 * rows [0,N) without the adapter, rows [N,2N) with it, so G's prior part is bitwise zero while the adapter's output is
 * zero.
 *
 * order = fused: one backward pass serves the adapter and the particles (the cotangent r_phi is the same vector).
 * order = alternating: Algorithm 1 as printed; the adapter first, then the particles with the updated adapter, same
 * draw. Noise levels slide from coarse to fine in a window of rho = sigma_t/alpha_t (section 2.10): without it nothing
 * works.
 *
 * exchange > 0 (not in the paper): particles of larger loss may go on as copies of others (exchange.c). Gradients carry
 * no mass between modes that the window has resolved; this does.
 *
 * distance, alpha and the weights beyond the exact KL's are the family around it (section 2.2, 2.4); preset = paper is
 * Algorithm 1 as its text has it, with nothing of what section 2.10 added.
 */
#include "solve/phases.h"

#include "ops/ops.h"
#include "prior/gmm_host.h"
#include "solve/distance.h"
#include "solve/exchange.h"
#include "solve/finish.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

typedef struct ppm_options {
    int32_t particles, steps, order, weight, t_order, slide, draws;
    double lr, lr_hold, lr_end, beta1, beta2, prior_weight, data_weight, entropy, sigma_floor, init_std, mu_noise;
    double exchange;
    double rho_start, rho_end, rho_ratio, rho_max, anneal;
    int32_t rank, targets, hidden, depth, aux_steps, aux_draws, aux_warmup;
    double lora_scale, aux_lr;
    int32_t finish, finish_steps, finish_covariance;
    double finish_rho, finish_rho_start, finish_step_size;
    int32_t preset, distance;
    double delta, power, alpha;
    bool checkpointing, project;
} ppm_options;

enum { ORDER_FUSED, ORDER_ALTERNATING };
static const char *const orders[] = {"fused", "alternating", NULL};
enum {
    WEIGHT_EXACT_KL,
    WEIGHT_CONSTANT,
    WEIGHT_INV_SNR,
    WEIGHT_SQRT,
    WEIGHT_SQUARE,
    WEIGHT_CLIP,
    WEIGHT_LOG,
    WEIGHT_VARIANCE,
    WEIGHT_SID
};
static const char *const weights[] = {"exact_kl", "constant", "inv_snr",  "sqrt", "square",
                                      "clip",     "log",      "variance", "sid",  NULL};
enum { PRESET_DEFAULT, PRESET_PAPER };
static const char *const presets[] = {"default", "paper", NULL};
static const char *const distances[] = {"l2", "pseudo_huber", "pseudo_huber_pixel", "log_cosh", "power", NULL};
static const char *const t_orders[] = {"log_snr", "uniform", "descending", NULL};
static const char *const slides[] = {"log_rho", "t", NULL};
static const char *const target_words[] = {"attention", "extended", "copy", NULL};
static const char *const covariances[] = {"isotropic", "jacobian", NULL};
static const char *const finishes[] = {"none", "langevin", "pigdm", NULL};

#define INT(name, def, lo, hi, help)                                                                                   \
    { #name, PNB_OPTION_INT, offsetof(ppm_options, name), def, lo, hi, NULL, "", help }
#define REAL(name, def, lo, hi, help)                                                                                  \
    { #name, PNB_OPTION_REAL, offsetof(ppm_options, name), def, lo, hi, NULL, "", help }
#define CHOICE(name, def, words, help)                                                                                 \
    { #name, PNB_OPTION_CHOICE, offsetof(ppm_options, name), def, 0, 9, words, "", help }
static const pnb_option options[] = {
    INT(particles, 8, 1, 4096, "samples to draw (K)"),
    INT(steps, 300, 1, 1000000, "steps of posterior matching, the finish not counted"),
    CHOICE(order, ORDER_FUSED, orders,
           "fused: one backward pass for adapter and particles; alternating: as Algorithm 1"),
    CHOICE(weight, 0, weights,
           "weight of the prior term: the exact KL's, 1, rho = sigma_t/alpha_t, its root, square, min(rho,1), "
           "log(1+rho), sigma_t^2, or SiD's 1/mean|x_0 - x0_theta|"),
    CHOICE(t_order, 0, t_orders, "how noise levels are drawn within the window"),
    CHOICE(slide, 1, slides,
           "what the window's lower end falls evenly in: log rho, or the schedule's index (longer at coarse levels)"),
    INT(draws, 1, 1, 8, "draws of (t, noise) per particle and step"),
    REAL(lr, 0.05, 1e-6, 10, "Adam learning rate of the particles"),
    REAL(lr_hold, 0.4, 0, 1, "fraction of the run before the learning rates fall"),
    REAL(lr_end, 0.02, 0, 1, "what the learning rates fall to, as a fraction"),
    REAL(beta1, 0.9, 0, 0.9999, "Adam's beta 1, particles and adapter"),
    REAL(beta2, 0.99, 0, 0.99999, "Adam's beta 2, particles and adapter"),
    REAL(prior_weight, 1, 0, 1e6, "multiplies the prior term; 1 is the posterior"),
    REAL(data_weight, 1, 0, 1e6, "multiplies the data term 1/(2 sigma_y^2); 1 is the posterior"),
    REAL(entropy, 1, 0, 10, "multiplies the auxiliary network's force; 1 is PPM, less is a tempered posterior"),
    REAL(sigma_floor, 0.01, 0, 10, "least sigma_y that the data term is computed with"),
    REAL(init_std, 0.3, 0, 100, "noise added to the initial guess"),
    REAL(mu_noise, 0, 0, 10, "standard deviation of noise added to particles before diffusion"),
    REAL(exchange, 0, 0, 1000,
         "rate, over the run, at which particles of larger loss become copies of others: it settles modes' weights"),
    REAL(rho_start, 5, 1e-3, 1000, "lower end of the window of rho = sigma_t/alpha_t at the start"),
    REAL(rho_end, 0, 0, 1000, "lower end of the window at the end; 0: sigma_y/5"),
    REAL(rho_ratio, 10, 0, 1e6, "upper end over lower end, at least 10 sigma_y; 0: always rho_max"),
    REAL(rho_max, 12, 1e-3, 1000, "upper end of the window at most"),
    REAL(anneal, 0.8, 0, 1, "fraction of the run over which the window slides; 0: it stays at its end"),
    INT(rank, 8, 1, 256, "rank of the LoRA adapter"),
    CHOICE(targets, 1, target_words,
           "layers that carry adapters; copy: all weights of the network are trained instead"),
    INT(hidden, 96, 1, 4096, "width of the residual MLP that is the adapter of a mixture prior"),
    INT(depth, 3, 1, 16, "its layers"),
    INT(aux_steps, 2, 1, 64, "adapter updates per particle step"),
    INT(aux_draws, 1, 1, 8, "draws of (t, noise) per particle and adapter update"),
    INT(aux_warmup, 20, 0, 100000, "adapter updates before the first step"),
    REAL(lora_scale, 1, 0, 100, "scale of the adapter's output"),
    REAL(aux_lr, 5e-3, 0, 1, "Adam learning rate of the adapter"),
    CHOICE(finish, PNB_FINISH_LANGEVIN, finishes,
           "what follows the matching, with the prior alone: annealed guided Langevin; the reverse process with PiGDM's exact "
           "weight, from samples noised anew (linear operators); or nothing"),
    INT(finish_steps, 300, 1, 100000, "steps of the finish; pigdm: 30, vectors 100"),
    CHOICE(finish_covariance, 0, covariances, "finish pigdm: isotropic or jacobian, as pigdm's covariance"),
    REAL(finish_rho, 0.015, 1e-3, 10, "noise level of the finish at its end; pigdm: 0.01, then none"),
    REAL(finish_rho_start, 0, 0, 10,
         "noise level of the finish at its start; 0: 5 sigma_y/|A|; langevin, not above finish_rho: that level all along"),
    REAL(finish_step_size, 0.3, 1e-4, 1, "step of the finish as a fraction of the largest stable one"),
    {"checkpointing", PNB_OPTION_BOOL, offsetof(ppm_options, checkpointing), 0, 0, 1, NULL, "",
     "recompute activations in the backward pass: less memory, about a third more time"},
    CHOICE(preset, 0, presets, "defaults of the other options: tuned, or what the paper's text alone gives"),
    CHOICE(distance, 0, distances, "what the difference of the scores is measured by; only l2 is the KL"),
    REAL(delta, 0, 0, 1000, "width of pseudo-Huber; 0: .00054 sqrt(pixels) of an image, .03 of a pixel"),
    REAL(power, 1.5, 1.01, 2, "exponent of the distance power"),
    REAL(alpha, 0.5, 0, 2, "SiD's family with l2: 1/2 is PPM, 1 to 1.2 what SiD takes"),
    {"project", PNB_OPTION_BOOL, offsetof(ppm_options, project), 0, 0, 1, NULL, "",
     "set what is measured to y after each step, by the pseudo-inverse (noiseless measurements)"},
};
enum { OPTION_COUNT = sizeof options / sizeof *options };

enum { MAX_SCALE_DIM = 64 };

/* Free columns of a row: the exchange's rate, and the weight of this step's losses in their running mean. */
enum { ROW_EXCHANGE = PNB_ROW_FREE, ROW_RECENT };

/* ---- defaults that depend on the problem ------------------------------------------------------------------------ */

static void prefer(const bool *given, void *o, const char *name, double value) {
    for (size_t i = 0; i < OPTION_COUNT; i++) {
        if (strcmp(options[i].name, name) == 0 && !given[i])
            (void)pnb_options_set_number(NULL, name, &options[i], o, value);
    }
}

/* Root mean variance of a mixture prior: the scale that vector settings are meant in. 1 where it is not known. */
static double prior_scale(pnb_prior *prior) {
    const pnb_gmm *m = pnb_prior_gmm(prior);
    double trace = 0, mean[MAX_SCALE_DIM], covariance[MAX_SCALE_DIM * MAX_SCALE_DIM];
    if (!m || m->dim > MAX_SCALE_DIM) return 1;
    pnb_gmm_moments(m, mean, covariance);
    for (uint32_t i = 0; i < m->dim; i++) trace += covariance[i * m->dim + i];
    return sqrt(trace / m->dim);
}

static double data_sigma(const pnb_task *task, const ppm_options *o) {
    return fmax(task->sigma_y, o->sigma_floor);
}

/* The noise in the image's values, for the windows: sigma_y, as ever; over |A| where y has units and errors of its own. */
static double image_sigma(const pnb_task *task, const ppm_options *o) {
    double norm = pnb_operator_weights(task->op) ? pnb_operator_norm(task->op) : 1;
    return fmax(task->sigma_y / norm, o->sigma_floor);
}

/* Algorithm 1 with what section 2.7 of algorithms.md reads into it: alternating, t uniform over all but the ends. */
static void resolve_paper(const pnb_task *task, const bool *given, ppm_options *o) {
    const pnb_schedule *sch = pnb_prior_schedule(task->prior);
    const struct {
        const char *name;
        double value;
    } paper[] = {{"steps", 1000},
                 {"order", ORDER_ALTERNATING},
                 {"weight", WEIGHT_CONSTANT},
                 {"t_order", 1},
                 {"lr", 0.02},
                 {"lr_hold", 2.0 / 3},
                 {"lr_end", 0.1},
                 {"init_std", 0.1},
                 {"rho_end", sch->rho[sch->steps / 50]},
                 {"rho_ratio", 0},
                 {"rho_max", sch->rho[sch->steps - 1 - sch->steps / 50]},
                 {"anneal", 0},
                 {"aux_steps", 1},
                 {"aux_warmup", 50},
                 {"aux_lr", 1e-4},
                 {"finish", 0}};
    for (size_t i = 0; i < sizeof paper / sizeof *paper; i++) prefer(given, o, paper[i].name, paper[i].value);
}

static void resolve(const pnb_task *task, const bool *given, void *opts) {
    ppm_options *o = opts;
    if (o->preset == PRESET_PAPER) {
        resolve_paper(task, given, o);
        return;
    }
    if (task->sigma_y == 0 && pnb_operator_measured(task->op)) prefer(given, o, "project", 1);
    if (pnb_prior_dim(task->prior)) { /* vectors: the settings of ppm_toy2d.py, in units of the prior's spread */
        double scale = prior_scale(task->prior);
        const struct {
            const char *name;
            double value;
        } toy[] = {{"steps", 800},       {"init_std", scale}, {"rho_start", 6.2 * scale},
                   {"rho_end", 0.01},    {"rho_ratio", 0},    {"rho_max", 15 * scale},
                   {"anneal", 0.6},      {"draws", 2},        {"aux_draws", 2},
                   {"lr", 0.02 * scale}, {"aux_lr", 2e-3},    {"aux_steps", 3},
                   {"exchange", 8},      {"finish_covariance", PNB_PIGDM_JACOBIAN}};
        for (size_t i = 0; i < sizeof toy / sizeof *toy; i++) prefer(given, o, toy[i].name, toy[i].value);
    } else if (!pnb_operator_measured(task->op)) { /* no hole: the guess has the coarse shape already */
        prefer(given, o, "init_std", 0.1);
        prefer(given, o, "rho_start", 1.5);
    }
    if (o->rho_end == 0) o->rho_end = fmax(0.2 * image_sigma(task, o), 1e-3);
    if (pnb_pigdm_fits(task) && task->sigma_y > 0) prefer(given, o, "finish", PNB_FINISH_PIGDM);
    if (o->finish == PNB_FINISH_PIGDM) {
        prefer(given, o, "finish_steps", pnb_prior_dim(task->prior) ? 100 : 30);
        prefer(given, o, "finish_rho", 0.01);
    }
    /* The finish takes up what the measurement's noise hides: sigma_y/|A| in the image's values (2.10: rho of 2 to 6 of
     * it). */
    if (o->finish_rho_start == 0)
        o->finish_rho_start = fmin(5 * data_sigma(task, o) / pnb_operator_norm(task->op), o->rho_start);
}

/* rho at the fraction f of the way from one level to another, evenly in the schedule's index. */
static double rho_between(const pnb_schedule *s, double from, double to, double f) {
    double a = pnb_schedule_index_of_rho(s, from), b = pnb_schedule_index_of_rho(s, to), t = a + (b - a) * f;
    uint32_t i = (uint32_t)t, next = i + 1 < s->steps ? i + 1 : i;
    return exp(log(s->rho[i]) + (t - i) * log(s->rho[next] / s->rho[i]));
}

static void fill_rows(pnb_solver *s, const ppm_options *o) {
    const pnb_schedule *schedule = pnb_prior_schedule(s->task.prior);
    double sigma = image_sigma(&s->task, o), end = o->rho_end;
    for (uint32_t i = 0; i < (uint32_t)o->steps; i++) {
        float *row = s->rows + (size_t)i * PNB_ROW_SIZE;
        double f = o->anneal > 0 ? fmin(1, (double)i / o->steps / o->anneal) : 1;
        double fine =
            o->slide ? rho_between(schedule, o->rho_start, end, f) : o->rho_start * pow(end / o->rho_start, f);
        double coarse = o->rho_ratio > 0 ? fmin(o->rho_max, fmax(fine * o->rho_ratio, 10 * sigma)) : o->rho_max;
        row[PNB_ROW_LR] = (float)pnb_hold_cosine(o->lr, i, (uint32_t)o->steps, o->lr_hold, o->lr_end);
        row[PNB_ROW_AUX_LR] = (float)pnb_hold_cosine(o->aux_lr, i, (uint32_t)o->steps, o->lr_hold, o->lr_end);
        row[PNB_ROW_LAMBDA_FINE] = (float)(-2 * log(fine));
        row[PNB_ROW_LAMBDA_COARSE] = (float)(-2 * log(fmax(coarse, fine)));
        double rate = pnb_hold_cosine(o->exchange / o->steps, i, (uint32_t)o->steps, o->lr_hold, o->lr_end);
        row[ROW_EXCHANGE] = (float)rate;
        row[ROW_RECENT] = (float)fmin(1, fmax(rate, 1.0 / (i + 1)));
    }
}

/* ---- graphs ------------------------------------------------------------------------------------------------------ */

/* One draw of x_t for each particle, `draws` times: N = draws K rows. */
typedef struct draw {
    pnb_tensor x_t, eps;
    pnb_levels levels;
    uint32_t n;
} draw;

static pnb_status begin_program(pnb_solver *s, pnb_graph *g, const ppm_options *o, uint32_t flags, pnb_tensor *state) {
    pnb_tensor table;
    float b1 = (float)o->beta1, b2 = (float)o->beta2;
    PNB_TRY(pnb_graph_bind(g, s->state, state));
    PNB_TRY(pnb_graph_bind(g, s->table, &table));
    return pnb_step_state_advance(g, *state, table, (pnb_advance){flags, b1, b2, b1, b2});
}

static pnb_status repeat_rows(pnb_graph *g, pnb_tensor x, uint32_t times, pnb_tensor *out) {
    pnb_tensor parts[8];
    if (times == 1) {
        *out = x;
        return PNB_OK;
    }
    for (uint32_t i = 0; i < times; i++) parts[i] = x;
    return pnb_concat(g, 0, parts, times, out);
}

static pnb_status draw_x_t(pnb_solver *s, pnb_graph *g, const ppm_options *o, pnb_tensor state, uint32_t draws,
                           draw *d) {
    pnb_tensor x, rows, schedule, xi;
    uint64_t seed = s->task.seed;
    d->n = draws * s->particles;
    PNB_TRY(pnb_graph_bind(g, s->x, &x));
    PNB_TRY(pnb_graph_bind(g, s->schedule, &schedule));
    PNB_TRY(repeat_rows(g, x, draws, &rows));
    pnb_shape shape = pnb_graph_shape(g, rows);
    if (o->mu_noise > 0) {
        PNB_TRY(pnb_noise_normal(g, shape, seed, PNB_STREAM_MU, state, PNB_STATE_DRAW, &xi));
        PNB_TRY(pnb_axpby(g, 1, PNB_NONE, rows, (float)o->mu_noise, PNB_NONE, xi, &rows));
    }
    PNB_TRY(pnb_noise_normal(g, shape, seed, PNB_STREAM_EPS, state, PNB_STATE_DRAW, &d->eps));
    pnb_level_params q = {.count = d->n,
                          .seed = seed,
                          .stream = PNB_STREAM_LEVEL,
                          .sampling = (pnb_t_sampling)o->t_order,
                          .constant_weight = o->weight != WEIGHT_EXACT_KL,
                          .weight = (float)o->prior_weight};
    PNB_TRY(pnb_draw_levels(g, state, schedule, q, &d->levels));
    return pnb_axpby(g, 1, d->levels.level.alpha, rows, 1, d->levels.level.sigma, d->eps, &d->x_t);
}

enum { MAX_ADAPTER = 1024 };

static pnb_status too_many(pnb_solver *s, size_t n) {
    return pnb_fail(s->err, PNB_ERROR_MODEL, "ppm: the adapter has %zu tensors, at most %d are supported", n,
                    MAX_ADAPTER);
}

/* The adapter's parameters in this graph. */
static pnb_status adapter_tensors(pnb_solver *s, pnb_graph *g, pnb_tensor *out, uint32_t *n) {
    pnb_store *store = pnb_adapter_store(s->adapter);
    *n = (uint32_t)pnb_store_count(store);
    if (*n > MAX_ADAPTER) return too_many(s, *n);
    for (uint32_t i = 0; i < *n; i++) PNB_TRY(pnb_graph_bind(g, pnb_store_at(store, i), &out[i]));
    return PNB_OK;
}

/* Adam steps of the adapter's parameters from their gradients for residual r = eps_phi - eps with cotangent r. */
static pnb_status train_adapter(pnb_solver *s, pnb_graph *g, const ppm_options *o, pnb_tensor state,
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

static pnb_status aux_graph(pnb_solver *s, pnb_graph *g, const void *user) {
    const ppm_options *o = user;
    pnb_tensor state, eps, r, w[MAX_ADAPTER], grad[MAX_ADAPTER];
    uint32_t n;
    draw d;
    PNB_TRY(begin_program(s, g, o, PNB_ADVANCE_PEEK | PNB_ADVANCE_DRAW | PNB_ADVANCE_AUX_ADAM, &state));
    PNB_TRY(draw_x_t(s, g, o, state, (uint32_t)o->aux_draws, &d));
    pnb_eps_params q = {.label = PNB_NONE, .adapter = s->adapter, .checkpoint = o->checkpointing};
    PNB_TRY(pnb_prior_eps(s->task.prior, g, d.x_t, d.levels.level, &q, &eps));
    PNB_TRY(pnb_sub(g, eps, d.eps, &r));
    PNB_TRY(adapter_tensors(s, g, w, &n));
    PNB_TRY(pnb_graph_grad(g, &eps, &r, 1, w, n, grad));
    return train_adapter(s, g, o, state, w, grad, n, d.n);
}

/* 1 becomes w(rho), or SiD's weight of the x_0 form in eps space: rho^2/mean|x_0 - x0_theta|, x_0 - x0_theta = rho
 * r_theta. */
static pnb_status weigh(pnb_graph *g, const ppm_options *o, pnb_tensor r_theta, pnb_levels *levels) {
    pnb_tensor rho, w, size;
    if (o->weight <= WEIGHT_CONSTANT) return PNB_OK;
    PNB_TRY(pnb_binary_op(g, PNB_DIV, levels->level.sigma, levels->level.alpha, &rho));
    w = rho;
    if (o->weight == WEIGHT_SQRT) PNB_TRY(pnb_unary_op(g, PNB_SQRT, rho, &w));
    if (o->weight == WEIGHT_SQUARE || o->weight == WEIGHT_SID) PNB_TRY(pnb_unary_op(g, PNB_SQUARE, rho, &w));
    if (o->weight == WEIGHT_CLIP) PNB_TRY(pnb_clamp(g, rho, 0, 1, &w));
    if (o->weight == WEIGHT_VARIANCE) PNB_TRY(pnb_unary_op(g, PNB_SQUARE, levels->level.sigma, &w));
    if (o->weight == WEIGHT_LOG) {
        PNB_TRY(pnb_affine(g, rho, 1, 1, &w));
        PNB_TRY(pnb_unary_op(g, PNB_LOG, w, &w));
    }
    if (o->weight == WEIGHT_SID) {
        PNB_TRY(pnb_unary_op(g, PNB_ABS, r_theta, &size));
        PNB_TRY(pnb_reduce_rows(g, PNB_MEAN, size, &size));
        PNB_TRY(pnb_mul(g, size, rho, &size));
        PNB_TRY(pnb_clamp(g, size, 1e-5f, 1e30f, &size));
        PNB_TRY(pnb_binary_op(g, PNB_DIV, w, size, &w));
    }
    PNB_TRY(pnb_mul(g, levels->coef, w, &levels->coef));
    return pnb_mul(g, levels->weight, w, &levels->weight);
}

static bool is_plain(const ppm_options *o) {
    return o->distance == PNB_DISTANCE_L2 && o->alpha == 0.5;
}

/* What goes back through both networks: r itself for PPM's L2, else the distance's, [2N,...] as r. */
static pnb_status cotangents(pnb_graph *g, const ppm_options *o, uint32_t n, pnb_tensor r, pnb_tensor *out) {
    pnb_distance_params q = {(pnb_distance)o->distance, o->delta, o->power, o->alpha};
    pnb_tensor theta, phi, both[2];
    *out = r;
    if (is_plain(o)) return PNB_OK;
    PNB_TRY(pnb_graph_slice0(g, r, 0, n, &theta));
    PNB_TRY(pnb_graph_slice0(g, r, n, n, &phi));
    PNB_TRY(pnb_distance_cotangents(g, &q, theta, phi, &both[0], &both[1]));
    return pnb_concat(g, 0, both, 2, out);
}

/* Losses: prior w (|r_theta|^2 - entropy |r_phi|^2) of each row into `prior`, auxiliary |r_phi|^2 per element. */
static pnb_status record(pnb_solver *s, pnb_graph *g, const ppm_options *o, pnb_tensor r, const draw *d,
                         pnb_tensor data, pnb_tensor *prior) {
    pnb_tensor rows, a, b, diff, aux;
    double elements = (double)pnb_shape_count(s->sample) / s->particles;
    PNB_TRY(pnb_reduce_rows(g, PNB_SQNORM, r, &rows));
    PNB_TRY(pnb_graph_slice0(g, rows, 0, d->n, &a));
    PNB_TRY(pnb_graph_slice0(g, rows, d->n, d->n, &b));
    PNB_TRY(pnb_axpby(g, 1, PNB_NONE, a, -(float)o->entropy, PNB_NONE, b, &diff));
    PNB_TRY(pnb_mul(g, diff, d->levels.weight, prior));
    PNB_TRY(pnb_affine(g, b, (float)(1 / elements), 0, &aux));
    return pnb_solver_record_losses(s, g, data, *prior, aux);
}

/* Sum of the draws' gradients of each particle. */
static pnb_status sum_draws(pnb_solver *s, pnb_graph *g, pnb_tensor rows, uint32_t draws, pnb_tensor *out) {
    PNB_TRY(pnb_graph_slice0(g, rows, 0, s->particles, out));
    for (uint32_t i = 1; i < draws; i++) {
        pnb_tensor part;
        PNB_TRY(pnb_graph_slice0(g, rows, i * s->particles, s->particles, &part));
        PNB_TRY(pnb_add(g, *out, part, out));
    }
    return PNB_OK;
}

static pnb_status move_particles(pnb_solver *s, pnb_graph *g, const ppm_options *o, pnb_tensor state,
                                 pnb_tensor gradient) {
    pnb_tensor x, m, v;
    pnb_adam adam = {
        .beta1 = (float)o->beta1, .beta2 = (float)o->beta2, .eps = 1e-8f, .gscale = 1, .lr_index = PNB_STATE_LR};
    PNB_TRY(pnb_graph_bind(g, s->x, &x));
    PNB_TRY(pnb_graph_bind(g, pnb_store_find(s->store, "m.x"), &m));
    PNB_TRY(pnb_graph_bind(g, pnb_store_find(s->store, "v.x"), &v));
    return pnb_adam_step(g, x, m, v, gradient, state, adam);
}

/* storage [K,...]: row i becomes row source[i]. */
static pnb_status take_rows(pnb_graph *g, pnb_storage *storage, pnb_tensor source) {
    pnb_tensor all, taken;
    PNB_TRY(pnb_graph_bind(g, storage, &all));
    pnb_shape s = pnb_graph_shape(g, all);
    PNB_TRY(pnb_graph_reshape(g, all, pnb_shape2(s.d[0], (uint32_t)(pnb_shape_count(s) / s.d[0])), &taken));
    PNB_TRY(pnb_lookup(g, taken, source, &taken));
    PNB_TRY(pnb_graph_reshape(g, taken, s, &taken));
    return pnb_assign(g, all, taken);
}

/* The running mean of each particle's loss (one step's is noise: its draws differ), then the exchange by it. */
static pnb_status exchange_particles(pnb_solver *s, pnb_graph *g, const ppm_options *o, pnb_tensor state,
                                     pnb_tensor prior, pnb_tensor data) {
    pnb_tensor loss, mean, change, recent, source;
    uint32_t draws = (uint32_t)o->draws;
    pnb_exchange q = {s->particles, s->task.seed, PNB_STREAM_EXCHANGE, PNB_STATE_ROW + ROW_EXCHANGE};
    pnb_storage *kept[] = {s->x, pnb_store_find(s->store, "m.x"), pnb_store_find(s->store, "v.x"),
                           pnb_store_find(s->store, "loss")};
    PNB_TRY(sum_draws(s, g, prior, draws, &loss));
    PNB_TRY(pnb_axpby(g, 1.0f / (float)draws, PNB_NONE, loss, (float)o->data_weight, PNB_NONE, data, &loss));
    PNB_TRY(pnb_graph_bind(g, kept[3], &mean));
    PNB_TRY(pnb_solver_column(s, g, state, ROW_RECENT, &recent));
    PNB_TRY(pnb_sub(g, loss, mean, &change));
    PNB_TRY(pnb_axpby(g, 1, PNB_NONE, mean, 1, recent, change, &loss));
    PNB_TRY(pnb_assign(g, mean, loss));
    PNB_TRY(pnb_exchange_sources(g, state, mean, q, &source));
    for (int i = 0; i < 4; i++) PNB_TRY(take_rows(g, kept[i], source));
    return PNB_OK;
}

static pnb_status main_graph(pnb_solver *s, pnb_graph *g, const void *user) {
    const ppm_options *o = user;
    bool fused = o->order == ORDER_FUSED;
    uint32_t flags = PNB_ADVANCE_STEP | PNB_ADVANCE_ADAM | (fused ? PNB_ADVANCE_DRAW | PNB_ADVANCE_AUX_ADAM : 0);
    pnb_tensor state, xx, ee, r, back, eps, x, data, loss, kl, theta, phi, prior, total, wrt[MAX_ADAPTER + 1],
        grad[MAX_ADAPTER + 1];
    pnb_level level;
    uint32_t n = 0;
    draw d;
    PNB_TRY(begin_program(s, g, o, flags, &state));
    PNB_TRY(draw_x_t(s, g, o, state, (uint32_t)o->draws, &d));
    PNB_TRY(repeat_rows(g, d.x_t, 2, &xx));
    PNB_TRY(repeat_rows(g, d.eps, 2, &ee));
    PNB_TRY(repeat_rows(g, d.levels.level.t, 2, &level.t));
    PNB_TRY(repeat_rows(g, d.levels.level.alpha, 2, &level.alpha));
    PNB_TRY(repeat_rows(g, d.levels.level.sigma, 2, &level.sigma));
    pnb_eps_params q = {.label = PNB_NONE, .adapter = s->adapter, .adapter_begin = d.n, .checkpoint = o->checkpointing};
    PNB_TRY(pnb_prior_eps(s->task.prior, g, xx, level, &q, &eps));
    PNB_TRY(pnb_sub(g, eps, ee, &r));
    if (fused) PNB_TRY(adapter_tensors(s, g, wrt + 1, &n));
    wrt[0] = xx;
    PNB_TRY(cotangents(g, o, d.n, r, &back));
    PNB_TRY(pnb_graph_grad(g, &eps, &back, 1, wrt, back == r ? n + 1 : 1, grad));
    if (back != r && n) PNB_TRY(pnb_graph_grad(g, &eps, &r, 1, wrt + 1, n, grad + 1)); /* the adapter's loss is L2 */
    PNB_TRY(pnb_graph_slice0(g, r, 0, d.n, &theta));
    PNB_TRY(weigh(g, o, theta, &d.levels));
    PNB_TRY(pnb_graph_slice0(g, grad[0], 0, d.n, &theta));
    PNB_TRY(pnb_graph_slice0(g, grad[0], d.n, d.n, &phi));
    float share = 1.0f / (float)o->draws;
    PNB_TRY(pnb_axpby(g, share, d.levels.coef, theta, -share * (float)o->entropy, d.levels.coef, phi, &prior));
    PNB_TRY(sum_draws(s, g, prior, (uint32_t)o->draws, &prior));
    PNB_TRY(pnb_graph_bind(g, s->x, &x));
    PNB_TRY(pnb_data_term(s, g, x, data_sigma(&s->task, o), &data, &loss));
    PNB_TRY(pnb_axpby(g, 1, PNB_NONE, prior, (float)o->data_weight, PNB_NONE, data, &total));
    PNB_TRY(record(s, g, o, r, &d, loss, &kl));
    if (fused) PNB_TRY(train_adapter(s, g, o, state, wrt + 1, grad + 1, n, d.n));
    PNB_TRY(move_particles(s, g, o, state, total));
    if (o->project) PNB_TRY(pnb_project(s, g));
    return o->exchange > 0 ? exchange_particles(s, g, o, state, kl, loss) : PNB_OK;
}

/* ---- the solver -------------------------------------------------------------------------------------------------- */

static pnb_finish finish_of(const ppm_options *o) {
    pnb_langevin steps = {(uint32_t)o->finish_steps, o->finish_rho, o->finish_rho_start, o->finish_step_size, o->project};
    return (pnb_finish){.kind = (pnb_finish_kind)o->finish, .steps = steps, .covariance = o->finish_covariance};
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
                return pnb_fail(s->err, PNB_ERROR_MODEL, "ppm: tensor name too long: %s", name);
            PNB_TRY(pnb_store_add(s->store, name, pnb_storage_shape(p), PNB_STORAGE_VARIABLE, &moments[k][i]));
        }
    }
    for (int k = 0; k < 2; k++) PNB_TRY(pnb_store_group(s->store, moments[k], n));
    return PNB_OK;
}

static pnb_status describe(pnb_solver *s, const ppm_options *o, pnb_finish *finish) {
    pnb_adapter_params a = {.rank = (uint32_t)o->rank,
                            .scale = (float)o->lora_scale,
                            .targets = (pnb_adapter_targets)o->targets,
                            .hidden = (uint32_t)o->hidden,
                            .depth = (uint32_t)o->depth,
                            .seed = s->task.seed};
    pnb_storage *unused;
    PNB_TRY(pnb_adapter_create(s->err, s->task.prior, &a, &s->adapter));
    PNB_TRY(pnb_store_add(s->store, "m.x", s->sample, PNB_STORAGE_VARIABLE, &unused));
    PNB_TRY(pnb_store_add(s->store, "v.x", s->sample, PNB_STORAGE_VARIABLE, &unused));
    if (o->exchange > 0)
        PNB_TRY(pnb_store_add(s->store, "loss", pnb_shape1(s->particles), PNB_STORAGE_VARIABLE, &unused));
    PNB_TRY(describe_moments(s));
    fill_rows(s, o);
    return pnb_finish_describe(s, finish, (uint32_t)o->steps);
}

static pnb_status build(pnb_solver *s, const ppm_options *o, pnb_finish *finish) {
    pnb_program *aux = NULL, *step;
    bool fused = o->order == ORDER_FUSED;
    uint32_t extra = (uint32_t)(fused ? o->aux_steps - 1 : o->aux_steps), warm = extra + (uint32_t)o->aux_warmup;
    uint64_t n = (uint64_t)s->particles;
    PNB_TRY(describe(s, o, finish));
    PNB_TRY(pnb_solver_commit(s));
    PNB_TRY(pnb_solver_initialise(s, o->init_std));
    PNB_TRY(pnb_solver_build(s, "ppm step", main_graph, o, &step)); /* first: the others' intermediates fit into its arenas */
    if (warm) PNB_TRY(pnb_solver_build(s, "ppm adapter step", aux_graph, o, &aux));
    pnb_phase *p = &s->phases[s->n_phases++];
    *p = (pnb_phase){.name = "posterior matching",
                     .steps = (uint32_t)o->steps,
                     .losses = PNB_LOSS_DATA | PNB_LOSS_PRIOR | PNB_LOSS_AUXILIARY};
    if (warm) p->items[p->n_items++] = (pnb_phase_item){aux, extra, warm, n * (uint64_t)o->aux_draws};
    p->items[p->n_items++] = (pnb_phase_item){step, 1, 1, 2 * n * (uint64_t)o->draws};
    return pnb_finish_append(s, finish);
}

static pnb_status check(pnb_error *err, const pnb_task *task, const void *given) {
    const ppm_options *o = given;
    if (o->distance != PNB_DISTANCE_L2 && o->alpha != 0.5) {
        return pnb_fail(err, PNB_ERROR_INPUT, "ppm: alpha %g belongs to distance l2, found %s; leave one of them",
                        o->alpha, distances[o->distance]);
    }
    if (o->finish == PNB_FINISH_PIGDM && !pnb_pigdm_fits(task)) {
        return pnb_fail(err, PNB_ERROR_INPUT,
                        "ppm: finish pigdm needs a linear operator and one noise.sigma for all entries (0 only with a "
                        "pseudo-inverse), which operator %s and sigma %g are not; use \"finish\": \"langevin\" or \"none\"",
                        pnb_operator_name(task->op), task->sigma_y);
    }
    if (o->finish == PNB_FINISH_PIGDM && o->finish_covariance && task->sigma_y == 0) {
        return pnb_fail(err, PNB_ERROR_INPUT, "ppm: finish_covariance jacobian needs a noise.sigma above 0; use isotropic");
    }
    if (o->finish == PNB_FINISH_PIGDM && o->finish_rho_start <= o->finish_rho) {
        return pnb_fail(err, PNB_ERROR_INPUT, "ppm: finish pigdm starts at finish_rho_start %g, which should be above finish_rho %g",
                        o->finish_rho_start, o->finish_rho);
    }
    if (o->project && !pnb_operator_has_pinv(task->op)) {
        return pnb_fail(
            err, PNB_ERROR_INPUT,
            "ppm: project needs a pseudo-inverse, which operator %s has not here; leave project out (the data term "
            "alone then holds y, with sigma_floor %g) or use reddiff or dps",
            pnb_operator_name(task->op), o->sigma_floor);
    }
    return PNB_OK;
}

static pnb_status create(pnb_error *err, const pnb_task *task, const void *given, pnb_solver **out) {
    const ppm_options *o = given;
    pnb_shape sample = pnb_samples_shape(task, (uint32_t)o->particles);
    uint32_t rows = (uint32_t)o->steps + (o->finish ? (uint32_t)o->finish_steps : 0);
    pnb_solver *s;
    *out = NULL;
    PNB_TRY(check(err, task, o));
    PNB_TRY(pnb_solver_begin(err, task, "ppm", sample, rows, &s));
    pnb_solver_fingerprint(s, o, sizeof *o);
    pnb_finish finish = finish_of(o);
    pnb_status status = build(s, o, &finish);
    pnb_finish_release(&finish);
    if (status != PNB_OK) pnb_solver_destroy(&s);
    *out = s;
    return status;
}

const pnb_method pnb_method_ppm = {
    .name = "ppm",
    .summary = "principled posterior matching: particles whose distribution is matched to the posterior",
    .table = {options, OPTION_COUNT, sizeof(ppm_options)},
    .create = create,
    .resolve = resolve,
    .check = check,
};

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
 * no mass between modes that the window has resolved; this does. Where the data term is widened, so is the loss: at each
 * level particles are weighed by that level's posterior.
 *
 * distance, alpha and the weights beyond the exact KL's are the family around it (section 2.2, 2.4); preset: the defaults of a task,
 * or Algorithm 1 as its text has it, with nothing of what section 2.10 added.
 */
#include "solve/phases.h"

#include "ops/ops.h"
#include "solve/exchange.h"
#include "solve/finish.h"
#include "solve/matching.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

typedef struct ppm_options {
    int32_t particles, steps, init_steps, order, weight, t_order, slide, draws;
    double lr, lr_hold, lr_end, beta1, beta2, prior_weight, data_weight, widen, entropy, sigma_floor, init_std, mu_noise;
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
enum { PRESET_DEFAULT, PRESET_PAPER, PRESET_INPAINTING, PRESET_SUPERRESOLUTION, PRESET_DEBLURRING, PRESET_DENOISING, PRESET_COUNT };
static const char *const presets[] = {"default", "paper", "inpainting", "superresolution", "deblurring", "denoising", NULL};
static const char *const slides[] = {"log_rho", "t", NULL};
static const char *const covariances[] = {"isotropic", "jacobian", NULL};
static const char *const finishes[] = {"none", "langevin", "pigdm", NULL};

#define INT(name, def, lo, hi, help)                                                                                                       \
    { #name, PNB_OPTION_INT, offsetof(ppm_options, name), def, lo, hi, NULL, "", help }
#define REAL(name, def, lo, hi, help)                                                                                                      \
    { #name, PNB_OPTION_REAL, offsetof(ppm_options, name), def, lo, hi, NULL, "", help }
#define CHOICE(name, def, words, help)                                                                                                     \
    { #name, PNB_OPTION_CHOICE, offsetof(ppm_options, name), def, 0, 9, words, "", help }
static const pnb_option options[] = {
    INT(particles, 8, 1, 4096, "samples to draw (K)"),
    INT(steps, 300, 0, 1000000,
        "steps of posterior matching, beginning and finish not counted; 0: the finish alone, of the problem's start or the beginning"),
    CHOICE(order, ORDER_FUSED, orders, "fused: one backward pass for adapter and particles; alternating: as Algorithm 1"),
    CHOICE(weight, 0, pnb_matching_weights,
           "weight of the prior term: the exact KL's, 1, rho = sigma_t/alpha_t, its root, square, min(rho,1), "
           "log(1+rho), sigma_t^2, or SiD's 1/mean|x_0 - x0_theta|"),
    CHOICE(t_order, 0, pnb_t_orders, "how noise levels are drawn within the window"),
    CHOICE(slide, 1, slides, "what the window's lower end falls evenly in: log rho, or the schedule's index (longer at coarse levels)"),
    INT(draws, 1, 1, 8, "draws of (t, noise) per particle and step"),
    REAL(lr, 0.05, 1e-6, 10, "Adam learning rate of the particles"),
    REAL(lr_hold, 0.4, 0, 1, "fraction of the run before the learning rates fall"),
    REAL(lr_end, 0.02, 0, 1, "what the learning rates fall to, as a fraction"),
    REAL(beta1, 0.9, 0, 0.9999, "Adam's beta 1, particles and adapter"),
    REAL(beta2, 0.99, 0, 0.99999, "Adam's beta 2, particles and adapter"),
    REAL(prior_weight, 1, 0, 1e6, "multiplies the prior term; 1 is the posterior"),
    REAL(data_weight, 1, 0, 1e6, "multiplies the data term 1/(2 sigma_y^2); 1 is the posterior"),
    REAL(entropy, 1, 0, 10, "multiplies the auxiliary network's force; 1 is PPM, less is a tempered posterior"),
    REAL(widen, 0, 0, 10,
         "while the window slides, the data term's variance is sigma_y^2 + (widen |A| r)^2, r what the window's lower end leaves "
         "unknown of a pixel (of vlbi's data each has its part of |A|); 0: sigma_y^2 all along (1 for nonlinear operators and "
         "super-resolution, else 0)"),
    REAL(sigma_floor, 0.01, 0, 10, "least sigma_y that the data term is computed with"),
    INT(init_steps, 0, 0, 100000,
        "steps of the reverse process, PiGDM's with the exact weight, from noise of rho 10 to particles that the matching begins with; 0: it "
        "begins with the initial guess, or the problem's start (linear operators with one sigma: 20 for images' presets)"),
    REAL(init_std, 0.3, 0, 100, "noise added to the initial guess (to the problem's start: 0); without init_steps"),
    REAL(mu_noise, 0, 0, 10, "standard deviation of noise added to particles before diffusion"),
    REAL(exchange, 0, 0, 1000,
         "rate, over the run, at which particles of larger loss become copies of others: it settles modes' weights (0.3 for nonlinear "
         "operators, 8 for vectors)"),
    REAL(rho_start, 5, 1e-3, 1000, "lower end of the window of rho = sigma_t/alpha_t at the start"),
    REAL(rho_end, 0, 0, 1000, "lower end of the window at the end; 0: sigma_y/5"),
    REAL(rho_ratio, 10, 0, 1e6, "upper end over lower end, at least 10 sigma_y; 0: always rho_max"),
    REAL(rho_max, 12, 1e-3, 1000, "upper end of the window at most"),
    REAL(anneal, 0.8, 0, 1, "fraction of the run over which the window slides; 0: it stays at its end"),
    INT(rank, 8, 1, 256, "rank of the LoRA adapter"),
    CHOICE(targets, 1, pnb_adapter_target_words, "layers that carry adapters; copy: all weights of the network are trained instead"),
    INT(hidden, 96, 1, 4096, "width of the residual MLP that is the adapter of a mixture prior"),
    INT(depth, 3, 1, 16, "its layers"),
    INT(aux_steps, 2, 1, 64, "adapter updates per particle step"),
    INT(aux_draws, 1, 1, 8, "draws of (t, noise) per particle and adapter update"),
    INT(aux_warmup, 20, 0, 100000, "adapter updates before the first step"),
    REAL(lora_scale, 1, 0, 100, "scale of the adapter's output"),
    REAL(aux_lr, 5e-3, 0, 1, "Adam learning rate of the adapter"),
    CHOICE(finish, PNB_FINISH_LANGEVIN, finishes,
           "what follows the matching, with the prior alone: annealed guided Langevin; the reverse process with PiGDM's exact "
           "weight, from samples noised anew (the default for linear operators with one sigma above 0); or nothing (the default for "
           "vectors with 16 particles a dimension)"),
    INT(finish_steps, 300, 1, 100000, "steps of the finish; pigdm: 30, vectors 100"),
    CHOICE(finish_covariance, 0, covariances, "finish pigdm: isotropic or jacobian, as pigdm's covariance"),
    REAL(finish_rho, 0.015, 1e-3, 10, "noise level of the finish at its end; pigdm: 0.01, then none"),
    REAL(finish_rho_start, 0, 0, 10,
         "noise level of the finish at its start; 0: 5 sigma_y/|A|; langevin, not above finish_rho: that level all along"),
    REAL(finish_step_size, 0.3, 1e-4, 1, "step of the finish as a fraction of the largest stable one"),
    {"checkpointing", PNB_OPTION_BOOL, offsetof(ppm_options, checkpointing), 0, 0, 1, NULL, "",
     "recompute activations in the backward pass: less memory, about a third more time"},
    CHOICE(preset, 0, presets,
           "defaults of the other options: of the task, which the operator tells where it is not given; general ones; or what the paper's "
           "text alone gives"),
    CHOICE(distance, 0, pnb_distance_words, "what the difference of the scores is measured by; only l2 is the KL"),
    REAL(delta, 0, 0, 1000, "width of pseudo-Huber; 0: .00054 sqrt(pixels) of an image, .03 of a pixel"),
    REAL(power, 1.5, 1.01, 2, "exponent of the distance power"),
    REAL(alpha, 0.5, 0, 2, "SiD's family with l2: 1/2 is PPM, 1 to 1.2 what SiD takes"),
    {"project", PNB_OPTION_BOOL, offsetof(ppm_options, project), 0, 0, 1, NULL, "",
     "set what is measured to y after each step, by the pseudo-inverse (noiseless measurements)"},
};
enum { OPTION_COUNT = sizeof options / sizeof *options };

/* Where the reverse process begins that particles come from. */
#define INIT_RHO 10.0

/* Free columns of a row: the exchange's rate, the weight of this step's losses in their running mean, and how much wider
 * its data term is. */
enum { ROW_EXCHANGE = PNB_ROW_FREE, ROW_RECENT, ROW_WIDER };

/* ---- defaults that depend on the problem ------------------------------------------------------------------------ */

static void prefer_all(const bool *given, void *o, const pnb_option_value *list, size_t n) {
    pnb_options_prefer(&(pnb_option_table){options, OPTION_COUNT, sizeof(ppm_options)}, given, o, list, n);
}

static void prefer(const bool *given, void *o, const char *name, double value) {
    prefer_all(given, o, &(pnb_option_value){name, value}, 1);
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
    const pnb_option_value paper[] = {{"steps", 1000},
                                      {"order", ORDER_ALTERNATING},
                                      {"weight", PNB_WEIGHT_CONSTANT},
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
    prefer_all(given, o, paper, sizeof paper / sizeof *paper);
}

/* What the tasks of images ask for (tools/search; assets/ppm.md): beginning and finish have 20 steps each, with the Jacobian's
 * covariance. level: where the finish starts, in units of sigma_y/|A|. */
typedef struct task_preset {
    double widen, level;
} task_preset;
enum { PROCESS_STEPS = 20 };
static const task_preset task_presets[PRESET_COUNT] = {
    [PRESET_INPAINTING] = {0, 20},
    [PRESET_SUPERRESOLUTION] = {1, 5},
    [PRESET_DEBLURRING] = {0, 10},
    [PRESET_DENOISING] = {0, 5},
};

/* The task of an operator of images; PRESET_DEFAULT where it is none of these. psf: the general settings, which tools/microscopy shows. */
static int32_t preset_of(const pnb_task *task) {
    static const struct {
        const char *operator;
        int32_t preset;
    } tasks[] = {{"average_pool", PRESET_SUPERRESOLUTION},
                 {"bicubic", PRESET_SUPERRESOLUTION},
                 {"gaussian_blur", PRESET_DEBLURRING},
                 {"motion_blur", PRESET_DEBLURRING},
                 {"identity", PRESET_DENOISING}};
    if (pnb_prior_dim(task->prior)) return PRESET_DEFAULT;
    for (size_t i = 0; i < sizeof tasks / sizeof *tasks; i++)
        if (strcmp(pnb_operator_name(task->op), tasks[i].operator) == 0) return tasks[i].preset;
    return strncmp(pnb_operator_name(task->op), "mask", 4) == 0 ? PRESET_INPAINTING : PRESET_DEFAULT;
}

static void resolve_tuned(const pnb_task *task, const bool *given, ppm_options *o) {
    if (task->sigma_y == 0 && pnb_operator_measured(task->op)) prefer(given, o, "project", 1);
    if (pnb_prior_dim(task->prior)) { /* vectors: the settings of ppm_toy2d.py, in units of the prior's spread */
        double scale = pnb_prior_scale(task->prior);
        const pnb_option_value toy[] = {{"steps", 800},
                                        {"init_std", scale},
                                        {"rho_start", 6.2 * scale},
                                        {"rho_end", 0.01},
                                        {"rho_ratio", 0},
                                        {"rho_max", 15 * scale},
                                        {"anneal", 0.6},
                                        {"draws", 2},
                                        {"aux_draws", 2},
                                        {"lr", 0.02 * scale},
                                        {"aux_lr", 2e-3},
                                        {"aux_steps", 3},
                                        {"exchange", 8},
                                        {"finish_covariance", PNB_PIGDM_JACOBIAN}};
        prefer_all(given, o, toy, sizeof toy / sizeof *toy);
    } else if (!pnb_operator_linear(task->op)) { /* the guess is none, and the data alone have many minima */
        prefer(given, o, "widen", 1);
        prefer(given, o, "exchange", 0.3);         /* losses differ by hundreds between basins, and by tens from draw to draw */
    } else if (!pnb_operator_measured(task->op)) { /* no hole: the guess has the coarse shape already */
        prefer(given, o, "init_std", 0.1);
        prefer(given, o, "rho_start", 1.5);
    }
    const task_preset *of_task = o->preset == PRESET_DEFAULT ? NULL : &task_presets[o->preset];
    if (of_task) {
        prefer(given, o, "init_steps", task->start || !pnb_pigdm_fits(task) ? 0 : PROCESS_STEPS);
        prefer(given, o, "widen", of_task->widen);
    }
    bool begun = of_task && (task->start || o->init_steps); /* with samples, not with the guess */
    if (begun) prefer(given, o, "rho_start", 0.5);
    if (o->rho_end == 0) o->rho_end = fmax(0.2 * image_sigma(task, o), 1e-3);
    if (pnb_pigdm_fits(task) && task->sigma_y > 0) prefer(given, o, "finish", PNB_FINISH_PIGDM);
    if (pnb_prior_dim(task->prior) && o->particles >= 16 * (double)pnb_prior_dim(task->prior))
        prefer(given, o, "finish", PNB_FINISH_NONE); /* so many particles carry every direction's spread themselves */
    if (o->finish == PNB_FINISH_PIGDM) {
        prefer(given, o, "finish_steps", of_task ? PROCESS_STEPS : pnb_prior_dim(task->prior) ? 100 : 30);
        if (of_task && task->sigma_y > 0) prefer(given, o, "finish_covariance", PNB_PIGDM_JACOBIAN);
        prefer(given, o, "finish_rho", 0.01);
    }
    /* The finish takes up what the measurement's noise hides: sigma_y/|A| in the image's values (2.10: rho of 2 to 6 of
     * it). */
    if (o->finish_rho_start == 0) { /* above half of a mixture's spread it would forget what the matching found */
        double from = begun ? INIT_RHO : o->rho_start;
        double most = pnb_prior_dim(task->prior) ? fmin(0.5 * pnb_prior_scale(task->prior), from) : from;
        double level = of_task && o->finish == PNB_FINISH_PIGDM ? of_task->level : 5;
        o->finish_rho_start = fmin(level * data_sigma(task, o) / pnb_operator_norm(task->op), most);
        o->finish_rho_start = fmax(o->finish_rho_start, 1.01 * o->finish_rho);
    }
}

static void resolve(const pnb_task *task, const bool *given, void *opts) {
    ppm_options *o = opts;
    prefer(given, o, "preset", preset_of(task));
    if (o->preset == PRESET_PAPER)
        resolve_paper(task, given, o);
    else
        resolve_tuned(task, given, o);
    if (task->start) prefer(given, o, "init_std", 0);
}

static void fill_rows(pnb_solver *s, const ppm_options *o) {
    const pnb_schedule *schedule = pnb_prior_schedule(s->task.prior);
    pnb_window w = {o->rho_start, o->rho_end, o->rho_ratio, o->rho_max, o->anneal, image_sigma(&s->task, o), o->slide != 0};
    double wider = o->widen * pnb_operator_norm(s->task.op) / data_sigma(&s->task, o);
    for (uint32_t i = 0; i < (uint32_t)o->steps; i++) {
        float *row = s->rows + (size_t)((uint32_t)o->init_steps + i) * PNB_ROW_SIZE;
        row[PNB_ROW_LR] = (float)pnb_hold_cosine(o->lr, i, (uint32_t)o->steps, o->lr_hold, o->lr_end);
        row[PNB_ROW_AUX_LR] = (float)pnb_hold_cosine(o->aux_lr, i, (uint32_t)o->steps, o->lr_hold, o->lr_end);
        pnb_window_set(&w, schedule, (double)i / o->steps, row);
        double rate = pnb_hold_cosine(o->exchange / o->steps, i, (uint32_t)o->steps, o->lr_hold, o->lr_end);
        double above = pnb_level_variance(&s->task, exp(-0.5 * row[PNB_ROW_LAMBDA_FINE])) - pnb_level_variance(&s->task, o->rho_end);
        row[ROW_WIDER] = (float)(wider * wider * fmax(0, above));
        row[ROW_EXCHANGE] = (float)rate;
        /* a widened loss changes with the window: only the last tenth of the run's says what it is */
        double recent = o->widen > 0 ? fmax(rate, 10.0 / o->steps) : rate;
        row[ROW_RECENT] = (float)fmin(1, fmax(recent, 1.0 / (i + 1)));
    }
}

/* ---- graphs ------------------------------------------------------------------------------------------------------ */

static pnb_matching matching_of(const ppm_options *o, uint64_t seed) {
    return (pnb_matching){.gradient = PNB_MATCH_THEOREM1,
                          .weight = (pnb_matching_weight)o->weight,
                          .t_order = (pnb_t_sampling)o->t_order,
                          .distance = {(pnb_distance)o->distance, o->delta, o->power, o->alpha},
                          .prior_weight = o->prior_weight,
                          .entropy = o->entropy,
                          .mu_noise = o->mu_noise,
                          .beta1 = o->beta1,
                          .beta2 = o->beta2,
                          .checkpointing = o->checkpointing,
                          .adapter = {.rank = (uint32_t)o->rank,
                                      .scale = (float)o->lora_scale,
                                      .targets = (pnb_adapter_targets)o->targets,
                                      .hidden = (uint32_t)o->hidden,
                                      .depth = (uint32_t)o->depth,
                                      .seed = seed}};
}

static pnb_status move_particles(pnb_solver *s, pnb_graph *g, const ppm_options *o, pnb_tensor state, pnb_tensor gradient) {
    pnb_tensor x, m, v;
    pnb_adam adam = {.beta1 = (float)o->beta1, .beta2 = (float)o->beta2, .eps = 1e-8f, .gscale = 1, .lr_index = PNB_STATE_LR};
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

/* The running mean of each particle's loss (one step's is noise: its draws differ), then the exchange by it. The data
 * term counts as it does in the step. */
static pnb_status exchange_particles(pnb_solver *s, pnb_graph *g, const ppm_options *o, pnb_tensor state, pnb_tensor prior,
                                     pnb_tensor data) {
    pnb_tensor loss, mean, change, recent, source;
    uint32_t draws = (uint32_t)o->draws;
    pnb_exchange q = {s->particles, s->task.seed, PNB_STREAM_EXCHANGE, PNB_STATE_ROW + ROW_EXCHANGE};
    pnb_storage *kept[] = {s->x, pnb_store_find(s->store, "m.x"), pnb_store_find(s->store, "v.x"), pnb_store_find(s->store, "loss")};
    PNB_TRY(pnb_matching_sum_draws(g, prior, draws, &loss));
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

static pnb_status aux_graph(pnb_solver *s, pnb_graph *g, const void *user) {
    const ppm_options *o = user;
    pnb_matching m = matching_of(o, s->task.seed);
    pnb_tensor state, x;
    pnb_draw d;
    PNB_TRY(pnb_matching_begin(s, g, &m, PNB_ADVANCE_PEEK | PNB_ADVANCE_DRAW | PNB_ADVANCE_AUX_ADAM, &state));
    PNB_TRY(pnb_graph_bind(g, s->x, &x));
    PNB_TRY(pnb_matching_draw(s, g, &m, state, x, PNB_NONE, (uint32_t)o->aux_draws, &d));
    return pnb_matching_learn(s, g, &m, state, &d);
}

static pnb_status main_graph(pnb_solver *s, pnb_graph *g, const void *user) {
    const ppm_options *o = user;
    pnb_matching m = matching_of(o, s->task.seed);
    bool fused = o->order == ORDER_FUSED;
    uint32_t flags = PNB_ADVANCE_STEP | PNB_ADVANCE_ADAM | (fused ? PNB_ADVANCE_DRAW | PNB_ADVANCE_AUX_ADAM : 0);
    pnb_tensor state, x, wider = PNB_NONE, total;
    pnb_wide_term data;
    pnb_force f;
    pnb_draw d;
    PNB_TRY(pnb_matching_begin(s, g, &m, flags, &state));
    PNB_TRY(pnb_graph_bind(g, s->x, &x));
    PNB_TRY(pnb_matching_draw(s, g, &m, state, x, PNB_NONE, (uint32_t)o->draws, &d));
    PNB_TRY(pnb_matching_force(s, g, &m, state, &d, fused, &f));
    if (o->widen > 0) PNB_TRY(pnb_solver_column(s, g, state, ROW_WIDER, &wider));
    PNB_TRY(pnb_data_term_wide(s, g, x, data_sigma(&s->task, o), wider, &data));
    PNB_TRY(pnb_axpby(g, 1, PNB_NONE, f.gradient, (float)o->data_weight, PNB_NONE, data.gradient, &total));
    PNB_TRY(pnb_solver_record_losses(s, g, data.misfit, f.prior, f.auxiliary));
    PNB_TRY(move_particles(s, g, o, state, total));
    if (o->project) PNB_TRY(pnb_project(s, g));
    return o->exchange > 0 ? exchange_particles(s, g, o, state, f.prior, data.loss) : PNB_OK;
}

/* ---- the solver -------------------------------------------------------------------------------------------------- */

/* What stands before and after the matching; working memory. */
typedef struct parts {
    pnb_pigdm beginning;
    pnb_finish finish;
} parts;

static pnb_finish finish_of(const ppm_options *o) {
    pnb_langevin steps = {(uint32_t)o->finish_steps, o->finish_rho, o->finish_rho_start, o->finish_step_size, o->project};
    return (pnb_finish){.kind = (pnb_finish_kind)o->finish, .steps = steps, .covariance = o->finish_covariance};
}

/* The reverse process that particles begin by. */
static pnb_pigdm_options beginning_of(const pnb_task *task, const ppm_options *o) {
    int32_t covariance = task->sigma_y > 0 ? PNB_PIGDM_JACOBIAN : PNB_PIGDM_ISOTROPIC;
    pnb_pigdm_options p = pnb_pigdm_exact((uint32_t)o->particles, (uint32_t)o->init_steps, covariance, INIT_RHO, 0.01);
    p.clip = pnb_prior_channels(task->prior) != 0;
    return p;
}

static pnb_status describe(pnb_solver *s, const ppm_options *o, parts *p) {
    pnb_matching m = matching_of(o, s->task.seed);
    pnb_storage *unused;
    PNB_TRY(pnb_matching_describe(s, &m));
    PNB_TRY(pnb_store_add(s->store, "m.x", s->sample, PNB_STORAGE_VARIABLE, &unused));
    PNB_TRY(pnb_store_add(s->store, "v.x", s->sample, PNB_STORAGE_VARIABLE, &unused));
    if (o->exchange > 0) PNB_TRY(pnb_store_add(s->store, "loss", pnb_shape1(s->particles), PNB_STORAGE_VARIABLE, &unused));
    pnb_pigdm_options beginning = beginning_of(&s->task, o);
    if (o->init_steps) PNB_TRY(pnb_pigdm_describe(s, &beginning, 0, &p->beginning));
    fill_rows(s, o);
    return pnb_finish_describe(s, &p->finish, (uint32_t)(o->init_steps + o->steps));
}

static pnb_status build_beginning(pnb_solver *s, const ppm_options *o, pnb_pigdm *beginning, pnb_phase *phase) {
    pnb_program *step;
    PNB_TRY(pnb_pigdm_program(s, beginning, &step));
    *phase = (pnb_phase){.name = "reverse process",
                         .steps = (uint32_t)o->init_steps,
                         .losses = PNB_LOSS_DATA,
                         .n_items = 1,
                         .items = {{step, 1, 1, s->particles}}};
    return PNB_OK;
}

static pnb_status append_matching(pnb_solver *s, const ppm_options *o) {
    pnb_program *aux = NULL, *step;
    bool fused = o->order == ORDER_FUSED;
    uint32_t extra = (uint32_t)(fused ? o->aux_steps - 1 : o->aux_steps), warm = extra + (uint32_t)o->aux_warmup;
    uint64_t n = (uint64_t)s->particles;
    PNB_TRY(pnb_solver_build(s, "ppm step", main_graph, o, &step)); /* first: the others' intermediates fit into its arenas */
    if (warm) PNB_TRY(pnb_solver_build(s, "ppm adapter step", aux_graph, o, &aux));
    pnb_phase *p = &s->phases[s->n_phases++];
    *p = (pnb_phase){
        .name = "posterior matching", .steps = (uint32_t)o->steps, .losses = PNB_LOSS_DATA | PNB_LOSS_PRIOR | PNB_LOSS_AUXILIARY};
    if (warm) p->items[p->n_items++] = (pnb_phase_item){aux, extra, warm, n * (uint64_t)o->aux_draws};
    p->items[p->n_items++] = (pnb_phase_item){step, 1, 1, 2 * n * (uint64_t)o->draws};
    return PNB_OK;
}

static pnb_status build(pnb_solver *s, const ppm_options *o, parts *p) {
    PNB_TRY(describe(s, o, p));
    PNB_TRY(pnb_solver_commit(s));
    PNB_TRY(o->init_steps ? pnb_solver_initialise_at(s, INIT_RHO) : pnb_solver_initialise(s, o->init_std));
    pnb_phase *beginning = o->init_steps ? &s->phases[s->n_phases++] : NULL;
    if (o->steps) PNB_TRY(append_matching(s, o));
    if (beginning) PNB_TRY(build_beginning(s, o, &p->beginning, beginning));
    return pnb_finish_append(s, &p->finish);
}

static pnb_status check(pnb_error *err, const pnb_task *task, const void *given) {
    const ppm_options *o = given;
    if (o->steps == 0 && (!(task->start || o->init_steps) || !o->finish)) {
        return pnb_fail(err, PNB_ERROR_INPUT,
                        "ppm: steps 0 is the finish alone, which needs samples to start from (\"start\": \"samples.npy\") and a finish");
    }
    if (o->init_steps && task->start)
        return pnb_fail(err, PNB_ERROR_INPUT, "ppm: init_steps %d begins anew, from noise, and forgets the problem's start; leave one of them",
                        o->init_steps);
    if (o->init_steps && !pnb_pigdm_fits(task)) {
        return pnb_fail(err, PNB_ERROR_INPUT,
                        "ppm: init_steps %d needs a linear operator and one noise.sigma for all entries (0 only with a pseudo-inverse), "
                        "which operator %s and sigma %g are not; use 0",
                        o->init_steps, pnb_operator_name(task->op), task->sigma_y);
    }
    if (o->distance != PNB_DISTANCE_L2 && o->alpha != 0.5) {
        return pnb_fail(err, PNB_ERROR_INPUT, "ppm: alpha %g belongs to distance l2, found %s; leave one of them", o->alpha,
                        pnb_distance_words[o->distance]);
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
        return pnb_fail(err, PNB_ERROR_INPUT,
                        "ppm: project needs a pseudo-inverse, which operator %s has not here; leave project out (the data term "
                        "alone then holds y, with sigma_floor %g) or use reddiff or dps",
                        pnb_operator_name(task->op), o->sigma_floor);
    }
    return PNB_OK;
}

static pnb_status create(pnb_error *err, const pnb_task *task, const void *given, pnb_solver **out) {
    const ppm_options *o = given;
    pnb_shape sample = pnb_samples_shape(task, (uint32_t)o->particles);
    uint32_t rows = (uint32_t)(o->init_steps + o->steps) + (o->finish ? (uint32_t)o->finish_steps : 0);
    pnb_solver *s;
    *out = NULL;
    PNB_TRY(check(err, task, o));
    PNB_TRY(pnb_solver_begin(err, task, "ppm", sample, rows, &s));
    pnb_solver_fingerprint(s, o, sizeof *o);
    parts p = {.finish = finish_of(o)};
    pnb_status status = build(s, o, &p);
    pnb_finish_release(&p.finish);
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
    .takes_start = true,
};

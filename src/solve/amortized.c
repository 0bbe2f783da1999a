/* The solver that trains a generator, and the one that uses it. */
#include "solve/amortized.h"

#include "ops/ops.h"
#include "solve/consistency.h"
#include "solve/pigdm.h"
#include "train/batch_push.h"
#include "train/learner.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ROW_EMA = PNB_ROW_FREE, MOST_AT_ONCE = 32, MOST_ELEMENTS = 1 << 20 };
#define GUESS_SPREAD 0.5 /* what a guess of y is taken to be off by in a pixel: EDM's sigma_data */

static const char *const presets[] = {"default", "paper", NULL};
static const char *const auxiliaries[] = {"conditional", "marginal", NULL};

#define INT(name, def, lo, hi, help)                                                                                   \
    { #name, PNB_OPTION_INT, offsetof(pnb_amortized_options, name), def, lo, hi, NULL, "", help }
#define REAL(name, def, lo, hi, help)                                                                                  \
    { #name, PNB_OPTION_REAL, offsetof(pnb_amortized_options, name), def, lo, hi, NULL, "", help }
#define CHOICE(name, def, words, help)                                                                                 \
    { #name, PNB_OPTION_CHOICE, offsetof(pnb_amortized_options, name), def, 0, 9, words, "", help }
const pnb_option pnb_amortized_table[PNB_AMORTIZED_ALL] = {
    INT(particles, 8, 1, 4096, "samples of the (first) measurement to draw at the end"),
    INT(steps, 4000, 1, 10000000, "updates of the generator"),
    INT(batch, 8, 1, 1024, "measurements an update"),
    CHOICE(auxiliary, PNB_AUXILIARY_CONDITIONAL, auxiliaries,
           "whose score the auxiliary network learns: of samples given y, or of samples of all y together"),
    CHOICE(map, PNB_MAP_DENOISE, pnb_generator_maps, "from the network's output to x_0: denoise at level rho, or tanh"),
    REAL(noise, 0, 0, 100,
         "standard deviation of the noise that the generator is given, of a draw only where A leaves room for it; 0: rho, or .1 for tanh"),
    REAL(rho, 0.5, 1e-3, 100,
         "noise level at which the network is asked (denoise), as far as the guess may be off (images: holes 2, denoising 1.4 sigma_y)"),
    REAL(lr, 1e-4, 1e-8, 1, "Adam learning rate of the generator"),
    REAL(lr_hold, 0.5, 0, 1, "fraction of the run before the learning rates fall"),
    REAL(lr_end, 0.05, 0, 1, "what the learning rates fall to, as a fraction"),
    REAL(beta1, 0.9, 0, 0.9999, "Adam's beta 1, generator and auxiliary network"),
    REAL(beta2, 0.99, 0, 0.99999, "Adam's beta 2, generator and auxiliary network"),
    REAL(clip, 0, 0, 1e9, "largest norm of the generator's gradients together; 0: no limit"),
    REAL(ema, 0.998, 0, 0.999999,
         "running mean of the generator's weights: what it keeps a step, at most (2+step)/(11+step)"),
    REAL(prior_weight, 1, 0, 1e6, "multiplies the prior term; 1 is the posterior"),
    REAL(data_weight, 1, 0, 1e6, "multiplies the data term 1/(2 sigma_y^2); 1 is the posterior"),
    REAL(entropy, 1, 0, 10, "multiplies the auxiliary network's force; less is a tempered posterior"),
    REAL(sigma_floor, 0.01, 0, 10, "least sigma_y that the data term is computed with"),
    CHOICE(weight, PNB_WEIGHT_EXACT_KL, pnb_matching_weights, "weight of the prior term at each noise level"),
    CHOICE(t_order, PNB_T_LOG_SNR, pnb_t_orders, "how noise levels are drawn within the window"),
    REAL(rho_start, 1.5, 1e-3, 1000, "lower end of the window of rho = sigma_t/alpha_t at the start"),
    REAL(rho_end, 0, 0, 1000,
         "lower end of the window at the end; 0: sigma_y/5, of images at least 0.04, holes 0.1, super-resolution 0.15"),
    REAL(rho_ratio, 0, 0, 1e6, "upper end over lower end, at least 10 sigma_y; 0: always rho_max"),
    REAL(rho_max, 12, 1e-3, 1000, "upper end of the window at most"),
    REAL(anneal, 0.5, 0, 1, "fraction of the run over which the window slides; 0: it stays at its end"),
    CHOICE(targets, 1, pnb_adapter_target_words,
           "layers that carry the auxiliary network's adapters; copy: all weights"),
    INT(rank, 8, 1, 256, "rank of the adapters"),
    REAL(lora_scale, 1, 0, 100, "scale of the adapters' output"),
    INT(hidden, 96, 1, 4096, "width of the MLPs that a vector prior has for generator and auxiliary network"),
    INT(depth, 3, 1, 16, "their layers"),
    REAL(aux_lr, 1e-3, 0, 1, "Adam learning rate of the auxiliary network"),
    INT(aux_steps, 1, 1, 64, "updates of the auxiliary network for each of the generator"),
    INT(aux_warmup, 50, 0, 100000, "its updates before the first step (images: 250)"),
    {"checkpointing", PNB_OPTION_BOOL, offsetof(pnb_amortized_options, checkpointing), 0, 0, 1, NULL, "",
     "recompute activations in the backward pass: less memory, about a third more time"},
    REAL(supervised, 0, 0, 1e6, "multiplies |x_clean - x_0|^2 where truths are given; 0: measurements alone"),
    CHOICE(preset, PNB_PRESET_DEFAULT, presets,
           "defaults of the other options: for the posterior, or what the paper's text alone gives"),
    CHOICE(distance, PNB_DISTANCE_L2, pnb_distance_words,
           "what the difference of the scores is measured by; only l2 is the KL"),
    REAL(delta, 0, 0, 1000, "width of pseudo-Huber; 0: .00054 sqrt(pixels) of an image, .03 of a pixel"),
    REAL(power, 1.5, 1.01, 2, "exponent of the distance power"),
    REAL(alpha, 0.5, 0, 2, "SiD's family with l2: 1/2 is PPM, 1 to 1.2 what SiD takes"),
    REAL(consistency, 0, 0, 100,
         "what the network's image is taken to be off by in A x, before the measurement is put into it as Bayes' rule weighs both, with "
         "noise of its own; 0: it is not (images, linear operators but identity with one sigma above 0: sigma_y, or 4 sigma_y where part "
         "is unseen)"),
    CHOICE(input, PNB_INPUT_GUESS, pnb_generator_inputs,
           "what the network is given: a guess of x and noise, or noise that the measurement was put into by the same rule (with "
           "consistency, images: draw, but for super-resolution)"),
};

void pnb_amortized_prefer(const bool *given, pnb_amortized_options *o, const pnb_option_value *list, size_t n) {
    pnb_options_prefer(&(pnb_option_table){pnb_amortized_table, PNB_AMORTIZED_ALL, sizeof *o}, given, o, list, n);
}

void pnb_amortized_scale(const pnb_task *task, const bool *given, pnb_amortized_options *o) {
    double scale = pnb_prior_scale(task->prior);
    const pnb_option_value vectors[] = {{"batch", 64},     {"steps", 1500},          {"noise", scale},
                                      {"lr", 2e-3},      {"aux_lr", 2e-3},         {"aux_steps", 2},
                                      {"rho_end", 0.01}, {"rho_start", 6 * scale}, {"rho_max", 15 * scale}};
    if (pnb_prior_dim(task->prior)) pnb_amortized_prefer(given, o, vectors, sizeof vectors / sizeof *vectors);
}

void pnb_amortized_settle(const pnb_task *task, pnb_amortized_options *o) {
    if (o->noise == 0) o->noise = o->map == PNB_MAP_TANH ? 0.1 : o->rho;
    if (o->rho_end == 0) o->rho_end = fmax(0.2 * fmax(task->sigma_y, o->sigma_floor), 1e-3);
}

/* ---- what the graphs are made with ------------------------------------------------------------------------------- */

typedef struct plan {
    const pnb_amortized_options *o;
    pnb_matching m;
    pnb_generator gen;
    uint32_t batch;     /* rows of a program */
    pnb_prior *network; /* of a sampling program */
} plan;

static pnb_generator generator_of(const pnb_amortized_options *o) {
    return (pnb_generator){(pnb_generator_map)o->map, o->noise, o->rho, (uint32_t)o->hidden, (uint32_t)o->depth, o->consistency,
                           (pnb_generator_input)o->input};
}

static bool is_conditional(const pnb_task *task, const pnb_amortized_options *o) {
    return o->auxiliary == PNB_AUXILIARY_CONDITIONAL && task->n_measurements > 1;
}

static pnb_matching matching_of(const pnb_task *task, pnb_match_gradient gradient, const pnb_amortized_options *o) {
    pnb_shape image = pnb_operator_image_shape(task->op);
    return (pnb_matching){.gradient = gradient,
                          .weight = (pnb_matching_weight)o->weight,
                          .t_order = (pnb_t_sampling)o->t_order,
                          .distance = {(pnb_distance)o->distance, o->delta, o->power, o->alpha},
                          .prior_weight = o->prior_weight,
                          .entropy = o->entropy,
                          .beta1 = o->beta1,
                          .beta2 = o->beta2,
                          .checkpointing = o->checkpointing,
                          .adapter = {.rank = (uint32_t)o->rank,
                                      .scale = (float)o->lora_scale,
                                      .targets = (pnb_adapter_targets)o->targets,
                                      .hidden = (uint32_t)o->hidden,
                                      .depth = (uint32_t)o->depth,
                                      .condition = is_conditional(task, o) ? image.d[0] : 0,
                                      .seed = task->seed}};
}

static pnb_learner learner_of(const pnb_solver *s, const pnb_amortized_options *o) {
    return (pnb_learner){.store = s->store,
                         .prefix = "g.",
                         .network = s->generator,
                         .average = s->average,
                         .beta1 = o->beta1,
                         .beta2 = o->beta2,
                         .clip = o->clip,
                         .ema_index = PNB_STATE_ROW + ROW_EMA};
}

/* ---- graphs ------------------------------------------------------------------------------------------------------ */

/* A batch of a pool, shaped as [batch, shape...]. */
static pnb_status take(pnb_solver *s, pnb_graph *g, pnb_tensor state, const pnb_pool *pool, uint32_t batch,
                       pnb_shape shape, pnb_tensor *out) {
    pnb_batch q = {.seed = s->task.seed, .stream = PNB_STREAM_BATCH, .zoom_low = 1, .zoom_high = 1};
    pnb_shape full = {shape.rank + 1, {batch, 1, 1, 1}};
    for (uint32_t i = 0; i < shape.rank; i++) full.d[i + 1] = shape.d[i];
    PNB_TRY(pnb_pool_draw(pool, g, state, q, out));
    return pnb_graph_reshape(g, *out, full, out);
}

/* y, a guess of x (the auxiliary network's condition), and samples by the network. */
typedef struct made {
    pnb_tensor y, guess, x0;
} made;

/* y put into x0, which is off by r, with noise of this stream. */
static pnb_status draw_given_y(pnb_solver *s, pnb_graph *g, pnb_tensor state, uint32_t stream, pnb_tensor x0, pnb_tensor y, double r,
                               pnb_tensor *x) {
    pnb_tensor xi;
    PNB_TRY(pnb_noise_normal(g, pnb_graph_shape(g, y), s->task.seed, stream, state, PNB_STATE_DRAW, &xi));
    return pnb_consistent(s->task.op, g, x0, y, xi, s->task.sigma_y, r, x);
}

static pnb_status generate(pnb_solver *s, pnb_graph *g, const plan *p, pnb_prior *network, pnb_tensor state,
                           bool checkpoint, made *out) {
    pnb_shape shape = pnb_samples_shape(&s->task, p->batch);
    pnb_operator *op = s->task.op;
    double noise = p->gen.noise, off = p->gen.consistency / pnb_operator_norm(op);
    bool consistent = off > 0, drawn = consistent && p->gen.input == PNB_INPUT_DRAW;
    pnb_tensor xi, z;
    PNB_TRY(pnb_operator_initial(op, g, out->y, &out->guess));
    PNB_TRY(pnb_noise_normal(g, shape, s->task.seed, PNB_STREAM_GENERATOR, state, PNB_STATE_DRAW, &xi));
    if (consistent) PNB_TRY(pnb_consistent(op, g, out->guess, out->y, PNB_NONE, s->task.sigma_y, GUESS_SPREAD, &out->guess));
    if (drawn) {
        PNB_TRY(pnb_affine(g, xi, (float)noise, 0, &z));
        PNB_TRY(draw_given_y(s, g, state, PNB_STREAM_GUESS, z, out->y, noise, &z));
    } else {
        PNB_TRY(pnb_axpby(g, 1, PNB_NONE, out->guess, (float)noise, PNB_NONE, xi, &z));
    }
    PNB_TRY(pnb_generator_apply(&p->gen, network, g, z, out->guess, xi, checkpoint, &out->x0));
    return consistent ? draw_given_y(s, g, state, PNB_STREAM_CONSISTENCY, out->x0, out->y, off, &out->x0) : PNB_OK;
}

/* A batch of measurements, its samples, and their draws of x_t. */
static pnb_status draw(pnb_solver *s, pnb_graph *g, const plan *p, pnb_tensor state, made *b, pnb_draw *d) {
    pnb_shape m = pnb_operator_measurement_shape(s->task.op);
    pnb_tensor condition = PNB_NONE;
    PNB_TRY(take(s, g, state, &s->measurements, p->batch, m, &b->y));
    PNB_TRY(generate(s, g, p, s->generator, state, p->o->checkpointing, b));
    if (p->m.adapter.condition) condition = b->guess;
    return pnb_matching_draw(s, g, &p->m, state, b->x0, condition, 1, d);
}

static pnb_status aux_graph(pnb_solver *s, pnb_graph *g, const void *user) {
    const plan *p = user;
    pnb_tensor state;
    pnb_draw d;
    made b;
    PNB_TRY(pnb_matching_begin(s, g, &p->m, PNB_ADVANCE_PEEK | PNB_ADVANCE_DRAW | PNB_ADVANCE_AUX_ADAM, &state));
    PNB_TRY(draw(s, g, p, state, &b, &d));
    return pnb_matching_learn(s, g, &p->m, state, &d);
}

/* The gradient of supervised |x_clean - x_0|^2, added to total. */
static pnb_status add_supervised(pnb_solver *s, pnb_graph *g, const plan *p, pnb_tensor state, pnb_tensor x0,
                                 pnb_tensor *total) {
    float weight = (float)(2 * p->o->supervised);
    pnb_tensor clean;
    if (p->o->supervised == 0) return PNB_OK;
    PNB_TRY(take(s, g, state, &s->truths, p->batch, pnb_operator_image_shape(s->task.op), &clean));
    PNB_TRY(pnb_sub(g, x0, clean, &clean));
    return pnb_axpby(g, 1, PNB_NONE, *total, weight, PNB_NONE, clean, total);
}

static pnb_status main_graph(pnb_solver *s, pnb_graph *g, const void *user) {
    const plan *p = user;
    const pnb_amortized_options *o = p->o;
    uint32_t flags = PNB_ADVANCE_STEP | PNB_ADVANCE_DRAW | PNB_ADVANCE_ADAM | PNB_ADVANCE_AUX_ADAM;
    pnb_learner learner = learner_of(s, o);
    pnb_tensor state, data, loss, total;
    pnb_force f;
    pnb_draw d;
    made b;
    PNB_TRY(pnb_matching_begin(s, g, &p->m, flags, &state));
    PNB_TRY(draw(s, g, p, state, &b, &d));
    PNB_TRY(pnb_matching_force(s, g, &p->m, state, &d, true, &f));
    PNB_TRY(pnb_data_term_of(s, g, b.x0, b.y, fmax(s->task.sigma_y, o->sigma_floor), &data, &loss));
    PNB_TRY(pnb_axpby(g, 1, PNB_NONE, f.gradient, (float)o->data_weight, PNB_NONE, data, &total));
    PNB_TRY(add_supervised(s, g, p, state, b.x0, &total));
    PNB_TRY(pnb_solver_record_losses(s, g, loss, f.prior, f.auxiliary));
    return pnb_learner_step(&learner, g, state, b.x0, total, 1.0 / p->batch);
}

/* `batch` samples of the solver's y go in at the end of x, as many leave at its front. */
static pnb_status sample_graph(pnb_solver *s, pnb_graph *g, const void *user) {
    const plan *p = user;
    pnb_matching none = {.beta1 = 0.9, .beta2 = 0.99};
    uint32_t k = s->particles, kept = k - p->batch;
    pnb_tensor state, x, rows[2], all;
    made b;
    PNB_TRY(pnb_matching_begin(s, g, &none, PNB_ADVANCE_STEP | PNB_ADVANCE_DRAW, &state));
    PNB_TRY(pnb_graph_bind(g, s->x, &x));
    PNB_TRY(pnb_graph_bind(g, s->y, &b.y));
    PNB_TRY(pnb_graph_slice0(g, b.y, 0, p->batch, &b.y));
    PNB_TRY(generate(s, g, p, p->network, state, false, &b));
    if (!kept) return pnb_assign(g, x, b.x0);
    rows[1] = b.x0;
    PNB_TRY(pnb_graph_slice0(g, x, p->batch, kept, &rows[0]));
    PNB_TRY(pnb_concat(g, 0, rows, 2, &all));
    return pnb_assign(g, x, all);
}

/* ---- the solver -------------------------------------------------------------------------------------------------- */

/* Of k samples, how many at once: the largest part of k that is no more than MOST_AT_ONCE, or MOST_ELEMENTS in all. */
static uint32_t at_once(pnb_shape samples) {
    uint32_t k = samples.d[0];
    uint64_t fit = MOST_ELEMENTS / (pnb_shape_count(samples) / k), most = fit < 1 ? 1 : fit < MOST_AT_ONCE ? fit : MOST_AT_ONCE;
    uint32_t n = k < most ? k : (uint32_t)most;
    while (k % n) n--;
    return n;
}

static void fill_rows(pnb_solver *s, const pnb_amortized_options *o) {
    const pnb_schedule *schedule = pnb_prior_schedule(s->task.prior);
    uint32_t steps = (uint32_t)o->steps;
    pnb_window w = {
        o->rho_start, o->rho_end, o->rho_ratio, o->rho_max, o->anneal, fmax(s->task.sigma_y, o->sigma_floor), true};
    for (uint32_t i = 0; i < steps; i++) {
        float *row = s->rows + (size_t)i * PNB_ROW_SIZE;
        row[PNB_ROW_LR] = (float)pnb_hold_cosine(o->lr, i, steps, o->lr_hold, o->lr_end);
        row[PNB_ROW_AUX_LR] = (float)pnb_hold_cosine(o->aux_lr, i, steps, o->lr_hold, o->lr_end);
        row[ROW_EMA] = (float)(1 - fmin(o->ema, (2.0 + i) / (11.0 + i)));
        pnb_window_set(&w, schedule, (double)i / steps, row);
    }
}

static pnb_status describe(pnb_solver *s, const plan *p) {
    const pnb_task *t = &s->task;
    uint32_t n = t->n_measurements ? t->n_measurements : 1;
    pnb_shape m = pnb_shape3(1, 1, (uint32_t)pnb_shape_count(pnb_operator_measurement_shape(t->op)));
    pnb_shape image = pnb_shape3(1, 1, (uint32_t)pnb_shape_count(pnb_operator_image_shape(t->op)));
    pnb_prior **both[] = {&s->generator, &s->average};
    for (int i = 0; i < 2; i++)
        PNB_TRY(pnb_generator_create(&p->gen, t->prior, t->plan_only ? NULL : t->gpu, t->seed, both[i]));
    pnb_learner learner = learner_of(s, p->o);
    PNB_TRY(pnb_matching_describe(s, &p->m));
    PNB_TRY(pnb_learner_describe(&learner, s->err));
    PNB_TRY(pnb_pool_describe(s->err, s->store, "measurements", n, m, p->batch, &s->measurements));
    if (p->o->supervised > 0) PNB_TRY(pnb_pool_describe(s->err, s->store, "truths", n, image, p->batch, &s->truths));
    fill_rows(s, p->o);
    PNB_TRY(pnb_solver_commit(s));
    if (t->plan_only) return PNB_OK;
    PNB_TRY(pnb_pool_write(&s->measurements, t->gpu, t->n_measurements ? t->measurements : t->y, &s->fingerprint));
    return s->truths.n ? pnb_pool_write(&s->truths, t->gpu, t->truths, &s->fingerprint) : PNB_OK;
}

static pnb_status add_sampling(pnb_solver *s, plan *p, pnb_prior *network) {
    pnb_program *sample;
    p->network = network;
    p->batch = at_once(s->sample);
    PNB_TRY(pnb_solver_build(s, "samples of the generator", sample_graph, p, &sample));
    s->phases[s->n_phases++] = (pnb_phase){
        .name = "sampling", .steps = s->particles / p->batch, .n_items = 1, .items = {{sample, 1, 1, p->batch}}};
    s->finish_phase = s->n_phases;
    return PNB_OK;
}

static pnb_status build(pnb_solver *s, plan *p) {
    const pnb_amortized_options *o = p->o;
    uint32_t extra = (uint32_t)o->aux_steps - 1, warm = (uint32_t)o->aux_warmup;
    uint64_t learned = 2ull * p->batch;
    pnb_program *step, *aux = NULL;
    PNB_TRY(describe(s, p));
    PNB_TRY(pnb_solver_initialise(s, p->gen.noise));
    PNB_TRY(pnb_solver_build(s, "generator step", main_graph, p, &step));
    if (extra + warm) PNB_TRY(pnb_solver_build(s, "auxiliary step", aux_graph, p, &aux));
    if (warm) {
        s->phases[s->n_phases++] = (pnb_phase){
            .name = "auxiliary network", .steps = warm, .n_items = 1, .items = {{aux, 1, 1, learned}}};
    }
    pnb_phase *phase = &s->phases[s->n_phases++];
    *phase = (pnb_phase){.name = "amortized matching",
                         .steps = (uint32_t)o->steps,
                         .losses = PNB_LOSS_DATA | PNB_LOSS_PRIOR | PNB_LOSS_AUXILIARY};
    if (extra) phase->items[phase->n_items++] = (pnb_phase_item){aux, extra, extra, learned};
    phase->items[phase->n_items++] = (pnb_phase_item){step, 1, 1, 3ull * p->batch};
    return add_sampling(s, p, s->average);
}

static pnb_status check_consistency(pnb_error *err, const pnb_task *task, double consistency) {
    if (consistency == 0 || (pnb_pigdm_fits(task) && task->sigma_y > 0)) return PNB_OK;
    return pnb_fail(err, PNB_ERROR_INPUT,
                    "consistency %g needs a linear operator and one noise.sigma above 0 for all entries, which operator %s and sigma %g "
                    "are not; use 0",
                    consistency, pnb_operator_name(task->op), task->sigma_y);
}

pnb_status pnb_amortized_check(pnb_error *err, const pnb_task *task, const pnb_amortized_options *o) {
    PNB_TRY(pnb_refuse_photons(err, "amortized", task));
    if (o->distance != PNB_DISTANCE_L2 && o->alpha != 0.5) {
        return pnb_fail(err, PNB_ERROR_INPUT, "alpha %g belongs to distance l2, found %s; leave one of them", o->alpha,
                        pnb_distance_words[o->distance]);
    }
    if (o->supervised > 0 && !task->truths && task->n_measurements) {
        return pnb_fail(err, PNB_ERROR_INPUT,
                        "supervised is %g, but there are no truths: give them (--truths), or leave "
                        "supervised at 0, which needs measurements alone",
                        o->supervised);
    }
    PNB_TRY(check_consistency(err, task, o->consistency));
    if (o->input == PNB_INPUT_DRAW && o->consistency == 0)
        return pnb_fail(err, PNB_ERROR_INPUT, "input draw needs consistency above 0, found 0; give it, or use input guess");
    if (is_conditional(task, o) && pnb_prior_get_kind(task->prior) == PNB_PRIOR_MLP) {
        return pnb_fail(err, PNB_ERROR_INPUT,
                        "auxiliary conditional: not with an MLP prior, whose auxiliary network is a "
                        "copy of it; use auxiliary marginal");
    }
    return PNB_OK;
}

pnb_status pnb_amortized_create(pnb_error *err, const pnb_task *task, const char *method, pnb_match_gradient gradient,
                                const pnb_amortized_options *o, pnb_solver **out) {
    uint32_t k = (uint32_t)o->particles;
    plan p = {.o = o, .m = matching_of(task, gradient, o), .gen = generator_of(o), .batch = (uint32_t)o->batch};
    pnb_shape samples = pnb_samples_shape(task, k);
    pnb_solver *s;
    *out = NULL;
    PNB_TRY(pnb_amortized_check(err, task, o));
    PNB_TRY(pnb_solver_begin(err, task, method, samples, (uint32_t)o->steps + k / at_once(samples), &s));
    pnb_solver_fingerprint(s, o, sizeof *o);
    pnb_status status = build(s, &p);
    if (status != PNB_OK)
        pnb_solver_destroy(&s);
    else
        s->gen = p.gen;
    *out = s;
    return status;
}

/* ---- the generator's file, and its use --------------------------------------------------------------------------- */

enum { MOST_FACTS = 16, OWN_FACTS = 6, VALUE_SIZE = 32 };

pnb_status pnb_solver_save_generator(pnb_solver *s, const char *path, const pnb_safetensors_pair *facts, size_t n) {
    char noise[VALUE_SIZE], rho[VALUE_SIZE], consistency[VALUE_SIZE];
    if (!s->average)
        return pnb_fail(s->err, PNB_ERROR_USAGE, "%s: it trains no generator; ppm_amortized and davi do", s->method);
    PNB_TRY(pnb_gpu_wait(s->task.gpu));
    s->in_flight = 0;
    snprintf(noise, sizeof noise, "%.17g", s->gen.noise);
    snprintf(rho, sizeof rho, "%.17g", s->gen.rho);
    snprintf(consistency, sizeof consistency, "%.17g", s->gen.consistency);
    pnb_safetensors_pair all[OWN_FACTS + MOST_FACTS] = {{"generator", s->method},
                                                        {"generator_map", pnb_generator_maps[s->gen.map]},
                                                        {"generator_noise", noise},
                                                        {"generator_rho", rho},
                                                        {"generator_consistency", consistency},
                                                        {"generator_input", pnb_generator_inputs[s->gen.input]}};
    for (size_t i = 0; i < n && i < MOST_FACTS; i++) all[OWN_FACTS + i] = facts[i];
    return pnb_prior_save(s->average, s->task.gpu, path, false, all, OWN_FACTS + (n < MOST_FACTS ? n : MOST_FACTS));
}

/* Where word stands in a list that NULL ends; -1: nowhere. */
static int place_of(const char *const *words, const char *word) {
    for (int i = 0; words[i]; i++)
        if (strcmp(words[i], word) == 0) return i;
    return -1;
}

static pnb_status read_map(pnb_error *err, const pnb_safetensors *facts, pnb_generator *gen) {
    const char *map = pnb_safetensors_metadata(facts, "generator_map"),
               *noise = pnb_safetensors_metadata(facts, "generator_noise"),
               *rho = pnb_safetensors_metadata(facts, "generator_rho"),
               *consistency = pnb_safetensors_metadata(facts, "generator_consistency"),
               *input = pnb_safetensors_metadata(facts, "generator_input"); /* files from before these have none */
    if (!map || !noise || !rho)
        return pnb_fail(err, PNB_ERROR_MODEL,
                        "'%s' is no generator of `penumbra amortize`: its metadata has no generator_map",
                        pnb_safetensors_path(facts));
    int map_at = place_of(pnb_generator_maps, map), input_at = input ? place_of(pnb_generator_inputs, input) : PNB_INPUT_GUESS;
    if (input_at < 0)
        return pnb_fail(err, PNB_ERROR_MODEL, "'%s': expected generator_input guess or draw, found %s", pnb_safetensors_path(facts), input);
    *gen = (pnb_generator){.map = (pnb_generator_map)map_at,
                           .noise = strtod(noise, NULL),
                           .rho = strtod(rho, NULL),
                           .consistency = consistency ? strtod(consistency, NULL) : 0,
                           .input = (pnb_generator_input)input_at};
    if (map_at >= 0 && gen->noise >= 0 && gen->rho > 0 && gen->consistency >= 0) return PNB_OK;
    return pnb_fail(err, PNB_ERROR_MODEL,
                    "'%s': expected generator_map denoise or tanh with a noise and a level, found %s, %s, %s",
                    pnb_safetensors_path(facts), map, noise, rho);
}

pnb_status pnb_reconstructor_create(pnb_error *err, const pnb_task *task, const pnb_safetensors *facts,
                                    uint32_t particles, pnb_solver **out) {
    plan p = {0};
    pnb_shape samples = pnb_samples_shape(task, particles);
    pnb_solver *s;
    *out = NULL;
    PNB_TRY(read_map(err, facts, &p.gen));
    PNB_TRY(check_consistency(err, task, p.gen.consistency));
    PNB_TRY(pnb_solver_begin(err, task, "reconstruct", samples, particles / at_once(samples), &s));
    pnb_status status = pnb_solver_commit(s);
    if (status == PNB_OK) status = add_sampling(s, &p, task->prior);
    if (status != PNB_OK) pnb_solver_destroy(&s);
    *out = s;
    return status;
}

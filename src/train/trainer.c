/* The trainer: its persistent tensors, the program of a step and that of a validation batch, and its checkpoints. */
#include "train/trainer.h"

#include "base/hash.h"
#include "base/str.h"
#include "ops/ops.h"
#include "solve/state_file.h"
#include "solve/step_state.h"
#include "train/batch_push.h"
#include "train/learner.h"
#include "train/pool.h"

#include <inttypes.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_IN_FLIGHT = 4, LOGS = 200, VALIDATIONS = 50 };

/* Philox streams of the draws: every use of noise has its own. */
enum { STREAM_BATCH = 1, STREAM_LEVEL, STREAM_NOISE };

/* Free columns of a row: how far the running mean of the weights moves, and the weight of a loss in the mean that is
 * logged. */
enum { ROW_EMA = PNB_ROW_FREE, ROW_MEAN };

/* Images in device memory, and what a program that runs over them carries. */
typedef struct images {
    pnb_pool pool;
    pnb_storage *state, *table, *loss;
    pnb_program *program;
} images;

struct pnb_trainer {
    pnb_error *err;
    pnb_train_task task;
    pnb_train_options o;
    pnb_store *store; /* moments, states, tables, images */
    pnb_storage *schedule;
    pnb_program_memory *memory; /* of both programs: what they keep lies in storages */
    images train, held;
    uint32_t batches; /* of a validation */
    uint32_t done, in_flight, log_every, validate_every;
    uint64_t fingerprint, choices;
};

/* ---- persistent tensors ------------------------------------------------------------------------------------------ */

static pnb_status no_memory(pnb_error *err, const char *what) {
    return pnb_fail(err, PNB_ERROR_OUT_OF_MEMORY, "train: no host memory for %s", what);
}

/* name: "train" or "held". */
static pnb_status describe_images(pnb_trainer *t, const char *name, const pnb_images *im, uint32_t rows, images *p) {
    pnb_shape image = pnb_shape3(im->channels, im->size, im->size);
    char full[32];
    PNB_TRY(pnb_pool_describe(t->err, t->store, name, (uint32_t)im->n, image, (uint32_t)t->o.batch, &p->pool));
    const struct {
        const char *name;
        pnb_shape shape;
        pnb_storage_kind kind;
        pnb_storage **out;
    } rest[] = {{"state", pnb_shape1(PNB_STATE_SIZE), PNB_STORAGE_VARIABLE, &p->state},
                {"table", pnb_shape2(rows, PNB_ROW_SIZE), PNB_STORAGE_FROZEN, &p->table},
                {"loss", pnb_shape1(1), PNB_STORAGE_VARIABLE, &p->loss}};
    for (size_t i = 0; i < sizeof rest / sizeof *rest; i++) {
        snprintf(full, sizeof full, "%s.%s", name, rest[i].name);
        PNB_TRY(pnb_store_add(t->store, full, rest[i].shape, rest[i].kind, rest[i].out));
    }
    return PNB_OK;
}

static pnb_learner learner_of(const pnb_trainer *t) {
    return (pnb_learner){.store = t->store,
                         .prefix = "",
                         .network = t->task.prior,
                         .average = t->task.average,
                         .beta1 = t->o.beta1,
                         .beta2 = t->o.beta2,
                         .decay = t->o.decay,
                         .clip = t->o.clip,
                         .ema_index = PNB_STATE_ROW + ROW_EMA};
}

/* ---- what is known in advance ------------------------------------------------------------------------------------ */

static double learning_rate(const pnb_train_options *o, uint32_t i) {
    uint32_t most = (uint32_t)o->steps / 10, warmup = (uint32_t)o->warmup < most ? (uint32_t)o->warmup : most;
    double rise = warmup ? fmin(1, (i + 1.0) / warmup) : 1;
    double fall = 0.5 * (1 + cos(3.14159265358979323846 * i / o->steps));
    return o->lr * rise * (o->lr_end + (1 - o->lr_end) * fall);
}

static void fill_row(const pnb_trainer *t, uint32_t i, uint32_t since, float *row) {
    const pnb_schedule *s = pnb_prior_schedule(t->task.prior);
    row[PNB_ROW_LR] = (float)learning_rate(&t->o, i);
    row[PNB_ROW_LAMBDA_FINE] = (float)s->lambda[0];
    row[PNB_ROW_LAMBDA_COARSE] = (float)s->lambda[s->steps - 1];
    row[ROW_EMA] = (float)(1 - fmin(t->o.ema, (2.0 + i) / (11.0 + i)));
    row[ROW_MEAN] = (float)(1.0 / (since + 1));
}

/* every: steps after which the mean of the losses begins anew. */
static pnb_status write_table(pnb_trainer *t, images *p, uint32_t rows, uint32_t every) {
    float *values = calloc(rows, PNB_ROW_SIZE * sizeof *values), state[PNB_STATE_SIZE];
    if (!values) return no_memory(t->err, "the table of steps");
    for (uint32_t i = 0; i < rows; i++) fill_row(t, i, i % every, values + (size_t)i * PNB_ROW_SIZE);
    pnb_status status = pnb_storage_write(p->table, t->task.gpu, values, (uint64_t)rows * PNB_ROW_SIZE);
    t->fingerprint = pnb_hash_floats(t->fingerprint, values, (size_t)rows * PNB_ROW_SIZE);
    free(values);
    PNB_TRY(status);
    pnb_step_state_initial(state);
    return pnb_storage_write(p->state, t->task.gpu, state, PNB_STATE_SIZE);
}

static pnb_status write_images(pnb_trainer *t, const images *p, const pnb_images *im) {
    return pnb_pool_write(&p->pool, t->task.gpu, im->data, &t->fingerprint);
}

/* ---- graphs ------------------------------------------------------------------------------------------------------ */

/* A batch with its noise, and the error of the noise that `prior` sees in it. */
typedef struct forward {
    pnb_tensor state, error, eps_hat;
} forward;

static pnb_status draw_batch(pnb_trainer *t, pnb_graph *g, const images *p, pnb_tensor state, pnb_tensor *x) {
    const pnb_train_options *o = &t->o;
    pnb_batch q = {
        .seed = t->task.seed, .stream = STREAM_BATCH, .flags = PNB_BATCH_IN_ORDER, .zoom_low = 1, .zoom_high = 1};
    if (p == &t->train) {
        q.flags = o->flip == PNB_FLIP_BOTH   ? PNB_BATCH_FLIP_X | PNB_BATCH_FLIP_Y
                  : o->flip == PNB_FLIP_NONE ? 0
                                             : PNB_BATCH_FLIP_X;
        q.zoom_low = (float)o->zoom_low;
        q.zoom_high = (float)o->zoom_high;
    }
    return pnb_pool_draw(&p->pool, g, state, q, x);
}

/* The loss joins the mean of those since the last logged step. */
static pnb_status record_loss(pnb_graph *g, const images *p, const forward *f) {
    pnb_tensor sum, loss, mean, rate, change;
    double count = (double)pnb_shape_count(pnb_graph_shape(g, f->error));
    PNB_TRY(pnb_reduce_all(g, PNB_SQNORM, f->error, &sum));
    PNB_TRY(pnb_affine(g, sum, (float)(1 / count), 0, &loss));
    PNB_TRY(pnb_graph_bind(g, p->loss, &mean));
    PNB_TRY(pnb_spread(g, f->state, PNB_STATE_ROW + ROW_MEAN, 1, &rate));
    PNB_TRY(pnb_sub(g, loss, mean, &change));
    PNB_TRY(pnb_axpby(g, 1, PNB_NONE, mean, 1, rate, change, &loss));
    return pnb_assign(g, mean, loss);
}

static pnb_status forward_graph(pnb_trainer *t, pnb_graph *g, const images *p, pnb_prior *prior, forward *f) {
    pnb_tensor table, x, eps, x_t, schedule;
    pnb_levels levels;
    float b1 = (float)t->o.beta1, b2 = (float)t->o.beta2;
    uint32_t n = (uint32_t)t->o.batch;
    PNB_TRY(pnb_graph_bind(g, p->state, &f->state));
    PNB_TRY(pnb_graph_bind(g, p->table, &table));
    PNB_TRY(pnb_graph_bind(g, t->schedule, &schedule));
    pnb_advance advance = {PNB_ADVANCE_STEP | PNB_ADVANCE_DRAW | PNB_ADVANCE_ADAM, b1, b2, b1, b2};
    PNB_TRY(pnb_step_state_advance(g, f->state, table, advance));
    PNB_TRY(draw_batch(t, g, p, f->state, &x));
    pnb_level_params q = {.count = n,
                          .seed = t->task.seed,
                          .stream = STREAM_LEVEL,
                          .sampling = PNB_T_UNIFORM,
                          .constant_weight = true,
                          .weight = 1};
    PNB_TRY(pnb_draw_levels(g, f->state, schedule, q, &levels));
    PNB_TRY(pnb_noise_normal(g, pnb_graph_shape(g, x), t->task.seed, STREAM_NOISE, f->state, PNB_STATE_DRAW, &eps));
    PNB_TRY(pnb_axpby(g, 1, levels.level.alpha, x, 1, levels.level.sigma, eps, &x_t));
    pnb_eps_params e = {.label = PNB_NONE, .checkpoint = t->o.checkpointing && p == &t->train};
    PNB_TRY(pnb_prior_eps(prior, g, x_t, levels.level, &e, &f->eps_hat));
    PNB_TRY(pnb_sub(g, f->eps_hat, eps, &f->error));
    return record_loss(g, p, f);
}

/* loss = |error|^2 / count, so its gradient is that of sum(eps_hat * error) times 2 / count. */
static pnb_status step_graph(pnb_trainer *t, pnb_graph *g) {
    forward f;
    pnb_learner learner = learner_of(t);
    PNB_TRY(forward_graph(t, g, &t->train, t->task.prior, &f));
    double count = (double)pnb_shape_count(pnb_graph_shape(g, f.error));
    return pnb_learner_step(&learner, g, f.state, f.eps_hat, f.error, 2 / count);
}

static pnb_status held_graph(pnb_trainer *t, pnb_graph *g) {
    forward f;
    return forward_graph(t, g, &t->held, t->task.average, &f);
}

static pnb_status make_program(pnb_trainer *t, const char *name, pnb_status (*build)(pnb_trainer *, pnb_graph *),
                               pnb_program **out) {
    pnb_graph *g;
    pnb_program_params params = {.memory_budget = t->task.memory_budget, .memory = t->memory};
    PNB_TRY(pnb_graph_create(t->err, t->task.gpu, name, &g));
    pnb_status status = build(t, g);
    if (status == PNB_OK) status = pnb_program_create(g, t->task.gpu, &params, out);
    pnb_graph_destroy(&g);
    if (status == PNB_ERROR_OUT_OF_MEMORY) {
        pnb_error why = *t->err;
        return pnb_fail(t->err, status, "%.800s (in training: a smaller batch, here %d, or checkpointing=true)", why.message,
                        t->o.batch);
    }
    if (status == PNB_OK) t->choices = pnb_choices_mix(t->choices, *out);
    return status;
}

/* ---- life -------------------------------------------------------------------------------------------------------- */

static bool has_held(const pnb_trainer *t) {
    return t->held.pool.n > 0;
}

static pnb_status check(const pnb_trainer *t) {
    const pnb_images *im = t->task.images;
    const pnb_train_options *o = &t->o;
    uint32_t multiple = pnb_prior_multiple(t->task.prior);
    if (im->n == 0 || im->n > UINT32_MAX)
        return pnb_fail(t->err, PNB_ERROR_INPUT, "train: expected 1 to %u images, found %llu", UINT32_MAX,
                        (unsigned long long)im->n);
    if (im->channels != pnb_prior_channels(t->task.prior) || im->size % multiple)
        return pnb_fail(
            t->err, PNB_ERROR_INPUT,
            "train: the network takes %u channels and sides that are multiples of %u, the images are %u x %u x %u",
            pnb_prior_channels(t->task.prior), multiple, im->channels, im->size, im->size);
    if (o->zoom_low > o->zoom_high)
        return pnb_fail(t->err, PNB_ERROR_INPUT, "zoom_low: expected at most zoom_high %g, found %g", o->zoom_high,
                        o->zoom_low);
    if (!(o->lr > 0)) return pnb_fail(t->err, PNB_ERROR_INPUT, "lr: expected a learning rate over 0, found %g", o->lr);
    return PNB_OK;
}

static pnb_status describe(pnb_trainer *t) {
    const pnb_images *held = t->task.held;
    uint32_t batch = (uint32_t)t->o.batch;
    PNB_TRY(pnb_store_create(t->err, "trainer", &t->store));
    pnb_learner learner = learner_of(t);
    PNB_TRY(pnb_learner_describe(&learner, t->err));
    PNB_TRY(describe_images(t, "train", t->task.images, (uint32_t)t->o.steps, &t->train));
    PNB_TRY(pnb_schedule_table_add(t->store, pnb_prior_schedule(t->task.prior), &t->schedule));
    if (!held || held->n == 0) return PNB_OK;
    t->batches = (uint32_t)((held->n + batch - 1) / batch);
    return describe_images(t, "held", held, t->batches, &t->held);
}

static pnb_status fill(pnb_trainer *t) {
    pnb_gpu *gpu = t->task.gpu;
    PNB_TRY(write_table(t, &t->train, (uint32_t)t->o.steps, t->log_every));
    PNB_TRY(write_images(t, &t->train, t->task.images));
    PNB_TRY(pnb_schedule_table_write(t->schedule, gpu, pnb_prior_schedule(t->task.prior), t->err));
    if (!has_held(t)) return PNB_OK;
    PNB_TRY(write_table(t, &t->held, t->batches, t->batches));
    return write_images(t, &t->held, t->task.held);
}

static pnb_status build(pnb_trainer *t) {
    pnb_gpu *gpu = t->task.gpu;
    PNB_TRY(check(t));
    PNB_TRY(describe(t));
    PNB_TRY(pnb_prior_commit(t->task.prior, gpu));
    PNB_TRY(pnb_prior_commit(t->task.average, gpu));
    PNB_TRY(pnb_store_commit(t->store, gpu));
    uint64_t first = pnb_prior_hash(t->task.prior);
    t->fingerprint = pnb_hash(PNB_HASH_START, &t->o, sizeof t->o);
    t->fingerprint = pnb_hash(t->fingerprint, &t->task.seed, sizeof t->task.seed);
    t->fingerprint = pnb_hash(t->fingerprint, &first, sizeof first);
    PNB_TRY(fill(t));
    PNB_TRY(pnb_program_memory_create(t->err, gpu, &t->memory));
    PNB_TRY(make_program(t, "training step", step_graph, &t->train.program));
    return has_held(t) ? make_program(t, "validation", held_graph, &t->held.program) : PNB_OK;
}

pnb_status pnb_trainer_create(pnb_error *err, const pnb_train_task *task, const pnb_train_options *options,
                              pnb_trainer **out) {
    *out = NULL;
    pnb_trainer *t = calloc(1, sizeof *t);
    if (!t) return no_memory(err, "the trainer");
    *t = (pnb_trainer){.err = err, .task = *task, .choices = PNB_HASH_START};
    t->o = *options;
    uint32_t steps = (uint32_t)options->steps;
    t->log_every = steps > LOGS ? steps / LOGS : 1;
    t->validate_every = options->validate_every ? (uint32_t)options->validate_every
                        : steps > VALIDATIONS   ? steps / VALIDATIONS
                                                : 1;
    pnb_status status = build(t);
    t->task.images = t->task.held = NULL;
    if (status != PNB_OK) pnb_trainer_destroy(&t);
    *out = t;
    return status;
}

void pnb_trainer_destroy(pnb_trainer **trainer) {
    pnb_trainer *t = trainer ? *trainer : NULL;
    if (!t) return;
    if (t->in_flight) (void)pnb_gpu_wait(t->task.gpu);
    pnb_program_destroy(&t->train.program);
    pnb_program_destroy(&t->held.program);
    pnb_program_memory_destroy(&t->memory);
    pnb_store_destroy(&t->store, t->task.gpu);
    pnb_pool_finish(&t->train.pool);
    pnb_pool_finish(&t->held.pool);
    free(t);
    *trainer = NULL;
}

/* ---- steps ------------------------------------------------------------------------------------------------------- */

static pnb_status wait(pnb_trainer *t) {
    t->in_flight = 0;
    return pnb_gpu_wait(t->task.gpu);
}

pnb_status pnb_trainer_step(pnb_trainer *t) {
    if (t->done >= (uint32_t)t->o.steps)
        return pnb_fail(t->err, PNB_ERROR_USAGE, "train: all %d steps are done", t->o.steps);
    if (t->in_flight >= MAX_IN_FLIGHT) PNB_TRY(wait(t));
    PNB_TRY(pnb_program_run(t->train.program));
    t->done++;
    t->in_flight++;
    return PNB_OK;
}

uint32_t pnb_trainer_step_index(const pnb_trainer *t) {
    return t->done;
}

bool pnb_trainer_logs(const pnb_trainer *t) {
    return t->done && (t->done % t->log_every == 0 || t->done == (uint32_t)t->o.steps);
}

bool pnb_trainer_validates(const pnb_trainer *t) {
    return has_held(t) && t->done && (t->done % t->validate_every == 0 || t->done == (uint32_t)t->o.steps);
}

static pnb_status read_loss(pnb_trainer *t, const images *p, const char *what, double *loss) {
    float v;
    PNB_TRY(wait(t));
    PNB_TRY(pnb_storage_read(p->loss, t->task.gpu, &v, 1));
    *loss = (double)v;
    if (isfinite(v)) return PNB_OK;
    return pnb_fail(
        t->err, PNB_ERROR_NUMERIC,
        "train: the %s loss became %f at step %u; try a smaller learning rate (lr, here %g) or a longer warm-up", what,
        (double)v, t->done, t->o.lr);
}

pnb_status pnb_trainer_loss(pnb_trainer *t, double *loss, double *norm) {
    float state[PNB_STATE_SIZE];
    PNB_TRY(read_loss(t, &t->train, "training", loss));
    if (!norm) return PNB_OK;
    PNB_TRY(pnb_storage_read(t->train.state, t->task.gpu, state, PNB_STATE_SIZE));
    *norm = (double)state[PNB_LEARNER_NORM];
    return PNB_OK;
}

pnb_status pnb_trainer_validate(pnb_trainer *t, double *loss) {
    float state[PNB_STATE_SIZE];
    if (!has_held(t)) return pnb_fail(t->err, PNB_ERROR_USAGE, "train: no images are held out for validation");
    pnb_step_state_initial(state);
    PNB_TRY(wait(t));
    PNB_TRY(pnb_storage_write(t->held.state, t->task.gpu, state, PNB_STATE_SIZE));
    for (uint32_t i = 0; i < t->batches; i++) {
        PNB_TRY(pnb_program_run(t->held.program));
        if (i % MAX_IN_FLIGHT == MAX_IN_FLIGHT - 1) PNB_TRY(wait(t));
    }
    return read_loss(t, &t->held, "validation", loss);
}

uint64_t pnb_trainer_planned_bytes(const pnb_trainer *t) {
    return pnb_store_bytes(t->store) + pnb_store_bytes(pnb_prior_store(t->task.prior)) +
           pnb_store_bytes(pnb_prior_store(t->task.average)) + pnb_program_memory_bytes(t->memory);
}

/* ---- checkpoints ------------------------------------------------------------------------------------------------- */

enum { PARTS = 3 };
static void parts_of(const pnb_trainer *t, pnb_state_part out[PARTS]) {
    out[0] = (pnb_state_part){"trainer", t->store};
    out[1] = (pnb_state_part){"weights", pnb_prior_store(t->task.prior)};
    out[2] = (pnb_state_part){"average", pnb_prior_store(t->task.average)};
}

uint64_t pnb_trainer_fingerprint(const pnb_trainer *t) {
    return t->fingerprint;
}

pnb_status pnb_trainer_save(pnb_trainer *t, const char *path) {
    pnb_state_part parts[PARTS];
    char fingerprint[32], choices[32], done[32];
    PNB_TRY(wait(t));
    snprintf(fingerprint, sizeof fingerprint, "%016" PRIx64, t->fingerprint);
    snprintf(choices, sizeof choices, "%016" PRIx64, t->choices);
    snprintf(done, sizeof done, "%" PRIu32, t->done);
    pnb_safetensors_pair meta[] = {{"format", "penumbra training checkpoint 1"},
                                   {"fingerprint", fingerprint},
                                   {"choices", choices},
                                   {"steps_done", done}};
    parts_of(t, parts);
    return pnb_state_write(t->err, t->task.gpu, path, parts, PARTS, meta, sizeof meta / sizeof *meta);
}

/* A number of the metadata must be the one of this run. */
static pnb_status check_number(pnb_trainer *t, pnb_safetensors *file, const char *key, uint64_t value,
                               const char *why) {
    const char *found = pnb_safetensors_metadata(file, key);
    char expected[32];
    snprintf(expected, sizeof expected, "%016" PRIx64, value);
    if (found && strcmp(found, expected) == 0) return PNB_OK;
    return pnb_fail(t->err, PNB_ERROR_INPUT, "checkpoint '%s': %s (%s is %s there, %s here)",
                    pnb_safetensors_path(file), why, key, found ? found : "absent", expected);
}

static pnb_status restore(pnb_trainer *t, pnb_safetensors *file) {
    pnb_state_part parts[PARTS];
    const char *done = pnb_safetensors_metadata(file, "steps_done");
    PNB_TRY(
        check_number(t, file, "fingerprint", t->fingerprint,
                     "it belongs to other images, options, first weights or another seed; run without resume, or with "
                     "the settings of the first run"));
    PNB_TRY(check_number(t, file, "choices", t->choices,
                         "its run took other kernels than this one would, so the result would be another; run without "
                         "resume, or with --no-tune if it was not tuned"));
    unsigned long steps = done ? strtoul(done, NULL, 10) : ULONG_MAX;
    if (steps > (unsigned long)t->o.steps)
        return pnb_fail(t->err, PNB_ERROR_INPUT, "checkpoint '%s': says %s steps are done, the run has %d",
                        pnb_safetensors_path(file), done ? done : "no", t->o.steps);
    parts_of(t, parts);
    PNB_TRY(pnb_state_read(t->err, t->task.gpu, file, parts, PARTS));
    t->done = (uint32_t)steps;
    return PNB_OK;
}

pnb_status pnb_trainer_load(pnb_trainer *t, const char *path) {
    pnb_safetensors *file;
    PNB_TRY(wait(t));
    PNB_TRY(pnb_safetensors_open(t->err, path, &file));
    pnb_status status = restore(t, file);
    pnb_safetensors_close(file);
    return status;
}

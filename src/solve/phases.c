/* The machinery that all methods share: persistent tensors, stepping through phases, losses, samples. */
#include "solve/phases.h"

#include "base/hash.h"
#include "ops/ops.h"
#include "solve/state_file.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_IN_FLIGHT = 4 };

/* ---- making a solver ------------------------------------------------------------------------------------------- */

void pnb_solver_fingerprint(pnb_solver *s, const void *bytes, size_t n) {
    s->fingerprint = pnb_hash(s->fingerprint, bytes, n);
}

static pnb_shape with_batch(uint32_t n, pnb_shape one) {
    pnb_shape s = {one.rank + 1, {n, 1, 1, 1}};
    for (uint32_t i = 0; i < one.rank && i < 3; i++) s.d[i + 1] = one.d[i];
    return s;
}

pnb_shape pnb_samples_shape(const pnb_task *task, uint32_t particles) {
    return with_batch(particles, pnb_operator_image_shape(task->op));
}

static pnb_status describe(pnb_solver *s, uint32_t steps) {
    const pnb_task *t = &s->task;
    PNB_TRY(pnb_store_create(s->err, "solver", &s->store));
    PNB_TRY(pnb_store_add(s->store, "x", s->sample, PNB_STORAGE_VARIABLE, &s->x));
    PNB_TRY(pnb_store_add(s->store, "losses", pnb_shape1(4), PNB_STORAGE_VARIABLE, &s->losses));
    PNB_TRY(pnb_store_add(s->store, "state", pnb_shape1(PNB_STATE_SIZE), PNB_STORAGE_VARIABLE, &s->state));
    PNB_TRY(pnb_store_add(s->store, "table", pnb_shape2(steps, PNB_ROW_SIZE), PNB_STORAGE_FROZEN, &s->table));
    PNB_TRY(pnb_schedule_table_add(s->store, pnb_prior_schedule(t->prior), &s->schedule));
    if (t->noise) {
        pnb_shape flat = pnb_shape2(steps, (uint32_t)pnb_shape_count(s->sample));
        PNB_TRY(pnb_store_add(s->store, "noise", flat, PNB_STORAGE_FROZEN, &s->noise));
    }
    if (!t->op) return PNB_OK;
    pnb_shape y = with_batch(s->particles, pnb_operator_measurement_shape(t->op));
    return pnb_store_add(s->store, "y", y, PNB_STORAGE_FROZEN, &s->y);
}

pnb_status pnb_solver_begin(pnb_error *err, const pnb_task *task, const char *method, pnb_shape sample, uint32_t steps,
                            pnb_solver **out) {
    *out = NULL;
    if (steps == 0) return pnb_fail(err, PNB_ERROR_INPUT, "%s: the number of steps must be at least 1", method);
    pnb_solver *s = calloc(1, sizeof *s);
    float *rows = calloc((size_t)steps * PNB_ROW_SIZE, sizeof *rows);
    if (!s || !rows) {
        free(s);
        free(rows);
        return pnb_fail(err, PNB_ERROR_OUT_OF_MEMORY, "%s: no host memory for the solver", method);
    }
    *s = (pnb_solver){
        .err = err, .task = *task, .method = method, .particles = sample.d[0], .sample = sample, .rows = rows};
    s->n_rows = steps;
    for (uint32_t i = 0; i < steps; i++) rows[(size_t)i * PNB_ROW_SIZE + PNB_ROW_STEP] = (float)i;
    s->fingerprint = s->choices = PNB_HASH_START;
    pnb_solver_fingerprint(s, method, strlen(method));
    pnb_solver_fingerprint(s, &sample, sizeof sample);
    pnb_solver_fingerprint(s, &task->seed, sizeof task->seed);
    uint64_t hash = pnb_prior_hash(task->prior);
    pnb_solver_fingerprint(s, &hash, sizeof hash);
    if (task->y) {
        uint64_t m = pnb_shape_count(pnb_operator_measurement_shape(task->op));
        pnb_solver_fingerprint(s, task->y, m * sizeof *task->y);
        pnb_solver_fingerprint(s, &task->sigma_y, sizeof task->sigma_y);
        if (task->photons.gain > 0) pnb_solver_fingerprint(s, &task->photons, sizeof task->photons);
        hash = pnb_operator_hash(task->op);
        pnb_solver_fingerprint(s, &hash, sizeof hash);
    }
    if (task->start) pnb_solver_fingerprint(s, task->start, pnb_shape_count(sample) * sizeof *task->start);
    pnb_status status = pnb_program_memory_create(err, task->plan_only ? NULL : task->gpu, &s->memory);
    if (status == PNB_OK) status = describe(s, steps);
    if (status != PNB_OK) {
        pnb_solver_destroy(&s);
        return status;
    }
    *out = s;
    return PNB_OK;
}

static pnb_status upload_measurement(pnb_solver *s) {
    uint64_t m = pnb_shape_count(pnb_operator_measurement_shape(s->task.op));
    float *all = malloc(m * s->particles * sizeof *all);
    if (!all) return pnb_fail(s->err, PNB_ERROR_OUT_OF_MEMORY, "%s: no host memory for the measurement", s->method);
    for (uint32_t k = 0; k < s->particles; k++) memcpy(all + k * m, s->task.y, m * sizeof *all);
    pnb_status status = pnb_storage_write(s->y, s->task.gpu, all, m * s->particles);
    free(all);
    return status;
}

pnb_status pnb_solver_commit(pnb_solver *s) {
    pnb_gpu *gpu = s->task.gpu;
    if (s->task.plan_only) return PNB_OK;
    PNB_TRY(pnb_store_commit(s->store, gpu));
    if (s->adapter) PNB_TRY(pnb_adapter_commit(s->adapter, gpu));
    if (s->generator) PNB_TRY(pnb_prior_commit(s->generator, gpu));
    if (s->average) PNB_TRY(pnb_prior_commit(s->average, gpu));
    PNB_TRY(pnb_storage_write(s->table, gpu, s->rows, (uint64_t)s->n_rows * PNB_ROW_SIZE));
    pnb_solver_fingerprint(s, s->rows, (size_t)s->n_rows * PNB_ROW_SIZE * sizeof *s->rows);
    free(s->rows);
    s->rows = NULL;
    PNB_TRY(pnb_schedule_table_write(s->schedule, gpu, pnb_prior_schedule(s->task.prior), s->err));
    float state[PNB_STATE_SIZE];
    pnb_step_state_initial(state);
    PNB_TRY(pnb_storage_write(s->state, gpu, state, PNB_STATE_SIZE));
    if (s->noise)
        PNB_TRY(pnb_storage_write(s->noise, gpu, s->task.noise, pnb_shape_count(pnb_storage_shape(s->noise))));
    return s->y ? upload_measurement(s) : PNB_OK;
}

uint64_t pnb_choices_mix(uint64_t hash, const pnb_program *p) {
    size_t count;
    const pnb_choice_made *made = pnb_program_choices(p, &count);
    for (size_t i = 0; i < count; i++) {
        hash = pnb_hash(hash, made[i].key, strlen(made[i].key) + 1);
        hash = pnb_hash(hash, made[i].name, strlen(made[i].name) + 1);
    }
    return hash;
}

pnb_status pnb_solver_program(pnb_solver *s, pnb_graph **g, pnb_program **out) {
    pnb_program_params params = {.memory_budget = s->task.memory_budget, .profile = s->task.profile, .memory = s->memory};
    pnb_status status = PNB_OK;
    if (s->n_programs == PNB_MAX_PROGRAMS) {
        status = pnb_fail(s->err, PNB_ERROR_INTERNAL, "%s: more than %d programs", s->method, PNB_MAX_PROGRAMS);
    } else {
        status = pnb_program_create(*g, s->task.gpu, &params, out);
    }
    pnb_graph_destroy(g);
    if (status == PNB_OK) {
        s->programs[s->n_programs++] = *out;
        s->choices = pnb_choices_mix(s->choices, *out);
    }
    return status;
}

pnb_status pnb_solver_build(pnb_solver *s, const char *name, pnb_graph_builder build, const void *user,
                            pnb_program **out) {
    pnb_graph *g;
    PNB_TRY(pnb_graph_create(s->err, s->task.gpu, name, &g));
    pnb_status status = build(s, g, user);
    if (status != PNB_OK) pnb_graph_destroy(&g);
    return status == PNB_OK ? pnb_solver_program(s, &g, out) : status;
}

pnb_status pnb_solver_only_phase(pnb_solver *s, uint32_t losses, pnb_graph_builder step, const void *user) {
    pnb_program *program;
    PNB_TRY(pnb_solver_build(s, s->method, step, user, &program));
    s->phases[0] = (pnb_phase){.name = s->method,
                               .steps = s->n_rows,
                               .losses = losses,
                               .n_items = 1,
                               .items = {{program, 1, 1, s->particles}}};
    s->n_phases = s->finish_phase = 1;
    return PNB_OK;
}

pnb_program *pnb_solver_get_program(const pnb_solver *s, uint32_t i) {
    return i < s->n_programs ? s->programs[i] : NULL;
}

void pnb_solver_destroy(pnb_solver **solver) {
    pnb_solver *s = solver ? *solver : NULL;
    if (!s) return;
    pnb_gpu *gpu = s->task.gpu;
    if (s->in_flight) (void)pnb_gpu_wait(gpu);
    for (uint32_t i = 0; i < s->n_programs; i++) pnb_program_destroy(&s->programs[i]);
    pnb_program_memory_destroy(&s->memory);
    pnb_adapter_destroy(&s->adapter, gpu);
    pnb_prior_destroy(&s->generator, gpu);
    pnb_prior_destroy(&s->average, gpu);
    pnb_pool_finish(&s->measurements);
    pnb_pool_finish(&s->truths);
    pnb_store_destroy(&s->store, gpu);
    free(s->rows);
    free(s);
    *solver = NULL;
}

double pnb_hold_cosine(double lr, uint32_t i, uint32_t n, double hold, double end) {
    double f = (double)i / n;
    if (f < hold) return lr;
    return lr * (end + (1 - end) * 0.5 * (1 + cos(3.14159265358979323846 * (f - hold) / (1 - hold))));
}

/* ---- pieces of graphs -------------------------------------------------------------------------------------------- */

pnb_status pnb_solver_column(const pnb_solver *s, pnb_graph *g, pnb_tensor state, uint32_t c, pnb_tensor *out) {
    return pnb_spread(g, state, PNB_STATE_ROW + c, s->particles, out);
}

pnb_status pnb_solver_noise(const pnb_solver *s, pnb_graph *g, pnb_tensor state, uint32_t stream, pnb_tensor *out) {
    pnb_tensor table, step;
    if (!s->noise) return pnb_noise_normal(g, s->sample, s->task.seed, stream, state, PNB_STATE_DRAW, out);
    PNB_TRY(pnb_graph_bind(g, s->noise, &table));
    PNB_TRY(pnb_spread(g, state, PNB_STATE_ROW + PNB_ROW_STEP, 1, &step));
    PNB_TRY(pnb_lookup(g, table, step, out));
    return pnb_graph_reshape(g, *out, s->sample, out);
}

void pnb_row_set_level(float *row, uint32_t first, const pnb_schedule *sch, uint32_t t) {
    row[first] = (float)pnb_schedule_time(sch, t);
    row[first + 1] = (float)sch->alpha[t];
    row[first + 2] = (float)sch->sigma[t];
}

void pnb_row_set_rho(float *row, uint32_t first, const pnb_schedule *sch, double rho) {
    double alpha = 1 / sqrt(1 + rho * rho);
    row[first] = (float)pnb_schedule_t_of_rho(sch, rho);
    row[first + 1] = (float)alpha;
    row[first + 2] = (float)(rho * alpha);
}

void pnb_row_set_vp(float *row, uint32_t first, const pnb_schedule *sch, double rho) {
    pnb_row_set_rho(row, first, sch, rho);
    row[first] = (float)pnb_time_of_sigma(sch->time, rho);
}

double pnb_vp_time(uint32_t i, uint32_t n) {
    return i < n ? 1 - (n > 1 ? (double)i / (n - 1) : 0) * (1 - 1e-3) : pnb_vp_tau_of_sigma(0.01);
}

pnb_status pnb_solver_level(const pnb_solver *s, pnb_graph *g, pnb_tensor state, uint32_t first, pnb_level *out) {
    PNB_TRY(pnb_solver_column(s, g, state, first, &out->t));
    PNB_TRY(pnb_solver_column(s, g, state, first + 1, &out->alpha));
    return pnb_solver_column(s, g, state, first + 2, &out->sigma);
}

pnb_status pnb_solver_record_losses(pnb_solver *s, pnb_graph *g, pnb_tensor data, pnb_tensor prior,
                                    pnb_tensor auxiliary) {
    pnb_tensor zero, all, target, parts[4] = {data, prior, auxiliary, PNB_NONE};
    PNB_TRY(pnb_constant(g, pnb_shape1(1), 0, &zero));
    for (int i = 0; i < 4; i++) {
        if (parts[i] == PNB_NONE)
            parts[i] = zero;
        else
            PNB_TRY(pnb_reduce_all(g, PNB_MEAN, parts[i], &parts[i]));
    }
    PNB_TRY(pnb_concat(g, 0, parts, 4, &all));
    PNB_TRY(pnb_graph_bind(g, s->losses, &target));
    return pnb_assign(g, target, all);
}

pnb_status pnb_project(pnb_solver *s, pnb_graph *g) {
    pnb_tensor x, y, r;
    PNB_TRY(pnb_graph_bind(g, s->x, &x));
    PNB_TRY(pnb_graph_bind(g, s->y, &y));
    PNB_TRY(pnb_operator_apply(s->task.op, g, x, &r));
    PNB_TRY(pnb_sub(g, y, r, &r));
    PNB_TRY(pnb_operator_pinv(s->task.op, g, r, &r));
    PNB_TRY(pnb_add(g, x, r, &r));
    return pnb_assign(g, x, r);
}

typedef struct beginning {
    double noise, scale;
} beginning;

static pnb_status initial_graph(pnb_solver *s, pnb_graph *g, const void *user) {
    const beginning *b = user;
    pnb_tensor y, guess, xi, start, x;
    PNB_TRY(pnb_graph_bind(g, s->x, &x));
    guess = x;
    if (!s->task.start) {
        PNB_TRY(pnb_graph_bind(g, s->y, &y));
        PNB_TRY(pnb_operator_initial(s->task.op, g, y, &guess));
    }
    PNB_TRY(pnb_noise_normal(g, s->sample, s->task.seed, PNB_STREAM_INIT, PNB_NONE, 0, &xi));
    PNB_TRY(pnb_axpby(g, (float)b->scale, PNB_NONE, guess, (float)(b->scale * b->noise), PNB_NONE, xi, &start));
    return pnb_assign(g, x, start);
}

static pnb_status initialise(pnb_solver *s, beginning b) {
    pnb_program *p;
    if (s->task.start && !s->task.plan_only)
        PNB_TRY(pnb_storage_write(s->x, s->task.gpu, s->task.start, pnb_shape_count(s->sample)));
    PNB_TRY(pnb_solver_build(s, "initial guess", initial_graph, &b, &p));
    return pnb_solver_run_once(s, p);
}

pnb_status pnb_solver_initialise(pnb_solver *s, double noise) {
    return initialise(s, (beginning){noise, 1});
}

pnb_status pnb_solver_initialise_at(pnb_solver *s, double rho) {
    return initialise(s, (beginning){rho, 1 / sqrt(1 + rho * rho)});
}

pnb_status pnb_solver_run_once(pnb_solver *s, pnb_program *p) {
    if (s->task.plan_only) return PNB_OK;
    PNB_TRY(pnb_program_run(p));
    return pnb_gpu_wait(s->task.gpu);
}

/* ---- stepping ---------------------------------------------------------------------------------------------------- */

uint32_t pnb_solver_particles(const pnb_solver *s) {
    return s->particles;
}
uint32_t pnb_solver_step_index(const pnb_solver *s) {
    return s->done;
}
uint64_t pnb_solver_evaluations(const pnb_solver *s) {
    return s->evaluations;
}

uint64_t pnb_solver_all_evaluations(const pnb_solver *s) {
    uint64_t n = 0;
    for (uint32_t i = 0; i < s->n_phases; i++) {
        for (uint32_t k = 0; k < s->phases[i].n_items; k++) {
            const pnb_phase_item *item = &s->phases[i].items[k];
            n += item->evaluations * (item->first_repeat + (uint64_t)item->repeat * (s->phases[i].steps - 1));
        }
    }
    return n;
}

uint32_t pnb_solver_steps(const pnb_solver *s) {
    uint32_t n = 0;
    for (uint32_t i = 0; i < s->n_phases; i++) n += s->phases[i].steps;
    return n;
}

/* The phase of step `index` and the step's number within it; the last phase when all is done. */
static const pnb_phase *phase_at(const pnb_solver *s, uint32_t index, uint32_t *within) {
    uint32_t i = 0;
    while (i + 1 < s->n_phases && index >= s->phases[i].steps) index -= s->phases[i++].steps;
    *within = index;
    return &s->phases[i];
}

const char *pnb_solver_phase(const pnb_solver *s) {
    uint32_t within;
    return phase_at(s, s->done, &within)->name;
}

size_t pnb_solver_parts(const pnb_solver *s, pnb_step_part *out, size_t room) {
    uint32_t within;
    size_t n = 0;
    const pnb_phase *phase = phase_at(s, s->done, &within);
    for (uint32_t i = 0; i < phase->n_items; i++) {
        const pnb_phase_item *item = &phase->items[i];
        uint32_t runs = within == 0 ? item->first_repeat : item->repeat;
        if (runs && n < room) out[n] = (pnb_step_part){item->program, runs, item->evaluations};
        n += runs > 0;
    }
    return n;
}

pnb_status pnb_solver_step(pnb_solver *s) {
    pnb_step_part parts[PNB_MAX_ITEMS];
    if (s->done >= pnb_solver_steps(s)) {
        return pnb_fail(s->err, PNB_ERROR_USAGE, "%s: all %u steps are done", s->method, pnb_solver_steps(s));
    }
    if (s->in_flight >= MAX_IN_FLIGHT) {
        PNB_TRY(pnb_gpu_wait(s->task.gpu));
        s->in_flight = 0;
    }
    size_t n = pnb_solver_parts(s, parts, PNB_MAX_ITEMS);
    for (size_t i = 0; i < n; i++) {
        for (uint32_t r = 0; r < parts[i].runs; r++) PNB_TRY(pnb_program_run(parts[i].program));
        s->evaluations += parts[i].runs * parts[i].evaluations;
    }
    s->done++;
    s->in_flight++;
    return PNB_OK;
}

/* ---- reading ----------------------------------------------------------------------------------------------------- */

pnb_status pnb_solver_losses(pnb_solver *s, pnb_losses *out) {
    float v[4];
    PNB_TRY(pnb_gpu_wait(s->task.gpu));
    s->in_flight = 0;
    PNB_TRY(pnb_storage_read(s->losses, s->task.gpu, v, 4));
    uint32_t within, terms = phase_at(s, s->done ? s->done - 1 : 0, &within)->losses;
    for (int i = 0; i < 3; i++) {
        if (!(terms >> i & 1))
            v[i] = NAN;
        else if (!isfinite(v[i])) {
            return pnb_fail(
                s->err, PNB_ERROR_NUMERIC,
                "%s: the %s loss became %f at step %u; try a smaller learning rate, or check the measurement's range",
                s->method, (const char *[]){"data", "prior", "auxiliary"}[i], (double)v[i], s->done);
        }
    }
    *out = (pnb_losses){v[0], v[1], v[2]};
    return PNB_OK;
}

static pnb_status read_finite(pnb_solver *s, pnb_storage *from, float *out) {
    uint64_t n = pnb_shape_count(s->sample);
    PNB_TRY(pnb_gpu_wait(s->task.gpu));
    s->in_flight = 0;
    PNB_TRY(pnb_storage_read(from, s->task.gpu, out, n));
    for (uint64_t i = 0; i < n; i++) {
        if (!isfinite(out[i])) {
            return pnb_fail(s->err, PNB_ERROR_NUMERIC,
                            "%s: element %llu of the samples is %f after step %u; nothing is written from it",
                            s->method, (unsigned long long)i, (double)out[i], s->done);
        }
    }
    return PNB_OK;
}

pnb_status pnb_solver_samples(pnb_solver *s, float *out) {
    return read_finite(s, s->x, out);
}

pnb_status pnb_solver_samples_before_finish(pnb_solver *s, float *out) {
    uint32_t start = 0;
    for (uint32_t i = 0; i < s->finish_phase && i < s->n_phases; i++) start += s->phases[i].steps;
    if (!s->before || s->done <= start) {
        return pnb_fail(s->err, PNB_ERROR_USAGE, "%s: there is no finish, or it has not begun", s->method);
    }
    return read_finite(s, s->before, out);
}

uint64_t pnb_solver_planned_bytes(const pnb_solver *s) {
    uint64_t bytes = pnb_program_memory_bytes(s->memory);
    bytes += pnb_store_bytes(s->store) + pnb_store_bytes(pnb_prior_store(s->task.prior));
    if (s->task.op) bytes += pnb_operator_bytes(s->task.op);
    const pnb_store *more[] = {s->adapter ? pnb_adapter_store(s->adapter) : NULL,
                               s->generator ? pnb_prior_store(s->generator) : NULL,
                               s->average ? pnb_prior_store(s->average) : NULL};
    for (int i = 0; i < 3; i++)
        if (more[i]) bytes += pnb_store_bytes(more[i]);
    return bytes;
}

/* ---- the methods ------------------------------------------------------------------------------------------------- */

const pnb_method *const *pnb_methods(size_t *count) {
    static const pnb_method *const all[] = {&pnb_method_ppm,     &pnb_method_reddiff, &pnb_method_dps,
                                            &pnb_method_pigdm,   &pnb_method_ddrm,    &pnb_method_rlsd,
                                            &pnb_method_langevin, &pnb_method_ppm_amortized, &pnb_method_davi};
    *count = sizeof all / sizeof *all;
    return all;
}

const pnb_method *pnb_method_find(const char *name) {
    size_t n;
    const pnb_method *const *all = pnb_methods(&n);
    for (size_t i = 0; i < n; i++) {
        if (strcmp(all[i]->name, name) == 0) return all[i];
    }
    return NULL;
}

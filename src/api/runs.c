/* Runs: a solver in progress, its losses, its checkpoints, and the loop that works in a folder. */
#include "api/runs.h"
#include "io/json.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- life
 * -------------------------------------------------------------------------------------------------------------- */

pnb_run *pnb_run_new(pnb_context *ctx) {
    pnb_run *r = calloc(1, sizeof *r);
    if (r) *r = (pnb_run){.ctx = ctx, .latest = {NAN, NAN, NAN}};
    return r;
}

/* A generator's file has a prior's tensors, and none of its meaning. */
static pnb_status check_prior(const pnb_run *r) {
    if (!pnb_prior_is_generator(r->model->prior)) return PNB_OK;
    const cJSON *file = cJSON_GetObjectItemCaseSensitive(r->model->source, "file");
    return pnb_fail(&r->ctx->error, PNB_ERROR_MODEL,
                    "'%s' is a generator of `penumbra amortize`, where a prior was expected: `penumbra reconstruct "
                    "--model` draws from it",
                    cJSON_IsString(file) ? file->valuestring : "prior");
}

static pnb_status start(pnb_run *r, pnb_problem *p) {
    r->problem = p;
    r->model = p->model;
    r->image = p->image;
    r->seed = p->seed;
    if (!(p->sigma > 0)) {
        return pnb_fail(&r->ctx->error, PNB_ERROR_INPUT,
                        "%s: noise.sigma: solving needs a value over 0 (0.001 for data "
                        "almost without noise)",
                        p->file);
    }
    PNB_TRY(check_prior(r));
    pnb_say_padding(r->model, r->image);
    return pnb_problem_solver(p, false, &r->options, &r->solver);
}

pnb_status pnb_run_create(pnb_problem *p, pnb_run **out) {
    if (out) *out = NULL;
    if (!p) return PNB_ERROR_USAGE;
    if (!out) return pnb_fail(&p->ctx->error, PNB_ERROR_USAGE, "pnb_run_create: out is NULL");
    double begin = pnb_seconds_now();
    pnb_run *r = pnb_run_new(p->ctx);
    if (!r) return pnb_no_memory(&p->ctx->error, "run");
    pnb_status status = start(r, p);
    if (status) {
        pnb_run_destroy(&r);
        return status;
    }
    r->build_seconds = pnb_seconds_now() - begin;
    *out = r;
    return PNB_OK;
}

static pnb_status choose_sampler(pnb_error *err, const pnb_sample_params *given, pnb_sampler_params *p) {
    static const struct {
        const char *name;
        pnb_sampler sampler;
        uint32_t steps;
    } samplers[] = {{"ddim", PNB_SAMPLER_DDIM, 100}, {"ddpm", PNB_SAMPLER_DDPM, 0}, {"heun", PNB_SAMPLER_HEUN, 40}};
    for (size_t i = 0; i < sizeof samplers / sizeof *samplers; i++) {
        if (strcmp(given->sampler, samplers[i].name) != 0) continue;
        p->sampler = samplers[i].sampler;
        if (!p->steps) p->steps = samplers[i].steps;
        if (!(p->eta >= 0 && p->eta <= 1)) {
            return pnb_fail(err, PNB_ERROR_USAGE, "eta: expected 0 to 1, found %g", p->eta);
        }
        if (p->eta > 0 && p->sampler != PNB_SAMPLER_DDIM) {
            return pnb_fail(err, PNB_ERROR_USAGE, "eta: only ddim has it, the sampler is %s", given->sampler);
        }
        return PNB_OK;
    }
    return pnb_fail(err, PNB_ERROR_USAGE, "sampler: expected ddim, ddpm or heun, found '%.100s'", given->sampler);
}

static pnb_status start_sampler(pnb_run *r, const pnb_sample_params *given) {
    pnb_error *err = &r->ctx->error;
    pnb_prior *prior = r->model->prior;
    uint32_t side = pnb_prior_size_hint(prior), dim = pnb_prior_dim(prior);
    pnb_sampler_params p = {.steps = given->steps, .eta = given->eta, .n = given->n, .seed = given->seed};
    PNB_TRY(check_prior(r));
    PNB_TRY(choose_sampler(err, given, &p));
    uint32_t most = pnb_prior_schedule(prior)->steps;
    if (p.steps > most)
        return pnb_fail(err, PNB_ERROR_INPUT, "steps: at most %u (the prior's schedule), found %u", most, p.steps);
    if (p.n == 0) return pnb_fail(err, PNB_ERROR_USAGE, "sample: n must be 1 or more");
    if (dim && (given->height || given->width)) {
        return pnb_fail(err, PNB_ERROR_INPUT, "size: this prior makes vectors of %u, not images", dim);
    }
    p.clip = dim == 0;
    p.height = dim ? 0 : given->height ? given->height : side;
    p.width = dim ? 0 : given->width ? given->width : side;
    if (!dim && (p.height == 0 || p.width == 0))
        return pnb_fail(err, PNB_ERROR_INPUT, "size: the prior's file does not say for which images it was trained: give one");
    r->seed = p.seed;
    r->image = dim ? pnb_shape1(dim) : pnb_shape3(pnb_prior_channels(prior), p.height, p.width);
    r->sampling = cJSON_CreateObject();
    cJSON *source = cJSON_Duplicate(r->model->source, 1);
    if (!r->sampling || !source || !cJSON_AddItemToObject(r->sampling, "prior", source))
        return pnb_no_memory(err, "sample");
    cJSON_AddStringToObject(r->sampling, "sampler", given->sampler);
    cJSON_AddNumberToObject(r->sampling, "n", p.n);
    cJSON_AddNumberToObject(r->sampling, "steps", p.steps);
    cJSON_AddNumberToObject(r->sampling, "eta", p.eta);
    pnb_gpu *gpu;
    pnb_say_padding(r->model, r->image);
    PNB_TRY(pnb_context_gpu(r->ctx, &gpu));
    PNB_TRY(pnb_model_check_memory(r->model, gpu, r->image, p.n));
    PNB_TRY(pnb_model_ready(r->model, &gpu));
    r->sampler = p;
    return pnb_sampler_create(err, gpu, prior, &p, &r->solver);
}

pnb_status pnb_run_create_sampler(pnb_model *m, const pnb_sample_params *given, pnb_run **out) {
    if (out) *out = NULL;
    if (!m) return PNB_ERROR_USAGE;
    pnb_sample_params params = PNB_SAMPLE_DEFAULTS;
    pnb_struct_take(&params, sizeof params, given);
    if (!out || !params.sampler) {
        return pnb_fail(&m->ctx->error, PNB_ERROR_USAGE, "pnb_run_create_sampler: needs out and the name of a sampler");
    }
    double begin = pnb_seconds_now();
    pnb_run *r = pnb_run_new(m->ctx);
    if (!r) return pnb_no_memory(&m->ctx->error, "run");
    r->model = m;
    pnb_status status = start_sampler(r, &params);
    if (status) {
        pnb_run_destroy(&r);
        return status;
    }
    r->build_seconds = pnb_seconds_now() - begin;
    *out = r;
    return PNB_OK;
}

void pnb_run_destroy(pnb_run **run) {
    if (!run || !*run) return;
    pnb_run *r = *run;
    pnb_solver_destroy(&r->solver);
    cJSON_Delete(r->sampling);
    free(r->options);
    free(r->history.step);
    free(r->output);
    pnb_prior_destroy(&r->generator, r->ctx->gpu);
    pnb_safetensors_close(r->facts);
    pnb_problem_destroy(&r->own_problem);
    free(r);
    *run = NULL;
}

/* ---- losses
 * --------------------------------------------------------------------------------------------------------------- */

static pnb_status remember(pnb_run *r, double step, const pnb_losses *l) {
    pnb_history *h = &r->history;
    if (h->count == h->room) {
        size_t room = h->room ? 2 * h->room : 256;
        double *all = malloc(4 * room * sizeof *all);
        if (!all) return pnb_no_memory(&r->ctx->error, "losses");
        double **columns[] = {&h->step, &h->data, &h->prior, &h->auxiliary};
        double *old = h->step;
        for (size_t c = 0; c < 4; c++) {
            if (h->count) memcpy(all + c * room, *columns[c], h->count * sizeof *all);
            *columns[c] = all + c * room;
        }
        free(old);
        h->room = room;
    }
    h->step[h->count] = step;
    h->data[h->count] = l->data;
    h->prior[h->count] = l->prior;
    h->auxiliary[h->count++] = l->auxiliary;
    return PNB_OK;
}

/* ---- steps
 * ----------------------------------------------------------------------------------------------------------------- */

static pnb_progress progress_of(const pnb_run *r) {
    uint32_t step = pnb_solver_step_index(r->solver), steps = pnb_solver_steps(r->solver);
    pnb_progress p = {.struct_size = sizeof p,
                      .step = step,
                      .steps = steps,
                      .phase = pnb_solver_phase(r->solver),
                      .loss_data = r->latest.data,
                      .loss_prior = r->latest.prior,
                      .loss_auxiliary = r->latest.auxiliary,
                      .seconds = r->run_seconds,
                      .seconds_left = NAN,
                      .loss_training = NAN,
                      .loss_validation = NAN,
                      .evaluations = pnb_solver_evaluations(r->solver),
                      .evaluations_all = pnb_solver_all_evaluations(r->solver)};
    if (r->steps_here >= 2) p.seconds_left = r->seconds_here / r->steps_here * (steps - step);
    return p;
}

/* One step, its losses where they are logged (about 200 times a run, which also bounds the work in flight). */
static pnb_status one_step(pnb_run *r) {
    double begin = pnb_seconds_now();
    PNB_TRY(pnb_solver_step(r->solver));
    uint32_t step = pnb_solver_step_index(r->solver), steps = pnb_solver_steps(r->solver);
    uint32_t every = steps > 200 ? steps / 200 : 1;
    if (step % every == 0 || step == steps) {
        PNB_TRY(pnb_solver_losses(r->solver, &r->latest));
        PNB_TRY(remember(r, step, &r->latest));
    }
    double seconds = pnb_seconds_now() - begin;
    r->run_seconds += seconds;
    r->seconds_here += seconds;
    r->steps_here++;
    return PNB_OK;
}

pnb_status pnb_run_advance(pnb_run *r, uint32_t steps, pnb_progress_fn progress, void *user) {
    if (!r) return PNB_ERROR_USAGE;
    uint32_t done = pnb_solver_step_index(r->solver), all = pnb_solver_steps(r->solver), left = all - done;
    if (steps > left) {
        return pnb_fail(&r->ctx->error, PNB_ERROR_USAGE, "run: %u steps asked for, %u of %u are left", steps, left,
                        all);
    }
    if (steps == 0) steps = left;
    for (uint32_t i = 0; i < steps; i++) {
        PNB_TRY(one_step(r));
        if (!progress) continue;
        pnb_progress p = progress_of(r);
        if (progress(user, &p)) {
            return pnb_fail(&r->ctx->error, PNB_ERROR_CANCELLED, "cancelled after step %u of %u", p.step, p.steps);
        }
    }
    return PNB_OK;
}

pnb_status pnb_run_get_progress(pnb_run *r, pnb_progress *out) {
    if (!r || !out) return PNB_ERROR_USAGE;
    pnb_progress p = progress_of(r);
    pnb_struct_give(out, &p, sizeof p);
    return PNB_OK;
}

uint32_t pnb_run_particles(const pnb_run *r) {
    return r ? pnb_solver_particles(r->solver) : 0;
}

pnb_extent pnb_run_image(const pnb_run *r) {
    return r ? pnb_extent_of(r->image) : (pnb_extent){0, {0}};
}

pnb_status pnb_run_samples(pnb_run *r, float *samples) {
    if (!r) return PNB_ERROR_USAGE;
    if (!samples) return pnb_fail(&r->ctx->error, PNB_ERROR_USAGE, "pnb_run_samples: samples is NULL");
    return pnb_solver_samples(r->solver, samples);
}

pnb_status pnb_run_samples_before_finish(pnb_run *r, float *samples) {
    if (!r) return PNB_ERROR_USAGE;
    if (!samples) return pnb_fail(&r->ctx->error, PNB_ERROR_USAGE, "pnb_run_samples_before_finish: samples is NULL");
    return pnb_solver_samples_before_finish(r->solver, samples);
}

/* ---- checkpoints: the solver's state, and beside it the losses and times so far
 * ------------------------------------------- */

static bool add_list(cJSON *object, const char *key, const double *values, size_t count) {
    cJSON *list = cJSON_AddArrayToObject(object, key);
    for (size_t i = 0; list && i < count; i++) {
        cJSON *item = isfinite(values[i]) ? cJSON_CreateNumber(values[i]) : cJSON_CreateNull();
        if (!item || !cJSON_AddItemToArray(list, item)) return false;
    }
    return list != NULL;
}

bool pnb_run_add_history(const pnb_run *r, cJSON *object) {
    const pnb_history *h = &r->history;
    return add_list(object, "step", h->step, h->count) && add_list(object, "data", h->data, h->count) &&
           add_list(object, "prior", h->prior, h->count) && add_list(object, "auxiliary", h->auxiliary, h->count);
}

static pnb_status save_history(pnb_run *r, const char *path) {
    cJSON *json = pnb_run_identity(r);
    char *text = NULL;
    if (!cJSON_AddNumberToObject(json, "seconds", r->run_seconds) || !pnb_run_add_history(r, json) ||
        !pnb_run_add_kernels(r, json)) {
        cJSON_Delete(json);
        json = NULL;
    }
    PNB_TRY(pnb_json_take(&r->ctx->error, json, &text));
    pnb_status status = pnb_file_write(&r->ctx->error, path, text, strlen(text));
    free(text);
    return status;
}

static double number_at(const cJSON *object, const char *key, int i) {
    const cJSON *v = cJSON_GetArrayItem(cJSON_GetObjectItemCaseSensitive(object, key), i);
    return cJSON_IsNumber(v) ? v->valuedouble : NAN;
}

/* Entries past the state's step are dropped: the history is written before the state. */
static pnb_status load_history(pnb_run *r, const cJSON *json) {
    const cJSON *seconds = cJSON_GetObjectItemCaseSensitive(json, "seconds");
    r->run_seconds = cJSON_IsNumber(seconds) ? seconds->valuedouble : 0;
    r->history.count = 0;
    pnb_status status = PNB_OK;
    int count = cJSON_GetArraySize(cJSON_GetObjectItemCaseSensitive(json, "step"));
    for (int i = 0; i < count && status == PNB_OK; i++) {
        double step = number_at(json, "step", i);
        pnb_losses l = {number_at(json, "data", i), number_at(json, "prior", i), number_at(json, "auxiliary", i)};
        if (step <= pnb_solver_step_index(r->solver)) status = remember(r, step, &l);
    }
    return status;
}

static char *history_path(const char *path) {
    size_t bytes = strlen(path) + sizeof ".json";
    char *p = malloc(bytes);
    if (p) snprintf(p, bytes, "%s.json", path);
    return p;
}

pnb_status pnb_run_save(pnb_run *r, const char *path) {
    if (!r) return PNB_ERROR_USAGE;
    if (!path) return pnb_fail(&r->ctx->error, PNB_ERROR_USAGE, "pnb_run_save: path is NULL");
    char *beside = history_path(path);
    if (!beside) return pnb_no_memory(&r->ctx->error, "checkpoint");
    pnb_status status = save_history(r, beside);
    free(beside);
    return status ? status : pnb_solver_save(r->solver, path);
}

pnb_status pnb_run_load(pnb_run *r, const char *path) {
    if (!r) return PNB_ERROR_USAGE;
    if (!path) return pnb_fail(&r->ctx->error, PNB_ERROR_USAGE, "pnb_run_load: path is NULL");
    char *beside = history_path(path);
    if (!beside) return pnb_no_memory(&r->ctx->error, "checkpoint");
    cJSON *json = NULL;
    pnb_status status = pnb_json_load(&r->ctx->error, beside, &json);
    if (status == PNB_OK) status = pnb_run_check_same(r, json, beside);
    if (status == PNB_OK) status = pnb_run_take_kernels(r, json);
    if (status == PNB_OK) status = pnb_solver_load(r->solver, path);
    if (status == PNB_OK) status = load_history(r, json);
    cJSON_Delete(json);
    free(beside);
    return status;
}

/* ---- in a folder
 * -------------------------------------------------------------------------------------------------------------- */

typedef struct pace {
    pnb_run *run;
    const pnb_solve_params *params;
    const char *state; /* path of the checkpoint */
    double next;
    pnb_error failed; /* failure to save ends the run, with its own sentence */
} pace;

static int between_steps(void *user, const pnb_progress *progress) {
    pace *p = user;
    if (p->params->checkpoint_seconds > 0 && pnb_seconds_now() >= p->next && progress->step < progress->steps) {
        if (pnb_run_save(p->run, p->state) != PNB_OK) {
            p->failed = p->run->ctx->error;
            return 1;
        }
        p->next = pnb_seconds_now() + p->params->checkpoint_seconds;
    }
    return p->params->progress ? p->params->progress(p->params->user, progress) : 0;
}

static pnb_status advance_all(pnb_run *r, const pnb_solve_params *params, const char *state) {
    pace p = {r, params, state, pnb_seconds_now() + params->checkpoint_seconds, {PNB_OK, ""}};
    if (pnb_solver_step_index(r->solver) == pnb_solver_steps(r->solver)) return PNB_OK;
    pnb_status status = pnb_run_advance(r, 0, between_steps, &p);
    if (p.failed.status == PNB_OK) return status;
    r->ctx->error = p.failed;
    return p.failed.status;
}

/* The results; where they cannot be written, a checkpoint if that can, so that the run is not lost. */
static pnb_status write_results(pnb_run *r, const char *folder, const char *state) {
    pnb_status status = r->output ? pnb_run_write_generator(r) : PNB_OK;
    if (status == PNB_OK) status = pnb_run_write(r, folder, PNB_WRITE_OVERWRITE);
    if (status == PNB_OK) pnb_folder_remove_checkpoint(folder);
    if (status != PNB_ERROR_INPUT) return status;
    pnb_error failed = r->ctx->error;
    if (pnb_run_save(r, state) != PNB_OK) return pnb_fail(&r->ctx->error, status, "%s", failed.message);
    return pnb_fail(&r->ctx->error, status, "%.900s; the run is kept in '%s', resume to write it", failed.message, state);
}

/* Cancelled: checkpoint first, then the results so far; the sentence of the cancellation stays. */
static pnb_status keep_cancelled(pnb_run *r, const char *folder, const char *state) {
    pnb_error cancelled = r->ctx->error;
    PNB_TRY(pnb_run_save(r, state));
    if (r->output) PNB_TRY(pnb_run_write_generator(r));
    PNB_TRY(pnb_run_write(r, folder, PNB_WRITE_OVERWRITE));
    r->ctx->error = cancelled;
    return PNB_ERROR_CANCELLED;
}

pnb_status pnb_run_solve(pnb_run *r, const pnb_solve_params *given) {
    if (!r) return PNB_ERROR_USAGE;
    pnb_error *err = &r->ctx->error;
    pnb_solve_params params = PNB_SOLVE_DEFAULTS;
    pnb_struct_take(&params, sizeof params, given);
    if (!params.folder) return pnb_fail(err, PNB_ERROR_USAGE, "pnb_run_solve: folder is NULL");
    int results, checkpoint, complete;
    PNB_TRY(pnb_folder_state(r->ctx, params.folder, &results, &checkpoint, &complete));
    if (params.resume && complete) return pnb_run_check_complete(r, params.folder);
    if ((results || checkpoint) && !params.overwrite && !params.resume) {
        return pnb_fail(err, PNB_ERROR_USAGE,
                        "'%s' already holds results: choose another folder, or --overwrite, or --resume",
                        params.folder);
    }
    if (params.overwrite && !params.resume) PNB_TRY(pnb_folder_clear(err, params.folder));
    char *state = NULL;
    PNB_TRY(pnb_folder_prepare(err, params.folder, &state));
    pnb_status status;
    if (params.resume && checkpoint) PNB_TRY_GOTO(pnb_run_load(r, state));
    status = advance_all(r, &params, state);
    if (status == PNB_ERROR_CANCELLED) {
        status = keep_cancelled(r, params.folder, state);
    } else if (status == PNB_OK) {
        status = write_results(r, params.folder, state);
    }
fail:
    free(state);
    return status;
}

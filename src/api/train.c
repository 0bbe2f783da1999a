/* Training a prior: the public call, from checked parameters to the loop of steps with its checkpoints. */
#include "api/training.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_FACTS = 16, MOST_FACT = 120, MOST_SIDE = 1024, MOST_CHANNELS = 64 };

/* ---- parameters -------------------------------------------------------------------------------------------------- */

static pnb_status set_one(pnb_training *t, const char *setting) {
    const char *equals = strchr(setting, '=');
    char name[64];
    size_t n = equals ? (size_t)(equals - setting) : 0;
    if (!equals || n == 0 || n >= sizeof name)
        return pnb_fail(t->err, PNB_ERROR_USAGE, "option '%.100s': expected NAME=VALUE", setting);
    memcpy(name, setting, n);
    name[n] = 0;
    const pnb_option *option = pnb_options_find(&pnb_train_table, name);
    if (!option) {
        return pnb_fail(t->err, PNB_ERROR_USAGE,
                        "there is no option '%s' of training; `penumbra train --options` lists them", name);
    }
    return pnb_options_set_text(t->err, name, option, &t->o, equals + 1);
}

static pnb_status unknown_preset(pnb_training *t) {
    pnb_text text = {0};
    char *names = NULL;
    size_t n;
    const pnb_fresh *all = pnb_fresh_sizes(&n);
    for (size_t i = 0; i < n; i++) pnb_text_add(&text, "%s%s", i ? ", " : "", all[i].name);
    PNB_TRY(pnb_text_take(t->err, &text, &names));
    pnb_fail(t->err, PNB_ERROR_USAGE, "there is no network size '%.60s'; there are %s", t->params.preset, names);
    free(names);
    return PNB_ERROR_USAGE;
}

static pnb_status resolve_options(pnb_training *t) {
    const pnb_train_params *p = &t->params;
    pnb_options_defaults(&pnb_train_table, &t->o);
    for (size_t i = 0; i < p->setting_count; i++) PNB_TRY(set_one(t, p->settings[i]));
    const char *preset = p->preset ? p->preset : "small";
    t->fresh = pnb_fresh_find(preset);
    if (!t->fresh) return unknown_preset(t);
    if (t->o.lr == 0) t->o.lr = t->fresh->lr;
    if (p->init) t->fresh = NULL;
    return PNB_OK;
}

/* Names that the file itself needs, or that say how it was trained. */
static const char *const own_facts[] = {"format",       "architecture",    "schedule",          "diffusion_steps",
                                        "precond",      "sigma_data",      "image_size",        "channels_per_head",
                                        "num_heads",    "trained_by",      "num_head_channels", "use_new_attention_order",
                                        "batch",        "training_steps",  "training_images",   "images_seen",
                                        "seed",         "value_range",     "validation_loss",   "began_from"};

/* Whether fact i has a name that is taken: by the file or by an earlier one. */
static bool is_taken(const pnb_train_params *p, size_t i) {
    const char *fact = p->facts[i];
    size_t n = (size_t)(strchr(fact, '=') - fact);
    for (size_t k = 0; k < sizeof own_facts / sizeof *own_facts; k++)
        if (strlen(own_facts[k]) == n && strncmp(own_facts[k], fact, n) == 0) return true;
    for (size_t k = 0; k < i; k++)
        if (strncmp(p->facts[k], fact, n + 1) == 0) return true;
    return false;
}

static pnb_status check_facts(const pnb_training *t) {
    const pnb_train_params *p = &t->params;
    if (p->fact_count > MOST_FACTS)
        return pnb_fail(t->err, PNB_ERROR_USAGE, "at most %d facts fit, found %zu", MOST_FACTS, p->fact_count);
    for (size_t i = 0; i < p->fact_count; i++) {
        const char *equals = strchr(p->facts[i], '=');
        if (!equals || equals == p->facts[i] || strlen(p->facts[i]) > MOST_FACT)
            return pnb_fail(t->err, PNB_ERROR_USAGE, "fact '%.60s': expected NAME=VALUE of at most %d bytes",
                            p->facts[i], MOST_FACT);
        if (is_taken(p, i))
            return pnb_fail(t->err, PNB_ERROR_USAGE, "fact '%.60s': the file has this already, choose another name",
                            p->facts[i]);
    }
    return PNB_OK;
}

static pnb_status check_params(const pnb_training *t) {
    const pnb_train_params *p = &t->params;
    if (!p->data || !p->output) return pnb_fail(t->err, PNB_ERROR_USAGE, "pnb_train: needs data and output");
    if (p->init && p->preset)
        return pnb_fail(t->err, PNB_ERROR_USAGE, "a network's size and a prior to go on from exclude each other");
    if (p->size > MOST_SIDE || (p->size == 0 && !p->init))
        return pnb_fail(t->err, PNB_ERROR_USAGE, "size: expected 8 to %d, found %u", MOST_SIDE, p->size);
    if (p->channels > MOST_CHANNELS)
        return pnb_fail(t->err, PNB_ERROR_USAGE, "channels: expected 1 to %d, found %u", MOST_CHANNELS, p->channels);
    if (p->has_range && !(isfinite(p->range_low) && isfinite(p->range_high) && p->range_low < p->range_high))
        return pnb_fail(t->err, PNB_ERROR_USAGE, "range: expected a low and a higher value, found %g and %g",
                        p->range_low, p->range_high);
    return check_facts(t);
}

/* What a run is known by: all that decides on its bytes, but for the images themselves (the checkpoint has their hash).
 */
static pnb_status make_identity(pnb_training *t) {
    const pnb_train_params *p = &t->params;
    cJSON *json = t->identity = cJSON_CreateObject();
    bool ok =
        json && cJSON_AddStringToObject(json, "data", p->data) && cJSON_AddNumberToObject(json, "size", t->size) &&
        cJSON_AddNumberToObject(json, "channels", t->channels) &&
        cJSON_AddNumberToObject(json, "seed", (double)p->seed) && cJSON_AddBoolToObject(json, "half", p->half != 0);
    if (p->validation) ok = ok && cJSON_AddStringToObject(json, "validation_data", p->validation);
    if (p->init)
        ok = ok && cJSON_AddStringToObject(json, "init", p->init);
    else
        ok = ok && cJSON_AddStringToObject(json, "preset", t->fresh->name);
    if (p->has_range) {
        ok = ok && cJSON_AddNumberToObject(json, "range_low", p->range_low) &&
             cJSON_AddNumberToObject(json, "range_high", p->range_high);
    }
    for (size_t i = 0; i < pnb_train_table.count; i++) {
        const pnb_option *option = &pnb_train_table.options[i];
        double value = pnb_options_get(option, &t->o);
        if (option->kind == PNB_OPTION_CHOICE)
            ok = ok && cJSON_AddStringToObject(json, option->name, option->choices[(int)value]);
        else if (option->kind == PNB_OPTION_BOOL)
            ok = ok && cJSON_AddBoolToObject(json, option->name, value != 0);
        else
            ok = ok && cJSON_AddNumberToObject(json, option->name, value);
    }
    return ok ? PNB_OK : pnb_no_memory(t->err, "train");
}

/* ---- preparing --------------------------------------------------------------------------------------------------- */

/* Two priors of the same weights: those that learn, and their running mean. Without data yet, so that a wrong file or
 * size is told at once. */
static pnb_status make_priors(pnb_training *t) {
    const pnb_train_params *p = &t->params;
    pnb_prior **both[] = {&t->prior, &t->average};
    for (int i = 0; i < 2; i++) {
        if (t->fresh) {
            t->channels = p->channels ? p->channels : 1;
            t->size = p->size;
            PNB_TRY(pnb_prior_create_fresh(t->err, t->fresh, t->channels, t->size, p->seed, both[i]));
            continue;
        }
        PNB_TRY(pnb_prior_load(t->err, p->init, both[i]));
        PNB_TRY(pnb_prior_make_trainable(*both[i], p->size));
    }
    if (t->fresh) return PNB_OK;
    t->channels = p->channels ? p->channels : pnb_prior_channels(t->prior);
    t->size = p->size ? p->size : pnb_prior_size_hint(t->prior);
    if (t->size == 0)
        return pnb_fail(t->err, PNB_ERROR_USAGE, "size: '%s' does not say at which size it was trained; give it",
                        p->init);
    return PNB_OK;
}

static pnb_status read_images(pnb_training *t, pnb_images *images, pnb_images *held) {
    const pnb_train_params *p = &t->params;
    pnb_images_params q = {t->channels, t->size, (pnb_fit)t->o.fit, p->has_range != 0, p->range_low, p->range_high};
    PNB_TRY(pnb_images_read(t->err, p->data, &q, images));
    uint64_t most = (uint64_t)t->o.validation;
    if (p->validation) {
        PNB_TRY(pnb_images_read(t->err, p->validation, &q, held));
        if (held->n > most) held->n = most;
        return PNB_OK;
    }
    if (most > images->n / 10) most = images->n / 10;
    return most ? pnb_images_hold_out(t->err, images, most, held) : PNB_OK;
}

static pnb_status prepare(pnb_training *t) {
    pnb_images images = {0}, held = {0};
    pnb_gpu *gpu;
    pnb_status status = read_images(t, &images, &held);
    if (status == PNB_OK) status = pnb_context_gpu(t->ctx, &gpu);
    if (status == PNB_OK) {
        pnb_train_task task = {.gpu = gpu,
                               .prior = t->prior,
                               .average = t->average,
                               .images = &images,
                               .held = &held,
                               .seed = t->params.seed,
                               .memory_budget = t->ctx->memory_limit};
        t->images = images.n;
        status = pnb_trainer_create(t->err, &task, &t->o, &t->trainer);
    }
    pnb_images_free(&images);
    pnb_images_free(&held);
    return status;
}

/* ---- the loop ---------------------------------------------------------------------------------------------------- */

static pnb_progress progress_of(const pnb_training *t, const char *phase) {
    uint32_t step = pnb_trainer_step_index(t->trainer), steps = (uint32_t)t->o.steps;
    pnb_progress p = {.struct_size = sizeof p,
                      .step = step,
                      .steps = steps,
                      .phase = phase,
                      .loss_data = NAN,
                      .loss_prior = NAN,
                      .loss_auxiliary = NAN,
                      .seconds = t->seconds,
                      .seconds_left = NAN,
                      .loss_training = t->training.n ? t->training.loss[t->training.n - 1] : NAN,
                      .loss_validation = t->validation.n ? t->validation.loss[t->validation.n - 1] : NAN};
    if (t->steps_here >= 2) p.seconds_left = t->seconds_here / t->steps_here * (steps - step);
    return p;
}

static pnb_status one_step(pnb_training *t) {
    PNB_TRY(pnb_trainer_step(t->trainer));
    double step = pnb_trainer_step_index(t->trainer), loss;
    if (pnb_trainer_logs(t->trainer)) {
        PNB_TRY(pnb_trainer_loss(t->trainer, &loss, NULL));
        PNB_TRY(pnb_course_add(t->err, &t->training, step, loss));
    }
    if (!pnb_trainer_validates(t->trainer)) return PNB_OK;
    PNB_TRY(pnb_trainer_validate(t->trainer, &loss));
    return pnb_course_add(t->err, &t->validation, step, loss);
}

static pnb_status keep_by_time(pnb_training *t) {
    double every = t->params.checkpoint_seconds;
    if (every <= 0 || pnb_seconds_now() < t->next_checkpoint) return PNB_OK;
    PNB_TRY(pnb_training_keep(t, false));
    t->next_checkpoint = pnb_seconds_now() + every;
    return PNB_OK;
}

/* Whether the caller wants to stop. */
static bool told_to_stop(pnb_training *t) {
    pnb_progress p = progress_of(t, "training");
    return t->params.progress && t->params.progress(t->params.user, &p);
}

static pnb_status loop(pnb_training *t) {
    while (pnb_trainer_step_index(t->trainer) < (uint32_t)t->o.steps) {
        double begin = pnb_seconds_now();
        PNB_TRY(one_step(t));
        PNB_TRY(keep_by_time(t));
        double seconds = pnb_seconds_now() - begin;
        t->seconds += seconds;
        t->seconds_here += seconds;
        t->steps_here++;
        if (!told_to_stop(t) || pnb_trainer_step_index(t->trainer) == (uint32_t)t->o.steps) continue;
        PNB_TRY(pnb_training_keep(t, false));
        return pnb_fail(t->err, PNB_ERROR_CANCELLED, "cancelled after step %u of %d; --resume goes on",
                        pnb_trainer_step_index(t->trainer), t->o.steps);
    }
    PNB_TRY(pnb_training_keep(t, true));
    pnb_training_remove_checkpoint(t);
    return PNB_OK;
}

/* *done: nothing is left to do. */
static pnb_status check_files(pnb_training *t, bool *go_on, bool *done) {
    const pnb_train_params *p = &t->params;
    bool state = pnb_file_exists(t->state), output = pnb_file_exists(p->output);
    *go_on = p->resume && state;
    *done = false;
    if (p->resume && !state && output && pnb_file_exists(t->record)) {
        *done = true;
        return pnb_training_check_record(t);
    }
    if ((state || output) && !p->overwrite && !*go_on)
        return pnb_fail(t->err, PNB_ERROR_USAGE, "'%s' is there already: choose another name, or --overwrite%s",
                        state ? t->state : p->output, state ? ", or --resume" : "");
    return PNB_OK;
}

static pnb_status train(pnb_training *t) {
    bool go_on, done;
    PNB_TRY(check_params(t));
    PNB_TRY(resolve_options(t));
    PNB_TRY(pnb_training_paths(t));
    PNB_TRY(make_priors(t));
    PNB_TRY(make_identity(t));
    PNB_TRY(check_files(t, &go_on, &done));
    if (done) return PNB_OK;
    PNB_TRY(prepare(t));
    if (go_on) PNB_TRY(pnb_training_load(t));
    PNB_TRY(pnb_make_folders(t->err, t->folder)); /* so that it is known now whether it can be written to */
    t->next_checkpoint = pnb_seconds_now() + t->params.checkpoint_seconds;
    return loop(t);
}

pnb_status pnb_train(pnb_context *ctx, const pnb_train_params *given) {
    if (!ctx) return PNB_ERROR_USAGE;
    pnb_training t = {.ctx = ctx, .err = &ctx->error, .params = PNB_TRAIN_DEFAULTS};
    pnb_struct_take(&t.params, sizeof t.params, given);
    pnb_status status = train(&t);
    pnb_trainer_destroy(&t.trainer);
    pnb_prior_destroy(&t.prior, ctx->gpu);
    pnb_prior_destroy(&t.average, ctx->gpu);
    cJSON_Delete(t.identity);
    char *paths[] = {t.folder, t.state, t.record, t.loss_figure, t.samples_figure};
    double *values[] = {t.training.step, t.training.loss, t.validation.step, t.validation.loss};
    for (int i = 0; i < 5; i++) free(paths[i]);
    for (int i = 0; i < 4; i++) free(values[i]);
    return status;
}

/* ---- help -------------------------------------------------------------------------------------------------------- */

pnb_status pnb_train_types(pnb_context *ctx, char **out) {
    if (!ctx) return PNB_ERROR_USAGE;
    if (!out) return pnb_fail(&ctx->error, PNB_ERROR_USAGE, "pnb_train_types: text is NULL");
    pnb_text text = {0};
    size_t n;
    const pnb_fresh *sizes = pnb_fresh_sizes(&n);
    pnb_text_add(&text, "network sizes (--preset):\n");
    for (size_t i = 0; i < n; i++)
        pnb_text_add(&text, "  %-16s %s; lr %g\n", sizes[i].name, sizes[i].help, sizes[i].lr);
    pnb_text_add(&text, "options (--set NAME=VALUE):\n");
    for (size_t i = 0; i < pnb_train_table.count; i++) {
        const pnb_option *o = &pnb_train_table.options[i];
        pnb_text_add(&text, "  %-16s %s (", o->name, o->help);
        if (o->kind == PNB_OPTION_CHOICE) {
            for (int k = 0; o->choices[k]; k++) pnb_text_add(&text, "%s%s", k ? ", " : "", o->choices[k]);
            pnb_text_add(&text, "; %s)\n", o->choices[(int)o->def]);
        } else if (o->kind == PNB_OPTION_BOOL) {
            pnb_text_add(&text, "%s)\n", o->def != 0 ? "true" : "false");
        } else {
            pnb_text_add(&text, "%.7g)\n", o->def);
        }
    }
    return pnb_text_take(&ctx->error, &text, out);
}

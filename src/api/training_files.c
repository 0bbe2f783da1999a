/* The files of a training run: checkpoint, record, the prior so far, curve and samples. */
#include "api/figures.h"
#include "api/runs.h"
#include "api/training.h"
#include "io/figure.h"
#include "io/json.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { SAMPLES = 16, SAMPLE_STEPS = 25, COLUMNS = 8, MOST_FACTS = 16, FACT_SIZE = 160, OWN_FACTS = 9 };
static const double SAMPLING_SHARE = 0.05; /* of the time, at most, goes into pictures of samples */

pnb_status pnb_training_paths(pnb_training *t) {
    static const char *const names[] = {"checkpoint.safetensors", "training.json", "loss.png", "samples.png"};
    static const char ending[] = ".safetensors";
    char **paths[] = {&t->state, &t->record, &t->loss_figure, &t->samples_figure};
    const char *output = t->params.output;
    size_t n = strlen(output);
    if (pnb_ends_with(output, ending)) n -= strlen(ending);
    t->folder = pnb_format("%.*s.train", (int)n, output);
    for (int i = 0; i < 4 && t->folder; i++) *paths[i] = pnb_path_join(t->folder, names[i]);
    return t->samples_figure && t->state && t->record && t->loss_figure ? PNB_OK : pnb_no_memory(t->err, output);
}

pnb_status pnb_course_add(pnb_error *err, pnb_course *c, double step, double loss) {
    if (c->n == c->room) {
        size_t room = c->room ? 2 * c->room : 256;
        double *steps = realloc(c->step, room * sizeof *steps);
        if (steps) c->step = steps;
        double *losses = steps ? realloc(c->loss, room * sizeof *losses) : NULL;
        if (!losses) return pnb_no_memory(err, "losses");
        c->loss = losses;
        c->room = room;
    }
    c->step[c->n] = step;
    c->loss[c->n++] = loss;
    return PNB_OK;
}

/* ---- the record -------------------------------------------------------------------------------------------------- */

static cJSON *list_of(const double *values, size_t n) {
    return n ? cJSON_CreateDoubleArray(values, (int)n) : cJSON_CreateArray();
}

static bool add_course(cJSON *json, const char *name, const pnb_course *c) {
    cJSON *object = cJSON_AddObjectToObject(json, name);
    return object && cJSON_AddItemToObject(object, "step", list_of(c->step, c->n)) &&
           cJSON_AddItemToObject(object, "loss", list_of(c->loss, c->n));
}

static pnb_status write_record(const pnb_training *t) {
    cJSON *json = cJSON_CreateObject(), *identity = cJSON_Duplicate(t->identity, 1);
    pnb_status status = PNB_OK;
    bool ok = json && identity && cJSON_AddItemToObject(json, "training", identity) &&
              cJSON_AddStringToObject(json, "version", PNB_VERSION) &&
              cJSON_AddNumberToObject(json, "steps_done", pnb_trainer_step_index(t->trainer)) &&
              cJSON_AddNumberToObject(json, "seconds", t->seconds) &&
              cJSON_AddNumberToObject(json, "planned_bytes", (double)pnb_trainer_planned_bytes(t->trainer)) &&
              add_course(json, "loss", &t->training) && add_course(json, "validation", &t->validation);
    if (ok) {
        pnb_json_device(json, t->ctx->gpu);
        status = pnb_json_write(t->err, t->record, json);
    } else {
        status = pnb_no_memory(t->err, t->record);
    }
    cJSON_Delete(json);
    return status;
}

static double at(const cJSON *object, const char *key, int i) {
    const cJSON *v = cJSON_GetArrayItem(cJSON_GetObjectItemCaseSensitive(object, key), i);
    return cJSON_IsNumber(v) ? v->valuedouble : NAN;
}

/* Entries past the checkpoint's step are dropped: the record is written before it. */
static pnb_status read_course(const pnb_training *t, const cJSON *json, const char *name, pnb_course *c) {
    const cJSON *object = cJSON_GetObjectItemCaseSensitive(json, name);
    int n = cJSON_GetArraySize(cJSON_GetObjectItemCaseSensitive(object, "step"));
    c->n = 0;
    for (int i = 0; i < n; i++) {
        double step = at(object, "step", i), loss = at(object, "loss", i);
        if (step <= pnb_trainer_step_index(t->trainer)) PNB_TRY(pnb_course_add(t->err, c, step, loss));
    }
    return PNB_OK;
}

static pnb_status load_record(const pnb_training *t, cJSON **json) {
    PNB_TRY(pnb_json_load(t->err, t->record, json));
    const cJSON *theirs = cJSON_GetObjectItemCaseSensitive(*json, "training");
    pnb_status status = pnb_check_same(t->err, theirs, t->identity, "training", t->record);
    if (status == PNB_OK) return PNB_OK;
    cJSON_Delete(*json);
    *json = NULL;
    return status;
}

pnb_status pnb_training_check_record(const pnb_training *t) {
    cJSON *json = NULL;
    pnb_status status = load_record(t, &json);
    cJSON_Delete(json);
    return status;
}

pnb_status pnb_training_load(pnb_training *t) {
    cJSON *json = NULL;
    PNB_TRY(load_record(t, &json));
    pnb_status status = pnb_trainer_load(t->trainer, t->state);
    if (status == PNB_OK) status = read_course(t, json, "loss", &t->training);
    if (status == PNB_OK) status = read_course(t, json, "validation", &t->validation);
    const cJSON *seconds = cJSON_GetObjectItemCaseSensitive(json, "seconds");
    if (cJSON_IsNumber(seconds)) t->seconds = seconds->valuedouble;
    cJSON_Delete(json);
    return status;
}

void pnb_training_remove_checkpoint(const pnb_training *t) {
    (void)unlink(t->state);
}

/* ---- the prior --------------------------------------------------------------------------------------------------- */

typedef struct facts {
    pnb_safetensors_pair pairs[OWN_FACTS + MOST_FACTS];
    char own[OWN_FACTS][FACT_SIZE], given[MOST_FACTS][FACT_SIZE];
    size_t n;
} facts;

#if defined(__GNUC__)
__attribute__((format(printf, 3, 4)))
#endif
static void
add_fact(facts *f, const char *key, const char *format, ...) {
    va_list args;
    va_start(args, format);
    vsnprintf(f->own[f->n], FACT_SIZE, format, args);
    va_end(args);
    f->pairs[f->n] = (pnb_safetensors_pair){key, f->own[f->n]};
    f->n++;
}

static pnb_status write_prior(const pnb_training *t) {
    facts f = {.n = 0};
    const pnb_train_params *p = &t->params;
    uint32_t done = pnb_trainer_step_index(t->trainer);
    add_fact(&f, "trained_by", "penumbra %s", PNB_VERSION);
    add_fact(&f, "training_steps", "%u of %d", done, t->o.steps);
    add_fact(&f, "batch", "%d", t->o.batch);
    add_fact(&f, "training_images", "%llu", (unsigned long long)t->images);
    add_fact(&f, "images_seen", "%llu", (unsigned long long)done * (unsigned long long)t->o.batch);
    add_fact(&f, "seed", "%llu", (unsigned long long)p->seed);
    add_fact(&f, "value_range", "%g,%g", p->has_range ? p->range_low : -1, p->has_range ? p->range_high : 1);
    if (t->validation.n) add_fact(&f, "validation_loss", "%.5f", t->validation.loss[t->validation.n - 1]);
    if (p->init) add_fact(&f, "began_from", "%.*s", FACT_SIZE - 1, pnb_path_name(p->init));
    for (size_t i = 0; i < p->fact_count; i++) {
        char *text = f.given[i], *equals;
        snprintf(text, FACT_SIZE, "%s", p->facts[i]); /* checked before: it fits and has an '=' */
        equals = strchr(text, '=');
        *equals = 0;
        f.pairs[f.n++] = (pnb_safetensors_pair){text, equals + 1};
    }
    return pnb_prior_save(t->average, t->ctx->gpu, p->output, p->half != 0, f.pairs, f.n);
}

/* ---- figures ----------------------------------------------------------------------------------------------------- */

static pnb_status draw_losses(const pnb_training *t) {
    pnb_series series[] = {
        {"training", t->training.step, t->training.loss, t->training.n, PNB_BLUE},
        {"validation, of the running mean", t->validation.step, t->validation.loss, t->validation.n, PNB_ORANGE}};
    return pnb_figure_history(t->err, t->loss_figure, series, t->validation.n ? 2 : 1, "steps",
                              "mean square error of the noise");
}

static pnb_status draw_tiles(const pnb_training *t, const float *x) {
    pnb_tile tiles[SAMPLES];
    pnb_shape image = pnb_shape3(t->channels, t->size, t->size);
    for (uint32_t i = 0; i < SAMPLES; i++)
        tiles[i] = (pnb_tile){NULL, pnb_picture_of(x + i * pnb_shape_count(image), image), false};
    return pnb_figure_contact_sheet(t->err, t->samples_figure, tiles, SAMPLES, COLUMNS);
}

static pnb_status draw_samples(pnb_training *t) {
    pnb_solver *s = NULL;
    pnb_sampler_params q = {.sampler = PNB_SAMPLER_DDIM,
                            .steps = SAMPLE_STEPS,
                            .clip = true,
                            .n = SAMPLES,
                            .height = t->size,
                            .width = t->size,
                            .seed = t->params.seed};
    double begin = pnb_seconds_now();
    float *x = malloc((size_t)SAMPLES * t->channels * t->size * t->size * sizeof *x);
    pnb_status status =
        x ? pnb_sampler_create(t->err, t->ctx->gpu, t->average, &q, &s) : pnb_no_memory(t->err, "samples");
    while (status == PNB_OK && pnb_solver_step_index(s) < pnb_solver_steps(s)) status = pnb_solver_step(s);
    if (status == PNB_OK) status = pnb_solver_samples(s, x);
    if (status == PNB_OK) status = draw_tiles(t, x);
    pnb_solver_destroy(&s);
    free(x);
    double now = pnb_seconds_now();
    t->next_samples = now + (now - begin) / SAMPLING_SHARE;
    return status;
}

pnb_status pnb_training_keep(pnb_training *t, bool end) {
    double loss;
    PNB_TRY(pnb_trainer_loss(t->trainer, &loss, NULL)); /* nothing is kept of a run that has failed */
    PNB_TRY(pnb_make_folders(t->err, t->folder));
    PNB_TRY(write_record(t));
    if (!end) PNB_TRY(pnb_trainer_save(t->trainer, t->state));
    PNB_TRY(write_prior(t));
    if (t->training.n || t->validation.n) PNB_TRY(draw_losses(t));
    return end || pnb_seconds_now() >= t->next_samples ? draw_samples(t) : PNB_OK;
}

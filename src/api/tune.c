/* Tuning: a problem's programs are built with each candidate in turn, run with timestamps, and the fastest are kept. */
#include "api/handles.h"

#include "gpu/choices.h"
#include "graph/tune.h"

#include <stdlib.h>
#include <string.h>

enum { ROUNDS = 2, WARM_UP = 2, SAMPLES = 3 };

typedef struct tuning {
    pnb_problem *problem;
    pnb_error *err;
    pnb_gpu *gpu;
    pnb_tuner *tuner;
    const pnb_tune_params *params;
} tuning;

static pnb_status say(tuning *t, uint32_t done, uint32_t all) {
    if (!t->params->progress || !t->params->progress(t->params->user, done, all)) return PNB_OK;
    return pnb_fail(t->err, PNB_ERROR_CANCELLED, "tune: cancelled; nothing was changed");
}

/* ---- measuring --------------------------------------------------------------------------------------------------- */

/* Every program of the solver once: a method's phases have other shapes. The order does not matter to times. */
static pnb_status sample(tuning *t, const pnb_solver *solver, bool counts) {
    pnb_program *p;
    for (uint32_t i = 0; (p = pnb_solver_get_program(solver, i)) != NULL; i++) {
        PNB_TRY(pnb_program_run_profiled(p));
        if (counts) PNB_TRY(pnb_tuner_take(t->tuner, p));
    }
    return counts ? pnb_tuner_close(t->tuner) : pnb_gpu_wait(t->gpu);
}

static pnb_status measure(tuning *t, uint32_t candidate) {
    pnb_solver *solver = NULL;
    pnb_choices_explore(pnb_gpu_choices(t->gpu), (int32_t)candidate);
    pnb_status status = pnb_problem_solver(t->problem, true, NULL, &solver);
    for (int i = 0; status == PNB_OK && i < WARM_UP + SAMPLES; i++) status = sample(t, solver, i >= WARM_UP);
    pnb_solver_destroy(&solver);
    pnb_choices_explore(pnb_gpu_choices(t->gpu), -1);
    return status;
}

/* Candidates take turns, so that a slow spell of the machine meets them all. How many there are is known after the
 * first. */
static pnb_status measure_all(tuning *t) {
    for (uint32_t round = 0; round < ROUNDS; round++) {
        for (uint32_t i = 0; i == 0 || i < pnb_tuner_candidates(t->tuner); i++) {
            PNB_TRY(measure(t, i));
            uint32_t n = pnb_tuner_candidates(t->tuner);
            PNB_TRY(say(t, round * n + i + 1, ROUNDS * n));
        }
    }
    return PNB_OK;
}

/* Choices of a program that the table has no row for are counted, and with `enter` entered as they are. */
static pnb_status look_up(tuning *t, const pnb_program *p, bool enter, size_t *missing) {
    size_t count;
    const pnb_choice_made *made = pnb_program_choices(p, &count);
    pnb_choices *table = pnb_gpu_choices(t->gpu);
    for (size_t k = 0; k < count; k++) {
        if (made[k].n < 2 || pnb_choices_find(table, made[k].key)) continue;
        ++*missing;
        if (enter) PNB_TRY(pnb_choices_set(table, made[k].key, made[k].name));
    }
    return PNB_OK;
}

/* The same for all programs of the problem. */
static pnb_status look_up_all(tuning *t, bool enter, size_t *missing) {
    pnb_solver *solver = NULL;
    pnb_program *p;
    *missing = 0;
    PNB_TRY(pnb_problem_solver(t->problem, false, NULL, &solver));
    pnb_status status = PNB_OK;
    for (uint32_t i = 0; status == PNB_OK && (p = pnb_solver_get_program(solver, i)) != NULL; i++)
        status = look_up(t, p, enter, missing);
    pnb_solver_destroy(&solver);
    return status;
}

/* ---- the table --------------------------------------------------------------------------------------------------- */

static pnb_status report(tuning *t, const pnb_tuned *rows, size_t count, char **json) {
    cJSON *root = cJSON_CreateObject(), *list;
    pnb_json_device(root, t->gpu);
    bool ok = cJSON_AddStringToObject(root, "version", PNB_VERSION) != NULL;
    ok = ok && cJSON_AddStringToObject(root, "file", pnb_gpu_choices_path(t->gpu));
    ok = ok && pnb_json_tuning(root, t->gpu) && (list = cJSON_AddArrayToObject(root, "rows")) != NULL;
    for (size_t i = 0; ok && i < count; i++) {
        cJSON *row = cJSON_CreateObject();
        ok = row && cJSON_AddItemToArray(list, row) && cJSON_AddStringToObject(row, "key", rows[i].key) &&
             cJSON_AddStringToObject(row, "winner", rows[i].winner) &&
             cJSON_AddStringToObject(row, "preferred", rows[i].preferred) &&
             cJSON_AddNumberToObject(row, "ms", rows[i].ms) &&
             cJSON_AddNumberToObject(row, "preferred_ms", rows[i].preferred_ms);
    }
    if (ok) return pnb_json_take(t->err, root, json);
    cJSON_Delete(root);
    return pnb_no_memory(t->err, "tune");
}

static pnb_status keep(tuning *t, char **json) {
    const pnb_tuned *rows;
    size_t count;
    PNB_TRY(pnb_tuner_decide(t->tuner, PNB_TUNE_MARGIN, &rows, &count));
    for (size_t i = 0; i < count; i++) PNB_TRY(pnb_choices_set(pnb_gpu_choices(t->gpu), rows[i].key, rows[i].winner));
    size_t untimed; /* whose nodes turned out to be needed nowhere: entered too, so that the table is known to be whole */
    PNB_TRY(look_up_all(t, true, &untimed));
    PNB_TRY(pnb_gpu_save_choices(t->gpu));
    return report(t, rows, count, json);
}

static pnb_status prepare(tuning *t) {
    pnb_problem *p = t->problem;
    if (!(p->sigma > 0))
        return pnb_fail(t->err, PNB_ERROR_INPUT, "%s: noise.sigma: tuning needs a value over 0", p->file);
    PNB_TRY(pnb_context_gpu(p->ctx, &t->gpu));
    if (!pnb_gpu_choices_path(t->gpu)[0]) {
        return pnb_fail(t->err, PNB_ERROR_USAGE, "tune: there is no cache folder to keep the result in");
    }
    if (pnb_gpu_get_caps(t->gpu)->timestamp_ns > 0) return pnb_tuner_create(t->err, &t->tuner);
    return pnb_fail(t->err, PNB_ERROR_USAGE, "tune: the device has no timestamps, so its kernels cannot be timed");
}

pnb_status pnb_tune(pnb_problem *problem, const pnb_tune_params *given, char **json) {
    if (json) *json = NULL;
    if (!problem) return PNB_ERROR_USAGE;
    pnb_tune_params params = PNB_TUNE_DEFAULTS;
    pnb_struct_take(&params, sizeof params, given);
    tuning t = {.problem = problem, .err = &problem->ctx->error, .params = &params};
    if (!json) return pnb_fail(t.err, PNB_ERROR_USAGE, "pnb_tune: json is NULL");
    size_t missing = 1;
    pnb_status status = prepare(&t);
    if (status == PNB_OK && params.missing_only) status = look_up_all(&t, false, &missing);
    if (status == PNB_OK && missing) status = measure_all(&t);
    if (status == PNB_OK) status = missing ? keep(&t, json) : report(&t, NULL, 0, json);
    pnb_tuner_destroy(&t.tuner);
    return status;
}

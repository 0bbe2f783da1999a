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
    pnb_status status = prepare(&t);
    if (status == PNB_OK) status = measure_all(&t);
    if (status == PNB_OK) status = keep(&t, json);
    pnb_tuner_destroy(&t.tuner);
    return status;
}

/* Amortised matching: the public call, around a run whose solver trains a generator. */
#include "api/problem_parse.h"
#include "api/runs.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const methods[] = {"ppm_amortized", "davi"};

static pnb_status check_method(const pnb_problem *p) {
    for (size_t i = 0; i < sizeof methods / sizeof *methods; i++)
        if (strcmp(p->method->name, methods[i]) == 0) return PNB_OK;
    return pnb_fail(&p->ctx->error, PNB_ERROR_INPUT,
                    "%s: method: %s trains no generator; amortize takes ppm_amortized or davi", p->file,
                    p->method->name);
}

/* What the solver is made with. The problem's own measurement stays what samples are drawn of; without one, the first.
 */
static pnb_status read_measurements(pnb_problem *p, const pnb_amortize_params *q) {
    uint64_t one = pnb_shape_count(p->measurement);
    uint32_t n, truths;
    float *y, *x = NULL;
    PNB_TRY(pnb_problem_read_many(p, "measurements", q->measurements, p->measurement,
                                  pnb_operator_measured(p->forward->op), &n, &y));
    pnb_status status = q->truths ? pnb_problem_read_many(p, "truths", q->truths, p->image, NULL, &truths, &x) : PNB_OK;
    if (status == PNB_OK && x && truths != n)
        status =
            pnb_problem_fail(p, PNB_ERROR_INPUT, "truths: '%s' has %u, the measurements are %u", q->truths, truths, n);
    if (status != PNB_OK) {
        free(y);
        free(x);
        return status;
    }
    free(p->measurements);
    free(p->truths);
    free(p->measurements_path);
    p->measurements = y;
    p->truths = x;
    p->n_measurements = n;
    p->measurements_path = pnb_path_absolute(NULL, q->measurements);
    if (!p->measurements_path) return pnb_no_memory(&p->ctx->error, "measurements");
    if (p->y || p->simulated) return PNB_OK;
    p->y = malloc(one * sizeof *p->y);
    if (!p->y) return pnb_no_memory(&p->ctx->error, "measurement");
    memcpy(p->y, y, one * sizeof *p->y);
    return PNB_OK;
}

/* "<output without .safetensors>.amortize" */
static char *folder_of(const char *output) {
    static const char ending[] = ".safetensors";
    size_t n = strlen(output);
    if (pnb_ends_with(output, ending)) n -= strlen(ending);
    return pnb_format("%.*s.amortize", (int)n, output);
}

static pnb_status run_in(pnb_run *r, const char *folder, const pnb_amortize_params *q) {
    pnb_error *err = &r->ctx->error;
    int complete;
    PNB_TRY(pnb_folder_state(r->ctx, folder, NULL, NULL, &complete));
    if (pnb_file_exists(q->output) && !q->overwrite && !q->resume)
        return pnb_fail(err, PNB_ERROR_USAGE, "'%s' is there already: choose another name, or --overwrite, or --resume",
                        q->output);
    if (complete && q->resume && !pnb_file_exists(q->output))
        return pnb_fail(err, PNB_ERROR_USAGE, "'%s' says that the run is complete, but '%s' is not there: --overwrite",
                        folder, q->output);
    pnb_solve_params params = PNB_SOLVE_DEFAULTS;
    params.folder = folder;
    params.overwrite = q->overwrite;
    params.resume = q->resume;
    params.checkpoint_seconds = q->checkpoint_seconds;
    params.progress = q->progress;
    params.user = q->user;
    return pnb_run_solve(r, &params);
}

pnb_status pnb_amortize(pnb_problem *p, const pnb_amortize_params *given) {
    if (!p) return PNB_ERROR_USAGE;
    pnb_amortize_params q = PNB_AMORTIZE_DEFAULTS;
    pnb_run *r = NULL;
    pnb_struct_take(&q, sizeof q, given);
    if (!q.measurements || !q.output)
        return pnb_fail(&p->ctx->error, PNB_ERROR_USAGE, "pnb_amortize: needs measurements and output");
    PNB_TRY(check_method(p));
    PNB_TRY(read_measurements(p, &q));
    char *folder = folder_of(q.output);
    pnb_status status = folder ? pnb_run_create(p, &r) : pnb_no_memory(&p->ctx->error, "amortize");
    if (status == PNB_OK) {
        r->output = pnb_copy_string(q.output);
        status = r->output ? run_in(r, folder, &q) : pnb_no_memory(&p->ctx->error, "amortize");
    }
    pnb_run_destroy(&r);
    free(folder);
    return status;
}

/* ---- the generator's file ---------------------------------------------------------------------------------------- */

/* The resolved problem without what belongs to one measurement; a network prior stays out, the file has one. */
static pnb_status problem_text(pnb_run *r, char **text) {
    static const char *const own[] = {"measurement", "truth", "method", "seed"};
    cJSON *object;
    PNB_TRY(pnb_problem_object(r->problem, r->options, &object));
    for (size_t i = 0; i < sizeof own / sizeof *own; i++) cJSON_DeleteItemFromObjectCaseSensitive(object, own[i]);
    if (pnb_prior_get_kind(r->model->prior) == PNB_PRIOR_UNET) cJSON_DeleteItemFromObjectCaseSensitive(object, "prior");
    *text = cJSON_PrintUnformatted(object);
    cJSON_Delete(object);
    return *text ? PNB_OK : pnb_no_memory(&r->ctx->error, "generator");
}

pnb_status pnb_run_write_generator(pnb_run *r) {
    char trained[64], steps[64], seen[32], *text;
    uint32_t done = pnb_solver_step_index(r->solver), all = pnb_solver_steps(r->solver);
    snprintf(trained, sizeof trained, "penumbra %s", PNB_VERSION);
    snprintf(steps, sizeof steps, "%u of %u", done, all);
    snprintf(seen, sizeof seen, "%u", r->problem->n_measurements);
    PNB_TRY(problem_text(r, &text));
    const pnb_safetensors_pair facts[] = {
        {"trained_by", trained}, {"training_steps", steps}, {"training_measurements", seen}, {"problem", text}};
    pnb_status status = pnb_solver_save_generator(r->solver, r->output, facts, sizeof facts / sizeof *facts);
    free(text);
    return status;
}

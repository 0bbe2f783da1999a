/* Samples of a new measurement by a trained generator. */
#include "api/problem_parse.h"
#include "api/runs.h"
#include "io/json.h"

#include <stdlib.h>
#include <string.h>

bool pnb_run_reconstructs(const pnb_run *r) {
    return r->facts != NULL;
}

static pnb_prior *network_of(const pnb_run *r) {
    return r->generator ? r->generator : r->model->prior;
}

static pnb_status create(const pnb_run *r, bool plan_only, pnb_solver **out) {
    const pnb_problem *p = r->problem;
    const cJSON *n = cJSON_GetObjectItemCaseSensitive(r->sampling, "n");
    pnb_task task = {.gpu = r->ctx->gpu,
                     .prior = network_of(r),
                     .op = p->forward->op,
                     .y = p->y,
                     .sigma_y = p->sigma,
                     .seed = r->seed,
                     .memory_budget = r->ctx->memory_limit,
                     .plan_only = plan_only};
    return pnb_reconstructor_create(&r->ctx->error, &task, r->facts, (uint32_t)n->valuedouble, out);
}

pnb_status pnb_run_reconstructor(pnb_run *r, pnb_solver **out) {
    return create(r, false, out);
}

static pnb_status check_memory(const pnb_run *r, const pnb_gpu *gpu) {
    char need[PNB_BYTES_TEXT_SIZE], have[PNB_BYTES_TEXT_SIZE];
    uint64_t budget = pnb_context_budget(r->ctx, gpu);
    pnb_solver *planned;
    PNB_TRY(create(r, true, &planned));
    uint64_t bytes = pnb_solver_planned_bytes(planned);
    pnb_solver_destroy(&planned);
    if (budget == 0 || bytes <= budget) return PNB_OK;
    return pnb_fail(&r->ctx->error, PNB_ERROR_OUT_OF_MEMORY,
                    "reconstruct: by its plan this run needs %s, %s may be used, so nothing was allocated; fewer samples "
                    "need less",
                    pnb_bytes_text(bytes, need), pnb_bytes_text(budget, have));
}

/* The problem that the file carries, with this measurement, and with the file itself where it needs a network. */
static pnb_status problem_of(pnb_run *r, const pnb_reconstruct_params *q, cJSON **out) {
    pnb_error *err = &r->ctx->error;
    const char *text = pnb_safetensors_metadata(r->facts, "problem");
    if (!text)
        return pnb_fail(err, PNB_ERROR_MODEL,
                        "'%s' is no generator of `penumbra amortize`: its metadata has no problem", q->model);
    PNB_TRY(pnb_json_parse(err, q->model, text, strlen(text), out));
    char *model = pnb_path_absolute(NULL, q->model), *y = pnb_path_absolute(NULL, q->measurement),
         *truth = q->truth ? pnb_path_absolute(NULL, q->truth) : NULL;
    bool ok = model && y && (truth || !q->truth) && cJSON_AddStringToObject(*out, "measurement", y) &&
              (!truth || cJSON_AddStringToObject(*out, "truth", truth)) &&
              cJSON_AddNumberToObject(*out, "seed", (double)q->seed);
    if (ok && !cJSON_GetObjectItemCaseSensitive(*out, "prior")) {
        cJSON *prior = cJSON_AddObjectToObject(*out, "prior");
        ok = prior && cJSON_AddStringToObject(prior, "file", model);
    }
    free(model);
    free(y);
    free(truth);
    return ok ? PNB_OK : pnb_no_memory(err, "reconstruct");
}

static pnb_status parse_problem(pnb_run *r, const pnb_reconstruct_params *q) {
    cJSON *json = NULL;
    char *text = NULL;
    pnb_status status = problem_of(r, q, &json);
    if (status == PNB_OK) {
        text = cJSON_PrintUnformatted(json);
        status = text ? pnb_problem_parse(r->ctx, text, NULL, &r->own_problem)
                      : pnb_no_memory(&r->ctx->error, "reconstruct");
        if (status && text) pnb_error_prefix(&r->ctx->error, "'%s': ", q->model);
    }
    free(text);
    cJSON_Delete(json);
    return status;
}

static pnb_status describe(pnb_run *r, const pnb_reconstruct_params *q) {
    const char *keys[] = {"model", "measurement", "truth"}, *paths[] = {q->model, q->measurement, q->truth};
    const char *method = pnb_safetensors_metadata(r->facts, "generator");
    bool ok = (r->sampling = cJSON_CreateObject()) != NULL &&
              (!method || cJSON_AddStringToObject(r->sampling, "method", method) != NULL);
    for (int i = 0; i < 3 && ok; i++) {
        char *path = paths[i] ? pnb_path_absolute(NULL, paths[i]) : NULL;
        ok = !paths[i] || (path && cJSON_AddStringToObject(r->sampling, keys[i], path));
        free(path);
    }
    ok = ok && cJSON_AddNumberToObject(r->sampling, "n", q->n) &&
         cJSON_AddNumberToObject(r->sampling, "seed", (double)q->seed);
    return ok ? PNB_OK : pnb_no_memory(&r->ctx->error, "reconstruct");
}

static pnb_status start(pnb_run *r, const pnb_reconstruct_params *q) {
    pnb_gpu *gpu;
    PNB_TRY(pnb_safetensors_open(&r->ctx->error, q->model, &r->facts));
    PNB_TRY(describe(r, q));
    PNB_TRY(parse_problem(r, q));
    r->problem = r->own_problem;
    r->model = r->problem->model;
    r->image = r->problem->image;
    r->seed = q->seed;
    PNB_TRY(pnb_problem_ready(r->problem));
    PNB_TRY(pnb_context_gpu(r->ctx, &gpu));
    if (pnb_prior_dim(r->model->prior)) PNB_TRY(pnb_prior_load(&r->ctx->error, q->model, &r->generator));
    PNB_TRY(check_memory(r, gpu));
    PNB_TRY(pnb_model_ready(r->model, &gpu));
    PNB_TRY(pnb_forward_ready(r->problem->forward, &gpu));
    if (r->generator) PNB_TRY(pnb_prior_commit(r->generator, gpu));
    return pnb_run_reconstructor(r, &r->solver);
}

pnb_status pnb_run_create_reconstruction(pnb_context *ctx, const pnb_reconstruct_params *given, pnb_run **out) {
    if (out) *out = NULL;
    if (!ctx) return PNB_ERROR_USAGE;
    pnb_reconstruct_params q = PNB_RECONSTRUCT_DEFAULTS;
    pnb_struct_take(&q, sizeof q, given);
    if (!out || !q.model || !q.measurement || q.n == 0)
        return pnb_fail(&ctx->error, PNB_ERROR_USAGE,
                        "pnb_run_create_reconstruction: needs out, model, measurement and n");
    double begin = pnb_seconds_now();
    pnb_run *r = pnb_run_new(ctx);
    if (!r) return pnb_no_memory(&ctx->error, "run");
    pnb_status status = start(r, &q);
    if (status) {
        pnb_run_destroy(&r);
        return status;
    }
    r->build_seconds = pnb_seconds_now() - begin;
    *out = r;
    return PNB_OK;
}

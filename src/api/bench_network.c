/* One evaluation of a network, and one with its gradient with respect to the image: a preset with random weights or a
 * file. */
#include "api/bench.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct evaluation {
    pnb_bencher *b;
    pnb_model *model;
    pnb_shape shape; /* of x */
    pnb_store *store;
    pnb_storage *x, *cotangent, *t, *alpha, *sigma;
    pnb_graph *graph;
    pnb_program *program;
} evaluation;

static pnb_status make_inputs(evaluation *e) {
    pnb_shape rows = pnb_shape1(e->shape.d[0]);
    PNB_TRY(pnb_store_create(&e->b->ctx->error, "bench", &e->store));
    PNB_TRY(pnb_store_add(e->store, "x", e->shape, PNB_STORAGE_VARIABLE, &e->x));
    PNB_TRY(pnb_store_add(e->store, "cotangent", e->shape, PNB_STORAGE_VARIABLE, &e->cotangent));
    PNB_TRY(pnb_store_add(e->store, "t", rows, PNB_STORAGE_VARIABLE, &e->t));
    PNB_TRY(pnb_store_add(e->store, "alpha", rows, PNB_STORAGE_VARIABLE, &e->alpha));
    PNB_TRY(pnb_store_add(e->store, "sigma", rows, PNB_STORAGE_VARIABLE, &e->sigma));
    PNB_TRY(pnb_store_commit(e->store, e->b->gpu));
    PNB_TRY(pnb_bench_fill(e->b, e->x, 1, 1, 0));
    PNB_TRY(pnb_bench_fill(e->b, e->cotangent, 0, 1, 0));
    PNB_TRY(pnb_bench_fill(e->b, e->t, 0, 0, 500));
    PNB_TRY(pnb_bench_fill(e->b, e->alpha, 0, 0, 0.6f));
    return pnb_bench_fill(e->b, e->sigma, 0, 0, 0.8f);
}

static pnb_status build(evaluation *e, bool gradient) {
    pnb_tensor x, cotangent, eps, grad;
    pnb_level level;
    pnb_program_params params = {.profile = true, .memory_budget = e->b->ctx->memory_limit};
    PNB_TRY(make_inputs(e));
    PNB_TRY(pnb_graph_create(&e->b->ctx->error, e->b->gpu, gradient ? "forward + input" : "forward", &e->graph));
    PNB_TRY(pnb_graph_bind(e->graph, e->x, &x));
    PNB_TRY(pnb_graph_bind(e->graph, e->t, &level.t));
    PNB_TRY(pnb_graph_bind(e->graph, e->alpha, &level.alpha));
    PNB_TRY(pnb_graph_bind(e->graph, e->sigma, &level.sigma));
    PNB_TRY(pnb_prior_eps(e->model->prior, e->graph, x, level, NULL, &eps));
    PNB_TRY(pnb_graph_output(e->graph, eps));
    if (gradient) {
        PNB_TRY(pnb_graph_bind(e->graph, e->cotangent, &cotangent));
        PNB_TRY(pnb_graph_grad(e->graph, &eps, &cotangent, 1, &x, 1, &grad));
        PNB_TRY(pnb_graph_output(e->graph, grad));
    }
    return pnb_program_create(e->graph, e->b->gpu, &params, &e->program);
}

static pnb_status time_network(evaluation *e, bool gradient, double begin, cJSON *row) {
    const char *pass = gradient ? "forward+input" : "forward";
    char name[160], shape[48];
    PNB_TRY(build(e, gradient));
    const pnb_plan_report *r = pnb_program_report(e->program);
    pnb_step_part part = {.program = e->program, .runs = 1};
    pnb_work work = {.parts = &part, .n_parts = 1, .name = name, .build_seconds = pnb_seconds_now() - begin};
    work.planned_bytes = r->arena_bytes + r->constant_bytes + r->storage_bytes;
    snprintf(name, sizeof name, "%.60s %s, %s", pnb_path_name(e->b->params.network), pnb_shape_text(e->shape, shape),
             pass);
    if (!cJSON_AddStringToObject(row, "network", pnb_path_name(e->b->params.network)) ||
        !cJSON_AddStringToObject(row, "input", shape) || !cJSON_AddStringToObject(row, "pass", pass) ||
        !cJSON_AddNumberToObject(row, "parameters", (double)pnb_prior_parameters(e->model->prior)))
        return pnb_no_memory(&e->b->ctx->error, "bench");
    return pnb_bench_work(e->b, &work, row);
}

static pnb_status bench_pass(pnb_bencher *b, pnb_model *model, pnb_shape shape, bool gradient, cJSON *list) {
    evaluation e = {.b = b, .model = model, .shape = shape};
    cJSON *row = cJSON_CreateObject();
    if (!row || !cJSON_AddItemToArray(list, row)) return pnb_no_memory(&b->ctx->error, "bench");
    pnb_status status = time_network(&e, gradient, pnb_seconds_now(), row);
    pnb_program_destroy(&e.program);
    pnb_graph_destroy(&e.graph);
    pnb_store_destroy(&e.store, b->gpu);
    return status;
}

static pnb_status bench_model(pnb_bencher *b, pnb_model *model) {
    const pnb_prior *prior = model->prior;
    uint32_t n = b->params.batch ? b->params.batch : 1, dim = pnb_prior_dim(prior), side = pnb_prior_size_hint(prior);
    if (!dim && !side) side = 64;
    pnb_shape shape = dim ? pnb_shape2(n, dim) : pnb_shape4(n, pnb_prior_channels(prior), side, side);
    cJSON *list = cJSON_GetObjectItemCaseSensitive(b->json, "networks");
    if (!list) list = cJSON_AddArrayToObject(b->json, "networks");
    if (!list) return pnb_no_memory(&b->ctx->error, "bench");
    PNB_TRY(pnb_model_ready(model, &b->gpu));
    PNB_TRY(pnb_bench_peak(b));
    PNB_TRY(bench_pass(b, model, shape, false, list));
    return bench_pass(b, model, shape, true, list);
}

pnb_status pnb_bench_network(pnb_bencher *b) {
    pnb_model *model = NULL;
    bool file = pnb_ends_with(b->params.network, ".safetensors");
    pnb_status status = file ? pnb_model_load(b->ctx, b->params.network, &model)
                             : pnb_model_create_random(b->ctx, b->params.network, &model);
    if (status == PNB_OK) status = pnb_model_set_fp16(model, b->params.fp16);
    if (status == PNB_OK) status = bench_model(b, model);
    pnb_model_destroy(&model);
    return status;
}

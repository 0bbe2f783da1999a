/* The step of a method on a problem: a problem.json, or the built-in one, which is the demo's with random weights. */
#include "api/bench.h"

#include <stdio.h>
#include <stdlib.h>

/* Garments behind a box: the shapes and settings of assets/demo.json. */
static pnb_status builtin_problem(pnb_context *ctx, pnb_model **model, pnb_forward **forward, pnb_problem **out) {
    static const float truth[32 * 32]; /* black */
    pnb_extent image = {3, {1, 32, 32}};
    PNB_TRY(pnb_model_create_random(ctx, "garments", model));
    PNB_TRY(pnb_forward_create(ctx, "mask_box", "{\"top\": 9, \"left\": 9, \"height\": 14, \"width\": 14}", NULL,
                               &image, forward));
    pnb_problem_params params = PNB_PROBLEM_DEFAULTS;
    params.model = *model;
    params.forward = *forward;
    params.truth = truth;
    params.sigma = 0.05;
    params.seed = 7;
    return pnb_problem_create(ctx, &params, out);
}

static pnb_status time_steps(pnb_bencher *b, pnb_problem *p, pnb_solver *solver, double build_seconds, cJSON *row) {
    enum { ROOM = 8 };
    pnb_step_part parts[ROOM];
    char name[160], image[48];
    PNB_TRY(pnb_solver_step(solver)); /* the first is longer where a method warms up */
    PNB_TRY(pnb_gpu_wait(b->gpu));
    pnb_work work = {.parts = parts, .name = name, .build_seconds = build_seconds};
    work.n_parts = pnb_solver_parts(solver, parts, ROOM);
    work.planned_bytes = pnb_solver_planned_bytes(solver);
    snprintf(name, sizeof name, "%s step, %s, K %u", p->method->name, pnb_shape_text(p->image, image),
             pnb_solver_particles(solver));
    if (!cJSON_AddStringToObject(row, "step", p->method->name) || !cJSON_AddStringToObject(row, "image", image) ||
        !cJSON_AddNumberToObject(row, "particles", pnb_solver_particles(solver)) ||
        !cJSON_AddStringToObject(row, "prior", pnb_prior_describe(p->model->prior)))
        return pnb_no_memory(&b->ctx->error, "bench");
    return pnb_bench_work(b, &work, row);
}

static pnb_status bench_problem(pnb_bencher *b, pnb_problem *p) {
    pnb_solver *solver = NULL;
    cJSON *list = cJSON_AddArrayToObject(b->json, "steps"), *row = cJSON_CreateObject();
    if (!list || !row || !cJSON_AddItemToArray(list, row)) return pnb_no_memory(&b->ctx->error, "bench");
    double begin = pnb_seconds_now();
    pnb_status status = pnb_problem_solver(p, true, NULL, &solver);
    if (status == PNB_OK) status = time_steps(b, p, solver, pnb_seconds_now() - begin, row);
    pnb_solver_destroy(&solver);
    return status;
}

pnb_status pnb_bench_step(pnb_bencher *b) {
    pnb_model *model = NULL;
    pnb_forward *forward = NULL;
    pnb_problem *problem = NULL;
    pnb_status status = b->params.problem ? pnb_problem_load(b->ctx, b->params.problem, &problem)
                                          : builtin_problem(b->ctx, &model, &forward, &problem);
    if (status == PNB_OK) status = bench_problem(b, problem);
    pnb_problem_destroy(&problem);
    pnb_forward_destroy(&forward);
    pnb_model_destroy(&model);
    return status;
}

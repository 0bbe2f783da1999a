/* The step of a method on a problem: a problem.json, or the built-in one, which is the demo's with random weights. */
#include "api/bench.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static pnb_status create_garment(pnb_context *ctx, uint32_t side, uint32_t width, pnb_bench_garment *g) {
    char box[128];
    pnb_extent image = {3, {1, side, side}};
    float *truth = calloc((size_t)side * side, sizeof *truth); /* black */
    if (!truth) return pnb_no_memory(&ctx->error, "bench");
    snprintf(box, sizeof box, "{\"top\": %u, \"left\": %u, \"height\": %u, \"width\": %u}", side * 9 / 32,
             side * 9 / 32, side * 14 / 32, side * 14 / 32);
    pnb_problem_params params = PNB_PROBLEM_DEFAULTS;
    params.truth = truth;
    params.sigma = 0.05;
    params.seed = 7;
    pnb_status status = pnb_model_create_wide(ctx, "garments", width, &g->model);
    if (status == PNB_OK) status = pnb_forward_create(ctx, "mask_box", box, NULL, &image, &g->forward);
    params.model = g->model;
    params.forward = g->forward;
    if (status == PNB_OK) status = pnb_problem_create(ctx, &params, &g->problem);
    free(truth);
    return status;
}

pnb_status pnb_bench_garment_create(pnb_context *ctx, uint32_t side, uint32_t width, pnb_bench_garment *out) {
    *out = (pnb_bench_garment){0};
    pnb_status status = create_garment(ctx, side, width, out);
    if (status != PNB_OK) pnb_bench_garment_finish(out);
    return status;
}

void pnb_bench_garment_finish(pnb_bench_garment *g) {
    pnb_problem_destroy(&g->problem);
    pnb_forward_destroy(&g->forward);
    pnb_model_destroy(&g->model);
}

static pnb_status time_steps(pnb_bencher *b, pnb_problem *p, pnb_solver *solver, const char *before, pnb_work *work,
                             cJSON *row) {
    enum { ROOM = 8 };
    pnb_step_part parts[ROOM];
    char name[160], image[48];
    PNB_TRY(pnb_solver_step(solver)); /* the first is longer where a method warms up */
    PNB_TRY(pnb_gpu_wait(b->gpu));
    work->parts = parts;
    work->name = name;
    work->n_parts = pnb_solver_parts(solver, parts, ROOM);
    work->planned_bytes = pnb_solver_planned_bytes(solver);
    snprintf(name, sizeof name, "%s%s step, %s, K %u", before, p->method->name, pnb_shape_text(p->image, image),
             pnb_solver_particles(solver));
    if (!cJSON_AddStringToObject(row, "step", p->method->name) || !cJSON_AddStringToObject(row, "image", image) ||
        !cJSON_AddNumberToObject(row, "particles", pnb_solver_particles(solver)) ||
        !cJSON_AddStringToObject(row, "prior", pnb_prior_describe(p->model->prior)))
        return pnb_no_memory(&b->ctx->error, "bench");
    return pnb_bench_work(b, work, row);
}

pnb_status pnb_bench_problem(pnb_bencher *b, pnb_problem *p, const char *before, bool whole_only, cJSON *row) {
    pnb_solver *solver = NULL;
    pnb_work work = {.whole_only = whole_only};
    PNB_TRY(pnb_bench_peak(b));
    if (strcmp(p->method->name, "ppm") == 0) PNB_TRY(pnb_problem_set(p, "method.init_steps", "0")); /* its step is the matching's */
    double begin = pnb_seconds_now();
    PNB_TRY(pnb_problem_solver(p, !whole_only, NULL, &solver));
    work.build_seconds = pnb_seconds_now() - begin;
    pnb_status status = time_steps(b, p, solver, before, &work, row);
    pnb_solver_destroy(&solver);
    return status;
}

pnb_status pnb_bench_step(pnb_bencher *b) {
    pnb_bench_garment garment = {0};
    pnb_problem *loaded = NULL;
    cJSON *list = cJSON_AddArrayToObject(b->json, "steps"), *row = cJSON_CreateObject();
    if (!list || !row || !cJSON_AddItemToArray(list, row)) return pnb_no_memory(&b->ctx->error, "bench");
    pnb_status status = b->params.problem ? pnb_problem_load(b->ctx, b->params.problem, &loaded)
                                          : pnb_bench_garment_create(b->ctx, 32, 1, &garment);
    if (status == PNB_OK && b->params.fp16) status = pnb_model_set_fp16(loaded ? pnb_problem_model(loaded) : garment.model, 1);
    if (status == PNB_OK) status = pnb_bench_problem(b, loaded ? loaded : garment.problem, "", false, row);
    pnb_problem_destroy(&loaded);
    pnb_bench_garment_finish(&garment);
    return status;
}

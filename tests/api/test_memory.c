/* Plans of memory against what the allocator counts, requests over the budget, and the published networks' sizes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "api/handles.h"

#include <math.h>
#include <string.h>

#define OK(ctx, call)                                                                                                  \
    do {                                                                                                               \
        if ((call) != PNB_OK) fail_msg("%s: %s", #call, pnb_last_error(ctx));                                          \
    } while (0)

static const char garment[] =
    "{\"prior\": {\"file\": \"garments.safetensors\"}, \"measurement\": \"garments/garment-03.png\","
    " \"operator\": {\"type\": \"mask_box\", \"top\": 9, \"left\": 9, \"height\": 14, \"width\": 14},"
    " \"noise\": {\"type\": \"gaussian\", \"sigma\": 0.05},"
    " \"method\": {\"type\": \"ppm\", \"particles\": 4, \"steps\": 2, \"aux_warmup\": 1, \"finish_steps\": 1}}";

static pnb_context *open_context(uint64_t limit) {
    pnb_context *ctx = NULL;
    pnb_context_params params = PNB_CONTEXT_DEFAULTS;
    params.cache_dir = "";
    params.memory_limit = limit;
    assert_int_equal(pnb_context_create(&params, &ctx), PNB_OK);
    return ctx;
}

static void agree(const char *what, uint64_t planned, const pnb_context *ctx) {
    uint64_t peak = pnb_gpu_get_stats(ctx->gpu).buffer_peak_bytes;
    print_message("%s: planned %llu, taken %llu\n", what, (unsigned long long)planned, (unsigned long long)peak);
    assert_true(fabs((double)peak - (double)planned) <= 0.02 * (double)planned);
}

static void predict(pnb_context *ctx, pnb_model *m, uint32_t n, bool gradient, pnb_status want) {
    size_t count = (size_t)n * 32 * 32;
    float *x = calloc(3 * count, sizeof *x);
    double *t = calloc(n, sizeof *t);
    assert_true(x && t);
    pnb_predict_params p = PNB_PREDICT_DEFAULTS;
    p.n = n;
    p.height = p.width = 32;
    p.x = x;
    p.t = t;
    p.out = x + count;
    if (gradient) {
        p.cotangent = x;
        p.grad_x = x + 2 * count;
    }
    pnb_status got = pnb_model_predict(m, &p);
    if (got != want) fail_msg("%d: %s", (int)got, pnb_last_error(ctx));
    free(x);
    free(t);
}

static void test_evaluations(void **state) {
    (void)state;
    for (int gradient = 0; gradient < 2; gradient++) {
        pnb_context *ctx = open_context(0);
        pnb_model *m;
        pnb_memory_plan plan = PNB_MEMORY_PLAN_INIT;
        pnb_plan_params params = PNB_PLAN_DEFAULTS;
        params.batch = 4;
        params.device = 1;
        OK(ctx, pnb_model_create_random(ctx, "garments", &m));
        OK(ctx, pnb_model_plan(m, &params, &plan));
        assert_int_equal(plan.height, 32);
        assert_int_equal(pnb_gpu_get_stats(ctx->gpu).buffer_peak_bytes, 0);
        predict(ctx, m, 4, gradient, PNB_OK);
        agree(gradient ? "forward and input gradient" : "forward", gradient ? plan.gradient : plan.forward, ctx);
        pnb_model_destroy(&m);
        pnb_context_destroy(&ctx);
    }
}

static void test_run(void **state) {
    (void)state;
    for (int checkpointing = 0; checkpointing < 2; checkpointing++) {
        pnb_context *ctx = open_context(0);
        pnb_problem *problem;
        pnb_run *run;
        OK(ctx, pnb_problem_parse(ctx, garment, PNB_SOURCE_DIR "/assets", &problem));
        OK(ctx, pnb_problem_set(problem, "method.checkpointing", checkpointing ? "true" : "false"));
        OK(ctx, pnb_run_create(problem, &run));
        OK(ctx, pnb_run_advance(run, 0, NULL, NULL));
        agree(checkpointing ? "PPM, checkpointed" : "PPM", pnb_solver_planned_bytes(run->solver), ctx);
        pnb_run_destroy(&run);
        pnb_problem_destroy(&problem);
        pnb_context_destroy(&ctx);
    }
}

/* In tiles: what a run takes is its plan, and the prior's plan at that size says the same. */
static void test_tiles(void **state) {
    (void)state;
    static const char text[] =
        "{\"prior\": {\"file\": \"garments.safetensors\", \"tile\": 16, \"overlap\": 4}, \"measurement\": \"garments/garment-03.png\","
        " \"operator\": {\"type\": \"identity\"}, \"noise\": {\"type\": \"gaussian\", \"sigma\": 0.05},"
        " \"method\": {\"type\": \"ppm\", \"particles\": 2, \"steps\": 2}}";
    pnb_context *ctx = open_context(0);
    pnb_problem *problem;
    pnb_run *run;
    pnb_model *m;
    pnb_memory_plan plan = PNB_MEMORY_PLAN_INIT;
    pnb_plan_params params = PNB_PLAN_DEFAULTS;
    OK(ctx, pnb_problem_parse(ctx, text, PNB_SOURCE_DIR "/assets", &problem));
    OK(ctx, pnb_run_create(problem, &run));
    OK(ctx, pnb_run_advance(run, 0, NULL, NULL));
    agree("PPM in tiles", pnb_solver_planned_bytes(run->solver), ctx);
    OK(ctx, pnb_model_load(ctx, PNB_SOURCE_DIR "/assets/garments.safetensors", &m));
    params.device = 1;
    params.particles = 2;
    params.height = params.width = 32;
    params.tile = 16;
    OK(ctx, pnb_model_plan(m, &params, &plan));
    agree("PPM in tiles, by the prior's plan", plan.step, ctx);
    pnb_model_destroy(&m);
    pnb_run_destroy(&run);
    pnb_problem_destroy(&problem);
    pnb_context_destroy(&ctx);
}

/* Nothing is allocated, and what is named fits. */
static void test_over_budget(void **state) {
    (void)state;
    pnb_context *ctx = open_context(100ull << 20); /* 8 particles fit checkpointed, else 4 */
    pnb_problem *problem;
    pnb_run *run;
    pnb_model *m;
    OK(ctx, pnb_problem_parse(ctx, garment, PNB_SOURCE_DIR "/assets", &problem));
    OK(ctx, pnb_problem_set(problem, "method.particles", "16"));
    assert_int_equal(pnb_run_create(problem, &run), PNB_ERROR_OUT_OF_MEMORY);
    print_message("%s\n", pnb_last_error(ctx));
    const char *fit = strstr(pnb_last_error(ctx), "nothing was allocated; "),
               *with = strstr(pnb_last_error(ctx), "checkpointing");
    assert_non_null(fit);
    assert_non_null(with);
    assert_int_equal(pnb_gpu_get_stats(ctx->gpu).allocations, 0);
    unsigned particles = 0;
    assert_int_equal(sscanf(fit + strlen("nothing was allocated; "), "%u particle", &particles), 1);
    assert_in_range(particles, 1, 15);
    char text[16];
    snprintf(text, sizeof text, "%u", particles);
    OK(ctx, pnb_problem_set(problem, "method.particles", text));
    OK(ctx, pnb_run_create(problem, &run));
    pnb_run_destroy(&run);
    pnb_problem_destroy(&problem);
    pnb_context_destroy(&ctx);
    ctx = open_context(24ull << 20);
    OK(ctx, pnb_model_create_random(ctx, "garments", &m));
    predict(ctx, m, 64, false, PNB_ERROR_OUT_OF_MEMORY);
    assert_non_null(strstr(pnb_last_error(ctx), "a batch of 64 needs"));
    assert_int_equal(pnb_gpu_get_stats(ctx->gpu).allocations, 0);
    pnb_model_destroy(&m);
    pnb_context_destroy(&ctx);
}

/* FFHQ-256: PPM with one particle within 8 GB, checkpointed; the forward within 3 GB. */
static void test_ffhq(void **state) {
    (void)state;
    pnb_context *ctx = open_context(0);
    pnb_model *m;
    pnb_memory_plan plan = PNB_MEMORY_PLAN_INIT;
    pnb_plan_params params = PNB_PLAN_DEFAULTS;
    params.particles = 1;
    OK(ctx, pnb_model_create_random(ctx, "ffhq256", &m));
    OK(ctx, pnb_model_plan(m, &params, &plan));
    print_message("FFHQ-256, GB: weights %.3f, forward %.3f, with input gradient %.3f (checkpointed %.3f), PPM %.3f "
                  "(checkpointed %.3f)\n",
                  1e-9 * (double)plan.weights, 1e-9 * (double)plan.forward, 1e-9 * (double)plan.gradient,
                  1e-9 * (double)plan.gradient_checkpointed, 1e-9 * (double)plan.step,
                  1e-9 * (double)plan.step_checkpointed);
    assert_in_range(plan.weights, 4 * 93563910ull,
                    4 * 93563910ull + 16 * 362); /* tensors begin at multiples of 16 bytes */
    assert_true(plan.forward <= 3000000000ull);
    assert_true(plan.step_checkpointed <= 8000000000ull);
    assert_true(plan.gradient_checkpointed < plan.gradient && plan.step_checkpointed < plan.step);
    assert_null(ctx->gpu); /* no device was opened */
    params.particles = 0;
    assert_int_equal(pnb_model_plan(m, &params, &plan), PNB_ERROR_USAGE);
    pnb_model_destroy(&m);
    pnb_context_destroy(&ctx);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_evaluations),
        cmocka_unit_test(test_run),
        cmocka_unit_test(test_tiles),
        cmocka_unit_test(test_over_budget),
        cmocka_unit_test(test_ffhq),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

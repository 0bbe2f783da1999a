/* The public functions as an application calls them: arrays in and out, cancelling, NULL, two contexts in two threads.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "penumbra/penumbra.h"

#include <math.h>
#include <pthread.h>
#include <string.h>
#include <unistd.h>

static const char toy[] =
    "{\"prior\": {\"type\": \"gmm\", \"weights\": [0.5, 0.5], \"means\": [[0, 2], [0, -2]],"
    " \"covariances\": [[[0.09, 0], [0, 0.09]], [[0.09, 0], [0, 0.09]]]},"
    " \"operator\": {\"type\": \"matrix\", \"matrix\": [[1, 0]]}, \"measurement\": [0.1],"
    " \"noise\": {\"type\": \"gaussian\", \"sigma\": 0.3},"
    " \"method\": {\"type\": \"ppm\", \"particles\": 8, \"steps\": 12, \"finish\": \"none\"}, \"seed\": 7}";

#define OK(ctx, call)                                                                                                  \
    do {                                                                                                               \
        if ((call) != PNB_OK) fail_msg("%s: %s", #call, pnb_last_error(ctx));                                          \
    } while (0)

static pnb_context *open_context(void) {
    pnb_context *ctx = NULL;
    pnb_context_params params = PNB_CONTEXT_DEFAULTS;
    params.cache_dir = "";
    assert_int_equal(pnb_context_create(&params, &ctx), PNB_OK);
    return ctx;
}

static pnb_run *open_toy(pnb_context *ctx, pnb_problem **problem) {
    pnb_run *run = NULL;
    OK(ctx, pnb_problem_parse(ctx, toy, NULL, problem));
    OK(ctx, pnb_run_create(*problem, &run));
    return run;
}

/* ---- nothing is given
 * ----------------------------------------------------------------------------------------------------- */

static void test_null(void **state) {
    (void)state;
    assert_int_equal(pnb_context_create(NULL, NULL), PNB_ERROR_USAGE);
    assert_true(strlen(pnb_last_error(NULL)) > 0);
    pnb_context_destroy(NULL);
    pnb_model_destroy(NULL);
    pnb_forward_destroy(NULL);
    pnb_problem_destroy(NULL);
    pnb_run_destroy(NULL);
    pnb_ndarray_clear(NULL);
    pnb_free(NULL);
    pnb_context *ctx = open_context();
    pnb_model *model = (pnb_model *)(void *)ctx;
    pnb_problem *problem = NULL;
    pnb_run *run = NULL;
    assert_int_equal(pnb_model_load(ctx, NULL, &model), PNB_ERROR_USAGE);
    assert_null(model);
    assert_true(strlen(pnb_last_error(ctx)) > 0);
    assert_int_equal(pnb_problem_parse(ctx, NULL, NULL, &problem), PNB_ERROR_USAGE);
    assert_int_equal(pnb_problem_create(ctx, NULL, &problem), PNB_ERROR_USAGE);
    assert_int_equal(pnb_run_create(NULL, &run), PNB_ERROR_USAGE);
    assert_int_equal(pnb_run_advance(NULL, 0, NULL, NULL), PNB_ERROR_USAGE);
    assert_int_equal(pnb_run_samples(NULL, NULL), PNB_ERROR_USAGE);
    assert_int_equal(pnb_model_predict(NULL, NULL), PNB_ERROR_USAGE);
    assert_int_equal(pnb_forward_apply(NULL, 1, NULL, NULL), PNB_ERROR_USAGE);
    assert_int_equal(pnb_evaluate(ctx, 0, NULL, NULL, NULL, NULL), PNB_ERROR_USAGE);
    assert_int_equal(pnb_inspect(ctx, NULL, 0, NULL), PNB_ERROR_USAGE);
    assert_int_equal(pnb_draw_folders(ctx, 0, NULL, "x.png"), PNB_ERROR_USAGE);
    assert_int_equal(pnb_draw_folders(ctx, 1, (const char *[]){NULL}, "x.png"), PNB_ERROR_USAGE);
    assert_int_equal(pnb_selftest(ctx, "[", NULL, NULL, NULL), PNB_ERROR_USAGE);
    pnb_context_destroy(&ctx);
    assert_null(ctx);
}

/* ---- parts and arrays
 * ------------------------------------------------------------------------------------------------------- */

static void test_parts(void **state) {
    (void)state;
    static const double weights[] = {1, 1}, means[] = {0, 2, 0, -2},
                        covariances[] = {0.09, 0, 0, 0.09, 0.09, 0, 0, 0.09};
    pnb_context *ctx = open_context();
    pnb_model *model = NULL;
    pnb_forward *forward = NULL;
    pnb_problem *problem = NULL;
    pnb_run *run = NULL;
    OK(ctx, pnb_model_create_gmm(ctx, 2, 2, weights, means, covariances, &model));
    pnb_model_info info = PNB_MODEL_INFO_INIT;
    OK(ctx, pnb_model_get_info(model, &info));
    assert_int_equal(info.dim, 2);
    assert_string_equal(info.kind, "gmm");
    pnb_extent image = {1, {2}};
    OK(ctx, pnb_forward_create(ctx, "matrix", "{\"matrix\": [[1, 0]]}", NULL, &image, &forward));
    float y = 0.1f, samples[16], mean[2], std[2];
    pnb_problem_params parts = PNB_PROBLEM_DEFAULTS;
    parts.model = model;
    parts.forward = forward;
    parts.measurement = &y;
    parts.sigma = 0.3;
    parts.seed = 7;
    OK(ctx, pnb_problem_create(ctx, &parts, &problem));
    assert_int_equal(pnb_problem_set(problem, "method.nothing", "1"), PNB_ERROR_USAGE);
    assert_int_equal(pnb_problem_set(problem, "method.particles", "0"), PNB_ERROR_INPUT);
    OK(ctx, pnb_problem_set(problem, "method.particles", "8"));
    OK(ctx, pnb_problem_set(problem, "method.steps", "12"));
    OK(ctx, pnb_problem_set(problem, "method.finish", "none"));
    OK(ctx, pnb_run_create(problem, &run));
    OK(ctx, pnb_run_advance(run, 5, NULL, NULL));
    OK(ctx, pnb_run_advance(run, 0, NULL, NULL));
    assert_int_equal(pnb_run_advance(run, 1, NULL, NULL), PNB_ERROR_USAGE);
    assert_int_equal(pnb_run_particles(run), 8);
    OK(ctx, pnb_run_samples(run, samples));
    OK(ctx, pnb_run_moments(run, mean, std));
    double sum = 0;
    for (int i = 0; i < 8; i++) sum += samples[2 * i];
    assert_true(fabs(sum / 8 - mean[0]) < 1e-5);
    char *json = NULL;
    OK(ctx, pnb_run_json(run, &json));
    assert_non_null(strstr(json, "network_evaluations"));
    pnb_free(json);
    pnb_run_destroy(&run);
    pnb_problem_destroy(&problem);
    /* The same as text gives the same samples. */
    float text_samples[16];
    run = open_toy(ctx, &problem);
    OK(ctx, pnb_run_advance(run, 0, NULL, NULL));
    OK(ctx, pnb_run_samples(run, text_samples));
    assert_memory_equal(samples, text_samples, sizeof samples);
    pnb_run_destroy(&run);
    pnb_problem_destroy(&problem);
    pnb_forward_destroy(&forward);
    pnb_model_destroy(&model);
    pnb_context_destroy(&ctx);
}

static void test_forward(void **state) {
    (void)state;
    pnb_context *ctx = open_context();
    pnb_forward *f = NULL;
    pnb_extent image = {3, {1, 4, 4}};
    OK(ctx, pnb_forward_create(ctx, "average_pool", "{\"factor\": 2}", NULL, &image, &f));
    pnb_forward_info info = PNB_FORWARD_INFO_INIT;
    OK(ctx, pnb_forward_get_info(f, &info));
    assert_int_equal(info.measurement.size[1], 2);
    assert_true(info.linear);
    float x[32], y[8], v[8], back[32];
    for (int i = 0; i < 32; i++) x[i] = sinf((float)i);
    for (int i = 0; i < 8; i++) v[i] = cosf((float)i);
    OK(ctx, pnb_forward_apply(f, 2, x, y));
    OK(ctx, pnb_forward_adjoint(f, 2, v, back));
    double a = 0, b = 0;
    for (int i = 0; i < 8; i++) a += y[i] * v[i];
    for (int i = 0; i < 32; i++) b += x[i] * back[i];
    assert_true(fabs(a - b) < 1e-5);
    pnb_forward_destroy(&f);
    assert_int_equal(pnb_forward_create(ctx, "average_pool", "{\"factor\": 3}", NULL, &image, &f), PNB_ERROR_INPUT);
    assert_null(f);
    pnb_context_destroy(&ctx);
}

/* D(x; sigma) = x - sigma eps, and its gradient against a difference quotient. */
static void test_predict(void **state) {
    (void)state;
    pnb_context *ctx = open_context();
    pnb_problem *problem = NULL;
    OK(ctx, pnb_problem_parse(ctx, toy, NULL, &problem));
    enum { N = 3 };
    const double h = 1e-2;
    float x[2 * N] = {0.2f, 1.5f, 0.1f, 0.3f, -0.4f, -1}, v[2 * N] = {1, 0.5f, -1, 2, 0, 1}, g[2 * N];
    double sigma[N] = {0.5, 1, 2};
    pnb_predict_params p = PNB_PREDICT_DEFAULTS;
    p.n = N;
    p.x = x;
    p.sigma = sigma;
    p.cotangent = v;
    p.grad_x = g;
    OK(ctx, pnb_model_predict(pnb_problem_model(problem), &p));
    for (int i = 0; i < 2 * N; i++) {
        double value[2];
        for (int side = 0; side < 2; side++) {
            float moved[2 * N], out[2 * N];
            memcpy(moved, x, sizeof x);
            moved[i] += (float)(side ? h : -h);
            pnb_predict_params q = PNB_PREDICT_DEFAULTS;
            q.n = N;
            q.x = moved;
            q.sigma = sigma;
            q.out = out;
            OK(ctx, pnb_model_predict(pnb_problem_model(problem), &q));
            value[side] = 0;
            for (int j = 0; j < 2 * N; j++) value[side] += (double)out[j] * v[j];
        }
        double quotient = (value[1] - value[0]) / (2 * h);
        if (fabs(quotient - g[i]) > 0.02 * (1 + fabs(quotient)))
            fail_msg("gradient %d: %g, quotient %g", i, g[i], quotient);
    }
    p.sigma = NULL;
    assert_int_equal(pnb_model_predict(pnb_problem_model(problem), &p), PNB_ERROR_USAGE);
    pnb_problem_destroy(&problem);
    pnb_context_destroy(&ctx);
}

/* ---- cancelling and saving
 * -------------------------------------------------------------------------------------------------- */

static int stop_at(void *user, const pnb_progress *p) {
    return p->step == *(const uint32_t *)user;
}

static void test_cancel_and_save(void **state) {
    (void)state;
    pnb_context *ctx = open_context();
    pnb_problem *problem = NULL;
    float whole[16], resumed[16], early[16];
    pnb_run *run = open_toy(ctx, &problem);
    OK(ctx, pnb_run_advance(run, 0, NULL, NULL));
    OK(ctx, pnb_run_samples(run, whole));
    pnb_run_destroy(&run);
    uint32_t stop = 4;
    char path[] = "/tmp/penumbra-state-XXXXXX", beside[64];
    int file = mkstemp(path);
    assert_true(file >= 0);
    close(file);
    snprintf(beside, sizeof beside, "%s.json", path);
    OK(ctx, pnb_run_create(problem, &run));
    assert_int_equal(pnb_run_advance(run, 0, stop_at, &stop), PNB_ERROR_CANCELLED);
    pnb_progress progress = {.struct_size = sizeof progress};
    OK(ctx, pnb_run_get_progress(run, &progress));
    assert_int_equal(progress.step, 4);
    OK(ctx, pnb_run_samples(run, early));
    assert_int_not_equal(memcmp(early, whole, sizeof whole), 0);
    OK(ctx, pnb_run_save(run, path));
    pnb_run_destroy(&run);
    OK(ctx, pnb_run_create(problem, &run));
    OK(ctx, pnb_run_load(run, path));
    OK(ctx, pnb_run_advance(run, 0, NULL, NULL));
    OK(ctx, pnb_run_samples(run, resumed));
    assert_memory_equal(whole, resumed, sizeof whole);
    unlink(path);
    unlink(beside);
    pnb_run_destroy(&run);
    pnb_problem_destroy(&problem);
    pnb_context_destroy(&ctx);
}

/* ---- threads
 * -------------------------------------------------------------------------------------------------------------------
 */

typedef struct worker {
    float samples[16];
    char error[256];
} worker;

static void *work(void *user) {
    worker *w = user;
    pnb_context *ctx = NULL;
    pnb_problem *problem = NULL;
    pnb_run *run = NULL;
    pnb_context_params params = PNB_CONTEXT_DEFAULTS;
    params.cache_dir = "";
    if (pnb_context_create(&params, &ctx) || pnb_problem_parse(ctx, toy, NULL, &problem) ||
        pnb_run_create(problem, &run) || pnb_run_advance(run, 0, NULL, NULL) || pnb_run_samples(run, w->samples)) {
        snprintf(w->error, sizeof w->error, "%.250s", pnb_last_error(ctx));
    }
    pnb_run_destroy(&run);
    pnb_problem_destroy(&problem);
    pnb_context_destroy(&ctx);
    return NULL;
}

static void test_two_threads(void **state) {
    (void)state;
    worker workers[2] = {{{0}, ""}, {{0}, ""}};
    pthread_t threads[2];
    for (int i = 0; i < 2; i++) assert_int_equal(pthread_create(&threads[i], NULL, work, &workers[i]), 0);
    for (int i = 0; i < 2; i++) assert_int_equal(pthread_join(threads[i], NULL), 0);
    assert_string_equal(workers[0].error, "");
    assert_string_equal(workers[1].error, "");
    assert_memory_equal(workers[0].samples, workers[1].samples, sizeof workers[0].samples);
}

/* ---- scores and old callers
 * ---------------------------------------------------------------------------------------------------- */

static void test_evaluate(void **state) {
    (void)state;
    pnb_context *ctx = open_context();
    enum { K = 2, PIXELS = 144 };
    static float samples[K * PIXELS], truth[PIXELS];
    pnb_extent image = {3, {1, 12, 12}};
    for (int i = 0; i < PIXELS; i++) {
        truth[i] = 0.5f * sinf((float)i);
        samples[i] = truth[i] + 0.1f;
        samples[PIXELS + i] = truth[i] - 0.1f;
    }
    pnb_scores s = PNB_SCORES_INIT;
    OK(ctx, pnb_evaluate(ctx, K, &image, samples, truth, &s));
    assert_true(fabs(s.psnr_samples - 26.0206) < 1e-3); /* 0.05 in units of [0,1] */
    assert_true(s.psnr_mean > 100);
    samples[3] = NAN;
    assert_int_equal(pnb_evaluate(ctx, K, &image, samples, truth, &s), PNB_ERROR_INPUT);
    pnb_context_destroy(&ctx);
}

/* A caller whose struct ends early gets what it has room for; one that gives less means defaults for the rest. */
static void test_struct_sizes(void **state) {
    (void)state;
    pnb_context *ctx = open_context();
    static const double one[] = {1}, mean[] = {0}, covariance[] = {1};
    pnb_model *model = NULL;
    OK(ctx, pnb_model_create_gmm(ctx, 1, 1, one, mean, covariance, &model));
    pnb_model_info info = PNB_MODEL_INFO_INIT;
    info.struct_size = offsetof(pnb_model_info, parameters);
    info.parameters = 4242;
    OK(ctx, pnb_model_get_info(model, &info));
    assert_string_equal(info.kind, "gmm");
    assert_int_equal(info.parameters, 4242);
    pnb_model_destroy(&model);
    pnb_context_destroy(&ctx);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_null),     cmocka_unit_test(test_parts),           cmocka_unit_test(test_forward),
        cmocka_unit_test(test_predict),  cmocka_unit_test(test_cancel_and_save), cmocka_unit_test(test_two_threads),
        cmocka_unit_test(test_evaluate), cmocka_unit_test(test_struct_sizes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* An application that bundles Penumbra: an error in words, a forward operator, a toy problem stopped half way and finished. */
#include <penumbra/penumbra.h>

#include <math.h>
#include <stdio.h>
#include <string.h>

static const char toy[] =
    "{\"prior\": {\"type\": \"gmm\", \"weights\": [0.5, 0.5], \"means\": [[0, 2], [0, -2]],"
    " \"covariances\": [[[0.09, 0], [0, 0.09]], [[0.09, 0], [0, 0.09]]]},"
    " \"operator\": {\"type\": \"matrix\", \"matrix\": [[1, 0]]}, \"measurement\": [0.0],"
    " \"noise\": {\"type\": \"gaussian\", \"sigma\": 0.3},"
    " \"method\": {\"type\": \"ppm\", \"particles\": 16, \"steps\": 12}, \"seed\": 1}";

/* The last line of what went wrong; 1. */
static int failed(const pnb_context *ctx, const char *what) {
    fprintf(stderr, "%s: %s\n", what, pnb_last_error(ctx));
    return 1;
}

static int errors_are_sentences(pnb_context *ctx) {
    pnb_model *model = NULL;
    if (pnb_model_load(ctx, "no-such-file.safetensors", &model) != PNB_ERROR_INPUT || model) return failed(ctx, "missing file");
    return strstr(pnb_last_error(ctx), "no-such-file.safetensors") ? 0 : failed(ctx, "the sentence names no file");
}

static int forward_operator(pnb_context *ctx) {
    pnb_extent image = {3, {1, 4, 4}};
    pnb_forward *forward = NULL;
    float x[16], y[4];
    int i;
    for (i = 0; i < 16; i++) x[i] = (float)i;
    if (pnb_forward_create(ctx, "average_pool", "{\"factor\": 2}", NULL, &image, &forward)) return failed(ctx, "forward");
    if (pnb_forward_apply(forward, 1, x, y)) return failed(ctx, "apply");
    pnb_forward_destroy(&forward);
    return y[0] == 2.5f && y[3] == 12.5f ? 0 : failed(ctx, "wrong block means");
}

static int stop_at_five(void *user, const pnb_progress *progress) {
    ++*(int *)user;
    return progress->step >= 5;
}

static int solve(pnb_context *ctx) {
    pnb_problem *problem = NULL;
    pnb_run *run = NULL;
    float samples[32], mean[2], std[2];
    int calls = 0, i;
    if (pnb_problem_parse(ctx, toy, NULL, &problem)) return failed(ctx, "problem");
    if (pnb_run_create(problem, &run)) return failed(ctx, "run");
    if (pnb_run_particles(run) != 16) return failed(ctx, "particles");
    if (pnb_run_advance(run, 0, stop_at_five, &calls) != PNB_ERROR_CANCELLED || calls == 0) return failed(ctx, "cancel");
    if (pnb_run_samples(run, samples)) return failed(ctx, "samples after cancelling");
    if (pnb_run_advance(run, 0, NULL, NULL)) return failed(ctx, "the rest");
    if (pnb_run_samples(run, samples) || pnb_run_moments(run, mean, std)) return failed(ctx, "results");
    for (i = 0; i < 32; i++) {
        if (!isfinite(samples[i])) return failed(ctx, "a sample is not finite");
    }
    printf("mean (%.2f, %.2f), std (%.2f, %.2f)\n", mean[0], mean[1], std[0], std[1]);
    pnb_run_destroy(&run);
    pnb_problem_destroy(&problem);
    return 0;
}

int main(void) {
    pnb_context *ctx = NULL;
    int result;
    printf("penumbra %s\n", pnb_version());
    if (pnb_context_create(NULL, &ctx)) return failed(ctx, "context");
    result = errors_are_sentences(ctx) || forward_operator(ctx) || solve(ctx);
    pnb_context_destroy(&ctx);
    return result;
}

/* penumbra tune: times the candidates of each op on this device, and keeps the fastest. */
#include "cli/cli.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

static int run(int argc, char **argv);

typedef struct values {
    const char *prior, *json;
    cli_whole particles;
} values;
static const cli_option options[] = {
    {"prior", 0, CLI_TEXT, offsetof(values, prior), "P", "instead of a problem: a safetensors file"},
    {"particles", 0, CLI_WHOLE, offsetof(values, particles), "K", "samples that are drawn at once"},
    {"json", 0, CLI_TEXT, offsetof(values, json), "FILE", "write the table as JSON too; - for stdout instead"},
};
const cli_command cli_tune = {"tune",
                              "time the kernels to choose from on this device, and keep the fastest",
                              "problem.json | --prior P [--particles K]",
                              "The winners are kept in the user's cache folder, for this device, driver and version, "
                              "and used by every later run\n"
                              "that meets the same shapes; --no-tune ignores them. Results stay within the ops' "
                              "tolerances, but not the same bytes.\n",
                              options,
                              sizeof options / sizeof *options,
                              0,
                              1,
                              run};

static int on_progress(void *user, uint32_t done, uint32_t all) {
    if (!*(const bool *)user) fprintf(stderr, "tune: %u of %u\n", done, all);
    return cli_stopped();
}

/* PPM on the prior's own images: its networks are what takes the time, whatever the operator. */
static pnb_status problem_of_model(pnb_context *ctx, pnb_model *model, pnb_forward **forward, pnb_problem **out) {
    pnb_model_info info = PNB_MODEL_INFO_INIT;
    pnb_problem_params params = PNB_PROBLEM_DEFAULTS;
    pnb_status status = pnb_model_get_info(model, &info);
    uint32_t side = info.size ? info.size : 64;
    pnb_extent image = info.dim ? (pnb_extent){1, {info.dim}} : (pnb_extent){3, {info.channels, side, side}};
    if (status == PNB_OK) status = pnb_forward_create(ctx, "identity", NULL, NULL, &image, forward);
    if (status != PNB_OK) return status;
    float *black = calloc(pnb_extent_count(&image), sizeof *black);
    if (!black) return PNB_ERROR_OUT_OF_MEMORY;
    params.model = model;
    params.forward = *forward;
    params.truth = black;
    params.sigma = 0.1;
    status = pnb_problem_create(ctx, &params, out);
    free(black);
    return status;
}

static pnb_status set_particles(pnb_problem *problem, const cli_whole *particles) {
    char text[32];
    if (!particles->given) return PNB_OK;
    snprintf(text, sizeof text, "%llu", (unsigned long long)particles->value);
    return pnb_problem_set(problem, "method.particles", text);
}

static void show(const char *json) {
    cJSON *root = cJSON_Parse(json);
    const cJSON *row, *file = cJSON_GetObjectItemCaseSensitive(root, "file");
    printf("%10s %10s  %-16s %-16s %s\n", "ms", "default ms", "winner", "default", "op and shape");
    cJSON_ArrayForEach(row, cJSON_GetObjectItemCaseSensitive(root, "rows")) {
        printf("%10.3f %10.3f  %-16s %-16s %s\n", cJSON_GetNumberValue(cJSON_GetObjectItem(row, "ms")),
               cJSON_GetNumberValue(cJSON_GetObjectItem(row, "preferred_ms")),
               cJSON_GetStringValue(cJSON_GetObjectItem(row, "winner")),
               cJSON_GetStringValue(cJSON_GetObjectItem(row, "preferred")),
               cJSON_GetStringValue(cJSON_GetObjectItem(row, "key")));
    }
    printf("kept in %s\n", cJSON_GetStringValue(file));
    cJSON_Delete(root);
}

static int tune(const cli_args *args, const values *v, pnb_context *ctx, pnb_problem *problem) {
    bool quiet = args->common.quiet;
    char *json = NULL;
    pnb_tune_params params = PNB_TUNE_DEFAULTS;
    params.progress = on_progress;
    params.user = &quiet;
    pnb_status status = set_particles(problem, &v->particles);
    if (status == PNB_OK) status = cli_say_device(args, ctx);
    if (status == PNB_OK) status = pnb_tune(problem, &params, &json);
    if (status != PNB_OK) return cli_fail(args, ctx, status);
    if (!v->json || strcmp(v->json, "-") != 0) show(json);
    int code = v->json && !cli_write_text(v->json, json) ? PNB_ERROR_INPUT : PNB_OK;
    pnb_free(json);
    return code;
}

static int open_and_tune(const cli_args *args, const values *v, pnb_context *ctx) {
    pnb_problem *problem = NULL;
    pnb_model *model = NULL;
    pnb_forward *forward = NULL;
    pnb_status status = PNB_OK;
    if (v->prior) {
        status = pnb_model_load(ctx, v->prior, &model);
        if (status == PNB_OK) status = problem_of_model(ctx, model, &forward, &problem);
    } else {
        status = pnb_problem_load(ctx, args->positional[0], &problem);
    }
    int code = status ? cli_fail(args, ctx, status) : tune(args, v, ctx, problem);
    pnb_problem_destroy(&problem);
    pnb_forward_destroy(&forward);
    pnb_model_destroy(&model);
    return code;
}

static int run(int argc, char **argv) {
    cli_args args;
    values v = {0};
    pnb_context *ctx = NULL;
    int code = cli_parse(&cli_tune, argc, argv, &args, &v);
    if (code == CLI_GO_ON && (args.positional_count == 1) == (v.prior != NULL)) {
        code = cli_usage(&cli_tune, "expected a problem.json, or --prior P");
    }
    if (code == CLI_GO_ON) code = cli_open(&args, &ctx);
    if (code == CLI_GO_ON) {
        cli_catch_signals();
        code = open_and_tune(&args, &v, ctx);
    }
    return cli_close(&args, &ctx, code);
}

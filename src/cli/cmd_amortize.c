/* penumbra amortize: a network that makes posterior samples in one evaluation, from measurements alone. */
#include "cli/cli.h"
#include "cli/overrides.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

static int run(int argc, char **argv);

typedef struct values {
    const char *method, *measurements, *truths, *output;
    cli_whole steps;
    cli_texts set;
    cli_real checkpoint;
    bool resume, explain;
} values;
static const cli_option options[] = {
    {"measurements", 0, CLI_TEXT, offsetof(values, measurements), "D",
     "what it learns from: an array [n, measurement...] (NPY), or a folder of files"},
    {"truths", 0, CLI_TEXT, offsetof(values, truths), "D", "what they were measured of, for --set supervised=W"},
    {"output", 'o', CLI_TEXT, offsetof(values, output), "FILE",
     "the generator, safetensors; <name>.amortize beside it has run.json, samples and figures"},
    {"method", 0, CLI_TEXT, offsetof(values, method), "M", "ppm_amortized (for a problem of ppm the default) or davi"},
    {"steps", 0, CLI_WHOLE, offsetof(values, steps), "N", "updates; the same as --set steps=N"},
    {"set", 0, CLI_TEXTS, offsetof(values, set), "KEY=VALUE",
     "any option of the method, or noise.sigma; may be repeated"},
    {"resume", 0, CLI_FLAG, offsetof(values, resume), NULL, "go on from the checkpoint"},
    {"checkpoint", 0, CLI_REAL, offsetof(values, checkpoint), "SECONDS",
     "between checkpoints (120; 0: only when stopped)"},
    {"explain", 0, CLI_FLAG, offsetof(values, explain), NULL, "print what was resolved, and run nothing"},
};
const cli_command cli_amortize = {
    "amortize",
    "train a network that makes posterior samples in one evaluation each",
    "problem.json --measurements D [options] -o model.safetensors",
    "problem.json holds prior, operator, noise, method and seed; its measurement, if there is one, is what the "
    "samples\n"
    "beside the model are drawn of (else the first of D). Ctrl-C finishes the step, writes the model so far and exits\n"
    "with 130; --resume goes on to the same bytes. penumbra reconstruct uses the model.\n",
    options,
    sizeof options / sizeof *options,
    0,
    1,
    run};

static int check_values(const cli_args *args, const values *v) {
    if (args->positional_count < 1) return cli_usage(&cli_amortize, "problem.json is missing");
    int code = cli_check_assignments(&cli_amortize, &v->set);
    if (code != CLI_GO_ON || v->explain) return code;
    if (!v->measurements) return cli_usage(&cli_amortize, "--measurements D is missing");
    if (!v->output) return cli_usage(&cli_amortize, "-o FILE is missing");
    if (v->checkpoint.given && v->checkpoint.value < 0)
        return cli_usage(&cli_amortize, "--checkpoint: expected 0 or more seconds");
    return CLI_GO_ON;
}

static pnb_status read_problem(const cli_args *args, const values *v, pnb_context *ctx, pnb_problem **problem) {
    cli_overrides o = {.method = v->method, .set = &v->set, .steps = &v->steps};
    pnb_status status = pnb_problem_load(ctx, args->positional[0], problem);
    if (status != PNB_OK) return status;
    if (!o.method && strcmp(pnb_problem_method(*problem), "ppm") == 0) o.method = "ppm_amortized";
    return cli_apply_overrides(args, &o, *problem);
}

static int amortize(const cli_args *args, const values *v, pnb_problem *problem, pnb_context *ctx) {
    pnb_amortize_params params = PNB_AMORTIZE_DEFAULTS;
    cli_progress progress;
    if (!cli_progress_init(args, &progress)) return PNB_ERROR_USAGE;
    params.measurements = v->measurements;
    params.truths = v->truths;
    params.output = v->output;
    params.resume = v->resume;
    params.overwrite = args->common.overwrite;
    params.progress = cli_progress_step;
    params.user = &progress;
    if (v->checkpoint.given) params.checkpoint_seconds = v->checkpoint.value;
    pnb_status status = cli_say_device(args, ctx);
    if (status == PNB_OK) status = pnb_amortize(problem, &params);
    cli_progress_end(&progress);
    if (status) cli_fail(args, ctx, status);
    if ((status == PNB_OK || status == PNB_ERROR_CANCELLED) && !args->common.quiet) cli_progress_wrote(&progress, v->output);
    return (int)status;
}

static int work(const cli_args *args, const values *v, pnb_context *ctx) {
    pnb_problem *problem = NULL;
    char *text = NULL;
    pnb_status status = read_problem(args, v, ctx, &problem);
    if (status == PNB_OK && v->explain) {
        status = pnb_problem_explain(problem, &text);
        if (status == PNB_OK) cli_write_text("-", text);
        pnb_free(text);
    }
    int code = status ? cli_fail(args, ctx, status) : v->explain ? PNB_OK : amortize(args, v, problem, ctx);
    pnb_problem_destroy(&problem);
    return code;
}

static int run(int argc, char **argv) {
    cli_args args;
    values v = {0};
    pnb_context *ctx = NULL;
    int code = cli_parse(&cli_amortize, argc, argv, &args, &v);
    if (code == CLI_GO_ON) code = check_values(&args, &v);
    if (code == CLI_GO_ON) code = cli_open(&args, &ctx);
    if (code == CLI_GO_ON) {
        cli_catch_signals();
        code = work(&args, &v, ctx);
    }
    cli_free_values(&cli_amortize, &v);
    return cli_close(&args, &ctx, code);
}

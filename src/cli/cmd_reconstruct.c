/* penumbra reconstruct: samples of a measurement by a trained generator, one network evaluation each. */
#include "cli/cli.h"
#include "cli/results.h"

#include <stddef.h>

static int run(int argc, char **argv);

typedef struct values {
    const char *model, *measurement, *truth, *output;
    cli_whole n;
    bool resume;
} values;
static const cli_option options[] = {
    {"model", 0, CLI_TEXT, offsetof(values, model), "M", "what penumbra amortize wrote"},
    {"measurement", 0, CLI_TEXT, offsetof(values, measurement), "FILE", "the measurement: NPY, FITS, PNG or JPEG"},
    {"truth", 0, CLI_TEXT, offsetof(values, truth), "FILE", "what it was measured of, for scores"},
    {"number", 'n', CLI_WHOLE, offsetof(values, n), "N", "samples (8)"},
    {"output", 'o', CLI_TEXT, offsetof(values, output), "DIR", "folder of the results"},
    {"resume", 0, CLI_FLAG, offsetof(values, resume), NULL, "go on from the folder's checkpoint"},
};
const cli_command cli_reconstruct = {"reconstruct",
                                     "posterior samples by a network that amortize trained",
                                     "--model M --measurement FILE [-n N] [options] -o DIR",
                                     "Operator and noise are those that the model was trained for.\n",
                                     options,
                                     sizeof options / sizeof *options,
                                     0,
                                     0,
                                     run};

static int read_params(const cli_args *args, const values *v, pnb_reconstruct_params *p) {
    if (!v->model) return cli_usage(&cli_reconstruct, "--model M is missing");
    if (!v->measurement) return cli_usage(&cli_reconstruct, "--measurement FILE is missing");
    if (!v->output) return cli_usage(&cli_reconstruct, "-o DIR is missing");
    if (v->n.given && (v->n.value < 1 || v->n.value > 1 << 20))
        return cli_usage(&cli_reconstruct, "-n: expected 1 to %d", 1 << 20);
    p->model = v->model;
    p->measurement = v->measurement;
    p->truth = v->truth;
    if (v->n.given) p->n = (uint32_t)v->n.value;
    p->seed = args->common.seed.value;
    return CLI_GO_ON;
}

static int reconstruct(const cli_args *args, const values *v, pnb_context *ctx) {
    pnb_reconstruct_params params = PNB_RECONSTRUCT_DEFAULTS;
    cli_results results = {.folder = v->output, .resume = v->resume};
    pnb_run *run_ = NULL;
    int code = read_params(args, v, &params);
    if (code == CLI_GO_ON) code = cli_results_check(args, ctx, &results);
    if (code != CLI_GO_ON) return code;
    pnb_status status = cli_say_device(args, ctx);
    if (status == PNB_OK) status = pnb_run_create_reconstruction(ctx, &params, &run_);
    code = status ? cli_fail(args, ctx, status) : cli_results_run(args, ctx, run_, &results);
    pnb_run_destroy(&run_);
    return code;
}

static int run(int argc, char **argv) {
    cli_args args;
    values v = {0};
    pnb_context *ctx = NULL;
    int code = cli_parse(&cli_reconstruct, argc, argv, &args, &v);
    if (code == CLI_GO_ON) code = cli_open(&args, &ctx);
    if (code == CLI_GO_ON) {
        cli_catch_signals();
        code = reconstruct(&args, &v, ctx);
    }
    return cli_close(&args, &ctx, code);
}

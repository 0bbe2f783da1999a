/* penumbra sample: draws from a prior, into a folder. */
#include "cli/cli.h"
#include "cli/results.h"

#include <stddef.h>
#include <string.h>

static int run(int argc, char **argv);

typedef struct values {
    const char *prior, *output, *sampler, *size;
    cli_whole n, steps;
    cli_real eta, checkpoint;
    bool resume, fp16;
} values;
static const cli_option options[] = {
    {"prior", 0, CLI_TEXT, offsetof(values, prior), "P", "safetensors file, or a problem.json whose prior is meant"},
    {"number", 'n', CLI_WHOLE, offsetof(values, n), "N", "samples (1)"},
    {"output", 'o', CLI_TEXT, offsetof(values, output), "DIR", "folder of the results"},
    {"sampler", 0, CLI_TEXT, offsetof(values, sampler), "NAME", "ddim (default), ddpm, or heun (EDM's)"},
    {"steps", 0, CLI_WHOLE, offsetof(values, steps), "S", "steps (ddim 100, ddpm all of the schedule, heun 40)"},
    {"eta", 0, CLI_REAL, offsetof(values, eta), "E", "ddim: noise of the steps, 0 (none) to 1"},
    {"size", 0, CLI_TEXT, offsetof(values, size), "HxW", "of the images; default: as the prior was trained"},
    {"fp16", 0, CLI_FLAG, offsetof(values, fp16), NULL, CLI_FP16_HELP},
    {"resume", 0, CLI_FLAG, offsetof(values, resume), NULL, "go on from the folder's checkpoint"},
    {"checkpoint", 0, CLI_REAL, offsetof(values, checkpoint), "SECONDS",
     "between checkpoints (30; 0: only when stopped)"},
};
const cli_command cli_sample = {"sample",
                                "draw samples from a prior, into a folder",
                                "--prior P -n N [options] -o DIR",
                                NULL,
                                options,
                                sizeof options / sizeof *options,
                                0,
                                0,
                                run};

static int read_params(const cli_args *args, const values *v, pnb_sample_params *p) {
    if (!v->prior) return cli_usage(&cli_sample, "--prior P is missing");
    if (!v->output) return cli_usage(&cli_sample, "-o DIR is missing");
    if (v->n.given && (v->n.value < 1 || v->n.value > 1 << 20))
        return cli_usage(&cli_sample, "-n: expected 1 to %d", 1 << 20);
    if (v->steps.value > 1 << 20) return cli_usage(&cli_sample, "--steps: expected at most %d", 1 << 20);
    p->n = v->n.given ? (uint32_t)v->n.value : 1;
    p->steps = (uint32_t)v->steps.value;
    p->sampler = v->sampler ? v->sampler : "ddim";
    p->eta = v->eta.value;
    p->seed = args->common.seed.value;
    if (v->size && !cli_read_size(v->size, &p->height, &p->width)) {
        return cli_usage(&cli_sample, "--size: expected HEIGHTxWIDTH, each from 1 to 32768, found '%s'", v->size);
    }
    return CLI_GO_ON;
}

static int sample(const cli_args *args, const values *v, pnb_context *ctx) {
    pnb_sample_params params = PNB_SAMPLE_DEFAULTS;
    cli_results results = {.folder = v->output, .resume = v->resume, .checkpoint = v->checkpoint};
    int code = read_params(args, v, &params);
    if (code == CLI_GO_ON) code = cli_results_check(args, ctx, &results);
    if (code != CLI_GO_ON) return code;
    pnb_model *own = NULL, *model;
    pnb_problem *problem = NULL;
    pnb_run *run_ = NULL;
    pnb_status status = cli_load_prior(ctx, v->prior, v->fp16, &own, &problem, &model);
    if (status == PNB_OK) status = cli_say_device(args, ctx);
    if (status == PNB_OK) status = pnb_run_create_sampler(model, &params, &run_);
    code = status ? cli_fail(args, ctx, status) : cli_results_run(args, ctx, run_, &results);
    pnb_run_destroy(&run_);
    pnb_problem_destroy(&problem);
    pnb_model_destroy(&own);
    return code;
}

static int run(int argc, char **argv) {
    cli_args args;
    values v = {0};
    pnb_context *ctx = NULL;
    int code = cli_parse(&cli_sample, argc, argv, &args, &v);
    if (code == CLI_GO_ON) code = cli_open(&args, &ctx);
    if (code == CLI_GO_ON) {
        cli_catch_signals();
        code = sample(&args, &v, ctx);
    }
    return cli_close(&args, &ctx, code);
}

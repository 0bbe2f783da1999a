/* penumbra solve: posterior samples of a problem, into a folder. */
#include "cli/cli.h"
#include "cli/overrides.h"
#include "cli/results.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

static int run(int argc, char **argv);

typedef struct values {
    const char *method, *output;
    cli_whole particles, steps;
    cli_texts set;
    cli_real checkpoint;
    bool resume, explain, json, tune;
} values;
static const cli_option options[] = {
    {"output", 'o', CLI_TEXT, offsetof(values, output), "DIR", "folder of the results"},
    {"method", 0, CLI_TEXT, offsetof(values, method), "M",
     "ppm, dps, ...; another than the file's starts from its defaults; help: all of them with their options"},
    {"particles", 0, CLI_WHOLE, offsetof(values, particles), "K", "samples; the same as --set particles=K"},
    {"steps", 0, CLI_WHOLE, offsetof(values, steps), "N", "steps; the same as --set steps=N"},
    {"set", 0, CLI_TEXTS, offsetof(values, set), "KEY=VALUE",
     "any option of the method, noise.sigma or noise.photons; may be repeated"},
    {"resume", 0, CLI_FLAG, offsetof(values, resume), NULL, "go on from the folder's checkpoint"},
    {"checkpoint", 0, CLI_REAL, offsetof(values, checkpoint), "SECONDS",
     "between checkpoints (30; 0: only when stopped)"},
    {"tune", 0, CLI_FLAG, offsetof(values, tune), NULL,
     "first time the kernels to choose from, where that was not done yet: for long runs (see penumbra tune)"},
    {"explain", 0, CLI_FLAG, offsetof(values, explain), NULL, "print what was resolved, and run nothing"},
    {"json", 0, CLI_FLAG, offsetof(values, json), NULL, "with --explain: as JSON that runs again"},
};
const cli_command cli_solve = {
    "solve",
    "posterior samples of a problem, into a folder",
    "problem.json [options] -o DIR",
    "problem.json holds prior, operator, measurement (or truth), noise, method and seed; the run.json of an earlier "
    "run\n"
    "does as well. noise is {\"type\": \"gaussian\", \"sigma\": S} or a camera's, {\"type\": \"poisson_gaussian\", \"photons\":\n"
    "counts expected at 1 (white), \"zero\": value without light (-1), \"sigma\": its own noise}.\n"
    "\"start\": \"samples.npy\" has ppm go on from these samples; with \"steps\": 0 its finish alone.\n"
    "prior may have \"tile\" (side) and \"overlap\" (a quarter): larger images are then seen in tiles that are blended.\n"
    "A measurement is NPY, PNG, JPEG, FITS or TIFF; {\"file\": \"m.tif\", \"black\": 100, \"white\": 4000, \"page\": 0} maps counts to\n"
    "-1 and 1, and of a TIFF the results come as TIFF too, in its counts. Ctrl-C finishes the step, writes what there is and exits with "
    "130; --resume goes on from there.\n",
    options,
    sizeof options / sizeof *options,
    0,
    1,
    run};

/* ---- the run
 * --------------------------------------------------------------------------------------------------------------- */

static pnb_status explain(pnb_problem *problem, bool json) {
    char *text = NULL;
    pnb_status status = json ? pnb_problem_json(problem, &text) : pnb_problem_explain(problem, &text);
    if (status == PNB_OK) cli_write_text("-", text);
    pnb_free(text);
    return status;
}

static int on_tuned(void *user, uint32_t done, uint32_t all) {
    const cli_args *args = user;
    if (!args->common.quiet) fprintf(stderr, "tune: %u of %u\n", done, all);
    return cli_stopped();
}

/* A run that goes on keeps the kernels that it began with, so there is nothing to time. */
static pnb_status tune_first(const cli_args *args, const values *v, pnb_problem *problem) {
    pnb_tune_params params = PNB_TUNE_DEFAULTS;
    char *json = NULL;
    if (!v->tune || v->resume) return PNB_OK;
    params.progress = on_tuned;
    params.user = (void *)args;
    params.missing_only = 1;
    pnb_status status = pnb_tune(problem, &params, &json);
    pnb_free(json);
    return status;
}

static int solve_problem(const cli_args *args, const values *v, pnb_context *ctx, pnb_problem *problem) {
    cli_results results = {.folder = v->output, .resume = v->resume, .checkpoint = v->checkpoint};
    int code = cli_results_check(args, ctx, &results);
    if (code != CLI_GO_ON) return code;
    pnb_status status = cli_say_device(args, ctx);
    pnb_run *run_ = NULL;
    if (status == PNB_OK) status = tune_first(args, v, problem);
    if (status == PNB_OK) status = pnb_run_create(problem, &run_);
    code = status ? cli_fail(args, ctx, status) : cli_results_run(args, ctx, run_, &results);
    pnb_run_destroy(&run_);
    return code;
}

static bool wants_help(const values *v) {
    return v->method && strcmp(v->method, "help") == 0;
}

static int check_values(const cli_args *args, const values *v) {
    if (wants_help(v)) return CLI_GO_ON;
    if (args->positional_count < 1) return cli_usage(&cli_solve, "problem.json is missing");
    int code = cli_check_assignments(&cli_solve, &v->set);
    if (code != CLI_GO_ON) return code;
    if (!v->output && !v->explain) return cli_usage(&cli_solve, "-o DIR is missing (or --explain)");
    if (v->checkpoint.given && v->checkpoint.value < 0)
        return cli_usage(&cli_solve, "--checkpoint: expected 0 or more seconds");
    return CLI_GO_ON;
}

static int check_tune(const cli_args *args, const values *v) {
    if (!v->tune || !args->common.no_tune) return CLI_GO_ON;
    return cli_usage(&cli_solve, "--tune and --no-tune cannot both be given");
}

static int solve(const cli_args *args, const values *v, pnb_context *ctx) {
    pnb_problem *problem = NULL;
    pnb_status status = pnb_problem_load(ctx, args->positional[0], &problem);
    cli_overrides overrides = {v->method, &v->set, &v->particles, &v->steps};
    if (status == PNB_OK) status = cli_apply_overrides(args, &overrides, problem);
    if (status == PNB_OK && v->explain) status = explain(problem, v->json);
    int code = status ? cli_fail(args, ctx, status) : v->explain ? PNB_OK : solve_problem(args, v, ctx, problem);
    pnb_problem_destroy(&problem);
    return code;
}

static int run(int argc, char **argv) {
    cli_args args;
    values v = {0};
    pnb_context *ctx = NULL;
    int code = cli_parse(&cli_solve, argc, argv, &args, &v);
    if (code == CLI_GO_ON) code = check_values(&args, &v);
    if (code == CLI_GO_ON) code = check_tune(&args, &v);
    if (code == CLI_GO_ON) code = cli_open(&args, &ctx);
    if (code == CLI_GO_ON) {
        cli_catch_signals();
        code = wants_help(&v) ? cli_print_types(&args, ctx, pnb_method_types) : solve(&args, &v, ctx);
    }
    cli_free_values(&cli_solve, &v);
    return cli_close(&args, &ctx, code);
}

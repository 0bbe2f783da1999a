/* penumbra bench: times of the ops on this device. */
#include "cli/bench_table.h"

#include <stddef.h>

static int run(int argc, char **argv);

typedef struct values {
    const char *ops, *cases, *network, *json, *csv, *markdown, *figure;
    bool step, scaling, fp16;
    cli_whole repeat, batch;
    cli_real longest;
} values;
static const cli_option options[] = {
    {"ops", 0, CLI_TEXT, offsetof(values, ops), "REGEX", "only the ops whose names match"},
    {"cases", 0, CLI_TEXT, offsetof(values, cases), "REGEX", "only the cases whose names match"},
    {"network", 0, CLI_TEXT, offsetof(values, network), "P",
     "a network, forward and with its input gradient: garments, ffhq256, imagenet256 (random weights), or a file"},
    {"batch", 0, CLI_WHOLE, offsetof(values, batch), "N", "images that the network sees at once (1)"},
    {"step", 0, CLI_FLAG, offsetof(values, step), NULL,
     "the step of a method, with a profile: of problem.json, or of 8 garments of 32 x 32 with random weights"},
    {"fp16", 0, CLI_FLAG, offsetof(values, fp16), NULL, "network and step: " CLI_FP16_HELP},
    {"scaling", 0, CLI_FLAG, offsetof(values, scaling), NULL,
     "the step against image size, particles and the network's width, random weights"},
    {"longest", 0, CLI_REAL, offsetof(values, longest), "SECONDS",
     "scaling: a series ends before a step that would take longer (20)"},
    {"figure", 0, CLI_TEXT, offsetof(values, figure), "FILE", "scaling: its curves as PNG"},
    {"repeat", 0, CLI_WHOLE, offsetof(values, repeat), "R", "timed runs of each case after a first one (10)"},
    {"json", 0, CLI_TEXT, offsetof(values, json), "FILE", "write the rows as JSON too; - for stdout instead"},
    {"csv", 0, CLI_TEXT, offsetof(values, csv), "FILE", "the same rows as CSV; - for stdout instead"},
    {"markdown", 0, CLI_TEXT, offsetof(values, markdown), "FILE", "the same rows as Markdown; - for stdout instead"},
};
const cli_command cli_bench = {
    "bench",
    "time ops, networks and steps on this device",
    "[--ops REGEX] [--network P] [--step [problem.json]] [--scaling] [--repeat R] [--json|--csv|--markdown FILE]",
    "Without --ops, --network, --step and --scaling: every op. Times are medians; those of ops and kernels are the\n"
    "device's own, where it has a clock, those of networks and steps the host's. Percentages are of the device's own "
    "peak,\n"
    "measured first: multiply-adds as the kernels do them (Winograd's do fewer than are counted), and bytes copied; "
    "what\n"
    "stays in a cache can pass 100.\n",
    options,
    sizeof options / sizeof *options,
    0,
    1,
    run};

static int on_row(void *user, const char *row) {
    if (*(const bool *)user) {
        printf("%s\n", row);
        fflush(stdout);
    }
    return cli_stopped();
}

static bool write_results(const values *v, const char *json) {
    if (v->json && !cli_write_text(v->json, json)) return false;
    if (v->csv && !cli_bench_table(v->csv, json, CLI_TABLE_CSV)) return false;
    return !v->markdown || cli_bench_table(v->markdown, json, CLI_TABLE_MARKDOWN);
}

static int bench(const cli_args *args, const values *v, pnb_context *ctx) {
    if (v->repeat.given && (v->repeat.value == 0 || v->repeat.value > 100000)) {
        return cli_usage(&cli_bench, "--repeat: expected 1 to 100000");
    }
    if (args->positional_count && !v->step) return cli_usage(&cli_bench, "a problem is for --step, which is not given");
    if (v->batch.given && (v->batch.value == 0 || v->batch.value > 4096)) {
        return cli_usage(&cli_bench, "--batch: expected 1 to 4096");
    }
    if ((v->figure || v->longest.given) && !v->scaling)
        return cli_usage(&cli_bench, "--figure and --longest are for --scaling, which is not given");
    if (v->longest.given && !(v->longest.value > 0))
        return cli_usage(&cli_bench, "--longest: expected seconds, more than 0");
    int to_stdout = cli_is_stdout(v->json) + cli_is_stdout(v->csv) + cli_is_stdout(v->markdown);
    if (to_stdout > 1) return cli_usage(&cli_bench, "only one of --json, --csv and --markdown can be -");
    bool show = !to_stdout;
    pnb_status status = cli_say_device(args, ctx);
    if (status) return cli_fail(args, ctx, status);
    pnb_bench_params params = PNB_BENCH_DEFAULTS;
    params.ops = v->ops;
    params.cases = v->cases;
    params.network = v->network;
    params.batch = (uint32_t)v->batch.value;
    params.step = v->step;
    params.fp16 = v->fp16;
    params.problem = args->positional_count ? args->positional[0] : NULL;
    params.scaling = v->scaling;
    params.longest_step = v->longest.value;
    params.figure = v->figure;
    params.repeat = (uint32_t)v->repeat.value;
    params.report = on_row;
    params.user = &show;
    char *json = NULL;
    status = pnb_bench(ctx, &params, &json);
    if (status) return cli_fail(args, ctx, status);
    bool ok = write_results(v, json);
    pnb_free(json);
    return ok ? PNB_OK : PNB_ERROR_INPUT;
}

static int run(int argc, char **argv) {
    cli_args args;
    values v = {0};
    pnb_context *ctx = NULL;
    int code = cli_parse(&cli_bench, argc, argv, &args, &v);
    if (code == CLI_GO_ON) code = cli_open(&args, &ctx);
    if (code == CLI_GO_ON) {
        cli_catch_signals();
        code = bench(&args, &v, ctx);
    }
    return cli_close(&args, &ctx, code);
}

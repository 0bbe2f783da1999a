/* penumbra bench: times of the ops on this device. */
#include "cli/cli.h"

#include <stddef.h>
#include <string.h>

static int run(int argc, char **argv);

typedef struct values {
    const char *ops, *json;
    cli_whole repeat;
} values;
static const cli_option options[] = {
    {"ops", 0, CLI_TEXT, offsetof(values, ops), "REGEX", "only the ops whose names match"},
    {"repeat", 0, CLI_WHOLE, offsetof(values, repeat), "R", "timed runs of each case after a first one (10)"},
    {"json", 0, CLI_TEXT, offsetof(values, json), "FILE", "write the rows as JSON too; - for stdout instead"},
};
const cli_command cli_bench = {"bench",
                               "time the ops on this device",
                               "[--ops REGEX] [--repeat R] [--json FILE]",
                               "Times are the device's own (median of the runs), where it has a clock.\n",
                               options,
                               sizeof options / sizeof *options,
                               0,
                               0,
                               run};

static int on_row(void *user, const char *row) {
    if (*(const bool *)user) {
        printf("%s\n", row);
        fflush(stdout);
    }
    return cli_stopped();
}

static int bench(const cli_args *args, const values *v, pnb_context *ctx) {
    if (v->repeat.given && (v->repeat.value == 0 || v->repeat.value > 100000)) {
        return cli_usage(&cli_bench, "--repeat: expected 1 to 100000");
    }
    bool show = !(v->json && strcmp(v->json, "-") == 0);
    pnb_status status = cli_say_device(args, ctx);
    if (status) return cli_fail(args, ctx, status);
    pnb_bench_params params = PNB_BENCH_DEFAULTS;
    params.ops = v->ops;
    params.repeat = (uint32_t)v->repeat.value;
    params.report = on_row;
    params.user = &show;
    char *json = NULL;
    status = pnb_bench(ctx, &params, &json);
    if (status) return cli_fail(args, ctx, status);
    int code = v->json && !cli_write_text(v->json, json) ? PNB_ERROR_INPUT : PNB_OK;
    pnb_free(json);
    return code;
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

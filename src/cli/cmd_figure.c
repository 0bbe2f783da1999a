/* penumbra figure: the results of output folders in one picture. */
#include "cli/cli.h"

#include <stddef.h>

static int run(int argc, char **argv);

typedef struct values {
    const char *output;
} values;
static const cli_option options[] = {
    {"output", 'o', CLI_TEXT, offsetof(values, output), "FILE", "the picture, PNG"},
};
const cli_command cli_figure = {
    "figure",
    "one picture of the results of several output folders",
    "DIR [DIR ...] -o FILE.png",
    "A block of rows for each folder, titled with its method and scores: truth, measurement, mean, standard deviation "
    "(on one\n"
    "scale for all) and up to 8 samples. Of vectors: their first two components on the same axes.\n",
    options,
    sizeof options / sizeof *options,
    1,
    CLI_MOST_POSITIONALS,
    run};

static int draw(const cli_args *args, const values *v, pnb_context *ctx) {
    if (!v->output) return cli_usage(&cli_figure, "-o FILE.png is missing");
    pnb_status status = pnb_draw_folders(ctx, (size_t)args->positional_count, args->positional, v->output);
    if (status) return cli_fail(args, ctx, status);
    if (!args->common.quiet) fprintf(stderr, "wrote %s\n", v->output);
    return PNB_OK;
}

static int run(int argc, char **argv) {
    cli_args args;
    values v = {0};
    pnb_context *ctx = NULL;
    int code = cli_parse(&cli_figure, argc, argv, &args, &v);
    if (code == CLI_GO_ON) code = cli_open(&args, &ctx);
    if (code == CLI_GO_ON) code = draw(&args, &v, ctx);
    return cli_close(&args, &ctx, code);
}

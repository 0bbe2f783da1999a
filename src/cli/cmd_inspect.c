/* penumbra inspect: what a file is. */
#include "cli/cli.h"

#include <stddef.h>

static int run(int argc, char **argv);

typedef struct values {
    bool json;
} values;
static const cli_option options[] = {{"json", 0, CLI_FLAG, offsetof(values, json), NULL, "as JSON"}};
const cli_command cli_inspect = {"inspect",
                                 "say what a file is: a prior, problem, run, array or image",
                                 "FILE [--json]",
                                 NULL,
                                 options,
                                 sizeof options / sizeof *options,
                                 1,
                                 1,
                                 run};

static int run(int argc, char **argv) {
    cli_args args;
    values v = {0};
    pnb_context *ctx = NULL;
    int code = cli_parse(&cli_inspect, argc, argv, &args, &v);
    if (code == CLI_GO_ON) code = cli_open(&args, &ctx);
    if (code == CLI_GO_ON) {
        char *text = NULL;
        pnb_status status = pnb_inspect(ctx, args.positional[0], v.json, &text);
        if (status == PNB_OK) cli_write_text("-", text);
        pnb_free(text);
        code = status ? cli_fail(&args, ctx, status) : 0;
    }
    return cli_close(&args, &ctx, code);
}

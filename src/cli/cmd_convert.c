/* penumbra convert: a network of another file as safetensors. */
#include "cli/cli.h"

#include <stddef.h>

static int run(int argc, char **argv);

typedef struct values {
    bool all;
    const char *dtype;
    cli_texts set;
} values;
static const cli_option options[] = {
    {"all", 0, CLI_FLAG, offsetof(values, all), NULL, "every tensor under its full name, not the network alone"},
    {"dtype", 0, CLI_TEXT, offsetof(values, dtype), "TYPE",
     "f16 (half the size) or f32: what floating-point tensors are written as (as they are)"},
    {"set", 0, CLI_TEXTS, offsetof(values, set), "KEY=VALUE",
     "what the file does not say of its network, such as num_head_channels=64; may be given several times"},
};
const cli_command cli_convert = {
    "convert",
    "write the network of a file of PyTorch, or of safetensors, as safetensors",
    "IN.pt OUT.safetensors",
    "Nothing in the file is run: a reader of its own takes dictionaries, lists, plain values and tensors, and refuses "
    "all else.\n"
    "Where a network that is known here is in it, its tensors are written without what wrappers put before their names "
    "(the\n"
    "averaged ones, 'ema', before others); else all tensors are. A config.json beside the file goes into its "
    "metadata.\n",
    options,
    sizeof options / sizeof *options,
    2,
    2,
    run};

static int stop(void *user, size_t done, size_t count) {
    (void)user, (void)done, (void)count;
    return cli_stopped();
}

static int convert(const cli_args *args, const values *v, pnb_context *ctx) {
    pnb_convert_params params = PNB_CONVERT_DEFAULTS;
    char *text = NULL;
    params.all = v->all;
    params.dtype = v->dtype;
    params.set = v->set.items;
    params.set_count = v->set.count;
    params.on_tensor = stop;
    cli_catch_signals();
    pnb_status status = pnb_convert(ctx, args->positional[0], args->positional[1], &params, &text);
    if (status == PNB_OK && !args->common.quiet) fprintf(stderr, "%s\n", text);
    pnb_free(text);
    return status ? cli_fail(args, ctx, status) : PNB_OK;
}

static int run(int argc, char **argv) {
    cli_args args;
    values v = {0};
    pnb_context *ctx = NULL;
    int code = cli_parse(&cli_convert, argc, argv, &args, &v);
    if (code == CLI_GO_ON) code = cli_open(&args, &ctx);
    if (code == CLI_GO_ON) code = convert(&args, &v, ctx);
    cli_free_values(&cli_convert, &v);
    return cli_close(&args, &ctx, code);
}

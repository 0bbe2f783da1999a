/* penumbra inspect: what a file is. */
#include "cli/cli.h"

#include <stddef.h>

static int run(int argc, char **argv);

typedef struct values {
    bool json, fp16;
    const char *size;
    cli_whole batch, particles, tile, overlap;
} values;
static const cli_option options[] = {
    {"json", 0, CLI_FLAG, offsetof(values, json), NULL, "as JSON"},
    {"fp16", 0, CLI_FLAG, offsetof(values, fp16), NULL, "plan a prior's memory with 16-bit storage"},
    {"size", 0, CLI_TEXT, offsetof(values, size), "HxW", "of images, for a prior's memory; default: as it was trained"},
    {"tile", 0, CLI_WHOLE, offsetof(values, tile), "SIDE", "larger images in tiles of this side, for a prior's memory"},
    {"overlap", 0, CLI_WHOLE, offsetof(values, overlap), "PIXELS", "of the tiles; default: a quarter of one"},
    {"batch", 'n', CLI_WHOLE, offsetof(values, batch), "N", "of one evaluation, for a prior's memory; default: 1"},
    {"particles", 0, CLI_WHOLE, offsetof(values, particles), "K", "of PPM, for a prior's memory; default: 8"},
};
const cli_command cli_inspect = {"inspect",
                                 "say what a file is: a prior, problem, run, array or image",
                                 "FILE [--json] [--size HxW] [--batch N] [--particles K] [--tile SIDE]",
                                 "Of a prior: its architecture, parameters, tensors, and the device memory that it "
                                 "would take, by plan. That is for a "
                                 "device of\n"
                                 "the least abilities; with --device for that one.\n",
                                 options,
                                 sizeof options / sizeof *options,
                                 1,
                                 1,
                                 run};

static int read_plan(const cli_args *args, const values *v, pnb_plan_params *plan) {
    if (v->size && !cli_read_size(v->size, &plan->height, &plan->width)) {
        return cli_usage(&cli_inspect, "--size: expected HEIGHTxWIDTH, each from 1 to 32768, found '%s'", v->size);
    }
    if (v->batch.given && (v->batch.value < 1 || v->batch.value > 4096)) {
        return cli_usage(&cli_inspect, "--batch: expected 1 to 4096, found %llu", (unsigned long long)v->batch.value);
    }
    if (v->particles.given && (v->particles.value < 1 || v->particles.value > 4096)) {
        return cli_usage(&cli_inspect, "--particles: expected 1 to 4096, found %llu",
                         (unsigned long long)v->particles.value);
    }
    if (v->tile.given && (v->tile.value < 1 || v->tile.value > 4096)) {
        return cli_usage(&cli_inspect, "--tile: expected 1 to 4096, found %llu", (unsigned long long)v->tile.value);
    }
    if (v->overlap.given && (!v->tile.given || v->overlap.value < 1 || v->overlap.value > v->tile.value / 2)) {
        return cli_usage(&cli_inspect, "--overlap: expected 1 to half of a --tile, found %llu",
                         (unsigned long long)v->overlap.value);
    }
    if (v->tile.given) plan->tile = (uint32_t)v->tile.value;
    if (v->overlap.given) plan->overlap = (uint32_t)v->overlap.value;
    if (v->batch.given) plan->batch = (uint32_t)v->batch.value;
    if (v->particles.given) plan->particles = (uint32_t)v->particles.value;
    plan->device = args->common.device != NULL;
    plan->fp16 = v->fp16;
    return CLI_GO_ON;
}

static int run(int argc, char **argv) {
    cli_args args;
    values v = {0};
    pnb_context *ctx = NULL;
    pnb_plan_params plan = PNB_PLAN_DEFAULTS;
    int code = cli_parse(&cli_inspect, argc, argv, &args, &v);
    if (code == CLI_GO_ON) code = read_plan(&args, &v, &plan);
    if (code == CLI_GO_ON) code = cli_open(&args, &ctx);
    if (code == CLI_GO_ON) {
        char *text = NULL;
        pnb_status status = pnb_inspect_plan(ctx, args.positional[0], v.json, &plan, &text);
        if (status == PNB_OK) cli_write_text("-", text);
        pnb_free(text);
        code = status ? cli_fail(&args, ctx, status) : 0;
    }
    return cli_close(&args, &ctx, code);
}

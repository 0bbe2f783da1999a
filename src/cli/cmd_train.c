/* penumbra train: a prior from images. */
#include "cli/cli.h"

#include <math.h>
#include <stddef.h>
#include <stdlib.h>

static int run(int argc, char **argv);

typedef struct values {
    const char *data, *validation, *output, *init, *preset, *range;
    cli_whole size, channels, steps, batch;
    cli_texts set, meta;
    cli_real lr, checkpoint;
    bool resume, fp16, options;
} values;
static const cli_option options[] = {
    {"data", 0, CLI_TEXT, offsetof(values, data), "D",
     "folder of PNG, JPEG, TIFF or FITS, a TIFF or FITS stack, images.npy [N,H,W] or [N,C,H,W], or an IDX file"},
    {"size", 0, CLI_WHOLE, offsetof(values, size), "N", "side of the images, which are brought to it"},
    {"channels", 0, CLI_WHOLE, offsetof(values, channels), "C", "1 (grey) or 3 (colour); of arrays, as they have (1)"},
    {"output", 'o', CLI_TEXT, offsetof(values, output), "FILE",
     "the prior, safetensors; <name>.train beside it has curve and samples"},
    {"preset", 0, CLI_TEXT, offsetof(values, preset), "P", "size of the network: tiny, small (default), medium, large"},
    {"init", 0, CLI_TEXT, offsetof(values, init), "FILE", "a prior to go on from, instead of a new network"},
    {"steps", 0, CLI_WHOLE, offsetof(values, steps), "N", "updates; the same as --set steps=N"},
    {"batch", 0, CLI_WHOLE, offsetof(values, batch), "B", "images an update; the same as --set batch=B"},
    {"lr", 0, CLI_REAL, offsetof(values, lr), "R", "learning rate; the same as --set lr=R"},
    {"set", 0, CLI_TEXTS, offsetof(values, set), "KEY=VALUE", "any option of training; may be repeated"},
    {"options", 0, CLI_FLAG, offsetof(values, options), NULL, "list sizes and options with their defaults, and stop"},
    {"validation", 0, CLI_TEXT, offsetof(values, validation), "D",
     "images to measure the loss on; default: some of the data"},
    {"range", 0, CLI_TEXT, offsetof(values, range), "LOW,HIGH", "values of an array, TIFF or FITS that become -1 and 1"},
    {"meta", 0, CLI_TEXTS, offsetof(values, meta), "KEY=VALUE",
     "kept in the prior's metadata, such as fov_uas=160; may be repeated"},
    {"fp16", 0, CLI_FLAG, offsetof(values, fp16), NULL, "weights as 16-bit floats in the file"},
    {"resume", 0, CLI_FLAG, offsetof(values, resume), NULL, "go on from the checkpoint"},
    {"checkpoint", 0, CLI_REAL, offsetof(values, checkpoint), "SECONDS",
     "between checkpoints (120; 0: only when stopped)"},
};
const cli_command cli_train = {
    "train",
    "train a prior from images",
    "--data D --size N [options] -o prior.safetensors",
    "Noise prediction with Adam on the device; what is saved is the running mean of the weights, with all that solve "
    "and\n"
    "sample need to know of it. Each checkpoint writes the prior so far, the curve of the loss and a sheet of "
    "samples.\n"
    "Ctrl-C finishes the step, writes them too and exits with 130; --resume goes on to the same bytes.\n",
    options,
    sizeof options / sizeof *options,
    0,
    0,
    run};

/* ---- parameters -------------------------------------------------------------------------------------------------- */

/* --steps, --batch and --lr as settings behind those of --set. */
enum { OWN = 3, TEXT = 48 };
typedef struct settings {
    const char **items;
    char own[OWN][TEXT];
    size_t count;
} settings;

static bool gather(const values *v, settings *s) {
    const cli_whole *whole[] = {&v->steps, &v->batch};
    static const char *const names[] = {"steps", "batch"};
    s->items = calloc(v->set.count + OWN, sizeof *s->items);
    if (!s->items) return false;
    for (size_t i = 0; i < v->set.count; i++) s->items[s->count++] = v->set.items[i];
    for (int i = 0; i < 2; i++) {
        if (!whole[i]->given) continue;
        snprintf(s->own[i], TEXT, "%s=%llu", names[i], (unsigned long long)whole[i]->value);
        s->items[s->count++] = s->own[i];
    }
    if (v->lr.given) {
        snprintf(s->own[2], TEXT, "lr=%.17g", v->lr.value);
        s->items[s->count++] = s->own[2];
    }
    return true;
}

static bool read_range(const char *text, pnb_train_params *p) {
    char *end;
    p->range_low = strtod(text, &end);
    if (end == text || *end != ',') return false;
    const char *second = end + 1;
    p->range_high = strtod(second, &end);
    p->has_range = 1;
    return end != second && !*end && isfinite(p->range_low) && p->range_low < p->range_high;
}

static int read_params(const cli_args *args, const values *v, pnb_train_params *p) {
    if (!v->data) return cli_usage(&cli_train, "--data D is missing");
    if (!v->output) return cli_usage(&cli_train, "-o FILE is missing");
    if (!v->size.given && !v->init)
        return cli_usage(&cli_train, "--size N is missing (or --init FILE, whose size it is)");
    if (v->size.value > 1024)
        return cli_usage(&cli_train, "--size: expected at most 1024, found %llu", (unsigned long long)v->size.value);
    if (v->channels.value > 64)
        return cli_usage(&cli_train, "--channels: expected at most 64, found %llu",
                         (unsigned long long)v->channels.value);
    if (v->init && v->preset) return cli_usage(&cli_train, "--preset and --init exclude each other");
    if (v->checkpoint.given && v->checkpoint.value < 0)
        return cli_usage(&cli_train, "--checkpoint: expected 0 or more seconds");
    if (v->range && !read_range(v->range, p))
        return cli_usage(&cli_train, "--range: expected LOW,HIGH, found '%s'", v->range);
    p->data = v->data;
    p->validation = v->validation;
    p->output = v->output;
    p->init = v->init;
    p->preset = v->preset;
    p->size = (uint32_t)v->size.value;
    p->channels = (uint32_t)v->channels.value;
    p->facts = v->meta.items;
    p->fact_count = v->meta.count;
    p->seed = args->common.seed.value;
    p->half = v->fp16;
    p->resume = v->resume;
    p->overwrite = args->common.overwrite;
    if (v->checkpoint.given) p->checkpoint_seconds = v->checkpoint.value;
    return CLI_GO_ON;
}

/* ---- the run ----------------------------------------------------------------------------------------------------- */

static int list_options(const cli_args *args, pnb_context *ctx) {
    char *text = NULL;
    pnb_status status = pnb_train_types(ctx, &text);
    if (status == PNB_OK) cli_write_text("-", text);
    pnb_free(text);
    return status ? cli_fail(args, ctx, status) : PNB_OK;
}

static int train(const cli_args *args, const values *v, pnb_context *ctx) {
    pnb_train_params params = PNB_TRAIN_DEFAULTS;
    settings s = {0};
    cli_progress progress;
    if (v->options) return list_options(args, ctx);
    int code = read_params(args, v, &params);
    if (code != CLI_GO_ON) return code;
    if (!cli_progress_init(args, &progress)) return PNB_ERROR_USAGE;
    if (!gather(v, &s)) return PNB_ERROR_OUT_OF_MEMORY;
    params.settings = s.items;
    params.setting_count = s.count;
    params.progress = cli_progress_step;
    params.user = &progress;
    pnb_status status = cli_say_device(args, ctx);
    if (status == PNB_OK) status = pnb_train(ctx, &params);
    cli_progress_end(&progress);
    free(s.items);
    if (status) cli_fail(args, ctx, status);
    if ((status == PNB_OK || status == PNB_ERROR_CANCELLED) && !args->common.quiet) cli_progress_wrote(&progress, v->output);
    return (int)status;
}

static int run(int argc, char **argv) {
    cli_args args;
    values v = {0};
    pnb_context *ctx = NULL;
    int code = cli_parse(&cli_train, argc, argv, &args, &v);
    if (code == CLI_GO_ON) code = cli_open(&args, &ctx);
    if (code == CLI_GO_ON) {
        cli_catch_signals();
        code = train(&args, &v, ctx);
    }
    cli_free_values(&cli_train, &v);
    return cli_close(&args, &ctx, code);
}

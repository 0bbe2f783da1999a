/* penumbra predict: one evaluation of a prior's network, and derivatives through it. */
#include "cli/cli.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

static int run(int argc, char **argv);

typedef struct values {
    const char *prior, *x, *output, *cotangent, *grad_out, *grad_params;
    cli_reals t, sigma, label;
    bool raw, fp16;
} values;
static const cli_option options[] = {
    {"prior", 0, CLI_TEXT, offsetof(values, prior), "P", "safetensors file, or a problem.json whose prior is meant"},
    {"x", 0, CLI_TEXT, offsetof(values, x), "FILE", "input: [N,C,H,W], [C,H,W], [H,W], [N,D] or [D]"},
    {"t", 0, CLI_REALS, offsetof(values, t), "T",
     "index of the noise schedule; repeat for one each image of the batch"},
    {"sigma", 0, CLI_REALS, offsetof(values, sigma), "S", "instead of t: write the denoised estimate D(x; sigma)"},
    {"class", 0, CLI_REALS, offsetof(values, label), "K", "class of a class-conditional prior; repeat like --t"},
    {"output", 'o', CLI_TEXT, offsetof(values, output), "FILE", "the noise estimate eps (.npy)"},
    {"raw", 0, CLI_FLAG, offsetof(values, raw), NULL, "all output channels as the network gives them"},
    {"fp16", 0, CLI_FLAG, offsetof(values, fp16), NULL, CLI_FP16_HELP},
    {"cotangent", 0, CLI_TEXT, offsetof(values, cotangent), "FILE",
     "v, of the output's shape: gradients are those of <v, output>"},
    {"grad-out", 0, CLI_TEXT, offsetof(values, grad_out), "FILE", "gradient with respect to x (.npy)"},
    {"grad-params", 0, CLI_TEXT, offsetof(values, grad_params), "DIR",
     "gradient of each parameter, DIR/<tensor name>.npy"},
};
const cli_command cli_predict = {"predict",
                                 "evaluate a prior's network, with gradients of input and parameters",
                                 "--prior P --x x.npy --t T [options] -o eps.npy",
                                 NULL,
                                 options,
                                 sizeof options / sizeof *options,
                                 0,
                                 0,
                                 run};

/* Everything that one prediction needs, owned here. */
typedef struct work {
    pnb_context *ctx;
    const cli_args *args;
    const values *v;
    pnb_model *own, *model;
    pnb_problem *problem;
    pnb_model_info info;
    pnb_ndarray x, cotangent;
    pnb_extent element, element_out, out; /* of one input, one output; of all outputs as written */
    uint32_t n;
    bool batched, flat;
    double *t, *sigma, *label; /* [n], borrowed from `rows` */
    double *rows;
    float *result, *grad_x;
    const char *folder;
} work;

static int fault(const work *w, const char *sentence) {
    fprintf(stderr, "penumbra %s: %s\n", w->args->command->name, sentence);
    return PNB_ERROR_INPUT;
}

/* What one row of x is: the last three dimensions of an image, the last of a vector. */
static int read_shape(work *w) {
    const pnb_extent *x = &w->x.extent;
    char shown[96], sentence[256];
    cli_extent_text(x, shown, sizeof shown);
    if (w->info.dim) {
        w->element = (pnb_extent){1, {w->info.dim}};
    } else {
        if (x->rank < 2) return fault(w, "x: an image has 2 to 4 dimensions");
        w->element = (pnb_extent){3, {w->info.channels, x->size[x->rank - 2], x->size[x->rank - 1]}};
    }
    if (!cli_split_batch(x, &w->element, &w->n, &w->batched)) {
        snprintf(sentence, sizeof sentence, "'%s' has the shape %s: this prior takes %s%u", w->v->x, shown,
                 w->info.dim ? "vectors of " : "images with channels ", w->info.dim ? w->info.dim : w->info.channels);
        return fault(w, sentence);
    }
    w->element_out = w->element;
    if (w->v->raw && !w->info.dim) w->element_out.size[0] = w->info.out_channels;
    w->flat = !w->info.dim && !w->batched && x->rank == 2;
    w->out = cli_join_batch(&w->element_out, w->n, w->batched, w->flat);
    return CLI_GO_ON;
}

static int fill_rows(work *w, const char *name, const cli_reals *given, double **out, double *room) {
    char sentence[160];
    if (given->count == 0) return CLI_GO_ON;
    if (given->count != 1 && given->count != w->n) {
        snprintf(sentence, sizeof sentence, "--%s: expected one value, or one for each of the %u inputs, found %zu",
                 name, w->n, given->count);
        fault(w, sentence);
        return PNB_ERROR_USAGE;
    }
    for (uint32_t i = 0; i < w->n; i++) room[i] = given->items[given->count == 1 ? 0 : i];
    *out = room;
    return CLI_GO_ON;
}

static int read_rows(work *w) {
    w->rows = malloc(3 * (size_t)w->n * sizeof *w->rows);
    if (!w->rows) return PNB_ERROR_OUT_OF_MEMORY;
    int code = fill_rows(w, "t", &w->v->t, &w->t, w->rows);
    if (code == CLI_GO_ON) code = fill_rows(w, "sigma", &w->v->sigma, &w->sigma, w->rows + w->n);
    if (code == CLI_GO_ON) code = fill_rows(w, "class", &w->v->label, &w->label, w->rows + 2 * w->n);
    return code;
}

static int read_cotangent(work *w) {
    if (!w->v->cotangent) return CLI_GO_ON;
    pnb_status status = pnb_ndarray_read(w->ctx, w->v->cotangent, 0, &w->cotangent);
    if (status) return cli_fail(w->args, w->ctx, status);
    uint32_t n;
    bool batched;
    char shown[96], wanted[96], sentence[320];
    if (cli_split_batch(&w->cotangent.extent, &w->element_out, &n, &batched) && n == w->n) return CLI_GO_ON;
    snprintf(sentence, sizeof sentence, "'%s' has the shape %s: a cotangent has that of the output, %s",
             w->v->cotangent, cli_extent_text(&w->cotangent.extent, shown, sizeof shown),
             cli_extent_text(&w->out, wanted, sizeof wanted));
    return fault(w, sentence);
}

static int on_gradient(void *user, const char *name, const pnb_extent *extent, const float *gradient) {
    work *w = user;
    char path[4096];
    int n = snprintf(path, sizeof path, "%s/%s.npy", w->folder, name);
    for (char *p = path + strlen(w->folder) + 1; *p; p++) {
        if (*p == '/') *p = '_';
    }
    return n < 0 || (size_t)n >= sizeof path || pnb_ndarray_write(w->ctx, path, gradient, extent) != PNB_OK;
}

static pnb_status evaluate(work *w) {
    const values *v = w->v;
    pnb_predict_params p = PNB_PREDICT_DEFAULTS;
    uint64_t in = pnb_extent_count(&w->element) * w->n, out = pnb_extent_count(&w->out);
    w->result = malloc(out * sizeof *w->result);
    w->grad_x = v->grad_out ? malloc(in * sizeof *w->grad_x) : NULL;
    if (!w->result || (v->grad_out && !w->grad_x)) return PNB_ERROR_OUT_OF_MEMORY;
    p.n = w->n;
    p.height = w->info.dim ? 0 : w->element.size[1];
    p.width = w->info.dim ? 0 : w->element.size[2];
    p.x = w->x.data;
    p.t = w->t;
    p.sigma = w->sigma;
    p.label = w->label;
    p.raw = v->raw;
    p.out = w->result;
    p.cotangent = w->cotangent.data;
    p.grad_x = w->grad_x;
    p.on_gradient = v->grad_params ? on_gradient : NULL;
    p.user = w;
    w->folder = v->grad_params;
    pnb_status status = pnb_model_predict(w->model, &p);
    if (status == PNB_OK && v->output) status = pnb_ndarray_write(w->ctx, v->output, w->result, &w->out);
    if (status == PNB_OK && v->grad_out) status = pnb_ndarray_write(w->ctx, v->grad_out, w->grad_x, &w->x.extent);
    return status;
}

static int predict(work *w) {
    const values *v = w->v;
    pnb_status status = cli_load_prior(w->ctx, v->prior, v->fp16, &w->own, &w->problem, &w->model);
    w->info = (pnb_model_info)PNB_MODEL_INFO_INIT;
    if (status == PNB_OK) status = pnb_model_get_info(w->model, &w->info);
    uint32_t channels = w->info.channels == 1 || w->info.channels == 3 ? w->info.channels : 0;
    if (status == PNB_OK) status = pnb_ndarray_read(w->ctx, v->x, channels, &w->x);
    if (status) return cli_fail(w->args, w->ctx, status);
    int code = read_shape(w);
    if (code == CLI_GO_ON) code = read_rows(w);
    if (code == CLI_GO_ON) code = read_cotangent(w);
    if (code != CLI_GO_ON) return code;
    if (v->grad_params && !cli_make_folder(v->grad_params)) return PNB_ERROR_INPUT;
    status = cli_say_device(w->args, w->ctx);
    if (status == PNB_OK) status = evaluate(w);
    return status ? cli_fail(w->args, w->ctx, status) : PNB_OK;
}

static int check_values(const values *v) {
    if (!v->prior) return cli_usage(&cli_predict, "--prior P is missing");
    if (!v->x) return cli_usage(&cli_predict, "--x FILE is missing");
    if ((v->t.count == 0) == (v->sigma.count == 0))
        return cli_usage(&cli_predict, "give --t or --sigma, one of the two");
    if (!v->output && !v->grad_out && !v->grad_params) return cli_usage(&cli_predict, "-o FILE is missing");
    if ((v->grad_out || v->grad_params) && !v->cotangent) {
        return cli_usage(&cli_predict, "--grad-out and --grad-params need --cotangent FILE");
    }
    if (v->cotangent && !v->grad_out && !v->grad_params) {
        return cli_usage(&cli_predict, "--cotangent needs --grad-out FILE or --grad-params DIR");
    }
    return CLI_GO_ON;
}

static int run(int argc, char **argv) {
    cli_args args;
    values v = {0};
    work w = {.args = &args, .v = &v};
    int code = cli_parse(&cli_predict, argc, argv, &args, &v);
    if (code == CLI_GO_ON) code = check_values(&v);
    if (code == CLI_GO_ON) code = cli_open(&args, &w.ctx);
    if (code == CLI_GO_ON) code = predict(&w);
    free(w.result);
    free(w.grad_x);
    free(w.rows);
    pnb_ndarray_clear(&w.x);
    pnb_ndarray_clear(&w.cotangent);
    pnb_problem_destroy(&w.problem);
    pnb_model_destroy(&w.own);
    cli_free_values(&cli_predict, &v);
    return cli_close(&args, &w.ctx, code);
}

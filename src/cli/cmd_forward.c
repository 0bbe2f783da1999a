/* penumbra forward: a forward operator, its adjoint or its pseudo-inverse, on a file. */
#include "cli/cli.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

static int run(int argc, char **argv);

typedef struct values {
    const char *name, *args, *problem, *x, *output, *image;
    bool adjoint, pinv;
} values;
static const cli_option options[] = {
    {"operator", 0, CLI_TEXT, offsetof(values, name), "NAME", "type of the operator; --operator help lists them"},
    {"args", 0, CLI_TEXT, offsetof(values, args), "JSON", "its arguments, an object in text"},
    {"problem", 0, CLI_TEXT, offsetof(values, problem), "FILE", "instead: the operator of a problem.json"},
    {"x", 0, CLI_TEXT, offsetof(values, x), "FILE",
     "input: an image, or .npy of one or of a batch; with --adjoint, --pinv: y"},
    {"output", 'o', CLI_TEXT, offsetof(values, output), "FILE", "output: .png for one image, .tif, otherwise NPY"},
    {"adjoint", 0, CLI_FLAG, offsetof(values, adjoint), NULL, "apply the adjoint A^T"},
    {"pinv", 0, CLI_FLAG, offsetof(values, pinv), NULL, "apply the pseudo-inverse"},
    {"image", 0, CLI_TEXT, offsetof(values, image), "C,H,W",
     "shape of the operator's images (or D), where x does not tell"},
};
const cli_command cli_forward = {"forward",
                                 "apply a forward operator, its adjoint or its pseudo-inverse",
                                 "--operator NAME [--args JSON | --problem FILE] --x x.npy -o y.npy",
                                 NULL,
                                 options,
                                 sizeof options / sizeof *options,
                                 0,
                                 0,
                                 run};

typedef struct work {
    pnb_context *ctx;
    const cli_args *args;
    const values *v;
    pnb_problem *problem;
    pnb_forward *own, *forward;
    pnb_forward_info info;
    pnb_ndarray x;
} work;

static bool backward(const work *w) {
    return w->v->adjoint || w->v->pinv;
}

static bool is_matrix(const work *w) {
    return strcmp(w->v->name, "matrix") == 0;
}

/* One element of x when nothing but x tells: the last three dimensions of an image, the last of a vector. */
static pnb_extent element_of(const work *w) {
    const pnb_extent *x = &w->x.extent;
    uint32_t keep = is_matrix(w) || x->rank == 1 ? 1 : x->rank == 2 ? 2 : 3;
    pnb_extent e = {0, {0}};
    if (keep == 2) e.size[e.rank++] = 1;
    for (uint32_t i = x->rank - keep; i < x->rank; i++) e.size[e.rank++] = x->size[i];
    return e;
}

static pnb_status try_image(work *w, const pnb_extent *image) {
    pnb_forward_destroy(&w->own);
    w->info = (pnb_forward_info)PNB_FORWARD_INFO_INIT;
    pnb_status status = pnb_forward_create(w->ctx, w->v->name, w->v->args, NULL, image, &w->own);
    return status ? status : pnb_forward_get_info(w->own, &w->info);
}

/* Columns of the matrix in --args: in place, or in a file. 0 where there is none. */
static uint32_t matrix_columns(work *w) {
    cJSON *args = w->v->args ? cJSON_Parse(w->v->args) : NULL;
    const cJSON *rows = cJSON_GetObjectItemCaseSensitive(args, "matrix"),
                *file = cJSON_GetObjectItemCaseSensitive(args, "file");
    if (cJSON_IsString(rows)) file = rows;
    uint32_t columns = 0;
    pnb_ndarray a = {0};
    if (cJSON_IsArray(rows)) columns = (uint32_t)cJSON_GetArraySize(rows->child);
    if (cJSON_IsString(file) && pnb_ndarray_read(w->ctx, file->valuestring, 0, &a) == PNB_OK) {
        columns = a.extent.size[a.extent.rank - 1];
    }
    pnb_ndarray_clear(&a);
    cJSON_Delete(args);
    return columns;
}

static bool same(const pnb_extent *a, const pnb_extent *b) {
    if (a->rank != b->rank) return false;
    for (uint32_t i = 0; i < a->rank; i++) {
        if (a->size[i] != b->size[i]) return false;
    }
    return true;
}

/* From the shape of y: images of the same size, or enlarged by a whole factor, whichever measures to that shape. */
static pnb_status find_image(work *w) {
    enum { LARGEST = 64 };
    pnb_extent y = element_of(w), image = y;
    if (is_matrix(w)) {
        image.size[0] = matrix_columns(w);
        if (image.size[0] == 0) image.size[0] = y.size[0]; /* the failure is then the operator's own sentence */
        return try_image(w, &image);
    }
    pnb_status first = try_image(w, &image);
    for (uint32_t factor = 2; factor <= LARGEST && !(w->own && same(&w->info.measurement, &y)); factor++) {
        if (y.rank != 3) break;
        image.size[1] = y.size[1] * factor;
        image.size[2] = y.size[2] * factor;
        (void)try_image(w, &image);
    }
    if (w->own && same(&w->info.measurement, &y)) return PNB_OK;
    return first ? try_image(w, &y) : PNB_OK; /* again, for its sentence */
}

static bool parse_image(const char *text, pnb_extent *out) {
    out->rank = 0;
    while (out->rank < 3) {
        char *end;
        unsigned long value = strtoul(text, &end, 10);
        if (end == text || value == 0 || value > 1 << 20) return false;
        out->size[out->rank++] = (uint32_t)value;
        if (*end == 0) return out->rank != 2;
        if (*end != ',') return false;
        text = end + 1;
    }
    return false;
}

static int open_operator(work *w) {
    const values *v = w->v;
    pnb_extent image;
    pnb_status status;
    if (v->problem) {
        status = pnb_problem_load(w->ctx, v->problem, &w->problem);
        w->forward = pnb_problem_forward(w->problem);
        w->info = (pnb_forward_info)PNB_FORWARD_INFO_INIT;
        if (status == PNB_OK) status = pnb_forward_get_info(w->forward, &w->info);
        if (status == PNB_OK) {
            status = pnb_ndarray_read(w->ctx, v->x, cli_channels(backward(w) ? &w->info.measurement : &w->info.image),
                                      &w->x);
        }
        return status ? cli_fail(w->args, w->ctx, status) : CLI_GO_ON;
    }
    status = pnb_ndarray_read(w->ctx, v->x, 0, &w->x);
    if (status) return cli_fail(w->args, w->ctx, status);
    if (v->image && !parse_image(v->image, &image)) {
        return cli_usage(&cli_forward, "--image: expected C,H,W or D, found '%s'", v->image);
    }
    if (v->image) {
        status = try_image(w, &image);
    } else if (backward(w)) {
        status = find_image(w);
    } else {
        image = element_of(w);
        status = try_image(w, &image);
    }
    w->forward = w->own;
    return status ? cli_fail(w->args, w->ctx, status) : CLI_GO_ON;
}

static int apply(work *w) {
    const pnb_extent *from = backward(w) ? &w->info.measurement : &w->info.image;
    const pnb_extent *to = backward(w) ? &w->info.image : &w->info.measurement;
    uint32_t n;
    bool batched;
    char a[96], b[96];
    if (!cli_split_batch(&w->x.extent, from, &n, &batched)) {
        fprintf(stderr, "penumbra forward: '%s' has the shape %s, expected %s with or without a batch in front\n",
                w->v->x, cli_extent_text(&w->x.extent, a, sizeof a), cli_extent_text(from, b, sizeof b));
        return PNB_ERROR_INPUT;
    }
    pnb_extent out = cli_join_batch(to, n, batched, w->x.extent.rank == 2 && !batched);
    float *result = malloc(pnb_extent_count(&out) * sizeof *result);
    pnb_status status = result ? cli_say_device(w->args, w->ctx) : PNB_ERROR_OUT_OF_MEMORY;
    if (status == PNB_OK && w->v->adjoint) status = pnb_forward_adjoint(w->forward, n, w->x.data, result);
    if (status == PNB_OK && w->v->pinv) status = pnb_forward_pinv(w->forward, n, w->x.data, result);
    if (status == PNB_OK && !backward(w)) status = pnb_forward_apply(w->forward, n, w->x.data, result);
    if (status == PNB_OK) status = pnb_ndarray_write(w->ctx, w->v->output, result, &out);
    free(result);
    return status ? cli_fail(w->args, w->ctx, status) : PNB_OK;
}

static int check_values(const values *v) {
    if (v->name && strcmp(v->name, "help") == 0) return CLI_GO_ON;
    if (!v->name == !v->problem) return cli_usage(&cli_forward, "give --operator or --problem, one of the two");
    if (v->args && v->problem) return cli_usage(&cli_forward, "--args goes with --operator");
    if (!v->x) return cli_usage(&cli_forward, "--x FILE is missing");
    if (!v->output) return cli_usage(&cli_forward, "-o FILE is missing");
    if (v->adjoint && v->pinv) return cli_usage(&cli_forward, "--adjoint or --pinv, one of the two");
    return CLI_GO_ON;
}

static int run(int argc, char **argv) {
    cli_args args;
    values v = {0};
    work w = {.args = &args, .v = &v};
    int code = cli_parse(&cli_forward, argc, argv, &args, &v);
    if (code == CLI_GO_ON) code = check_values(&v);
    if (code == CLI_GO_ON) code = cli_open(&args, &w.ctx);
    if (code == CLI_GO_ON && v.name && strcmp(v.name, "help") == 0) code = cli_print_types(&args, w.ctx, pnb_forward_types);
    if (code == CLI_GO_ON) code = open_operator(&w);
    if (code == CLI_GO_ON) code = apply(&w);
    pnb_ndarray_clear(&w.x);
    pnb_forward_destroy(&w.own);
    pnb_problem_destroy(&w.problem);
    return cli_close(&args, &w.ctx, code);
}

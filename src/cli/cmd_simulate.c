/* penumbra simulate: the measurement that a problem would see of a known truth. */
#include "cli/cli.h"

#include <stddef.h>
#include <stdlib.h>

static int run(int argc, char **argv);

typedef struct values {
    const char *problem, *observation, *x, *data, *output;
    cli_whole n;
} values;
static const cli_option options[] = {
    {"problem", 0, CLI_TEXT, offsetof(values, problem), "FILE", "problem.json: its prior's size, operator, noise and seed"},
    {"observation", 0, CLI_TEXT, offsetof(values, observation), "FILE",
     "in place of the problem: observation.json of a radio interferometer (array, source, times, errors)"},
    {"x", 0, CLI_TEXT, offsetof(values, x), "FILE", "the truth: image, or .npy of one or of a batch"},
    {"data", 0, CLI_TEXT, offsetof(values, data), "D",
     "in place of --x: a data set as penumbra train takes it, brought to the problem's size"},
    {"number", 'n', CLI_WHOLE, offsetof(values, n), "N", "of the data set: N images evenly spread over it (all)"},
    {"output", 'o', CLI_TEXT, offsetof(values, output), "FILE",
     "the measurement: .png for one image, .tif, otherwise NPY; .uvfits or .csv of an observation"},
};
const cli_command cli_simulate = {
    "simulate",
    "simulate the measurement of a known truth: y = A(x) + noise",
    "--problem problem.json | --observation observation.json --x truth | --data D -o measurement",
    "The noise comes from the problem's seed, or from --seed. observation.json holds \"array\" (path of lines\n"
    "station,x,y,z,sefd), \"source\" {name, ra_deg, dec_deg}, \"mjd\", \"fov_uas\", \"flux_jy\" or \"peak_jy\", and where\n"
    "the defaults do not fit start_hours, stop_hours, interval_seconds (600), integration_seconds (60),\n"
    "frequency_hz (230e9), bandwidth_hz (4e9), least_elevation_deg (10), most_elevation_deg (85), gain_offset,\n"
    "gain_scan (0), phases (none or random), thermal_noise (true), pixels (unit or jy), seed.\n",
    options,
    sizeof options / sizeof *options,
    0,
    0,
    run};

static pnb_status set_seed(const cli_args *args, pnb_problem *problem) {
    char text[32];
    if (!args->common.seed.given) return PNB_OK;
    snprintf(text, sizeof text, "%llu", (unsigned long long)args->common.seed.value);
    return pnb_problem_set(problem, "seed", text);
}

/* --x, or --data as squares of the problem's size. The exit code. */
static int read_truths(const cli_args *args, const values *v, pnb_context *ctx, const pnb_extent *image, pnb_ndarray *x) {
    bool square = image->rank == 3 && image->size[1] == image->size[2];
    char text[96];
    if (v->data && !square)
        return cli_usage(&cli_simulate, "--data brings images to squares, the problem's are %s: use --x",
                         cli_extent_text(image, text, sizeof text));
    pnb_status status = v->data ? pnb_dataset_read(ctx, v->data, image->size[0], image->size[1], (uint32_t)v->n.value, x)
                                : pnb_ndarray_read(ctx, v->x, cli_channels(image), x);
    return status ? cli_fail(args, ctx, status) : PNB_OK;
}

static int measure(const cli_args *args, const values *v, pnb_context *ctx, pnb_problem *problem,
                   const pnb_ndarray *x) {
    pnb_extent image, measurement;
    uint32_t n;
    bool batched;
    char a[96], b[96];
    pnb_problem_extents(problem, &image, &measurement);
    if (!cli_split_batch(&x->extent, &image, &n, &batched)) {
        fprintf(stderr,
                "penumbra simulate: '%s' has the shape %s, the problem's images are %s; crop or pad it beforehand\n",
                v->x, cli_extent_text(&x->extent, a, sizeof a), cli_extent_text(&image, b, sizeof b));
        return PNB_ERROR_INPUT;
    }
    bool flat = !batched && x->extent.rank == 2;
    pnb_extent out = cli_join_batch(&measurement, n, batched, flat);
    float *y = malloc(pnb_extent_count(&out) * sizeof *y);
    pnb_status status = y ? cli_say_device(args, ctx) : PNB_ERROR_OUT_OF_MEMORY;
    if (status == PNB_OK) status = pnb_problem_simulate(problem, n, x->data, y);
    if (status == PNB_OK) status = pnb_ndarray_write(ctx, v->output, y, &out);
    free(y);
    return status ? cli_fail(args, ctx, status) : PNB_OK;
}

/* Visibilities of an image, into a file. */
static int observe(const cli_args *args, const values *v, pnb_context *ctx) {
    pnb_ndarray x = {0};
    pnb_status status = pnb_ndarray_read(ctx, v->x, 1, &x);
    pnb_observe_params params = PNB_OBSERVE_DEFAULTS;
    params.observation = v->observation;
    params.x = x.data;
    params.image = x.extent;
    params.output = v->output;
    params.seed_given = args->common.seed.given;
    params.seed = args->common.seed.value;
    if (status == PNB_OK) status = pnb_simulate_observation(ctx, &params);
    pnb_ndarray_clear(&x);
    return status ? cli_fail(args, ctx, status) : PNB_OK;
}

static int simulate(const cli_args *args, const values *v, pnb_context *ctx) {
    if (v->problem && v->observation) return cli_usage(&cli_simulate, "give --problem or --observation, not both");
    if (v->observation && v->x && v->output) return observe(args, v, ctx);
    if (!v->problem && !v->observation) return cli_usage(&cli_simulate, "--problem FILE is missing");
    if (v->x && v->data) return cli_usage(&cli_simulate, "give --x or --data, not both");
    if (!v->x && !v->data) return cli_usage(&cli_simulate, "--x FILE is missing");
    if (v->n.given && (!v->data || v->n.value < 1 || v->n.value > UINT32_MAX))
        return cli_usage(&cli_simulate, "-n: expected 1 to %u images of --data", UINT32_MAX);
    if (!v->output) return cli_usage(&cli_simulate, "-o FILE is missing");
    pnb_problem *problem = NULL;
    pnb_ndarray x = {0};
    pnb_extent image;
    pnb_status status = pnb_problem_load(ctx, v->problem, &problem);
    if (status == PNB_OK) status = set_seed(args, problem);
    if (status == PNB_OK) status = pnb_problem_extents(problem, &image, NULL);
    int code = status ? cli_fail(args, ctx, status) : read_truths(args, v, ctx, &image, &x);
    if (code == PNB_OK) code = measure(args, v, ctx, problem, &x);
    pnb_ndarray_clear(&x);
    pnb_problem_destroy(&problem);
    return code;
}

static int run(int argc, char **argv) {
    cli_args args;
    values v = {0};
    pnb_context *ctx = NULL;
    int code = cli_parse(&cli_simulate, argc, argv, &args, &v);
    if (code == CLI_GO_ON) code = cli_open(&args, &ctx);
    if (code == CLI_GO_ON) code = simulate(&args, &v, ctx);
    return cli_close(&args, &ctx, code);
}

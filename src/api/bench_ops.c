/* The bench cases of each op: forward, the gradient of its input, and that of its weight. */
#include "api/bench.h"

#include "api/filter.h"
#include "ops/suite.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { DEFAULT_REPEAT = 10, SETTLE = 3, NO_INPUT = -1 };

typedef enum pass_kind { FORWARD, INPUT, WEIGHT, PASSES } pass_kind;
static const char *const pass_names[PASSES] = {"forward", "input", "weight"};

/* One pass of a case as a program of its own. */
typedef struct bench_case {
    pnb_bencher *b;
    const pnb_op_suite *suite;
    const pnb_op_case *c;
    pass_kind pass;
    int wrt; /* the input that is differentiated, NO_INPUT in the forward pass */
    pnb_store *store;
    pnb_graph *graph;
    pnb_program *program;
    pnb_storage *in[PNB_CASE_MAX_IN], *cotangent;
    pnb_tensor out;
    double gflop, gbyte; /* as the kernels state them */
    char kernel[128];    /* the one that takes longest */
} bench_case;

/* ---- building ---------------------------------------------------------------------------------------------------- */

/* A network's parameters are frozen where they are not what is differentiated, as they are in use. */
static pnb_status make_inputs(bench_case *k) {
    const pnb_op_case *c = k->c;
    pnb_error *err = &k->b->ctx->error;
    PNB_TRY(pnb_store_create(err, "bench", &k->store));
    for (uint32_t i = 0; i < c->n_in; i++) {
        char name[16];
        snprintf(name, sizeof name, "in%u", i);
        bool frozen = k->suite->parameters >> i & 1 && k->pass != WEIGHT;
        PNB_TRY(pnb_store_add(k->store, name, c->in[i], frozen ? PNB_STORAGE_FROZEN : PNB_STORAGE_VARIABLE, &k->in[i]));
    }
    PNB_TRY(pnb_store_commit(k->store, k->b->gpu));
    for (uint32_t i = 0; i < c->n_in; i++)
        PNB_TRY(pnb_bench_fill(k->b, k->in[i], i, c->scale[i] != 0 ? c->scale[i] : 1, c->shift[i]));
    return PNB_OK;
}

static pnb_status add_gradient(bench_case *k, pnb_tensor in) {
    pnb_tensor cotangent, grad;
    enum { STREAM = 100 };
    PNB_TRY(
        pnb_store_add(k->store, "cotangent", pnb_graph_shape(k->graph, k->out), PNB_STORAGE_VARIABLE, &k->cotangent));
    PNB_TRY(pnb_store_commit(k->store, k->b->gpu));
    PNB_TRY(pnb_bench_fill(k->b, k->cotangent, STREAM, 1, 0));
    PNB_TRY(pnb_graph_bind(k->graph, k->cotangent, &cotangent));
    PNB_TRY(pnb_graph_grad(k->graph, &k->out, &cotangent, 1, &in, 1, &grad));
    return pnb_graph_output(k->graph, grad);
}

static pnb_status build(bench_case *k) {
    pnb_tensor in[PNB_CASE_MAX_IN];
    pnb_program_params params = {.profile = true};
    PNB_TRY(make_inputs(k));
    PNB_TRY(pnb_graph_create(&k->b->ctx->error, k->b->gpu, "bench", &k->graph));
    for (uint32_t i = 0; i < k->c->n_in; i++) PNB_TRY(pnb_graph_bind(k->graph, k->in[i], &in[i]));
    PNB_TRY(k->suite->build(k->graph, k->c, in, &k->out));
    PNB_TRY(k->wrt == NO_INPUT ? pnb_graph_output(k->graph, k->out) : add_gradient(k, in[k->wrt]));
    return pnb_program_create(k->graph, k->b->gpu, &params, &k->program);
}

/* ---- timing ------------------------------------------------------------------------------------------------------ */

/* Gigabytes that any kernel must move: every input once, the output once. */
static double least_traffic(const bench_case *k) {
    double elements = (double)pnb_shape_count(pnb_graph_shape(k->graph, k->out));
    for (uint32_t i = 0; i < k->c->n_in; i++) elements += (double)pnb_shape_count(k->c->in[i]);
    return elements * sizeof(float) / 1e9;
}

/* Time on the device where it has timestamps, otherwise on the host. */
static pnb_status time_once(bench_case *k, double *ms) {
    double begin = pnb_seconds_now(), sum = 0, largest = -1;
    const pnb_profile_row *rows = NULL;
    size_t count = 0;
    PNB_TRY(pnb_program_run_profiled(k->program));
    PNB_TRY(pnb_gpu_wait(k->b->gpu));
    double wall = 1e3 * (pnb_seconds_now() - begin);
    if (pnb_gpu_get_caps(k->b->gpu)->timestamp_ns > 0) PNB_TRY(pnb_program_profile(k->program, &rows, &count));
    k->gflop = k->gbyte = 0;
    for (size_t i = 0; i < count; i++) {
        sum += rows[i].ms;
        k->gflop += rows[i].gflop;
        k->gbyte += rows[i].gbyte;
        if (rows[i].ms <= largest) continue;
        largest = rows[i].ms;
        snprintf(k->kernel, sizeof k->kernel, "%s", rows[i].kernel);
    }
    *ms = sum > 0 ? sum : wall;
    return PNB_OK;
}

static pnb_status measure(bench_case *k, double *ms, uint32_t repeat) {
    double warm;
    for (int i = 0; i < SETTLE; i++) PNB_TRY(time_once(k, &warm));
    for (uint32_t i = 0; i < repeat; i++) PNB_TRY(time_once(k, &ms[i]));
    return PNB_OK;
}

/* ---- rows -------------------------------------------------------------------------------------------------------- */

static pnb_status report(bench_case *k, double *ms, uint32_t repeat, cJSON *rows) {
    pnb_times t = pnb_times_of(ms, repeat);
    /* As the case counts them, also for the gradients of a layer, each of which costs as much as its forward pass:
     * kernels state what they really do, which Winograd's make less. Other gradients: as stated. */
    bool stated = !k->suite->flops || (k->pass != FORWARD && !k->suite->parameters);
    double gflop = stated ? k->gflop : 1e-9 * k->suite->flops(k->c);
    double gbyte = k->gbyte > 0 ? k->gbyte : least_traffic(k);
    pnb_rates r = pnb_bench_rates(k->b, t.median, gflop, k->gflop > 0 ? k->gflop : gflop, gbyte);
    cJSON *row = cJSON_CreateObject();
    if (!row || !cJSON_AddItemToArray(rows, row) || !cJSON_AddStringToObject(row, "op", k->suite->op) ||
        !cJSON_AddStringToObject(row, "case", k->c->name) ||
        !cJSON_AddStringToObject(row, "pass", pass_names[k->pass]) ||
        !cJSON_AddStringToObject(row, "kernel", k->kernel) || !pnb_times_json(row, t) || !pnb_bench_rates_json(row, r))
        return pnb_no_memory(&k->b->ctx->error, "bench");
    return pnb_bench_say(k->b, "%-18s %-34s %-8s %9.3f ms  %8.2f GFLOP/s %3.0f%%  %7.2f GB/s %3.0f%%  %s", k->suite->op,
                         k->c->name, pass_names[k->pass], t.median, r.gflops, 100 * r.peak_share, r.gbps,
                         100 * r.copy_share, k->kernel);
}

static pnb_status bench_pass(pnb_bencher *b, const pnb_op_suite *suite, const pnb_op_case *c, pass_kind pass, int wrt,
                             cJSON *rows) {
    uint32_t repeat = b->params.repeat ? b->params.repeat : DEFAULT_REPEAT;
    bench_case k = {.b = b, .suite = suite, .c = c, .pass = pass, .wrt = wrt};
    double *ms = malloc(repeat * sizeof *ms);
    pnb_status status = ms ? build(&k) : pnb_no_memory(&b->ctx->error, "bench");
    if (status == PNB_OK) status = measure(&k, ms, repeat);
    if (status == PNB_OK) status = report(&k, ms, repeat, rows);
    pnb_program_destroy(&k.program);
    pnb_graph_destroy(&k.graph);
    pnb_store_destroy(&k.store, b->gpu);
    free(ms);
    return status;
}

/* The first parameter among the inputs that has a gradient. */
static int weight_of(const pnb_op_suite *suite, const pnb_op_case *c) {
    for (uint32_t i = 0; i < c->n_in; i++) {
        if (suite->parameters >> i & 1 && !(c->no_grad >> i & 1)) return (int)i;
    }
    return NO_INPUT;
}

static pnb_status bench_case_rows(pnb_bencher *b, const pnb_op_suite *suite, const pnb_op_case *c, cJSON *rows) {
    int weight = weight_of(suite, c);
    PNB_TRY(pnb_bench_peak(b));
    PNB_TRY(bench_pass(b, suite, c, FORWARD, NO_INPUT, rows));
    if (!(c->no_grad & 1)) PNB_TRY(bench_pass(b, suite, c, INPUT, 0, rows));
    return weight == NO_INPUT ? PNB_OK : bench_pass(b, suite, c, WEIGHT, weight, rows);
}

static pnb_status bench_suites(pnb_bencher *b, const pnb_filter *ops, const pnb_filter *cases, cJSON *rows) {
    size_t count;
    const pnb_op_suite *const *suites = pnb_op_suites(&count);
    for (size_t i = 0; i < count; i++) {
        if (!pnb_filter_takes(ops, suites[i]->op)) continue;
        for (size_t j = 0; j < suites[i]->count; j++) {
            const pnb_op_case *c = &suites[i]->cases[j];
            if (c->bench && pnb_filter_takes(cases, c->name)) PNB_TRY(bench_case_rows(b, suites[i], c, rows));
        }
    }
    if (cJSON_GetArraySize(rows)) return PNB_OK;
    return pnb_fail(&b->ctx->error, PNB_ERROR_USAGE, "ops: no op has a name that matches '%s' and cases to time%s",
                    b->params.ops ? b->params.ops : "", b->params.cases ? " with such names" : "");
}

pnb_status pnb_bench_ops(pnb_bencher *b) {
    pnb_filter ops = {0}, cases = {0};
    cJSON *rows = cJSON_AddArrayToObject(b->json, "rows");
    if (!rows) return pnb_no_memory(&b->ctx->error, "bench");
    pnb_status status = pnb_filter_init(&b->ctx->error, "ops", b->params.ops, &ops);
    if (status == PNB_OK) status = pnb_filter_init(&b->ctx->error, "cases", b->params.cases, &cases);
    if (status == PNB_OK) status = bench_suites(b, &ops, &cases, rows);
    pnb_filter_finish(&ops);
    pnb_filter_finish(&cases);
    return status;
}

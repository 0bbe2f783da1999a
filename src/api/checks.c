/* Self-test and benchmark of the ops on the device at hand, from the case lists beside each op. */
#include "api/handles.h"
#include "base/philox.h"
#include "io/json.h"
#include "ops/suite.h"

#include <regex.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A compiled pattern, or none: everything matches. */
typedef struct filter {
    regex_t regex;
    bool active;
} filter;

static pnb_status filter_init(pnb_error *err, const char *pattern, filter *f) {
    *f = (filter){.active = pattern != NULL};
    if (!pattern) return PNB_OK;
    int code = regcomp(&f->regex, pattern, REG_EXTENDED | REG_NOSUB);
    if (code == 0) return PNB_OK;
    char why[128];
    regerror(code, &f->regex, why, sizeof why);
    f->active = false;
    return pnb_fail(err, PNB_ERROR_USAGE, "ops: '%s' is no regular expression: %s", pattern, why);
}

static bool filter_takes(const filter *f, const char *op) {
    return !f->active || regexec(&f->regex, op, 0, NULL, 0) == 0;
}

static void filter_finish(filter *f) {
    if (f->active) regfree(&f->regex);
}

static pnb_status nothing_matches(pnb_error *err, const char *pattern) {
    return pnb_fail(err, PNB_ERROR_USAGE, "ops: no op has a name that matches '%s'", pattern ? pattern : "");
}

/* ---- self-test
 * ------------------------------------------------------------------------------------------------------------ */

typedef struct selftest {
    pnb_context *ctx;
    pnb_gpu *gpu;
    int (*report)(void *user, const pnb_check *check);
    void *user;
    size_t failed, run;
} selftest;

static pnb_status run_suite(selftest *t, const pnb_op_suite *suite) {
    for (size_t i = 0; i < suite->count; i++) {
        if (suite->cases[i].bench) continue; /* too large for the fp64 reference */
        pnb_case_result r = {0};
        PNB_TRY(pnb_op_case_run(t->gpu, &t->ctx->error, suite, &suite->cases[i], &r));
        t->run++;
        t->failed += !r.passed;
        pnb_check check = {sizeof check, r.op, r.name, r.forward_error, r.gradient_error, r.passed, r.why};
        if (t->report && t->report(t->user, &check)) {
            return pnb_fail(&t->ctx->error, PNB_ERROR_CANCELLED, "self-test: cancelled after %zu cases", t->run);
        }
    }
    return PNB_OK;
}

pnb_status pnb_selftest(pnb_context *ctx, const char *ops, int (*report)(void *user, const pnb_check *check),
                        void *user, size_t *failed) {
    if (!ctx) return PNB_ERROR_USAGE;
    selftest t = {.ctx = ctx, .report = report, .user = user};
    filter f;
    PNB_TRY(filter_init(&ctx->error, ops, &f));
    pnb_status status = pnb_context_gpu(ctx, &t.gpu);
    size_t count;
    const pnb_op_suite *const *suites = pnb_op_suites(&count);
    for (size_t i = 0; status == PNB_OK && i < count; i++) {
        if (filter_takes(&f, suites[i]->op)) status = run_suite(&t, suites[i]);
    }
    filter_finish(&f);
    if (failed) *failed = t.failed;
    if (status == PNB_OK && t.run == 0) return nothing_matches(&ctx->error, ops);
    return status;
}

/* ---- benchmark
 * ------------------------------------------------------------------------------------------------------------ */

/* One case as a program of its own. */
typedef struct bench_case {
    pnb_gpu *gpu;
    pnb_error *err;
    const pnb_op_suite *suite;
    const pnb_op_case *c;
    pnb_store *store;
    pnb_graph *graph;
    pnb_program *program;
    pnb_tensor out;
    double *ms; /* [repeat] */
    double gbyte;
    char kernel[128];
} bench_case;

static pnb_status fill_input(bench_case *b, uint32_t i, pnb_storage *s) {
    uint64_t count = pnb_shape_count(b->c->in[i]);
    float *values = malloc(count * sizeof *values), scale = b->c->scale[i] != 0 ? b->c->scale[i] : 1;
    if (!values) return pnb_no_memory(b->err, "bench");
    pnb_fill_normal(7, i, 0, 0, values, count);
    for (uint64_t j = 0; j < count; j++) values[j] = values[j] * scale + b->c->shift[i];
    pnb_status status = pnb_storage_write(s, b->gpu, values, count);
    free(values);
    return status;
}

static pnb_status build_case(bench_case *b) {
    pnb_storage *storages[PNB_CASE_MAX_IN];
    pnb_tensor in[PNB_CASE_MAX_IN];
    PNB_TRY(pnb_store_create(b->err, "bench", &b->store));
    for (uint32_t i = 0; i < b->c->n_in; i++) {
        char name[16];
        snprintf(name, sizeof name, "in%u", i);
        PNB_TRY(pnb_store_add(b->store, name, b->c->in[i], PNB_STORAGE_VARIABLE, &storages[i]));
    }
    PNB_TRY(pnb_store_commit(b->store, b->gpu));
    PNB_TRY(pnb_graph_create(b->err, b->gpu, "bench", &b->graph));
    for (uint32_t i = 0; i < b->c->n_in; i++) {
        PNB_TRY(fill_input(b, i, storages[i]));
        PNB_TRY(pnb_graph_bind(b->graph, storages[i], &in[i]));
    }
    PNB_TRY(b->suite->build(b->graph, b->c, in, &b->out));
    PNB_TRY(pnb_graph_output(b->graph, b->out));
    pnb_program_params params = {.profile = true};
    return pnb_program_create(b->graph, b->gpu, &params, &b->program);
}

/* Gigabytes that any kernel must move: every input once, the output once. */
static double least_traffic(const bench_case *b) {
    double elements = (double)pnb_shape_count(pnb_graph_shape(b->graph, b->out));
    for (uint32_t i = 0; i < b->c->n_in; i++) elements += (double)pnb_shape_count(b->c->in[i]);
    return elements * sizeof(float) / 1e9;
}

/* Time on the device where it has timestamps, otherwise on the host. */
static pnb_status time_once(bench_case *b, double *ms) {
    double begin = pnb_seconds_now();
    PNB_TRY(pnb_program_run(b->program));
    PNB_TRY(pnb_gpu_wait(b->gpu));
    double wall = 1e3 * (pnb_seconds_now() - begin), sum = 0, largest = -1;
    const pnb_profile_row *rows = NULL;
    size_t count = 0;
    if (pnb_gpu_get_caps(b->gpu)->timestamp_ns > 0) PNB_TRY(pnb_program_profile(b->program, &rows, &count));
    b->gbyte = 0;
    for (size_t i = 0; i < count; i++) {
        sum += rows[i].ms;
        b->gbyte += rows[i].gbyte;
        if (rows[i].ms <= largest) continue;
        largest = rows[i].ms;
        snprintf(b->kernel, sizeof b->kernel, "%s", rows[i].kernel);
    }
    if (b->gbyte == 0) b->gbyte = least_traffic(b);
    *ms = sum > 0 ? sum : wall;
    return PNB_OK;
}

static int compare(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static pnb_status time_case(bench_case *b, uint32_t repeat, cJSON *rows, char *line, size_t line_bytes) {
    double warm_up;
    PNB_TRY(build_case(b));
    PNB_TRY(time_once(b, &warm_up));
    for (uint32_t i = 0; i < repeat; i++) PNB_TRY(time_once(b, &b->ms[i]));
    qsort(b->ms, repeat, sizeof *b->ms, compare);
    double median = 0.5 * (b->ms[(repeat - 1) / 2] + b->ms[repeat / 2]);
    double gflops = b->suite->flops && median > 0 ? b->suite->flops(b->c) / (1e6 * median) : 0;
    double gbps = median > 0 ? 1e3 * b->gbyte / median : 0;
    cJSON *row = cJSON_CreateObject();
    cJSON_AddStringToObject(row, "op", b->suite->op);
    cJSON_AddStringToObject(row, "case", b->c->name);
    cJSON_AddStringToObject(row, "pass", "forward");
    cJSON_AddStringToObject(row, "kernel", b->kernel);
    cJSON *ms = cJSON_AddObjectToObject(row, "ms");
    cJSON_AddNumberToObject(ms, "min", b->ms[0]);
    cJSON_AddNumberToObject(ms, "median", median);
    cJSON_AddNumberToObject(ms, "max", b->ms[repeat - 1]);
    cJSON_AddNumberToObject(row, "gflops", gflops);
    cJSON_AddNumberToObject(row, "gbps", gbps);
    cJSON_AddNumberToObject(row, "repeat", repeat);
    if (!cJSON_AddItemToArray(rows, row)) return pnb_no_memory(b->err, "bench");
    snprintf(line, line_bytes, "%-16s %-36s %9.3f ms  %8.2f GFLOP/s  %7.2f GB/s  %s", b->suite->op, b->c->name, median,
             gflops, gbps, b->kernel);
    return PNB_OK;
}

static pnb_status bench_one(pnb_context *ctx, const pnb_bench_params *p, const pnb_op_suite *suite,
                            const pnb_op_case *c, cJSON *rows) {
    uint32_t repeat = p->repeat ? p->repeat : 10;
    char line[512];
    bench_case b = {.gpu = ctx->gpu, .err = &ctx->error, .suite = suite, .c = c, .ms = malloc(repeat * sizeof(double))};
    pnb_status status = b.ms ? time_case(&b, repeat, rows, line, sizeof line) : pnb_no_memory(&ctx->error, "bench");
    pnb_program_destroy(&b.program);
    pnb_graph_destroy(&b.graph);
    pnb_store_destroy(&b.store, ctx->gpu);
    free(b.ms);
    PNB_TRY(status);
    if (p->report && p->report(p->user, line)) return pnb_fail(&ctx->error, PNB_ERROR_CANCELLED, "bench: cancelled");
    return PNB_OK;
}

static pnb_status bench_all(pnb_context *ctx, const pnb_bench_params *p, const filter *f, cJSON *rows) {
    size_t count;
    const pnb_op_suite *const *suites = pnb_op_suites(&count);
    for (size_t i = 0; i < count; i++) {
        for (size_t j = 0; j < suites[i]->count && filter_takes(f, suites[i]->op); j++) {
            if (suites[i]->cases[j].bench) PNB_TRY(bench_one(ctx, p, suites[i], &suites[i]->cases[j], rows));
        }
    }
    return cJSON_GetArraySize(rows) ? PNB_OK : nothing_matches(&ctx->error, p->ops);
}

pnb_status pnb_bench(pnb_context *ctx, const pnb_bench_params *given, char **json) {
    if (json) *json = NULL;
    if (!ctx) return PNB_ERROR_USAGE;
    pnb_bench_params p = PNB_BENCH_DEFAULTS;
    pnb_struct_take(&p, sizeof p, given);
    if (!json) return pnb_fail(&ctx->error, PNB_ERROR_USAGE, "pnb_bench: json is NULL");
    filter f;
    pnb_gpu *gpu;
    PNB_TRY(filter_init(&ctx->error, p.ops, &f));
    cJSON *all = cJSON_CreateObject();
    pnb_status status = pnb_context_gpu(ctx, &gpu);
    if (status == PNB_OK) {
        pnb_json_device(all, gpu);
        cJSON_AddStringToObject(all, "version", PNB_VERSION);
        cJSON *rows = cJSON_AddArrayToObject(all, "rows");
        status = rows ? bench_all(ctx, &p, &f, rows) : pnb_no_memory(&ctx->error, "bench");
    }
    filter_finish(&f);
    if (status == PNB_OK) return pnb_json_take(&ctx->error, all, json);
    cJSON_Delete(all);
    return status;
}

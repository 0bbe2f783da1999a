/* The benchmark: what was asked for, one part after the other, into one JSON. */
#include "api/bench.h"

#include "base/philox.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- shared by the parts ----------------------------------------------------------------------------------------- */

static int ascending(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* The value below which the fraction f of n sorted values lies, between two of them linearly. */
static double quantile(const double *v, uint32_t n, double f) {
    double at = f * (n - 1);
    uint32_t i = (uint32_t)at;
    return i + 1 < n ? v[i] + (at - i) * (v[i + 1] - v[i]) : v[n - 1];
}

pnb_times pnb_times_of(double *ms, uint32_t n) {
    if (n == 0) return (pnb_times){0};
    qsort(ms, n, sizeof *ms, ascending);
    return (pnb_times){ms[0], quantile(ms, n, 0.25), quantile(ms, n, 0.5), quantile(ms, n, 0.75), ms[n - 1], n};
}

bool pnb_times_json(cJSON *row, pnb_times t) {
    cJSON *ms = cJSON_AddObjectToObject(row, "ms");
    return ms && cJSON_AddNumberToObject(ms, "min", t.min) && cJSON_AddNumberToObject(ms, "q1", t.q1) &&
           cJSON_AddNumberToObject(ms, "median", t.median) && cJSON_AddNumberToObject(ms, "q3", t.q3) &&
           cJSON_AddNumberToObject(ms, "max", t.max) && cJSON_AddNumberToObject(row, "repeat", t.repeat);
}

pnb_status pnb_bench_say(pnb_bencher *b, const char *format, ...) {
    char line[512];
    va_list args;
    if (!b->params.report) return PNB_OK;
    va_start(args, format);
    vsnprintf(line, sizeof line, format, args);
    va_end(args);
    if (!b->params.report(b->params.user, line)) return PNB_OK;
    return pnb_fail(&b->ctx->error, PNB_ERROR_CANCELLED, "bench: cancelled");
}

pnb_status pnb_bench_fill(pnb_bencher *b, pnb_storage *s, uint32_t stream, float scale, float shift) {
    uint64_t count = pnb_shape_count(pnb_storage_shape(s));
    float *values = malloc(count * sizeof *values);
    if (!values) return pnb_no_memory(&b->ctx->error, "bench");
    pnb_fill_normal(7, stream, 0, 0, values, count);
    for (uint64_t i = 0; i < count; i++) values[i] = values[i] * scale + shift;
    pnb_status status = pnb_storage_write(s, b->gpu, values, count);
    free(values);
    return status;
}

pnb_rates pnb_bench_rates(const pnb_bencher *b, double ms, double gflop, double done, double gbyte) {
    double per_ms = ms > 0 ? 1e3 / ms : 0;
    return (pnb_rates){gflop * per_ms, gbyte * per_ms, done * per_ms / b->peak.gflops, gbyte * per_ms / b->peak.gbps};
}

bool pnb_bench_rates_json(cJSON *row, pnb_rates r) {
    return cJSON_AddNumberToObject(row, "gflops", r.gflops) && cJSON_AddNumberToObject(row, "gbps", r.gbps) &&
           cJSON_AddNumberToObject(row, "peak_share", r.peak_share) &&
           cJSON_AddNumberToObject(row, "copy_share", r.copy_share);
}

/* ---- the public function ----------------------------------------------------------------------------------------- */

static pnb_status run_parts(pnb_bencher *b) {
    const pnb_bench_params *p = &b->params;
    bool ops = p->ops || p->cases || (!p->step && !p->network && !p->scaling);
    PNB_TRY(pnb_context_gpu(b->ctx, &b->gpu));
    pnb_json_device(b->json, b->gpu);
    if (!cJSON_AddStringToObject(b->json, "version", PNB_VERSION) || !pnb_json_tuning(b->json, b->gpu))
        return pnb_no_memory(&b->ctx->error, "bench");
    if (ops) PNB_TRY(pnb_bench_ops(b));
    if (p->network) PNB_TRY(pnb_bench_network(b));
    if (p->step) PNB_TRY(pnb_bench_step(b));
    return p->scaling ? pnb_bench_scaling(b) : PNB_OK;
}

pnb_status pnb_bench(pnb_context *ctx, const pnb_bench_params *given, char **json) {
    if (json) *json = NULL;
    if (!ctx) return PNB_ERROR_USAGE;
    pnb_bench_params p = PNB_BENCH_DEFAULTS;
    pnb_struct_take(&p, sizeof p, given);
    if (!json) return pnb_fail(&ctx->error, PNB_ERROR_USAGE, "pnb_bench: json is NULL");
    pnb_bencher b = {.ctx = ctx, .params = p, .json = cJSON_CreateObject()};
    pnb_status status = b.json ? run_parts(&b) : pnb_no_memory(&ctx->error, "bench");
    if (status == PNB_OK) return pnb_json_take(&ctx->error, b.json, json);
    cJSON_Delete(b.json);
    return status;
}

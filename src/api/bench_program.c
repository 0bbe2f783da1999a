/* Times of recorded programs: the whole by the host's clock, the kernels by the device's. */
#include "api/bench.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { WARM_UP = 4, LEAST = 3, MOST = 10, SHOWN_KERNELS = 24 };
static const double LONG_MS = 1000, ENOUGH_SECONDS = 20;

/* One kernel of one op: all its dispatches together. */
typedef struct group {
    const char *op, *kernel;
    uint32_t dispatches;
    double gflop, gbyte;
    double *ms; /* [room]: of each repeat */
    double median;
} group;

typedef struct measurement {
    const pnb_work *work;
    group *groups;
    size_t count;
    uint32_t room, done; /* repeats */
    double *whole, *kernels;
} measurement;

static void release(measurement *m) {
    for (size_t i = 0; i < m->count; i++) free(m->groups[i].ms);
    free(m->groups);
    free(m->whole);
    free(m->kernels);
}

/* ---- running ----------------------------------------------------------------------------------------------------- */

static pnb_status run_whole(pnb_bencher *b, const pnb_work *w, double *ms) {
    double begin = pnb_seconds_now();
    for (size_t i = 0; i < w->n_parts; i++) {
        for (uint32_t r = 0; r < w->parts[i].runs; r++) PNB_TRY(pnb_program_run(w->parts[i].program));
    }
    PNB_TRY(pnb_gpu_wait(b->gpu));
    *ms = 1e3 * (pnb_seconds_now() - begin);
    return PNB_OK;
}

static group *find_group(measurement *m, const pnb_profile_row *row) {
    for (size_t i = 0; i < m->count; i++) {
        group *g = &m->groups[i];
        if (strcmp(g->op, row->op) == 0 && strcmp(g->kernel, row->kernel) == 0) return g;
    }
    group *grown = realloc(m->groups, (m->count + 1) * sizeof *grown);
    if (!grown) return NULL;
    m->groups = grown;
    grown[m->count] = (group){.op = row->op, .kernel = row->kernel, .ms = calloc(m->room, sizeof(double))};
    return grown[m->count].ms ? &grown[m->count++] : NULL;
}

/* One profiled run of each part, counted as often as the part runs. */
static pnb_status run_profiled(pnb_bencher *b, measurement *m) {
    for (size_t i = 0; i < m->work->n_parts; i++) {
        const pnb_step_part *part = &m->work->parts[i];
        const pnb_profile_row *rows;
        size_t count;
        PNB_TRY(pnb_program_run_profiled(part->program));
        PNB_TRY(pnb_program_profile(part->program, &rows, &count));
        for (size_t k = 0; k < count; k++) {
            group *g = find_group(m, &rows[k]);
            if (!g) return pnb_no_memory(&b->ctx->error, "bench");
            g->ms[m->done] += part->runs * rows[k].ms;
            m->kernels[m->done] += part->runs * rows[k].ms;
            if (m->done > 0) continue;
            g->dispatches += part->runs;
            g->gflop += part->runs * rows[k].gflop;
            g->gbyte += part->runs * rows[k].gbyte;
        }
    }
    return PNB_OK;
}

static pnb_status warm_up(pnb_bencher *b, const pnb_work *w, double *first_ms) {
    double ms;
    PNB_TRY(run_whole(b, w, first_ms));
    for (int i = 0; i < WARM_UP && *first_ms < LONG_MS; i++) PNB_TRY(run_whole(b, w, &ms));
    return PNB_OK;
}

static pnb_status measure(pnb_bencher *b, measurement *m) {
    bool timestamps = pnb_gpu_get_caps(b->gpu)->timestamp_ns > 0;
    double begin = pnb_seconds_now();
    for (; m->done < m->room; m->done++) {
        uint32_t least = m->work->whole_only ? 1 : LEAST;
        bool enough = !b->params.repeat && m->done >= least && pnb_seconds_now() - begin > ENOUGH_SECONDS;
        if (enough) break;
        PNB_TRY(run_whole(b, m->work, &m->whole[m->done]));
        if (timestamps && !m->work->whole_only) PNB_TRY(run_profiled(b, m));
    }
    return PNB_OK;
}

/* ---- reporting --------------------------------------------------------------------------------------------------- */

static int longer(const void *a, const void *b) {
    double x = ((const group *)a)->median, y = ((const group *)b)->median;
    return (x < y) - (x > y);
}

static bool profile_json(const pnb_bencher *b, const measurement *m, cJSON *row) {
    cJSON *list = cJSON_AddArrayToObject(row, "profile");
    for (size_t i = 0; i < m->count; i++) {
        const group *g = &m->groups[i];
        cJSON *item = cJSON_CreateObject();
        if (!list || !item || !cJSON_AddItemToArray(list, item)) return false;
        cJSON_AddStringToObject(item, "op", g->op);
        cJSON_AddStringToObject(item, "kernel", g->kernel);
        cJSON_AddNumberToObject(item, "dispatches", g->dispatches);
        cJSON_AddNumberToObject(item, "ms", g->median);
        cJSON_AddNumberToObject(item, "gflop", g->gflop);
        cJSON_AddNumberToObject(item, "gbyte", g->gbyte);
        if (!pnb_bench_rates_json(item, pnb_bench_rates(b, g->median, g->gflop, g->gflop, g->gbyte))) return false;
    }
    return list != NULL;
}

static bool parts_json(const pnb_work *w, cJSON *row) {
    cJSON *list = cJSON_AddArrayToObject(row, "programs");
    for (size_t i = 0; list && i < w->n_parts; i++) {
        const pnb_plan_report *r = pnb_program_report(w->parts[i].program);
        cJSON *item = cJSON_CreateObject();
        if (!item || !cJSON_AddItemToArray(list, item)) return false;
        cJSON_AddStringToObject(item, "name", pnb_program_name(w->parts[i].program));
        cJSON_AddNumberToObject(item, "runs", w->parts[i].runs);
        cJSON_AddNumberToObject(item, "arena_bytes", (double)r->arena_bytes);
        cJSON_AddNumberToObject(item, "constant_bytes", (double)r->constant_bytes);
        cJSON_AddNumberToObject(item, "barriers", r->barriers);
    }
    return list != NULL;
}

static pnb_status say_profile(pnb_bencher *b, const measurement *m, double total) {
    PNB_TRY(pnb_bench_say(b, "%10s %6s %10s %10s %4s %9s %4s  %s", "ms", "share", "dispatches", "GFLOP/s", "peak",
                          "GB/s", "copy", "kernel"));
    for (size_t i = 0; i < m->count && i < SHOWN_KERNELS; i++) {
        const group *g = &m->groups[i];
        pnb_rates r = pnb_bench_rates(b, g->median, g->gflop, g->gflop, g->gbyte);
        PNB_TRY(pnb_bench_say(b, "%10.3f %5.1f%% %10u %10.2f %3.0f%% %9.2f %3.0f%%  %s (%s)", g->median,
                              100 * g->median / total, g->dispatches, r.gflops, 100 * r.peak_share, r.gbps,
                              100 * r.copy_share, g->kernel, g->op));
    }
    return m->count > SHOWN_KERNELS ? pnb_bench_say(b, "           and %zu more", m->count - SHOWN_KERNELS) : PNB_OK;
}

static pnb_status report(pnb_bencher *b, measurement *m, double first_ms, cJSON *row) {
    const pnb_work *w = m->work;
    uint32_t dispatches = 0;
    double gflop = 0, gbyte = 0;
    for (size_t i = 0; i < m->count; i++) {
        group *g = &m->groups[i];
        g->median = pnb_times_of(g->ms, m->done).median;
        dispatches += g->dispatches;
        gflop += g->gflop;
        gbyte += g->gbyte;
    }
    if (m->count) qsort(m->groups, m->count, sizeof *m->groups, longer);
    pnb_times whole = pnb_times_of(m->whole, m->done), kernels = pnb_times_of(m->kernels, m->done);
    pnb_rates rates = pnb_bench_rates(b, whole.median, gflop, gflop, gbyte);
    bool ok = pnb_times_json(row, whole) && cJSON_AddNumberToObject(row, "first_ms", first_ms) &&
              cJSON_AddNumberToObject(row, "build_seconds", w->build_seconds) &&
              cJSON_AddNumberToObject(row, "planned_bytes", (double)w->planned_bytes);
    if (ok && m->count) {
        ok = cJSON_AddNumberToObject(row, "dispatches", dispatches) &&
             cJSON_AddNumberToObject(row, "kernel_ms", kernels.median) &&
             cJSON_AddNumberToObject(row, "outside_kernels", 1 - kernels.median / whole.median) &&
             cJSON_AddNumberToObject(row, "gflop", gflop) && pnb_bench_rates_json(row, rates);
    }
    if (!ok || !parts_json(w, row) || !profile_json(b, m, row)) return pnb_no_memory(&b->ctx->error, "bench");
    PNB_TRY(pnb_bench_say(b, "%s: %.2f ms (%.2f to %.2f, %u runs), built in %.2f s, planned %.1f MiB", w->name,
                          whole.median, whole.min, whole.max, whole.repeat, w->build_seconds,
                          (double)w->planned_bytes / (1 << 20)));
    if (!m->count) return PNB_OK;
    PNB_TRY(
        pnb_bench_say(b,
                      "  %u dispatches, kernels %.2f ms, outside them %.1f %%, %.2f GFLOP: %.1f GFLOP/s, %.0f %% of "
                      "the device's peak",
                      dispatches, kernels.median, 100 * (1 - kernels.median / whole.median), gflop, rates.gflops,
                      100 * rates.peak_share));
    return say_profile(b, m, kernels.median);
}

pnb_status pnb_bench_work(pnb_bencher *b, const pnb_work *work, cJSON *row) {
    measurement m = {.work = work, .room = b->params.repeat ? b->params.repeat : MOST};
    double first_ms = 0;
    m.whole = calloc(m.room, sizeof *m.whole);
    m.kernels = calloc(m.room, sizeof *m.kernels);
    pnb_status status = m.whole && m.kernels ? warm_up(b, work, &first_ms) : pnb_no_memory(&b->ctx->error, "bench");
    if (status == PNB_OK) status = measure(b, &m);
    if (status == PNB_OK) status = report(b, &m, first_ms, row);
    release(&m);
    return status;
}

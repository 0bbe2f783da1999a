/* The program: the plan's memory, kernels and command lists, recorded once and submitted as often as wanted.
 *
 * Lists are short. The first runs submit them one by one (each bounded by the work it holds) and measure them by timestamps;
 * later runs group them into submissions that stay below the wanted time, so that no driver's watchdog fires and a desktop
 * stays responsive. A driver may compile a shader at its first dispatch, so the least of a few measurements counts.
 */
#include "graph/internal.h"

#include <stdlib.h>
#include <string.h>

enum { MEASURED_RUNS = 3, GROUP_UNMEASURED = 8 };
static const double GROUP_UNMEASURED_GFLOP = 8.0;
static const double DEFAULT_SUBMISSION_MS = 50.0;

typedef struct recorded_list {
    uint32_t first, count; /* its dispatches, counted from the first after the prologue */
    double gflop, ms;      /* ms < 0: not measured */
} recorded_list;

struct pnb_program {
    pnb_error *err;
    pnb_gpu *gpu;
    char *name;
    pnb_plan *plan;
    pnb_program_memory *memory, *own; /* own: the memory, where it is not shared */
    uint32_t *arenas;                 /* by arena of the plan: which of the memory's it is */
    pnb_gpu_list **lists, **profiled; /* profiled: the same with a timestamp around each dispatch, or NULL */
    recorded_list *info; /* by list */
    size_t list_count;
    size_t *cuts; /* submission i is lists [cuts[i-1], cuts[i]) */
    size_t cut_count;
    pnb_profile_row *rows; /* by dispatch, where profiling */
    size_t row_count;
    pnb_choice_made *choices;
    size_t choice_count;
    pnb_tables *tables; /* the graph's; NULL: none */
    double max_ms;
    bool profile, timestamps;
    uint64_t runs, profiled_runs;
};

static pnb_gpu_binding binding_of(const pnb_program *p, pnb_tensor t) {
    const pnb_place *place = &p->plan->places[t];
    if (place->kind == PNB_IN_STORAGE) {
        pnb_gpu_binding b = pnb_storage_binding(place->storage);
        return (pnb_gpu_binding){.buffer = b.buffer, .offset = b.offset + place->offset, .bytes = place->bytes};
    }
    const pnb_gpu_buffer *memory = NULL;
    if (place->kind == PNB_IN_CONSTANTS) memory = p->memory->constants.items[place->block].buffer;
    if (place->kind == PNB_IN_ARENA) memory = p->memory->arenas.items[p->arenas[place->block]].buffer;
    return (pnb_gpu_binding){.buffer = memory, .offset = place->offset, .bytes = place->bytes};
}

/* ---- memory ----------------------------------------------------------------------------------------------------- */

static pnb_status check_storages(const pnb_program *p) {
    for (size_t i = 0; i < p->plan->dispatch_count; i++) {
        const pnb_dispatch *d = &p->plan->dispatches[i].d;
        for (uint32_t k = 0; k < d->n_bind; k++) {
            const pnb_storage *s = p->plan->places[d->bind[k].tensor].storage;
            if (!s || pnb_storage_binding(s).buffer) continue;
            return pnb_fail(p->err, PNB_ERROR_USAGE, "program '%s': tensor '%s' has no memory yet, commit its store first", p->name,
                            pnb_storage_name(s));
        }
    }
    return PNB_OK;
}

/* What the memory lacks, if the budget allows it. */
static pnb_status allocate(pnb_program *p, uint64_t budget) {
    pnb_program_memory *m = p->memory;
    const pnb_plan *plan = p->plan;
    uint32_t arenas = (uint32_t)m->arenas.count;
    p->arenas = calloc(plan->arenas.count + 1, sizeof *p->arenas);
    if (!p->arenas) return pnb_fail(p->err, PNB_ERROR_OUT_OF_MEMORY, "program '%s': out of host memory", p->name);
    uint64_t missing = pnb_memory_map_arenas(m, &plan->arenas, p->arenas);
    if (m->gpu) PNB_TRY(pnb_plan_check_budget(plan, p->name, budget, pnb_program_memory_bytes(m), missing));
    for (size_t i = 0; i < plan->arenas.count; i++) {
        if (p->arenas[i] >= arenas) PNB_TRY(pnb_memory_add(m, &m->arenas, plan->arenas.bytes[i], p->name));
    }
    for (size_t i = 0; i < plan->constants.count; i++) PNB_TRY(pnb_memory_add(m, &m->constants, plan->constants.bytes[i], p->name));
    return PNB_OK;
}

/* The constants that the prologue has made, for the next program. */
static pnb_status enter_constants(pnb_program *p, const pnb_graph *g) {
    const pnb_plan *plan = p->plan;
    for (size_t i = 0; i < plan->prologue_nodes; i++) {
        const pnb_node *n = &g->nodes[plan->order[i]].n;
        for (uint32_t k = 0; k < n->n_out; k++) {
            const pnb_place *at = &plan->places[n->out[k]];
            if (at->kind != PNB_IN_CONSTANTS) continue;
            PNB_TRY(pnb_memory_enter(p->memory, (pnb_prepared){plan->recipes[n->out[k]], at->bytes, at->offset, at->block}));
        }
    }
    return PNB_OK;
}

/* ---- recording -------------------------------------------------------------------------------------------------- */

static pnb_status get_kernel(pnb_gpu *gpu, const pnb_plan *plan, const pnb_dispatch *d, pnb_gpu_kernel **out) {
    pnb_gpu_kernel_desc desc = {.shader = d->shader,
                                .code = d->code,
                                .code_bytes = d->code_bytes,
                                .bindings = d->n_bind,
                                .push_bytes = d->push_bytes,
                                .spec_count = d->n_spec};
    for (uint32_t i = 0; i < d->n_bind; i++) {
        uint32_t texel = d->bind[i].texel;
        desc.texel_mask |= texel << i;
        desc.half_mask |= (texel & plan->places[d->bind[i].tensor].half) << i;
    }
    memcpy(desc.spec, d->spec, d->n_spec * sizeof d->spec[0]);
    return pnb_gpu_kernel_get(gpu, &desc, out);
}

static pnb_status record_dispatch(pnb_program *p, pnb_gpu_list *list, const pnb_planned_dispatch *pd) {
    pnb_gpu_kernel *kernel = NULL;
    pnb_gpu_binding bindings[PNB_GPU_MAX_BINDINGS];
    PNB_TRY(get_kernel(p->gpu, p->plan, &pd->d, &kernel));
    for (uint32_t i = 0; i < pd->d.n_bind; i++) bindings[i] = binding_of(p, pd->d.bind[i].tensor);
    if (pd->barrier) PNB_TRY(pnb_gpu_list_barrier(list));
    return pnb_gpu_list_dispatch(list, kernel, bindings, pd->d.push, pd->d.groups, pd->d.label ? pd->d.label : pd->d.shader);
}

/* Record dispatches [first, end) as one list, with timestamps around the whole or around each. */
static pnb_status record_list(pnb_program *p, size_t first, size_t end, bool each, pnb_gpu_list **out) {
    PNB_TRY(pnb_gpu_list_begin(p->gpu, p->name, out));
    if (p->timestamps) PNB_TRY(pnb_gpu_list_timestamp(*out));
    for (size_t i = first; i < end; i++) {
        PNB_TRY(record_dispatch(p, *out, &p->plan->dispatches[i]));
        if (p->timestamps && (each || i + 1 == end)) PNB_TRY(pnb_gpu_list_timestamp(*out));
    }
    return pnb_gpu_list_end(*out);
}

static size_t list_end(const pnb_plan *plan, size_t first, size_t end) {
    size_t i = first + 1;
    while (i < end && !plan->dispatches[i].list_start) i++;
    return i;
}

/* What depends on frozen tensors alone: run once, list by list. */
static pnb_status run_prologue(pnb_program *p) {
    const pnb_plan *plan = p->plan;
    for (size_t first = 0; first < plan->prologue_dispatches;) {
        size_t end = list_end(plan, first, plan->prologue_dispatches);
        pnb_gpu_list *list = NULL;
        pnb_status status = record_list(p, first, end, false, &list);
        if (status == PNB_OK) status = pnb_gpu_submit(p->gpu, &list, 1);
        if (status == PNB_OK) status = pnb_gpu_wait(p->gpu);
        if (list) pnb_gpu_list_destroy(p->gpu, &list);
        PNB_TRY(status);
        first = end;
    }
    return PNB_OK;
}

static pnb_status record_all(pnb_program *p) {
    const pnb_plan *plan = p->plan;
    size_t count = plan->dispatch_count - plan->prologue_dispatches;
    p->lists = calloc(count + 1, sizeof *p->lists);
    p->info = calloc(count + 1, sizeof *p->info);
    p->cuts = calloc(count + 1, sizeof *p->cuts);
    p->rows = p->profile ? calloc(count + 1, sizeof *p->rows) : NULL;
    p->profiled = p->profile ? calloc(count + 1, sizeof *p->profiled) : NULL;
    if (!p->lists || !p->info || !p->cuts || (p->profile && (!p->rows || !p->profiled))) {
        return pnb_fail(p->err, PNB_ERROR_OUT_OF_MEMORY, "program '%s': out of host memory", p->name);
    }
    for (size_t first = plan->prologue_dispatches; first < plan->dispatch_count;) {
        size_t end = list_end(plan, first, plan->dispatch_count);
        recorded_list *info = &p->info[p->list_count];
        *info = (recorded_list){.first = (uint32_t)(first - plan->prologue_dispatches), .count = (uint32_t)(end - first), .ms = -1.0};
        for (size_t i = first; i < end; i++) info->gflop += plan->dispatches[i].d.gflop;
        size_t i = p->list_count++;
        PNB_TRY(record_list(p, first, end, false, &p->lists[i]));
        if (p->profile) PNB_TRY(record_list(p, first, end, true, &p->profiled[i]));
        first = end;
    }
    for (size_t i = 0; i < count && p->profile; i++) {
        const pnb_planned_dispatch *pd = &plan->dispatches[plan->prologue_dispatches + i];
        p->rows[p->row_count++] = (pnb_profile_row){
            .op = pd->op, .kernel = pd->d.label ? pd->d.label : pd->d.shader, .gflop = pd->d.gflop, .gbyte = pd->d.gbyte,
            .choice = {pd->choice[0], pd->choice[1]}};
    }
    return PNB_OK;
}

/* ---- submissions ------------------------------------------------------------------------------------------------ */

/* Cut the lists into submissions: by measured time; without timestamps by the work that the ops state. */
static void group(pnb_program *p) {
    p->cut_count = 0;
    double ms = 0.0, gflop = 0.0;
    size_t n = 0;
    for (size_t i = 0; i < p->list_count; i++, n++) {
        const recorded_list *l = &p->info[i];
        bool cut = p->timestamps ? l->ms < 0.0 || ms + l->ms > p->max_ms
                                 : n == GROUP_UNMEASURED || gflop + l->gflop > GROUP_UNMEASURED_GFLOP;
        if (cut && i > 0) {
            p->cuts[p->cut_count++] = i;
            n = 0;
            ms = gflop = 0.0;
        }
        ms += l->ms > 0.0 ? l->ms : 0.0;
        gflop += l->gflop;
    }
    if (p->list_count > 0) p->cuts[p->cut_count++] = p->list_count;
}

/* Times of the last run into the lists' costs. */
static pnb_status measure(pnb_program *p) {
    PNB_TRY(pnb_gpu_wait(p->gpu));
    for (size_t i = 0; i < p->list_count; i++) {
        double times[PNB_LIST_MAX_DISPATCHES + 1];
        size_t n = sizeof times / sizeof times[0];
        PNB_TRY(pnb_gpu_list_times(p->gpu, p->lists[i], times, &n));
        if (n < 2) continue;
        double ms = 1e-6 * (times[n - 1] - times[0]);
        if (p->info[i].ms < 0.0 || ms < p->info[i].ms) p->info[i].ms = ms < 0.0 ? 0.0 : ms;
    }
    group(p);
    return PNB_OK;
}

static pnb_status submit(pnb_program *p, pnb_gpu_list **lists) {
    for (size_t i = 0, first = 0; i < p->cut_count; first = p->cuts[i++]) {
        PNB_TRY(pnb_gpu_submit(p->gpu, lists + first, p->cuts[i] - first));
    }
    return PNB_OK;
}

pnb_status pnb_program_run(pnb_program *p) {
    if (p->timestamps && p->runs > 0 && p->runs <= MEASURED_RUNS) PNB_TRY(measure(p));
    p->runs++;
    return submit(p, p->lists);
}

pnb_status pnb_program_run_profiled(pnb_program *p) {
    if (!p->profile) return pnb_fail(p->err, PNB_ERROR_USAGE, "program '%s': no profile was asked for", p->name);
    p->profiled_runs++;
    return submit(p, p->profiled);
}

/* ---- life ------------------------------------------------------------------------------------------------------- */

static pnb_status build(pnb_program *p, pnb_graph *g, const pnb_program_params *params) {
    const pnb_gpu_caps *caps = p->gpu ? pnb_gpu_get_caps(p->gpu) : &g->caps;
    p->max_ms = params && params->max_submission_ms > 0.0 ? params->max_submission_ms : DEFAULT_SUBMISSION_MS;
    p->profile = params && params->profile;
    p->timestamps = caps->timestamp_ns > 0.0;
    if (g->gpu && g->gpu != p->gpu) {
        return pnb_fail(p->err, PNB_ERROR_USAGE, "program '%s': its graph was built for another device", p->name);
    }
    p->memory = params ? params->memory : NULL;
    if (!p->memory) {
        PNB_TRY(pnb_program_memory_create(p->err, p->gpu, &p->own));
        p->memory = p->own;
    }
    PNB_TRY(pnb_plan_make(g, caps, p->memory, &p->plan));
    PNB_TRY(pnb_choice_made_copy(p->err, g->choices, g->choice_count, &p->choices));
    p->choice_count = g->choice_count;
    if (p->memory->gpu) {
        PNB_TRY(pnb_tables_commit(g, p->gpu, &p->tables));
        PNB_TRY(check_storages(p));
    }
    PNB_TRY(allocate(p, params ? params->memory_budget : 0));
    if (p->memory->gpu) PNB_TRY(run_prologue(p));
    PNB_TRY(enter_constants(p, g));
    if (!p->memory->gpu) return PNB_OK;
    PNB_TRY(record_all(p));
    group(p);
    free(p->plan->dispatches); /* all is recorded */
    p->plan->dispatches = NULL;
    return PNB_OK;
}

pnb_status pnb_program_create(pnb_graph *g, pnb_gpu *gpu, const pnb_program_params *params, pnb_program **out) {
    *out = NULL;
    pnb_program *p = calloc(1, sizeof *p);
    if (!p) return pnb_fail(g->err, PNB_ERROR_OUT_OF_MEMORY, "program '%s': out of host memory", g->name);
    p->err = g->err;
    p->gpu = gpu;
    p->name = pnb_copy_text(g->err, g->name);
    pnb_status status = p->name ? build(p, g, params) : PNB_ERROR_OUT_OF_MEMORY;
    if (status != PNB_OK) pnb_program_destroy(&p);
    *out = p;
    return status;
}

pnb_status pnb_program_compile(pnb_graph *g, pnb_gpu *gpu) {
    pnb_plan *plan = NULL;
    pnb_gpu_kernel *kernel;
    pnb_status status = pnb_plan_make(g, pnb_gpu_get_caps(gpu), NULL, &plan);
    for (size_t i = 0; status == PNB_OK && i < plan->dispatch_count; i++) {
        status = get_kernel(gpu, plan, &plan->dispatches[i].d, &kernel);
    }
    pnb_plan_destroy(&plan);
    return status;
}

void pnb_program_destroy(pnb_program **program) {
    pnb_program *p = program ? *program : NULL;
    if (!p) return;
    if (p->list_count > 0) (void)pnb_gpu_wait(p->gpu);
    for (size_t i = 0; i < p->list_count; i++) {
        if (p->lists[i]) pnb_gpu_list_destroy(p->gpu, &p->lists[i]);
        if (p->profiled && p->profiled[i]) pnb_gpu_list_destroy(p->gpu, &p->profiled[i]);
    }
    pnb_program_memory_destroy(&p->own);
    pnb_plan_destroy(&p->plan);
    pnb_tables_release(p->tables);
    free(p->rows);
    pnb_choice_made_free(p->choices, p->choice_count);
    free(p->cuts);
    free(p->info);
    free(p->lists);
    free(p->profiled);
    free(p->arenas);
    free(p->name);
    free(p);
    *program = NULL;
}

/* ---- reading ---------------------------------------------------------------------------------------------------- */

pnb_status pnb_program_read(pnb_program *p, pnb_tensor t, float *values, uint64_t count) {
    if (t < 0 || (size_t)t >= p->plan->place_count) {
        return pnb_fail(p->err, PNB_ERROR_USAGE, "program '%s': read: there is no tensor %d", p->name, t);
    }
    const pnb_place *place = &p->plan->places[t];
    if (!place->readable) {
        return pnb_fail(p->err, PNB_ERROR_USAGE, "program '%s': read: tensor %d is not kept; mark it with pnb_graph_output", p->name, t);
    }
    if (count != place->elements) {
        return pnb_fail(p->err, PNB_ERROR_USAGE, "program '%s': read: tensor %d has %llu elements, not %llu", p->name, t,
                        (unsigned long long)place->elements, (unsigned long long)count);
    }
    pnb_gpu_binding b = binding_of(p, t);
    if (!b.buffer) {
        return pnb_fail(p->err, PNB_ERROR_USAGE, "program '%s': read: tensor %d has no memory; commit its store first", p->name, t);
    }
    PNB_TRY(pnb_gpu_wait(p->gpu));
    return pnb_gpu_download(p->gpu, b.buffer, b.offset, values, 4 * count);
}

const char *pnb_program_name(const pnb_program *p) { return p->name; }
const pnb_plan_report *pnb_program_report(const pnb_program *p) { return &p->plan->report; }

const pnb_choice_made *pnb_program_choices(const pnb_program *p, size_t *count) {
    *count = p->choice_count;
    return p->choices;
}

pnb_program_stats pnb_program_get_stats(const pnb_program *p) {
    return (pnb_program_stats){.lists = p->list_count, .submissions = p->cut_count, .runs = p->runs};
}

pnb_status pnb_program_profile(pnb_program *p, const pnb_profile_row **rows, size_t *count) {
    if (!p->profile || !p->timestamps || p->profiled_runs == 0) {
        return pnb_fail(p->err, PNB_ERROR_USAGE, "program '%s': no profile: %s", p->name,
                        !p->profile     ? "it was not asked for"
                        : p->timestamps ? "there was no profiled run"
                                        : "the device has no timestamps");
    }
    PNB_TRY(pnb_gpu_wait(p->gpu));
    for (size_t i = 0; i < p->list_count; i++) {
        double times[PNB_LIST_MAX_DISPATCHES + 1];
        size_t n = sizeof times / sizeof times[0];
        PNB_TRY(pnb_gpu_list_times(p->gpu, p->profiled[i], times, &n));
        for (size_t k = 0; k + 1 < n && k < p->info[i].count; k++) {
            p->rows[p->info[i].first + k].ms = 1e-6 * (times[k + 1] - times[k]);
        }
    }
    *rows = p->rows;
    *count = p->row_count;
    return PNB_OK;
}

/* Device memory before it is taken: plans of evaluations and of whole runs, and the budget that they must keep. */
#include "api/handles.h"

#include <stdlib.h>
#include <string.h>

enum { USUAL_SIDE = 64 };

uint64_t pnb_context_budget(const pnb_context *ctx, const pnb_gpu *gpu) {
    return ctx->memory_limit ? ctx->memory_limit : pnb_gpu_get_caps(gpu)->memory_bytes;
}

/* ---- runs -------------------------------------------------------------------------------------------------------- */

/* What a method's run would hold. A measurement that is not known yet has its size alone. */
static pnb_status plan_run(pnb_error *err, const pnb_method *method, const pnb_task *task, const void *options,
                           uint64_t *bytes) {
    pnb_solver *solver = NULL;
    pnb_task planned = *task;
    float *zeros = NULL;
    planned.plan_only = true;
    if (!planned.y) {
        planned.y = zeros = calloc(pnb_shape_count(pnb_operator_measurement_shape(task->op)), sizeof *zeros);
        if (!zeros) return pnb_no_memory(err, "plan");
    }
    pnb_status status = method->create(err, &planned, options, &solver);
    if (status == PNB_OK) *bytes = pnb_solver_planned_bytes(solver);
    pnb_solver_destroy(&solver);
    free(zeros);
    return status;
}

/* A run whose options are looked for, so that it fits. */
typedef struct fitting {
    pnb_problem *problem;
    const pnb_task *task;
    void *options; /* a copy, changed */
    const pnb_option *particles, *checkpointing;
    uint64_t budget;
} fitting;

static pnb_status plan_with(const fitting *f, double particles, bool checkpointing, uint64_t *bytes) {
    if (f->particles) PNB_TRY(pnb_options_set_number(NULL, "particles", f->particles, f->options, particles));
    if (f->checkpointing)
        PNB_TRY(pnb_options_set_number(NULL, "checkpointing", f->checkpointing, f->options, checkpointing));
    return plan_run(&f->problem->ctx->error, f->problem->method, f->task, f->options, bytes);
}

/* The most particles that fit, by halves; 0: none. */
static pnb_status most_particles(const fitting *f, uint32_t from, bool checkpointing, uint32_t *most, uint64_t *bytes) {
    for (*most = from; *most > 0; *most /= 2) {
        PNB_TRY(plan_with(f, *most, checkpointing, bytes));
        if (*bytes <= f->budget) break;
    }
    return PNB_OK;
}

/* "; with checkpointing 2 particles fit (3.1 GiB)" and the like. */
static pnb_status suggest(const fitting *f, const void *options, pnb_text *text) {
    bool checkpointed = f->checkpointing && pnb_options_get(f->checkpointing, options) != 0;
    uint32_t from = f->particles ? (uint32_t)pnb_options_get(f->particles, options) : 1, most, found = 0;
    uint64_t bytes = 0;
    for (int i = checkpointed; i < (f->checkpointing ? 2 : 1); i++) {
        char size[PNB_BYTES_TEXT_SIZE];
        PNB_TRY(most_particles(f, from, i != 0, &most, &bytes));
        if (most <= found) continue;
        found = most;
        pnb_text_add(text, "; %s%u particle%s fit%s (%s)", i && !checkpointed ? "with \"checkpointing\": true, " : "",
                     most, most > 1 ? "s" : "", most > 1 ? "" : "s", pnb_bytes_text(bytes, size));
    }
    if (!found) pnb_text_add(text, "; not even one particle fits: a smaller image or prior is needed");
    return PNB_OK;
}

pnb_status pnb_problem_check_memory(pnb_problem *p, const pnb_task *task, const void *options) {
    const pnb_option_table *table = &p->method->table;
    uint64_t bytes = 0;
    fitting f = {.problem = p,
                 .task = task,
                 .particles = pnb_options_find(table, "particles"),
                 .checkpointing = pnb_options_find(table, "checkpointing"),
                 .budget = pnb_context_budget(p->ctx, task->gpu)};
    if (f.budget == 0) return PNB_OK;
    PNB_TRY(plan_run(&p->ctx->error, p->method, task, options, &bytes));
    if (bytes <= f.budget) return PNB_OK;
    pnb_text text = {0};
    char *words = NULL, need[PNB_BYTES_TEXT_SIZE], have[PNB_BYTES_TEXT_SIZE];
    const char *whose = p->ctx->memory_limit ? "" : " (what the device says that it has; a memory limit sets another)";
    f.options = malloc(table->struct_bytes);
    pnb_status status = f.options ? PNB_OK : pnb_no_memory(&p->ctx->error, "plan");
    if (status == PNB_OK) {
        memcpy(f.options, options, table->struct_bytes);
        status = suggest(&f, options, &text);
    }
    free(f.options);
    if (status == PNB_OK) status = pnb_text_take(&p->ctx->error, &text, &words);
    if (status != PNB_OK) {
        free(text.at);
        return status;
    }
    status = pnb_fail(&p->ctx->error, PNB_ERROR_OUT_OF_MEMORY,
                      "%s: by its plan this run needs %s, %s may be used%s, so nothing was allocated%s",
                      p->method->name, pnb_bytes_text(bytes, need), pnb_bytes_text(f.budget, have), whose, words);
    free(words);
    return status;
}

/* ---- a prior by itself ------------------------------------------------------------------------------------------- */

/* One evaluation and, if wanted, its gradient in x. */
static pnb_status plan_evaluation(pnb_model *m, pnb_gpu *gpu, pnb_shape x_shape, bool gradient, bool checkpoint,
                                  uint64_t *bytes) {
    enum { X, T, ALPHA, SIGMA, COTANGENT, LABEL, INPUTS };
    static const char *const names[] = {"x", "t", "alpha", "sigma", "cotangent", "label"};
    bool wanted[INPUTS] = {true, true, true, true, gradient, pnb_prior_classes(m->prior) > 0};
    pnb_error *err = &m->ctx->error;
    pnb_store *store = NULL;
    pnb_graph *g = NULL;
    pnb_storage *s;
    pnb_tensor t[INPUTS], eps, grad;
    pnb_plan_report r;
    pnb_status status = PNB_OK;
    PNB_TRY_GOTO(pnb_store_create(err, "plan", &store));
    PNB_TRY_GOTO(pnb_graph_create(err, gpu, "plan", &g));
    for (int i = 0; i < INPUTS; i++) {
        pnb_shape shape = i == X || i == COTANGENT ? x_shape : pnb_shape1(x_shape.d[0]);
        t[i] = PNB_NONE;
        if (!wanted[i]) continue;
        PNB_TRY_GOTO(pnb_store_add(store, names[i], shape, PNB_STORAGE_VARIABLE, &s));
        PNB_TRY_GOTO(pnb_graph_bind(g, s, &t[i]));
    }
    pnb_eps_params params = {.label = t[LABEL], .checkpoint = checkpoint};
    pnb_level level = {t[T], t[ALPHA], t[SIGMA]};
    PNB_TRY_GOTO(pnb_prior_eps(m->prior, g, t[X], level, &params, &eps));
    PNB_TRY_GOTO(pnb_graph_output(g, eps));
    if (gradient) {
        PNB_TRY_GOTO(pnb_graph_grad(g, &eps, &t[COTANGENT], 1, &t[X], 1, &grad));
        PNB_TRY_GOTO(pnb_graph_output(g, grad));
    }
    PNB_TRY_GOTO(pnb_graph_plan(g, NULL, &r));
    *bytes = r.arena_bytes + r.constant_bytes + pnb_store_bytes(store) + pnb_store_bytes(pnb_prior_store(m->prior));
fail:
    pnb_graph_destroy(&g);
    pnb_store_destroy(&store, NULL);
    return status;
}

pnb_status pnb_model_check_memory(pnb_model *m, pnb_gpu *gpu, pnb_shape image, uint32_t n) {
    uint64_t budget = pnb_context_budget(m->ctx, gpu), bytes = 0, fewer = 0;
    uint32_t fit = n;
    char need[PNB_BYTES_TEXT_SIZE], have[PNB_BYTES_TEXT_SIZE], hint[64] = "not even one fits";
    PNB_TRY(plan_evaluation(m, gpu, pnb_shape_batched(n, image), false, false, &bytes));
    if (budget == 0 || bytes <= budget) return PNB_OK;
    while ((fit /= 2) > 0) {
        PNB_TRY(plan_evaluation(m, gpu, pnb_shape_batched(fit, image), false, false, &fewer));
        if (fewer <= budget) break;
    }
    if (fit) snprintf(hint, sizeof hint, "%u at a time fit", fit);
    return pnb_fail(&m->ctx->error, PNB_ERROR_OUT_OF_MEMORY,
                    "sample: by plan %u at a time need %s, %s may be used, so nothing was allocated; %s", n,
                    pnb_bytes_text(bytes, need), pnb_bytes_text(budget, have), hint);
}

/* A run of PPM with its usual options and nothing hidden. */
static pnb_status plan_step(pnb_model *m, pnb_gpu *gpu, pnb_shape image, uint32_t particles, bool checkpoint,
                            uint64_t *bytes) {
    const pnb_method *ppm = pnb_method_find("ppm");
    pnb_error *err = &m->ctx->error;
    pnb_operator *op = NULL;
    PNB_TRY(pnb_operator_create(err, "identity", NULL, image, NULL, &op));
    void *options = malloc(ppm->table.struct_bytes);
    bool *given = calloc(ppm->table.count, sizeof *given);
    pnb_task task = {.gpu = gpu, .prior = m->prior, .op = op, .sigma_y = 0.05};
    pnb_status status = options && given ? PNB_OK : pnb_no_memory(err, "plan");
    if (status == PNB_OK) {
        pnb_options_defaults(&ppm->table, options);
        ppm->resolve(&task, given, options);
        status =
            pnb_options_set_number(err, "particles", pnb_options_find(&ppm->table, "particles"), options, particles);
    }
    if (status == PNB_OK)
        status = pnb_options_set_number(err, "checkpointing", pnb_options_find(&ppm->table, "checkpointing"), options,
                                        checkpoint);
    if (status == PNB_OK) status = plan_run(err, ppm, &task, options, bytes);
    free(options);
    free(given);
    pnb_operator_destroy(&op, NULL);
    return status;
}

/* As asked for, as trained, or usual. */
static uint32_t side(const pnb_model *m, uint32_t asked) {
    uint32_t trained = pnb_prior_size_hint(m->prior);
    return asked ? asked : trained ? trained : USUAL_SIDE;
}

static pnb_status plan_all(pnb_model *m, pnb_gpu *gpu, pnb_memory_plan *plan) {
    uint32_t dim = pnb_prior_dim(m->prior);
    pnb_shape image = dim ? pnb_shape1(dim) : pnb_shape3(pnb_prior_channels(m->prior), plan->height, plan->width);
    pnb_shape x = pnb_shape_batched(plan->batch, image);
    plan->weights = pnb_store_bytes(pnb_prior_store(m->prior));
    PNB_TRY(plan_evaluation(m, gpu, x, false, false, &plan->forward));
    PNB_TRY(plan_evaluation(m, gpu, x, true, false, &plan->gradient));
    PNB_TRY(plan_evaluation(m, gpu, x, true, true, &plan->gradient_checkpointed));
    if (pnb_prior_classes(m->prior)) return PNB_OK;
    PNB_TRY(plan_step(m, gpu, image, plan->particles, false, &plan->step));
    return plan_step(m, gpu, image, plan->particles, true, &plan->step_checkpointed);
}

pnb_status pnb_model_plan(pnb_model *m, const pnb_plan_params *params, pnb_memory_plan *out) {
    if (!m || !out) return PNB_ERROR_USAGE;
    pnb_plan_params p = PNB_PLAN_DEFAULTS;
    pnb_memory_plan plan = PNB_MEMORY_PLAN_INIT;
    pnb_gpu *gpu = NULL;
    pnb_struct_take(&p, sizeof p, params);
    if (p.batch == 0 || p.particles == 0 || p.height > 65536 || p.width > 65536)
        return pnb_fail(
            &m->ctx->error, PNB_ERROR_USAGE,
            "plan: a batch of %u of %u x %u and %u particles: each should be 1 or more, sides at most 65536", p.batch,
            p.height, p.width, p.particles);
    if (p.device) PNB_TRY(pnb_context_gpu(m->ctx, &gpu));
    uint32_t tile, overlap; /* the prior's own, which it gets back */
    pnb_prior_get_tiles(m->prior, &tile, &overlap);
    if (p.tile) PNB_TRY(pnb_prior_set_tiles(m->prior, p.tile, p.overlap ? p.overlap : p.tile / 4));
    plan.batch = p.batch;
    plan.particles = p.particles;
    plan.height = pnb_prior_dim(m->prior) ? 0 : side(m, p.height);
    plan.width = pnb_prior_dim(m->prior) ? 0 : side(m, p.width);
    pnb_status status = plan_all(m, gpu, &plan);
    PNB_TRY(pnb_prior_set_tiles(m->prior, tile, overlap));
    PNB_TRY(status);
    pnb_struct_give(out, &plan, sizeof plan);
    return PNB_OK;
}

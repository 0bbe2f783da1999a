/* Forward operators on the caller's arrays: apply, adjoint, pseudo-inverse. */
#include "api/handles.h"
#include "measure/custom.h"

#include <stdlib.h>
#include <string.h>

pnb_status pnb_forward_create(pnb_context *ctx, const char *type, const char *args, const char *base_dir,
                              const pnb_extent *image, pnb_forward **out) {
    if (out) *out = NULL;
    if (!ctx) return PNB_ERROR_USAGE;
    pnb_shape shape;
    if (!type || !image || !out || !pnb_shape_of(image, &shape) || shape.rank > 3) {
        return pnb_fail(&ctx->error, PNB_ERROR_USAGE,
                        "pnb_forward_create: needs a type and an image extent of rank 1 to 3");
    }
    cJSON *json = NULL;
    if (args) {
        json = cJSON_Parse(args);
        if (!cJSON_IsObject(json)) {
            cJSON_Delete(json);
            return pnb_fail(&ctx->error, PNB_ERROR_USAGE, "operator %s: the arguments are no JSON object: %.200s", type,
                            args);
        }
    }
    pnb_operator *op = NULL;
    pnb_status status = pnb_operator_create(&ctx->error, type, json, shape, base_dir, &op);
    cJSON_Delete(json);
    PNB_TRY(status);
    pnb_forward *f = calloc(1, sizeof *f);
    if (!f) {
        pnb_operator_destroy(&op, NULL);
        return pnb_no_memory(&ctx->error, "operator");
    }
    *f = (pnb_forward){.ctx = ctx, .op = op};
    *out = f;
    return PNB_OK;
}

pnb_status pnb_forward_create_functions(pnb_context *ctx, const char *name, const pnb_extent *image, const pnb_extent *measurement,
                                        pnb_linear_function apply, pnb_linear_function adjoint, void *user, pnb_forward **out) {
    if (out) *out = NULL;
    if (!ctx) return PNB_ERROR_USAGE;
    pnb_shape x;
    pnb_custom_callback functions = {.name = name ? name : "custom", .apply = apply, .adjoint = adjoint, .user = user};
    bool shapes = image && measurement && pnb_shape_of(image, &x) && pnb_shape_of(measurement, &functions.measurement);
    if (!shapes || !apply || !out || x.rank == 2 || x.rank > 3 || functions.measurement.rank == 2 || functions.measurement.rank > 3) {
        return pnb_fail(&ctx->error, PNB_ERROR_USAGE,
                        "pnb_forward_create_functions: needs apply, out, and extents of image and measurement, [D] or [C,H,W]");
    }
    pnb_forward *f = calloc(1, sizeof *f);
    if (!f) return pnb_no_memory(&ctx->error, "operator");
    f->ctx = ctx;
    pnb_status status = pnb_operator_create_callback(&ctx->error, x, &functions, &f->op);
    if (status) {
        free(f);
        return status;
    }
    *out = f;
    return PNB_OK;
}

void pnb_forward_destroy(pnb_forward **forward) {
    if (!forward || !*forward) return;
    pnb_operator_destroy(&(*forward)->op, (*forward)->ctx->gpu);
    free(*forward);
    *forward = NULL;
}

pnb_status pnb_forward_ready(pnb_forward *f, pnb_gpu **gpu) {
    PNB_TRY(pnb_context_gpu(f->ctx, gpu));
    if (f->committed) return PNB_OK;
    PNB_TRY(pnb_operator_commit(f->op, *gpu));
    f->committed = true;
    return PNB_OK;
}

pnb_status pnb_forward_get_info(const pnb_forward *f, pnb_forward_info *out) {
    if (!f || !out) return PNB_ERROR_USAGE;
    pnb_forward_info info = PNB_FORWARD_INFO_INIT;
    info.type = pnb_operator_name(f->op);
    info.image = pnb_extent_of(pnb_operator_image_shape(f->op));
    info.measurement = pnb_extent_of(pnb_operator_measurement_shape(f->op));
    info.measured = pnb_operator_measured_count(f->op);
    info.norm = pnb_operator_norm(f->op);
    info.linear = pnb_operator_linear(f->op);
    info.has_pinv = pnb_operator_has_pinv(f->op);
    pnb_struct_give(out, &info, sizeof info);
    return PNB_OK;
}

/* One application as a graph of its own: in [n, from...] to out [n, to...]. */
typedef pnb_status (*pnb_operator_fn)(pnb_operator *op, pnb_graph *g, pnb_tensor in, pnb_tensor *out);

static pnb_status run_graph(pnb_forward *f, pnb_gpu *gpu, pnb_operator_fn fn, pnb_shape from, pnb_shape to,
                            const float *in, float *out) {
    pnb_store *store = NULL;
    pnb_graph *graph = NULL;
    pnb_program *program = NULL;
    pnb_storage *storage;
    pnb_tensor a, b;
    pnb_status status;
    pnb_program_params budget = {.memory_budget = f->ctx->memory_limit};
    PNB_TRY_GOTO(pnb_store_create(&f->ctx->error, "forward", &store));
    PNB_TRY_GOTO(pnb_store_add(store, "forward.in", from, PNB_STORAGE_VARIABLE, &storage));
    PNB_TRY_GOTO(pnb_store_commit(store, gpu));
    PNB_TRY_GOTO(pnb_storage_write(storage, gpu, in, pnb_shape_count(from)));
    PNB_TRY_GOTO(pnb_graph_create(&f->ctx->error, gpu, "forward", &graph));
    PNB_TRY_GOTO(pnb_graph_bind(graph, storage, &a));
    PNB_TRY_GOTO(fn(f->op, graph, a, &b));
    PNB_TRY_GOTO(pnb_graph_output(graph, b));
    PNB_TRY_GOTO(pnb_program_create(graph, gpu, &budget, &program));
    PNB_TRY_GOTO(pnb_program_run(program));
    PNB_TRY_GOTO(pnb_program_read(program, b, out, pnb_shape_count(to)));
fail:
    pnb_program_destroy(&program);
    pnb_graph_destroy(&graph);
    pnb_store_destroy(&store, gpu);
    return status;
}

static pnb_status run_forward(pnb_forward *f, const char *name, pnb_operator_fn fn, uint32_t n, bool to_image,
                              const float *in, float *out) {
    if (!f) return PNB_ERROR_USAGE;
    if (n == 0 || !in || !out) {
        return pnb_fail(&f->ctx->error, PNB_ERROR_USAGE, "%s: a batch of 0, or an array that is NULL", name);
    }
    pnb_gpu *gpu;
    PNB_TRY(pnb_forward_ready(f, &gpu));
    pnb_shape image = pnb_shape_batched(n, pnb_operator_image_shape(f->op));
    pnb_shape y = pnb_shape_batched(n, pnb_operator_measurement_shape(f->op));
    return to_image ? run_graph(f, gpu, fn, y, image, in, out) : run_graph(f, gpu, fn, image, y, in, out);
}

pnb_status pnb_forward_apply(pnb_forward *f, uint32_t n, const float *x, float *y) {
    return run_forward(f, "pnb_forward_apply", pnb_operator_apply, n, false, x, y);
}

pnb_status pnb_forward_adjoint(pnb_forward *f, uint32_t n, const float *y, float *x) {
    if (f && !pnb_operator_linear(f->op)) {
        return pnb_fail(&f->ctx->error, PNB_ERROR_USAGE, "operator %s is not linear: it has no adjoint",
                        pnb_operator_name(f->op));
    }
    return run_forward(f, "pnb_forward_adjoint", pnb_operator_adjoint, n, true, y, x);
}

pnb_status pnb_forward_pinv(pnb_forward *f, uint32_t n, const float *y, float *x) {
    if (f && !pnb_operator_has_pinv(f->op)) {
        return pnb_fail(&f->ctx->error, PNB_ERROR_USAGE, "operator %s has no pseudo-inverse here",
                        pnb_operator_name(f->op));
    }
    return run_forward(f, "pnb_forward_pinv", pnb_operator_pinv, n, true, y, x);
}

/* ---- help
 * ------------------------------------------------------------------------------------------------------------- */

static void add_option(pnb_text *text, const pnb_option *o) {
    switch (o->kind) {
    case PNB_OPTION_INT:
        pnb_text_add(text, "    %s: %g, whole, %g to %g", o->name, o->def, o->min, o->max);
        break;
    case PNB_OPTION_REAL:
        pnb_text_add(text, "    %s: %g, %g to %g", o->name, o->def, o->min, o->max);
        break;
    case PNB_OPTION_BOOL:
        pnb_text_add(text, "    %s: %s", o->name, o->def != 0 ? "true" : "false");
        break;
    case PNB_OPTION_CHOICE:
        pnb_text_add(text, "    %s: %s, of", o->name, o->choices[(int)o->def]);
        for (int i = 0; o->choices[i]; i++) pnb_text_add(text, "%s %s", i ? "," : "", o->choices[i]);
        break;
    }
    pnb_text_add(text, "%s%s. %s\n", o->unit[0] ? " " : "", o->unit, o->help);
}

static void add_type(pnb_text *text, const char *name, const char *summary, const pnb_option_table *table) {
    pnb_text_add(text, "%s: %s\n", name, summary);
    for (size_t i = 0; table && i < table->count; i++) add_option(text, &table->options[i]);
}

pnb_status pnb_forward_types(pnb_context *ctx, char **text) {
    if (!ctx || !text) return PNB_ERROR_USAGE;
    size_t count;
    const pnb_operator_doc *const *docs = pnb_operator_docs(&count);
    pnb_text t = {0};
    for (size_t i = 0; i < count; i++) {
        add_type(&t, docs[i]->type, docs[i]->summary, &docs[i]->table);
        for (size_t k = 0; k < docs[i]->n_keys; k++) {
            const pnb_operator_key *key = &docs[i]->keys[k];
            pnb_text_add(&t, "    %s: %s. %s\n", key->name, key->optional ? "may be left out" : "must be given", key->help);
        }
    }
    return pnb_text_take(&ctx->error, &t, text);
}

pnb_status pnb_method_types(pnb_context *ctx, char **text) {
    if (!ctx || !text) return PNB_ERROR_USAGE;
    size_t count;
    const pnb_method *const *methods = pnb_methods(&count);
    pnb_text t = {0};
    for (size_t i = 0; i < count; i++) add_type(&t, methods[i]->name, methods[i]->summary, &methods[i]->table);
    return pnb_text_take(&ctx->error, &t, text);
}

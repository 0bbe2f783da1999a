/* Priors: loading, describing, and one evaluation of the network with its derivatives. */
#include "api/handles.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- life
 * ------------------------------------------------------------------------------------------------------------ */

static pnb_status wrap(pnb_context *ctx, pnb_prior *prior, cJSON *source, pnb_model **out) {
    pnb_model *m = calloc(1, sizeof *m);
    if (!m || !source) {
        free(m);
        cJSON_Delete(source);
        pnb_prior_destroy(&prior, NULL);
        return pnb_no_memory(&ctx->error, "prior");
    }
    *m = (pnb_model){.ctx = ctx, .prior = prior, .source = source};
    *out = m;
    return PNB_OK;
}

pnb_status pnb_model_load(pnb_context *ctx, const char *path, pnb_model **out) {
    if (out) *out = NULL;
    if (!ctx) return PNB_ERROR_USAGE;
    if (!path || !out) return pnb_fail(&ctx->error, PNB_ERROR_USAGE, "pnb_model_load: path and out may not be NULL");
    if (access(path, R_OK) != 0) {
        return pnb_fail(&ctx->error, PNB_ERROR_INPUT,
                        "'%s': no such file, or it may not be read (a prior was expected)", path);
    }
    pnb_prior *prior = NULL;
    PNB_TRY(pnb_prior_load(&ctx->error, path, &prior));
    cJSON *source = cJSON_CreateObject();
    char *absolute = pnb_path_absolute(NULL, path);
    if (!absolute || !cJSON_AddStringToObject(source, "file", absolute)) {
        cJSON_Delete(source);
        source = NULL;
    }
    free(absolute);
    return wrap(ctx, prior, source, out);
}

static cJSON *doubles(const double *values, pnb_shape shape, uint32_t level, size_t *at) {
    cJSON *list = cJSON_CreateArray();
    for (uint32_t i = 0; list && i < shape.d[level]; i++) {
        cJSON *item = level < 3 && level + 1 < shape.rank ? doubles(values, shape, level + 1, at)
                                                          : cJSON_CreateNumber(values[(*at)++]);
        if (!item || !cJSON_AddItemToArray(list, item)) {
            cJSON_Delete(item);
            cJSON_Delete(list);
            return NULL;
        }
    }
    return list;
}

static bool add_doubles(cJSON *object, const char *key, const double *values, pnb_shape shape) {
    size_t at = 0;
    cJSON *list = doubles(values, shape, 0, &at);
    if (list && cJSON_AddItemToObject(object, key, list)) return true;
    cJSON_Delete(list);
    return false;
}

pnb_status pnb_model_create_gmm(pnb_context *ctx, uint32_t dim, uint32_t n, const double *weights, const double *means,
                                const double *covariances, pnb_model **out) {
    if (out) *out = NULL;
    if (!ctx) return PNB_ERROR_USAGE;
    if (!weights || !means || !covariances || !out || dim == 0 || n == 0) {
        return pnb_fail(&ctx->error, PNB_ERROR_USAGE,
                        "pnb_model_create_gmm: needs dim >= 1, n >= 1, weights, means and covariances");
    }
    pnb_prior *prior = NULL;
    PNB_TRY(pnb_prior_create_gmm(&ctx->error, dim, n, weights, means, covariances, &prior));
    cJSON *source = cJSON_CreateObject();
    if (!cJSON_AddStringToObject(source, "type", "gmm") || !add_doubles(source, "weights", weights, pnb_shape1(n)) ||
        !add_doubles(source, "means", means, pnb_shape2(n, dim)) ||
        !add_doubles(source, "covariances", covariances, pnb_shape3(n, dim, dim))) {
        cJSON_Delete(source);
        source = NULL;
    }
    return wrap(ctx, prior, source, out);
}

pnb_status pnb_model_create_random(pnb_context *ctx, const char *network, pnb_model **out) {
    if (out) *out = NULL;
    if (!ctx) return PNB_ERROR_USAGE;
    if (!network || !out) {
        return pnb_fail(&ctx->error, PNB_ERROR_USAGE, "pnb_model_create_random: network and out may not be NULL");
    }
    return pnb_model_create_wide(ctx, network, 1, out);
}

pnb_status pnb_model_create_wide(pnb_context *ctx, const char *network, uint32_t width, pnb_model **out) {
    pnb_prior *prior = NULL;
    PNB_TRY(pnb_prior_create_preset(&ctx->error, network, width, 1, &prior));
    cJSON *source = cJSON_CreateObject();
    if (!cJSON_AddStringToObject(source, "type", "random") || !cJSON_AddStringToObject(source, "network", network)) {
        cJSON_Delete(source);
        source = NULL;
    }
    return wrap(ctx, prior, source, out);
}

pnb_status pnb_model_set_fp16(pnb_model *model, int fp16) {
    if (!model) return PNB_ERROR_USAGE;
    if (model->committed)
        return pnb_fail(&model->ctx->error, PNB_ERROR_USAGE, "pnb_model_set_fp16: the model is on the device already");
    pnb_prior_set_half(model->prior, fp16 != 0);
    cJSON_DeleteItemFromObjectCaseSensitive(model->source, "precision");
    bool said = !pnb_prior_half(model->prior) || cJSON_AddStringToObject(model->source, "precision", "fp16");
    return said ? PNB_OK : pnb_no_memory(&model->ctx->error, "prior");
}

void pnb_model_destroy(pnb_model **model) {
    if (!model || !*model) return;
    pnb_prior_destroy(&(*model)->prior, (*model)->ctx->gpu);
    cJSON_Delete((*model)->source);
    free(*model);
    *model = NULL;
}

pnb_status pnb_model_ready(pnb_model *m, pnb_gpu **gpu) {
    PNB_TRY(pnb_context_gpu(m->ctx, gpu));
    if (m->committed) return PNB_OK;
    PNB_TRY(pnb_prior_commit(m->prior, *gpu));
    m->committed = true;
    return PNB_OK;
}

char *pnb_padding_text(const pnb_model *m, pnb_shape image) {
    if (pnb_prior_dim(m->prior) || image.rank < 3) return NULL;
    uint32_t height = image.d[image.rank - 2], width = image.d[image.rank - 1];
    uint32_t rows = pnb_prior_padded(m->prior, height), columns = pnb_prior_padded(m->prior, width);
    if (rows == height && columns == width) return NULL;
    return pnb_format("images of %u x %u are mirrored at their edges to %u x %u for the prior's network, which takes "
                      "multiples of %u, and its output is cropped",
                      height, width, rows, columns, pnb_prior_multiple(m->prior));
}

void pnb_say_padding(const pnb_model *m, pnb_shape image) {
    char *text = m->ctx->log ? pnb_padding_text(m, image) : NULL;
    if (text) m->ctx->log(m->ctx->log_user, 1, text);
    free(text);
}

/* ---- description
 * ------------------------------------------------------------------------------------------------------- */

pnb_status pnb_model_get_info(const pnb_model *m, pnb_model_info *out) {
    if (!m || !out) return PNB_ERROR_USAGE;
    pnb_prior *p = m->prior;
    pnb_model_info info = PNB_MODEL_INFO_INIT;
    info.kind = pnb_prior_architecture(p);
    info.description = pnb_prior_describe(p);
    info.parameters = pnb_prior_parameters(p);
    info.channels = pnb_prior_channels(p);
    info.dim = pnb_prior_dim(p);
    info.size = pnb_prior_size_hint(p);
    info.multiple = pnb_prior_multiple(p);
    info.out_channels = pnb_prior_out_channels(p);
    info.classes = pnb_prior_classes(p);
    info.steps = pnb_prior_schedule(p)->steps;
    pnb_store *store = pnb_prior_store(p);
    info.tensors = store ? (uint32_t)pnb_store_count(store) : 0;
    pnb_struct_give(out, &info, sizeof info);
    return PNB_OK;
}

pnb_status pnb_model_tensor(const pnb_model *m, uint32_t i, const char **name, pnb_extent *extent) {
    if (!m) return PNB_ERROR_USAGE;
    pnb_store *store = pnb_prior_store(m->prior);
    size_t count = store ? pnb_store_count(store) : 0;
    if (i >= count) {
        return pnb_fail(&m->ctx->error, PNB_ERROR_USAGE, "pnb_model_tensor: %u: there are %zu tensors", i, count);
    }
    const pnb_storage *s = pnb_store_at(store, i);
    if (name) *name = pnb_storage_name(s);
    if (extent) *extent = pnb_extent_of(pnb_storage_shape(s));
    return PNB_OK;
}

/* ---- one evaluation
 * ------------------------------------------------------------------------------------------------------ */

/* One prediction while it is built and run. Level values are those of the variance-preserving form that networks see.
 */
typedef struct prediction {
    pnb_predict_params params;
    pnb_model *model;
    pnb_gpu *gpu;
    pnb_shape x_shape, out_shape;
    double *alpha, *sigma, *t; /* [n] */
    float *scratch;            /* elements of the larger of x and out */
    pnb_store *store;
    pnb_storage *x, *level[3], *label, *cotangent;
    pnb_graph *graph;
    pnb_program *program;
    pnb_tensor out, grad_x, *grads; /* grads: one a parameter tensor */
} prediction;

static pnb_error *error_of(const prediction *s) {
    return &s->model->ctx->error;
}

static pnb_status check_shapes(prediction *s) {
    const pnb_predict_params *p = &s->params;
    pnb_prior *prior = s->model->prior;
    pnb_error *err = error_of(s);
    if (p->n == 0 || !p->x) return pnb_fail(err, PNB_ERROR_USAGE, "predict: x is missing, or a batch of 0");
    if ((p->t == NULL) == (p->sigma == NULL)) {
        return pnb_fail(err, PNB_ERROR_USAGE, "predict: give t or sigma, one of the two");
    }
    if (p->raw && p->sigma) return pnb_fail(err, PNB_ERROR_USAGE, "predict: raw goes with t, not with sigma");
    if ((p->grad_x || p->on_gradient) && !p->cotangent) {
        return pnb_fail(err, PNB_ERROR_USAGE, "predict: a gradient needs a cotangent of the output's shape");
    }
    uint32_t dim = pnb_prior_dim(prior), classes = pnb_prior_classes(prior);
    if (dim) {
        s->x_shape = s->out_shape = pnb_shape2(p->n, dim);
    } else {
        if (p->height == 0 || p->width == 0)
            return pnb_fail(err, PNB_ERROR_USAGE, "predict: height and width are missing");
        s->x_shape = pnb_shape4(p->n, pnb_prior_channels(prior), p->height, p->width);
        s->out_shape = s->x_shape;
        if (p->raw) s->out_shape.d[1] = pnb_prior_out_channels(prior);
    }
    if (classes && !p->label) {
        return pnb_fail(err, PNB_ERROR_INPUT, "predict: this prior needs a class from 0 to %u for each image",
                        classes - 1);
    }
    if (!classes && p->label) return pnb_fail(err, PNB_ERROR_INPUT, "predict: this prior has no classes");
    for (uint32_t i = 0; p->label && i < p->n; i++) {
        if (p->label[i] != floor(p->label[i]) || p->label[i] < 0 || p->label[i] >= classes) {
            return pnb_fail(err, PNB_ERROR_INPUT, "predict: class %g: expected a whole number from 0 to %u",
                            p->label[i], classes - 1);
        }
    }
    return PNB_OK;
}

/* Levels from t (alpha_bar between two indices by its logarithm) or from sigma (algorithms.md 1.2). */
static pnb_status fill_levels(prediction *s) {
    const pnb_predict_params *p = &s->params;
    const pnb_schedule *schedule = pnb_prior_schedule(s->model->prior);
    for (uint32_t i = 0; i < p->n; i++) {
        if (p->sigma) {
            double sigma = p->sigma[i];
            if (!isfinite(sigma) || sigma <= 0) {
                return pnb_fail(error_of(s), PNB_ERROR_INPUT, "predict: sigma must be over 0, found %g", sigma);
            }
            s->alpha[i] = 1 / sqrt(1 + sigma * sigma);
            s->sigma[i] = sigma * s->alpha[i];
            s->t[i] = pnb_time_of_sigma(schedule->time, sigma);
            continue;
        }
        double t = p->t[i], last = schedule->steps - 1;
        if (!isfinite(t) || t < 0 || t > last) {
            return pnb_fail(error_of(s), PNB_ERROR_INPUT, "predict: t must be from 0 to %g, found %g", last, t);
        }
        uint32_t below = (uint32_t)t, above = below < schedule->steps - 1 ? below + 1 : below;
        double part = t - below;
        double alpha_bar =
            part > 0 ? exp((1 - part) * log(schedule->alpha_bar[below]) + part * log(schedule->alpha_bar[above]))
                     : schedule->alpha_bar[below];
        s->alpha[i] = sqrt(alpha_bar);
        s->sigma[i] = sqrt(1 - alpha_bar);
        s->t[i] = part > 0 ? pnb_schedule_t_of_rho(schedule, s->sigma[i] / s->alpha[i]) : pnb_schedule_time(schedule, below);
    }
    return PNB_OK;
}

static pnb_status build_storages(prediction *s) {
    static const char *const names[] = {"predict.t", "predict.alpha", "predict.sigma"};
    pnb_shape rows = pnb_shape1(s->params.n);
    PNB_TRY(pnb_store_create(error_of(s), "predict", &s->store));
    PNB_TRY(pnb_store_add(s->store, "predict.x", s->x_shape, PNB_STORAGE_VARIABLE, &s->x));
    for (int i = 0; i < 3; i++) PNB_TRY(pnb_store_add(s->store, names[i], rows, PNB_STORAGE_VARIABLE, &s->level[i]));
    if (s->params.label) PNB_TRY(pnb_store_add(s->store, "predict.label", rows, PNB_STORAGE_VARIABLE, &s->label));
    if (s->params.cotangent) {
        PNB_TRY(pnb_store_add(s->store, "predict.cotangent", s->out_shape, PNB_STORAGE_VARIABLE, &s->cotangent));
    }
    return PNB_OK;
}

static pnb_status write_rows(prediction *s, pnb_storage *to, const double *values) {
    for (uint32_t i = 0; i < s->params.n; i++) s->scratch[i] = (float)values[i];
    return pnb_storage_write(to, s->gpu, s->scratch, s->params.n);
}

/* x and the cotangent as the network sees them: with sigma, D(x) = x - sigma eps(alpha x), so eps gets -sigma v. */
static pnb_status write_inputs(prediction *s) {
    const double *const levels[] = {s->t, s->alpha, s->sigma};
    const pnb_predict_params *p = &s->params;
    for (int i = 0; i < 3; i++) PNB_TRY(write_rows(s, s->level[i], levels[i]));
    if (p->label) PNB_TRY(write_rows(s, s->label, p->label));
    uint64_t count = pnb_shape_count(s->x_shape), row = count / p->n;
    for (uint64_t i = 0; i < count; i++) s->scratch[i] = p->sigma ? (float)(s->alpha[i / row] * p->x[i]) : p->x[i];
    PNB_TRY(pnb_storage_write(s->x, s->gpu, s->scratch, count));
    if (!p->cotangent) return PNB_OK;
    count = pnb_shape_count(s->out_shape);
    for (uint64_t i = 0; i < count; i++) {
        s->scratch[i] = p->sigma ? (float)(-p->sigma[i / row] * p->cotangent[i]) : p->cotangent[i];
    }
    return pnb_storage_write(s->cotangent, s->gpu, s->scratch, count);
}

static pnb_status build_gradients(prediction *s, pnb_tensor x) {
    const pnb_predict_params *p = &s->params;
    pnb_store *weights = pnb_prior_store(s->model->prior);
    size_t n_weights = p->on_gradient && weights ? pnb_store_count(weights) : 0;
    pnb_tensor *wrt = malloc((n_weights + 1) * sizeof *wrt);
    s->grads = malloc((n_weights + 1) * sizeof *s->grads);
    pnb_status status = PNB_OK;
    pnb_tensor cotangent;
    if (!wrt || !s->grads) {
        status = pnb_no_memory(error_of(s), "predict");
        goto fail;
    }
    PNB_TRY_GOTO(pnb_graph_bind(s->graph, s->cotangent, &cotangent));
    for (size_t i = 0; i < n_weights; i++) PNB_TRY_GOTO(pnb_graph_bind(s->graph, pnb_store_at(weights, i), &wrt[i]));
    size_t n = n_weights;
    if (p->grad_x) wrt[n++] = x;
    PNB_TRY_GOTO(pnb_graph_grad(s->graph, &s->out, &cotangent, 1, wrt, n, s->grads));
    for (size_t i = 0; i < n; i++) {
        if (s->grads[i] != PNB_NONE) PNB_TRY_GOTO(pnb_graph_output(s->graph, s->grads[i]));
    }
    if (p->grad_x) s->grad_x = s->grads[n_weights];
fail:
    free(wrt);
    return status;
}

static pnb_status build_graph(prediction *s) {
    const pnb_predict_params *p = &s->params;
    PNB_TRY(pnb_graph_create(error_of(s), s->gpu, "predict", &s->graph));
    pnb_tensor x, label = PNB_NONE;
    pnb_level level;
    PNB_TRY(pnb_graph_bind(s->graph, s->x, &x));
    PNB_TRY(pnb_graph_bind(s->graph, s->level[0], &level.t));
    PNB_TRY(pnb_graph_bind(s->graph, s->level[1], &level.alpha));
    PNB_TRY(pnb_graph_bind(s->graph, s->level[2], &level.sigma));
    if (s->label) PNB_TRY(pnb_graph_bind(s->graph, s->label, &label));
    pnb_eps_params eps = {.label = label, .raw = p->raw != 0};
    PNB_TRY(pnb_prior_eps(s->model->prior, s->graph, x, level, &eps, &s->out));
    PNB_TRY(pnb_graph_output(s->graph, s->out));
    return p->grad_x || p->on_gradient ? build_gradients(s, x) : PNB_OK;
}

/* Before anything is allocated. */
static pnb_status check_memory(const prediction *s) {
    pnb_plan_report r;
    uint64_t budget = pnb_context_budget(s->model->ctx, s->gpu), bytes;
    char need[PNB_BYTES_TEXT_SIZE], have[PNB_BYTES_TEXT_SIZE];
    if (budget == 0) return PNB_OK;
    PNB_TRY(pnb_graph_plan(s->graph, NULL, &r));
    bytes = pnb_store_bytes(pnb_prior_store(s->model->prior)) + pnb_store_bytes(s->store) + r.arena_bytes + r.constant_bytes;
    if (bytes <= budget) return PNB_OK;
    return pnb_fail(error_of(s), PNB_ERROR_OUT_OF_MEMORY,
                    "predict: a batch of %u needs %s, %s may be used; %sthe largest tensors are %s", s->params.n,
                    pnb_bytes_text(bytes, need), pnb_bytes_text(budget, have),
                    s->params.n > 1 ? "a smaller batch needs less; " : "", r.largest);
}

static pnb_status check_finite(const prediction *s, const char *what, const float *values, uint64_t count) {
    pnb_status status = values == s->params.x ? PNB_ERROR_INPUT : PNB_ERROR_NUMERIC;
    for (uint64_t i = 0; i < count; i++) {
        if (!isfinite(values[i])) {
            return pnb_fail(error_of(s), status, "predict: element %llu of the %s is not finite",
                            (unsigned long long)i, what);
        }
    }
    return PNB_OK;
}

static pnb_status read_output(prediction *s) {
    const pnb_predict_params *p = &s->params;
    uint64_t count = pnb_shape_count(s->out_shape), row = count / p->n;
    if (p->out) {
        PNB_TRY(pnb_program_read(s->program, s->out, p->out, count));
        for (uint64_t i = 0; p->sigma && i < count; i++) p->out[i] = (float)(p->x[i] - p->sigma[i / row] * p->out[i]);
        PNB_TRY(check_finite(s, "output", p->out, count));
    }
    if (!p->grad_x) return PNB_OK;
    count = pnb_shape_count(s->x_shape);
    if (s->grad_x == PNB_NONE) {
        memset(p->grad_x, 0, count * sizeof(float));
    } else {
        PNB_TRY(pnb_program_read(s->program, s->grad_x, p->grad_x, count));
    }
    for (uint64_t i = 0; p->sigma && i < count; i++) {
        p->grad_x[i] = (float)(p->cotangent[i] + s->alpha[i / row] * p->grad_x[i]);
    }
    return check_finite(s, "gradient", p->grad_x, count);
}

static pnb_status report_gradients(prediction *s) {
    pnb_store *weights = pnb_prior_store(s->model->prior);
    size_t n = weights ? pnb_store_count(weights) : 0;
    for (size_t i = 0; i < n; i++) {
        const pnb_storage *w = pnb_store_at(weights, i);
        pnb_shape shape = pnb_storage_shape(w);
        uint64_t count = pnb_shape_count(shape);
        float *values = calloc(count, sizeof *values);
        if (!values) return pnb_no_memory(error_of(s), "predict");
        pnb_status status = PNB_OK;
        if (s->grads[i] != PNB_NONE) status = pnb_program_read(s->program, s->grads[i], values, count);
        if (status == PNB_OK) status = check_finite(s, pnb_storage_name(w), values, count);
        pnb_extent extent = pnb_extent_of(shape);
        if (status == PNB_OK && s->params.on_gradient(s->params.user, pnb_storage_name(w), &extent, values)) {
            status = pnb_fail(error_of(s), PNB_ERROR_CANCELLED, "predict: cancelled");
        }
        free(values);
        PNB_TRY(status);
    }
    return PNB_OK;
}

pnb_status pnb_model_predict(pnb_model *m, const pnb_predict_params *params) {
    if (!m) return PNB_ERROR_USAGE;
    pnb_predict_params defaults = PNB_PREDICT_DEFAULTS;
    prediction s = {.params = defaults, .model = m, .out = PNB_NONE, .grad_x = PNB_NONE};
    pnb_struct_take(&s.params, sizeof s.params, params);
    PNB_TRY(check_shapes(&s));
    uint32_t n = s.params.n;
    uint64_t room = pnb_shape_count(s.x_shape), room_out = pnb_shape_count(s.out_shape);
    pnb_status status = PNB_OK;
    s.alpha = calloc(3 * (size_t)n, sizeof *s.alpha);
    s.scratch = malloc(((room > room_out ? room : room_out) + n) * sizeof *s.scratch);
    if (!s.alpha || !s.scratch) {
        status = pnb_no_memory(error_of(&s), "predict");
        goto fail;
    }
    s.sigma = s.alpha + n;
    s.t = s.sigma + n;
    PNB_TRY_GOTO(fill_levels(&s));
    PNB_TRY_GOTO(check_finite(&s, "input x", s.params.x, room));
    PNB_TRY_GOTO(pnb_context_gpu(m->ctx, &s.gpu));
    PNB_TRY_GOTO(build_storages(&s));
    PNB_TRY_GOTO(build_graph(&s));
    PNB_TRY_GOTO(check_memory(&s));
    pnb_say_padding(m, s.x_shape);
    PNB_TRY_GOTO(pnb_model_ready(m, &s.gpu));
    PNB_TRY_GOTO(pnb_store_commit(s.store, s.gpu));
    PNB_TRY_GOTO(write_inputs(&s));
    PNB_TRY_GOTO(pnb_program_create(s.graph, s.gpu, &(pnb_program_params){.memory_budget = m->ctx->memory_limit}, &s.program));
    PNB_TRY_GOTO(pnb_program_run(s.program));
    PNB_TRY_GOTO(read_output(&s));
    if (s.params.on_gradient) PNB_TRY_GOTO(report_gradients(&s));
fail:
    pnb_program_destroy(&s.program);
    pnb_graph_destroy(&s.graph);
    pnb_store_destroy(&s.store, s.gpu);
    free(s.grads);
    free(s.scratch);
    free(s.alpha);
    return status;
}

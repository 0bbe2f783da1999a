/* Adapters: what makes the auxiliary network of the prior (algorithms.md 2.6; low-rank layers after Hu et al. 2022, Ryu
 * 2023).
 *
 * U-Nets: Down and Up beside chosen layers; layers.c adds them to the rows that have the adapter. Mixtures: a
 * residual MLP. MLPs, and U-Nets where it is asked for: a copy of all weights. At creation each of them leaves the
 * prediction as it is.
 */
#include "base/philox.h"
#include "ops/ops.h"
#include "prior/internal.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- low rank -----------------------------------------------------------------------------------------------------
 */

/* Down ~ N(0, 1/fan_in) and Up = 0 beside one layer of weight [out, in(, k, k)]; linear layers get matrices. */
static pnb_status add_low_rank(pnb_adapter *a, const char *layer, pnb_shape weight, uint32_t stream) {
    uint32_t fan_in = (uint32_t)(pnb_shape_count(weight) / weight.d[0]), out = weight.d[0];
    uint32_t rank = a->params.rank < fan_in ? a->params.rank : fan_in;
    if (rank > out) rank = out;
    bool linear = weight.rank == 2;
    pnb_shape down = linear ? pnb_shape2(rank, fan_in)
                            : pnb_shape4(rank, weight.d[1], weight.d[2], weight.rank == 4 ? weight.d[3] : 1);
    pnb_shape up = linear ? pnb_shape2(out, rank) : pnb_shape4(out, rank, 1, 1);
    char name[2 * PNB_UNET_NAME_SIZE];
    float *values, scale = 1.0f / sqrtf((float)fan_in);
    snprintf(name, sizeof name, "%s.down", layer);
    PNB_TRY(pnb_weights_add(&a->weights, name, down, PNB_STORAGE_VARIABLE, &values));
    pnb_fill_normal(a->params.seed, stream, 0, 0, values, (size_t)rank * fan_in);
    for (size_t i = 0; i < (size_t)rank * fan_in; i++) values[i] *= scale;
    snprintf(name, sizeof name, "%s.up", layer);
    return pnb_weights_add(&a->weights, name, up, PNB_STORAGE_VARIABLE, &values);
}

static bool targeted(const pnb_adapter *a, const char *layer) {
    const pnb_unet_names *n = a->prior->unet.names;
    const char *const parts[] = {n->proj,        n->qkv[0],      n->qkv[1],   n->qkv[2],
                                 n->res_conv[0], n->res_conv[1], n->res_skip, n->res_time};
    size_t length = strlen(layer);
    for (int i = 0; i < (a->params.targets == PNB_ADAPT_EXTENDED ? 8 : 4); i++) {
        size_t size = parts[i] ? strlen(parts[i]) : length;
        if (length > size && layer[length - size - 1] == '.' && strcmp(layer + length - size, parts[i]) == 0)
            return true;
    }
    return false;
}

/* What a condition adds to the first layer's output: 0 at the start. */
static pnb_status add_condition(pnb_adapter *a, uint32_t channels) {
    float *values;
    if (!a->params.condition) return PNB_OK;
    return pnb_weights_add(&a->weights, "condition.weight", pnb_shape4(channels, a->params.condition, 3, 3),
                           PNB_STORAGE_VARIABLE, &values);
}

typedef struct target_visit {
    pnb_adapter *adapter;
    uint32_t stream;
} target_visit;

static pnb_status visit_tensor(void *user, const char *name, pnb_shape shape) {
    target_visit *v = user;
    char layer[2 * PNB_UNET_NAME_SIZE];
    size_t length = strlen(name), suffix = strlen(".weight");
    if (length <= suffix || length >= sizeof layer || strcmp(name + length - suffix, ".weight") != 0) return PNB_OK;
    memcpy(layer, name, length - suffix);
    layer[length - suffix] = '\0';
    if (strcmp(layer, v->adapter->prior->unet.layers[0].name) == 0) PNB_TRY(add_condition(v->adapter, shape.d[0]));
    return targeted(v->adapter, layer) ? add_low_rank(v->adapter, layer, shape, v->stream++) : PNB_OK;
}

/* The first layer's weights in the prior's store. */
static size_t first_layer(const pnb_prior *p) {
    char name[2 * PNB_UNET_NAME_SIZE];
    size_t i = 0;
    snprintf(name, sizeof name, "%s.weight", p->unet.layers[0].name);
    while (i + 1 < p->weights.count && strcmp(pnb_storage_name(pnb_store_at(p->weights.store, i)), name) != 0) i++;
    return i;
}

/* ---- full copy ----------------------------------------------------------------------------------------------------
 */

/* Described like the prior; filled at commit from its host values, or from the device where it is committed already. */
static pnb_status describe_copy(pnb_adapter *a) {
    const pnb_weights *from = &a->prior->weights;
    for (size_t i = 0; i < from->count; i++) {
        pnb_storage *s = pnb_store_at(from->store, i);
        float *values;
        PNB_TRY(pnb_weights_add(&a->weights, pnb_storage_name(s), pnb_storage_shape(s), PNB_STORAGE_VARIABLE, &values));
    }
    if (a->prior->kind != PNB_PRIOR_UNET) return PNB_OK;
    return add_condition(a, pnb_storage_shape(pnb_store_at(from->store, first_layer(a->prior))).d[0]);
}

/* ---- life ---------------------------------------------------------------------------------------------------------
 */

static pnb_status check(pnb_error *err, const pnb_prior *prior, const pnb_adapter_params *p) {
    if (prior->kind == PNB_PRIOR_UNET && (p->rank < 1 || p->rank > 1024))
        return pnb_fail(err, PNB_ERROR_USAGE, "adapter: rank must be 1 to 1024, found %u", p->rank);
    if (prior->kind == PNB_PRIOR_UNET && !(isfinite(p->scale) && p->scale != 0))
        return pnb_fail(err, PNB_ERROR_USAGE, "adapter: scale must be a number other than 0, found %g", p->scale);
    if (prior->kind == PNB_PRIOR_GMM && (p->hidden < 1 || p->hidden > 8192 || p->depth < 1 || p->depth > 64))
        return pnb_fail(err, PNB_ERROR_USAGE,
                        "adapter: a residual MLP has 1 to 8192 hidden units and 1 to 64 layers, found %u and %u",
                        p->hidden, p->depth);
    if (prior->kind == PNB_PRIOR_MLP && p->condition)
        return pnb_fail(err, PNB_ERROR_MODEL, "adapter: a copy of an MLP prior takes no condition");
    return PNB_OK;
}

bool pnb_adapter_is_copy(const pnb_adapter *a) {
    return a->prior->kind == PNB_PRIOR_MLP || (a->prior->kind == PNB_PRIOR_UNET && a->params.targets == PNB_ADAPT_COPY);
}

static pnb_status describe(pnb_adapter *a) {
    if (pnb_adapter_is_copy(a)) {
        a->mlp = a->prior->mlp;
        return describe_copy(a);
    }
    switch (a->prior->kind) {
    case PNB_PRIOR_UNET:
        return pnb_unet_tensors(&a->prior->unet, visit_tensor, &(target_visit){.adapter = a});
    case PNB_PRIOR_GMM:
        a->mlp = (pnb_mlp_config){2 * a->prior->gmm.dim + a->params.condition, a->prior->gmm.dim, a->params.hidden,
                                  a->params.depth};
        return pnb_mlp_describe(&a->weights, a->mlp, PNB_STORAGE_VARIABLE, a->params.seed, true);
    case PNB_PRIOR_MLP:
        break;
    }
    return PNB_OK;
}

/* One optimiser dispatch walks over all tensors. */
static pnb_status group(pnb_adapter *a) {
    size_t n = a->weights.count;
    pnb_storage **all = malloc((n ? n : 1) * sizeof *all);
    if (!all) return pnb_fail(a->err, PNB_ERROR_OUT_OF_MEMORY, "adapter: no memory");
    for (size_t i = 0; i < n; i++) all[i] = pnb_store_at(a->weights.store, i);
    pnb_status status = pnb_store_group(a->weights.store, all, n);
    free(all);
    return status;
}

pnb_status pnb_adapter_create(pnb_error *err, pnb_prior *prior, const pnb_adapter_params *params, pnb_adapter **out) {
    *out = NULL;
    PNB_TRY(check(err, prior, params));
    pnb_adapter *a = calloc(1, sizeof *a);
    if (!a) return pnb_fail(err, PNB_ERROR_OUT_OF_MEMORY, "adapter: no memory");
    a->err = err;
    a->prior = prior;
    a->params = *params;
    *out = a;
    pnb_status status = PNB_OK;
    PNB_TRY_GOTO(pnb_weights_init(err, "adapter", &a->weights));
    PNB_TRY_GOTO(describe(a));
    PNB_TRY_GOTO(group(a));
    return PNB_OK;
fail:
    pnb_adapter_destroy(out, NULL);
    return status;
}

void pnb_adapter_destroy(pnb_adapter **adapter, pnb_gpu *gpu) {
    if (!adapter || !*adapter) return;
    pnb_weights_finish(&(*adapter)->weights, gpu);
    free(*adapter);
    *adapter = NULL;
}

pnb_status pnb_adapter_commit(pnb_adapter *adapter, pnb_gpu *gpu) {
    if (pnb_adapter_is_copy(adapter) && !adapter->weights.committed)
        PNB_TRY(pnb_weights_fetch(&adapter->prior->weights, gpu, &adapter->weights));
    return pnb_weights_commit(&adapter->weights, gpu);
}

pnb_store *pnb_adapter_store(pnb_adapter *adapter) {
    return adapter->weights.store;
}

/* ---- files --------------------------------------------------------------------------------------------------------
 */

static const char *kind_word(const pnb_adapter *a) {
    return pnb_adapter_is_copy(a) ? "copy" : a->prior->kind == PNB_PRIOR_UNET ? "lora" : "residual_mlp";
}

pnb_status pnb_adapter_save(pnb_adapter *adapter, pnb_gpu *gpu, const char *path) {
    const pnb_weights *w = &adapter->weights;
    pnb_safetensors_item *items = calloc(w->count ? w->count : 1, sizeof *items);
    float *data = malloc((size_t)pnb_weights_elements(w) * sizeof *data + 1), *at = data;
    char rank[16], scale[32];
    pnb_status status = PNB_OK;
    if (!items || !data) {
        status = pnb_fail(adapter->err, PNB_ERROR_OUT_OF_MEMORY, "adapter: no memory to save it");
        goto fail;
    }
    for (size_t i = 0; i < w->count; i++) {
        pnb_storage *s = pnb_store_at(w->store, i);
        pnb_shape shape = pnb_storage_shape(s);
        items[i] = (pnb_safetensors_item){.name = pnb_storage_name(s), .rank = shape.rank, .data = at};
        for (uint32_t k = 0; k < shape.rank; k++) items[i].shape[k] = shape.d[k];
        PNB_TRY_GOTO(pnb_storage_read(s, gpu, at, pnb_shape_count(shape)));
        at += pnb_shape_count(shape);
    }
    snprintf(rank, sizeof rank, "%u", adapter->params.rank);
    snprintf(scale, sizeof scale, "%.9g", adapter->params.scale);
    pnb_safetensors_pair metadata[] = {
        {"architecture", "adapter"}, {"adapter", kind_word(adapter)}, {"rank", rank}, {"scale", scale}};
    PNB_TRY_GOTO(pnb_safetensors_write(adapter->err, path, PNB_F32, items, w->count, metadata, 4));
fail:
    free(items);
    free(data);
    return status;
}

static pnb_status check_file(const pnb_adapter *a, const pnb_safetensors *file) {
    const char *kind = pnb_safetensors_metadata(file, "adapter"), *scale = pnb_safetensors_metadata(file, "scale");
    if (!kind || strcmp(kind, kind_word(a)) != 0)
        return pnb_fail(a->err, PNB_ERROR_MODEL, "adapter: expected a file of kind %s, found %s", kind_word(a),
                        kind ? kind : "none");
    if (strcmp(kind, "lora") == 0 && (!scale || strtof(scale, NULL) != a->params.scale))
        return pnb_fail(a->err, PNB_ERROR_MODEL, "adapter: expected the scale %.9g, found %s", a->params.scale,
                        scale ? scale : "none");
    if (pnb_safetensors_count(file) != a->weights.count)
        return pnb_fail(a->err, PNB_ERROR_MODEL, "adapter: expected %zu tensors, found %zu", a->weights.count,
                        pnb_safetensors_count(file));
    return PNB_OK;
}

/* All is read and checked before the first value reaches the device. */
static pnb_status load(pnb_adapter *a, pnb_gpu *gpu, pnb_safetensors *file) {
    const pnb_weights *w = &a->weights;
    PNB_TRY(check_file(a, file));
    float *data = malloc((size_t)pnb_weights_elements(w) * sizeof *data + 1), *at = data;
    if (!data) return pnb_fail(a->err, PNB_ERROR_OUT_OF_MEMORY, "adapter: no memory to load it");
    pnb_status status = PNB_OK;
    for (int pass = 0; pass < 2; pass++, at = data)
        for (size_t i = 0; i < w->count; i++) {
            pnb_storage *s = pnb_store_at(w->store, i);
            pnb_shape shape = pnb_storage_shape(s);
            uint64_t count = pnb_shape_count(shape), dims[4] = {shape.d[0], shape.d[1], shape.d[2], shape.d[3]};
            if (pass == 0)
                PNB_TRY_GOTO(pnb_safetensors_read_shape_f32(file, pnb_storage_name(s), shape.rank, dims, at));
            else
                PNB_TRY_GOTO(pnb_storage_write(s, gpu, at, count));
            at += count;
        }
fail:
    free(data);
    return status;
}

pnb_status pnb_adapter_load(pnb_adapter *adapter, pnb_gpu *gpu, const char *path) {
    pnb_safetensors *file = NULL;
    if (!adapter->weights.committed)
        return pnb_fail(adapter->err, PNB_ERROR_USAGE, "adapter: commit it before a file is loaded");
    PNB_TRY(pnb_safetensors_open(adapter->err, path, &file));
    pnb_status status = load(adapter, gpu, file);
    pnb_safetensors_close(file);
    if (status != PNB_OK && adapter->err && !strstr(adapter->err->message, path))
        pnb_error_prefix(adapter->err, "adapter '%s': ", path);
    return status;
}

/* ---- no sum of layers ---------------------------------------------------------------------------------------------
 */

/* t: U-Nets see it alone, vector networks see the two others. */
static pnb_status level_rows(pnb_graph *g, pnb_level level, uint32_t begin, uint32_t count, pnb_level *out) {
    pnb_tensor in[3] = {level.t, level.alpha, level.sigma}, part[3] = {PNB_NONE, PNB_NONE, PNB_NONE};
    for (int i = 0; i < 3; i++)
        if (in[i] != PNB_NONE) PNB_TRY(pnb_graph_slice0(g, in[i], begin, count, &part[i]));
    *out = (pnb_level){part[0], part[1], part[2]};
    return PNB_OK;
}

/* Mixture: eps everywhere, plus the MLP on the adapter's rows. The MLP sees x and eps: where the mixture is one
 * Gaussian, what the auxiliary score adds to eps is linear in the two and the same in every mode; from x alone it would
 * have to find the modes first, and modes far smaller than the mixture come out too narrow. */
static pnb_status mixture_eps(pnb_prior *p, pnb_graph *g, pnb_tensor x, pnb_level level, const pnb_eps_params *params,
                              uint32_t rows, pnb_tensor *eps) {
    const pnb_adapter *a = params->adapter;
    pnb_level part;
    pnb_tensor base, residual, parts[3] = {PNB_NONE, PNB_NONE, params->condition}, seen;
    PNB_TRY(pnb_gmm_graph_eps(p, g, x, level, &base));
    PNB_TRY(pnb_graph_slice0(g, x, params->adapter_begin, rows, &parts[0]));
    PNB_TRY(pnb_graph_slice0(g, base, params->adapter_begin, rows, &parts[1]));
    PNB_TRY(pnb_concat(g, 1, parts, params->conditional ? 3 : 2, &seen));
    PNB_TRY(level_rows(g, level, params->adapter_begin, rows, &part));
    PNB_TRY(pnb_mlp_eps(&a->weights, a->mlp, g, seen, part, &residual));
    return pnb_add_rows(g, base, residual, params->adapter_begin, 1.0f, eps);
}

/* Rows [begin, begin + count) by these weights. */
static pnb_status rows_eps(pnb_prior *p, const pnb_weights *w, pnb_graph *g, pnb_tensor x, pnb_level level,
                           const pnb_eps_params *params, uint32_t begin, uint32_t count, pnb_tensor *eps) {
    pnb_level part;
    pnb_tensor xs;
    PNB_TRY(pnb_graph_slice0(g, x, begin, count, &xs));
    PNB_TRY(level_rows(g, level, begin, count, &part));
    if (p->kind == PNB_PRIOR_MLP) return pnb_mlp_eps(w, p->mlp, g, xs, part, eps);
    pnb_eps_params q = {.label = params->label, .raw = params->raw, .checkpoint = params->checkpoint};
    if (w != &p->weights) { /* the copy */
        q.conditional = params->conditional;
        q.condition = params->condition;
    }
    if (q.label != PNB_NONE) PNB_TRY(pnb_graph_slice0(g, q.label, begin, count, &q.label));
    return pnb_unet_eps(p, w, g, xs, part, &q, eps);
}

/* The plain weights on the first rows, the copy on the others. */
static pnb_status copy_eps(pnb_prior *p, pnb_graph *g, pnb_tensor x, pnb_level level, const pnb_eps_params *params,
                           uint32_t rows, pnb_tensor *eps) {
    uint32_t begin = params->adapter_begin;
    pnb_tensor halves[2];
    PNB_TRY(rows_eps(p, &params->adapter->weights, g, x, level, params, begin, rows, &halves[1]));
    if (!begin) {
        *eps = halves[1];
        return PNB_OK;
    }
    PNB_TRY(rows_eps(p, &p->weights, g, x, level, params, 0, begin, &halves[0]));
    return pnb_concat(g, 0, halves, 2, eps);
}

pnb_status pnb_adapter_whole_eps(pnb_prior *p, pnb_graph *g, pnb_tensor x, pnb_level level,
                                 const pnb_eps_params *params, pnb_tensor *eps) {
    uint32_t rows = pnb_graph_shape(g, x).d[0] - params->adapter_begin;
    return p->kind == PNB_PRIOR_GMM ? mixture_eps(p, g, x, level, params, rows, eps)
                                    : copy_eps(p, g, x, level, params, rows, eps);
}

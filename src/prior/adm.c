/* The ADM U-Net (Dhariwal and Nichol 2021, arXiv 2105.05233) as a graph, with every switch of the published code.
 *
 * Structure and names come from adm_config.c; this file loads the weights and lays the list of layers into a graph.
 */
#include "base/file.h"
#include "graph/op.h"
#include "ops/ops.h"
#include "prior/internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- loading ------------------------------------------------------------------------------------------------------
 */

/* Wrappers keep the network under "model.". */
static const char *strip(const char *name) {
    return strncmp(name, "model.", 6) == 0 ? name + 6 : name;
}

typedef struct loader {
    pnb_prior *prior;
    pnb_safetensors *file;
} loader;

static pnb_status load_tensor(void *user, const char *name, pnb_shape shape) {
    loader *l = user;
    float *values = NULL;
    for (size_t i = 0; i < pnb_safetensors_count(l->file); i++) {
        const pnb_safetensors_entry *e = pnb_safetensors_at(l->file, i);
        if (strcmp(strip(e->name), name) != 0) continue;
        PNB_TRY(pnb_weights_add(&l->prior->weights, name, shape, PNB_STORAGE_FROZEN, &values));
        return pnb_safetensors_read_f32(l->file, e, values);
    }
    return pnb_fail(l->prior->err, PNB_ERROR_MODEL, "adm: tensor '%s' is missing", name); /* the checks came before */
}

static pnb_status list_tensors(pnb_error *err, const pnb_safetensors *file, pnb_tensor_info **out) {
    size_t count = pnb_safetensors_count(file);
    pnb_tensor_info *info = calloc(count ? count : 1, sizeof *info);
    if (!info) return pnb_fail(err, PNB_ERROR_OUT_OF_MEMORY, "adm: no memory for %zu names", count);
    *out = info;
    for (size_t i = 0; i < count; i++) {
        const pnb_safetensors_entry *e = pnb_safetensors_at(file, i);
        info[i] = (pnb_tensor_info){.name = strip(e->name), .rank = e->rank};
        if (e->rank > 4)
            return pnb_fail(err, PNB_ERROR_MODEL, "adm: tensor '%s' has %u dimensions, at most 4 can be", e->name,
                            e->rank);
        memcpy(info[i].shape, e->shape, e->rank * sizeof e->shape[0]);
    }
    return PNB_OK;
}

/* config.json in the same folder, or NULL. It only adds what tensors do not tell, so a bad one counts as none. */
static cJSON *config_beside(const char *path) {
    cJSON *json = NULL;
    void *bytes = NULL;
    size_t size = 0;
    char *folder = pnb_path_folder(path), *name = folder ? pnb_path_join(folder, "config.json") : NULL;
    if (name && pnb_file_exists(name) && pnb_file_read(NULL, name, 1 << 20, &bytes, &size) == PNB_OK) {
        json = cJSON_ParseWithLength(bytes, size);
        free(bytes);
    }
    free(folder);
    free(name);
    return json;
}

/* "... 32x32 ..." in the metadata's `data`, where no image_size is given. */
static uint32_t size_from_text(const char *text) {
    unsigned width, height;
    for (; text && *text; text++)
        if (*text >= '1' && *text <= '9') {
            if (sscanf(text, "%4ux%4u", &width, &height) == 2 && width == height) return width;
            while (text[1] >= '0' && text[1] <= '9') text++;
        }
    return 0;
}

pnb_status pnb_adm_load(pnb_prior *p, pnb_safetensors *file) {
    pnb_tensor_info *info = NULL;
    cJSON *config = config_beside(pnb_safetensors_path(file));
    pnb_status status = PNB_OK;
    pnb_adm_hints hints = {
        .head_channels = pnb_load_hint(file, config, "num_head_channels", 0),
        .heads = pnb_load_hint(file, config, "num_heads", 0),
        .new_order = pnb_load_hint(file, config, "use_new_attention_order", 0) == 1,
    };
    int32_t size = pnb_load_hint(file, config, "image_size", pnb_load_hint(file, config, "img_resolution", 0));
    p->size_hint = size > 0 ? (uint32_t)size : size_from_text(pnb_safetensors_metadata(file, "data"));
    PNB_TRY_GOTO(list_tensors(p->err, file, &info));
    PNB_TRY_GOTO(pnb_adm_config_infer(p->err, info, pnb_safetensors_count(file), hints, &p->adm));
    PNB_TRY_GOTO(pnb_adm_config_tensors(&p->adm, load_tensor, &(loader){p, file}));
    pnb_adm_config_text(&p->adm, p->describe, sizeof p->describe);
fail:
    free(info);
    cJSON_Delete(config);
    return status;
}

/* ---- layers -------------------------------------------------------------------------------------------------------
 */

/* layer.part into buf */
static const char *part(const pnb_adm_layer *l, const char *name, char buf[2 * PNB_ADM_NAME_SIZE]) {
    snprintf(buf, 2 * PNB_ADM_NAME_SIZE, "%s.%s", l->name, name);
    return buf;
}

static pnb_status resample(pnb_graph *g, int32_t direction, pnb_tensor *x) {
    if (direction < 0) return pnb_avg_pool(g, *x, 2, x);
    if (direction > 0) return pnb_upsample_nearest(g, *x, 2, x);
    return PNB_OK;
}

/* One value a sample and channel, [N,C], added to [N,C,H,W]: seen as N*C rows. */
static pnb_status add_channels(pnb_graph *g, pnb_tensor e, pnb_tensor *h) {
    pnb_shape s = pnb_graph_shape(g, *h);
    uint32_t rows = s.d[0] * s.d[1];
    PNB_TRY(pnb_graph_reshape(g, e, pnb_shape1(rows), &e));
    PNB_TRY(pnb_graph_reshape(g, *h, pnb_shape2(rows, s.d[2] * s.d[3]), h));
    PNB_TRY(pnb_add(g, *h, e, h));
    return pnb_graph_reshape(g, *h, s, h);
}

/* h = conv(resample(silu(norm x))); h = conv(silu(norm(h) modulated by the embedding)); out = skip(resample x) + h */
static pnb_status residual(const pnb_net *net, const pnb_adm_layer *l, bool scale_shift, pnb_tensor x, pnb_tensor emb,
                           pnb_tensor *y) {
    char name[2 * PNB_ADM_NAME_SIZE];
    pnb_tensor h, e;
    PNB_TRY(pnb_net_norm(net, part(l, "in_layers.0", name), x, PNB_NONE, true, &h));
    PNB_TRY(resample(net->g, l->resample, &h));
    PNB_TRY(resample(net->g, l->resample, &x));
    PNB_TRY(pnb_net_conv(net, part(l, "in_layers.2", name), h, 1, 1, &h));
    PNB_TRY(pnb_net_linear(net, part(l, "emb_layers.1", name), emb, &e));
    if (!scale_shift) PNB_TRY(add_channels(net->g, e, &h));
    PNB_TRY(pnb_net_norm(net, part(l, "out_layers.0", name), h, scale_shift ? e : PNB_NONE, true, &h));
    PNB_TRY(pnb_net_conv(net, part(l, "out_layers.3", name), h, 1, 1, &h));
    if (l->in != l->out) PNB_TRY(pnb_net_conv(net, part(l, "skip_connection", name), x, 1, 0, &x));
    return pnb_add(net->g, x, h, y);
}

static pnb_status attention(const pnb_net *net, const pnb_adm_layer *l, bool new_order, pnb_tensor x, pnb_tensor *y) {
    char name[2 * PNB_ADM_NAME_SIZE];
    pnb_shape s = pnb_graph_shape(net->g, x);
    pnb_tensor h;
    PNB_TRY(pnb_net_norm(net, part(l, "norm", name), x, PNB_NONE, false, &h));
    PNB_TRY(pnb_net_conv(net, part(l, "qkv", name), h, 1, 0, &h));
    PNB_TRY(pnb_graph_reshape(net->g, h, pnb_shape3(s.d[0], 3 * s.d[1], s.d[2] * s.d[3]), &h));
    PNB_TRY(pnb_attention(net->g, h, l->heads, new_order ? PNB_QKV_NEW : PNB_QKV_LEGACY, &h));
    PNB_TRY(pnb_graph_reshape(net->g, h, s, &h));
    PNB_TRY(pnb_net_conv(net, part(l, "proj_out", name), h, 1, 0, &h));
    return pnb_add(net->g, x, h, y);
}

static pnb_status layer(const pnb_net *net, const pnb_adm_config *c, const pnb_adm_layer *l, pnb_tensor x,
                        pnb_tensor emb, pnb_tensor *y) {
    switch (l->kind) {
    case PNB_ADM_CONV:
        return pnb_net_conv(net, l->name, x, 1, 1, y);
    case PNB_ADM_RES:
        return residual(net, l, c->scale_shift, x, emb, y);
    case PNB_ADM_ATTENTION:
        return attention(net, l, c->new_order, x, y);
    case PNB_ADM_DOWN:
        return l->name[0] ? pnb_net_conv(net, l->name, x, 2, 1, y) : pnb_avg_pool(net->g, x, 2, y);
    case PNB_ADM_UP:
        PNB_TRY(pnb_upsample_nearest(net->g, x, 2, y));
        return l->name[0] ? pnb_net_conv(net, l->name, *y, 1, 1, y) : PNB_OK;
    }
    return PNB_OK;
}

/* ---- the network --------------------------------------------------------------------------------------------------
 */

/* SiLU of the embedding of time (and class): all that residual blocks use of it, so it is made once. */
static pnb_status embedding(const pnb_net *net, const pnb_adm_config *c, pnb_tensor t, pnb_tensor label,
                            pnb_tensor *out) {
    pnb_tensor e, table;
    PNB_TRY(pnb_timestep_embedding(net->g, t, c->model_channels, 10000.0f, false, false, &e));
    PNB_TRY(pnb_net_linear(net, "time_embed.0", e, &e));
    PNB_TRY(pnb_silu(net->g, e, &e));
    PNB_TRY(pnb_net_linear(net, "time_embed.2", e, &e));
    if (c->classes) {
        PNB_TRY(pnb_weights_bind(net->weights, net->g, "label_emb.weight", &table));
        PNB_TRY(pnb_lookup(net->g, table, label, &label));
        PNB_TRY(pnb_add(net->g, e, label, &e));
    }
    return pnb_silu(net->g, e, out);
}

static pnb_status check_input(pnb_prior *p, pnb_graph *g, pnb_tensor x, pnb_level level, pnb_tensor label) {
    pnb_error *err = pnb_graph_error(g);
    PNB_TRY(pnb_graph_check(g, "prior", "x", x));
    PNB_TRY(pnb_graph_check(g, "prior", "t", level.t));
    pnb_shape s = pnb_graph_shape(g, x), t = pnb_graph_shape(g, level.t);
    uint32_t multiple = pnb_prior_multiple(p);
    if (s.rank != 4 || s.d[1] != p->adm.in_channels)
        return pnb_fail(err, PNB_ERROR_INPUT, "prior: expects images of %u channels, found %s", p->adm.in_channels,
                        pnb_shape_text(s, (char[64]){0}));
    if (s.d[2] % multiple || s.d[3] % multiple)
        return pnb_fail(err, PNB_ERROR_INPUT, "prior: height and width must be multiples of %u, found %u x %u",
                        multiple, s.d[2], s.d[3]);
    if (t.rank != 1 || t.d[0] != s.d[0])
        return pnb_fail(err, PNB_ERROR_INPUT, "prior: t should be [%u], found %s", s.d[0],
                        pnb_shape_text(t, (char[64]){0}));
    if (p->adm.classes && label == PNB_NONE)
        return pnb_fail(err, PNB_ERROR_USAGE, "prior: it is conditioned on %u classes, give a class for each image",
                        p->adm.classes);
    if (!p->adm.classes && label != PNB_NONE)
        return pnb_fail(err, PNB_ERROR_USAGE, "prior: it knows no classes, give none");
    return PNB_OK;
}

pnb_status pnb_adm_eps(pnb_prior *p, pnb_graph *g, pnb_tensor x, pnb_level level, const pnb_eps_params *params,
                       pnb_tensor *eps) {
    const pnb_adm_config *c = &p->adm;
    pnb_net net = {.g = g, .weights = &p->weights, .adapter = params->adapter, .begin = params->adapter_begin};
    PNB_TRY(check_input(p, g, x, level, params->label));
    pnb_tensor emb, h = x, skips[PNB_ADM_MAX_LEVELS * 64];
    size_t depth = 0;
    if (c->levels * (c->res_blocks + 1) > sizeof skips / sizeof skips[0])
        return pnb_fail(pnb_graph_error(g), PNB_ERROR_MODEL, "adm: %u residual blocks a level are too many",
                        c->res_blocks);
    PNB_TRY(embedding(&net, c, level.t, params->label, &emb));
    for (size_t i = 0; i < c->n_layers; i++) {
        const pnb_adm_layer *l = &c->layers[i];
        bool segment = params->checkpoint && (l->kind == PNB_ADM_RES || l->kind == PNB_ADM_ATTENTION);
        if (segment) PNB_TRY(pnb_graph_segment_begin(g, l->name));
        if (l->pop) PNB_TRY(pnb_concat(g, 1, (pnb_tensor[]){h, skips[--depth]}, 2, &h));
        PNB_TRY(layer(&net, c, l, h, emb, &h));
        if (segment) PNB_TRY(pnb_graph_segment_end(g));
        if (l->push) skips[depth++] = h;
    }
    PNB_TRY(pnb_net_norm(&net, "out.0", h, PNB_NONE, true, &h));
    PNB_TRY(pnb_net_conv(&net, "out.2", h, 1, 1, &h));
    if (params->raw || c->out_channels == c->in_channels) {
        *eps = h;
        return PNB_OK;
    }
    return pnb_slice(g, h, 1, 0, c->in_channels, eps);
}

/* Priors that are trained: weights that change, and files of them. */
#include "prior/internal.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

pnb_status pnb_prior_make_trainable(pnb_prior *p, uint32_t size) {
    if (p->kind != PNB_PRIOR_UNET)
        return pnb_fail(p->err, PNB_ERROR_MODEL, "train: a prior of kind %s is none that is trained on images",
                        p->architecture);
    if (p->unet.classes)
        return pnb_fail(p->err, PNB_ERROR_MODEL, "train: the prior wants class labels, and images have none here");
    if (size) p->size_hint = size;
    return pnb_weights_make_variable(&p->weights);
}

/* ---- copies ------------------------------------------------------------------------------------------------------ */

static pnb_status copy_layers(pnb_error *err, const pnb_unet *from, pnb_unet *to) {
    *to = *from;
    to->layers = malloc((from->n_layers ? from->n_layers : 1) * sizeof *to->layers);
    to->room = from->n_layers;
    if (!to->layers) return pnb_fail(err, PNB_ERROR_OUT_OF_MEMORY, "prior: no memory for a copy");
    memcpy(to->layers, from->layers, from->n_layers * sizeof *to->layers);
    return PNB_OK;
}

static pnb_status copy_weights(const pnb_weights *from, pnb_gpu *gpu, pnb_weights *to) {
    for (size_t i = 0; i < from->count; i++) {
        const pnb_storage *s = pnb_store_at(from->store, i);
        float *values;
        PNB_TRY(pnb_weights_add(to, pnb_storage_name(s), pnb_storage_shape(s), PNB_STORAGE_FROZEN, &values));
    }
    PNB_TRY(pnb_weights_fetch(from, gpu, to));
    return pnb_weights_make_variable(to);
}

static pnb_status fill_copy(const pnb_prior *from, pnb_gpu *gpu, pnb_prior *to) {
    to->kind = from->kind;
    to->architecture = from->architecture;
    to->size_hint = from->size_hint;
    to->mlp = from->mlp;
    to->precondition = from->precondition;
    to->schedule.time = from->schedule.time;
    snprintf(to->describe, sizeof to->describe, "%s", from->describe);
    if (from->kind == PNB_PRIOR_UNET) PNB_TRY(copy_layers(from->err, &from->unet, &to->unet));
    return copy_weights(&from->weights, gpu, &to->weights);
}

pnb_status pnb_prior_copy(const pnb_prior *prior, pnb_gpu *gpu, pnb_prior **out) {
    *out = NULL;
    if (prior->kind == PNB_PRIOR_GMM) return pnb_fail(prior->err, PNB_ERROR_MODEL, "prior: a mixture has no network to copy");
    pnb_status status =
        pnb_prior_create_of(prior->err, prior->kind, prior->schedule.kind, prior->schedule.steps, out);
    if (status == PNB_OK) status = fill_copy(prior, gpu, *out);
    if (status != PNB_OK) pnb_prior_destroy(out, NULL);
    return status;
}

pnb_status pnb_prior_create_mlp(pnb_error *err, uint32_t inputs, uint32_t dim, uint32_t hidden, uint32_t depth,
                                uint64_t seed, pnb_prior **out) {
    pnb_mlp_config c = {inputs, dim, hidden, depth};
    pnb_status status = pnb_prior_create_of(err, PNB_PRIOR_MLP, PNB_SCHEDULE_LINEAR, 1000, out);
    if (status == PNB_OK) {
        (*out)->mlp = c;
        pnb_mlp_say(*out);
        status = pnb_mlp_describe(&(*out)->weights, c, PNB_STORAGE_FROZEN, seed, true);
    }
    if (status == PNB_OK) status = pnb_weights_make_variable(&(*out)->weights);
    if (status != PNB_OK) pnb_prior_destroy(out, NULL);
    return status;
}

/* ---- files ------------------------------------------------------------------------------------------------------- */

enum { OWN_FACTS = 8, MOST_FACTS = 32, VALUE_SIZE = 32 };

/* The metadata that the readers of this room ask for. */
typedef struct facts {
    pnb_safetensors_pair pairs[MOST_FACTS];
    char values[OWN_FACTS][VALUE_SIZE];
    size_t n;
} facts;

static void add_word(facts *f, const char *key, const char *word) {
    f->pairs[f->n++] = (pnb_safetensors_pair){key, word};
}

static void add_number(facts *f, const char *key, double value) {
    snprintf(f->values[f->n], VALUE_SIZE, "%.9g", value);
    add_word(f, key, f->values[f->n]);
}

/* Channels a head, or heads, of the first layer of attention; 0: it has none. */
static uint32_t heads_of(const pnb_unet *u, bool width) {
    for (size_t i = 0; i < u->n_layers; i++) {
        const pnb_unet_layer *l = &u->layers[i];
        if (l->kind == PNB_UNET_ATTENTION) return width ? l->in / l->heads : l->heads;
    }
    return 0;
}

/* Whether all its attention has heads of one width. */
static bool one_width(const pnb_unet *u) {
    for (size_t i = 0; i < u->n_layers; i++) {
        const pnb_unet_layer *l = &u->layers[i];
        if (l->kind == PNB_UNET_ATTENTION && l->in / l->heads != heads_of(u, true)) return false;
    }
    return true;
}

static void describe(const pnb_prior *p, facts *f) {
    bool adm = strcmp(p->architecture, pnb_adm_reader.name) == 0;
    add_word(f, "format", "pt");
    if (p->kind == PNB_PRIOR_MLP) {
        add_word(f, "architecture", p->architecture);
        return;
    }
    add_word(f, "architecture", adm ? pnb_adm_reader.name : pnb_edm_reader.name);
    add_word(f, "schedule", p->schedule.kind == PNB_SCHEDULE_COSINE ? "cosine" : "linear");
    add_number(f, "diffusion_steps", p->schedule.steps);
    add_word(f, "precond", p->precondition.edm ? "edm" : p->schedule.time == PNB_TIME_VP ? "vp" : "none");
    if (p->precondition.edm) add_number(f, "sigma_data", (double)p->precondition.sigma_data);
    if (p->size_hint) add_number(f, "image_size", p->size_hint);
    if (!heads_of(&p->unet, true)) return;
    if (!adm)
        add_number(f, "channels_per_head", heads_of(&p->unet, true));
    else if (one_width(&p->unet))
        add_number(f, "num_head_channels", heads_of(&p->unet, true));
    else
        add_number(f, "num_heads", heads_of(&p->unet, false));
    if (p->unet.order == PNB_QKV_NEW) add_word(f, "use_new_attention_order", "true");
}

static pnb_status read_weights(const pnb_prior *p, pnb_gpu *gpu, pnb_safetensors_item *items, float *values) {
    for (size_t i = 0; i < pnb_store_count(p->weights.store); i++) {
        const pnb_storage *s = pnb_store_at(p->weights.store, i);
        pnb_shape shape = pnb_storage_shape(s);
        uint64_t count = pnb_shape_count(shape);
        items[i] = (pnb_safetensors_item){.name = pnb_storage_name(s), .rank = shape.rank, .data = values};
        for (uint32_t d = 0; d < shape.rank; d++) items[i].shape[d] = shape.d[d];
        PNB_TRY(pnb_storage_read(s, gpu, values, count));
        for (uint64_t k = 0; k < count; k++)
            if (!isfinite(values[k]))
                return pnb_fail(p->err, PNB_ERROR_NUMERIC, "prior: '%s' holds a value that is not finite; nothing is written",
                                pnb_storage_name(s));
        values += count;
    }
    return PNB_OK;
}

pnb_status pnb_prior_save(const pnb_prior *p, pnb_gpu *gpu, const char *path, bool half,
                          const pnb_safetensors_pair *given, size_t n) {
    facts f = {.n = 0};
    size_t count = pnb_store_count(p->weights.store);
    describe(p, &f);
    for (size_t i = 0; i < n && f.n < MOST_FACTS; i++) f.pairs[f.n++] = given[i];
    float *values = malloc((size_t)pnb_prior_parameters(p) * sizeof *values);
    pnb_safetensors_item *items = calloc(count ? count : 1, sizeof *items);
    pnb_status status = PNB_OK;
    if (!values || !items)
        status = pnb_fail(p->err, PNB_ERROR_OUT_OF_MEMORY, "prior '%s': no memory for its weights", path);
    if (status == PNB_OK) status = read_weights(p, gpu, items, values);
    if (status == PNB_OK)
        status = pnb_safetensors_write(p->err, path, half ? PNB_F16 : PNB_F32, items, count, f.pairs, f.n);
    free(items);
    free(values);
    return status;
}

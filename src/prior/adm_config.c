/* From the tensors of a checkpoint to the structure of an ADM U-Net (Dhariwal and Nichol 2021; names as published). */
#include "prior/adm_config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- reading the structure off the names ------------------------------------------------------------------------- */

typedef struct list {
    const pnb_tensor_info *tensors;
    size_t count;
} list;

static const pnb_tensor_info *find(const list *l, const char *name) {
    for (size_t i = 0; i < l->count; i++)
        if (strcmp(l->tensors[i].name, name) == 0) return &l->tensors[i];
    return NULL;
}

/* find with "%u"s in the name. */
static const pnb_tensor_info *find_at(const list *l, const char *format, uint32_t a, uint32_t b) {
    char name[PNB_ADM_NAME_SIZE];
    snprintf(name, sizeof name, format, a, b); /* the formats are this file's own */
    return find(l, name);
}

static uint32_t blocks_of(const list *l, const char *prefix) {
    uint32_t highest = 0;
    size_t length = strlen(prefix);
    for (size_t i = 0; i < l->count; i++) {
        const char *name = l->tensors[i].name;
        if (strncmp(name, prefix, length) != 0 || name[length] < '0' || name[length] > '9') continue;
        unsigned long index = strtoul(name + length, NULL, 10);
        if (index < 1000 && index + 1 > highest) highest = (uint32_t)index + 1;
    }
    return highest;
}

/* Residual blocks a level, and how the image is halved: a strided convolution (its own names), a residual block (seen
 * on the way up, where it is a second one in its block), or pooling (a gap in the numbers). */
static void infer_resampling(const list *l, uint32_t n, pnb_adm_config *c) {
    c->conv_resample = true;
    c->res_blocks = n - 1;
    for (uint32_t i = 1; i < n; i++) {
        bool conv = find_at(l, "input_blocks.%u.0.op.weight", i, 0);
        bool gap = !conv && !find_at(l, "input_blocks.%u.0.in_layers.0.weight", i, 0);
        if (!conv && !gap) continue;
        c->conv_resample = conv;
        c->res_blocks = i - 1;
        return;
    }
    for (uint32_t i = 0; i < n; i++)
        if (find_at(l, "output_blocks.%u.1.in_layers.0.weight", i, 0) ||
            find_at(l, "output_blocks.%u.2.in_layers.0.weight", i, 0)) {
            c->resblock_updown = true;
            c->res_blocks = i;
            return;
        }
}

static pnb_status dimension(pnb_error *err, const list *l, const char *name, uint32_t rank, uint32_t index,
                            uint32_t *out) {
    const pnb_tensor_info *t = find(l, name);
    if (!t) return pnb_fail(err, PNB_ERROR_MODEL, "adm: tensor '%s' is missing", name);
    if (t->rank != rank || t->shape[index] < 1 || t->shape[index] > 65536)
        return pnb_fail(err, PNB_ERROR_MODEL, "adm: tensor '%s' should have %u dimensions of sane size", name, rank);
    *out = (uint32_t)t->shape[index];
    return PNB_OK;
}

static pnb_status infer_levels(pnb_error *err, const list *l, pnb_adm_config *c) {
    uint32_t n = blocks_of(l, "input_blocks."), per_level;
    if (n < 2) return pnb_fail(err, PNB_ERROR_MODEL, "adm: found %u input blocks, expected at least 2", n);
    if (blocks_of(l, "output_blocks.") != n)
        return pnb_fail(err, PNB_ERROR_MODEL, "adm: found %u input blocks but %u output blocks", n,
                        blocks_of(l, "output_blocks."));
    infer_resampling(l, n, c);
    per_level = c->res_blocks + 1;
    c->levels = n / per_level;
    if (c->res_blocks < 1 || n % per_level || c->levels > PNB_ADM_MAX_LEVELS)
        return pnb_fail(err, PNB_ERROR_MODEL, "adm: %u input blocks cannot be levels of %u residual blocks", n,
                        c->res_blocks);
    for (uint32_t i = 0; i < c->levels; i++) {
        char name[PNB_ADM_NAME_SIZE];
        snprintf(name, sizeof name, "input_blocks.%u.0.out_layers.3.weight", 1 + i * per_level);
        PNB_TRY(dimension(err, l, name, 4, 0, &c->channels[i]));
        c->attention[i] = find_at(l, "input_blocks.%u.1.qkv.weight", 1 + i * per_level, 0);
    }
    return PNB_OK;
}

/* ---- the layers -------------------------------------------------------------------------------------------------- */

/* The name is that of block and place in it ("input_blocks", 3, 1); block NULL: no name. */
static pnb_adm_layer *append(pnb_adm_config *c, pnb_adm_kind kind, const char *block, uint32_t index, uint32_t place,
                             uint32_t in, uint32_t out) {
    pnb_adm_layer *layer = &c->layers[c->n_layers++];
    *layer = (pnb_adm_layer){.kind = kind, .in = in, .out = out};
    if (block && strcmp(block, "middle_block") == 0)
        snprintf(layer->name, sizeof layer->name, "middle_block.%u", place);
    else if (block)
        snprintf(layer->name, sizeof layer->name, "%s.%u.%u", block, index, place);
    return layer;
}

static void append_attention(pnb_adm_config *c, const char *block, uint32_t index, uint32_t place, uint32_t channels) {
    pnb_adm_layer *layer = append(c, PNB_ADM_ATTENTION, block, index, place, channels, channels);
    layer->heads = c->head_channels ? channels / c->head_channels : c->heads;
}

static void append_resample(pnb_adm_config *c, const char *block, uint32_t index, uint32_t place, uint32_t channels,
                            int32_t direction) {
    if (c->resblock_updown) {
        append(c, PNB_ADM_RES, block, index, place, channels, channels)->resample = direction;
        return;
    }
    pnb_adm_kind kind = direction < 0 ? PNB_ADM_DOWN : PNB_ADM_UP;
    pnb_adm_layer *layer = append(c, kind, c->conv_resample ? block : NULL, index, place, channels, channels);
    if (c->conv_resample) strcat(layer->name, direction < 0 ? ".op" : ".conv"); /* fits: names are under 32 bytes */
}

pnb_status pnb_adm_config_lay_out(pnb_error *err, pnb_adm_config *c) {
    uint32_t blocks = c->levels * (c->res_blocks + 1), n = 0, skips = 0, *stack = malloc(blocks * sizeof *stack);
    c->layers = malloc((5 * (size_t)blocks + 4) *
                       sizeof *c->layers); /* at most 2 layers down and 3 up for each block, 3 between */
    if (!c->layers || !stack) {
        free(stack);
        return pnb_fail(err, PNB_ERROR_OUT_OF_MEMORY, "adm: no memory for %u blocks", blocks);
    }
    uint32_t ch = c->channels[0];
    append(c, PNB_ADM_CONV, "input_blocks", n++, 0, c->in_channels, ch);
#define KEEP_AS_SKIP() (c->layers[c->n_layers - 1].push = true, stack[skips++] = ch)
    KEEP_AS_SKIP();
    for (uint32_t i = 0; i < c->levels; i++) {
        for (uint32_t j = 0; j < c->res_blocks; j++, n++) {
            append(c, PNB_ADM_RES, "input_blocks", n, 0, ch, c->channels[i]);
            ch = c->channels[i];
            if (c->attention[i]) append_attention(c, "input_blocks", n, 1, ch);
            KEEP_AS_SKIP();
        }
        if (i + 1 == c->levels) break;
        append_resample(c, "input_blocks", n++, 0, ch, -1);
        KEEP_AS_SKIP();
    }
#undef KEEP_AS_SKIP
    append(c, PNB_ADM_RES, "middle_block", 0, 0, ch, ch);
    append_attention(c, "middle_block", 0, 1, ch);
    append(c, PNB_ADM_RES, "middle_block", 0, 2, ch, ch);
    n = 0;
    for (uint32_t i = c->levels; i-- > 0;)
        for (uint32_t j = 0; j <= c->res_blocks; j++, n++) {
            append(c, PNB_ADM_RES, "output_blocks", n, 0, ch + stack[--skips], c->channels[i])->pop = true;
            ch = c->channels[i];
            if (c->attention[i]) append_attention(c, "output_blocks", n, 1, ch);
            if (i && j == c->res_blocks) append_resample(c, "output_blocks", n, c->attention[i] ? 2 : 1, ch, 1);
        }
    free(stack);
    return PNB_OK;
}

/* ---- its tensors ------------------------------------------------------------------------------------------------- */

typedef struct visitor {
    pnb_adm_visit visit;
    void *user;
} visitor;

/* name.part.weight with this shape, and name.part.bias of its first dimension. */
static pnb_status pair(const visitor *v, const char *name, const char *part, pnb_shape weight) {
    char full[2 * PNB_ADM_NAME_SIZE];
    snprintf(full, sizeof full, "%s%s.weight", name, part);
    PNB_TRY(v->visit(v->user, full, weight));
    snprintf(full, sizeof full, "%s%s.bias", name, part);
    return v->visit(v->user, full, pnb_shape1(weight.d[0]));
}

static pnb_status layer_tensors(const visitor *v, const pnb_adm_config *c, const pnb_adm_layer *l) {
    switch (l->kind) {
    case PNB_ADM_CONV:
        return pair(v, l->name, "", pnb_shape4(l->out, l->in, 3, 3));
    case PNB_ADM_DOWN:
    case PNB_ADM_UP:
        return l->name[0] ? pair(v, l->name, "", pnb_shape4(l->out, l->in, 3, 3)) : PNB_OK;
    case PNB_ADM_ATTENTION:
        PNB_TRY(pair(v, l->name, ".norm", pnb_shape1(l->in)));
        PNB_TRY(pair(v, l->name, ".qkv", pnb_shape3(3 * l->in, l->in, 1)));
        return pair(v, l->name, ".proj_out", pnb_shape3(l->in, l->in, 1));
    case PNB_ADM_RES:
        break;
    }
    PNB_TRY(pair(v, l->name, ".in_layers.0", pnb_shape1(l->in)));
    PNB_TRY(pair(v, l->name, ".in_layers.2", pnb_shape4(l->out, l->in, 3, 3)));
    PNB_TRY(pair(v, l->name, ".emb_layers.1", pnb_shape2((c->scale_shift ? 2 : 1) * l->out, 4 * c->model_channels)));
    PNB_TRY(pair(v, l->name, ".out_layers.0", pnb_shape1(l->out)));
    PNB_TRY(pair(v, l->name, ".out_layers.3", pnb_shape4(l->out, l->out, 3, 3)));
    return l->in == l->out ? PNB_OK : pair(v, l->name, ".skip_connection", pnb_shape4(l->out, l->in, 1, 1));
}

pnb_status pnb_adm_config_tensors(const pnb_adm_config *c, pnb_adm_visit visit, void *user) {
    visitor v = {visit, user};
    uint32_t emb = 4 * c->model_channels, last = c->channels[0];
    PNB_TRY(pair(&v, "time_embed.0", "", pnb_shape2(emb, c->model_channels)));
    PNB_TRY(pair(&v, "time_embed.2", "", pnb_shape2(emb, emb)));
    if (c->classes) PNB_TRY(visit(user, "label_emb.weight", pnb_shape2(c->classes, emb)));
    for (size_t i = 0; i < c->n_layers; i++) PNB_TRY(layer_tensors(&v, c, &c->layers[i]));
    PNB_TRY(pair(&v, "out.0", "", pnb_shape1(last)));
    return pair(&v, "out.2", "", pnb_shape4(c->out_channels, last, 3, 3));
}

static pnb_status count_elements(void *user, const char *name, pnb_shape shape) {
    (void)name;
    *(uint64_t *)user += pnb_shape_count(shape);
    return PNB_OK;
}

uint64_t pnb_adm_config_parameters(const pnb_adm_config *c) {
    uint64_t sum = 0;
    (void)pnb_adm_config_tensors(c, count_elements, &sum); /* count_elements does not fail */
    return sum;
}

/* ---- checking ---------------------------------------------------------------------------------------------------- */

typedef struct checker {
    pnb_error *err;
    const list *found;
    size_t matched;
    bool *seen;
} checker;

static pnb_status check_tensor(void *user, const char *name, pnb_shape shape) {
    checker *k = user;
    const pnb_tensor_info *t = find(k->found, name);
    if (!t) return pnb_fail(k->err, PNB_ERROR_MODEL, "adm: tensor '%s' is missing", name);
    bool same = t->rank == shape.rank;
    for (uint32_t i = 0; same && i < t->rank; i++) same = t->shape[i] == shape.d[i];
    if (!same) {
        char expected[64], text[128] = "[";
        for (uint32_t i = 0; i < t->rank; i++)
            snprintf(text + strlen(text), sizeof text - strlen(text), i ? ",%llu" : "%llu",
                     (unsigned long long)t->shape[i]);
        return pnb_fail(k->err, PNB_ERROR_MODEL, "adm: tensor '%s' should be %s, found %s]", name,
                        pnb_shape_text(shape, expected), text);
    }
    k->seen[t - k->found->tensors] = true;
    k->matched++;
    return PNB_OK;
}

static pnb_status check_tensors(pnb_error *err, const list *l, const pnb_adm_config *c) {
    checker k = {.err = err, .found = l, .seen = calloc(l->count, sizeof *k.seen)};
    if (!k.seen) return pnb_fail(err, PNB_ERROR_OUT_OF_MEMORY, "adm: no memory for %zu names", l->count);
    pnb_status status = pnb_adm_config_tensors(c, check_tensor, &k);
    for (size_t i = 0; status == PNB_OK && k.matched < l->count && i < l->count; i++)
        if (!k.seen[i])
            status = pnb_fail(err, PNB_ERROR_MODEL,
                              "adm: tensor '%s' has no place in this network (%zu of %zu tensors are unknown)",
                              l->tensors[i].name, l->count - k.matched, l->count);
    free(k.seen);
    return status;
}

/* Channels a head: not in the shapes. Published networks have 64; small ones here 32. */
static pnb_status settle_heads(pnb_error *err, pnb_adm_hints hints, pnb_adm_config *c) {
    c->new_order = hints.new_order;
    if (hints.head_channels > 0)
        c->head_channels = (uint32_t)hints.head_channels;
    else if (hints.heads > 0)
        c->heads = (uint32_t)hints.heads;
    else {
        c->head_channels = c->model_channels <= 32 ? 32 : 64;
        c->heads_assumed = true;
    }
    uint32_t divisor = c->head_channels ? c->head_channels : c->heads;
    for (uint32_t i = 0; i < c->levels; i++) {
        if (c->channels[i] % 32)
            return pnb_fail(err, PNB_ERROR_MODEL, "adm: level %u has %u channels, which 32 norm groups do not divide",
                            i, c->channels[i]);
        if ((c->attention[i] || i + 1 == c->levels) && c->channels[i] % divisor)
            return pnb_fail(
                err, PNB_ERROR_MODEL,
                "adm: %u channels cannot be split by %s %u: give num_heads or num_head_channels in the metadata",
                c->channels[i], c->head_channels ? "heads of width" : "a number of heads of", divisor);
    }
    return PNB_OK;
}

pnb_status pnb_adm_config_infer(pnb_error *err, const pnb_tensor_info *tensors, size_t count, pnb_adm_hints hints,
                                pnb_adm_config *out) {
    memset(out, 0, sizeof *out);
    list l = {tensors, count};
    pnb_status status = PNB_OK;
    uint32_t emb_rows = 0;
    PNB_TRY_GOTO(dimension(err, &l, "time_embed.0.weight", 2, 1, &out->model_channels));
    PNB_TRY_GOTO(dimension(err, &l, "input_blocks.0.0.weight", 4, 1, &out->in_channels));
    PNB_TRY_GOTO(dimension(err, &l, "out.2.weight", 4, 0, &out->out_channels));
    PNB_TRY_GOTO(infer_levels(err, &l, out));
    PNB_TRY_GOTO(dimension(err, &l, "input_blocks.1.0.emb_layers.1.weight", 2, 0, &emb_rows));
    out->scale_shift = emb_rows == 2 * out->channels[0];
    if (find(&l, "label_emb.weight")) PNB_TRY_GOTO(dimension(err, &l, "label_emb.weight", 2, 0, &out->classes));
    if (out->out_channels < out->in_channels)
        PNB_TRY_GOTO(pnb_fail(err, PNB_ERROR_MODEL,
                              "adm: %u output channels cannot predict the noise of %u input channels",
                              out->out_channels, out->in_channels));
    PNB_TRY_GOTO(settle_heads(err, hints, out));
    PNB_TRY_GOTO(pnb_adm_config_lay_out(err, out));
    PNB_TRY_GOTO(check_tensors(err, &l, out));
    return PNB_OK;
fail:
    pnb_adm_config_finish(out);
    return status;
}

void pnb_adm_config_finish(pnb_adm_config *c) {
    if (!c) return;
    free(c->layers);
    memset(c, 0, sizeof *c);
}

void pnb_adm_config_text(const pnb_adm_config *c, char *buf, size_t size) {
    char channels[96] = "", attention[96] = "", heads[64];
    for (uint32_t i = 0; i < c->levels; i++) {
        snprintf(channels + strlen(channels), sizeof channels - strlen(channels), i ? ",%u" : "%u", c->channels[i]);
        if (c->attention[i])
            snprintf(attention + strlen(attention), sizeof attention - strlen(attention), "1/%u, ", 1u << i);
    }
    snprintf(heads, sizeof heads, c->head_channels ? "%u channels a head%s" : "%u heads%s",
             c->head_channels ? c->head_channels : c->heads, c->heads_assumed ? " (assumed)" : "");
    snprintf(buf, size,
             "ADM U-Net: %u to %u channels, levels of %s channels, %u residual blocks each, attention at %smiddle, %s, "
             "%s order, %s time "
             "embedding, resampling by %s%s",
             c->in_channels, c->out_channels, channels, c->res_blocks, attention, heads,
             c->new_order ? "new" : "legacy", c->scale_shift ? "scale-shift" : "additive",
             c->resblock_updown ? "residual blocks"
             : c->conv_resample ? "convolutions"
                                : "pooling",
             c->classes ? ", class labels" : "");
}

/* From the tensors of a checkpoint to the structure of an ADM U-Net (Dhariwal and Nichol 2021; names as published). */
#include "prior/internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- reading the structure off the names ------------------------------------------------------------------------- */

static uint32_t blocks_of(pnb_tensor_list l, const char *prefix) {
    uint32_t highest = 0;
    size_t length = strlen(prefix);
    for (size_t i = 0; i < l.count; i++) {
        const char *name = l.tensors[i].name;
        if (strncmp(name, prefix, length) != 0 || name[length] < '0' || name[length] > '9') continue;
        unsigned long index = strtoul(name + length, NULL, 10);
        if (index < 1000 && index + 1 > highest) highest = (uint32_t)index + 1;
    }
    return highest;
}

/* Residual blocks a level, and how the image is halved: a strided convolution (its own names), a residual block (seen
 * on the way up, where it is a second one in its block), or pooling (a gap in the numbers). */
static void infer_resampling(pnb_tensor_list l, uint32_t n, pnb_adm_config *c) {
    c->conv_resample = true;
    c->res_blocks = n - 1;
    for (uint32_t i = 1; i < n; i++) {
        bool conv = pnb_tensor_exists(l, "input_blocks.%u.0.op.weight", i);
        bool gap = !conv && !pnb_tensor_exists(l, "input_blocks.%u.0.in_layers.0.weight", i);
        if (!conv && !gap) continue;
        c->conv_resample = conv;
        c->res_blocks = i - 1;
        return;
    }
    for (uint32_t i = 0; i < n; i++)
        if (pnb_tensor_exists(l, "output_blocks.%u.1.in_layers.0.weight", i) ||
            pnb_tensor_exists(l, "output_blocks.%u.2.in_layers.0.weight", i)) {
            c->resblock_updown = true;
            c->res_blocks = i;
            return;
        }
}

static pnb_status infer_levels(pnb_error *err, pnb_tensor_list l, pnb_adm_config *c) {
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
        char name[PNB_UNET_NAME_SIZE];
        snprintf(name, sizeof name, "input_blocks.%u.0.out_layers.3.weight", 1 + i * per_level);
        PNB_TRY(pnb_tensor_dimension(err, l, name, 4, 0, &c->channels[i]));
        c->attention[i] = pnb_tensor_exists(l, "input_blocks.%u.1.qkv.weight", 1 + i * per_level);
    }
    return PNB_OK;
}

/* ---- the layers -------------------------------------------------------------------------------------------------- */

static const pnb_unet_names names = {.time = {"time_embed.0", "time_embed.2"},
                                     .label = "label_emb",
                                     .res_norm = {"in_layers.0", "out_layers.0"},
                                     .res_conv = {"in_layers.2", "out_layers.3"},
                                     .res_time = "emb_layers.1",
                                     .res_skip = "skip_connection",
                                     .attention_norm = "norm",
                                     .qkv = {"qkv"},
                                     .proj = "proj_out",
                                     .attention_rank = 3};

static void append_attention(pnb_adm_config *c, const char *block, uint32_t index, uint32_t channels) {
    pnb_unet_layer *layer = pnb_unet_append(&c->unet, PNB_UNET_ATTENTION, channels, channels, "%s.%u.1", block, index);
    layer->heads = c->head_channels ? channels / c->head_channels : c->heads;
}

static void append_resample(pnb_adm_config *c, const char *block, uint32_t index, uint32_t place, uint32_t channels,
                            int32_t direction) {
    pnb_unet *u = &c->unet;
    if (c->resblock_updown) {
        pnb_unet_append(u, PNB_UNET_RES, channels, channels, "%s.%u.%u", block, index, place)->resample = direction;
        return;
    }
    pnb_unet_kind kind = direction < 0 ? PNB_UNET_DOWN : PNB_UNET_UP;
    if (c->conv_resample)
        pnb_unet_append(u, kind, channels, channels, "%s.%u.%u.%s", block, index, place, direction < 0 ? "op" : "conv");
    else
        pnb_unet_append(u, kind, channels, channels, "%s", "");
}

static void switches(pnb_adm_config *c) {
    pnb_unet *u = &c->unet;
    *u = (pnb_unet){.names = &names,
                    .in_channels = c->in_channels,
                    .out_channels = c->out_channels,
                    .levels = c->levels,
                    .classes = c->classes,
                    .time_channels = c->model_channels,
                    .embedding = 4 * c->model_channels,
                    .groups = 32,
                    .norm_eps = 1e-5f,
                    .scale_shift = c->scale_shift,
                    .residual_scale = 1,
                    .order = c->new_order ? PNB_QKV_NEW : PNB_QKV_LEGACY};
    strcpy(u->out_norm, "out.0");
    strcpy(u->out_conv, "out.2");
}

pnb_status pnb_adm_config_lay_out(pnb_error *err, pnb_adm_config *c) {
    pnb_unet *u = &c->unet;
    uint32_t n = 0, ch = c->channels[0];
    char name[PNB_UNET_NAME_SIZE];
    switches(c);
    pnb_unet_append(u, PNB_UNET_CONV, c->in_channels, ch, "input_blocks.%u.0", n++);
    pnb_unet_push(u);
    for (uint32_t i = 0; i < c->levels; i++) {
        for (uint32_t j = 0; j < c->res_blocks; j++, n++) {
            pnb_unet_append(u, PNB_UNET_RES, ch, c->channels[i], "input_blocks.%u.0", n);
            ch = c->channels[i];
            if (c->attention[i]) append_attention(c, "input_blocks", n, ch);
            pnb_unet_push(u);
        }
        if (i + 1 == c->levels) break;
        append_resample(c, "input_blocks", n++, 0, ch, -1);
        pnb_unet_push(u);
    }
    pnb_unet_append(u, PNB_UNET_RES, ch, ch, "middle_block.0");
    pnb_unet_append(u, PNB_UNET_ATTENTION, ch, ch, "middle_block.1")->heads =
        c->head_channels ? ch / c->head_channels : c->heads;
    pnb_unet_append(u, PNB_UNET_RES, ch, ch, "middle_block.2");
    n = 0;
    for (uint32_t i = c->levels; i-- > 0;)
        for (uint32_t j = 0; j <= c->res_blocks; j++, n++) {
            snprintf(name, sizeof name, "output_blocks.%u.0", n);
            pnb_unet_append_block(u, name, ch, c->channels[i], 0, true);
            ch = c->channels[i];
            if (c->attention[i]) append_attention(c, "output_blocks", n, ch);
            if (i && j == c->res_blocks) append_resample(c, "output_blocks", n, c->attention[i] ? 2 : 1, ch, 1);
        }
    return pnb_unet_settle(err, u);
}

/* ---- checking ---------------------------------------------------------------------------------------------------- */

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
    pnb_tensor_list l = {tensors, count};
    pnb_status status = PNB_OK;
    uint32_t emb_rows = 0;
    PNB_TRY_GOTO(pnb_tensor_dimension(err, l, "time_embed.0.weight", 2, 1, &out->model_channels));
    PNB_TRY_GOTO(pnb_tensor_dimension(err, l, "input_blocks.0.0.weight", 4, 1, &out->in_channels));
    PNB_TRY_GOTO(pnb_tensor_dimension(err, l, "out.2.weight", 4, 0, &out->out_channels));
    PNB_TRY_GOTO(infer_levels(err, l, out));
    PNB_TRY_GOTO(pnb_tensor_dimension(err, l, "input_blocks.1.0.emb_layers.1.weight", 2, 0, &emb_rows));
    out->scale_shift = emb_rows == 2 * out->channels[0];
    if (pnb_tensor_find(l, "label_emb.weight"))
        PNB_TRY_GOTO(pnb_tensor_dimension(err, l, "label_emb.weight", 2, 0, &out->classes));
    if (out->out_channels < out->in_channels)
        PNB_TRY_GOTO(pnb_fail(err, PNB_ERROR_MODEL,
                              "adm: %u output channels cannot predict the noise of %u input channels",
                              out->out_channels, out->in_channels));
    PNB_TRY_GOTO(settle_heads(err, hints, out));
    PNB_TRY_GOTO(pnb_adm_config_lay_out(err, out));
    PNB_TRY_GOTO(pnb_unet_check(err, l, &out->unet));
    return PNB_OK;
fail:
    pnb_adm_config_finish(out);
    return status;
}

void pnb_adm_config_finish(pnb_adm_config *c) {
    if (!c) return;
    pnb_unet_finish(&c->unet);
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

/* ---- a prior of it ----------------------------------------------------------------------------------------------- */

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

static pnb_status read(pnb_prior *p, const pnb_unet_source *s) {
    pnb_adm_config c;
    pnb_adm_hints hints = {
        .head_channels = pnb_load_hint(s->file, s->config, "num_head_channels", 0),
        .heads = pnb_load_hint(s->file, s->config, "num_heads", 0),
        .new_order = pnb_load_hint(s->file, s->config, "use_new_attention_order", 0) == 1,
    };
    const char *precondition;
    int32_t size =
        pnb_load_hint(s->file, s->config, "image_size", pnb_load_hint(s->file, s->config, "img_resolution", 0));
    p->size_hint = size > 0 ? (uint32_t)size : size_from_text(pnb_tensor_file_metadata(s->file, "data"));
    p->architecture = pnb_adm_reader.name;
    PNB_TRY(pnb_load_precondition(p, s, "none", &precondition));
    PNB_TRY(pnb_adm_config_infer(p->err, s->tensors.tensors, s->tensors.count, hints, &c));
    p->unet = c.unet; /* owned by the prior from here */
    pnb_adm_config_text(&c, p->describe, sizeof p->describe);
    if (strcmp(precondition, "none") != 0) {
        size_t used = strlen(p->describe);
        snprintf(p->describe + used, sizeof p->describe - used, ", %s preconditioning", precondition);
    }
    return PNB_OK;
}

const pnb_unet_reader pnb_adm_reader = {.name = "adm", .mark = "input_blocks.0.0.weight", .read = read};

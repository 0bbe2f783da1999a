/* U-Nets of the EDM code base (Karras et al. 2022, arXiv 2206.00364), which InverseBench's black-hole prior is of too:
 * SongUNet in its DDPM++ form, and DhariwalUNet (ADM). The names tell the structure, layer by layer.
 *
 * Which preconditioning it was trained in does not show: the word "precond" of the metadata or of config.json says it;
 * without one SongUNet is taken for a VP network, as InverseBench's is, and DhariwalUNet for an EDM one. */
#include "prior/edm_config.h"
#include "prior/internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_SIDE = 65536 };

static const pnb_unet_names names = {.time = {"map_layer0", "map_layer1"},
                                     .label = "map_label",
                                     .res_norm = {"norm0", "norm1"},
                                     .res_conv = {"conv0", "conv1"},
                                     .res_time = "affine",
                                     .res_skip = "skip",
                                     .attention_norm = "norm2",
                                     .qkv = {"qkv"},
                                     .proj = "proj",
                                     .attention_rank = 4};

/* A network while its names are read. */
typedef struct reading {
    pnb_error *err;
    pnb_tensor_list list;
    pnb_edm_config *c;
    pnb_unet *u;         /* that of c */
    uint32_t head_width; /* channels a head; 0: one head */
    uint32_t channels;   /* after the last layer */
} reading;

/* ---- what is no parameter -----------------------------------------------------------------------------------------
 */

static bool ends_with(const char *name, const char *end) {
    size_t n = strlen(name), m = strlen(end);
    return n >= m && strcmp(name + n - m, end) == 0;
}

/* The list without buffers and without what only training uses. */
static pnb_status drop_buffers(pnb_error *err, pnb_tensor_list list, pnb_tensor_info *kept, size_t *count) {
    *count = 0;
    for (size_t i = 0; i < list.count; i++) {
        const pnb_tensor_info *t = &list.tensors[i];
        if (ends_with(t->name, ".resample_filter")) {
            if (t->rank != 4 || t->shape[2] != 2 || t->shape[3] != 2)
                return pnb_fail(err, PNB_ERROR_MODEL, "network: '%s' is no 2x2 filter, and only [1,1] is known here",
                                t->name);
        } else if (strncmp(t->name, "map_noise.", 10) == 0) {
            return pnb_fail(err, PNB_ERROR_MODEL,
                            "network: it has '%s', so its time embedding is a Fourier one (NCSN++), which is not known "
                            "here",
                            t->name);
        } else if (strncmp(t->name, "map_augment.", 12) != 0) {
            kept[(*count)++] = *t;
        }
    }
    return PNB_OK;
}

/* ---- layers ---------------------------------------------------------------------------------------------------------
 */

/* A residual block, with the attention that its names have. */
static pnb_status block(reading *r, const char *name, int32_t resample, bool pop) {
    char weight[PNB_UNET_NAME_SIZE];
    uint32_t out;
    snprintf(weight, sizeof weight, "%.40s.conv0.weight", name);
    PNB_TRY(pnb_tensor_dimension(r->err, r->list, weight, 4, 0, &out));
    pnb_unet_append_block(r->u, name, r->channels, out, resample, pop);
    r->channels = out;
    if (!pnb_tensor_exists(r->list, "%s.qkv.weight", name)) return PNB_OK;
    pnb_unet_append(r->u, PNB_UNET_ATTENTION, out, out, "%s", name)->heads = r->head_width ? out / r->head_width : 1;
    return PNB_OK;
}

/* Residual blocks 0, 1, ... of a level. */
static pnb_status blocks(reading *r, const char *part, uint32_t side, bool down) {
    char name[PNB_UNET_NAME_SIZE];
    for (uint32_t i = 0;; i++) {
        snprintf(name, sizeof name, "%s.%ux%u_block%u", part, side, side, i);
        if (!pnb_tensor_exists(r->list, "%s.norm0.weight", name)) return PNB_OK;
        PNB_TRY(block(r, name, 0, !down));
        if (down) pnb_unet_push(r->u);
    }
}

static pnb_status encoder(reading *r) {
    char name[PNB_UNET_NAME_SIZE];
    pnb_unet_append(r->u, PNB_UNET_CONV, r->u->in_channels, r->channels, "enc.%ux%u_conv", r->c->side, r->c->side);
    pnb_unet_push(r->u);
    for (uint32_t level = 0;; level++) {
        uint32_t side = r->c->side >> level;
        if (level) {
            snprintf(name, sizeof name, "enc.%ux%u_down", side, side);
            if (!side || !pnb_tensor_exists(r->list, "%s.norm0.weight", name)) return PNB_OK;
            PNB_TRY(block(r, name, -1, false));
            pnb_unet_push(r->u);
        }
        PNB_TRY(blocks(r, "enc", side, true));
        r->u->levels = level + 1;
    }
}

static pnb_status decoder(reading *r) {
    char name[PNB_UNET_NAME_SIZE];
    for (uint32_t level = r->u->levels; level-- > 0;) {
        uint32_t side = r->c->side >> level;
        if (level + 1 < r->u->levels) {
            snprintf(name, sizeof name, "dec.%ux%u_up", side, side);
            PNB_TRY(block(r, name, 1, false));
        } else {
            for (uint32_t i = 0; i < 2; i++) {
                snprintf(name, sizeof name, "dec.%ux%u_in%u", side, side, i);
                PNB_TRY(block(r, name, 0, false));
            }
        }
        PNB_TRY(blocks(r, "dec", side, false));
    }
    return PNB_OK;
}

/* ---- the network ----------------------------------------------------------------------------------------------------
 */

/* The image's side, from "enc.64x64_conv.weight"; 0: there is none. */
static uint32_t side_of(pnb_tensor_list list) {
    for (size_t i = 0; i < list.count; i++) {
        unsigned a, b;
        if (sscanf(list.tensors[i].name, "enc.%5ux%5u_conv.weight", &a, &b) == 2 && a == b && a > 0 && a <= MAX_SIDE &&
            ends_with(list.tensors[i].name, "_conv.weight"))
            return a;
    }
    return 0;
}

static pnb_status dimensions(reading *r) {
    pnb_unet *u = r->u;
    char name[PNB_UNET_NAME_SIZE];
    snprintf(name, sizeof name, "enc.%ux%u_conv.weight", r->c->side, r->c->side);
    PNB_TRY(pnb_tensor_dimension(r->err, r->list, "map_layer0.weight", 2, 1, &u->time_channels));
    PNB_TRY(pnb_tensor_dimension(r->err, r->list, "map_layer0.weight", 2, 0, &u->embedding));
    PNB_TRY(pnb_tensor_dimension(r->err, r->list, name, 4, 1, &u->in_channels));
    PNB_TRY(pnb_tensor_dimension(r->err, r->list, name, 4, 0, &r->channels));
    if (pnb_tensor_find(r->list, "map_label.weight"))
        PNB_TRY(pnb_tensor_dimension(r->err, r->list, "map_label.weight", 2, 1, &u->classes));
    if (r->c->song) {
        snprintf(u->out_norm, sizeof u->out_norm, "dec.%ux%u_aux_norm", r->c->side, r->c->side);
        snprintf(u->out_conv, sizeof u->out_conv, "dec.%ux%u_aux_conv", r->c->side, r->c->side);
    } else {
        strcpy(u->out_norm, "out_norm");
        strcpy(u->out_conv, "out_conv");
    }
    snprintf(name, sizeof name, "%.40s.weight", u->out_conv);
    PNB_TRY(pnb_tensor_dimension(r->err, r->list, name, 4, 0, &u->out_channels));
    if (u->out_channels < u->in_channels)
        return pnb_fail(r->err, PNB_ERROR_MODEL, "network: %u output channels cannot describe %u input channels",
                        u->out_channels, u->in_channels);
    return PNB_OK;
}

static pnb_unet switches(bool song) {
    pnb_unet u = {.names = &names, .groups = 32, .group_least = 4, .order = PNB_QKV_INTERLEAVED};
    u.sin_first = u.endpoint = u.skip_on_resample = song;
    u.scale_shift = !song;
    u.norm_eps = song ? 1e-6f : 1e-5f;
    u.residual_scale = song ? 0.70710678f : 1;
    u.label = song ? PNB_LABEL_NOISE : PNB_LABEL_LINEAR;
    return u;
}

static pnb_status infer(reading *r) {
    r->c->side = side_of(r->list);
    r->c->song = !pnb_tensor_find(r->list, "out_conv.weight");
    if (!r->c->side)
        return pnb_fail(r->err, PNB_ERROR_MODEL, "network: there is no 'enc.<side>x<side>_conv.weight', as it should");
    if (r->c->song) r->head_width = 0;
    *r->u = switches(r->c->song);
    PNB_TRY(dimensions(r));
    PNB_TRY(encoder(r));
    PNB_TRY(decoder(r));
    PNB_TRY(pnb_unet_settle(r->err, r->u));
    return pnb_unet_check(r->err, r->list, r->u);
}

pnb_status pnb_edm_config_infer(pnb_error *err, pnb_tensor_list tensors, uint32_t head_width, pnb_edm_config *out) {
    memset(out, 0, sizeof *out);
    pnb_tensor_info *kept = malloc((tensors.count + 1) * sizeof *kept);
    if (!kept) return pnb_fail(err, PNB_ERROR_OUT_OF_MEMORY, "network: no memory for its names");
    reading r = {.err = err, .list = {.tensors = kept}, .c = out, .u = &out->unet, .head_width = head_width};
    pnb_status status = drop_buffers(err, tensors, kept, &r.list.count);
    if (status == PNB_OK) status = infer(&r);
    free(kept);
    if (status != PNB_OK) pnb_edm_config_finish(out);
    return status;
}

void pnb_edm_config_finish(pnb_edm_config *c) {
    if (!c) return;
    pnb_unet_finish(&c->unet);
    memset(c, 0, sizeof *c);
}

/* ---- a prior of it --------------------------------------------------------------------------------------------------
 */

static pnb_status read(pnb_prior *p, const pnb_unet_source *s) {
    pnb_edm_config c;
    const char *precondition;
    char levels[PNB_UNET_TEXT_SIZE], attention[PNB_UNET_TEXT_SIZE];
    bool given = pnb_load_word(s->file, s->config, "precond") != NULL;
    int32_t head_width = pnb_load_hint(s->file, s->config, "channels_per_head", 64);
    PNB_TRY(pnb_edm_config_infer(p->err, s->tensors, head_width > 0 ? (uint32_t)head_width : 64, &c));
    p->unet = c.unet; /* owned by the prior from here */
    p->architecture = c.song ? "songunet" : "dhariwal";
    p->size_hint = c.side;
    PNB_TRY(pnb_load_precondition(p, s, c.song ? "vp" : "edm", &precondition));
    pnb_unet_text(&p->unet, levels, attention);
    snprintf(p->describe, sizeof p->describe,
             "%s, %s preconditioning%s: %u to %u channels, levels of %s channels, attention at %smiddle, %s time "
             "embedding%s",
             c.song ? "SongUNet (DDPM++)" : "DhariwalUNet (ADM)", precondition, given ? "" : " (assumed)",
             p->unet.in_channels, p->unet.out_channels, levels, attention, c.song ? "additive" : "scale-shift",
             p->unet.classes ? ", class labels" : "");
    return PNB_OK;
}

const pnb_unet_reader pnb_edm_reader = {.name = "edm", .mark = "map_layer0.weight", .read = read};

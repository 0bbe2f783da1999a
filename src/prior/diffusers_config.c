/* diffusers' UNet2DModel: config.json says the structure, the tensors are checked against it. Of the family are the
 * google/ddpm priors (strided convolutions, additive time) and conversions of ADM (residual blocks that resample).
 *
 * Names and defaults are those of UNet2DModel's constructor; its linear q, k and v are three layers whose heads lie
 * back to back. */
#include "prior/diffusers_config.h"

#include "base/file.h"
#include "io/json.h"
#include "prior/internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_BLOCKS = 12, MOST_CHANNELS = 65536 };

#define NAMES(q, k, v, out)                                                                                            \
    {                                                                                                                  \
        .time = {"time_embedding.linear_1", "time_embedding.linear_2"}, .label = "class_embedding",                    \
        .res_norm = {"norm1", "norm2"}, .res_conv = {"conv1", "conv2"}, .res_time = "time_emb_proj",                   \
        .res_skip = "conv_shortcut", .attention_norm = "group_norm", .qkv = {q, k, v}, .proj = out,                    \
        .attention_rank = 2                                                                                            \
    }
/* Since 2023, and before. */
static const pnb_unet_names names = NAMES("to_q", "to_k", "to_v", "to_out.0"),
                            old_names = NAMES("query", "key", "value", "proj_attn");

/* A block of one resolution, on the way down or up. */
typedef struct block_type {
    const char *name; /* of diffusers */
    bool attention;   /* after each residual block */
    bool residual;    /* its image is resampled by a residual block; else by a convolution */
} block_type;
static const block_type down_types[] = {{"DownBlock2D", false, false},
                                        {"AttnDownBlock2D", true, false},
                                        {"ResnetDownsampleBlock2D", false, true},
                                        {"AttnDownsampleBlock2D", true, true}},
                        up_types[] = {{"UpBlock2D", false, false},
                                      {"AttnUpBlock2D", true, false},
                                      {"ResnetUpsampleBlock2D", false, true},
                                      {"AttnUpsampleBlock2D", true, true}};
enum { TYPES = sizeof down_types / sizeof *down_types };

/* A network while its configuration is read. */
typedef struct reading {
    pnb_error *err;
    pnb_tensor_list list;
    pnb_json config;
    pnb_diffusers_config *c;
    pnb_unet *u;                         /* that of c */
    uint32_t blocks, layers, head_width; /* head_width 0: one head */
    uint32_t channels[MOST_BLOCKS];
    block_type down[MOST_BLOCKS], up[MOST_BLOCKS];
    bool middle_attention;
} reading;

static pnb_status refuse(reading *r, const char *key, const char *known) {
    pnb_json value = pnb_json_get(&r->config, key);
    return pnb_json_expected(&value, known);
}

/* ---- the configuration ------------------------------------------------------------------------------------------- */

static pnb_status read_whole(reading *r, const char *key, int64_t fallback, int64_t least, uint32_t *out) {
    int64_t value;
    PNB_TRY(pnb_json_int(&r->config, key, fallback, least, MOST_CHANNELS, &value));
    *out = (uint32_t)value;
    return PNB_OK;
}

static pnb_status read_channels(reading *r) {
    pnb_json list = pnb_json_get(&r->config, "block_out_channels");
    int n = cJSON_GetArraySize(list.value);
    if (!cJSON_IsArray(list.value) || n < 1 || n > MOST_BLOCKS)
        return pnb_json_expected(&list, "the channels of 1 to 12 resolutions");
    r->blocks = (uint32_t)n;
    for (uint32_t i = 0; i < r->blocks; i++) {
        pnb_json item = pnb_json_item(&list, i);
        if (!cJSON_IsNumber(item.value) || item.value->valuedouble < 1 || item.value->valuedouble > MOST_CHANNELS)
            return pnb_json_expected(&item, "a number of channels");
        r->channels[i] = (uint32_t)item.value->valuedouble;
    }
    return PNB_OK;
}

/* residual: what down- or upsample_type says of blocks with attention. */
static pnb_status read_types(reading *r, const char *key, const block_type *types, bool residual, block_type *out) {
    pnb_json list = pnb_json_get(&r->config, key);
    if (!cJSON_IsArray(list.value) || (uint32_t)cJSON_GetArraySize(list.value) != r->blocks)
        return pnb_json_expected(&list, "a type for each of block_out_channels");
    for (uint32_t i = 0; i < r->blocks; i++) {
        pnb_json item = pnb_json_item(&list, i);
        const char *word = cJSON_GetStringValue(item.value);
        int k = 0;
        while (k < TYPES && (!word || strcmp(word, types[k].name) != 0)) k++;
        if (k == TYPES)
            return pnb_json_expected(&item, "a block of residual layers, plain, with attention (Attn...) or resampling "
                                            "ones (Resnet...)");
        out[i] = types[k];
        if (residual && out[i].attention) out[i].residual = true;
    }
    return PNB_OK;
}

static pnb_status read_blocks(reading *r) {
    static const char *const resampling[] = {"conv", "resnet", NULL};
    int down, up;
    PNB_TRY(read_channels(r));
    PNB_TRY(pnb_json_choice(&r->config, "downsample_type", 0, resampling, &down));
    PNB_TRY(pnb_json_choice(&r->config, "upsample_type", 0, resampling, &up));
    PNB_TRY(read_types(r, "down_block_types", down_types, down == 1, r->down));
    PNB_TRY(read_types(r, "up_block_types", up_types, up == 1, r->up));
    PNB_TRY(read_whole(r, "layers_per_block", 2, 1, &r->layers));
    return pnb_json_bool(&r->config, "add_attention", true, &r->middle_attention);
}

/* Null has a meaning of its own in three keys, where a missing one takes the default. */
static bool is_null(const reading *r, const char *key) {
    return cJSON_IsNull(cJSON_GetObjectItemCaseSensitive(r->config.value, key));
}

static pnb_status read_norms(reading *r) {
    static const char *const shifts[] = {"default", "scale_shift", NULL};
    double eps;
    int shift;
    PNB_TRY(pnb_json_choice(&r->config, "resnet_time_scale_shift", 0, shifts, &shift));
    PNB_TRY(pnb_json_real(&r->config, "norm_eps", 1e-5, 0, 1, &eps));
    PNB_TRY(read_whole(r, "norm_num_groups", 32, 1, &r->u->groups));
    PNB_TRY(read_whole(r, "attention_head_dim", 8, 1, &r->head_width));
    if (is_null(r, "attention_head_dim")) r->head_width = 0;
    if (is_null(r, "norm_num_groups")) r->u->group_least = 4;
    r->u->norm_eps = (float)eps;
    r->u->scale_shift = shift == 1;
    return pnb_json_get(&r->config, "attn_norm_num_groups").value
               ? refuse(r, "attn_norm_num_groups", "none: attention has the groups of the other norms here")
               : PNB_OK;
}

static pnb_status read_time(reading *r) {
    static const char *const embeddings[] = {"positional", NULL};
    bool cosine_first;
    int64_t shift, padding;
    int unused;
    PNB_TRY(pnb_json_choice(&r->config, "time_embedding_type", 0, embeddings, &unused));
    PNB_TRY(pnb_json_bool(&r->config, "flip_sin_to_cos", true, &cosine_first));
    PNB_TRY(pnb_json_int(&r->config, "freq_shift", 0, 0, 1, &shift));
    PNB_TRY(pnb_json_int(&r->config, "downsample_padding", 1, 0, 1, &padding));
    PNB_TRY(pnb_json_bool(&r->config, "center_input_sample", false, &r->u->centre));
    r->u->sin_first = !cosine_first;
    r->u->endpoint = shift == 1;
    r->u->pad_after = padding == 0;
    return PNB_OK;
}

/* What would make it another network. */
static pnb_status check_rest(reading *r) {
    static const char *const activations[] = {"silu", "swish", NULL}, *const models[] = {"UNet2DModel", NULL},
                             *const middles[] = {"UNetMidBlock2D", NULL};
    double scale;
    int unused;
    PNB_TRY(pnb_json_choice(&r->config, "_class_name", 0, models, &unused));
    PNB_TRY(pnb_json_choice(&r->config, "act_fn", 0, activations, &unused));
    PNB_TRY(pnb_json_choice(&r->config, "mid_block_type", 0, middles, &unused));
    PNB_TRY(pnb_json_real(&r->config, "mid_block_scale_factor", 1, 1, 1, &scale));
    return pnb_json_get(&r->config, "class_embed_type").value
               ? refuse(r, "class_embed_type", "none: classes have an embedding of their own here")
               : PNB_OK;
}

static pnb_status read_size(reading *r) {
    pnb_json size = pnb_json_get(&r->config, "sample_size");
    const cJSON *value = cJSON_IsArray(size.value) ? size.value->child : size.value;
    double side = cJSON_IsNumber(value) ? value->valuedouble : 0;
    r->c->side = side >= 1 && side <= MOST_CHANNELS ? (uint32_t)side : 0;
    return PNB_OK;
}

static pnb_status read_config(reading *r) {
    pnb_unet *u = r->u;
    PNB_TRY(check_rest(r));
    PNB_TRY(read_blocks(r));
    PNB_TRY(read_norms(r));
    PNB_TRY(read_time(r));
    PNB_TRY(read_size(r));
    PNB_TRY(read_whole(r, "in_channels", 3, 1, &u->in_channels));
    PNB_TRY(read_whole(r, "out_channels", 3, 1, &u->out_channels));
    PNB_TRY(read_whole(r, "num_class_embeds", 0, 0, &u->classes));
    if (u->out_channels < u->in_channels) return refuse(r, "out_channels", "at least as many as in_channels");
    u->levels = r->blocks;
    u->time_channels = r->channels[0];
    u->embedding = 4 * r->channels[0];
    strcpy(u->out_norm, "conv_norm_out");
    strcpy(u->out_conv, "conv_out");
    return PNB_OK;
}

/* ---- the layers -------------------------------------------------------------------------------------------------- */

static void append_attention(reading *r, uint32_t channels, const char *name) {
    pnb_unet_layer *l = pnb_unet_append(r->u, PNB_UNET_ATTENTION, channels, channels, "%s", name);
    l->heads = r->head_width ? channels / r->head_width : 1;
    l->bare = !pnb_tensor_exists(r->list, "%s.group_norm.weight", name);
}

/* Residual block j of block i, with its attention. */
static void append_layer(reading *r, const char *part, uint32_t i, uint32_t j, uint32_t in, bool up) {
    const block_type *type = up ? &r->up[i] : &r->down[i];
    uint32_t out = r->channels[up ? r->blocks - 1 - i : i];
    char name[PNB_UNET_NAME_SIZE];
    snprintf(name, sizeof name, "%s.%u.resnets.%u", part, i, j);
    pnb_unet_append_block(r->u, name, in, out, 0, up);
    snprintf(name, sizeof name, "%s.%u.attentions.%u", part, i, j);
    if (type->attention) append_attention(r, out, name);
}

static void append_resampling(reading *r, const char *name, uint32_t channels, bool residual, bool up) {
    if (residual)
        pnb_unet_append_block(r->u, name, channels, channels, up ? 1 : -1, false);
    else
        pnb_unet_append(r->u, up ? PNB_UNET_UP : PNB_UNET_DOWN, channels, channels, "%s.conv", name);
}

static uint32_t append_down(reading *r) {
    char name[PNB_UNET_NAME_SIZE];
    uint32_t ch = r->channels[0];
    pnb_unet_append(r->u, PNB_UNET_CONV, r->u->in_channels, ch, "conv_in");
    pnb_unet_push(r->u);
    for (uint32_t i = 0; i < r->blocks; i++) {
        for (uint32_t j = 0; j < r->layers; j++, ch = r->channels[i]) {
            append_layer(r, "down_blocks", i, j, ch, false);
            pnb_unet_push(r->u);
        }
        if (i + 1 == r->blocks) break;
        snprintf(name, sizeof name, "down_blocks.%u.downsamplers.0", i);
        append_resampling(r, name, ch, r->down[i].residual, false);
        pnb_unet_push(r->u);
    }
    return ch;
}

static void append_up(reading *r, uint32_t ch) {
    char name[PNB_UNET_NAME_SIZE];
    for (uint32_t i = 0; i < r->blocks; i++) {
        for (uint32_t j = 0; j <= r->layers; j++, ch = r->channels[r->blocks - 1 - i])
            append_layer(r, "up_blocks", i, j, ch, true);
        snprintf(name, sizeof name, "up_blocks.%u.upsamplers.0", i);
        if (i + 1 < r->blocks) append_resampling(r, name, ch, r->up[i].residual, true);
    }
}

static pnb_status infer(reading *r) {
    bool old = false;
    for (size_t i = 0; i < r->list.count && !old; i++) old = strstr(r->list.tensors[i].name, ".query.weight") != NULL;
    *r->u = (pnb_unet){.names = old ? &old_names : &names, .residual_scale = 1, .order = PNB_QKV_NEW};
    PNB_TRY(read_config(r));
    uint32_t ch = append_down(r);
    pnb_unet_append_block(r->u, "mid_block.resnets.0", ch, ch, 0, false);
    if (r->middle_attention) append_attention(r, ch, "mid_block.attentions.0");
    pnb_unet_append_block(r->u, "mid_block.resnets.1", ch, ch, 0, false);
    append_up(r, ch);
    PNB_TRY(pnb_unet_settle(r->err, r->u));
    return pnb_unet_check(r->err, r->list, r->u);
}

pnb_status pnb_diffusers_config_infer(pnb_error *err, pnb_tensor_list tensors, const cJSON *config,
                                      pnb_diffusers_config *out) {
    memset(out, 0, sizeof *out);
    reading r = {
        .err = err, .list = tensors, .config = pnb_json_root(err, "config.json", config), .c = out, .u = &out->unet};
    pnb_status status = infer(&r);
    if (status == PNB_OK) return PNB_OK;
    pnb_diffusers_config_finish(out);
    if (status == PNB_ERROR_INPUT) status = PNB_ERROR_MODEL; /* the getters' documents are problems elsewhere */
    if (err) err->status = status;
    return status;
}

void pnb_diffusers_config_finish(pnb_diffusers_config *c) {
    if (!c) return;
    pnb_unet_finish(&c->unet);
    memset(c, 0, sizeof *c);
}

/* ---- a prior of it ----------------------------------------------------------------------------------------------- */

/* scheduler_config.json beside the model, or in a pipeline's folder of its own; NULL: there is none. */
static cJSON *scheduler_beside(const char *path) {
    static const char *const places[] = {"scheduler_config.json", "../scheduler/scheduler_config.json"};
    cJSON *json = NULL;
    char *folder = pnb_path_folder(path);
    for (int i = 0; i < 2 && folder && !json; i++) {
        char *name = pnb_path_join(folder, places[i]);
        if (name && pnb_file_exists(name) && pnb_json_load(NULL, name, &json) != PNB_OK) json = NULL;
        free(name);
    }
    free(folder);
    return json;
}

/* The noise that it was trained with: linear from 1e-4 to 0.02 or cosine, and the network predicts it. */
static pnb_status read_scheduler(pnb_prior *p, const cJSON *json) {
    static const char *const schedules[] = {"linear", "squaredcos_cap_v2", NULL}, *const predictions[] = {"epsilon",
                                                                                                          NULL};
    pnb_json config = pnb_json_root(p->err, "scheduler_config.json", json);
    int schedule, unused;
    int64_t steps;
    double beta;
    PNB_TRY(pnb_json_choice(&config, "prediction_type", 0, predictions, &unused));
    PNB_TRY(pnb_json_choice(&config, "beta_schedule", 0, schedules, &schedule));
    PNB_TRY(pnb_json_int(&config, "num_train_timesteps", 1000, 2, 100000, &steps));
    if (schedule == 0) {
        PNB_TRY(pnb_json_real(&config, "beta_start", 1e-4, 0.99e-4, 1.01e-4, &beta));
        PNB_TRY(pnb_json_real(&config, "beta_end", 0.02, 0.0199, 0.0201, &beta));
    }
    pnb_schedule_finish(&p->schedule);
    return pnb_schedule_init(p->err, schedule ? PNB_SCHEDULE_COSINE : PNB_SCHEDULE_LINEAR, (uint32_t)steps,
                             &p->schedule);
}

static pnb_status schedule_of(pnb_prior *p, const pnb_unet_source *s) {
    if (pnb_tensor_file_metadata(s->file, "schedule")) return PNB_OK; /* the loader has taken it */
    cJSON *json = scheduler_beside(pnb_tensor_file_path(s->file));
    pnb_status status = json ? read_scheduler(p, json) : PNB_OK;
    cJSON_Delete(json);
    if (status == PNB_ERROR_INPUT) p->err->status = status = PNB_ERROR_MODEL;
    return status;
}

static pnb_status read(pnb_prior *p, const pnb_unet_source *s) {
    pnb_diffusers_config c;
    char levels[PNB_UNET_TEXT_SIZE], attention[PNB_UNET_TEXT_SIZE];
    if (!s->config)
        return pnb_fail(
            p->err, PNB_ERROR_MODEL,
            "its names are those of diffusers, whose config.json should be beside it and is not, or is no JSON");
    PNB_TRY(pnb_diffusers_config_infer(p->err, s->tensors, s->config, &c));
    p->unet = c.unet; /* owned by the prior from here */
    p->architecture = pnb_diffusers_reader.name;
    p->size_hint = c.side;
    PNB_TRY(schedule_of(p, s));
    pnb_unet_text(&p->unet, levels, attention);
    snprintf(p->describe, sizeof p->describe,
             "UNet2DModel of diffusers: %u to %u channels, levels of %s channels, attention at %smiddle, %s time "
             "embedding%s",
             p->unet.in_channels, p->unet.out_channels, levels, attention,
             p->unet.scale_shift ? "scale-shift" : "additive", p->unet.classes ? ", class labels" : "");
    return PNB_OK;
}

const pnb_unet_reader pnb_diffusers_reader = {
    .name = "diffusers", .mark = "time_embedding.linear_1.weight", .read = read};

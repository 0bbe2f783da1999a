/* A network of a file as safetensors: the one that is known here, or all tensors under their full names; in the types
 * that they have or another one. */
#include "api/handles.h"
#include "io/json.h"
#include "io/tensor_file.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define HALF_OVERFLOW 65520.0f /* rounds to infinity in binary16 */

enum { CONFIG_LIMIT = 1 << 18, MOST_PAIRS = 64 };

/* What the loaders of priors look for beside the tensors (see `set` in penumbra.h). */
static const char *const keys[] = {
    "num_head_channels", "num_heads", "use_new_attention_order", "channels_per_head", "image_size", "precond",
    "sigma_data",        "schedule",  "diffusion_steps",         "architecture",      NULL};

typedef struct conversion {
    pnb_context *ctx;
    pnb_convert_params params;
    pnb_tensor_file *file;
    const char *prefix; /* of the tensors that are taken, and left out of their names */
    size_t prefix_length;
    bool network;
    pnb_safetensors_entry *entries;
    size_t *source, count; /* source: number of each entry in the file */
    bool typed;            /* floating-point tensors become `dtype` */
    pnb_dtype dtype;
    uint64_t elements;
    pnb_safetensors_pair pairs[MOST_PAIRS];
    size_t n_pairs;
    char *config; /* text of config.json beside the file */
    char *set[MOST_PAIRS];
} conversion;

static pnb_error *error_of(const conversion *c) {
    return &c->ctx->error;
}

/* ---- metadata ---------------------------------------------------------------------------------------------------- */

/* The configuration that training left beside the weights goes into the file, so that it stays with them. */
static pnb_status take_config(conversion *c, const char *in) {
    void *bytes = NULL;
    size_t size;
    cJSON *json = NULL;
    char *folder = pnb_path_folder(in), *name = folder ? pnb_path_join(folder, "config.json") : NULL;
    pnb_status status = name ? PNB_OK : pnb_no_memory(error_of(c), "convert");
    if (name && pnb_file_exists(name) && pnb_file_read(NULL, name, CONFIG_LIMIT, &bytes, &size) == PNB_OK &&
        pnb_json_parse(NULL, name, bytes, size, &json) == PNB_OK && cJSON_IsObject(json)) {
        c->config = cJSON_PrintUnformatted(json);
        if (c->config)
            c->pairs[c->n_pairs++] = (pnb_safetensors_pair){"config", c->config};
        else
            status = pnb_no_memory(error_of(c), "convert");
    }
    cJSON_Delete(json);
    free(bytes);
    free(folder);
    free(name);
    return status;
}

static pnb_status take_setting(conversion *c, const char *text, char **copy) {
    const char *equals = strchr(text, '=');
    size_t n = equals ? (size_t)(equals - text) : 0;
    for (size_t i = 0; equals && equals[1] && keys[i]; i++) {
        if (strlen(keys[i]) != n || strncmp(keys[i], text, n) != 0) continue;
        *copy = pnb_copy_string(equals + 1);
        if (!*copy) return pnb_no_memory(error_of(c), "convert");
        c->pairs[c->n_pairs++] = (pnb_safetensors_pair){keys[i], *copy};
        return PNB_OK;
    }
    char known[512] = "";
    for (size_t i = 0; keys[i]; i++)
        snprintf(known + strlen(known), sizeof known - strlen(known), i ? ", %s" : "%s", keys[i]);
    return pnb_fail(error_of(c), PNB_ERROR_USAGE, "convert: '%s': expected KEY=VALUE with one of the keys %s", text,
                    known);
}

static pnb_status take_settings(conversion *c) {
    const pnb_convert_params *p = &c->params;
    if (p->set_count > MOST_PAIRS - 1)
        return pnb_fail(error_of(c), PNB_ERROR_USAGE, "convert: %zu settings, at most %d can be", p->set_count,
                        MOST_PAIRS - 1);
    for (size_t i = 0; i < p->set_count; i++) PNB_TRY(take_setting(c, p->set[i], &c->set[i]));
    return PNB_OK;
}

/* What a safetensors file says of itself stays, but for what was set. */
static pnb_status take_metadata(conversion *c) {
    const char *key, *value;
    for (size_t i = 0; pnb_tensor_file_metadata_at(c->file, i, &key, &value); i++) {
        size_t k = 0;
        while (k < c->n_pairs && strcmp(c->pairs[k].key, key) != 0) k++;
        if (k < c->n_pairs) continue;
        if (c->n_pairs == MOST_PAIRS)
            return pnb_fail(error_of(c), PNB_ERROR_MODEL, "file '%s': more than %d metadata strings",
                            pnb_tensor_file_path(c->file), MOST_PAIRS);
        c->pairs[c->n_pairs++] = (pnb_safetensors_pair){key, value};
    }
    return PNB_OK;
}

/* ---- tensors ----------------------------------------------------------------------------------------------------- */

static pnb_status choose_type(conversion *c) {
    const char *name = c->params.dtype;
    if (!name) return PNB_OK;
    c->typed = true;
    if (strcmp(name, "f16") == 0)
        c->dtype = PNB_F16;
    else if (strcmp(name, "f32") == 0)
        c->dtype = PNB_F32;
    else
        return pnb_fail(error_of(c), PNB_ERROR_USAGE, "convert: dtype '%s': expected f16 or f32", name);
    return PNB_OK;
}

static pnb_status choose(conversion *c) {
    size_t all = pnb_tensor_file_count(c->file);
    c->prefix = "";
    if (!c->params.all) c->network = pnb_prior_find_network(c->file, &c->prefix, &c->prefix_length);
    c->entries = calloc(all + 1, sizeof *c->entries);
    c->source = calloc(all + 1, sizeof *c->source);
    if (!c->entries || !c->source) return pnb_no_memory(error_of(c), "convert");
    for (size_t i = 0; i < all; i++) {
        pnb_tensor_entry t = pnb_tensor_file_at(c->file, i);
        if (strncmp(t.name, c->prefix, c->prefix_length) != 0 || !t.name[c->prefix_length]) continue;
        pnb_safetensors_entry *e = &c->entries[c->count];
        *e = (pnb_safetensors_entry){.name = t.name + c->prefix_length, .dtype = t.dtype, .rank = t.rank};
        if (c->typed && !pnb_dtype_is_integer(t.dtype)) e->dtype = c->dtype;
        memcpy(e->shape, t.shape, sizeof e->shape);
        c->source[c->count++] = i;
        c->elements += t.count;
    }
    return PNB_OK;
}

/* Tensor i in the type of its entry. */
static pnb_status emit_as(conversion *c, size_t i, pnb_file_writer *w) {
    pnb_tensor_entry t = pnb_tensor_file_at(c->file, c->source[i]);
    float *values = malloc((size_t)t.count * sizeof *values + 1);
    if (!values) return pnb_no_memory(error_of(c), "convert");
    pnb_status status = pnb_tensor_file_read_f32(c->file, c->source[i], values);
    for (uint64_t k = 0; status == PNB_OK && c->dtype == PNB_F16 && k < t.count; k++) {
        if (isfinite(values[k]) && fabsf(values[k]) >= HALF_OVERFLOW)
            status = pnb_fail(error_of(c), PNB_ERROR_NUMERIC,
                              "file '%s': tensor '%.200s' holds %g, and F16 at most 65504: keep its type, or use f32",
                              pnb_tensor_file_path(c->file), t.name, values[k]);
    }
    if (status == PNB_OK) status = pnb_dtype_write_f32(w, c->dtype, values, t.count);
    free(values);
    return status;
}

static pnb_status emit(void *user, size_t i, pnb_file_writer *w) {
    conversion *c = user;
    if (c->params.on_tensor && c->params.on_tensor(c->params.user, i, c->count))
        return pnb_fail(error_of(c), PNB_ERROR_CANCELLED, "convert: cancelled after %zu of %zu tensors", i, c->count);
    if (c->entries[i].dtype != pnb_tensor_file_at(c->file, c->source[i]).dtype) return emit_as(c, i, w);
    return pnb_tensor_file_copy(c->file, c->source[i], w);
}

static pnb_status report(conversion *c, const char *in, const char *out, char **text) {
    pnb_text t = {0};
    size_t all = pnb_tensor_file_count(c->file);
    pnb_text_add(&t, "'%s' to '%s': ", in, out);
    if (c->count < all)
        pnb_text_add(&t, "%zu of %zu tensors", c->count, all);
    else
        pnb_text_add(&t, "%zu tensors", all);
    pnb_text_add(&t, ", %llu numbers", (unsigned long long)c->elements);
    if (c->typed) pnb_text_add(&t, " as %s", pnb_dtype_name(c->dtype));
    if (c->prefix_length) pnb_text_add(&t, ", those of '%.*s'", (int)c->prefix_length, c->prefix);
    if (!c->network && !c->params.all) pnb_text_add(&t, "; no network that is known here is among them");
    return pnb_text_take(error_of(c), &t, text);
}

static pnb_status convert(conversion *c, const char *in, const char *out, char **text) {
    PNB_TRY(take_config(c, in));
    PNB_TRY(take_settings(c));
    PNB_TRY(choose_type(c));
    bool safetensors = pnb_ends_with(in, ".safetensors");
    PNB_TRY((safetensors ? pnb_tensor_file_open : pnb_tensor_file_open_torch)(error_of(c), in, &c->file));
    PNB_TRY(take_metadata(c));
    PNB_TRY(choose(c));
    PNB_TRY(pnb_safetensors_write_entries(error_of(c), out, c->entries, c->count, c->pairs, c->n_pairs, emit, c));
    return text ? report(c, in, out, text) : PNB_OK;
}

pnb_status pnb_convert(pnb_context *ctx, const char *in, const char *out, const pnb_convert_params *params,
                       char **text) {
    if (text) *text = NULL;
    if (!ctx) return PNB_ERROR_USAGE;
    if (!in || !out) return pnb_fail(&ctx->error, PNB_ERROR_USAGE, "pnb_convert: in and out may not be NULL");
    if (!pnb_ends_with(out, ".safetensors"))
        return pnb_fail(&ctx->error, PNB_ERROR_USAGE, "convert: '%s': the new file's name should end in .safetensors",
                        out);
    pnb_convert_params defaults = PNB_CONVERT_DEFAULTS;
    conversion c = {.ctx = ctx, .params = defaults};
    pnb_struct_take(&c.params, sizeof c.params, params);
    pnb_status status = convert(&c, in, out, text);
    pnb_tensor_file_close(c.file);
    for (size_t i = 0; i < MOST_PAIRS; i++) free(c.set[i]);
    free(c.config);
    free(c.entries);
    free(c.source);
    return status;
}

/* Lists of layers of U-Nets: making them, the tensors that they have, and checking a file against them. */
#include "prior/unet.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- the list ---------------------------------------------------------------------------------------------------- */

static pnb_unet_layer *new_layer(pnb_unet *u) {
    if (u->n_layers == u->room) {
        size_t room = u->room ? 2 * u->room : 32;
        pnb_unet_layer *grown = realloc(u->layers, room * sizeof *grown);
        if (!grown) {
            u->no_memory = true;
            return &u->nowhere;
        }
        u->layers = grown;
        u->room = room;
    }
    return &u->layers[u->n_layers++];
}

pnb_unet_layer *pnb_unet_append(pnb_unet *u, pnb_unet_kind kind, uint32_t in, uint32_t out, const char *format, ...) {
    pnb_unet_layer *layer = new_layer(u);
    *layer = (pnb_unet_layer){.kind = kind, .in = in, .out = out};
    va_list args;
    va_start(args, format);
    vsnprintf(layer->name, sizeof layer->name, format, args);
    va_end(args);
    return layer;
}

void pnb_unet_push(pnb_unet *u) {
    if (u->n_layers) u->layers[u->n_layers - 1].push = true;
}

/* Channels of the skip that is taken next; 0: there is none, as settle will say. */
static uint32_t next_skip(const pnb_unet *u) {
    size_t taken = 0;
    for (size_t i = u->n_layers; i-- > 0;) {
        if (u->layers[i].push && taken-- == 0) return u->layers[i].out;
        if (u->layers[i].pop) taken++;
    }
    return 0;
}

pnb_unet_layer *pnb_unet_append_block(pnb_unet *u, const char *name, uint32_t in, uint32_t out, int32_t resample,
                                      bool pop) {
    uint32_t skip = pop ? next_skip(u) : 0;
    pnb_unet_layer *layer = pnb_unet_append(u, PNB_UNET_RES, in + skip, out, "%s", name);
    layer->resample = resample;
    layer->pop = pop;
    return layer;
}

static pnb_status check_channels(pnb_error *err, const pnb_unet *u, const pnb_unet_layer *l) {
    if (l->kind == PNB_UNET_RES && (l->in % pnb_unet_groups(u, l->in) || l->out % pnb_unet_groups(u, l->out)))
        return pnb_fail(err, PNB_ERROR_MODEL, "network: '%s' has %u to %u channels, which %u norm groups do not divide",
                        l->name, l->in, l->out, u->groups);
    if (l->kind == PNB_UNET_ATTENTION && (l->heads == 0 || l->in % l->heads))
        return pnb_fail(err, PNB_ERROR_MODEL, "network: '%s' has %u channels, which %u heads do not divide", l->name,
                        l->in, l->heads);
    return PNB_OK;
}

pnb_status pnb_unet_settle(pnb_error *err, pnb_unet *u) {
    size_t depth = 0;
    if (u->no_memory) return pnb_fail(err, PNB_ERROR_OUT_OF_MEMORY, "network: no memory for its layers");
    u->n_skips = 0;
    for (size_t i = 0; i < u->n_layers; i++) {
        const pnb_unet_layer *l = &u->layers[i];
        PNB_TRY(check_channels(err, u, l));
        if (l->pop && depth-- == 0)
            return pnb_fail(err, PNB_ERROR_MODEL, "network: '%s' takes a skip that no layer left", l->name);
        if (l->push && ++depth > u->n_skips) u->n_skips = depth;
    }
    if (depth) return pnb_fail(err, PNB_ERROR_MODEL, "network: %zu skips are left that no layer takes", depth);
    return PNB_OK;
}

void pnb_unet_finish(pnb_unet *u) {
    if (!u) return;
    free(u->layers);
    memset(u, 0, sizeof *u);
}

uint32_t pnb_unet_groups(const pnb_unet *u, uint32_t channels) {
    uint32_t groups = u->group_least ? channels / u->group_least : u->groups;
    return groups == 0 ? 1 : groups < u->groups ? groups : u->groups;
}

static bool shrinks(const pnb_unet_layer *l) {
    return l->kind == PNB_UNET_DOWN || l->resample < 0;
}

bool pnb_unet_has_skip(const pnb_unet *u, const pnb_unet_layer *l) {
    return l->in != l->out || (l->resample && u->skip_on_resample);
}

void pnb_unet_text(const pnb_unet *u, char *channels, char *attention) {
    size_t end = 0, used[2] = {0};
    uint32_t level = 0;
    bool noted = false;
    channels[0] = attention[0] = '\0';
    for (size_t i = 0; i < u->n_layers; i++)
        if (u->layers[i].push) end = i + 1;
    for (size_t i = 0; i < end; i++) {
        const pnb_unet_layer *l = &u->layers[i];
        if (l->kind == PNB_UNET_ATTENTION && !noted) {
            snprintf(attention + used[1], PNB_UNET_TEXT_SIZE - used[1], "1/%u, ", 1u << level);
            used[1] = strlen(attention);
            noted = true;
        }
        if (i + 1 < end && !shrinks(&u->layers[i + 1])) continue;
        snprintf(channels + used[0], PNB_UNET_TEXT_SIZE - used[0], level ? ",%u" : "%u", l->out);
        used[0] = strlen(channels);
        level++;
        noted = false;
    }
}

/* ---- its tensors ------------------------------------------------------------------------------------------------- */

typedef struct visitor {
    pnb_unet_visit visit;
    void *user;
} visitor;

/* name.part.weight with this shape, and name.part.bias of its first dimension; part NULL: name.weight, name.bias. */
static pnb_status pair(const visitor *v, const char *name, const char *part, pnb_shape weight) {
    char full[2 * PNB_UNET_NAME_SIZE];
    snprintf(full, sizeof full, "%s%s%s.weight", name, part ? "." : "", part ? part : "");
    PNB_TRY(v->visit(v->user, full, weight));
    snprintf(full, sizeof full, "%s%s%s.bias", name, part ? "." : "", part ? part : "");
    return v->visit(v->user, full, pnb_shape1(weight.d[0]));
}

static pnb_status attention_tensors(const visitor *v, const pnb_unet *u, const pnb_unet_layer *l) {
    const pnb_unet_names *names = u->names;
    pnb_shape qkv = {names->attention_rank, {(names->qkv[1] ? 1 : 3) * l->in, l->in, 1, 1}}, proj = qkv;
    proj.d[0] = l->in;
    if (!l->bare) PNB_TRY(pair(v, l->name, names->attention_norm, pnb_shape1(l->in)));
    for (int i = 0; i < 3 && names->qkv[i]; i++) PNB_TRY(pair(v, l->name, names->qkv[i], qkv));
    return pair(v, l->name, names->proj, proj);
}

static pnb_status layer_tensors(const visitor *v, const pnb_unet *u, const pnb_unet_layer *l) {
    const pnb_unet_names *names = u->names;
    if (!l->name[0]) return PNB_OK;
    if (l->kind == PNB_UNET_ATTENTION) return attention_tensors(v, u, l);
    if (l->kind != PNB_UNET_RES) return pair(v, l->name, NULL, pnb_shape4(l->out, l->in, 3, 3));
    PNB_TRY(pair(v, l->name, names->res_norm[0], pnb_shape1(l->in)));
    PNB_TRY(pair(v, l->name, names->res_conv[0], pnb_shape4(l->out, l->in, 3, 3)));
    PNB_TRY(pair(v, l->name, names->res_time, pnb_shape2((u->scale_shift ? 2 : 1) * l->out, u->embedding)));
    PNB_TRY(pair(v, l->name, names->res_norm[1], pnb_shape1(l->out)));
    PNB_TRY(pair(v, l->name, names->res_conv[1], pnb_shape4(l->out, l->out, 3, 3)));
    return pnb_unet_has_skip(u, l) ? pair(v, l->name, names->res_skip, pnb_shape4(l->out, l->in, 1, 1)) : PNB_OK;
}

static pnb_status label_tensors(const visitor *v, const pnb_unet *u) {
    char name[PNB_UNET_NAME_SIZE];
    if (u->label == PNB_LABEL_NOISE) return pair(v, u->names->label, NULL, pnb_shape2(u->time_channels, u->classes));
    snprintf(name, sizeof name, "%s.weight", u->names->label);
    return v->visit(v->user, name,
                    u->label == PNB_LABEL_TABLE ? pnb_shape2(u->classes, u->embedding)
                                                : pnb_shape2(u->embedding, u->classes));
}

pnb_status pnb_unet_tensors(const pnb_unet *u, pnb_unet_visit visit, void *user) {
    visitor v = {visit, user};
    uint32_t last = u->n_layers ? u->layers[u->n_layers - 1].out : 0;
    PNB_TRY(pair(&v, u->names->time[0], NULL, pnb_shape2(u->embedding, u->time_channels)));
    PNB_TRY(pair(&v, u->names->time[1], NULL, pnb_shape2(u->embedding, u->embedding)));
    if (u->classes) PNB_TRY(label_tensors(&v, u));
    for (size_t i = 0; i < u->n_layers; i++) PNB_TRY(layer_tensors(&v, u, &u->layers[i]));
    PNB_TRY(pair(&v, u->out_norm, NULL, pnb_shape1(last)));
    return pair(&v, u->out_conv, NULL, pnb_shape4(u->out_channels, last, 3, 3));
}

static pnb_status count_elements(void *user, const char *name, pnb_shape shape) {
    (void)name;
    *(uint64_t *)user += pnb_shape_count(shape);
    return PNB_OK;
}

uint64_t pnb_unet_parameters(const pnb_unet *u) {
    uint64_t sum = 0;
    (void)pnb_unet_tensors(u, count_elements, &sum); /* count_elements does not fail */
    return sum;
}

/* ---- checking a file --------------------------------------------------------------------------------------------- */

typedef struct checker {
    pnb_error *err;
    pnb_tensor_list found;
    size_t matched;
    bool *seen;
} checker;

static pnb_status check_tensor(void *user, const char *name, pnb_shape shape) {
    checker *k = user;
    const pnb_tensor_info *t = pnb_tensor_find(k->found, name);
    if (!t) return pnb_fail(k->err, PNB_ERROR_MODEL, "network: tensor '%s' is missing", name);
    bool same = t->rank == shape.rank;
    for (uint32_t i = 0; same && i < t->rank; i++) same = t->shape[i] == shape.d[i];
    if (!same) {
        char expected[64], text[128] = "[";
        for (uint32_t i = 0; i < t->rank; i++)
            snprintf(text + strlen(text), sizeof text - strlen(text), i ? ",%llu" : "%llu",
                     (unsigned long long)t->shape[i]);
        return pnb_fail(k->err, PNB_ERROR_MODEL, "network: tensor '%s' should be %s, found %s]", name,
                        pnb_shape_text(shape, expected), text);
    }
    k->seen[t - k->found.tensors] = true;
    k->matched++;
    return PNB_OK;
}

pnb_status pnb_unet_check(pnb_error *err, pnb_tensor_list found, const pnb_unet *u) {
    checker k = {.err = err, .found = found, .seen = calloc(found.count ? found.count : 1, sizeof *k.seen)};
    if (!k.seen) return pnb_fail(err, PNB_ERROR_OUT_OF_MEMORY, "network: no memory for %zu names", found.count);
    pnb_status status = pnb_unet_tensors(u, check_tensor, &k);
    for (size_t i = 0; status == PNB_OK && k.matched < found.count && i < found.count; i++)
        if (!k.seen[i])
            status = pnb_fail(err, PNB_ERROR_MODEL,
                              "network: tensor '%s' has no place in it (%zu of %zu tensors are unknown)",
                              found.tensors[i].name, found.count - k.matched, found.count);
    free(k.seen);
    return status;
}

/* ---- for readers ------------------------------------------------------------------------------------------------- */

const pnb_tensor_info *pnb_tensor_find(pnb_tensor_list list, const char *name) {
    for (size_t i = 0; i < list.count; i++)
        if (strcmp(list.tensors[i].name, name) == 0) return &list.tensors[i];
    return NULL;
}

bool pnb_tensor_exists(pnb_tensor_list list, const char *format, ...) {
    char name[2 * PNB_UNET_NAME_SIZE];
    va_list args;
    va_start(args, format);
    vsnprintf(name, sizeof name, format, args);
    va_end(args);
    return pnb_tensor_find(list, name) != NULL;
}

pnb_status pnb_tensor_dimension(pnb_error *err, pnb_tensor_list list, const char *name, uint32_t rank, uint32_t index,
                                uint32_t *out) {
    const pnb_tensor_info *t = pnb_tensor_find(list, name);
    if (!t) return pnb_fail(err, PNB_ERROR_MODEL, "network: tensor '%s' is missing", name);
    if (t->rank != rank || t->shape[index] < 1 || t->shape[index] > 65536)
        return pnb_fail(err, PNB_ERROR_MODEL, "network: tensor '%s' should have %u dimensions of sane size", name,
                        rank);
    *out = (uint32_t)t->shape[index];
    return PNB_OK;
}

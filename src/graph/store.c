/* Persistent tensors: named, described on the host, then given memory in blocks that a device can bind. */
#include "base/str.h"
#include "graph/internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct pnb_storage {
    pnb_store *store;
    char *name;
    uint32_t hash; /* of the name */
    pnb_shape shape;
    pnb_storage_kind kind;
    pnb_storage *group;     /* that it is part of, else NULL; then it has no buffer of its own */
    pnb_gpu_buffer *buffer; /* the store's block; NULL before commit */
    uint64_t offset;        /* into the group or the buffer */
};

struct pnb_store {
    pnb_error *err;
    char *name;
    pnb_storage **items;
    size_t count, capacity;
    pnb_storage **groups; /* owned, not listed */
    size_t group_count, group_capacity;
    pnb_gpu_buffer **blocks;
    size_t block_count, block_capacity;
};

static uint32_t hash_text(const char *s) { /* FNV-1a */
    uint32_t h = 2166136261u;
    for (; *s; s++) h = (h ^ (unsigned char)*s) * 16777619u;
    return h;
}

pnb_status pnb_store_create(pnb_error *err, const char *name, pnb_store **out) {
    *out = NULL;
    pnb_store *s = calloc(1, sizeof *s);
    if (!s) return pnb_fail(err, PNB_ERROR_OUT_OF_MEMORY, "store '%s': out of host memory", name);
    s->err = err;
    s->name = pnb_copy_text(err, name);
    if (!s->name) {
        free(s);
        return PNB_ERROR_OUT_OF_MEMORY;
    }
    *out = s;
    return PNB_OK;
}

/* All storages: those that are listed, then groups. */
static pnb_storage *storage_at(const pnb_store *s, size_t i) { return i < s->count ? s->items[i] : s->groups[i - s->count]; }

void pnb_store_destroy(pnb_store **store, pnb_gpu *gpu) {
    pnb_store *s = store ? *store : NULL;
    if (!s) return;
    for (size_t i = 0; i < s->block_count; i++) {
        if (gpu) pnb_gpu_buffer_destroy(gpu, &s->blocks[i]);
    }
    for (size_t i = 0; i < s->count + s->group_count; i++) {
        free(storage_at(s, i)->name);
        free(storage_at(s, i));
    }
    free(s->blocks);
    free(s->groups);
    free(s->items);
    free(s->name);
    free(s);
    *store = NULL;
}

static pnb_status make_storage(pnb_store *store, const char *name, pnb_shape shape, pnb_storage_kind kind, pnb_storage **out) {
    pnb_storage *s = calloc(1, sizeof *s);
    if (!s) return pnb_fail(store->err, PNB_ERROR_OUT_OF_MEMORY, "store '%s': out of host memory", store->name);
    *s = (pnb_storage){.store = store, .hash = hash_text(name), .shape = shape, .kind = kind};
    s->name = pnb_copy_text(store->err, name);
    if (!s->name) {
        free(s);
        return PNB_ERROR_OUT_OF_MEMORY;
    }
    for (uint32_t i = shape.rank; i < 4; i++) s->shape.d[i] = 1;
    *out = s;
    return PNB_OK;
}

pnb_status pnb_store_add(pnb_store *store, const char *name, pnb_shape shape, pnb_storage_kind kind, pnb_storage **out) {
    if (out) *out = NULL;
    PNB_TRY(pnb_shape_check(store->err, name, shape));
    if (pnb_store_find(store, name)) {
        return pnb_fail(store->err, PNB_ERROR_USAGE, "store '%s': there is a tensor '%s' already", store->name, name);
    }
    PNB_TRY(pnb_reserve(store->err, &store->items, &store->capacity, store->count + 1, sizeof *store->items));
    pnb_storage *s;
    PNB_TRY(make_storage(store, name, shape, kind, &s));
    store->items[store->count++] = s;
    if (out) *out = s;
    return PNB_OK;
}

/* One group of parts[0..n), which all fit; their offsets are set already. */
static pnb_status add_group(pnb_store *store, pnb_storage *const *parts, size_t n) {
    const pnb_storage *end = parts[n - 1];
    uint64_t bytes = end->offset + pnb_shape_bytes(end->shape);
    char name[64];
    snprintf(name, sizeof name, "group of %.40s", parts[0]->name);
    PNB_TRY(pnb_reserve(store->err, &store->groups, &store->group_capacity, store->group_count + 1, sizeof *store->groups));
    pnb_storage *group;
    PNB_TRY(make_storage(store, name, pnb_shape1((uint32_t)(bytes / 4)), PNB_STORAGE_VARIABLE, &group));
    store->groups[store->group_count++] = group;
    for (size_t i = 0; i < n; i++) parts[i]->group = group;
    return PNB_OK;
}

static pnb_status check_part(const pnb_store *store, const pnb_storage *p) {
    if (p->store == store && !p->buffer && !p->group && p->kind == PNB_STORAGE_VARIABLE) return PNB_OK;
    return pnb_fail(store->err, PNB_ERROR_USAGE,
                    "store '%s': tensor '%s' cannot be grouped: a part is variable, of this store, in no other group and without memory",
                    store->name, p->name);
}

/* parts, in their order in memory, into groups of at most PNB_GROUP_BYTES. */
static pnb_status group_ordered(pnb_store *store, pnb_storage *const *parts, size_t n) {
    size_t first = 0;
    for (size_t i = 0; i < n; i++) {
        uint64_t bytes = pnb_shape_bytes(parts[i]->shape), begin = 0;
        if (i > first) begin = pnb_round_up(parts[i - 1]->offset + pnb_shape_bytes(parts[i - 1]->shape), PNB_MEMORY_ALIGNMENT);
        if (i > first && begin + bytes > PNB_GROUP_BYTES) {
            PNB_TRY(add_group(store, parts + first, i - first));
            first = i;
            begin = 0;
        }
        parts[i]->offset = begin;
    }
    return n > first ? add_group(store, parts + first, n - first) : PNB_OK;
}

pnb_status pnb_store_group(pnb_store *store, pnb_storage *const *parts, size_t n) {
    size_t count = 0;
    for (size_t i = 0; i < n; i++) PNB_TRY(check_part(store, parts[i]));
    pnb_storage **ordered = malloc((n ? n : 1) * sizeof *ordered);
    if (!ordered) return pnb_fail(store->err, PNB_ERROR_OUT_OF_MEMORY, "store '%s': out of host memory", store->name);
    for (uint32_t rank = 1; rank <= 4; rank++) {
        for (size_t i = 0; i < n; i++) {
            if (parts[i]->shape.rank == rank) ordered[count++] = parts[i];
        }
    }
    pnb_status status = group_ordered(store, ordered, n);
    free(ordered);
    return status;
}

pnb_storage *pnb_store_find(const pnb_store *store, const char *name) {
    uint32_t hash = hash_text(name);
    for (size_t i = 0; i < store->count; i++) {
        if (store->items[i]->hash == hash && strcmp(store->items[i]->name, name) == 0) return store->items[i];
    }
    return NULL;
}

size_t pnb_store_count(const pnb_store *store) { return store->count; }
pnb_storage *pnb_store_at(const pnb_store *store, size_t i) { return i < store->count ? store->items[i] : NULL; }

uint64_t pnb_store_bytes(const pnb_store *store) {
    uint64_t n = 0;
    for (size_t i = 0; i < store->count; i++) n += pnb_shape_bytes(store->items[i]->shape);
    return n;
}

/* Whose buffer a storage lies in: its group's, or its own. */
static const pnb_storage *owner_of(const pnb_storage *s) { return s->group ? s->group : s; }

static bool needs_memory(const pnb_storage *s) { return !s->buffer && !s->group; }

/* Give one block to the tensors from *next on that have none and fit together; *next moves behind them. */
static pnb_status commit_block(pnb_store *store, pnb_gpu *gpu, uint64_t limit, uint64_t alignment, size_t *next) {
    uint64_t end = 0;
    size_t i = *next, count = store->count + store->group_count;
    for (; i < count; i++) {
        pnb_storage *s = storage_at(store, i);
        if (!needs_memory(s)) continue;
        uint64_t offset = pnb_round_up(end, alignment);
        if (offset + pnb_shape_bytes(s->shape) > limit) break;
        s->offset = offset;
        end = offset + pnb_shape_bytes(s->shape);
    }
    if (end > 0) {
        PNB_TRY(pnb_reserve(store->err, &store->blocks, &store->block_capacity, store->block_count + 1, sizeof *store->blocks));
        pnb_gpu_buffer *buffer = NULL;
        PNB_TRY(pnb_gpu_buffer_create(gpu, end, store->name, &buffer));
        store->blocks[store->block_count++] = buffer;
        for (size_t k = *next; k < i; k++) {
            if (needs_memory(storage_at(store, k))) storage_at(store, k)->buffer = buffer;
        }
    }
    *next = i;
    return PNB_OK;
}

pnb_status pnb_store_commit(pnb_store *store, pnb_gpu *gpu) {
    const pnb_gpu_caps *caps = pnb_gpu_get_caps(gpu);
    uint64_t limit = caps->max_binding_bytes < caps->max_buffer_bytes ? caps->max_binding_bytes : caps->max_buffer_bytes;
    uint64_t alignment = caps->binding_alignment > PNB_MEMORY_ALIGNMENT ? caps->binding_alignment : PNB_MEMORY_ALIGNMENT;
    size_t count = store->count + store->group_count;
    for (size_t i = 0; i < count; i++) {
        const pnb_storage *s = storage_at(store, i);
        char shape[48], need[32], have[32];
        if (!needs_memory(s) || pnb_shape_bytes(s->shape) <= limit) continue;
        return pnb_fail(store->err, PNB_ERROR_OUT_OF_MEMORY, "store '%s': tensor '%s' %s takes %s, the device binds at most %s at a time",
                        store->name, s->name, pnb_shape_text(s->shape, shape), pnb_bytes_text(pnb_shape_bytes(s->shape), need),
                        pnb_bytes_text(limit, have));
    }
    for (size_t next = 0; next < count;) PNB_TRY(commit_block(store, gpu, limit, alignment, &next));
    return PNB_OK;
}

static pnb_status check_copy(const pnb_storage *s, const char *what, uint64_t count) {
    if (!pnb_storage_binding(s).buffer) {
        return pnb_fail(s->store->err, PNB_ERROR_USAGE, "%s tensor '%s': it has no memory yet, commit its store first", what, s->name);
    }
    if (count != pnb_shape_count(s->shape)) {
        char text[48];
        return pnb_fail(s->store->err, PNB_ERROR_USAGE, "%s tensor '%s' %s: expected %llu values, got %llu", what, s->name,
                        pnb_shape_text(s->shape, text), (unsigned long long)pnb_shape_count(s->shape), (unsigned long long)count);
    }
    return PNB_OK;
}

pnb_status pnb_storage_write(pnb_storage *s, pnb_gpu *gpu, const float *values, uint64_t count) {
    PNB_TRY(check_copy(s, "write", count));
    return pnb_gpu_upload(gpu, owner_of(s)->buffer, pnb_storage_binding(s).offset, values, 4 * count);
}

pnb_status pnb_storage_read(const pnb_storage *s, pnb_gpu *gpu, float *values, uint64_t count) {
    PNB_TRY(check_copy(s, "read", count));
    return pnb_gpu_download(gpu, owner_of(s)->buffer, pnb_storage_binding(s).offset, values, 4 * count);
}

const char *pnb_storage_name(const pnb_storage *s) { return s->name; }
pnb_shape pnb_storage_shape(const pnb_storage *s) { return s->shape; }
pnb_storage_kind pnb_storage_get_kind(const pnb_storage *s) { return s->kind; }

pnb_gpu_binding pnb_storage_binding(const pnb_storage *s) {
    uint64_t offset = s->group ? s->group->offset + s->offset : s->offset;
    return (pnb_gpu_binding){.buffer = owner_of(s)->buffer, .offset = offset, .bytes = pnb_shape_bytes(s->shape)};
}

pnb_storage *pnb_storage_group(const pnb_storage *s, uint64_t *offset) {
    *offset = s->group ? s->offset : 0;
    return s->group;
}

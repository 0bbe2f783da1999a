/* Persistent tensors: named, described on the host, then given memory in blocks that a device can bind. */
#include "graph/internal.h"

#include <stdlib.h>
#include <string.h>

struct pnb_storage {
    pnb_store *store;
    char *name;
    uint32_t hash; /* of the name */
    pnb_shape shape;
    pnb_storage_kind kind;
    pnb_gpu_buffer *buffer; /* the store's block; NULL before commit */
    uint64_t offset;
};

struct pnb_store {
    pnb_error *err;
    char *name;
    pnb_storage **items;
    size_t count, capacity;
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

void pnb_store_destroy(pnb_store **store, pnb_gpu *gpu) {
    pnb_store *s = store ? *store : NULL;
    if (!s) return;
    for (size_t i = 0; i < s->block_count; i++) {
        if (gpu) pnb_gpu_buffer_destroy(gpu, &s->blocks[i]);
    }
    for (size_t i = 0; i < s->count; i++) {
        free(s->items[i]->name);
        free(s->items[i]);
    }
    free(s->blocks);
    free(s->items);
    free(s->name);
    free(s);
    *store = NULL;
}

pnb_status pnb_store_add(pnb_store *store, const char *name, pnb_shape shape, pnb_storage_kind kind, pnb_storage **out) {
    if (out) *out = NULL;
    PNB_TRY(pnb_shape_check(store->err, name, shape));
    if (pnb_store_find(store, name)) {
        return pnb_fail(store->err, PNB_ERROR_USAGE, "store '%s': there is a tensor '%s' already", store->name, name);
    }
    PNB_TRY(pnb_reserve(store->err, &store->items, &store->capacity, store->count + 1, sizeof *store->items));
    pnb_storage *s = calloc(1, sizeof *s);
    if (!s) return pnb_fail(store->err, PNB_ERROR_OUT_OF_MEMORY, "store '%s': out of host memory", store->name);
    *s = (pnb_storage){.store = store, .hash = hash_text(name), .shape = shape, .kind = kind};
    s->name = pnb_copy_text(store->err, name);
    if (!s->name) {
        free(s);
        return PNB_ERROR_OUT_OF_MEMORY;
    }
    for (uint32_t i = shape.rank; i < 4; i++) s->shape.d[i] = 1;
    store->items[store->count++] = s;
    if (out) *out = s;
    return PNB_OK;
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

/* Give one block to the tensors from *next on that have none and fit together; *next moves behind them. */
static pnb_status commit_block(pnb_store *store, pnb_gpu *gpu, uint64_t limit, uint64_t alignment, size_t *next) {
    uint64_t end = 0;
    size_t i = *next;
    for (; i < store->count; i++) {
        pnb_storage *s = store->items[i];
        if (s->buffer) continue;
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
            if (!store->items[k]->buffer) store->items[k]->buffer = buffer;
        }
    }
    *next = i;
    return PNB_OK;
}

pnb_status pnb_store_commit(pnb_store *store, pnb_gpu *gpu) {
    const pnb_gpu_caps *caps = pnb_gpu_get_caps(gpu);
    uint64_t limit = caps->max_binding_bytes < caps->max_buffer_bytes ? caps->max_binding_bytes : caps->max_buffer_bytes;
    uint64_t alignment = caps->binding_alignment > PNB_MEMORY_ALIGNMENT ? caps->binding_alignment : PNB_MEMORY_ALIGNMENT;
    for (size_t i = 0; i < store->count; i++) {
        pnb_storage *s = store->items[i];
        char shape[48], need[32], have[32];
        if (s->buffer || pnb_shape_bytes(s->shape) <= limit) continue;
        return pnb_fail(store->err, PNB_ERROR_OUT_OF_MEMORY, "store '%s': tensor '%s' %s takes %s, the device binds at most %s at a time",
                        store->name, s->name, pnb_shape_text(s->shape, shape), pnb_bytes_text(pnb_shape_bytes(s->shape), need),
                        pnb_bytes_text(limit, have));
    }
    for (size_t next = 0; next < store->count;) PNB_TRY(commit_block(store, gpu, limit, alignment, &next));
    return PNB_OK;
}

static pnb_status check_copy(const pnb_storage *s, const char *what, uint64_t count) {
    if (!s->buffer) {
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
    return pnb_gpu_upload(gpu, s->buffer, s->offset, values, 4 * count);
}

pnb_status pnb_storage_read(const pnb_storage *s, pnb_gpu *gpu, float *values, uint64_t count) {
    PNB_TRY(check_copy(s, "read", count));
    return pnb_gpu_download(gpu, s->buffer, s->offset, values, 4 * count);
}

const char *pnb_storage_name(const pnb_storage *s) { return s->name; }
pnb_shape pnb_storage_shape(const pnb_storage *s) { return s->shape; }
pnb_storage_kind pnb_storage_get_kind(const pnb_storage *s) { return s->kind; }

pnb_gpu_binding pnb_storage_binding(const pnb_storage *s) {
    return (pnb_gpu_binding){.buffer = s->buffer, .offset = s->offset, .bytes = pnb_shape_bytes(s->shape)};
}

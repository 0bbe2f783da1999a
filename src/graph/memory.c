/* The memory of programs: arenas for what lives during a run, and blocks of constants, which are prepared from frozen
 * storages once. Programs that never run at the same time can share it. */
#include "base/hash.h"
#include "graph/internal.h"

#include <stdlib.h>
#include <string.h>

pnb_status pnb_program_memory_create(pnb_error *err, pnb_gpu *gpu, pnb_program_memory **out) {
    *out = calloc(1, sizeof **out);
    if (!*out) return pnb_fail(err, PNB_ERROR_OUT_OF_MEMORY, "memory of programs: out of host memory");
    (*out)->err = err;
    (*out)->gpu = gpu;
    return PNB_OK;
}

static void buffers_free(pnb_gpu *gpu, pnb_buffers *b) {
    for (size_t i = 0; i < b->count; i++) pnb_gpu_buffer_destroy(gpu, &b->items[i].buffer);
    free(b->items);
}

void pnb_program_memory_destroy(pnb_program_memory **memory) {
    pnb_program_memory *m = memory ? *memory : NULL;
    if (!m) return;
    buffers_free(m->gpu, &m->arenas);
    buffers_free(m->gpu, &m->constants);
    free(m->prepared);
    free(m);
    *memory = NULL;
}

static uint64_t bytes_of(const pnb_buffers *b) {
    uint64_t bytes = 0;
    for (size_t i = 0; i < b->count; i++) bytes += b->items[i].bytes;
    return bytes;
}

uint64_t pnb_program_memory_bytes(const pnb_program_memory *m) {
    return bytes_of(&m->arenas) + bytes_of(&m->constants);
}

pnb_status pnb_memory_add(pnb_program_memory *m, pnb_buffers *to, uint64_t bytes, const char *name) {
    PNB_TRY(pnb_reserve(m->err, &to->items, &to->capacity, to->count + 1, sizeof *to->items));
    pnb_buffer *b = &to->items[to->count];
    *b = (pnb_buffer){.bytes = bytes};
    if (m->gpu) PNB_TRY(pnb_gpu_buffer_create(m->gpu, bytes, name, &b->buffer));
    to->count++;
    return PNB_OK;
}

/* ---- arenas -------------------------------------------------------------------------------------------------------
 */

static bool taken(const uint32_t *map, size_t n, uint32_t arena) {
    for (size_t i = 0; i < n; i++) {
        if (map[i] == arena) return true;
    }
    return false;
}

uint64_t pnb_memory_map_arenas(const pnb_program_memory *m, const pnb_blocks *wanted, uint32_t *map) {
    uint64_t missing = 0;
    uint32_t added = 0;
    for (size_t i = 0; i < wanted->count; i++) {
        const pnb_buffer *best = NULL;
        for (uint32_t k = 0; k < m->arenas.count; k++) {
            const pnb_buffer *b = &m->arenas.items[k];
            if (b->bytes < wanted->bytes[i] || taken(map, i, k) || (best && best->bytes <= b->bytes)) continue;
            best = b;
        }
        map[i] = best ? (uint32_t)(best - m->arenas.items) : (uint32_t)m->arenas.count + added++;
        if (!best) missing += wanted->bytes[i];
    }
    return missing;
}

/* ---- constants ----------------------------------------------------------------------------------------------------
 */

const pnb_prepared *pnb_memory_find(const pnb_program_memory *m, uint64_t recipe, uint64_t bytes) {
    for (size_t i = 0; m && i < m->prepared_count; i++) {
        if (m->prepared[i].recipe == recipe && m->prepared[i].bytes == bytes) return &m->prepared[i];
    }
    return NULL;
}

pnb_status pnb_memory_enter(pnb_program_memory *m, pnb_prepared prepared) {
    PNB_TRY(pnb_reserve(m->err, &m->prepared, &m->prepared_capacity, m->prepared_count + 1, sizeof *m->prepared));
    m->prepared[m->prepared_count++] = prepared;
    return PNB_OK;
}

#define MIX(h, value) pnb_hash(h, &(value), sizeof(value))

void pnb_constant_recipes(const pnb_graph *g, uint64_t *recipe) {
    for (size_t t = 0; t < g->tensor_count; t++) {
        const pnb_storage *s = g->tensors[t].storage;
        recipe[t] = s ? MIX(PNB_HASH_START, s) : 0;
        if (s && pnb_tables_has(g, s)) recipe[t] = pnb_hash(PNB_HASH_START, pnb_storage_name(s), strlen(pnb_storage_name(s)));
    }
    for (size_t i = 0; i < g->node_count; i++) {
        const pnb_node *n = &g->nodes[i].n;
        if (!g->nodes[i].constant) continue;
        uint64_t h = pnb_hash(MIX(PNB_HASH_START, n->op), n->attr, sizeof n->attr);
        for (uint32_t k = 0; k < n->n_in; k++) {
            const pnb_tensor_info *in = n->in[k] == PNB_NONE ? NULL : &g->tensors[n->in[k]];
            h = MIX(h, k);
            if (in) h = MIX(MIX(MIX(h, recipe[in->root]), in->offset), in->shape);
        }
        for (uint32_t k = 0; k < n->n_out; k++) recipe[n->out[k]] = MIX(MIX(h, k), g->tensors[n->out[k]].shape);
    }
}

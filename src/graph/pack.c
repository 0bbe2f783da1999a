/* Packs tensors whose lifetimes are known into few bytes: largest first, each into the gap that fits it best. */
#include "graph/internal.h"

#include <stdlib.h>

/* A slot that has its place, in the order of offsets within its arena. */
typedef struct placed {
    uint64_t offset, end;
    uint32_t first, last;
} placed;

typedef struct arena {
    placed *items;
    size_t count, capacity;
} arena;

typedef struct by_size {
    uint64_t bytes;
    uint32_t first, slot;
} by_size;

static int compare_size(const void *pa, const void *pb) {
    const by_size *a = pa, *b = pb;
    if (a->bytes != b->bytes) return a->bytes > b->bytes ? -1 : 1;
    if (a->first != b->first) return a->first < b->first ? -1 : 1;
    return a->slot < b->slot ? -1 : a->slot > b->slot;
}

typedef struct fit {
    uint64_t offset, cost;
    bool found;
} fit;

/* The best gap for s below `size`, the bytes that the arena has so far (cost: what is left of the gap), and the first
 * offset behind everything that lives with s (cost: by how much the arena would grow). */
static void find_fits(const arena *a, uint64_t size, const pnb_slot *s, uint64_t limit, fit *gap, fit *growth) {
    uint64_t cursor = 0;
    *gap = *growth = (fit){0, 0, false};
    for (size_t i = 0; i < a->count; i++) {
        const placed *p = &a->items[i];
        if (p->last < s->first || p->first > s->last) continue;
        if (p->offset >= cursor + s->bytes) {
            uint64_t left = p->offset - cursor - s->bytes;
            if (!gap->found || left < gap->cost) *gap = (fit){cursor, left, true};
            if (left == 0) return;
        }
        if (p->end > cursor) cursor = p->end;
    }
    if (cursor + s->bytes <= size) {
        uint64_t left = size - cursor - s->bytes;
        if (!gap->found || left < gap->cost) *gap = (fit){cursor, left, true};
    } else if (cursor + s->bytes <= limit) {
        *growth = (fit){cursor, cursor + s->bytes - size, true};
    }
}

static pnb_status insert(pnb_error *err, arena *a, const pnb_slot *s) {
    PNB_TRY(pnb_reserve(err, &a->items, &a->capacity, a->count + 1, sizeof *a->items));
    size_t i = a->count++;
    for (; i > 0 && a->items[i - 1].offset > s->offset; i--) a->items[i] = a->items[i - 1];
    uint64_t end = pnb_round_up(s->offset + s->bytes, PNB_MEMORY_ALIGNMENT);
    a->items[i] = (placed){.offset = s->offset, .end = end, .first = s->first, .last = s->last};
    return PNB_OK;
}

/* Choose arena and offset: the best gap of any arena, else the arena that grows least, else a new one. */
static void choose(const arena *arenas, const pnb_blocks *blocks, uint64_t limit, pnb_slot *s) {
    fit best_gap = {0, 0, false}, best_growth = {0, 0, false};
    uint32_t gap_arena = 0, growth_arena = 0;
    for (uint32_t i = 0; i < blocks->count && !(best_gap.found && best_gap.cost == 0); i++) {
        fit gap, growth;
        find_fits(&arenas[i], blocks->bytes[i], s, limit, &gap, &growth);
        if (gap.found && (!best_gap.found || gap.cost < best_gap.cost)) best_gap = gap, gap_arena = i;
        if (growth.found && (!best_growth.found || growth.cost < best_growth.cost)) best_growth = growth, growth_arena = i;
    }
    if (best_gap.found) s->arena = gap_arena, s->offset = best_gap.offset;
    else if (best_growth.found) s->arena = growth_arena, s->offset = best_growth.offset;
    else s->arena = (uint32_t)blocks->count, s->offset = 0;
}

static pnb_status place_all(pnb_error *err, pnb_slot *slots, const by_size *order, size_t count, uint64_t limit,
                            pnb_blocks *blocks, arena **arenas, size_t *arena_capacity) {
    for (size_t k = 0; k < count; k++) {
        pnb_slot *s = &slots[order[k].slot];
        choose(*arenas, blocks, limit, s);
        if (s->arena == blocks->count) {
            PNB_TRY(pnb_reserve(err, &blocks->bytes, &blocks->capacity, blocks->count + 1, sizeof *blocks->bytes));
            PNB_TRY(pnb_reserve(err, arenas, arena_capacity, blocks->count + 1, sizeof **arenas));
            (*arenas)[blocks->count] = (arena){0};
            blocks->bytes[blocks->count++] = 0;
        }
        PNB_TRY(insert(err, &(*arenas)[s->arena], s));
        uint64_t end = s->offset + s->bytes;
        if (end > blocks->bytes[s->arena]) blocks->bytes[s->arena] = end;
    }
    return PNB_OK;
}

pnb_status pnb_pack(pnb_error *err, pnb_slot *slots, size_t count, uint64_t limit, pnb_blocks *blocks) {
    blocks->count = 0;
    if (count == 0) return PNB_OK;
    by_size *order = malloc(count * sizeof *order);
    if (!order) return pnb_fail(err, PNB_ERROR_OUT_OF_MEMORY, "out of host memory");
    for (size_t i = 0; i < count; i++) order[i] = (by_size){slots[i].bytes, slots[i].first, (uint32_t)i};
    qsort(order, count, sizeof *order, compare_size);
    arena *arenas = NULL;
    size_t arena_capacity = 0;
    pnb_status status = place_all(err, slots, order, count, limit, blocks, &arenas, &arena_capacity);
    for (size_t i = 0; i < blocks->count && i < arena_capacity; i++) free(arenas[i].items);
    free(arenas);
    free(order);
    return status;
}

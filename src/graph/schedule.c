/* Cuts the dispatches into command lists and places barriers: only where two of them touch the same bytes and one writes.
 *
 * Everything is ordered between two lists, so a list that is long enough ends where a barrier would stand anyway.
 */
#include "graph/internal.h"

/* A list is short, so that submissions can be cut between lists, and is cut at once where its work is large. */
enum { SOFT_LENGTH = 12 };
static const double LIST_GFLOP = 4.0;

/* Bytes that a dispatch touches. Tensors in different blocks never overlap. */
typedef struct range {
    pnb_place_kind kind;
    uint32_t block;
    uint64_t begin, end;
    bool write;
} range;

typedef struct ranges {
    range items[PNB_LIST_MAX_DISPATCHES * PNB_GPU_MAX_BINDINGS];
    size_t count;
} ranges;

static range range_of(const pnb_plan *plan, const pnb_dispatch *d, uint32_t i) {
    const pnb_place *p = &plan->places[d->bind[i].tensor];
    return (range){.kind = p->kind, .block = p->block, .begin = p->offset, .end = p->offset + p->bytes,
                   .write = (d->bind[i].access & PNB_WRITE) != 0};
}

static bool conflicts(const ranges *before, const range *r) {
    for (size_t i = 0; i < before->count; i++) {
        const range *b = &before->items[i];
        if ((b->write || r->write) && b->kind == r->kind && b->block == r->block && b->begin < r->end && r->begin < b->end) return true;
    }
    return false;
}

void pnb_schedule(pnb_plan *plan) {
    ranges before = {.count = 0};
    size_t length = 0;
    double gflop = 0.0;
    plan->report.barriers = 0;
    for (size_t i = 0; i < plan->dispatch_count; i++) {
        pnb_planned_dispatch *pd = &plan->dispatches[i];
        bool hazard = false;
        for (uint32_t k = 0; k < pd->d.n_bind && !hazard; k++) {
            range r = range_of(plan, &pd->d, k);
            hazard = conflicts(&before, &r);
        }
        pd->list_start = i == 0 || i == plan->prologue_dispatches || length >= PNB_LIST_MAX_DISPATCHES ||
                         gflop + pd->d.gflop > LIST_GFLOP || (hazard && length >= SOFT_LENGTH);
        pd->barrier = hazard && !pd->list_start;
        if (pd->list_start) length = 0, gflop = 0.0;
        if (pd->barrier) plan->report.barriers++;
        if (pd->list_start || pd->barrier) before.count = 0;
        for (uint32_t k = 0; k < pd->d.n_bind; k++) before.items[before.count++] = range_of(plan, &pd->d, k);
        length++;
        gflop += pd->d.gflop;
    }
    plan->report.dispatches = (uint32_t)plan->dispatch_count;
}

/* The plan: which nodes run and in which order, how long each tensor lives, where it lies, and what that needs.
 *
 * 1. Nodes without effect (no output marked, no storage changed, nothing that needs them) are dropped, and constants that
 *    are prepared twice are prepared once.
 * 2. Nodes that depend on frozen storages alone run first, once: the prologue. What the rest needs of them is kept in
 *    constant blocks; the others share the arenas with everything else.
 * 3. A tensor lives from the node that makes it (joined tensors: from the first that makes one) to the last that uses it or a view
 *    of it. An op that allows it takes over
 *    the memory of an input that dies there. The rest is packing (pack.c).
 */
#include "base/str.h"
#include "graph/internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LARGEST_NAMED = 6 };
#define UNMADE UINT32_MAX

/* Arrays that are needed only while planning. */
typedef struct planner {
    pnb_graph *g;
    pnb_plan *plan;
    const pnb_program_memory *memory;
    pnb_tensor *same;  /* by root: the tensor that stands for it (merge.c) */
    const pnb_prepared **ready; /* by root: where it lies already, prepared by another program; NULL: nowhere */
    bool *live;        /* by node */
    int32_t *behind;   /* by node: the early node that stands behind it; -1: none */
    bool *kept;        /* by root: lives on after the program (output), or is a constant that the rest needs */
    bool *used;        /* by root: touched by a live node */
    uint32_t *first;   /* by root: position of the node that makes it */
    uint32_t *last;    /* by root: position of its last use */
    int32_t *slot;     /* by root: its slot, -1 none */
    pnb_slot *slots;
    pnb_tensor *owner; /* by slot: the newest tensor in it */
    size_t slot_count;
    uint64_t limit;    /* bytes of one block */
} planner;

static void planner_free(planner *p) {
    free(p->same);
    free(p->ready);
    free(p->live);
    free(p->behind);
    free(p->kept);
    free(p->used);
    free(p->first);
    free(p->last);
    free(p->slot);
    free(p->slots);
    free(p->owner);
}

static pnb_status planner_init(planner *p, pnb_graph *g, const pnb_program_memory *memory, pnb_plan *plan) {
    size_t t = g->tensor_count + 1, n = g->node_count + 1;
    const pnb_gpu_caps *caps = &plan->caps;
    *p = (planner){.g = g, .plan = plan, .memory = memory};
    p->limit = caps->max_binding_bytes < caps->max_buffer_bytes ? caps->max_binding_bytes : caps->max_buffer_bytes;
    p->same = malloc(t * sizeof *p->same);
    p->ready = calloc(t, sizeof *p->ready);
    p->live = calloc(n, sizeof *p->live);
    p->behind = malloc(n * sizeof *p->behind);
    p->kept = calloc(t, sizeof *p->kept);
    p->used = calloc(t, sizeof *p->used);
    p->first = calloc(t, sizeof *p->first);
    p->last = calloc(t, sizeof *p->last);
    p->slot = malloc(t * sizeof *p->slot);
    p->slots = calloc(t, sizeof *p->slots);
    p->owner = calloc(t, sizeof *p->owner);
    plan->order = calloc(n, sizeof *plan->order);
    plan->places = calloc(t, sizeof *plan->places);
    plan->recipes = calloc(t, sizeof *plan->recipes);
    plan->place_count = g->tensor_count;
    if (!p->same || !p->ready || !plan->recipes || !p->live || !p->behind || !p->kept || !p->used || !p->first || !p->last || !p->slot ||
        !p->slots || !p->owner || !plan->order || !plan->places) {
        planner_free(p);
        return pnb_fail(g->err, PNB_ERROR_OUT_OF_MEMORY, "plan of graph '%s': out of host memory", g->name);
    }
    for (size_t i = 0; i < g->tensor_count; i++) {
        p->slot[i] = -1;
        p->first[i] = UNMADE;
    }
    return PNB_OK;
}

/* Whose memory t is. */
static pnb_tensor root_of(const planner *p, pnb_tensor t) { return p->same[p->g->tensors[t].root]; }

static void find_ready(planner *p) {
    const pnb_graph *g = p->g;
    pnb_constant_recipes(g, p->plan->recipes);
    for (size_t t = 0; t < g->tensor_count; t++) {
        const pnb_tensor_info *info = &g->tensors[t];
        if (!info->constant || info->storage || info->root != (pnb_tensor)t) continue;
        p->ready[t] = pnb_memory_find(p->memory, p->plan->recipes[t], pnb_tensor_bytes(g, (pnb_tensor)t));
    }
}

/* Whether a tensor is wanted and must be made. */
static bool missing(const planner *p, pnb_tensor t) { return p->used[root_of(p, t)] && !p->ready[root_of(p, t)]; }

/* Step 1, and the tensors that live nodes touch. */
static void find_live(planner *p) {
    const pnb_graph *g = p->g;
    for (size_t t = 0; t < g->tensor_count; t++) {
        if (g->tensors[t].output) p->used[root_of(p, (pnb_tensor)t)] = p->kept[root_of(p, (pnb_tensor)t)] = true;
    }
    for (size_t i = g->node_count; i-- > 0;) {
        const pnb_node *n = &g->nodes[i].n;
        if (n->n_out > 0 && p->same[n->out[0]] != n->out[0]) continue; /* another does the same */
        p->live[i] = n->inout != 0;
        for (uint32_t k = 0; k < n->n_out; k++) p->live[i] = p->live[i] || missing(p, n->out[k]);
        if (!p->live[i]) continue;
        for (uint32_t k = 0; k < n->n_in; k++) {
            if (n->in[k] != PNB_NONE) p->used[root_of(p, n->in[k])] = true;
        }
        for (uint32_t k = 0; k < n->n_out; k++) {
            p->used[root_of(p, n->out[k])] = true;
            p->ready[root_of(p, n->out[k])] = NULL; /* made here, with the others */
        }
    }
}

/* The live node behind which this live node stands, though it may have been added later; -1: none. */
static int32_t early_maker(const planner *p, size_t node) {
    const pnb_node *n = &p->g->nodes[node].n;
    int32_t maker = p->live[node] && n->op->early ? p->g->tensors[n->in[0]].node : -1;
    return maker >= 0 && p->live[maker] ? maker : -1;
}

/* Step 2. An early node stands behind the maker of its input. */
static void make_order(planner *p) {
    const pnb_graph *g = p->g;
    pnb_plan *plan = p->plan;
    for (size_t i = 0; i < g->node_count; i++) p->behind[i] = -1;
    for (size_t i = 0; i < g->node_count; i++) {
        int32_t maker = early_maker(p, i);
        if (maker >= 0) p->behind[maker] = (int32_t)i;
    }
    for (int pass = 0; pass < 2; pass++) {
        for (size_t i = 0; i < g->node_count; i++) {
            if (!p->live[i] || g->nodes[i].constant != (pass == 0)) continue;
            int32_t maker = early_maker(p, i);
            if (maker >= 0 && p->behind[maker] == (int32_t)i) continue;
            plan->order[plan->order_count++] = (int32_t)i;
            if (p->behind[i] >= 0) plan->order[plan->order_count++] = p->behind[i];
        }
        if (pass == 0) plan->prologue_nodes = plan->order_count;
    }
}

static void find_lifetimes(planner *p) {
    const pnb_graph *g = p->g;
    const pnb_plan *plan = p->plan;
    for (uint32_t pos = 0; pos < plan->order_count; pos++) {
        const pnb_graph_node *gn = &g->nodes[plan->order[pos]];
        for (uint32_t k = 0; k < gn->n.n_in; k++) {
            if (gn->n.in[k] == PNB_NONE) continue;
            pnb_tensor r = root_of(p, gn->n.in[k]);
            p->last[r] = pos;
            if (g->tensors[r].constant && !gn->constant) p->kept[r] = true;
        }
        for (uint32_t k = 0; k < gn->n.n_out; k++) {
            pnb_tensor r = root_of(p, gn->n.out[k]); /* itself, or what it is joined to: made by its first part */
            if (p->first[r] == UNMADE) p->first[r] = pos;
            p->last[r] = pos;
        }
    }
    for (size_t t = 0; t < g->tensor_count; t++) {
        if (p->kept[t]) p->last[t] = (uint32_t)plan->order_count;
    }
}

static pnb_status check_sizes(planner *p) {
    const pnb_graph *g = p->g;
    for (size_t t = 0; t < g->tensor_count; t++) {
        uint64_t bytes = pnb_tensor_bytes(g, (pnb_tensor)t);
        if (!p->used[t] || bytes <= p->limit) continue;
        char shape[48], need[32], have[32];
        return pnb_fail(g->err, PNB_ERROR_OUT_OF_MEMORY,
                        "graph '%s': tensor '%s' %s takes %s, the device binds at most %s at a time; smaller images, or fewer of them at "
                        "once, would fit",
                        g->name, g->tensors[t].name, pnb_shape_text(g->tensors[t].shape, shape), pnb_bytes_text(bytes, need),
                        pnb_bytes_text(p->limit, have));
    }
    return PNB_OK;
}

/* The slot that out[0] of a node may take over from an input that dies at `pos`; -1: none. */
static int32_t inplace_slot(const planner *p, const pnb_node *n, uint32_t pos) {
    const pnb_graph *g = p->g;
    for (uint32_t i = 0; i < n->n_in; i++) {
        if (!(n->op->inplace >> i & 1) || n->in[i] == PNB_NONE) continue;
        pnb_tensor r = root_of(p, n->in[i]);
        uint64_t bytes = pnb_tensor_bytes(g, n->out[0]);
        bool fits = p->slot[r] >= 0 && p->last[r] == pos && bytes == pnb_tensor_bytes(g, r) && bytes == pnb_tensor_bytes(g, n->in[i]) &&
                    !g->tensors[r].half && !g->tensors[n->out[0]].half;
        for (uint32_t k = 0; k < n->n_in && fits; k++) { /* another input in the same memory must be read at the same places */
            if (k == i || n->in[k] == PNB_NONE || root_of(p, n->in[k]) != r) continue;
            fits = n->in[k] == n->in[i] && (n->op->inplace >> k & 1);
        }
        if (fits) return p->slot[r];
    }
    return -1;
}

static void make_slots(planner *p) {
    const pnb_graph *g = p->g;
    pnb_plan *plan = p->plan;
    for (uint32_t pos = 0; pos < plan->order_count; pos++) {
        const pnb_graph_node *gn = &g->nodes[plan->order[pos]];
        for (uint32_t k = 0; k < gn->n.n_out; k++) {
            pnb_tensor t = root_of(p, gn->n.out[k]);
            if (p->slot[t] >= 0) continue; /* a later part of a join */
            uint64_t bytes = pnb_tensor_bytes(g, (pnb_tensor)t);
            plan->report.tensors++;
            if (gn->constant && p->kept[t]) continue;
            plan->report.unshared_bytes += bytes;
            int32_t s = k == 0 && t == gn->n.out[k] ? inplace_slot(p, &gn->n, pos) : -1;
            if (s < 0) {
                s = (int32_t)p->slot_count++;
                p->slots[s] = (pnb_slot){.bytes = bytes, .first = pos};
            }
            p->slots[s].last = p->last[t];
            p->owner[s] = t;
            p->slot[t] = s;
        }
    }
}

/* Constants lie one after the other in blocks of their own, or where another program prepared them. */
static pnb_status place_constants(planner *p) {
    const pnb_graph *g = p->g;
    pnb_plan *plan = p->plan;
    pnb_blocks *blocks = &plan->constants;
    uint32_t others = p->memory ? (uint32_t)p->memory->constants.count : 0;
    for (size_t t = 0; t < g->tensor_count; t++) {
        const pnb_prepared *at = p->used[t] ? p->ready[t] : NULL;
        if (at) plan->places[t] = (pnb_place){.kind = PNB_IN_CONSTANTS, .block = at->block, .offset = at->offset};
    }
    for (uint32_t pos = 0; pos < plan->prologue_nodes; pos++) {
        const pnb_node *n = &g->nodes[plan->order[pos]].n;
        for (uint32_t k = 0; k < n->n_out; k++) {
            if (!p->kept[n->out[k]]) continue;
            uint64_t bytes = pnb_tensor_bytes(g, n->out[k]);
            uint64_t offset = blocks->count ? pnb_round_up(blocks->bytes[blocks->count - 1], PNB_MEMORY_ALIGNMENT) : 0;
            if (blocks->count == 0 || offset + bytes > p->limit) {
                PNB_TRY(pnb_reserve(g->err, &blocks->bytes, &blocks->capacity, blocks->count + 1, sizeof *blocks->bytes));
                blocks->count++;
                offset = 0;
            }
            blocks->bytes[blocks->count - 1] = offset + bytes;
            plan->places[n->out[k]] = (pnb_place){
                .kind = PNB_IN_CONSTANTS, .block = others + (uint32_t)(blocks->count - 1), .offset = offset};
        }
    }
    for (size_t i = 0; i < blocks->count; i++) plan->report.constant_bytes += blocks->bytes[i];
    return PNB_OK;
}

/* Places of all tensors, views included, from those of the roots. */
static void resolve_places(planner *p) {
    const pnb_graph *g = p->g;
    pnb_plan *plan = p->plan;
    for (size_t t = 0; t < g->tensor_count; t++) {
        const pnb_tensor_info *info = &g->tensors[t];
        pnb_place *place = &plan->places[t];
        if (root_of(p, (pnb_tensor)t) != (pnb_tensor)t) continue;
        if (info->storage) {
            *place = (pnb_place){.kind = PNB_IN_STORAGE, .block = (uint32_t)t, .storage = info->storage, .readable = true};
            if (p->used[t]) plan->report.storage_bytes += pnb_shape_bytes(info->shape);
        } else if (p->slot[t] >= 0) {
            const pnb_slot *s = &p->slots[p->slot[t]];
            *place = (pnb_place){.kind = PNB_IN_ARENA, .block = s->arena, .offset = s->offset, .first = p->first[t], .last = p->last[t]};
        }
    }
    for (size_t t = 0; t < g->tensor_count; t++) {
        const pnb_tensor_info *info = &g->tensors[t];
        pnb_place *place = &plan->places[t];
        pnb_tensor root = root_of(p, (pnb_tensor)t);
        if (root != (pnb_tensor)t) {
            *place = plan->places[root];
            place->offset += info->offset;
        }
        place->bytes = pnb_tensor_bytes(g, (pnb_tensor)t);
        place->half = info->half;
        place->elements = pnb_shape_count(info->shape);
    }
    for (size_t t = 0; t < g->tensor_count; t++) {
        if (g->tensors[t].output) plan->places[root_of(p, (pnb_tensor)t)].readable = true;
    }
    for (size_t t = 0; t < g->tensor_count; t++) plan->places[t].readable = plan->places[root_of(p, (pnb_tensor)t)].readable;
}

/* The position at which most bytes live. */
static uint32_t find_peak(const planner *p, uint64_t *scratch) {
    size_t n = p->plan->order_count + 2;
    memset(scratch, 0, n * sizeof *scratch);
    for (size_t i = 0; i < p->slot_count; i++) { /* unsigned differences: they wrap and come back */
        scratch[p->slots[i].first] += p->slots[i].bytes;
        scratch[p->slots[i].last + 1] -= p->slots[i].bytes;
    }
    uint64_t live = 0, most = 0;
    uint32_t peak = 0;
    for (uint32_t i = 0; i < n; i++) {
        live += scratch[i];
        if (live > most) most = live, peak = i;
    }
    return peak;
}

static pnb_status name_largest(planner *p) {
    const pnb_graph *g = p->g;
    uint64_t *scratch = malloc((p->plan->order_count + 2) * sizeof *scratch);
    if (!scratch) return pnb_fail(g->err, PNB_ERROR_OUT_OF_MEMORY, "plan of graph '%s': out of host memory", g->name);
    uint32_t peak = find_peak(p, scratch);
    free(scratch);
    size_t top[LARGEST_NAMED], n = 0;
    for (size_t i = 0; i < p->slot_count; i++) {
        if (p->slots[i].first > peak || p->slots[i].last < peak) continue;
        size_t k = n < LARGEST_NAMED ? n++ : LARGEST_NAMED;
        if (k == LARGEST_NAMED && p->slots[i].bytes <= p->slots[top[--k]].bytes) continue;
        for (; k > 0 && p->slots[top[k - 1]].bytes < p->slots[i].bytes; k--) top[k] = top[k - 1];
        top[k] = i;
    }
    char *text = p->plan->report.largest, shape[48], bytes[32];
    size_t room = sizeof p->plan->report.largest, used = 0;
    for (size_t i = 0; i < n; i++) {
        const pnb_tensor_info *t = &g->tensors[p->owner[top[i]]];
        int k = snprintf(text + used, room - used, "%s'%.40s' %s %s", i ? ", " : "", t->name, pnb_shape_text(t->shape, shape),
                         pnb_bytes_text(p->slots[top[i]].bytes, bytes));
        if (k < 0 || (size_t)k >= room - used) {
            text[used] = 0; /* whole entries only */
            break;
        }
        used += (size_t)k;
    }
    return PNB_OK;
}

static pnb_status lower_all(planner *p) {
    pnb_plan *plan = p->plan;
    for (size_t pos = 0; pos < plan->order_count; pos++) {
        if (pos == plan->prologue_nodes) plan->prologue_dispatches = plan->dispatch_count;
        pnb_graph_node node = p->g->nodes[plan->order[pos]];
        PNB_TRY(pnb_lower_node(p->g, plan, &node.n, node.choice));
    }
    if (plan->prologue_nodes == plan->order_count) plan->prologue_dispatches = plan->dispatch_count;
    if (p->g->choices_failed) return pnb_fail(p->g->err, PNB_ERROR_OUT_OF_MEMORY, "plan of graph '%s': out of host memory", p->g->name);
    pnb_schedule(plan);
    return PNB_OK;
}

static pnb_status fill(planner *p) {
    PNB_TRY(pnb_merge_constants(p->g, p->same));
    find_ready(p);
    find_live(p);
    make_order(p);
    find_lifetimes(p);
    PNB_TRY(check_sizes(p));
    make_slots(p);
    PNB_TRY(pnb_pack(p->g->err, p->slots, p->slot_count, p->limit, &p->plan->arenas));
    PNB_TRY(place_constants(p));
    resolve_places(p);
    PNB_TRY(name_largest(p));
    p->plan->report.arenas = (uint32_t)p->plan->arenas.count;
    for (size_t i = 0; i < p->plan->arenas.count; i++) p->plan->report.arena_bytes += p->plan->arenas.bytes[i];
    return lower_all(p);
}

pnb_status pnb_plan_make(pnb_graph *g, const pnb_gpu_caps *caps, const pnb_program_memory *memory, pnb_plan **out) {
    *out = NULL;
    if (g->open_segment >= 0) {
        return pnb_fail(g->err, PNB_ERROR_USAGE, "graph '%s': segment '%s' is still open", g->name, g->segments[g->open_segment].name);
    }
    pnb_plan *plan = calloc(1, sizeof *plan);
    if (!plan) return pnb_fail(g->err, PNB_ERROR_OUT_OF_MEMORY, "plan of graph '%s': out of host memory", g->name);
    plan->err = g->err;
    plan->caps = caps ? *caps : g->caps;
    planner p = {0};
    pnb_status status = planner_init(&p, g, memory, plan);
    if (status == PNB_OK) {
        status = fill(&p);
        planner_free(&p);
    }
    if (status != PNB_OK) pnb_plan_destroy(&plan);
    *out = plan;
    return status;
}

void pnb_plan_destroy(pnb_plan **plan) {
    pnb_plan *p = plan ? *plan : NULL;
    if (!p) return;
    free(p->places);
    free(p->order);
    free(p->dispatches);
    free(p->arenas.bytes);
    free(p->constants.bytes);
    free(p->recipes);
    free(p);
    *plan = NULL;
}

pnb_status pnb_plan_check_budget(const pnb_plan *plan, const char *name, uint64_t budget, uint64_t held, uint64_t missing) {
    const pnb_plan_report *r = &plan->report;
    uint64_t memory = plan->caps.memory_bytes; /* 0 where a driver does not say */
    if (budget == 0 && memory == 0) return PNB_OK;
    if (budget == 0) budget = memory > r->storage_bytes ? memory - r->storage_bytes : 0;
    uint64_t left = budget > held ? budget - held : 0;
    if (missing + r->constant_bytes <= left) return PNB_OK;
    char arenas[32], constants[32], have[32];
    return pnb_fail(plan->err, PNB_ERROR_OUT_OF_MEMORY,
                    "graph '%s' needs %s for intermediate tensors and %s for prepared constants, the budget is %s; the largest at the "
                    "peak are %s; smaller images, fewer of them at once, or checkpointing need less",
                    name, pnb_bytes_text(missing, arenas), pnb_bytes_text(r->constant_bytes, constants),
                    pnb_bytes_text(left, have), r->largest);
}

pnb_status pnb_graph_plan(pnb_graph *g, const pnb_gpu_caps *caps, pnb_plan_report *out) {
    pnb_plan *plan = NULL;
    PNB_TRY(pnb_plan_make(g, caps, NULL, &plan));
    *out = plan->report;
    pnb_plan_destroy(&plan);
    return PNB_OK;
}

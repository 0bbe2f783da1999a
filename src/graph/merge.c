/* Finds nodes that prepare the same constant twice (packed weights of a network that is evaluated several times, say).
 *
 * Only nodes that depend on frozen storages alone are compared: merging others would lengthen lifetimes, and would undo the
 * recomputation of checkpointed segments.
 */
#include "graph/internal.h"

#include <stdlib.h>
#include <string.h>

typedef struct merger {
    const pnb_graph *g;
    pnb_tensor *same;
    int32_t *table; /* open addressing; -1: free */
    size_t mask;
} merger;

static uint64_t mix(uint64_t h, uint64_t v) { return (h ^ v) * UINT64_C(0x9E3779B97F4A7C15) ^ h >> 29; }

static uint64_t hash_node(const merger *m, const pnb_node *n) {
    uint64_t h = mix((uint64_t)(uintptr_t)n->op, 16 * n->n_in + n->n_out), word;
    for (uint32_t i = 0; i < n->n_in; i++) {
        if (n->in[i] == PNB_NONE) continue;
        const pnb_tensor_info *t = &m->g->tensors[n->in[i]];
        h = mix(mix(h, (uint64_t)m->same[t->root] << 4 | i), t->offset);
    }
    for (size_t i = 0; i < PNB_NODE_ATTR_BYTES; i += sizeof word) {
        memcpy(&word, n->attr + i, sizeof word);
        h = mix(h, word);
    }
    return h ^ h >> 32;
}

static bool same_tensor(const merger *m, pnb_tensor a, pnb_tensor b) {
    if (a == PNB_NONE || b == PNB_NONE) return a == b;
    const pnb_tensor_info *ta = &m->g->tensors[a], *tb = &m->g->tensors[b];
    return m->same[ta->root] == m->same[tb->root] && ta->offset == tb->offset && pnb_shape_equal(ta->shape, tb->shape);
}

static bool same_node(const merger *m, const pnb_node *a, const pnb_node *b) {
    if (a->op != b->op || a->n_in != b->n_in || a->n_out != b->n_out || memcmp(a->attr, b->attr, sizeof a->attr) != 0) return false;
    for (uint32_t i = 0; i < a->n_in; i++) {
        if (!same_tensor(m, a->in[i], b->in[i])) return false;
    }
    for (uint32_t i = 0; i < a->n_out; i++) {
        if (!pnb_shape_equal(m->g->tensors[a->out[i]].shape, m->g->tensors[b->out[i]].shape)) return false;
    }
    return true;
}

/* Look the node up; enter it if it is new, else let its outputs stand for those of the first of its kind. */
static void merge_node(merger *m, int32_t number) {
    const pnb_node *n = &m->g->nodes[number].n;
    size_t at = hash_node(m, n) & m->mask;
    for (; m->table[at] >= 0; at = (at + 1) & m->mask) {
        const pnb_node *other = &m->g->nodes[m->table[at]].n;
        if (!same_node(m, n, other)) continue;
        for (uint32_t i = 0; i < n->n_out; i++) m->same[n->out[i]] = other->out[i];
        return;
    }
    m->table[at] = number;
}

pnb_status pnb_merge_constants(const pnb_graph *g, pnb_tensor *same) {
    size_t constants = 0, size = 16;
    for (size_t t = 0; t < g->tensor_count; t++) same[t] = (pnb_tensor)t;
    for (size_t i = 0; i < g->node_count; i++) constants += g->nodes[i].constant;
    while (size < 2 * constants) size *= 2;
    merger m = {.g = g, .same = same, .table = malloc(size * sizeof *m.table), .mask = size - 1};
    if (!m.table) return pnb_fail(g->err, PNB_ERROR_OUT_OF_MEMORY, "plan of graph '%s': out of host memory", g->name);
    for (size_t i = 0; i < size; i++) m.table[i] = -1;
    for (size_t i = 0; i < g->node_count; i++) {
        if (g->nodes[i].constant) merge_node(&m, (int32_t)i);
    }
    free(m.table);
    return PNB_OK;
}

/* Ops that compute nothing, for tests of building and planning that need no device; and the cmocka includes. */
#ifndef PNB_TESTS_GRAPH_FAKE_H
#define PNB_TESTS_GRAPH_FAKE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "graph/internal.h"

/* One dispatch that reads all inputs and writes all outputs. */
static pnb_status fake_lower(pnb_lower *l, const pnb_node *n) {
    pnb_dispatch d = {.shader = "fake", .n_spec = 1, .spec = {1}, .groups = {1, 1, 1}};
    for (uint32_t i = 0; i < n->n_in; i++) {
        if (n->in[i] == PNB_NONE) continue;
        d.bind[d.n_bind].tensor = n->in[i];
        d.bind[d.n_bind++].access = n->inout >> i & 1 ? PNB_READ_WRITE : PNB_READ;
    }
    for (uint32_t i = 0; i < n->n_out; i++) {
        d.bind[d.n_bind].tensor = n->out[i];
        d.bind[d.n_bind++].access = PNB_WRITE;
    }
    return pnb_lower_emit(l, &d);
}

static const pnb_op fake_plain = {.name = "plain", .lower = fake_lower};
static const pnb_op fake_inplace = {.name = "inplace", .lower = fake_lower, .inplace = 3};
static const pnb_op fake_impure = {.name = "impure", .lower = fake_lower, .impure = true};

static inline pnb_graph *fake_graph(pnb_error *err) {
    pnb_graph *g = NULL;
    assert_int_equal(pnb_graph_create(err, NULL, "test", &g), PNB_OK);
    return g;
}

/* A node of `op` with up to two inputs (PNB_NONE: absent) and one output. */
static inline pnb_tensor fake_node(pnb_graph *g, const pnb_op *op, pnb_tensor a, pnb_tensor b, pnb_shape shape) {
    pnb_tensor in[2] = {a, b}, out = PNB_NONE;
    uint32_t n = b != PNB_NONE ? 2 : a != PNB_NONE ? 1 : 0;
    assert_int_equal(pnb_graph_add(g, op, in, n, 0, NULL, 0, &shape, 1, &out, 1), PNB_OK);
    return out;
}

/* A node that changes storage `s` in place, reading `x`. */
static inline void fake_update(pnb_graph *g, pnb_tensor s, pnb_tensor x) {
    pnb_tensor in[2] = {s, x};
    assert_int_equal(pnb_graph_add(g, &fake_plain, in, x == PNB_NONE ? 1 : 2, 1, NULL, 0, NULL, 0, NULL, 0), PNB_OK);
}

static inline pnb_tensor fake_storage(pnb_graph *g, pnb_store *store, const char *name, pnb_shape shape, pnb_storage_kind kind) {
    pnb_storage *s = NULL;
    pnb_tensor t = PNB_NONE;
    assert_int_equal(pnb_store_add(store, name, shape, kind, &s), PNB_OK);
    assert_int_equal(pnb_graph_bind(g, s, &t), PNB_OK);
    return t;
}

static inline pnb_plan *fake_plan(pnb_graph *g, const pnb_gpu_caps *caps) {
    pnb_plan *plan = NULL;
    assert_int_equal(pnb_plan_make(g, caps, NULL, &plan), PNB_OK);
    return plan;
}

#define assert_contains(text, part)                                                                                    \
    do {                                                                                                               \
        if (!strstr((text), (part))) fail_msg("'%s' does not contain '%s'", (text), (part));                           \
    } while (0)

#endif

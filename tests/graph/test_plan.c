/* The plan: what runs, what is prepared once, memory that is never shared by two live tensors, errors that name tensors. */
#include "graph/fake.h"

#include <time.h>

typedef struct fixture {
    pnb_error err;
    pnb_graph *g;
    pnb_store *store;
    pnb_tensor frozen, variable; /* [4,64] */
} fixture;

static int setup(void **state) {
    fixture *f = calloc(1, sizeof *f);
    f->g = fake_graph(&f->err);
    assert_int_equal(pnb_store_create(&f->err, "s", &f->store), PNB_OK);
    f->frozen = fake_storage(f->g, f->store, "frozen", pnb_shape2(4, 64), PNB_STORAGE_FROZEN);
    f->variable = fake_storage(f->g, f->store, "variable", pnb_shape2(4, 64), PNB_STORAGE_VARIABLE);
    *state = f;
    return 0;
}

static int teardown(void **state) {
    fixture *f = *state;
    pnb_graph_destroy(&f->g);
    pnb_store_destroy(&f->store, NULL);
    free(f);
    return 0;
}

static void test_dead_nodes(void **state) {
    fixture *f = *state;
    pnb_tensor x = fake_node(f->g, &fake_plain, f->variable, PNB_NONE, pnb_shape1(8));
    fake_node(f->g, &fake_plain, x, PNB_NONE, pnb_shape1(8)); /* nobody wants it */
    pnb_plan *plan = fake_plan(f->g, NULL);
    assert_int_equal(plan->order_count, 0);
    pnb_plan_destroy(&plan);
    fake_update(f->g, f->variable, x);
    plan = fake_plan(f->g, NULL);
    assert_int_equal(plan->order_count, 2);
    assert_int_equal(plan->report.dispatches, 2);
    assert_int_equal(plan->report.storage_bytes, 1024);
    pnb_plan_destroy(&plan);
}

/* Joined results lie where the join says, apart from all that lives before its last use. */
static void test_join(void **state) {
    fixture *f = *state;
    pnb_tensor a = fake_node(f->g, &fake_plain, f->variable, PNB_NONE, pnb_shape1(100)), join, other;
    pnb_tensor b = fake_node(f->g, &fake_plain, a, PNB_NONE, pnb_shape2(1, 256)); /* dies here, were it not for the join */
    pnb_tensor c = fake_node(f->g, &fake_inplace, b, PNB_NONE, pnb_shape2(16, 16)), flat;
    assert_int_equal(pnb_graph_reshape(f->g, c, pnb_shape1(256), &flat), PNB_OK);
    uint64_t offsets[] = {0, 512};
    assert_int_equal(pnb_graph_join(f->g, (pnb_tensor[]){a, a}, offsets, 2, 400, &join), PNB_ERROR_INTERNAL);
    assert_int_equal(pnb_graph_join(f->g, (pnb_tensor[]){a, flat}, offsets, 2, 300, &join), PNB_ERROR_INTERNAL);
    assert_int_equal(pnb_graph_join(f->g, (pnb_tensor[]){a, f->variable}, offsets, 2, 400, &join), PNB_ERROR_INTERNAL);
    assert_int_equal(pnb_graph_join(f->g, (pnb_tensor[]){a, flat}, offsets, 2, 400, &join), PNB_OK);
    assert_false(pnb_graph_joinable(f->g, a));
    other = fake_node(f->g, &fake_plain, f->variable, PNB_NONE, pnb_shape1(100));
    fake_update(f->g, f->variable, other);
    fake_update(f->g, f->variable, join);
    pnb_plan *plan = fake_plan(f->g, NULL);
    assert_int_equal(plan->order_count, 6);
    const pnb_place *p = plan->places;
    assert_int_equal(p[a].offset, p[join].offset);
    assert_int_equal(p[c].offset, p[join].offset + 512);
    assert_int_equal(p[flat].offset, p[c].offset);
    assert_int_equal(p[join].first, 0);
    assert_int_equal(p[join].last, 5);
    const pnb_tensor apart[] = {b, other};
    for (int i = 0; i < 2; i++) {
        const pnb_place *q = &p[apart[i]];
        assert_true(q->block != p[join].block || q->offset + q->bytes <= p[join].offset || q->offset >= p[join].offset + p[join].bytes);
    }
    pnb_plan_destroy(&plan);
}

static void test_prologue(void **state) {
    fixture *f = *state;
    pnb_shape s = pnb_shape1(64);
    pnb_tensor a = fake_node(f->g, &fake_plain, f->variable, PNB_NONE, s);
    pnb_tensor b = fake_node(f->g, &fake_plain, f->frozen, PNB_NONE, s); /* prologue, inner */
    pnb_tensor c = fake_node(f->g, &fake_plain, b, PNB_NONE, s);         /* prologue, kept */
    pnb_tensor d = fake_node(f->g, &fake_impure, c, PNB_NONE, s);        /* every run */
    pnb_tensor e = fake_node(f->g, &fake_plain, a, d, s);
    pnb_graph_output(f->g, e);
    pnb_plan *plan = fake_plan(f->g, NULL);
    assert_int_equal(plan->prologue_nodes, 2);
    assert_int_equal(plan->prologue_dispatches, 2);
    assert_int_equal(plan->order[0], 1);
    assert_int_equal(plan->order[1], 2);
    assert_int_equal(plan->places[b].kind, PNB_IN_ARENA);
    assert_int_equal(plan->places[c].kind, PNB_IN_CONSTANTS);
    assert_int_equal(plan->places[d].kind, PNB_IN_ARENA);
    assert_int_equal(plan->report.constant_bytes, 256);
    assert_int_equal(plan->report.tensors, 5);
    pnb_plan_destroy(&plan);
}

static void test_equal_constants_are_one(void **state) {
    fixture *f = *state;
    pnb_shape s = pnb_shape1(64);
    pnb_tensor view, result[3];
    for (int i = 0; i < 3; i++) { /* twice the same through different views, once of other rows */
        assert_int_equal(pnb_graph_slice0(f->g, f->frozen, i == 2 ? 1 : 0, 2, &view), PNB_OK);
        pnb_tensor packed = fake_node(f->g, &fake_plain, fake_node(f->g, &fake_plain, view, PNB_NONE, s), PNB_NONE, s);
        result[i] = packed;
        pnb_graph_output(f->g, fake_node(f->g, &fake_plain, packed, f->variable, s));
        pnb_graph_output(f->g, fake_node(f->g, &fake_plain, f->variable, PNB_NONE, s)); /* not a constant: each for itself */
    }
    pnb_plan *plan = fake_plan(f->g, NULL);
    assert_int_equal(plan->prologue_nodes, 4);
    assert_int_equal(plan->order_count, 10);
    assert_int_equal(plan->report.constant_bytes, 512);
    assert_int_equal(plan->places[result[0]].kind, PNB_IN_CONSTANTS);
    assert_int_equal(plan->places[result[0]].offset, plan->places[result[1]].offset);
    assert_int_not_equal(plan->places[result[0]].offset, plan->places[result[2]].offset);
    pnb_plan_destroy(&plan);
}

/* Bytes of arenas of a chain of n nodes. */
static uint64_t chain_bytes(fixture *f, const pnb_op *op, int n) {
    pnb_plan_report report;
    pnb_tensor x = f->variable;
    for (int i = 0; i < n; i++) x = fake_node(f->g, op, x, PNB_NONE, pnb_shape2(4, 64));
    pnb_graph_output(f->g, x);
    assert_int_equal(pnb_graph_plan(f->g, NULL, &report), PNB_OK);
    assert_int_equal(report.unshared_bytes, (uint64_t)n * 1024);
    return report.arena_bytes;
}

static void test_chain(void **state) { assert_int_equal(chain_bytes(*state, &fake_plain, 10), 2048); }
static void test_inplace_chain(void **state) {
    fixture *f = *state;
    assert_int_equal(chain_bytes(f, &fake_inplace, 10), 1024);
    pnb_plan *plan = fake_plan(f->g, NULL); /* but not in place on the storage */
    assert_int_equal(plan->places[f->variable].kind, PNB_IN_STORAGE);
    pnb_plan_destroy(&plan);
}

static bool same_place(fixture *f, pnb_tensor a, pnb_tensor b) {
    pnb_plan *plan = fake_plan(f->g, NULL);
    bool same = plan->places[a].kind == plan->places[b].kind && plan->places[a].block == plan->places[b].block &&
                plan->places[a].offset == plan->places[b].offset;
    pnb_plan_destroy(&plan);
    return same;
}

static void test_inplace_rules(void **state) {
    fixture *f = *state;
    pnb_shape s = pnb_shape2(4, 64);
    pnb_tensor a = fake_node(f->g, &fake_plain, f->variable, PNB_NONE, s), flat, half;
    pnb_tensor b = fake_node(f->g, &fake_inplace, a, a, s); /* twice the same input is fine */
    assert_int_equal(pnb_graph_reshape(f->g, b, pnb_shape1(256), &flat), PNB_OK);
    pnb_tensor c = fake_node(f->g, &fake_inplace, flat, PNB_NONE, pnb_shape1(256)); /* a view of the whole is fine */
    pnb_graph_output(f->g, c);
    pnb_tensor d = fake_node(f->g, &fake_inplace, c, PNB_NONE, pnb_shape1(256)); /* c is an output: not in place */
    assert_int_equal(pnb_graph_slice0(f->g, d, 0, 64, &half), PNB_OK);
    pnb_tensor e = fake_node(f->g, &fake_inplace, half, PNB_NONE, pnb_shape1(64)); /* part of d: not in place */
    pnb_tensor h = fake_node(f->g, &fake_plain, f->variable, PNB_NONE, s), row;
    assert_int_equal(pnb_graph_slice0(f->g, h, 1, 1, &row), PNB_OK);
    pnb_tensor i = fake_node(f->g, &fake_inplace, h, row, s); /* reads h elsewhere, too: not in place */
    pnb_tensor j = fake_node(f->g, &fake_inplace, i, PNB_NONE, s); /* i is used later: not in place */
    pnb_graph_output(f->g, fake_node(f->g, &fake_plain, i, j, s));
    pnb_graph_output(f->g, e);
    assert_true(same_place(f, a, b));
    assert_true(same_place(f, b, c));
    assert_false(same_place(f, c, d));
    assert_false(same_place(f, d, e));
    assert_false(same_place(f, h, i));
    assert_false(same_place(f, i, j));
}

static pnb_status check_budget(const pnb_plan *plan, uint64_t budget) {
    return pnb_plan_check_budget(plan, "net", budget, 0, plan->report.arena_bytes);
}

static void test_errors(void **state) {
    fixture *f = *state;
    pnb_plan_report report;
    pnb_tensor big[3];
    for (int i = 0; i < 3; i++) {
        big[i] = fake_node(f->g, &fake_plain, f->variable, PNB_NONE, pnb_shape2(25, 1 << 20)); /* 100 MiB each */
        pnb_graph_output(f->g, big[i]);
    }
    pnb_graph_set_name(f->g, big[1], "features");
    pnb_plan *plan = fake_plan(f->g, NULL);
    assert_int_equal(plan->report.arenas, 3); /* 128 MiB is the most that one has */
    assert_int_equal(check_budget(plan, UINT64_C(300) << 20), PNB_OK);
    assert_int_equal(check_budget(plan, 0), PNB_OK); /* the baseline device does not say what it has */
    assert_int_equal(pnb_plan_check_budget(plan, "net", UINT64_C(299) << 20, UINT64_C(100) << 20, UINT64_C(200) << 20),
                     PNB_ERROR_OUT_OF_MEMORY);
    assert_int_equal(pnb_plan_check_budget(plan, "net", UINT64_C(300) << 20, UINT64_C(100) << 20, UINT64_C(200) << 20), PNB_OK);
    assert_int_equal(check_budget(plan, UINT64_C(299) << 20), PNB_ERROR_OUT_OF_MEMORY);
    assert_contains(f->err.message, "graph 'net' needs 300.0 MiB for intermediate tensors and 0 bytes for prepared constants, "
                                    "the budget is 299.0 MiB");
    assert_contains(f->err.message, "'features' [25,1048576] 100.0 MiB");
    assert_contains(f->err.message, "smaller images, fewer of them at once, or checkpointing");
    pnb_plan_destroy(&plan);
    pnb_tensor huge = fake_node(f->g, &fake_plain, big[0], PNB_NONE, pnb_shape2(33, 1 << 20));
    pnb_graph_output(f->g, huge);
    pnb_graph_set_name(f->g, huge, "huge");
    assert_int_equal(pnb_graph_plan(f->g, NULL, &report), PNB_ERROR_OUT_OF_MEMORY);
    assert_contains(f->err.message, "tensor 'huge' [33,1048576] takes 132.0 MiB, the device binds at most 128.0 MiB at a time");
}

/* ---- random graphs, carried out on a model of the memory --------------------------------------------------------- */

enum { CELL = 16, CELLS = 4096, BLOCKS = 64 };

/* Which tensor wrote each 16 bytes of arenas (0) and constants (1). */
typedef struct memory {
    pnb_tensor cell[2][BLOCKS][CELLS];
    pnb_tensor same[4096]; /* constants that stand for equal ones */
} memory;

static pnb_tensor *cells(memory *m, const pnb_place *p) {
    assert_true(p->kind == PNB_IN_ARENA || p->kind == PNB_IN_CONSTANTS);
    assert_true(p->block < BLOCKS && p->offset + p->bytes <= CELL * CELLS && p->offset % PNB_MEMORY_ALIGNMENT == 0);
    return &m->cell[p->kind == PNB_IN_CONSTANTS][p->block][p->offset / CELL];
}

static void check_holds(memory *m, const pnb_graph *g, const pnb_plan *plan, pnb_tensor t) {
    if (plan->places[t].kind == PNB_IN_STORAGE) return;
    const pnb_tensor *c = cells(m, &plan->places[t]);
    for (uint64_t i = 0; i < plan->places[t].bytes / CELL; i++) assert_int_equal(c[i], m->same[g->tensors[t].root]);
}

static void carry_out(memory *m, const pnb_graph *g, const pnb_plan *plan, size_t from) {
    for (size_t pos = from; pos < plan->order_count; pos++) {
        const pnb_node *n = &g->nodes[plan->order[pos]].n;
        for (uint32_t i = 0; i < n->n_in; i++) check_holds(m, g, plan, n->in[i]);
        for (uint32_t i = 0; i < n->n_out; i++) {
            pnb_tensor *c = cells(m, &plan->places[n->out[i]]);
            for (uint64_t k = 0; k < plan->places[n->out[i]].bytes / CELL; k++) c[k] = n->out[i];
        }
        for (uint32_t i = 0; i < n->n_out; i++) check_holds(m, g, plan, n->out[i]); /* outputs do not overlap each other */
        for (uint32_t i = 0; i < n->n_in; i++) { /* an input is overwritten only by an op that may */
            if (!n->op->inplace) check_holds(m, g, plan, n->in[i]);
        }
    }
    for (size_t t = 0; t < g->tensor_count; t++) {
        if (g->tensors[t].output) check_holds(m, g, plan, (pnb_tensor)t);
    }
}

static uint32_t next_random(uint32_t *s) {
    *s = *s * 1664525u + 1013904223u;
    return *s >> 8;
}

static void grow_randomly(fixture *f, uint32_t *seed, int nodes) {
    const pnb_op *ops[] = {&fake_plain, &fake_inplace, &fake_inplace, &fake_impure};
    for (int i = 0; i < nodes; i++) {
        pnb_tensor in[3], out[3];
        pnb_shape shapes[3];
        uint32_t n_in = 1 + next_random(seed) % 3, n_out = 1 + next_random(seed) % 3;
        for (uint32_t k = 0; k < n_in; k++) { /* mostly recent tensors */
            uint32_t back = next_random(seed) % 4 ? next_random(seed) % 8 : next_random(seed);
            in[k] = (pnb_tensor)(f->g->tensor_count - 1 - back % f->g->tensor_count);
        }
        for (uint32_t k = 0; k < n_out; k++) shapes[k] = pnb_shape2(4, 16 << next_random(seed) % 5);
        if (next_random(seed) % 2) shapes[0] = pnb_graph_shape(f->g, in[0]);
        assert_int_equal(pnb_graph_add(f->g, ops[next_random(seed) % 4], in, n_in, 0, NULL, 0, shapes, n_out, out, n_out), PNB_OK);
        if (next_random(seed) % 16 == 0) pnb_graph_output(f->g, out[0]);
        pnb_shape s = pnb_graph_shape(f->g, out[0]);
        if (next_random(seed) % 4 == 0 && s.d[0] == 4 && s.d[1] >= 64)
            assert_int_equal(pnb_graph_slice0(f->g, out[0], 1, 2, &in[0]), PNB_OK);
        if (next_random(seed) % 8 == 0)
            assert_int_equal(pnb_graph_reshape(f->g, out[0], pnb_shape1((uint32_t)pnb_shape_count(s)), &in[0]), PNB_OK);
    }
    pnb_graph_output(f->g, (pnb_tensor)(f->g->tensor_count - 1));
}

static void test_random_graphs(void **state) {
    (void)state;
    memory *m = malloc(sizeof *m);
    for (uint32_t round = 0; round < 60; round++) {
        void *inner = NULL;
        setup(&inner);
        fixture *f = inner;
        uint32_t seed = round + 1;
        grow_randomly(f, &seed, 10 + (int)round * 2);
        pnb_gpu_caps caps;
        pnb_caps_baseline(&caps);
        caps.max_binding_bytes = round % 2 ? CELL * CELLS : CELL * CELLS / 4;
        pnb_plan *plan = fake_plan(f->g, &caps);
        memset(m, 0xff, sizeof *m);
        assert_true(f->g->tensor_count <= sizeof m->same / sizeof m->same[0]);
        assert_int_equal(pnb_merge_constants(f->g, m->same), PNB_OK);
        carry_out(m, f->g, plan, 0);
        carry_out(m, f->g, plan, plan->prologue_nodes); /* again: the constants are still there */
        pnb_plan_destroy(&plan);
        teardown(&inner);
    }
    free(m);
}

static double seconds(void) {
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void test_large_graph_is_quick(void **state) {
    fixture *f = *state;
    double start = seconds();
    enum { N = 5000 };
    static pnb_tensor x[N];
    for (int i = 0; i < N; i++) { /* a forward half whose tensors are all used again by the backward half, last first */
        pnb_shape s = pnb_shape2(4, 64u + (uint32_t)(i * 37 % 101));
        x[i] = fake_node(f->g, &fake_plain, i ? x[i - 1] : f->variable, i < N / 2 ? PNB_NONE : x[N - 1 - i], s);
    }
    pnb_graph_output(f->g, x[N - 1]);
    pnb_plan *plan = fake_plan(f->g, NULL);
    double used = seconds() - start;
    print_message("%d nodes: %.3f s, %.2f of the unshared bytes\n", (int)N, used,
                  (double)plan->report.arena_bytes / (double)plan->report.unshared_bytes);
    assert_true(used < 2.0); /* 0.1 s; sanitizers and a busy machine are slower */
    assert_true(plan->report.arena_bytes < plan->report.unshared_bytes * 6 / 10);
    pnb_plan_destroy(&plan);
}

int main(void) {
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {TEST(test_dead_nodes),
                                       TEST(test_prologue),
                                       TEST(test_chain),
                                       TEST(test_equal_constants_are_one),
                                       TEST(test_inplace_chain),
                                       TEST(test_inplace_rules),
                                       TEST(test_errors),
                                       TEST(test_join),
                                       cmocka_unit_test(test_random_graphs),
                                       TEST(test_large_graph_is_quick)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

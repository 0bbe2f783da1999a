/* Checkpointed segments: the same bytes as without, less memory, and an error where recomputing would read other values. The same of
 * single tensors that are made again. */
#include "run.h"

enum { BLOCKS = 6 };
typedef enum mode { PLAIN, CHECKPOINTED, REMADE } mode;

/* h <- h + tanh(silu(h * w_i) * w_i), some of it through views, with noise in the last block. */
static pnb_tensor build_block(bench *b, pnb_tensor h, pnb_tensor w, int i, bool remake) {
    pnb_tensor y = PNB_NONE, flat;
    pnb_shape shape = pnb_graph_shape(b->g, h);
    TEST_OK(b->err, pnb_mul(b->g, h, w, &y));
    TEST_OK(b->err, pnb_graph_reshape(b->g, y, pnb_shape1((uint32_t)pnb_shape_count(shape)), &flat));
    TEST_OK(b->err, pnb_silu(b->g, flat, &flat));
    if (remake) pnb_graph_remake(b->g, flat);
    TEST_OK(b->err, pnb_graph_reshape(b->g, flat, shape, &y));
    TEST_OK(b->err, pnb_mul(b->g, y, w, &y));
    if (remake) pnb_graph_remake(b->g, y); /* from one that is made again too */
    if (i == BLOCKS - 1) {
        pnb_tensor noise;
        TEST_OK(b->err, pnb_noise_normal(b->g, shape, 7, 1, PNB_NONE, 0, &noise));
        TEST_OK(b->err, pnb_mul(b->g, y, noise, &y));
    }
    TEST_OK(b->err, pnb_unary_op(b->g, PNB_TANH, y, &y));
    TEST_OK(b->err, pnb_add(b->g, h, y, &y));
    return y;
}

typedef struct result {
    float *value, *gx, *gw;
    uint64_t arena_bytes;
    size_t nodes;
} result;

static result run(void **state, mode how) {
    bench b = bench_begin(state);
    pnb_shape shape = pnb_shape4(4, 8, 16, 16);
    pnb_tensor x = bench_storage(&b, "x", shape, PNB_STORAGE_VARIABLE, 1), h = x, w[BLOCKS], g[2];
    pnb_tensor c = bench_storage(&b, "c", shape, PNB_STORAGE_VARIABLE, 5000);
    for (int i = 0; i < BLOCKS; i++) {
        char name[8];
        snprintf(name, sizeof name, "w%d", i);
        w[i] = bench_storage(&b, name, shape, PNB_STORAGE_VARIABLE, 100u * (uint32_t)i);
        if (how == CHECKPOINTED) TEST_OK(b.err, pnb_graph_segment_begin(b.g, name));
        h = build_block(&b, h, w[i], i, how == REMADE);
        if (how == CHECKPOINTED) TEST_OK(b.err, pnb_graph_segment_end(b.g));
    }
    pnb_tensor wrt[2] = {x, w[2]};
    TEST_OK(b.err, pnb_graph_grad(b.g, &h, &c, 1, wrt, 2, g));
    TEST_OK(b.err, pnb_graph_output(b.g, h));
    for (int i = 0; i < 2; i++) TEST_OK(b.err, pnb_graph_output(b.g, g[i]));
    pnb_program *p = bench_program(&b, NULL);
    TEST_OK(b.err, pnb_program_run(p));
    result r = {.value = bench_read(&b, p, h), .gx = bench_read(&b, p, g[0]), .gw = bench_read(&b, p, g[1])};
    r.arena_bytes = pnb_program_report(p)->arena_bytes;
    r.nodes = pnb_graph_node_count(b.g);
    pnb_program_destroy(&p);
    bench_end(&b);
    return r;
}

static void result_free(result *r) {
    free(r->value);
    free(r->gx);
    free(r->gw);
}

static void check_mode(void **state, mode how) {
    result plain = run(state, PLAIN), again = run(state, how);
    size_t bytes = 4 * 4 * 8 * 16 * 16;
    assert_memory_equal(plain.value, again.value, bytes);
    assert_memory_equal(plain.gx, again.gx, bytes);
    assert_memory_equal(plain.gw, again.gw, bytes);
    assert_true(again.nodes > plain.nodes);
    print_message("arenas: %llu bytes, %llu where tensors are computed again\n", (unsigned long long)plain.arena_bytes,
                  (unsigned long long)again.arena_bytes);
    assert_true(again.arena_bytes * 3 < plain.arena_bytes * (how == CHECKPOINTED ? 2 : 3));
    result_free(&plain);
    result_free(&again);
}

static void test_same_bytes_less_memory(void **state) { check_mode(state, CHECKPOINTED); }

static void test_remade(void **state) { check_mode(state, REMADE); }

/* What cannot be made again is kept. */
static void test_remade_changed(void **state) {
    bench b = bench_begin(state);
    pnb_tensor x = bench_storage(&b, "x", pnb_shape2(4, 64), PNB_STORAGE_VARIABLE, 1);
    pnb_tensor w = bench_storage(&b, "weights", pnb_shape2(4, 64), PNB_STORAGE_VARIABLE, 2), y, z, g;
    TEST_OK(b.err, pnb_mul(b.g, x, w, &y));
    pnb_graph_remake(b.g, y);
    TEST_OK(b.err, pnb_mul(b.g, y, y, &z));
    TEST_OK(b.err, pnb_assign(b.g, w, z));
    size_t nodes = pnb_graph_node_count(b.g);
    TEST_OK(b.err, pnb_graph_grad(b.g, &z, &x, 1, &y, 1, &g));
    assert_true(g != PNB_NONE);
    for (size_t i = nodes; i < b.g->node_count; i++) assert_int_not_equal(b.g->nodes[i].n.in[0], w);
    bench_end(&b);
}

static void test_changed_storage(void **state) {
    bench b = bench_begin(state);
    pnb_tensor x = bench_storage(&b, "x", pnb_shape2(4, 64), PNB_STORAGE_VARIABLE, 1);
    pnb_tensor w = bench_storage(&b, "weights", pnb_shape2(4, 64), PNB_STORAGE_VARIABLE, 2), y, g;
    TEST_OK(b.err, pnb_graph_segment_begin(b.g, "block"));
    TEST_OK(b.err, pnb_mul(b.g, x, w, &y));
    TEST_OK(b.err, pnb_graph_segment_end(b.g));
    TEST_OK(b.err, pnb_assign(b.g, w, y));
    assert_int_equal(pnb_graph_grad(b.g, &y, &x, 1, &x, 1, &g), PNB_ERROR_USAGE);
    assert_non_null(strstr(b.err->message, "segment 'block' cannot be computed again: it reads 'weights', which"));
    bench_end(&b);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_same_bytes_less_memory), cmocka_unit_test(test_changed_storage),
                                       cmocka_unit_test(test_remade), cmocka_unit_test(test_remade_changed)};
    return cmocka_run_group_tests(tests, test_device_setup, test_device_teardown);
}

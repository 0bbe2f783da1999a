/* Checkpointed segments: the same bytes as without, less memory, and an error where recomputing would read other values. */
#include "run.h"

enum { BLOCKS = 6 };

/* h <- h + tanh(silu(h * w_i) * w_i), some of it through views, with noise in the last block. */
static pnb_tensor build_block(bench *b, pnb_tensor h, pnb_tensor w, int i) {
    pnb_tensor y = PNB_NONE, flat;
    pnb_shape shape = pnb_graph_shape(b->g, h);
    TEST_OK(b->err, pnb_mul(b->g, h, w, &y));
    TEST_OK(b->err, pnb_graph_reshape(b->g, y, pnb_shape1((uint32_t)pnb_shape_count(shape)), &flat));
    TEST_OK(b->err, pnb_silu(b->g, flat, &flat));
    TEST_OK(b->err, pnb_graph_reshape(b->g, flat, shape, &y));
    TEST_OK(b->err, pnb_mul(b->g, y, w, &y));
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

static result run(void **state, bool checkpointed) {
    bench b = bench_begin(state);
    pnb_shape shape = pnb_shape4(4, 8, 16, 16);
    pnb_tensor x = bench_storage(&b, "x", shape, PNB_STORAGE_VARIABLE, 1), h = x, w[BLOCKS], g[2];
    pnb_tensor c = bench_storage(&b, "c", shape, PNB_STORAGE_VARIABLE, 5000);
    for (int i = 0; i < BLOCKS; i++) {
        char name[8];
        snprintf(name, sizeof name, "w%d", i);
        w[i] = bench_storage(&b, name, shape, PNB_STORAGE_VARIABLE, 100u * (uint32_t)i);
        if (checkpointed) TEST_OK(b.err, pnb_graph_segment_begin(b.g, name));
        h = build_block(&b, h, w[i], i);
        if (checkpointed) TEST_OK(b.err, pnb_graph_segment_end(b.g));
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

static void test_same_bytes_less_memory(void **state) {
    result plain = run(state, false), checkpointed = run(state, true);
    size_t bytes = 4 * 4 * 8 * 16 * 16;
    assert_memory_equal(plain.value, checkpointed.value, bytes);
    assert_memory_equal(plain.gx, checkpointed.gx, bytes);
    assert_memory_equal(plain.gw, checkpointed.gw, bytes);
    assert_true(checkpointed.nodes > plain.nodes);
    print_message("arenas: %llu bytes without, %llu with checkpoints\n", (unsigned long long)plain.arena_bytes,
                  (unsigned long long)checkpointed.arena_bytes);
    assert_true(checkpointed.arena_bytes * 3 < plain.arena_bytes * 2);
    result_free(&plain);
    result_free(&checkpointed);
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
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_same_bytes_less_memory), cmocka_unit_test(test_changed_storage)};
    return cmocka_run_group_tests(tests, test_device_setup, test_device_teardown);
}

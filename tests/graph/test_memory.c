/* Programs that share memory: what is prepared once, arenas that lie on each other, budgets, and results that stay
 * right. */
#include "gpu/testing.h"
#include "run.h"

#include <math.h>

enum { N = 1024 };

/* y = tanh(...tanh(2 w + v)...), `links` times: w frozen, so 2 w is prepared. */
static pnb_tensor build(bench *b, pnb_storage *w, pnb_storage *v, int links) {
    pnb_tensor tw, tv, y;
    if (!b->g) TEST_OK(b->err, pnb_graph_create(b->err, b->gpu, "test", &b->g));
    TEST_OK(b->err, pnb_graph_bind(b->g, w, &tw));
    TEST_OK(b->err, pnb_graph_bind(b->g, v, &tv));
    TEST_OK(b->err, pnb_affine(b->g, tw, 2, 0, &tw));
    TEST_OK(b->err, pnb_add(b->g, tw, tv, &y));
    for (int i = 0; i < links; i++) TEST_OK(b->err, pnb_unary_op(b->g, PNB_TANH, y, &y));
    TEST_OK(b->err, pnb_graph_output(b->g, y));
    return y;
}

static pnb_program *make(bench *b, pnb_program_memory *memory) {
    pnb_program *p = bench_program(b, &(pnb_program_params){.memory = memory});
    pnb_graph_destroy(&b->g);
    return p;
}

static void check(bench *b, pnb_program *p, pnb_tensor y, int links) {
    float *values = malloc(N * sizeof *values);
    TEST_OK(b->err, pnb_program_run(p));
    TEST_OK(b->err, pnb_program_read(p, y, values, N));
    for (uint32_t i = 0; i < N; i++) {
        double e = 2.0 * (double)bench_value(i) + (double)bench_value(7 + i);
        for (int k = 0; k < links; k++) e = tanh(e);
        if (!(fabs((double)values[i] - e) < 1e-5)) fail_msg("element %u is %g, expected %g", i, (double)values[i], e);
    }
    free(values);
}

static void storages(bench *b, pnb_storage **w, pnb_storage **v) {
    bench_storage(b, "w", pnb_shape1(N), PNB_STORAGE_FROZEN, 0);
    bench_storage(b, "v", pnb_shape1(N), PNB_STORAGE_VARIABLE, 7);
    *w = pnb_store_find(b->store, "w");
    *v = pnb_store_find(b->store, "v");
    pnb_graph_destroy(&b->g);
}

static void test_shared(void **state) {
    bench b = bench_begin(state);
    pnb_program_memory *memory;
    pnb_storage *w, *v;
    storages(&b, &w, &v);
    TEST_OK(b.err, pnb_program_memory_create(b.err, b.gpu, &memory));
    pnb_tensor y1 = build(&b, w, v, 3);
    pnb_program *p1 = make(&b, memory);
    uint64_t bytes = pnb_program_memory_bytes(memory), submitted = pnb_gpu_get_stats(b.gpu).dispatches_submitted;
    assert_int_equal(bytes, pnb_program_report(p1)->arena_bytes + pnb_program_report(p1)->constant_bytes);
    assert_true(pnb_program_report(p1)->constant_bytes >= 4 * N);

    pnb_tensor y2 = build(&b, w, v, 5);
    pnb_program *p2 = make(&b, memory);
    assert_int_equal(pnb_gpu_get_stats(b.gpu).dispatches_submitted, submitted); /* nothing was prepared again */
    assert_int_equal(pnb_program_report(p2)->constant_bytes, 0);
    assert_int_equal(pnb_program_memory_bytes(memory), bytes);
    for (int i = 0; i < 3; i++) {
        check(&b, p1, y1, 3);
        check(&b, p2, y2, 5);
    }
    pnb_program_destroy(&p1);
    check(&b, p2, y2, 5);
    pnb_program_destroy(&p2);
    pnb_program_memory_destroy(&memory);
    bench_end(&b);
}

/* Another storage, or the same with another factor, is another constant. */
static void test_told_apart(void **state) {
    bench b = bench_begin(state);
    pnb_program_memory *memory;
    pnb_storage *w, *v;
    storages(&b, &w, &v);
    TEST_OK(b.err, pnb_program_memory_create(b.err, b.gpu, &memory));
    build(&b, w, v, 1);
    pnb_program *p1 = make(&b, memory);
    pnb_tensor t, tv, y;
    TEST_OK(b.err, pnb_graph_create(b.err, b.gpu, "test", &b.g));
    TEST_OK(b.err, pnb_graph_bind(b.g, w, &t));
    TEST_OK(b.err, pnb_graph_bind(b.g, v, &tv));
    TEST_OK(b.err, pnb_affine(b.g, t, 3, 0, &t));
    TEST_OK(b.err, pnb_add(b.g, t, tv, &y));
    TEST_OK(b.err, pnb_graph_output(b.g, y));
    pnb_program *p2 = make(&b, memory);
    float values[N];
    TEST_OK(b.err, pnb_program_run(p2));
    TEST_OK(b.err, pnb_program_read(p2, y, values, N));
    for (uint32_t i = 0; i < N; i++) assert_true(fabsf(values[i] - (3 * bench_value(i) + bench_value(7 + i))) < 1e-5f);
    assert_true(pnb_program_report(p2)->constant_bytes >= 4 * N);
    pnb_program_destroy(&p1);
    pnb_program_destroy(&p2);
    pnb_program_memory_destroy(&memory);
    bench_end(&b);
}

/* A budget is of the whole memory. */
static void test_budget(void **state) {
    bench b = bench_begin(state);
    pnb_program_memory *memory;
    pnb_program *p1, *p2 = NULL;
    pnb_storage *w, *v;
    storages(&b, &w, &v);
    TEST_OK(b.err, pnb_program_memory_create(b.err, b.gpu, &memory));
    build(&b, w, v, 1);
    p1 = make(&b, memory);
    pnb_program_params params = {.memory = memory, .memory_budget = pnb_program_memory_bytes(memory)};
    build(&b, w, v, 2);
    TEST_OK(b.err, pnb_program_create(b.g, b.gpu, &params, &p2)); /* fits into what there is */
    pnb_program_destroy(&p2);
    pnb_graph_destroy(&b.g);
    TEST_OK(b.err, pnb_graph_create(b.err, b.gpu, "test", &b.g));
    bench_storage(&b, "more", pnb_shape1(64 * N), PNB_STORAGE_FROZEN, 3);
    pnb_tensor more, u;
    TEST_OK(b.err, pnb_graph_bind(b.g, pnb_store_find(b.store, "more"), &more));
    TEST_OK(b.err, pnb_affine(b.g, more, 2, 1, &more));
    TEST_OK(b.err, pnb_unary_op(b.g, PNB_TANH, more, &u));
    TEST_OK(b.err, pnb_graph_output(b.g, u));
    assert_int_equal(pnb_program_create(b.g, b.gpu, &params, &p2), PNB_ERROR_OUT_OF_MEMORY);
    assert_null(p2);
    assert_int_equal(pnb_program_memory_bytes(memory), params.memory_budget);
    pnb_program_destroy(&p1);
    pnb_program_memory_destroy(&memory);
    bench_end(&b);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_shared),
        cmocka_unit_test(test_told_apart),
        cmocka_unit_test(test_budget),
    };
    return cmocka_run_group_tests(tests, test_device_setup, test_device_teardown);
}

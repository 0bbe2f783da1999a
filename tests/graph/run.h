/* Small graphs carried out on the device, for the tests of derivatives, checkpoints and programs. */
#ifndef PNB_TESTS_GRAPH_RUN_H
#define PNB_TESTS_GRAPH_RUN_H

#include "device.h"

#include <string.h>

#include "graph/internal.h"
#include "ops/ops.h"

/* One store and one graph on the test's device. */
typedef struct bench {
    pnb_gpu *gpu;
    pnb_error *err;
    pnb_store *store;
    pnb_graph *g;
} bench;

static inline bench bench_begin(void **state) {
    bench b = {.gpu = test_gpu(state), .err = test_err(state)};
    TEST_OK(b.err, pnb_store_create(b.err, "store", &b.store));
    TEST_OK(b.err, pnb_graph_create(b.err, b.gpu, "test", &b.g));
    return b;
}

static inline void bench_end(bench *b) {
    pnb_graph_destroy(&b->g);
    pnb_store_destroy(&b->store, b->gpu);
}

/* Element i of the values that bench_storage writes. */
static inline float bench_value(uint32_t i) { return (float)((i * 2654435761u >> 8) % 2000) / 1000.0f - 1.0f; }

/* A committed storage with values bench_value(seed + i), bound to the graph. */
static inline pnb_tensor bench_storage(bench *b, const char *name, pnb_shape shape, pnb_storage_kind kind, uint32_t seed) {
    pnb_storage *s = NULL;
    pnb_tensor t = PNB_NONE;
    TEST_OK(b->err, pnb_store_add(b->store, name, shape, kind, &s));
    TEST_OK(b->err, pnb_store_commit(b->store, b->gpu));
    uint64_t n = pnb_shape_count(shape);
    float *v = malloc(n * sizeof *v);
    for (uint64_t i = 0; i < n; i++) v[i] = bench_value(seed + (uint32_t)i);
    TEST_OK(b->err, pnb_storage_write(s, b->gpu, v, n));
    free(v);
    TEST_OK(b->err, pnb_graph_bind(b->g, s, &t));
    return t;
}

static inline pnb_program *bench_program(bench *b, const pnb_program_params *params) {
    pnb_program *p = NULL;
    TEST_OK(b->err, pnb_program_create(b->g, b->gpu, params, &p));
    return p;
}

/* The values of t after a run; the caller frees them. */
static inline float *bench_read(bench *b, pnb_program *p, pnb_tensor t) {
    uint64_t n = pnb_shape_count(pnb_graph_shape(b->g, t));
    float *v = malloc(n * sizeof *v);
    TEST_OK(b->err, pnb_program_read(p, t, v, n));
    return v;
}

/* Runs the graph once and checks every element i of t against expected(i). */
static inline void bench_expect(bench *b, pnb_tensor t, double (*expected)(uint32_t i)) {
    TEST_OK(b->err, pnb_graph_output(b->g, t));
    pnb_program *p = bench_program(b, NULL);
    TEST_OK(b->err, pnb_program_run(p));
    float *v = bench_read(b, p, t);
    for (uint32_t i = 0; i < pnb_shape_count(pnb_graph_shape(b->g, t)); i++) {
        double e = expected(i), d = (double)v[i] - e;
        if (!(d < 1e-5 && d > -1e-5)) fail_msg("element %u is %g, expected %g", i, (double)v[i], e);
    }
    free(v);
    pnb_program_destroy(&p);
}

#endif

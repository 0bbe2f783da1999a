/* How work is shared out must not show in the results: equal rows of a batch give equal bytes wherever they lie, and a second
 * run gives the bytes of the first. */
#include "device.h"

#include "base/philox.h"
#include "graph/graph.h"
#include "ops/ops.h"

#include <string.h>

enum { MOST_OUT = 16 };

typedef struct rows_case {
    uint32_t batch, channels, height, width, groups;
} rows_case;

typedef struct rig {
    pnb_gpu *gpu;
    pnb_error *err;
    pnb_store *store;
    pnb_graph *graph;
    pnb_program *program;
    pnb_tensor out[MOST_OUT];
    const char *name[MOST_OUT];
    uint32_t n_out;
} rig;

/* A tensor whose rows are equal, or (repeat false) random all over. */
static pnb_tensor tensor(rig *r, const char *name, pnb_shape shape, bool repeat, uint32_t stream) {
    pnb_storage *s;
    pnb_tensor t;
    size_t count = (size_t)pnb_shape_count(shape), row = repeat ? count / shape.d[0] : count;
    float *values = malloc(count * sizeof *values);
    assert_non_null(values);
    for (size_t i = 0; i < count; i += row) pnb_fill_normal(5, stream, 0, 0, values + i, row);
    TEST_OK(r->err, pnb_store_add(r->store, name, shape, PNB_STORAGE_VARIABLE, &s));
    TEST_OK(r->err, pnb_store_commit(r->store, r->gpu));
    TEST_OK(r->err, pnb_storage_write(s, r->gpu, values, count));
    TEST_OK(r->err, pnb_graph_bind(r->graph, s, &t));
    free(values);
    return t;
}

static void keep(rig *r, const char *name, pnb_tensor t) {
    r->name[r->n_out] = name;
    r->out[r->n_out++] = t;
    TEST_OK(r->err, pnb_graph_output(r->graph, t));
}

static void build(rig *r, const rows_case *c) {
    pnb_shape image = pnb_shape4(c->batch, c->channels, c->height, c->width);
    pnb_tensor x = tensor(r, "x", image, true, 0), g = tensor(r, "g", image, true, 1), t = tensor(r, "t", pnb_shape1(c->batch), true, 2);
    pnb_tensor gamma = tensor(r, "gamma", pnb_shape1(c->channels), false, 3), beta = tensor(r, "beta", pnb_shape1(c->channels), false, 4);
    pnb_tensor ss = tensor(r, "ss", pnb_shape2(c->batch, 2 * c->channels), true, 5), y, grad[2], wrt[2] = {x, ss};
    TEST_OK(r->err, pnb_group_norm(r->graph, x, gamma, beta, ss, c->groups, 1e-5f, true, &y));
    keep(r, "group norm", y);
    TEST_OK(r->err, pnb_graph_grad(r->graph, &y, &g, 1, wrt, 2, grad));
    keep(r, "group norm, gradient of x", grad[0]);
    keep(r, "group norm, gradient of scale and shift", grad[1]);
    TEST_OK(r->err, pnb_unary_op(r->graph, PNB_TANH, x, &y));
    keep(r, "tanh", y);
    TEST_OK(r->err, pnb_binary_op(r->graph, PNB_DIV, x, t, &y));
    keep(r, "division by one value a sample", y);
    TEST_OK(r->err, pnb_axpby(r->graph, 0.3f, t, x, -1.7f, PNB_NONE, g, &y));
    keep(r, "axpby", y);
    TEST_OK(r->err, pnb_reduce_rows(r->graph, PNB_SQNORM, x, &y));
    keep(r, "square norm of rows", y);
    TEST_OK(r->err, pnb_timestep_embedding(r->graph, t, 34, 1e4f, false, false, &y));
    keep(r, "timestep embedding", y);
    TEST_OK(r->err, pnb_upsample_nearest(r->graph, x, 2, &y));
    keep(r, "upsample", y);
    TEST_OK(r->err, pnb_avg_pool(r->graph, y, 2, &y));
    keep(r, "pool", y);
}

static void run_case(void **state, const rows_case *c) {
    rig r = {.gpu = test_gpu(state), .err = test_err(state)};
    TEST_OK(r.err, pnb_store_create(r.err, "rows", &r.store));
    TEST_OK(r.err, pnb_graph_create(r.err, r.gpu, "rows", &r.graph));
    build(&r, c);
    TEST_OK(r.err, pnb_program_create(r.graph, r.gpu, NULL, &r.program));
    for (uint32_t i = 0; i < r.n_out; i++) {
        size_t count = (size_t)pnb_shape_count(pnb_graph_shape(r.graph, r.out[i])), row = count / c->batch;
        float *first = malloc(count * sizeof *first), *again = malloc(count * sizeof *again);
        assert_true(first && again);
        TEST_OK(r.err, pnb_program_run(r.program));
        TEST_OK(r.err, pnb_program_read(r.program, r.out[i], first, count));
        TEST_OK(r.err, pnb_program_run(r.program));
        TEST_OK(r.err, pnb_program_read(r.program, r.out[i], again, count));
        if (memcmp(first, again, count * sizeof *first)) fail_msg("%s: a second run differs", r.name[i]);
        for (uint32_t n = 1; n < c->batch; n++) {
            if (memcmp(first, first + n * row, row * sizeof *first)) fail_msg("%s: row %u differs from row 0", r.name[i], n);
        }
        free(first);
        free(again);
    }
    pnb_program_destroy(&r.program);
    pnb_graph_destroy(&r.graph);
    pnb_store_destroy(&r.store, r.gpu);
}

static void test_odd_rows(void **state) { run_case(state, &(rows_case){.batch = 7, .channels = 3, .height = 5, .width = 7, .groups = 1}); }
static void test_aligned_rows(void **state) { run_case(state, &(rows_case){.batch = 6, .channels = 8, .height = 8, .width = 8, .groups = 4}); }
static void test_many_rows(void **state) { run_case(state, &(rows_case){.batch = 67, .channels = 2, .height = 3, .width = 4, .groups = 2}); }
static void test_long_rows(void **state) { run_case(state, &(rows_case){.batch = 2, .channels = 3, .height = 120, .width = 100, .groups = 1}); }

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_odd_rows), cmocka_unit_test(test_aligned_rows), cmocka_unit_test(test_many_rows),
                                       cmocka_unit_test(test_long_rows)};
    return cmocka_run_group_tests(tests, test_device_setup, test_device_teardown);
}

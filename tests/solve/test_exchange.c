/* Which particles are replaced by copies of others: against the same arithmetic on the host, and by its statistics. */
#include "device.h"

#include "base/philox.h"
#include "solve/exchange.h"
#include "ops/ops.h"
#include "solve/phases.h"

#include <math.h>
#include <string.h>

enum { STREAM = 7, STEPS = 400 };
static const uint64_t SEED = 0x123456789abcull;

static int setup(void **state) {
    return test_device_setup(state);
}
static int teardown(void **state) {
    return test_device_teardown(state);
}

typedef struct fixture {
    pnb_gpu *gpu;
    pnb_error *err;
    pnb_store *store;
    pnb_storage *state, *table, *loss;
    pnb_program *program;
    pnb_tensor source;
    uint32_t k;
} fixture;

static fixture make(void **state, uint32_t k, const float *loss, float rate) {
    fixture f = {.gpu = test_gpu(state), .err = test_err(state), .k = k};
    float row[PNB_ROW_SIZE] = {0}, initial[PNB_STATE_SIZE];
    pnb_graph *g;
    pnb_tensor st, table, l;
    row[PNB_ROW_FREE] = rate;
    pnb_step_state_initial(initial);
    TEST_OK(f.err, pnb_store_create(f.err, "exchange", &f.store));
    TEST_OK(f.err, pnb_store_add(f.store, "state", pnb_shape1(PNB_STATE_SIZE), PNB_STORAGE_VARIABLE, &f.state));
    TEST_OK(f.err, pnb_store_add(f.store, "table", pnb_shape2(1, PNB_ROW_SIZE), PNB_STORAGE_FROZEN, &f.table));
    TEST_OK(f.err, pnb_store_add(f.store, "loss", pnb_shape1(k), PNB_STORAGE_VARIABLE, &f.loss));
    TEST_OK(f.err, pnb_store_commit(f.store, f.gpu));
    TEST_OK(f.err, pnb_storage_write(f.state, f.gpu, initial, PNB_STATE_SIZE));
    TEST_OK(f.err, pnb_storage_write(f.table, f.gpu, row, PNB_ROW_SIZE));
    TEST_OK(f.err, pnb_storage_write(f.loss, f.gpu, loss, k));
    TEST_OK(f.err, pnb_graph_create(f.err, f.gpu, "exchange", &g));
    TEST_OK(f.err, pnb_graph_bind(g, f.state, &st));
    TEST_OK(f.err, pnb_graph_bind(g, f.table, &table));
    TEST_OK(f.err, pnb_graph_bind(g, f.loss, &l));
    TEST_OK(f.err, pnb_step_state_advance(g, st, table, (pnb_advance){.flags = PNB_ADVANCE_STEP | PNB_ADVANCE_DRAW}));
    pnb_exchange q = {k, SEED, STREAM, PNB_STATE_ROW + PNB_ROW_FREE};
    TEST_OK(f.err, pnb_exchange_sources(g, st, l, q, &f.source));
    TEST_OK(f.err, pnb_graph_output(g, f.source));
    TEST_OK(f.err, pnb_program_create(g, f.gpu, NULL, &f.program));
    pnb_graph_destroy(&g);
    return f;
}

static void finish(fixture *f) {
    pnb_program_destroy(&f->program);
    pnb_store_destroy(&f->store, f->gpu);
}

static void step(fixture *f, float *source) {
    TEST_OK(f->err, pnb_program_run(f->program));
    TEST_OK(f->err, pnb_program_read(f->program, f->source, source, f->k));
}

static double uniform_of(uint32_t element, uint32_t draw) {
    uint32_t counter[4] = {element, draw, STREAM, 0}, key[2] = {(uint32_t)SEED, (uint32_t)(SEED >> 32)}, words[4];
    pnb_philox(counter, key, words);
    return pnb_uniform(words[0]);
}

/* Chance of the pair less its threshold: replaced where negative. A margin below 1e-5 is the device's to round. */
static double margin(uint32_t i, uint32_t j, double gap, double rate, uint32_t draw) {
    return uniform_of(1 + (i < j ? i : j), draw) - (1 - exp(-rate * gap));
}

static void check_against_host(void **state, uint32_t k) {
    static float loss[300], source[300];
    const float rate = 0.4f;
    pnb_fill_normal(3, 0, 0, 0, loss, k);
    fixture f = make(state, k, loss, rate);
    uint32_t replaced = 0;
    for (uint32_t draw = 1; draw <= 20; draw++) {
        step(&f, source);
        uint32_t c = (uint32_t)((float)uniform_of(0, draw) * (float)k);
        for (uint32_t i = 0; i < k; i++) {
            uint32_t j = (c + k - i) % k;
            double gap = (double)loss[i] - loss[j], m = gap > 0 ? margin(i, j, gap, rate, draw) : 1;
            if (fabs(m) > 1e-5) assert_int_equal((uint32_t)source[i], m < 0 ? j : i);
            replaced += source[i] != (float)i;
        }
    }
    assert_true(k == 1 ? replaced == 0 : k == 2 || replaced > 0);
    finish(&f);
}

static void test_host(void **state) {
    check_against_host(state, 1);
    check_against_host(state, 2);
    check_against_host(state, 9);
    check_against_host(state, 256);
    check_against_host(state, 299);
}

static void test_no_rate_no_exchange(void **state) {
    static float loss[64], source[64];
    pnb_fill_normal(3, 0, 0, 0, loss, 64);
    fixture f = make(state, 64, loss, 0);
    for (int n = 0; n < 10; n++) {
        step(&f, source);
        for (int i = 0; i < 64; i++) assert_int_equal(source[i], i);
    }
    finish(&f);
}

/* Two kinds of particle, V = log(share / weight): whatever the shares at the start, they settle at the weights. */
static void test_settles_at_the_weights(void **state) {
    enum { K = 128 };
    static float loss[K], source[K];
    bool first[K];
    const double weight = 0.8;
    double mean = 0;
    for (int i = 0; i < K; i++) first[i] = i < K / 4;
    fixture f = make(state, K, loss, 0.1f);
    for (int n = 0; n < STEPS; n++) {
        uint32_t count = 0;
        for (int i = 0; i < K; i++) count += first[i];
        double share = (double)count / K;
        assert_true(share > 0 && share < 1);
        for (int i = 0; i < K; i++) loss[i] = (float)(first[i] ? log(share / weight) : log((1 - share) / (1 - weight)));
        TEST_OK(f.err, pnb_storage_write(f.loss, f.gpu, loss, K));
        step(&f, source);
        bool next[K];
        for (int i = 0; i < K; i++) next[i] = first[(int)source[i]];
        memcpy(first, next, sizeof first);
        if (n >= STEPS / 2) mean += share / (STEPS / 2.0);
    }
    assert_float_equal(mean, weight, 0.02);
    finish(&f);
}

static void test_shapes(void **state) {
    pnb_error *err = test_err(state);
    pnb_graph *g;
    pnb_tensor st, loss, source;
    TEST_OK(err, pnb_graph_create(err, test_gpu(state), "exchange", &g));
    TEST_OK(err, pnb_constant(g, pnb_shape1(PNB_STATE_SIZE), 0, &st));
    TEST_OK(err, pnb_constant(g, pnb_shape1(6), 0, &loss));
    assert_int_equal(pnb_exchange_sources(g, st, loss, (pnb_exchange){.particles = 5}, &source), PNB_ERROR_INPUT);
    assert_non_null(strstr(err->message, "exchange: loss expects shape [5], found [6]"));
    pnb_graph_destroy(&g);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_host), cmocka_unit_test(test_no_rate_no_exchange),
                                       cmocka_unit_test(test_settles_at_the_weights), cmocka_unit_test(test_shapes)};
    return cmocka_run_group_tests(tests, setup, teardown);
}

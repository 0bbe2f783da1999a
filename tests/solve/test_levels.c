/* The step state and the drawing of noise levels: windows, weights, strata, counters. */
#include "device.h"

#include "solve/phases.h"

#include <math.h>
#include <string.h>

enum { COUNT = 1024, ROWS = 3 };

static int setup(void **state) {
    return test_device_setup(state);
}
static int teardown(void **state) {
    return test_device_teardown(state);
}

typedef struct fixture {
    pnb_store *store;
    pnb_storage *state, *table, *schedule;
    pnb_schedule s;
    pnb_program *program;
    pnb_tensor t, alpha, sigma, coef, weight;
} fixture;

static void make(fixture *f, pnb_gpu *gpu, pnb_error *err, double fine, double coarse, pnb_level_params q) {
    float rows[ROWS * PNB_ROW_SIZE] = {0}, state[PNB_STATE_SIZE];
    for (int i = 0; i < ROWS; i++) {
        rows[i * PNB_ROW_SIZE + PNB_ROW_LR] = 0.1f * (float)(i + 1);
        rows[i * PNB_ROW_SIZE + PNB_ROW_LAMBDA_FINE] = (float)(-2 * log(fine));
        rows[i * PNB_ROW_SIZE + PNB_ROW_LAMBDA_COARSE] = (float)(-2 * log(coarse));
    }
    pnb_step_state_initial(state);
    TEST_OK(err, pnb_schedule_init(err, PNB_SCHEDULE_LINEAR, 1000, &f->s));
    TEST_OK(err, pnb_store_create(err, "levels", &f->store));
    TEST_OK(err, pnb_store_add(f->store, "state", pnb_shape1(PNB_STATE_SIZE), PNB_STORAGE_VARIABLE, &f->state));
    TEST_OK(err, pnb_store_add(f->store, "table", pnb_shape2(ROWS, PNB_ROW_SIZE), PNB_STORAGE_FROZEN, &f->table));
    TEST_OK(err, pnb_schedule_table_add(f->store, &f->s, &f->schedule));
    TEST_OK(err, pnb_store_commit(f->store, gpu));
    TEST_OK(err, pnb_storage_write(f->state, gpu, state, PNB_STATE_SIZE));
    TEST_OK(err, pnb_storage_write(f->table, gpu, rows, ROWS * PNB_ROW_SIZE));
    TEST_OK(err, pnb_schedule_table_write(f->schedule, gpu, &f->s, err));
    pnb_graph *g;
    pnb_tensor st, table, schedule;
    pnb_levels levels;
    pnb_advance advance = {PNB_ADVANCE_STEP | PNB_ADVANCE_DRAW | PNB_ADVANCE_ADAM, 0.9f, 0.99f, 0.9f, 0.99f};
    TEST_OK(err, pnb_graph_create(err, gpu, "levels", &g));
    TEST_OK(err, pnb_graph_bind(g, f->state, &st));
    TEST_OK(err, pnb_graph_bind(g, f->table, &table));
    TEST_OK(err, pnb_graph_bind(g, f->schedule, &schedule));
    TEST_OK(err, pnb_step_state_advance(g, st, table, advance));
    TEST_OK(err, pnb_draw_levels(g, st, schedule, q, &levels));
    f->t = levels.level.t;
    f->alpha = levels.level.alpha;
    f->sigma = levels.level.sigma;
    f->coef = levels.coef;
    f->weight = levels.weight;
    pnb_tensor out[5] = {f->t, f->alpha, f->sigma, f->coef, f->weight};
    for (int i = 0; i < 5; i++) TEST_OK(err, pnb_graph_output(g, out[i]));
    TEST_OK(err, pnb_program_create(g, gpu, NULL, &f->program));
    pnb_graph_destroy(&g);
}

static void finish(fixture *f, pnb_gpu *gpu) {
    pnb_program_destroy(&f->program);
    pnb_store_destroy(&f->store, gpu);
    pnb_schedule_finish(&f->s);
}

static void read_levels(fixture *f, pnb_error *err, pnb_tensor t, float *out) {
    TEST_OK(err, pnb_program_read(f->program, t, out, COUNT));
}

static void test_log_snr_window(void **state) {
    pnb_gpu *gpu = test_gpu(state);
    pnb_error *err = test_err(state);
    fixture f;
    static float t[COUNT], alpha[COUNT], sigma[COUNT], coef[COUNT], weight[COUNT];
    make(&f, gpu, err, 0.1, 5, (pnb_level_params){.count = COUNT, .seed = 5, .stream = 2, .weight = 1});
    TEST_OK(err, pnb_program_run(f.program));
    read_levels(&f, err, f.t, t);
    read_levels(&f, err, f.alpha, alpha);
    read_levels(&f, err, f.sigma, sigma);
    read_levels(&f, err, f.coef, coef);
    read_levels(&f, err, f.weight, weight);
    double mean = 0, lo = 1e9, hi = -1e9;
    for (int i = 0; i < COUNT; i++) {
        uint32_t k = (uint32_t)t[i];
        double lambda = f.s.lambda[k];
        assert_float_equal(alpha[i], f.s.alpha[k], 1e-6);
        assert_float_equal(sigma[i], f.s.sigma[k], 1e-6);
        assert_float_equal(coef[i], 2 * weight[i] * alpha[i], 1e-4);
        assert_float_equal(weight[i], log(5 / 0.1), 0.05); /* (lambda_fine - lambda_coarse)/2 = ln(coarse/fine) */
        mean += lambda / COUNT;
        lo = fmin(lo, lambda);
        hi = fmax(hi, lambda);
    }
    assert_float_equal(mean, -log(0.1) - log(5), 0.03); /* uniform in log-SNR: the middle of the window */
    assert_float_equal(hi, -2 * log(0.1), 0.2);
    assert_float_equal(lo, -2 * log(5), 0.05);
    finish(&f, gpu);
}

/* With all samples in one group, each stratum of log-SNR holds exactly one of them. */
static void test_strata(void **state) {
    pnb_gpu *gpu = test_gpu(state);
    pnb_error *err = test_err(state);
    fixture f;
    static float t[COUNT];
    int filled[16] = {0};
    make(&f, gpu, err, 0.5, 50, (pnb_level_params){.count = COUNT, .seed = 5, .stream = 2, .weight = 1});
    TEST_OK(err, pnb_program_run(f.program));
    read_levels(&f, err, f.t, t);
    for (int i = 0; i < COUNT; i++) {
        double u = (-2 * log(0.5) - f.s.lambda[(uint32_t)t[i]]) / (2 * log(50 / 0.5));
        int bin = (int)(u * 16);
        if (bin >= 0 && bin < 16) filled[bin]++;
    }
    for (int i = 0; i < 16; i++) assert_in_range(filled[i], COUNT / 16 - 4, COUNT / 16 + 4);
    finish(&f, gpu);
}

static void test_replays_draw_afresh_and_count(void **state) {
    pnb_gpu *gpu = test_gpu(state);
    pnb_error *err = test_err(state);
    fixture f;
    static float a[COUNT], b[COUNT];
    float s[PNB_STATE_SIZE];
    make(&f, gpu, err, 0.02, 50, (pnb_level_params){.count = COUNT, .seed = 5, .stream = 2, .weight = 1});
    TEST_OK(err, pnb_program_run(f.program));
    read_levels(&f, err, f.t, a);
    TEST_OK(err, pnb_program_run(f.program));
    read_levels(&f, err, f.t, b);
    assert_memory_not_equal(a, b, sizeof a);
    TEST_OK(err, pnb_storage_read(f.state, gpu, s, PNB_STATE_SIZE));
    uint32_t counters[2];
    memcpy(counters, s, sizeof counters);
    assert_int_equal(counters[0], 2);
    assert_int_equal(counters[1], 2);
    assert_float_equal(s[PNB_STATE_LR], 0.2, 1e-6);
    assert_float_equal(s[PNB_STATE_LR + 1], 1 - 0.81, 1e-6);
    assert_float_equal(s[PNB_STATE_LR + 2], 1 - 0.9801, 1e-6);
    finish(&f, gpu);
}

/* t uniform in its index with the exact-KL weight: the mean weight is the same W. */
static void test_uniform_t_has_the_same_total_weight(void **state) {
    pnb_gpu *gpu = test_gpu(state);
    pnb_error *err = test_err(state);
    fixture f;
    static float weight[COUNT];
    make(&f, gpu, err, 0.1, 5,
         (pnb_level_params){.count = COUNT, .seed = 5, .stream = 2, .weight = 1, .sampling = PNB_T_UNIFORM});
    TEST_OK(err, pnb_program_run(f.program));
    read_levels(&f, err, f.weight, weight);
    double mean = 0;
    for (int i = 0; i < COUNT; i++) mean += weight[i] / COUNT;
    assert_float_equal(mean, log(50), 0.1);
    finish(&f, gpu);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_log_snr_window), cmocka_unit_test(test_strata),
                                       cmocka_unit_test(test_replays_draw_afresh_and_count),
                                       cmocka_unit_test(test_uniform_t_has_the_same_total_weight)};
    return cmocka_run_group_tests(tests, setup, teardown);
}

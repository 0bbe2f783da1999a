/* The tuner's judgement on times that are made up, and the times that it takes from programs. */
#include "fake.h"
#include "run.h"

#include "gpu/choices.h"
#include "graph/tune.h"

static const char *const ways[] = {"slow", "fast", "equal"};

static void add(pnb_tuner *t, const char *key, const char *name, uint32_t n, double ms) {
    assert_int_equal(pnb_tuner_add(t, &(pnb_choice_made){key, name, ways[0], n}, ms), PNB_OK);
}

static const pnb_tuned *row_of(const pnb_tuned *rows, size_t count, const char *key) {
    for (size_t i = 0; i < count; i++) {
        if (strcmp(rows[i].key, key) == 0) return &rows[i];
    }
    return NULL;
}

static void test_decide(void **state) {
    (void)state;
    pnb_error err = {0};
    pnb_tuner *t = NULL;
    const pnb_tuned *rows, *row;
    size_t count;
    assert_int_equal(pnb_tuner_create(&err, &t), PNB_OK);
    for (int i = 0; i < 4; i++) { /* of two sums a sample; the first two samples met other work */
        double disturbed = i < 2 ? 50 : 0;
        add(t, "a 1", ways[0], 3, 6 + disturbed);
        add(t, "a 1", ways[0], 3, 4);
        add(t, "b 1", ways[0], 2, 10);
        add(t, "alone 1", ways[0], 1, 10);
        assert_int_equal(pnb_tuner_close(t), PNB_OK);
        add(t, "a 1", ways[1], 3, 7 + disturbed);
        add(t, "b 1", ways[2], 2, 9.9);
        add(t, "no default 1", ways[1], 2, 1);
        assert_int_equal(pnb_tuner_close(t), PNB_OK);
        add(t, "a 1", ways[2], 3, 8 + disturbed);
        assert_int_equal(pnb_tuner_close(t), PNB_OK);
    }
    assert_int_equal(pnb_tuner_candidates(t), 3);
    assert_int_equal(pnb_tuner_decide(t, PNB_TUNE_MARGIN, &rows, &count), PNB_OK);
    assert_int_equal(count, 2);
    row = row_of(rows, count, "a 1");
    assert_non_null(row);
    assert_string_equal(row->winner, "fast");
    assert_string_equal(row->preferred, "slow");
    assert_true(row->ms == 7 && row->preferred_ms == 10);
    row = row_of(rows, count, "b 1"); /* faster, but not clearly */
    assert_non_null(row);
    assert_string_equal(row->winner, "slow");
    assert_true(row->ms == 10);
    assert_int_equal(pnb_tuner_decide(t, 1.001, &rows, &count), PNB_OK);
    assert_string_equal(row_of(rows, count, "b 1")->winner, "equal");
    pnb_tuner_destroy(&t);
    assert_null(t);
}

/* y = 2 x + 2 x in one of two ways; the sums that the tuner takes are those of the profile's rows. */
static void test_take(void **state) {
    bench b = bench_begin(state);
    pnb_choices *table = pnb_gpu_choices(b.gpu);
    pnb_tuner *t = NULL;
    if (!(pnb_gpu_get_caps(b.gpu)->timestamp_ns > 0)) skip();
    pnb_choices_explore(table, 1);
    pnb_tensor x = bench_storage(&b, "x", pnb_shape1(8), PNB_STORAGE_VARIABLE, 0), y, z;
    static const char *const names[] = {"scale", "sum"};
    assert_int_equal(pnb_graph_choose(b.g, "binary 8", names, 2, 0), 1);
    TEST_OK(b.err, pnb_add(b.g, x, x, &y));
    TEST_OK(b.err, pnb_affine(b.g, y, 2, 0, &z)); /* another op: not of the choice */
    TEST_OK(b.err, pnb_graph_output(b.g, z));
    pnb_program *p = bench_program(&b, &(pnb_program_params){.profile = true});
    pnb_choices_explore(table, -1);
    TEST_OK(b.err, pnb_tuner_create(b.err, &t));
    assert_int_equal(pnb_tuner_take(t, p), PNB_ERROR_USAGE); /* nothing has run */
    TEST_OK(b.err, pnb_program_run_profiled(p));
    TEST_OK(b.err, pnb_tuner_take(t, p));
    TEST_OK(b.err, pnb_tuner_close(t));
    TEST_OK(b.err, pnb_tuner_add(t, &(pnb_choice_made){"binary 8", "scale", "scale", 2}, 1e6));
    TEST_OK(b.err, pnb_tuner_close(t));
    const pnb_profile_row *profile;
    const pnb_tuned *rows;
    size_t dispatches, count;
    TEST_OK(b.err, pnb_program_profile(p, &profile, &dispatches));
    assert_int_equal(dispatches, 2);
    assert_int_equal(profile[0].choice[0], 0);
    assert_int_equal(profile[1].choice[0], -1);
    TEST_OK(b.err, pnb_tuner_decide(t, PNB_TUNE_MARGIN, &rows, &count));
    assert_int_equal(count, 1);
    assert_string_equal(rows[0].winner, "sum");
    assert_true(rows[0].ms == profile[0].ms && rows[0].preferred_ms == 1e6);
    pnb_tuner_destroy(&t);
    pnb_program_destroy(&p);
    bench_end(&b);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_decide), cmocka_unit_test(test_take)};
    return cmocka_run_group_tests(tests, test_device_setup, test_device_teardown);
}

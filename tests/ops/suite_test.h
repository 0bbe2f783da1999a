/* Runs one op's suite as a test program: prints a line a case, fails on any case that does not agree, on validation messages,
 * and if a case leaves device memory behind. */
#ifndef PNB_TESTS_SUITE_TEST_H
#define PNB_TESTS_SUITE_TEST_H

#include "device.h"
#include "gpu/choices.h"
#include "ops/suite.h"

static const pnb_op_suite *test_suite_current;

static inline void test_suite_some(void **state, bool bench) {
    const pnb_op_suite *suite = test_suite_current;
    size_t failed = 0;
    for (size_t i = 0; i < suite->count; i++) {
        if (suite->cases[i].timed_only || (suite->cases[i].bench && !bench)) continue;
        pnb_case_result result;
        TEST_OK(test_err(state), pnb_op_case_run(test_gpu(state), test_err(state), suite, &suite->cases[i], &result));
        printf("%-20s %-44s forward %.2e gradient %.2e %s\n", result.op, result.name, result.forward_error, result.gradient_error,
               result.passed ? "" : result.why);
        failed += !result.passed;
    }
    assert_int_equal(failed, 0);
}

static inline void test_suite_cases(void **state) { test_suite_some(state, true); }
static inline void test_suite_small_cases(void **state) { test_suite_some(state, false); }

/* All but the large cases with the kernels that a GPU would be given. */
static inline int test_suite_hardware(const pnb_op_suite *suite) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_suite_small_cases)};
    test_suite_current = suite;
    return cmocka_run_group_tests_name("as on hardware", tests, test_hardware_setup, test_device_teardown);
}

static inline int test_suite(const pnb_op_suite *suite) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_suite_cases)};
    test_suite_current = suite;
    return cmocka_run_group_tests_name(suite->op, tests, test_device_setup, test_device_teardown);
}

static uint32_t test_suite_ways_count;

static inline void test_suite_every_way(void **state) {
    pnb_choices *table = pnb_gpu_choices(test_gpu(state));
    for (uint32_t way = 0; way < test_suite_ways_count; way++) {
        pnb_choices_explore(table, (int32_t)way);
        test_suite_cases(state);
    }
    pnb_choices_explore(table, -1);
}

/* As test_suite, once for each of the ways that the op can be built. */
static inline int test_suite_ways(const pnb_op_suite *suite, uint32_t ways) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_suite_every_way)};
    test_suite_current = suite;
    test_suite_ways_count = ways;
    return cmocka_run_group_tests_name(suite->op, tests, test_device_setup, test_device_teardown);
}

#endif

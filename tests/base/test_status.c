/* The error idiom: the newest failure wins, prefixes go in front, long sentences are cut. */
#include "base/status.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void test_fail(void **state) {
    pnb_error err = {PNB_OK, ""};
    (void)state;
    assert_int_equal(pnb_fail(&err, PNB_ERROR_INPUT, "expected %d rows, found %d", 3, 4), PNB_ERROR_INPUT);
    assert_int_equal(err.status, PNB_ERROR_INPUT);
    assert_string_equal(err.message, "expected 3 rows, found 4");
    assert_int_equal(pnb_error_prefix(&err, "file '%s': ", "x.npy"), PNB_ERROR_INPUT);
    assert_string_equal(err.message, "file 'x.npy': expected 3 rows, found 4");
    pnb_fail(&err, PNB_ERROR_MODEL, "newer");
    assert_string_equal(err.message, "newer");
    assert_int_equal(pnb_fail(NULL, PNB_ERROR_USAGE, "nobody listens"), PNB_ERROR_USAGE);
}

static void test_long(void **state) {
    pnb_error err = {PNB_OK, ""};
    char text[3000];
    (void)state;
    memset(text, 'x', sizeof text - 1);
    text[sizeof text - 1] = 0;
    pnb_fail(&err, PNB_ERROR_INPUT, "%s", text);
    assert_int_equal(strlen(err.message), PNB_ERROR_MESSAGE_SIZE - 1);
    pnb_error_prefix(&err, "place: ");
    assert_int_equal(strlen(err.message), PNB_ERROR_MESSAGE_SIZE - 1);
    assert_memory_equal(err.message, "place: xx", 9);
}

static pnb_status third(pnb_error *err, int *reached) {
    PNB_TRY(PNB_OK);
    *reached = 1;
    PNB_TRY(pnb_fail(err, PNB_ERROR_NUMERIC, "inner"));
    *reached = 2;
    return PNB_OK;
}

static pnb_status cleaned(pnb_error *err, int *cleanups) {
    pnb_status status = PNB_OK;
    int reached;
    PNB_TRY_GOTO(third(err, &reached));
    return PNB_OK;
fail:
    ++*cleanups;
    return status;
}

static void test_try(void **state) {
    pnb_error err = {PNB_OK, ""};
    int reached = 0, cleanups = 0;
    (void)state;
    assert_int_equal(third(&err, &reached), PNB_ERROR_NUMERIC);
    assert_int_equal(reached, 1);
    assert_int_equal(cleaned(&err, &cleanups), PNB_ERROR_NUMERIC);
    assert_int_equal(cleanups, 1);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_fail), cmocka_unit_test(test_long), cmocka_unit_test(test_try)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* The tuner's table in memory. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "gpu/choices.h"

static const char *const ways[] = {"direct", "winograd 2", "winograd 4"};

static pnb_choices *table(pnb_error *err) {
    pnb_choices *c = NULL;
    assert_int_equal(pnb_choices_create(err, &c), PNB_OK);
    return c;
}

static void test_pick(void **state) {
    (void)state;
    pnb_error err = {0};
    pnb_choices *c = table(&err);
    assert_int_equal(pnb_choices_pick(NULL, "a", ways, 3, 1), 1);
    assert_int_equal(pnb_choices_pick(c, "a", ways, 3, 1), 1);
    assert_int_equal(pnb_choices_set(c, "a", "winograd 4"), PNB_OK);
    assert_int_equal(pnb_choices_pick(c, "a", ways, 3, 1), 2);
    assert_int_equal(pnb_choices_pick(c, "a b", ways, 3, 1), 1);
    assert_int_equal(pnb_choices_pick(c, "a", ways, 2, 0), 0); /* not among these two */
    assert_int_equal(pnb_choices_set(c, "a", "a name of a later library"), PNB_OK);
    assert_int_equal(pnb_choices_pick(c, "a", ways, 3, 1), 1);
    pnb_choices_clear(c);
    assert_int_equal(pnb_choices_count(c), 0);
    assert_null(pnb_choices_find(c, "a"));
    pnb_choices_destroy(&c);
    assert_null(c);
}

static void test_explore(void **state) {
    (void)state;
    pnb_error err = {0};
    pnb_choices *c = table(&err);
    assert_int_equal(pnb_choices_set(c, "a", "direct"), PNB_OK);
    for (int32_t i = 0; i < 7; i++) {
        pnb_choices_explore(c, i);
        assert_int_equal(pnb_choices_pick(c, "a", ways, 3, 0), i % 3);
        assert_int_equal(pnb_choices_pick(c, "b", ways, 1, 0), 0);
    }
    pnb_choices_explore(c, -1);
    assert_int_equal(pnb_choices_pick(c, "a", ways, 3, 2), 0);
    pnb_choices_destroy(&c);
}

static void test_pin(void **state) {
    (void)state;
    pnb_error err = {0};
    pnb_choices *c = table(&err), *pins = table(&err);
    assert_int_equal(pnb_choices_set(c, "a", "winograd 2"), PNB_OK);
    assert_int_equal(pnb_choices_set(c, "b", "winograd 2"), PNB_OK);
    assert_int_equal(pnb_choices_set(pins, "a", "winograd 4"), PNB_OK);
    pnb_choices_pin(c, pins);
    assert_int_equal(pnb_choices_pick(c, "a", ways, 3, 0), 2);
    assert_int_equal(pnb_choices_pick(c, "b", ways, 3, 0), 1);
    assert_int_equal(pnb_choices_count(c), 2);
    pnb_choices_pin(c, NULL);
    assert_int_equal(pnb_choices_pick(c, "a", ways, 3, 0), 1);
    pnb_choices_destroy(&pins);
    pnb_choices_destroy(&c);
}

static void test_many(void **state) {
    (void)state;
    pnb_error err = {0};
    pnb_choices *c = table(&err);
    char key[32], name[32];
    for (unsigned pass = 0; pass < 2; pass++) {
        for (unsigned i = 0; i < 500; i++) {
            snprintf(key, sizeof key, "key %u", i * 377 % 500);
            snprintf(name, sizeof name, "name %u", i * 377 % 500 + pass);
            assert_int_equal(pnb_choices_set(c, key, name), PNB_OK);
        }
    }
    assert_int_equal(pnb_choices_count(c), 500);
    for (unsigned i = 0; i < 500; i++) {
        snprintf(key, sizeof key, "key %u", i);
        snprintf(name, sizeof name, "name %u", i + 1);
        assert_string_equal(pnb_choices_find(c, key), name);
        if (i) assert_true(strcmp(pnb_choices_at(c, i - 1).key, pnb_choices_at(c, i).key) < 0);
    }
    pnb_choices_destroy(&c);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_pick), cmocka_unit_test(test_explore),
                                       cmocka_unit_test(test_pin),
                                       cmocka_unit_test(test_many)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

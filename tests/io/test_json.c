/* JSON: sentences with places, ranges, near misses; arrays of numbers; numbers that read back; damage at random. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "io/files.h"
#include "io/json.h"

#include <cjson/cJSON.h>
#include <locale.h>
#include <math.h>

static pnb_error err;

static cJSON *parse(const char *text) {
    cJSON *root = NULL;
    if (pnb_json_parse(&err, "p.json", text, strlen(text), &root) != PNB_OK) fail_msg("%s", err.message);
    return root;
}

static void test_syntax(void **state) {
    (void)state;
    static const struct {
        const char *text, *sentence;
    } cases[] = {
        {"", "p.json: line 1, column 1: the document is empty"},
        {"{\n  \"a\": 1,\n  \"b\": 'x'\n}", "p.json: line 3, column 8: not valid JSON at ''x''"},
        {"{\"a\": 1} {", "p.json: line 1, column 10: expected the end of the document at '{'"},
        {"{\"a\": ", "not valid JSON"},
        {"[1, 2", "not valid JSON"},
        {"\x01\x02", "not valid JSON at '?'"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        cJSON *root = NULL;
        pnb_status status = pnb_json_parse(&err, "p.json", cases[i].text, strlen(cases[i].text), &root);
        assert_sentence(&err, PNB_ERROR_INPUT, status, cases[i].sentence);
        assert_null(root);
    }
    cJSON *root;
    assert_sentence(&err, PNB_ERROR_INPUT, pnb_json_load(&err, in_folder("none.json"), &root), "none.json");
}

static void test_getters(void **state) {
    (void)state;
    cJSON *root = parse(
        "{\"method\": {\"steps\": \"many\", \"rate\": 0.5, \"fast\": true, \"type\": \"pmm\", \"n\": 8, \"none\": null,"
        "\"half\": 1.5, \"big\": 1e999, \"list\": [1, 2]}, \"seed\": 7}");
    pnb_json doc = pnb_json_root(&err, "p.json", root), m;
    assert_int_equal(pnb_json_object(&doc, "method", &m), PNB_OK);
    int64_t n = 0;
    double d = 0;
    bool b = false;
    const char *s = NULL;
    int choice = -1;
    const char *const words[] = {"ppm", "reddiff", NULL};
    assert_int_equal(pnb_json_int(&m, "n", 1, 1, 100, &n), PNB_OK);
    assert_int_equal(n, 8);
    assert_int_equal(pnb_json_int(&m, "none", 42, 1, 100, &n), PNB_OK);
    assert_int_equal(n, 42);
    assert_int_equal(pnb_json_real(&m, "rate", 1, 0, 1, &d), PNB_OK);
    assert_true(d == 0.5);
    assert_int_equal(pnb_json_bool(&m, "fast", false, &b), PNB_OK);
    assert_true(b);
    assert_int_equal(pnb_json_string(&m, "absent", "default", &s), PNB_OK);
    assert_string_equal(s, "default");
    assert_int_equal(pnb_json_choice(&m, "absent", 1, words, &choice), PNB_OK);
    assert_int_equal(choice, 1);
    assert_sentence(&err, PNB_ERROR_INPUT, pnb_json_int(&m, "steps", 1, 1, 1000000, &n),
                    "p.json: method.steps: expected a whole number from 1 to 1000000, found \"many\"");
    assert_sentence(&err, PNB_ERROR_INPUT, pnb_json_int(&m, "n", 1, 1, 4, &n), "from 1 to 4, found 8");
    assert_sentence(&err, PNB_ERROR_INPUT, pnb_json_int(&m, "half", 1, 1, 4, &n), "found 1.5");
    assert_sentence(&err, PNB_ERROR_INPUT, pnb_json_real(&m, "big", 1, 0, INFINITY, &d),
                    "method.big: expected a number of at least 0, found a number that is too large");
    assert_sentence(&err, PNB_ERROR_INPUT, pnb_json_real(&m, "list", 1, 0, 0.1, &d),
                    "from 0 to 0.1, found an array of 2");
    assert_sentence(&err, PNB_ERROR_INPUT, pnb_json_bool(&m, "n", true, &b),
                    "method.n: expected true or false, found 8");
    assert_sentence(&err, PNB_ERROR_INPUT, pnb_json_string(&m, "fast", NULL, &s), "expected a string, found true");
    assert_sentence(&err, PNB_ERROR_INPUT, pnb_json_choice(&m, "type", 0, words, &choice),
                    "expected one of \"ppm\", \"reddiff\", found \"pmm\"; did you mean \"ppm\"?");
    assert_sentence(&err, PNB_ERROR_INPUT, pnb_json_object(&doc, "seed", &m),
                    "p.json: seed: expected an object {...}, found 7");
    assert_sentence(&err, PNB_ERROR_INPUT, pnb_json_require(&doc, "prior"), "p.json: prior: missing");
    assert_int_equal(pnb_json_require(&doc, "seed"), PNB_OK);
    cJSON_Delete(root);
    root = parse("[1]");
    doc = pnb_json_root(&err, "p.json", root);
    assert_sentence(&err, PNB_ERROR_INPUT, pnb_json_int(&doc, "n", 1, 0, 1, &n),
                    "p.json: expected an object {...}, found an array of 1");
    cJSON_Delete(root);
}

static void test_keys(void **state) {
    (void)state;
    const char *const known[] = {"particles", "steps", "type", NULL};
    cJSON *root = parse("{\"method\": {\"steps\": 3, \"partcles\": 8}, \"other\": {\"zzz\": 1}, \"twice\": {\"type\": "
                        "1, \"type\": 2}}");
    pnb_json doc = pnb_json_root(&err, "p.json", root), m;
    m = pnb_json_get(&doc, "method");
    assert_sentence(&err, PNB_ERROR_INPUT, pnb_json_known_keys(&m, known),
                    "p.json: unknown key 'partcles' in method; did you mean 'particles'?");
    m = pnb_json_get(&doc, "other");
    assert_sentence(&err, PNB_ERROR_INPUT, pnb_json_known_keys(&m, known),
                    "p.json: unknown key 'zzz' in other; expected particles, steps, type");
    const char *const many[] = {"a key of thirty-nine letters, number one", "a key of thirty-nine letters, number two",
                                "a key of thirty-nine letters, number 333", "a key of thirty-nine letters, number 444",
                                "a key of thirty-nine letters, number 555", "a key of thirty-nine letters, number 666", NULL};
    assert_int_equal(pnb_json_known_keys(&m, many), PNB_ERROR_INPUT);
    assert_non_null(strstr(err.message, "number 555, ..."));
    m = pnb_json_get(&doc, "twice");
    assert_sentence(&err, PNB_ERROR_INPUT, pnb_json_known_keys(&m, known), "key 'type' in twice appears 2 times");
    m = pnb_json_get(&doc, "absent");
    assert_int_equal(pnb_json_known_keys(&m, known), PNB_OK);
    cJSON_Delete(root);
    assert_string_equal(pnb_did_you_mean("setps", known), "steps");
    assert_null(pnb_did_you_mean("", known));
}

static void test_numbers(void **state) {
    (void)state;
    cJSON *root =
        parse("{\"m\": [[1, 2, 3], [4, 5, 6.5]], \"s\": 7, \"e\": [], \"ragged\": [[1], [2, 3]], \"mixed\": [1, \"x\"],"
              "\"deep\": [[[[[[[[[1]]]]]]]]]}");
    pnb_json doc = pnb_json_root(&err, "p.json", root);
    uint32_t rank;
    uint64_t shape[PNB_ARRAY_MAX_RANK];
    double *v;
    assert_int_equal(pnb_json_numbers(&doc, "m", 6, &rank, shape, &v), PNB_OK);
    assert_true(rank == 2 && shape[0] == 2 && shape[1] == 3 && v[0] == 1 && v[5] == 6.5);
    free(v);
    assert_int_equal(pnb_json_numbers(&doc, "s", 6, &rank, shape, &v), PNB_OK);
    assert_true(rank == 0 && v[0] == 7);
    free(v);
    assert_int_equal(pnb_json_numbers(&doc, "e", 6, &rank, shape, &v), PNB_OK);
    assert_true(rank == 1 && shape[0] == 0 && v);
    free(v);
    assert_int_equal(pnb_json_numbers(&doc, "absent", 6, &rank, shape, &v), PNB_OK);
    assert_null(v);
    assert_sentence(&err, PNB_ERROR_INPUT, pnb_json_numbers(&doc, "m", 5, &rank, shape, &v),
                    "p.json: m: expected at most 5 numbers");
    assert_sentence(&err, PNB_ERROR_INPUT, pnb_json_numbers(&doc, "ragged", 6, &rank, shape, &v), "equal lengths");
    assert_sentence(&err, PNB_ERROR_INPUT, pnb_json_numbers(&doc, "mixed", 6, &rank, shape, &v), "finite numbers");
    assert_sentence(&err, PNB_ERROR_INPUT, pnb_json_numbers(&doc, "deep", 6, &rank, shape, &v), "nested at most 8");
    cJSON_Delete(root);
}

static void check_text(double value, const char *want) {
    char text[PNB_NUMBER_TEXT_SIZE];
    assert_string_equal(pnb_number_to_text(value, text), want);
}

static void test_number_text(void **state) {
    (void)state;
    check_text(0.1, "0.1");
    check_text(600, "600");
    check_text(-2, "-2");
    check_text(1e22, "1e+22");
    check_text(1.0 / 3.0, "0.3333333333333333");
    check_text(NAN, "null");
    check_text(pnb_float_as_decimal(0.1f), "0.1");
    check_text(pnb_float_as_decimal(16777217.0f), "16777216");
    unsigned long long random = 3;
    for (int i = 0; i < 20000; i++) {
        char text[PNB_NUMBER_TEXT_SIZE];
        uint64_t bits =
            (uint64_t)next_random(&random) << 33 ^ (uint64_t)next_random(&random) << 8 ^ next_random(&random);
        double d;
        float f;
        memcpy(&d, &bits, sizeof d);
        memcpy(&f, &bits, sizeof f);
        if (isfinite(d)) assert_true(strtod(pnb_number_to_text(d, text), NULL) == d);
        if (isfinite(f)) assert_true((float)pnb_float_as_decimal(f) == f);
    }
    if (setlocale(LC_NUMERIC, "de_DE.UTF-8")) {
        check_text(0.5, "0.5");
        setlocale(LC_NUMERIC, "C");
    }
}

static void test_print(void **state) {
    (void)state;
    const char *want =
        "{\n  \"a\": 1,\n  \"m\": [[1, 0.5], [0, 1]],\n  \"s\": \"q\\\" \\\\ \\n \\u0001 \xc3\xa9\",\n"
        "  \"list\": [\n    {\n      \"x\": true,\n      \"y\": null\n    }\n  ],\n  \"e\": {},\n  \"f\": []\n}";
    cJSON *root = parse(want);
    char *text = pnb_json_print(root);
    assert_string_equal(text, want);
    free(text);
    const char *path = in_folder("out.json");
    assert_int_equal(pnb_json_write(&err, path, root), PNB_OK);
    cJSON *again;
    assert_int_equal(pnb_json_load(&err, path, &again), PNB_OK);
    assert_true(cJSON_Compare(root, again, 1));
    cJSON_Delete(again);
    cJSON_Delete(root);
    remove(path);
}

static void load(const char *path) {
    cJSON *root;
    if (pnb_json_load(&err, path, &root) != PNB_OK) return;
    char *text = pnb_json_print(root);
    assert_non_null(text);
    free(text);
    pnb_json doc = pnb_json_root(&err, path, root), m;
    uint32_t rank;
    uint64_t shape[PNB_ARRAY_MAX_RANK];
    double *v = NULL;
    int64_t n;
    if (pnb_json_object(&doc, "prior", &m) == PNB_OK) pnb_json_numbers(&m, "means", 100, &rank, shape, &v);
    free(v);
    if (pnb_json_object(&doc, "method", &m) == PNB_OK) pnb_json_int(&m, "steps", 1, 1, 1000, &n);
    pnb_json_known_keys(&doc, (const char *const[]){"prior", "method", NULL});
    cJSON_Delete(root);
}

static void test_damage(void **state) {
    (void)state;
    const char *text = "{\"prior\": {\"type\": \"gmm\", \"means\": [[0, 4.5e3], [0, -4]]}, \"method\": {\"steps\": "
                       "600, \"s\": \"\\u00e9\"}}";
    try_damage((const unsigned char *)text, strlen(text), strlen(text), 400, in_folder("damaged.json"), load);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_syntax),  cmocka_unit_test(test_getters),     cmocka_unit_test(test_keys),
        cmocka_unit_test(test_numbers), cmocka_unit_test(test_number_text), cmocka_unit_test(test_print),
        cmocka_unit_test(test_damage),
    };
    return cmocka_run_group_tests(tests, folder_setup, remove_empty_folder);
}

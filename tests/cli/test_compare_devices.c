/* penumbra compare-devices: rows beside each other by what they timed, ratios against the first file, refusals. */
#include "command.h"

#include <cjson/cJSON.h>

#define DEVICE(name) "{\"device\": {\"name\": \"" name "\", \"driver\": \"d\"}, \"version\": \"1\", "

static const char a[] = DEVICE(
    "one") "\"peak\": {\"gflops\": 100, \"gbps\": 10},"
           "\"rows\": [{\"op\": \"conv2d\", \"case\": \"c8\", \"pass\": \"forward\", \"kernel\": \"x\", \"ms\": "
           "{\"median\": 8}},"
           "{\"op\": \"matmul\", \"case\": \"m\", \"pass\": \"forward\", \"kernel\": \"x\", \"ms\": {\"median\": 3}}],"
           "\"steps\": [{\"step\": \"ppm\", \"image\": \"[1,32,32]\", \"particles\": 8, \"ms\": {\"median\": 400}}]}";
static const char b[] = DEVICE(
    "two") "\"rows\": [{\"op\": \"conv2d\", \"case\": \"c8\", \"pass\": \"forward\", \"kernel\": \"y\", \"ms\": "
           "{\"median\": 2}},"
           "{\"op\": \"conv2d\", \"case\": \"c8\", \"pass\": \"input\", \"kernel\": \"y\", \"ms\": {\"median\": 5}}],"
           "\"steps\": [{\"step\": \"ppm\", \"image\": \"[1,32,32]\", \"particles\": 8, \"ms\": {\"median\": 400}}]}";

static double item(const cJSON *object, const char *key, int i) {
    return cJSON_GetNumberValue(cJSON_GetArrayItem(cJSON_GetObjectItem(object, key), i));
}

static void test_compare(void **state) {
    shell *s = *state;
    write_text("a.json", a);
    write_text("b.json", b);
    RUN_OK(s, "compare-devices a.json b.json --json c.json --markdown c.md");
    assert_non_null(strstr(s->out, "A: one, d, penumbra 1; peak 100 GFLOP/s, 10 GB/s (a.json)"));
    char text[8192];
    read_text("c.md", text, sizeof text);
    assert_non_null(strstr(text, "\n| conv2d c8 forward | 8 | 2 | 4 |\n"));
    assert_non_null(strstr(text, "\n| matmul m forward | 3 | - | - |\n"));
    assert_non_null(strstr(text, "\n| conv2d c8 input | - | 5 | - |\n"));
    assert_non_null(strstr(text, "\n| ppm [1,32,32] particles 8 | 400 | 400 | 1 |\n"));
    assert_non_null(strstr(text, "\n| geometric mean of the ratios |  |  | 2 |"));
    cJSON *json = read_json("c.json");
    const cJSON *rows = cJSON_GetObjectItem(json, "rows"), *devices = cJSON_GetObjectItem(json, "devices");
    assert_int_equal(cJSON_GetArraySize(rows), 4);
    assert_true(item(cJSON_GetArrayItem(rows, 0), "ms", 1) == 2 && item(cJSON_GetArrayItem(rows, 0), "ratio", 1) == 4);
    assert_true(cJSON_IsNull(cJSON_GetArrayItem(cJSON_GetObjectItem(cJSON_GetArrayItem(rows, 1), "ms"), 1)));
    const cJSON *two = cJSON_GetArrayItem(devices, 1);
    assert_float_equal(cJSON_GetNumberValue(cJSON_GetObjectItem(two, "geometric_mean")), 2, 1e-12);
    assert_true(cJSON_GetNumberValue(cJSON_GetObjectItem(two, "shared_rows")) == 2);
    cJSON_Delete(json);
    RUN_OK(s, "compare-devices a.json b.json --json -");
    json = cJSON_Parse(s->out);
    assert_non_null(json);
    cJSON_Delete(json);
}

static void test_refusals(void **state) {
    shell *s = *state;
    write_text("a.json", a);
    write_text("text.json", "no");
    write_text("other.json", "{\"rows\": []}");
    write_text("empty.json", DEVICE("none") "\"rows\": []}");
    expect_failure(s, NULL, "compare-devices a.json", 2, "an argument is missing");
    expect_failure(s, NULL, "compare-devices a.json gone.json", 3, "'gone.json': expected the JSON of penumbra bench");
    expect_failure(s, NULL, "compare-devices a.json text.json", 3, "found no JSON");
    expect_failure(s, NULL, "compare-devices other.json a.json", 3, "no device in it");
    expect_failure(s, NULL, "compare-devices a.json empty.json", 3, "no row with a time");
    expect_failure(s, NULL, "compare-devices a.json a.json --json - --markdown -", 2, "only one of");
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_compare), cmocka_unit_test(test_refusals)};
    return cmocka_run_group_tests(tests, shell_setup, shell_teardown);
}

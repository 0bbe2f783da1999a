/* penumbra doctor: a machine that works, one without a device, one whose cache folder cannot be. */
#include "command.h"

#include <cjson/cJSON.h>

/* The verdict on `what` whose sentence holds `part`, "" for none. */
static const char *verdict(const cJSON *json, const char *what, const char *part) {
    const cJSON *f;
    cJSON_ArrayForEach(f, cJSON_GetObjectItem(json, "findings")) {
        const char *sentence = cJSON_GetStringValue(cJSON_GetObjectItem(f, "sentence"));
        if (strcmp(cJSON_GetStringValue(cJSON_GetObjectItem(f, "what")), what) != 0 || !strstr(sentence, part))
            continue;
        return cJSON_GetStringValue(cJSON_GetObjectItem(f, "verdict"));
    }
    return "";
}

static void test_healthy(void **state) {
    shell *s = *state;
    RUN_OK(s, "doctor --json doctor.json");
    assert_non_null(strstr(s->out, "ok     numbers"));
    cJSON *json = read_json("doctor.json");
    assert_string_equal(verdict(json, "cache", s->folder), "ok");
    assert_string_equal(verdict(json, "choice", "device "), "ok");
    assert_string_equal(verdict(json, "numbers", "agree"), "ok");
    cJSON_Delete(json);
}

static void test_no_device(void **state) {
    shell *s = *state;
    int code = end_command(s, start_command("/nonexistent/icd.json", "doctor --json -"));
    assert_int_equal(code, 5);
    cJSON *json = cJSON_Parse(s->out);
    assert_string_equal(verdict(json, "environment", "VK_ICD_FILENAMES is '/nonexistent/icd.json'"), "note");
    assert_string_equal(verdict(json, "device", "no Vulkan d"), "fault");
    cJSON_Delete(json);
}

static void test_no_cache(void **state) {
    shell *s = *state;
    write_text("file", "not a folder");
    char inside[128];
    snprintf(inside, sizeof inside, "%s/file", s->folder);
    assert_int_equal(setenv("XDG_CACHE_HOME", inside, 1), 0);
    RUN_OK(s, "doctor");
    assert_int_equal(setenv("XDG_CACHE_HOME", s->folder, 1), 0);
    assert_non_null(strstr(s->out, "note   cache"));
    assert_non_null(strstr(s->out, "set XDG_CACHE_HOME"));
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_healthy), cmocka_unit_test(test_no_device),
                                       cmocka_unit_test(test_no_cache)};
    return cmocka_run_group_tests(tests, shell_setup, shell_teardown);
}

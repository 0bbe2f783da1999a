/* Samples to start from: PPM's finish alone, of particles that another run has matched, and what is refused. */
#include "cli/command.h"

#define PROBLEM                                                                                                                   \
    "{\"prior\": {\"type\": \"gmm\", \"weights\": [0.7, 0.3], \"means\": [[0, 2], [0, -2]],"                                      \
    " \"covariances\": [[[0.3, 0], [0, 0.2]], [[0.3, 0], [0, 0.2]]]}, \"operator\": {\"type\": \"matrix\", \"matrix\": [[1, 0.2]]}," \
    " \"noise\": {\"sigma\": 0.3}, \"measurement\": [0.4], \"seed\": 3,"

static void assert_same_file(const char *a, const char *b, bool same) {
    static char first[4096], second[4096];
    size_t n = read_text(a, first, sizeof first), m = read_text(b, second, sizeof second);
    assert_true(n > 0 && m > 0);
    assert_int_equal(n == m && memcmp(first, second, n) == 0, same);
}

static void test_finish_alone(void **state) {
    shell *s = *state;
    write_text("matched.json", PROBLEM "\"method\": {\"type\": \"ppm\", \"particles\": 6, \"steps\": 15, \"finish\": \"none\"}}");
    write_text("finish.json", PROBLEM "\"start\": \"matched/samples.npy\", \"method\": {\"type\": \"ppm\", \"particles\": 6, \"steps\": 0, "
                                      "\"finish\": \"langevin\", \"finish_steps\": 7}}");
    RUN_OK(s, "solve matched.json --quiet -o matched");
    RUN_OK(s, "solve finish.json --quiet -o finished");
    cJSON *matched = read_json("matched/run.json"), *finished = read_json("finished/run.json");
    const cJSON *after = cJSON_GetObjectItemCaseSensitive(matched, "chi2"),
                *before = cJSON_GetObjectItemCaseSensitive(finished, "chi2_before_finish");
    assert_int_equal(cJSON_GetArraySize(before), 6);
    assert_true(cJSON_Compare(after, before, true)); /* the particles have arrived as they were */
    assert_true(cJSON_GetObjectItemCaseSensitive(finished, "steps")->valuedouble == 7);
    assert_true(cJSON_GetObjectItemCaseSensitive(finished, "network_evaluations")->valuedouble == 42);
    cJSON_Delete(matched);
    cJSON_Delete(finished);
    assert_same_file("matched/samples.npy", "finished/samples.npy", false);
    RUN_OK(s, "solve finished/run.json --quiet -o again");
    assert_same_file("finished/samples.npy", "again/samples.npy", true);
}

/* The matching too goes on from them, and without a step nothing is added to them. */
static void test_matching(void **state) {
    shell *s = *state;
    RUN_OK(s, "solve finish.json --set steps=1 --set lr=0.000001 --set exchange=0 --set finish=none --quiet -o one");
    pnb_error err = {0};
    pnb_array a = {0}, b = {0};
    assert_int_equal(pnb_npy_read(&err, "matched/samples.npy", &a), PNB_OK);
    assert_int_equal(pnb_npy_read(&err, "one/samples.npy", &b), PNB_OK);
    assert_true(a.count == 12 && b.count == 12);
    for (int i = 0; i < 12; i++) assert_float_equal(a.data[i], b.data[i], 1e-5);
    pnb_array_free(&a);
    pnb_array_free(&b);
}

static void test_refusals(void **state) {
    shell *s = *state;
    static const struct {
        const char *words, *part;
    } cases[] = {
        {"solve finish.json --particles 5 -o x", "start: it has 6 samples, method.particles is 5; both should be the same"},
        {"solve finish.json --method dps -o x", "start: method dps makes its own start; leave it out, or use ppm"},
        {"solve finish.json --set init_steps=5 -o x", "ppm: init_steps 5 begins anew, from noise, and forgets the problem's start"},
        {"solve finish.json --set finish=none -o x", "ppm: steps 0 is the finish alone"},
        {"solve matched.json --set steps=0 --set finish=langevin -o x", "needs samples to start from"},
        {"solve gone.json -o x", "gone.npy': there is no such file"},
    };
    write_text("gone.json", PROBLEM "\"start\": \"gone.npy\"}");
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        int code = run_command(s, cases[i].words);
        if (code != 3 || !strstr(s->err, cases[i].part))
            fail_msg("%s\nexpected 3 and \"%s\", found %d: %s", cases[i].words, cases[i].part, code, s->err);
    }
    assert_false(file_exists("x"));
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_finish_alone), cmocka_unit_test(test_matching),
                                       cmocka_unit_test(test_refusals)};
    return cmocka_run_group_tests(tests, shell_setup, shell_teardown);
}

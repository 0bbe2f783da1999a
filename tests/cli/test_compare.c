/* penumbra compare: a small comparison from end to end, gone on with, and the faults of its file. */
#include "cli/command.h"

#include <math.h>

#define PRIOR                                                                                                          \
    "\"prior\": {\"type\": \"gmm\", \"weights\": [0.7, 0.3], \"means\": [[0, 2], [0, -2]],"                            \
    " \"covariances\": [[[0.3, 0], [0, 0.2]], [[0.3, 0], [0, 0.2]]]},"
#define TASK                                                                                                           \
    "\"tasks\": [{\"name\": \"line\", \"operator\": {\"type\": \"matrix\", \"matrix\": [[1, 0.2]]},"                   \
    " \"noise\": {\"type\": \"gaussian\", \"sigma\": 0.3}}],"

static double value(const cJSON *row, const char *key) {
    const cJSON *v = cJSON_GetObjectItemCaseSensitive(row, key);
    if (!cJSON_IsNumber(v)) fail_msg("there is no number '%s'", key);
    return v->valuedouble;
}

static void test_whole(void **state) {
    shell *s = *state;
    write_text(
        "compare.json",
        "{" PRIOR TASK
        "\"methods\": [{\"type\": \"pigdm\", \"name\": \"PiGDM\", \"weight\": \"exact\"}, {\"type\": \"reddiff\"}],"
        "\"observations\": 2, \"samples\": 6, \"evaluations\": 20, \"seed\": 5}");
    RUN_OK(s, "compare compare.json -o out");
    assert_true(file_exists("out/table.md") && file_exists("out/table.csv") && file_exists("out/line.png"));
    cJSON *rows = read_json("out/table.json");
    assert_int_equal(cJSON_GetArraySize(rows), 2);
    static const char *const names[] = {"PiGDM", "reddiff"};
    for (int i = 0; i < 2; i++) {
        const cJSON *row = cJSON_GetArrayItem(rows, i);
        assert_string_equal(cJSON_GetObjectItemCaseSensitive(row, "method")->valuestring, names[i]);
        assert_true(value(row, "observations") == 2 && value(row, "evaluations_a_sample") == 20);
        assert_true(value(row, "crps") > 0 && value(row, "crps_error") >= 0 && value(row, "sliced_w2") > 0);
        const cJSON *ranks = cJSON_GetObjectItemCaseSensitive(row, "rank_histogram");
        double all = 0;
        assert_int_equal(cJSON_GetArraySize(ranks), 7);
        for (const cJSON *r = ranks->child; r; r = r->next) all += r->valuedouble;
        assert_true(all == 2 * 2); /* two observations of two numbers */
        assert_true(value(row, "rank_deviation") > 0);
        assert_true(fabs(value(row, "rank_deviation_exact") - 0.4886) < 1e-3); /* 7/2 sqrt(2/7 6/7 / (4 pi)) */
    }
    cJSON_Delete(rows);
    /* all methods see one truth and one measurement */
    cJSON *a = read_json("out/line/PiGDM/0001/run.json"), *b = read_json("out/line/reddiff/0001/run.json");
    const cJSON *pa = cJSON_GetObjectItemCaseSensitive(a, "problem"),
                *pb = cJSON_GetObjectItemCaseSensitive(b, "problem");
    static const char *const same[] = {"prior", "operator", "truth", "noise", "seed"};
    for (int i = 0; i < 5; i++)
        assert_true(cJSON_Compare(cJSON_GetObjectItemCaseSensitive(pa, same[i]),
                                  cJSON_GetObjectItemCaseSensitive(pb, same[i]), true));
    cJSON_Delete(a);
    cJSON_Delete(b);
}

/* Equal evaluations come from the steps alone; the finish gives way where it would take more than half of them. */
static void test_evaluations(void **state) {
    shell *s = *state;
    char text[2048];
    static const int budgets[] = {400, 120};
    for (int i = 0; i < 2; i++) {
        snprintf(text, sizeof text,
                 "{" PRIOR TASK "\"methods\": [{\"type\": \"ppm\"}], \"observations\": 1, \"samples\": 4, \"evaluations\": %d}",
                 budgets[i]);
        write_text("budget.json", text);
        remove_tree("budget");
        RUN_OK(s, "compare budget.json -o budget");
        cJSON *rows = read_json("budget/table.json"), *run = read_json("budget/line/ppm/0000/run.json");
        const cJSON *method = cJSON_GetObjectItemCaseSensitive(cJSON_GetObjectItemCaseSensitive(run, "problem"), "method");
        double finish = value(method, "finish_steps");
        assert_true(fabs(value(cJSON_GetArrayItem(rows, 0), "evaluations_a_sample") - budgets[i]) <= 6); /* half a step of PPM */
        assert_true(i == 0 ? finish == 100 : finish >= 30 && finish <= 60);
        cJSON_Delete(rows);
        cJSON_Delete(run);
    }
}

/* What is complete is not run again; what is missing is. */
static void test_goes_on(void **state) {
    shell *s = *state;
    struct stat before, after;
    assert_int_equal(stat("out/line/PiGDM/0000/samples.npy", &before), 0);
    remove_tree("out/line/reddiff/0001");
    RUN_OK(s, "compare compare.json -o out");
    assert_null(strstr(s->err, "PiGDM, observation"));
    assert_non_null(strstr(s->err, "reddiff, observation 1"));
    assert_int_equal(stat("out/line/PiGDM/0000/samples.npy", &after), 0);
    assert_true(before.st_ino == after.st_ino && before.st_mtime == after.st_mtime);
}

/* What a method cannot do is left out with the reason, and the rest goes on; where nothing can be done, that is a failure. */
#define LINE "{\"type\": \"matrix\", \"matrix\": [[1, 0.2]]}"
#define TWICE "{\"type\": \"compose\", \"operators\": [" LINE ", {\"type\": \"identity\"}]}"
static void test_refused(void **state) {
    shell *s = *state;
    static const char *const problem =
        "{" PRIOR "\"tasks\": [{\"name\": \"line\", \"operator\": " LINE ", \"noise\": {\"sigma\": 0.3}},"
        " {\"name\": \"twice\", \"operator\": " TWICE ", \"noise\": {\"sigma\": 0.3}}],"
        "\"methods\": [{\"type\": \"ddrm\", \"steps\": 3}%s], \"observations\": 2, \"samples\": 4}";
    char text[2048];
    snprintf(text, sizeof text, problem, ", {\"type\": \"reddiff\", \"steps\": 3}");
    write_text("refused.json", text);
    RUN_OK(s, "compare refused.json -o refused");
    const char *first = strstr(s->err, "left out: ddrm: it works on singular values, and those of operator compose");
    assert_non_null(first);
    assert_null(strstr(first + 1, "left out")); /* asked once */
    assert_non_null(strstr(s->err, "twice, reddiff, observation 1 (run 8 of 8)"));
    cJSON *rows = read_json("refused/table.json");
    static const double observations[] = {2, 2, 0, 2};
    assert_int_equal(cJSON_GetArraySize(rows), 4);
    for (int i = 0; i < 4; i++) {
        const cJSON *row = cJSON_GetArrayItem(rows, i);
        assert_true(value(row, "observations") == observations[i]);
        assert_int_equal(cJSON_GetObjectItemCaseSensitive(row, "refused") != NULL, i == 2);
        if (i == 2) continue;
        double residual = i < 2 ? value(row, "residual") : 1;
        assert_true(residual > 0 && (i >= 2 || value(row, "chi2") > 0));
    }
    cJSON_Delete(rows);
    read_text("refused/table.md", text, sizeof text);
    assert_non_null(strstr(text, "| twice | ddrm | 0 | - | - |"));
    assert_false(file_exists("refused/twice/ddrm"));

    remove_tree("refused/line/reddiff/0001");
    RUN_OK(s, "compare --table refused.json -o refused");
    assert_null(strstr(s->err, "observation"));
    rows = read_json("refused/table.json");
    assert_true(value(cJSON_GetArrayItem(rows, 1), "observations") == 1);
    cJSON_Delete(rows);
    assert_int_equal(mkdir("refused/line/reddiff/0001", 0777), 0); /* a run that was stopped does not count */
    write_text("refused/line/reddiff/0001/run.json", "{\"steps\": 3, \"steps_done\": 2, \"particles\": 4, \"scores\": {\"crps\": 9}}");
    RUN_OK(s, "compare --table refused.json -o refused");
    rows = read_json("refused/table.json");
    assert_true(value(cJSON_GetArrayItem(rows, 1), "observations") == 1 && value(cJSON_GetArrayItem(rows, 1), "crps") < 9);
    cJSON_Delete(rows);

    snprintf(text, sizeof text, "{" PRIOR "\"tasks\": [{\"name\": \"twice\", \"operator\": " TWICE ", "
             "\"noise\": {\"sigma\": 0.3}}], \"methods\": [{\"type\": \"ddrm\"}], \"observations\": 2}");
    write_text("nothing.json", text);
    assert_int_equal(run_command(s, "compare nothing.json -o nothing"), 3);
    assert_non_null(strstr(s->err, "left out: ddrm"));
}

/* tools/garments: a run, the table, a method that cannot do a task, a generator of tools/generators, and what is there already. */
static void test_garments(void **state) {
    (void)state;
    char text[4096];
    setenv("PENUMBRA", PNB_COMMAND, 1);
    assert_int_equal(system(PNB_SOURCE_DIR "/tools/generators -o generators -t superresolution -u 1 -n 8 -d " PNB_SOURCE_DIR
                                           "/assets/garments >log.txt 2>&1"),
                     0);
    const char *script =
        PNB_SOURCE_DIR "/tools/garments -o garments -i 1 -m \"ddrm\" -t \"superresolution gaussian_deblurring\" -e 2 -g generators";
    for (int again = 0; again < 2; again++) {
        snprintf(text, sizeof text, "%s >table.txt 2>log.txt", script);
        assert_int_equal(system(text), 0);
        read_text("table.txt", text, sizeof text);
        assert_non_null(strstr(text, "| superresolution | DDRM | 1 |"));
        assert_non_null(strstr(text, "| superresolution | DAVI | 1 |"));
        assert_non_null(strstr(text, "| gaussian_deblurring | DDRM | 0 | - |"));
        assert_non_null(strstr(text, "| gaussian_deblurring | DAVI | 0 | - |"));
        read_text("log.txt", text, sizeof text);
        assert_int_equal(strstr(text, "superresolution, DDRM, observation 0 (run 1 of 4)") != NULL, !again);
    }
    assert_true(file_exists("garments/superresolution.png"));
    snprintf(text, sizeof text, "%s -s 'steps=a b' 2>log.txt", script);
    assert_int_equal(WEXITSTATUS(system(text)), 2);
}

static void expect_fault(shell *s, const char *text, const char *part) {
    write_text("bad.json", text);
    int code = run_command(s, "compare bad.json -o never");
    if (code != 3 || !strstr(s->err, part))
        fail_msg("%s\nexpected 3 and \"%s\", found %d: %s", text, part, code, s->err);
    assert_false(file_exists("never"));
}

static void test_faults(void **state) {
    shell *s = *state;
    expect_fault(s, "{", "no JSON object (line 1)");
    expect_fault(s, "{\"priors\": {}}", "there is no key 'priors'; did you mean prior");
    expect_fault(s, "{\"zzz\": {}}", "there is no key 'zzz'; expected prior, size, tasks,");
    expect_fault(s, "{" TASK "\"methods\": [{\"type\": \"dps\"}], \"observations\": 1}", "prior: expected an object");
    expect_fault(s, "{" PRIOR TASK "\"methods\": [], \"observations\": 1}",
                 "methods: expected a list of 1 to 16 methods");
    expect_fault(s, "{" PRIOR TASK "\"methods\": [{\"type\": \"dps\"}], \"observations\": 0}",
                 "observations: expected a list");
    expect_fault(s, "{" PRIOR TASK "\"methods\": [{\"type\": \"dps\"}, {\"type\": \"dps\"}], \"observations\": 1}",
                 "a different \"name\" for each");
    expect_fault(s, "{" PRIOR TASK "\"methods\": [{\"type\": \"dps\", \"name\": \"a/b\"}], \"observations\": 1}",
                 "without slashes");
    expect_fault(s, "{" PRIOR TASK "\"methods\": [{\"type\": \"dps\"}], \"observations\": 1, \"samples\": 1.5}",
                 "samples: expected a whole number from 1 to 4096");
    assert_int_equal(run_command(s, "compare compare.json"), 2);
    assert_int_equal(run_command(s, "compare gone.json -o never"), 3);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_whole), cmocka_unit_test(test_evaluations), cmocka_unit_test(test_goes_on),
                                       cmocka_unit_test(test_refused), cmocka_unit_test(test_garments),
                                       cmocka_unit_test(test_faults)};
    return cmocka_run_group_tests(tests, shell_setup, shell_teardown);
}

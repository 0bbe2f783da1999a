/* PPM's presets: which one an operator takes, what it sets, and that what is given wins. */
#include "cli/command.h"

/* The method as `solve --explain --json` resolves it for garments with this operator, noise and method. */
static cJSON *resolve(shell *s, const char *op, double sigma, const char *method) {
    char text[1024];
    snprintf(text, sizeof text,
             "{\"prior\": {\"type\": \"random\", \"network\": \"garments\"}, \"size\": [32, 32], \"operator\": {%s}, \"truth\": "
             "\"%s/assets/garments/validation-00.png\", \"noise\": {\"sigma\": %g}, \"method\": {\"type\": \"ppm\"%s}}",
             op, PNB_SOURCE_DIR, sigma, method);
    write_text("problem.json", text);
    RUN_OK(s, "solve problem.json --explain --json");
    cJSON *json = cJSON_Parse(s->out);
    assert_non_null(json);
    cJSON *found = cJSON_DetachItemFromObjectCaseSensitive(json, "method");
    cJSON_Delete(json);
    return found;
}

static const char *word(const cJSON *method, const char *key) {
    const cJSON *v = cJSON_GetObjectItemCaseSensitive(method, key);
    if (!cJSON_IsString(v)) fail_msg("there is no word '%s'", key);
    return v->valuestring;
}

static void expect_number(const cJSON *method, const char *key, double want) {
    const cJSON *v = cJSON_GetObjectItemCaseSensitive(method, key);
    if (!cJSON_IsNumber(v)) fail_msg("there is no number '%s'", key);
    assert_float_equal(v->valuedouble, want, 1e-6);
}

#define BOX "\"type\": \"mask_box\", \"top\": 9, \"left\": 9, \"height\": 14, \"width\": 14"
#define POOL "\"type\": \"average_pool\", \"factor\": 4"

static void test_by_operator(void **state) {
    static const struct {
        const char *op, *preset;
        double level; /* of the finish at its start, sigma 0.05; 0: by the operator's norm */
    } cases[] = {{BOX, "inpainting", 1},
                 {"\"type\": \"mask_random\", \"fraction\": 0.5", "inpainting", 1},
                 {POOL, "superresolution", 1},
                 {"\"type\": \"bicubic\", \"factor\": 4", "superresolution", 0},
                 {"\"type\": \"gaussian_blur\", \"sigma\": 1.5, \"size\": 11", "deblurring", 0},
                 {"\"type\": \"motion_blur\", \"size\": 9", "deblurring", 0},
                 {"\"type\": \"identity\"", "denoising", 0.25},
                 {"\"type\": \"psf\", \"na\": 1.41, \"wavelength_nm\": 525, \"pixel_nm\": 31", "default", 0},
                 {"\"type\": \"phase_retrieval\"", "default", 0}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        cJSON *m = resolve(*state, cases[i].op, 0.05, "");
        assert_string_equal(word(m, "preset"), cases[i].preset);
        if (cases[i].level > 0) expect_number(m, "finish_rho_start", cases[i].level);
        cJSON_Delete(m);
    }
}

static void test_given_wins(void **state) {
    shell *s = *state;
    cJSON *m = resolve(s, POOL, 0.05, ", \"finish_steps\": 77");
    assert_string_equal(word(m, "finish"), "pigdm");
    assert_string_equal(word(m, "finish_covariance"), "jacobian");
    expect_number(m, "finish_steps", 77);
    expect_number(m, "init_steps", 20);
    expect_number(m, "rho_start", 0.5);
    expect_number(m, "widen", 1);
    cJSON_Delete(m);
    m = resolve(s, POOL, 0.05, ", \"preset\": \"default\""); /* the general settings, as for an operator that is no task */
    assert_string_equal(word(m, "preset"), "default");
    assert_string_equal(word(m, "finish_covariance"), "isotropic");
    expect_number(m, "finish_steps", 30);
    expect_number(m, "init_steps", 0);
    cJSON_Delete(m);
    m = resolve(s, POOL, 0.05, ", \"preset\": \"deblurring\", \"init_steps\": 0"); /* from the guess: its window begins higher */
    assert_string_equal(word(m, "preset"), "deblurring");
    expect_number(m, "init_std", 0.1);
    expect_number(m, "rho_start", 1.5);
    expect_number(m, "widen", 0);
    cJSON_Delete(m);
    m = resolve(s, POOL, 0.05, ", \"preset\": \"paper\"");
    assert_string_equal(word(m, "finish"), "none");
    cJSON_Delete(m);
    m = resolve(s, POOL, 0.05, ", \"finish\": \"langevin\""); /* steps and covariance of the preset are pigdm's */
    expect_number(m, "finish_steps", 300);
    cJSON_Delete(m);
    m = resolve(s, "\"type\": \"phase_retrieval\"", 0.05, ", \"preset\": \"inpainting\""); /* not linear: no reverse process */
    expect_number(m, "init_steps", 0);
    cJSON_Delete(m);
    assert_int_equal(run_command(s, "solve problem.json --set init_steps=5 --explain"), 3);
    assert_non_null(strstr(s->err, "ppm: init_steps 5 needs a linear operator"));
    assert_int_equal(run_command(s, "solve problem.json --set preset=sharp --explain"), 3);
    assert_non_null(strstr(s->err, "superresolution"));
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_by_operator), cmocka_unit_test(test_given_wins)};
    return cmocka_run_group_tests(tests, shell_setup, shell_teardown);
}

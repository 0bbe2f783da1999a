/* The user's own operator: the example's values and adjoint, GLSL and SPIR-V, wrong pairs refused with the numbers, modules that are
 * refused unseen by the driver, and functions of an application. */
#include "measure/rig.h"

#include "io/npy.h"
#include "io/spirv.h"
#include "measure/custom.h"

#include <unistd.h>

#define EXAMPLE PNB_SOURCE_DIR "/assets/custom/"

static char folder[] = "/tmp/penumbra-custom-XXXXXX";

static int setup(void **state) {
    return mkdtemp(folder) ? test_device_setup(state) : -1;
}
static int teardown(void **state) {
    char command[96];
    snprintf(command, sizeof command, "rm -r %s", folder);
    return system(command) | test_device_teardown(state);
}

static void write_text(const char *name, const char *text) {
    char path[96];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    assert_true(fputs(text, f) >= 0 && fclose(f) == 0);
}

static const char *args_of(const char *apply, const char *adjoint, const char *more) {
    static char text[512];
    snprintf(text, sizeof text, "{\"apply\": \"%s\", \"adjoint\": \"%s\", \"data\": \"%s/gain.npy\"%s}", apply, adjoint, folder, more);
    return text;
}

static void write_gain(void) {
    char path[96];
    const float gain = 0.7f;
    pnb_error err = {0};
    snprintf(path, sizeof path, "%s/gain.npy", folder);
    assert_int_equal(pnb_npy_write(&err, path, 1, (uint64_t[]){1}, &gain), PNB_OK);
}

static void slope(const pnb_operator *op, const double *x, double *y) {
    pnb_shape s = pnb_operator_image_shape(op);
    uint32_t w = s.d[2], count = s.d[0] * s.d[1] * w;
    for (uint32_t i = 0; i < count; i++) y[i] = i % w + 1 < w ? (double)0.7f * (x[i + 1] - x[i]) : 0;
}

/* The shaders of the example as SPIR-V, by glslc where it is installed. */
static bool compiled(const char *name, char spv[96]) {
    char command[400];
    snprintf(spv, 96, "%s/%s.spv", folder, name);
    snprintf(command, sizeof command, "glslc --target-env=vulkan1.2 -O %s%s -o %s 2>/dev/null", EXAMPLE, name, spv);
    return system(command) == 0;
}

static void test_example(void **state) {
    char a[96], b[96];
    write_gain();
    bool spirv = compiled("slope.comp", a) && compiled("slope_adjoint.comp", b);
    if (!spirv) fprintf(stderr, "skipped: SPIR-V, there is no glslc\n");
    for (int i = 0; i < 2; i++) {
        if (i == 0 && !pnb_glsl_available()) {
            fprintf(stderr, "skipped: GLSL, there is no libshaderc\n");
            continue;
        }
        if (i == 1 && !spirv) continue;
        const char *json = i ? args_of(a, b, "") : args_of(EXAMPLE "slope.comp", EXAMPLE "slope_adjoint.comp", "");
        const pnb_shape shapes[] = {pnb_shape3(1, 8, 8), pnb_shape3(3, 7, 5)};
        for (int k = 0; k < 2; k++) {
            pnb_operator *op = rig_make(state, "custom", json, shapes[k]);
            rig_check(state, op, slope);
            /* The norm of differences of n points is 2 cos(pi/(2n)). */
            double norm = (double)0.7f * 2 * cos(3.14159265358979 / (2.0 * shapes[k].d[2]));
            assert_true(pnb_operator_norm(op) >= norm && pnb_operator_norm(op) < 1.1 * norm);
            pnb_operator_destroy(&op, test_gpu(state));
        }
    }
}

static const char head[] = "#version 450\nlayout(local_size_x_id = 0) in;\n"
                           "layout(std430, set = 0, binding = 0) readonly buffer A { float a[]; };\n"
                           "layout(std430, set = 0, binding = 1) writeonly buffer B { float b[]; };\n"
                           "layout(push_constant) uniform P { uint n, from_count, to_count, channels, height, width; } p;\n"
                           "void main() { uint i = gl_GlobalInvocationID.x + gl_GlobalInvocationID.y * gl_NumWorkGroups.x * "
                           "gl_WorkGroupSize.x;\n if (i >= p.n * p.to_count) return;\n";

static void make_shader(const char *name, const char *body) {
    char text[1200];
    snprintf(text, sizeof text, "%s%s }\n", head, body);
    write_text(name, text);
}

static void refuse_pair(void **state, const char *apply, const char *adjoint, const char *more, const char *part) {
    char a[400];
    make_shader("a.comp", apply);
    make_shader("b.comp", adjoint);
    snprintf(a, sizeof a, "{\"apply\": \"%s/a.comp\", \"adjoint\": \"%s/b.comp\"%s}", folder, folder, more);
    pnb_operator *op;
    pnb_error *err = test_err(state);
    TEST_OK(err, rig_try(err, "custom", a, pnb_shape3(1, 6, 6), &op));
    if (pnb_operator_commit(op, test_gpu(state)) != PNB_ERROR_INPUT || !strstr(err->message, part))
        fail_msg("expected a sentence with \"%s\", found %s", part, err->message);
    pnb_operator_destroy(&op, test_gpu(state));
}

static void test_wrong_pairs(void **state) {
    if (!pnb_glsl_available()) skip();
    refuse_pair(state, "b[i] = 2.0 * a[i];", "b[i] = a[i];", "", "the adjoint is wrong: <A x, u> = ");
    refuse_pair(state, "b[i] = a[i] * a[i];", "b[i] = a[i];", "", "is not linear");
    refuse_pair(state, "b[i] = 0.0;", "b[i] = 0.0;", "", "A is 0");
    refuse_pair(state, "b[i] = a[i % p.to_count];", "b[i] = a[i];", "", "is not linear"); /* one image for the whole batch */
    refuse_pair(state, "b[i] = uintBitsToFloat(0x7fc00000u);", "b[i] = a[i];", "", "not finite");
    /* A right pair of another shape: the sum of two neighbours. */
    char json[400];
    make_shader("a.comp", "uint s = i / 18u, k = i % 18u; b[i] = a[s * 36u + 2u * k] + a[s * 36u + 2u * k + 1u];");
    make_shader("b.comp", "uint s = i / 36u, k = i % 36u; b[i] = a[s * 18u + k / 2u];");
    snprintf(json, sizeof json, "{\"apply\": \"%s/a.comp\", \"adjoint\": \"%s/b.comp\", \"shape\": [6, 3]}", folder, folder);
    pnb_operator *op = rig_make(state, "custom", json, pnb_shape3(1, 6, 6));
    pnb_shape y = pnb_operator_measurement_shape(op);
    assert_true(y.rank == 3 && y.d[0] == 1 && y.d[1] == 6 && y.d[2] == 3);
    assert_true(fabs(pnb_operator_norm(op) - 1.05 * sqrt(2)) < 1e-3);
    pnb_operator_destroy(&op, test_gpu(state));
}

static void test_does_not_compile(void **state) {
    if (!pnb_glsl_available()) skip();
    (void)state;
    char json[400];
    make_shader("a.comp", "b[i] = nonsense;");
    snprintf(json, sizeof json, "{\"apply\": \"%s/a.comp\", \"adjoint\": \"%s/a.comp\"}", folder, folder);
    rig_refuse("custom", json, pnb_shape3(1, 6, 6), "'nonsense' : undeclared");
    write_text("a.comp", "#version 450\nlayout(local_size_x = 64) in;\nvoid main() {}\n");
    rig_refuse("custom", json, pnb_shape3(1, 6, 6), "layout(local_size_x_id = 0) in;");
    write_text("a.comp", "#version 450\nlayout(local_size_x_id = 0) in;\nlayout(std430, binding = 5) buffer A { float a[]; };\nvoid main() "
                         "{ a[0] = 1.0; }\n");
    rig_refuse("custom", json, pnb_shape3(1, 6, 6), "binding 5; there are 2");
    write_text("a.comp", "#version 450\nlayout(local_size_x_id = 0) in;\nlayout(std430, binding = 1) buffer A { float a[]; };\n"
                         "layout(push_constant) uniform P { vec4 v[4]; float w; } p;\nvoid main() { a[0] = p.w; }\n");
    rig_refuse("custom", json, pnb_shape3(1, 6, 6), "a push constant at byte");
}

static void test_modules(void **state) {
    (void)state;
    pnb_error err = {0};
    const pnb_spirv_limits limits = {2, 24};
    const uint32_t newer[5] = {0x07230203, 0x00010600, 0, 1, 0}, empty[5] = {0x07230203, 0x00010000, 0, 1, 0},
                   swapped[5] = {0x03022307, 0, 0, 1, 0};
    const uint32_t cut[6] = {0x07230203, 0x00010000, 0, 1, 0, 9u << 16 | 17}, nothing[6] = {0x07230203, 0x00010000, 0, 1, 0, 17};
    const uint32_t doubles[7] = {0x07230203, 0x00010000, 0, 1, 0, 2u << 16 | 17, 10};
    assert_int_equal(pnb_spirv_check(&err, "m", newer, sizeof newer, limits), PNB_ERROR_INPUT);
    assert_non_null(strstr(err.message, "SPIR-V 1.6"));
    assert_int_equal(pnb_spirv_check(&err, "m", empty, sizeof empty, limits), PNB_ERROR_INPUT);
    assert_non_null(strstr(err.message, "no entry point"));
    assert_int_equal(pnb_spirv_check(&err, "m", swapped, sizeof swapped, limits), PNB_ERROR_INPUT);
    assert_int_equal(pnb_spirv_check(&err, "m", empty, 7, limits), PNB_ERROR_INPUT);
    assert_int_equal(pnb_spirv_check(&err, "m", cut, sizeof cut, limits), PNB_ERROR_INPUT);
    assert_non_null(strstr(err.message, "runs past the end"));
    assert_int_equal(pnb_spirv_check(&err, "m", nothing, sizeof nothing, limits), PNB_ERROR_INPUT);
    assert_int_equal(pnb_spirv_check(&err, "m", doubles, sizeof doubles, limits), PNB_ERROR_INPUT);
    assert_non_null(strstr(err.message, "capability 10"));
}

/* ---- functions --------------------------------------------------------------------------------------------------- */

enum { D = 30, M = 10 };

static int sums(void *user, const float *x, float *y) {
    if (*(int *)user) return 5;
    for (int i = 0; i < M; i++) y[i] = x[3 * i] - 2 * x[3 * i + 1] + 0.5f * x[(3 * i + 7) % D];
    return 0;
}

static int sums_adjoint(void *user, const float *y, float *x) {
    (void)user;
    memset(x, 0, D * sizeof *x);
    for (int i = 0; i < M; i++) {
        x[3 * i] += y[i];
        x[3 * i + 1] -= 2 * y[i];
        x[(3 * i + 7) % D] += 0.5f * y[i];
    }
    return 0;
}

static int wrong_adjoint(void *user, const float *y, float *x) {
    (void)sums_adjoint(user, y, x);
    x[4] += 0.1f * y[0];
    return 0;
}

static int squares(void *user, const float *x, float *y) {
    (void)user;
    for (int i = 0; i < M; i++) y[i] = x[i] * x[i];
    return 0;
}

static void wide_sums(const pnb_operator *op, const double *x, double *y) {
    (void)op;
    for (int i = 0; i < M; i++) y[i] = x[3 * i] - 2 * x[3 * i + 1] + 0.5 * x[(3 * i + 7) % D];
}

static void test_functions(void **state) {
    pnb_error *err = test_err(state);
    int fail = 0;
    pnb_custom_callback c = {.name = "sums", .measurement = pnb_shape1(M), .apply = sums, .adjoint = sums_adjoint, .user = &fail};
    for (int i = 0; i < 2; i++) {
        pnb_operator *op;
        TEST_OK(err, pnb_operator_create_callback(err, i ? pnb_shape3(1, 5, 6) : pnb_shape1(D), &c, &op));
        TEST_OK(err, pnb_operator_commit(op, test_gpu(state)));
        rig_check(state, op, wide_sums);
        cJSON *args = pnb_operator_args(op);
        assert_string_equal(cJSON_GetObjectItem(args, "functions")->valuestring, "sums");
        cJSON_Delete(args);
        pnb_operator_destroy(&op, test_gpu(state));
        c.adjoint = NULL; /* it is not needed */
    }
    pnb_operator *op;
    c.adjoint = wrong_adjoint;
    assert_int_equal(pnb_operator_create_callback(err, pnb_shape1(D), &c, &op), PNB_ERROR_INPUT);
    assert_non_null(strstr(err->message, "sums: the adjoint is wrong: <A x, u> = "));
    c.adjoint = NULL;
    c.apply = squares;
    assert_int_equal(pnb_operator_create_callback(err, pnb_shape1(D), &c, &op), PNB_ERROR_INPUT);
    assert_non_null(strstr(err->message, "not linear"));
    c.apply = sums;
    fail = 1;
    assert_int_equal(pnb_operator_create_callback(err, pnb_shape1(D), &c, &op), PNB_ERROR_INPUT);
    assert_non_null(strstr(err->message, "its function gave 5"));
    rig_refuse("custom", "{}", pnb_shape1(4), "'apply' is missing");
    rig_refuse("custom", "{\"apply\": \"nowhere.comp\", \"adjoint\": \"nowhere.comp\"}", pnb_shape1(4), "nowhere.comp");
    rig_refuse("custom", "{\"apply\": \"nowhere.comp\", \"shape\": [0]}", pnb_shape1(4), "'shape' must be");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_example), cmocka_unit_test(test_wrong_pairs), cmocka_unit_test(test_does_not_compile),
        cmocka_unit_test(test_modules), cmocka_unit_test(test_functions)};
    return cmocka_run_group_tests(tests, setup, teardown);
}

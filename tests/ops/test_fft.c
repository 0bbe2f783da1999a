/* fft on the device against its fp64 reference; the relative L2 error of large transforms and how it grows; a transform and back;
 * FFTW in double as the judge where it is installed; the kernels that drivers with quads get. */
#include "gpu/internal.h"
#include "ops/fft_plan.h"
#include "ops/ops.h"
#include "ops/suite_test.h"

#include <dlfcn.h>
#include <math.h>
#include <string.h>

extern const pnb_op_suite pnb_suite_fft;

/* out: a square transform of `in`, both [n, n] complex, in double; false where FFTW is not there. */
static bool fftw(uint32_t n, const float *in, double *out) {
    void *library = dlopen("libfftw3.so.3", RTLD_NOW);
    if (!library) return false;
    void *(*plan)(int, int, double *, double *, int, unsigned);
    void (*execute)(void *), (*destroy)(void *);
    void *found[3] = {dlsym(library, "fftw_plan_dft_2d"), dlsym(library, "fftw_execute"), dlsym(library, "fftw_destroy_plan")};
    memcpy(&plan, &found[0], sizeof plan);
    memcpy(&execute, &found[1], sizeof execute);
    memcpy(&destroy, &found[2], sizeof destroy);
    for (uint32_t i = 0; i < 2 * n * n; i++) out[i] = in[i];
    void *p = plan((int)n, (int)n, out, out, -1, 1u << 6); /* forward, by estimate */
    execute(p);
    destroy(p);
    dlclose(library);
    return true;
}

/* The rows of a square by a plain radix-2 recursion in double, n a power of two: work has 2 n entries. */
static void rows_of_two(double *x, uint32_t n, uint32_t stride, double *work) {
    if (n == 1) return;
    rows_of_two(x, n / 2, 2 * stride, work);
    rows_of_two(x + 2 * stride, n / 2, 2 * stride, work);
    for (uint32_t k = 0; k < n / 2; k++) {
        const double *a = x + 4 * (size_t)k * stride, *b = a + 2 * stride;
        double c = cos(2 * 3.14159265358979323846 * k / n), s = -sin(2 * 3.14159265358979323846 * k / n);
        double re = b[0] * c - b[1] * s, im = b[0] * s + b[1] * c;
        work[2 * k] = a[0] + re, work[2 * k + 1] = a[1] + im;
        work[2 * (k + n / 2)] = a[0] - re, work[2 * (k + n / 2) + 1] = a[1] - im;
    }
    for (uint32_t k = 0; k < n; k++) {
        x[2 * (size_t)k * stride] = work[2 * k];
        x[2 * (size_t)k * stride + 1] = work[2 * k + 1];
    }
}

static void by_recursion(uint32_t n, const float *in, double *out) {
    double *work = malloc(2 * n * sizeof *work);
    assert_non_null(work);
    for (uint32_t i = 0; i < 2 * n * n; i++) out[i] = in[i];
    for (uint32_t i = 0; i < n; i++) rows_of_two(out + 2 * (size_t)i * n, n, 1, work);
    for (uint32_t i = 0; i < n; i++) rows_of_two(out + 2 * (size_t)i, n, n, work);
    free(work);
}

/* Relative L2 errors of the square transform of n, and of the transform back; returns how many dispatches both took. */
static uint32_t errors(void **state, uint32_t n, double error[2]) {
    pnb_error *err = test_err(state);
    pnb_gpu *gpu = test_gpu(state);
    size_t count = 2 * (size_t)n * n;
    pnb_store *store;
    pnb_storage *s;
    pnb_graph *g;
    pnb_program *program;
    pnb_tensor x, y, back;
    float *in = malloc(count * sizeof *in), *out = malloc(count * sizeof *out);
    double *want = malloc(count * sizeof *want), square = 0;
    assert_true(in && out && want);
    for (size_t i = 0; i < count; i++) in[i] = (float)sin(0.37 * (double)i + 1e-4 * (double)(i * (i % 97)));
    TEST_OK(err, pnb_store_create(err, "test", &store));
    TEST_OK(err, pnb_store_add(store, "x", pnb_shape4(1, n, n, 2), PNB_STORAGE_VARIABLE, &s));
    TEST_OK(err, pnb_store_commit(store, gpu));
    TEST_OK(err, pnb_storage_write(s, gpu, in, count));
    TEST_OK(err, pnb_graph_create(err, gpu, "test", &g));
    TEST_OK(err, pnb_graph_bind(g, s, &x));
    TEST_OK(err, pnb_fft(g, x, 2, false, false, &y));
    TEST_OK(err, pnb_fft(g, y, 2, true, false, &back));
    TEST_OK(err, pnb_graph_output(g, y));
    TEST_OK(err, pnb_graph_output(g, back));
    TEST_OK(err, pnb_program_create(g, gpu, NULL, &program));
    pnb_graph_destroy(&g); /* a program keeps the twiddles */
    TEST_OK(err, pnb_program_run(program));
    if (!fftw(n, in, want)) by_recursion(n, in, want);
    for (int k = 0; k < 2; k++) {
        TEST_OK(err, pnb_program_read(program, k ? back : y, out, count));
        double sum = square = 0;
        for (size_t i = 0; i < count; i++) {
            double exact = k ? in[i] : want[i];
            sum += (out[i] - exact) * (out[i] - exact);
            square += exact * exact;
        }
        error[k] = sqrt(sum / square);
    }
    uint32_t dispatches = pnb_program_report(program)->dispatches;
    pnb_program_destroy(&program);
    pnb_store_destroy(&store, gpu);
    free(in);
    free(out);
    free(want);
    return dispatches;
}

/* The bar is 5e-7 at 256 x 256; errors grow no faster than log N. With a dispatch a pass, and in shared memory. */
static void test_accuracy(void **state) {
    static const uint32_t sizes[] = {16, 64, 256, 512};
    for (size_t i = 0; i < 2 * (sizeof sizes / sizeof sizes[0]); i++) {
        uint32_t n = sizes[i / 2];
        pnb_choices_explore(pnb_gpu_choices(test_gpu(state)), i % 2);
        double error[2], allowed = 5e-7 * log2(n) / log2(256);
        uint32_t dispatches = errors(state, n, error);
        printf("%u x %u, %s: relative L2 error %.2e, there and back %.2e, allowed %.2e\n", n, n, i % 2 ? "shared" : "passes", error[0],
               error[1], allowed);
        assert_true(error[0] <= allowed && error[1] <= 2 * allowed);
        if (n == 256) assert_int_equal(dispatches, i % 2 ? 4 : 8);
    }
    pnb_choices_explore(pnb_gpu_choices(test_gpu(state)), -1);
}

/* Large radices on lavapipe only: no scratch memory on a GPU, no minutes of SwiftShader's compiler. */
static void test_radices(void **state) {
    (void)state;
    for (uint32_t i = 0; i < 4; i++) {
        pnb_gpu_caps caps = {.is_cpu = i & 1, .prefer_texel = i & 2, .shared_bytes = 32768, .max_local_size = 1024};
        assert_int_equal(pnb_fft_limits_of(&caps, false).largest, i == 3 ? 64 : i == 1 ? 8 : 16);
        assert_int_equal(pnb_fft_limits_of(&caps, true).largest, 16);
    }
}

/* Which lines meet in shared memory: up to 1024 numbers where a workgroup has 32 KiB, half of that with 16. */
static void test_plans(void **state) {
    static const struct {
        uint32_t bytes, n, columns; /* columns 0: rows, three of them */
        uint32_t width, local;
    } want[] = {{32768, 64, 64, 8, 64},    {32768, 256, 256, 4, 64},  {32768, 1024, 1024, 2, 256}, {32768, 1080, 1024, 0, 0},
                {16384, 512, 512, 2, 128}, {16384, 1024, 1024, 0, 0}, {32768, 1024, 0, 1, 128},    {16384, 1024, 0, 0, 0},
                {32768, 2048, 0, 0, 0},    {32768, 16, 0, 0, 0},      {32768, 64, 3, 0, 0}};
    (void)state;
    for (size_t i = 0; i < sizeof want / sizeof want[0]; i++) {
        bool rows = want[i].columns == 0;
        pnb_gpu_caps caps = {.shared_bytes = want[i].bytes, .max_local_size = 1024, .max_local_size_x = 1024};
        pnb_fft_limits limits = pnb_fft_limits_of(&caps, true);
        pnb_fft_plan p;
        pnb_fft_make_plan(&limits, rows ? pnb_shape3(3, want[i].n, 2) : pnb_shape4(1, want[i].n, want[i].columns, 2), rows, &p);
        assert_int_equal(p.width, want[i].width);
        assert_int_equal(p.local, want[i].local);
        uint32_t n = 1;
        for (uint32_t k = 0; k < p.count; k++) n *= p.radix[k];
        assert_int_equal(n, want[i].n);
        assert_int_equal(pnb_fft_dispatches(&p), want[i].width ? 1 : p.count);
    }
}

static void test_refused(void **state) {
    pnb_error *err = test_err(state);
    pnb_store *store;
    pnb_storage *s;
    pnb_graph *g;
    pnb_tensor x, y;
    TEST_OK(err, pnb_store_create(err, "test", &store));
    TEST_OK(err, pnb_store_add(store, "x", pnb_shape3(2, 4, 3), PNB_STORAGE_VARIABLE, &s));
    TEST_OK(err, pnb_graph_create(err, NULL, "test", &g));
    TEST_OK(err, pnb_graph_bind(g, s, &x));
    assert_int_equal(pnb_fft(g, x, 1, false, false, &y), PNB_ERROR_INPUT);
    assert_non_null(strstr(err->message, "a last one of 2 (real, imaginary) are needed, x is [2,4,3]"));
    assert_int_equal(pnb_fft(g, x, 3, false, false, &y), PNB_ERROR_INPUT);
    pnb_graph_destroy(&g);
    pnb_store_destroy(&store, NULL);
}

/* A device that asks for kernels whose kind is known when SPIR-V is made, as drivers with quads do. */
static int setup_known(void **state) {
    if (test_device_setup(state) != 0) return -1;
    test_gpu(state)->caps.is_cpu = true;
    test_gpu(state)->caps.prefer_texel = false;
    return 0;
}

/* These kernels with storage buffers and with texels, on any device with quads. */
static void test_known(void **state) {
    pnb_gpu_caps *caps = &test_gpu(state)->caps;
    uint32_t texels = caps->max_texel_elements;
    if (!caps->subgroup_quad) {
        print_message("skipped: no quads on %s\n", caps->name);
        skip();
    }
    for (uint32_t i = 0; i < 2; i++) {
        caps->max_texel_elements = i ? texels : 0;
        test_suite_cases(state);
    }
}

int main(void) {
    const struct CMUnitTest known[] = {cmocka_unit_test(test_known)};
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_suite_every_way), cmocka_unit_test(test_accuracy),
                                       cmocka_unit_test(test_radices), cmocka_unit_test(test_plans), cmocka_unit_test(test_refused)};
    test_suite_current = &pnb_suite_fft;
    test_suite_ways_count = 2;
    int failed = cmocka_run_group_tests_name("fft", tests, test_device_setup, test_device_teardown);
    return failed + cmocka_run_group_tests_name("fft, kinds known", known, setup_known, test_device_teardown);
}

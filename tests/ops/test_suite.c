/* The runner of op cases: that it catches wrong results and wrong gradients, frees what it makes, and that the lists are in order. */
#include "device.h"

#include "graph/op.h"
#include "ops/ops.h"
#include "ops/suite.h"

#include <string.h>

static pnb_status build(pnb_graph *g, const pnb_op_case *c, const pnb_tensor *in, pnb_tensor *out) {
    (void)c;
    return pnb_unary_op(g, PNB_SQUARE, in[0], out);
}

static pnb_status build_stopped(pnb_graph *g, const pnb_op_case *c, const pnb_tensor *in, pnb_tensor *out) {
    pnb_tensor other;
    (void)c;
    PNB_TRY(pnb_affine(g, in[0], 3, 0, &other)); /* 3 x^2, with the second factor taken for a constant: half of the gradient */
    PNB_TRY(pnb_graph_stop(g, other));
    return pnb_mul(g, in[0], other, out);
}

static void square(const pnb_op_case *c, const double *const *in, double *out) {
    for (size_t i = 0; i < pnb_shape_count(c->in[0]); i++) out[i] = in[0][i] * in[0][i] * (c->arg[0] ? c->arg[0] : 1);
}

static void square_but_one(const pnb_op_case *c, const double *const *in, double *out) {
    square(c, in, out);
    out[pnb_shape_count(c->in[0]) - 1] += 1e-3;
}

static pnb_case_result run(void **state, const pnb_op_suite *suite, const pnb_op_case *c) {
    pnb_case_result result;
    TEST_OK(test_err(state), pnb_op_case_run(test_gpu(state), test_err(state), suite, c, &result));
    return result;
}

static void test_judgement(void **state) {
    static const pnb_op_case few = {.name = "few", .n_in = 1, .in = {{1, {9, 1, 1, 1}}}}, many = {.name = "many", .n_in = 1, .in = {{2, {40, 9, 1, 1}}}};
    static const pnb_op_case tripled = {.name = "tripled", .n_in = 1, .in = {{1, {9, 1, 1, 1}}}, .arg = {3}};
    static const pnb_op_suite right = {"square", &few, 1, build, square, .flops = NULL}, wrong = {"square", &few, 1, build, square_but_one, .flops = NULL};
    static const pnb_op_suite stopped = {"stopped", &tripled, 1, build_stopped, square, .flops = NULL};
    assert_true(run(state, &right, &few).passed);
    assert_true(run(state, &right, &many).passed);
    pnb_case_result forward = run(state, &wrong, &few), gradient = run(state, &stopped, &tripled);
    assert_false(forward.passed);
    assert_non_null(strstr(forward.why, "forward"));
    assert_false(gradient.passed);
    assert_true(gradient.forward_error < 1e-6);
    assert_non_null(strstr(gradient.why, "gradient of input 0"));
}

static void test_memory_returns(void **state) {
    static const pnb_op_case c = {.name = "many", .n_in = 1, .in = {{2, {400, 900, 1, 1}}}, .bench = true};
    static const pnb_op_suite suite = {"square", &c, 1, build, square, .flops = NULL};
    run(state, &suite, &c);
    uint64_t before = pnb_gpu_get_stats(test_gpu(state)).allocated_bytes;
    run(state, &suite, &c);
    assert_int_equal(pnb_gpu_get_stats(test_gpu(state)).allocated_bytes, before);
}

/* Kernels of forward and backward, and nothing else. */
static void test_compile(void **state) {
    static const pnb_op_case c = {.name = "many", .n_in = 1, .in = {{2, {400, 900, 1, 1}}}, .bench = true};
    static const pnb_op_suite suite = {"square", &c, 1, build, square, .flops = NULL};
    pnb_gpu_params params = {.cache_dir = ""};
    pnb_error err = {0};
    pnb_gpu *gpu;
    TEST_OK(&err, pnb_gpu_create(&params, &err, &gpu));
    pnb_gpu_stats before = pnb_gpu_get_stats(gpu);
    TEST_OK(&err, pnb_op_case_compile(gpu, &err, &suite, &c, false));
    pnb_gpu_stats after = pnb_gpu_get_stats(gpu);
    assert_int_equal(after.kernels_created, 2);
    assert_int_equal(after.allocations, before.allocations);
    assert_int_equal(after.lists_recorded, 0);
    pnb_gpu_destroy(&gpu);
    (void)state;
}

static void test_lists(void **state) {
    (void)state;
    size_t count;
    const pnb_op_suite *const *suites = pnb_op_suites(&count);
    assert_true(count >= 16);
    for (size_t i = 0; i < count; i++) {
        assert_true(suites[i]->count > 0);
        for (size_t k = 0; k < i; k++) assert_string_not_equal(suites[i]->op, suites[k]->op);
        for (size_t a = 0; a < suites[i]->count; a++) {
            for (size_t b = 0; b < a; b++) assert_string_not_equal(suites[i]->cases[a].name, suites[i]->cases[b].name);
        }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_judgement), cmocka_unit_test(test_memory_returns), cmocka_unit_test(test_compile),
                                       cmocka_unit_test(test_lists)};
    return cmocka_run_group_tests(tests, test_device_setup, test_device_teardown);
}

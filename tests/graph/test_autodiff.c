/* Derivatives of small graphs against what one works out by hand: shared inputs, views, slices, stops, second order. */
#include "run.h"

#include <math.h>
#include <time.h>

/* Storages of every test: x and c (the cotangent), [4,64], and w. The rows are 256 bytes, so slices are views. */
enum { X = 0, C = 1000, W = 2000, N = 256, ROW = 64 };
static double x(uint32_t i) { return (double)bench_value(X + i); }
static double c(uint32_t i) { return (double)bench_value(C + i); }
static double w(uint32_t i) { return (double)bench_value(W + i); }

typedef struct fixture {
    bench b;
    pnb_graph *g;
    pnb_error *err;
    pnb_tensor x, c, w;
} fixture;

static fixture begin(void **state) {
    fixture f = {.b = bench_begin(state)};
    f.g = f.b.g;
    f.err = f.b.err;
    f.x = bench_storage(&f.b, "x", pnb_shape2(4, ROW), PNB_STORAGE_VARIABLE, X);
    f.c = bench_storage(&f.b, "c", pnb_shape2(4, ROW), PNB_STORAGE_VARIABLE, C);
    f.w = bench_storage(&f.b, "w", pnb_shape2(4, ROW), PNB_STORAGE_FROZEN, W);
    return f;
}

static pnb_tensor grad_of(fixture *f, pnb_tensor y, pnb_tensor cotangent, pnb_tensor wrt) {
    pnb_tensor g = PNB_NONE;
    TEST_OK(f->err, pnb_graph_grad(f->g, &y, &cotangent, 1, &wrt, 1, &g));
    return g;
}

static void finish(fixture *f, pnb_tensor grad, double (*expected)(uint32_t)) {
    bench_expect(&f->b, grad, expected);
    bench_end(&f->b);
}

static pnb_tensor mul(fixture *f, pnb_tensor a, pnb_tensor b) {
    pnb_tensor y = PNB_NONE;
    TEST_OK(f->err, pnb_mul(f->g, a, b, &y));
    return y;
}

static pnb_tensor add(fixture *f, pnb_tensor a, pnb_tensor b) {
    pnb_tensor y = PNB_NONE;
    TEST_OK(f->err, pnb_add(f->g, a, b, &y));
    return y;
}

static pnb_tensor rows(fixture *f, pnb_tensor t, uint32_t begin_row, uint32_t count) {
    pnb_tensor y = PNB_NONE;
    TEST_OK(f->err, pnb_graph_slice0(f->g, t, begin_row, count, &y));
    return y;
}

static double shared_expected(uint32_t i) { return c(i) * (2 * x(i) + 3); }
static void test_shared_input(void **state) {
    fixture f = begin(state);
    pnb_tensor three;
    TEST_OK(f.err, pnb_affine(f.g, f.x, 3, 0, &three));
    finish(&f, grad_of(&f, add(&f, mul(&f, f.x, f.x), three), f.c, f.x), shared_expected);
}

/* Two gradients meet in x: the op that makes the second adds the first, so there is no node for their sum. */
static void test_sum_in_the_maker(void **state) {
    fixture f = begin(state);
    pnb_tensor norm, square, gamma = rows(&f, f.w, 0, 1);
    TEST_OK(f.err, pnb_group_norm(f.g, f.x, gamma, gamma, PNB_NONE, 4, 1e-5f, false, &norm));
    TEST_OK(f.err, pnb_unary_op(f.g, PNB_SQUARE, f.x, &square));
    pnb_tensor y = add(&f, norm, square);
    size_t before = pnb_graph_node_count(f.g);
    (void)grad_of(&f, y, f.c, f.x);
    assert_int_equal(pnb_graph_node_count(f.g), before + 2);
    bench_end(&f.b);
}

static double weight_expected(uint32_t i) { return c(i) * w(i); }
static void test_only_what_is_asked(void **state) {
    fixture f = begin(state);
    pnb_tensor y = mul(&f, f.x, f.w), wrt[3] = {f.x, f.c, y}, g[3];
    size_t before = pnb_graph_node_count(f.g);
    TEST_OK(f.err, pnb_graph_grad(f.g, &y, &f.c, 1, wrt, 3, g));
    assert_int_equal(pnb_graph_node_count(f.g), before + 1); /* no gradient of w */
    assert_int_equal(g[1], PNB_NONE);                         /* y does not depend on c */
    assert_int_equal(g[2], f.c);                              /* dy/dy */
    finish(&f, g[0], weight_expected);
}

static double stop_expected(uint32_t i) { return c(i) * tanh(x(i)); }
static void test_stop(void **state) {
    fixture f = begin(state);
    pnb_tensor t;
    TEST_OK(f.err, pnb_unary_op(f.g, PNB_TANH, f.x, &t));
    TEST_OK(f.err, pnb_graph_stop(f.g, t));
    finish(&f, grad_of(&f, mul(&f, f.x, t), f.c, f.x), stop_expected);
}

static double square_expected(uint32_t i) { return 2 * c(i) * x(i); }
static void test_reshape(void **state) {
    fixture f = begin(state);
    pnb_tensor flat, cflat;
    TEST_OK(f.err, pnb_graph_reshape(f.g, f.x, pnb_shape1(N), &flat));
    TEST_OK(f.err, pnb_graph_reshape(f.g, f.c, pnb_shape1(N), &cflat));
    pnb_tensor g = grad_of(&f, mul(&f, flat, flat), cflat, f.x);
    assert_true(pnb_shape_equal(pnb_graph_shape(f.g, g), pnb_shape2(4, ROW)));
    finish(&f, g, square_expected);
}

static double halves_expected(uint32_t i) { return i < N / 2 ? c(i) * x(i + N / 2) : c(i - N / 2) * x(i - N / 2); }
static void test_halves(void **state) {
    fixture f = begin(state);
    pnb_tensor y = mul(&f, rows(&f, f.x, 0, 2), rows(&f, f.x, 2, 2));
    size_t before = pnb_graph_node_count(f.g);
    pnb_tensor g = grad_of(&f, y, rows(&f, f.c, 0, 2), f.x);
    assert_int_equal(pnb_graph_node_count(f.g), before + 3); /* two products and one concat: no zeros */
    finish(&f, g, halves_expected);
}

static double part_expected(uint32_t i) { return i >= ROW && i < 3 * ROW ? c(i) * 2 * x(i) : 0; }
static void test_part_alone(void **state) {
    fixture f = begin(state);
    pnb_tensor part = rows(&f, f.x, 1, 2);
    finish(&f, grad_of(&f, mul(&f, part, part), rows(&f, f.c, 1, 2), f.x), part_expected);
}

static double overlap_expected(uint32_t i) {
    double g = c(i) * w(i);
    if (i < 3 * ROW) g += c(i) * x(i + ROW);
    if (i >= ROW) g += c(i - ROW) * x(i - ROW);
    return g;
}
static void test_overlapping_parts_and_whole(void **state) {
    fixture f = begin(state);
    pnb_tensor y[2] = {mul(&f, rows(&f, f.x, 0, 3), rows(&f, f.x, 1, 3)), mul(&f, f.x, f.w)};
    pnb_tensor cot[2] = {rows(&f, f.c, 0, 3), f.c}, g;
    size_t before = pnb_graph_node_count(f.g);
    TEST_OK(f.err, pnb_graph_grad(f.g, y, cot, 2, &f.x, 1, &g));
    assert_int_equal(pnb_graph_node_count(f.g), before + 5); /* three products, two additions into rows */
    finish(&f, g, overlap_expected);
}

static double view_expected(uint32_t i) { return c(ROW + i) * w(ROW + i); }
static void test_wrt_view(void **state) {
    fixture f = begin(state);
    pnb_tensor part = rows(&f, f.x, 1, 2);
    finish(&f, grad_of(&f, mul(&f, part, rows(&f, f.w, 1, 2)), rows(&f, f.c, 1, 2), part), view_expected);
}

static double unaligned_expected(uint32_t i) { return i >= 10 && i < 30 ? 2 * x(i) * c(i) : 0; }
static void test_unaligned_slice(void **state) {
    fixture f = begin(state);
    pnb_tensor small = bench_storage(&f.b, "small", pnb_shape2(4, 10), PNB_STORAGE_VARIABLE, X);
    pnb_tensor cot = bench_storage(&f.b, "cot", pnb_shape2(2, 10), PNB_STORAGE_VARIABLE, C + 10);
    pnb_tensor part = rows(&f, small, 1, 2);
    finish(&f, grad_of(&f, mul(&f, part, part), cot, small), unaligned_expected);
}

static double third_expected(uint32_t i) { return 6 * x(i) * c(i) * w(i); }
static void test_second_order(void **state) {
    fixture f = begin(state);
    pnb_tensor first = grad_of(&f, mul(&f, f.x, mul(&f, f.x, f.x)), f.c, f.x); /* 3 x^2 c */
    finish(&f, grad_of(&f, first, f.w, f.x), third_expected);
}

static double intermediate_expected(uint32_t i) { return 2 * tanh(x(i)) * c(i); }
static void test_wrt_intermediate(void **state) {
    fixture f = begin(state);
    pnb_tensor t;
    TEST_OK(f.err, pnb_unary_op(f.g, PNB_TANH, f.x, &t));
    finish(&f, grad_of(&f, mul(&f, t, t), f.c, t), intermediate_expected);
}

/* Two outputs, the second three times the first; its derivative sees the cotangents of both. */
static pnb_status pair_vjp(pnb_graph *g, const pnb_node *n, const pnb_tensor *gout, uint32_t want, pnb_tensor *gin) {
    (void)n;
    if (!(want & 1) || gout[0] != PNB_NONE || gout[1] == PNB_NONE) return PNB_ERROR_INTERNAL; /* as the test has it */
    return pnb_affine(g, gout[1], 3, 0, &gin[0]);
}

static double pair_expected(uint32_t i) { return 3 * c(i); }
static void test_stopped_output(void **state) {
    static const pnb_op pair = {.name = "pair", .vjp = pair_vjp};
    fixture f = begin(state);
    pnb_shape shapes[2] = {pnb_shape2(4, ROW), pnb_shape2(4, ROW)};
    pnb_tensor out[2], cot[2] = {f.c, f.c}, g;
    TEST_OK(f.err, pnb_graph_add(f.g, &pair, &f.x, 1, 0, NULL, 0, shapes, 2, out, 2));
    TEST_OK(f.err, pnb_graph_stop(f.g, out[0]));
    TEST_OK(f.err, pnb_graph_grad(f.g, out, cot, 2, &f.x, 1, &g));
    finish(&f, g, pair_expected);
}

static double seconds(void) {
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void test_deep_graph_is_quick(void **state) {
    fixture f = begin(state);
    double start = seconds();
    pnb_tensor h = f.x;
    for (int i = 0; i < 1000; i++) h = add(&f, h, mul(&f, h, f.w));
    pnb_tensor g = grad_of(&f, h, f.c, f.x);
    pnb_plan_report report;
    TEST_OK(f.err, pnb_graph_output(f.g, g));
    TEST_OK(f.err, pnb_graph_plan(f.g, NULL, &report));
    double used = seconds() - start;
    print_message("%zu nodes built, differentiated and planned in %.3f s\n", pnb_graph_node_count(f.g), used);
    assert_true(used < 1.0); /* 0.02 s; sanitizers and a busy machine are slower */
    bench_end(&f.b);
}

static void test_errors(void **state) {
    fixture f = begin(state);
    pnb_tensor y = mul(&f, f.x, f.w), half = rows(&f, f.c, 0, 2), g, max;
    assert_int_equal(pnb_graph_grad(f.g, &y, &half, 1, &f.x, 1, &g), PNB_ERROR_USAGE);
    assert_non_null(strstr(f.err->message, "is [4,64], its cotangent 'c.view' is [2,64]"));
    TEST_OK(f.err, pnb_binary_op(f.g, PNB_MAX, f.x, f.w, &max));
    assert_int_not_equal(pnb_graph_grad(f.g, &max, &f.c, 1, &f.x, 1, &g), PNB_OK);
    assert_non_null(strstr(f.err->message, "has no derivative"));
    TEST_OK(f.err, pnb_graph_segment_begin(f.g, "open"));
    assert_int_equal(pnb_graph_grad(f.g, &y, &f.c, 1, &f.x, 1, &g), PNB_ERROR_USAGE);
    assert_non_null(strstr(f.err->message, "'open' is still open"));
    bench_end(&f.b);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_shared_input), cmocka_unit_test(test_sum_in_the_maker), cmocka_unit_test(test_only_what_is_asked),
        cmocka_unit_test(test_stop),         cmocka_unit_test(test_reshape),
        cmocka_unit_test(test_halves),       cmocka_unit_test(test_part_alone),
        cmocka_unit_test(test_wrt_view),     cmocka_unit_test(test_overlapping_parts_and_whole),
        cmocka_unit_test(test_second_order), cmocka_unit_test(test_unaligned_slice),
        cmocka_unit_test(test_errors),       cmocka_unit_test(test_wrt_intermediate),
        cmocka_unit_test(test_stopped_output), cmocka_unit_test(test_deep_graph_is_quick)};
    return cmocka_run_group_tests(tests, test_device_setup, test_device_teardown);
}

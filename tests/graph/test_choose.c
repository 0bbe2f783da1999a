/* Choices between ways to build or lower an op: where they come from, what is recorded, which dispatches belong to
 * them. */
#include "fake.h"
#include "run.h"

#include "gpu/choices.h"

static const char *const ways[] = {"scale", "sum"};

/* y = 2 x, in one of two ways. */
static pnb_tensor twice(bench *b, pnb_tensor x) {
    pnb_tensor y = PNB_NONE;
    if (pnb_graph_choose(b->g, "twice 8", ways, 2, 0) == 0)
        TEST_OK(b->err, pnb_affine(b->g, x, 2.0f, 0.0f, &y));
    else
        TEST_OK(b->err, pnb_add(b->g, x, x, &y));
    return y;
}

static double expected(uint32_t i) {
    return 2.0 * (double)bench_value(i);
}

static void check_way(void **state, const char *tuned, int32_t explore, const char *wanted) {
    bench b = bench_begin(state);
    pnb_choices *table = pnb_gpu_choices(b.gpu);
    if (tuned) TEST_OK(b.err, pnb_choices_set(table, "twice 8", tuned));
    pnb_choices_explore(table, explore);
    pnb_tensor y = twice(&b, bench_storage(&b, "x", pnb_shape1(8), PNB_STORAGE_VARIABLE, 0));
    (void)twice(&b, y); /* the same key again: recorded once */
    bench_expect(&b, y, expected);
    pnb_program *p = bench_program(&b, NULL);
    size_t n;
    const pnb_choice_made *made = pnb_program_choices(p, &n);
    assert_int_equal(n, 1);
    assert_string_equal(made->key, "twice 8");
    assert_string_equal(made->name, wanted);
    assert_string_equal(made->preferred, "scale");
    assert_int_equal(made->n, 2);
    pnb_choices_explore(table, -1);
    pnb_choices_clear(table);
    pnb_program_destroy(&p);
    bench_end(&b);
}

static void test_ways(void **state) {
    check_way(state, NULL, -1, "scale");
    check_way(state, "sum", -1, "sum");
    check_way(state, "unknown", -1, "scale");
    check_way(state, NULL, 3, "sum");
    check_way(state, "sum", 0, "scale");
}

static pnb_status lower_by_choice(pnb_lower *l, const pnb_node *n) {
    (void)pnb_lower_choose(l, "chosen 4", ways, 2, 1);
    return fake_lower(l, n);
}

static const pnb_op chooses = {.name = "chooses", .lower = lower_by_choice};
static const pnb_op plain_pack = {.name = "plain_pack", .lower = fake_lower, .impure = true};

/* Nodes of other ops, and those before the choice, are not timed for it; copies of a checkpointed segment are. */
static void test_attribution(void **state) {
    (void)state;
    pnb_error err = {0};
    pnb_graph *g = fake_graph(&err);
    pnb_shape shape = pnb_shape1(4);
    pnb_tensor t = fake_node(g, &fake_impure, PNB_NONE, PNB_NONE, shape);
    t = fake_node(g, &fake_plain, t, PNB_NONE, shape);
    assert_int_equal(pnb_graph_choose(g, "plain 4", ways, 2, 1), 1);
    t = fake_node(g, &plain_pack, t, PNB_NONE, shape);
    t = fake_node(g, &fake_plain, t, PNB_NONE, shape);
    t = fake_node(g, &chooses, t, PNB_NONE, shape);
    assert_int_equal(pnb_graph_output(g, t), PNB_OK);
    pnb_plan *plan = fake_plan(g, NULL);
    const int32_t wanted[][2] = {{-1, -1}, {-1, -1}, {0, -1}, {0, -1}, {-1, 1}};
    assert_int_equal(plan->dispatch_count, 5);
    for (size_t i = 0; i < 5; i++) {
        assert_int_equal(plan->dispatches[i].choice[0], wanted[i][0]);
        assert_int_equal(plan->dispatches[i].choice[1], wanted[i][1]);
    }
    assert_int_equal(g->choice_count, 2);
    assert_string_equal(g->choices[1].key, "chosen 4");
    assert_string_equal(g->choices[1].name, "sum");
    pnb_plan_destroy(&plan);
    pnb_graph_destroy(&g);
}

static void test_caps(void **state) {
    bench b = bench_begin(state);
    pnb_graph *g = fake_graph(b.err);
    assert_string_equal(pnb_graph_caps(g)->name, "baseline device");
    assert_string_equal(pnb_graph_caps(b.g)->name, pnb_gpu_get_caps(b.gpu)->name);
    pnb_graph_destroy(&g);
    bench_end(&b);
}

/* A graph built for one device does not run on another: its ways were chosen for the first. */
static void test_other_device(void **state) {
    bench b = bench_begin(state);
    pnb_error err = {0};
    pnb_gpu *other = test_gpu_create(&err);
    assert_non_null(other);
    pnb_program *p = NULL;
    assert_int_equal(pnb_program_create(b.g, other, NULL, &p), PNB_ERROR_USAGE);
    assert_contains(b.err->message, "built for another device");
    assert_int_equal(test_gpu_destroy(&other), 0);
    bench_end(&b);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_ways), cmocka_unit_test(test_attribution),
                                       cmocka_unit_test(test_caps), cmocka_unit_test(test_other_device)};
    return cmocka_run_group_tests(tests, test_device_setup, test_device_teardown);
}

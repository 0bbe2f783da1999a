/* Barriers: where two dispatches touch the same bytes and one writes; nowhere else. Lists are short. */
#include "graph/fake.h"

typedef struct fixture {
    pnb_error err;
    pnb_graph *g;
    pnb_store *store;
    pnb_tensor a, b; /* variable storages of 4 rows of 256 bytes */
} fixture;

static int setup(void **state) {
    fixture *f = calloc(1, sizeof *f);
    f->g = fake_graph(&f->err);
    assert_int_equal(pnb_store_create(&f->err, "s", &f->store), PNB_OK);
    f->a = fake_storage(f->g, f->store, "a", pnb_shape2(4, 64), PNB_STORAGE_VARIABLE);
    f->b = fake_storage(f->g, f->store, "b", pnb_shape2(4, 64), PNB_STORAGE_VARIABLE);
    *state = f;
    return 0;
}

static int teardown(void **state) {
    fixture *f = *state;
    pnb_graph_destroy(&f->g);
    pnb_store_destroy(&f->store, NULL);
    free(f);
    return 0;
}

static uint32_t barriers(pnb_graph *g) {
    pnb_plan_report report;
    assert_int_equal(pnb_graph_plan(g, NULL, &report), PNB_OK);
    return report.barriers;
}

static void test_read_after_write(void **state) {
    fixture *f = *state;
    pnb_tensor x = fake_node(f->g, &fake_plain, f->a, PNB_NONE, pnb_shape1(8));
    pnb_tensor y = fake_node(f->g, &fake_plain, x, PNB_NONE, pnb_shape1(8));
    pnb_graph_output(f->g, y);
    assert_int_equal(barriers(f->g), 1);
}

static void test_reads_alone_need_none(void **state) {
    fixture *f = *state;
    for (int i = 0; i < 6; i++) pnb_graph_output(f->g, fake_node(f->g, &fake_plain, f->a, f->b, pnb_shape1(8)));
    assert_int_equal(barriers(f->g), 0);
}

static void test_write_after_read_and_write_after_write(void **state) {
    fixture *f = *state;
    pnb_graph_output(f->g, fake_node(f->g, &fake_plain, f->a, PNB_NONE, pnb_shape1(8)));
    fake_update(f->g, f->a, PNB_NONE); /* after the read: 1 */
    fake_update(f->g, f->b, PNB_NONE); /* elsewhere: none */
    fake_update(f->g, f->a, PNB_NONE); /* after the write: 2 */
    assert_int_equal(barriers(f->g), 2);
}

static void test_one_barrier_serves_many(void **state) {
    fixture *f = *state;
    pnb_tensor x[4];
    for (int i = 0; i < 4; i++) {
        x[i] = fake_node(f->g, &fake_plain, f->a, PNB_NONE, pnb_shape1(8));
        pnb_graph_output(f->g, x[i]); /* kept, so that nothing takes over its memory */
    }
    for (int i = 0; i < 4; i++) pnb_graph_output(f->g, fake_node(f->g, &fake_plain, x[i], PNB_NONE, pnb_shape1(8)));
    assert_int_equal(barriers(f->g), 1);
}

static void test_ranges_not_buffers(void **state) {
    fixture *f = *state;
    pnb_tensor top, bottom;
    assert_int_equal(pnb_graph_slice0(f->g, f->a, 0, 2, &top), PNB_OK);
    assert_int_equal(pnb_graph_slice0(f->g, f->a, 2, 2, &bottom), PNB_OK);
    fake_update(f->g, top, PNB_NONE);
    fake_update(f->g, bottom, PNB_NONE); /* other rows: none */
    assert_int_equal(barriers(f->g), 0);
    fake_update(f->g, f->a, PNB_NONE);   /* both: 1 */
    assert_int_equal(barriers(f->g), 1);
}

static void test_lists(void **state) {
    fixture *f = *state;
    pnb_tensor x = f->a;
    for (int i = 0; i < 100; i++) x = fake_node(f->g, &fake_plain, x, PNB_NONE, pnb_shape1(8)); /* a chain */
    for (int i = 0; i < 100; i++) pnb_graph_output(f->g, fake_node(f->g, &fake_plain, f->b, x, pnb_shape1(8))); /* a fan */
    pnb_plan *plan = fake_plan(f->g, NULL);
    assert_int_equal(plan->dispatch_count, 200);
    assert_true(plan->dispatches[0].list_start);
    uint32_t length = 0, ordered = 0;
    for (size_t i = 0; i < plan->dispatch_count; i++) {
        const pnb_planned_dispatch *d = &plan->dispatches[i];
        length = d->list_start ? 1 : length + 1;
        assert_true(length <= PNB_LIST_MAX_DISPATCHES);
        assert_false(d->list_start && d->barrier);
        if (i > 0 && i < 100) ordered += d->list_start || d->barrier;
        if (i > 100) assert_false(d->barrier);
    }
    assert_int_equal(ordered, 99);
    pnb_plan_destroy(&plan);
}

int main(void) {
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {TEST(test_read_after_write),
                                       TEST(test_reads_alone_need_none),
                                       TEST(test_write_after_read_and_write_after_write),
                                       TEST(test_one_barrier_serves_many),
                                       TEST(test_ranges_not_buffers),
                                       TEST(test_lists)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

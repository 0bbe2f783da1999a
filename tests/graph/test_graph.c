/* Building: errors in words, views, storages. */
#include "graph/fake.h"

static void test_views(void **state) {
    (void)state;
    pnb_error err = {0};
    pnb_graph *g = fake_graph(&err);
    pnb_tensor x = fake_node(g, &fake_plain, PNB_NONE, PNB_NONE, pnb_shape2(4, 64)), v, w;
    assert_int_equal(pnb_graph_slice0(g, x, 2, 2, &v), PNB_OK);
    assert_int_equal(pnb_graph_node_count(g), 1); /* rows of 256 bytes: no copy */
    assert_int_equal(g->tensors[v].offset, 512);
    assert_int_equal(pnb_graph_reshape(g, v, pnb_shape3(2, 8, 8), &w), PNB_OK);
    assert_int_equal(g->tensors[w].root, x);
    assert_int_equal(g->tensors[w].offset, 512);

    assert_int_equal(pnb_graph_slice0(g, x, 3, 2, &v), PNB_ERROR_USAGE);
    assert_string_equal(err.message, "slice0: rows 3 to 5 of 'plain 0' [4,64], which has rows 0 to 4");
    assert_int_equal(v, PNB_NONE);
    assert_int_equal(pnb_graph_slice0(g, x, UINT32_MAX, 2, &v), PNB_ERROR_USAGE);
    assert_int_equal(pnb_graph_reshape(g, x, pnb_shape1(255), &v), PNB_ERROR_USAGE);
    assert_string_equal(err.message, "reshape: 'plain 0' [4,64] has 256 elements, [255] has 255");
    assert_int_equal(pnb_graph_reshape(g, 77, pnb_shape1(255), &v), PNB_ERROR_USAGE);
    assert_contains(err.message, "reshape: input (number 77) is not a tensor of graph 'test'");
    pnb_graph_destroy(&g);
    assert_null(g);
}

static void test_slice_copies_where_unaligned(void **state) {
    (void)state;
    pnb_error err = {0};
    pnb_graph *g = fake_graph(&err);
    pnb_tensor x = fake_node(g, &fake_plain, PNB_NONE, PNB_NONE, pnb_shape2(4, 10)), v;
    assert_int_equal(pnb_graph_slice0(g, x, 1, 2, &v), PNB_OK);
    assert_int_equal(pnb_graph_node_count(g), 2);
    assert_true(pnb_shape_equal(pnb_graph_shape(g, v), pnb_shape2(2, 10)));
    assert_int_equal(pnb_graph_slice0(g, x, 0, 2, &v), PNB_OK); /* the first rows are always aligned */
    assert_int_equal(pnb_graph_node_count(g), 2);
    pnb_graph_destroy(&g);
}

static void test_inputs(void **state) {
    (void)state;
    pnb_error err = {0};
    pnb_graph *g = fake_graph(&err);
    pnb_store *store = NULL;
    assert_int_equal(pnb_store_create(&err, "s", &store), PNB_OK);
    pnb_tensor w = fake_storage(g, store, "w", pnb_shape1(4), PNB_STORAGE_FROZEN), again;
    pnb_tensor x = fake_node(g, &fake_plain, w, PNB_NONE, pnb_shape1(4));
    assert_int_equal(pnb_graph_bind(g, pnb_store_find(store, "w"), &again), PNB_OK);
    assert_int_equal(again, w);

    assert_int_equal(pnb_graph_check(g, "conv2d", "weight", PNB_NONE), PNB_ERROR_USAGE);
    assert_string_equal(err.message, "conv2d: weight is missing");
    assert_int_equal(pnb_graph_add(g, &fake_plain, &w, 1, 1, NULL, 0, NULL, 0, NULL, 0), PNB_ERROR_USAGE);
    assert_string_equal(err.message, "plain: input 0 ('w') is changed in place, so it must be a variable storage; it is frozen");
    assert_int_equal(pnb_graph_add(g, &fake_plain, &x, 1, 1, NULL, 0, NULL, 0, NULL, 0), PNB_ERROR_USAGE);
    assert_contains(err.message, "it is an intermediate tensor");
    pnb_shape empty = {2, {3, 0, 1, 1}};
    pnb_tensor y = 5;
    assert_int_equal(pnb_graph_add(g, &fake_plain, &x, 1, 0, NULL, 0, &empty, 1, &y, 1), PNB_ERROR_USAGE);
    assert_string_equal(err.message, "plain: shape [3,0] has no elements");
    assert_int_equal(y, PNB_NONE);
    assert_int_equal(pnb_graph_node_count(g), 1);
    pnb_graph_set_name(g, x, "hidden");
    assert_string_equal(pnb_graph_tensor_name(g, x), "hidden");
    assert_string_equal(pnb_graph_tensor_name(g, PNB_NONE), "none");
    pnb_graph_destroy(&g);
    pnb_store_destroy(&store, NULL);
}

static void test_segments(void **state) {
    (void)state;
    pnb_error err = {0};
    pnb_plan_report report;
    pnb_graph *g = fake_graph(&err);
    assert_int_equal(pnb_graph_segment_end(g), PNB_ERROR_USAGE);
    assert_int_equal(pnb_graph_segment_begin(g, "one"), PNB_OK);
    assert_int_equal(pnb_graph_segment_begin(g, "two"), PNB_ERROR_USAGE);
    assert_contains(err.message, "segment 'two' begins inside segment 'one'");
    assert_int_equal(pnb_graph_plan(g, NULL, &report), PNB_ERROR_USAGE);
    assert_contains(err.message, "'one' is still open");
    pnb_graph_destroy(&g);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_views), cmocka_unit_test(test_slice_copies_where_unaligned),
                                       cmocka_unit_test(test_inputs), cmocka_unit_test(test_segments)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

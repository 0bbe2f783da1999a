/* Lowering: workgroup counts, and the checks on what ops emit. */
#include "graph/fake.h"

static void test_groups(void **state) {
    (void)state;
    pnb_gpu_caps caps;
    pnb_caps_baseline(&caps);
    uint32_t groups[3];
    const uint64_t threads[] = {0, 1, 64, 65, 65535 * 64ull, 65535 * 64ull + 1, 1ull << 30};
    for (size_t i = 0; i < sizeof threads / sizeof threads[0]; i++) {
        pnb_groups_1d(&caps, threads[i], 64, groups);
        uint64_t room = 64ull * groups[0] * groups[1];
        assert_true(room >= threads[i] && groups[0] >= 1 && groups[0] <= 65535 && groups[1] <= 65535 && groups[2] == 1);
        assert_true(room - threads[i] <= 64ull * (groups[1] + 1));
    }
    assert_int_equal(pnb_local_size(&caps), 128);
    caps.is_cpu = true;
    assert_int_equal(pnb_local_size(&caps), 64);
    caps.is_cpu = false;
    caps.max_local_size = caps.max_local_size_x = 1024;
    assert_int_equal(pnb_local_size(&caps), 256);
}

static pnb_status lower_wrongly(pnb_lower *l, const pnb_node *n) {
    uint32_t kind;
    memcpy(&kind, n->attr, sizeof kind);
    pnb_dispatch d = {.shader = "wrong", .n_bind = 1, .n_spec = 1, .spec = {64}, .groups = {1, 1, 1}};
    d.bind[0].tensor = n->out[0];
    d.bind[0].access = PNB_WRITE;
    if (kind == 0) d.groups[0] = 65536;
    if (kind == 1) d.spec[0] = 256;
    if (kind == 2) d.bind[0].tensor = n->in[0];
    if (kind == 3) d.bind[0].tensor = PNB_NONE;
    if (kind == 4) d.bind[0].tensor = n->in[0], d.bind[0].access = PNB_READ, d.bind[0].texel = true;
    if (kind == 5) d.n_bind = 13;
    if (kind == 6) return pnb_lower_fail(l, PNB_ERROR_USAGE, "%u is too many", kind);
    return pnb_lower_emit(l, &d);
}

static void test_checks(void **state) {
    (void)state;
    static const pnb_op op = {.name = "wrong", .lower = lower_wrongly};
    const char *words[] = {"65536 workgroups", "a workgroup of 256 invocations", "is not for this node to write", "has no tensor",
                           "cannot be a texel buffer", "13 bindings", "wrong ('wrong 1'): 6 is too many"};
    for (uint32_t kind = 0; kind < 7; kind++) {
        pnb_error err = {0};
        pnb_plan_report report;
        pnb_graph *g = fake_graph(&err);
        pnb_shape shape = pnb_shape1(1 << 20);
        pnb_tensor x = fake_node(g, &fake_plain, PNB_NONE, PNB_NONE, shape), y;
        assert_int_equal(pnb_graph_add(g, &op, &x, 1, 0, &kind, sizeof kind, &shape, 1, &y, 1), PNB_OK);
        assert_int_equal(pnb_graph_output(g, y), PNB_OK);
        assert_int_not_equal(pnb_graph_plan(g, NULL, &report), PNB_OK);
        assert_contains(err.message, words[kind]);
        pnb_graph_destroy(&g);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_groups), cmocka_unit_test(test_checks)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

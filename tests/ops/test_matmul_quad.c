/* The product by quads against matmul.c's own choice, on whatever device there is: it is right for subgroups of any size from four. */
#include "device.h"

#include "ops/matmul_quad.h"
#include "ops/product.h"
#include "prior/rig.h"

typedef struct quad_case {
    const char *name;
    uint32_t m, n, k, batch_a, batch_b;
    bool trans_a, trans_b;
} quad_case;

/* All rests: rows and columns past a tile, sums that are no multiple of four, a batch on either side, operands past a small texel buffer. */
static const quad_case cases[] = {
    {"nn", 5, 4, 4, 1, 1, false, false},
    {"nn, tiles and rests", 37, 76, 20, 1, 1, false, false},
    {"nn, broadcast A", 16, 12, 8, 1, 5, false, false},
    {"nn, batch", 18, 36, 12, 3, 3, false, false},
    {"nn, broadcast B", 33, 8, 16, 4, 1, false, false},
    {"tn, rest of the sum", 20, 40, 7, 1, 1, true, false},
    {"tn, batch", 12, 8, 18, 2, 2, true, false},
    {"nt", 17, 35, 12, 1, 1, false, true},
    {"nt, broadcast A", 3, 11, 8, 1, 3, false, true},
    {"nt, batch", 19, 5, 4, 2, 2, false, true},
    {"nn, large", 516, 524, 512, 1, 1, false, false},
};

static pnb_push_matmul push_of(const quad_case *c, uint32_t bias_kind) {
    return (pnb_push_matmul){
        .batch = c->batch_a > c->batch_b ? c->batch_a : c->batch_b,
        .m = c->m,
        .n = c->n,
        .k = c->k,
        .a_batch = c->batch_a == 1 ? 0 : c->m * c->k,
        .a_m = c->trans_a ? 1 : c->k,
        .a_k = c->trans_a ? c->m : 1,
        .b_batch = c->batch_b == 1 ? 0 : c->n * c->k,
        .b_k = c->trans_b ? 1 : c->n,
        .b_n = c->trans_b ? c->k : 1,
        .bias_kind = bias_kind,
        .scale = -0.5f,
    };
}

static pnb_status lower(pnb_lower *l, const pnb_node *node) {
    pnb_push_matmul push;
    bool emitted;
    memcpy(&push, node->attr, sizeof push);
    pnb_status status = pnb_matmul_quad_emit(l, push, &(pnb_matmul_quad){node->in[0], node->in[1], node->in[2], node->out[0], 1, 1}, &emitted);
    assert_true(status != PNB_OK || emitted);
    return status;
}

static const pnb_op quad_op = {.name = "matmul_quad", .lower = lower};

static void compare(void **state, const quad_case *c, uint32_t bias_kind) {
    rig r = rig_open(state);
    pnb_push_matmul push = push_of(c, bias_kind);
    pnb_shape of_a = pnb_shape3(c->batch_a, c->trans_a ? c->k : c->m, c->trans_a ? c->m : c->k);
    pnb_shape of_b = pnb_shape3(c->batch_b, c->trans_b ? c->n : c->k, c->trans_b ? c->k : c->n), of_c = pnb_shape3(push.batch, c->m, c->n);
    bool row = bias_kind == PNB_BIAS_ROW;
    pnb_tensor in[] = {rig_normal_input(&r, "a", of_a, 1), rig_normal_input(&r, "b", of_b, 2),
                       rig_normal_input(&r, "bias", pnb_shape1(row ? c->m : c->n), 3)};
    pnb_tensor quad, usual, bias = bias_kind == PNB_BIAS_NONE ? PNB_NONE : in[2];
    TEST_OK(r.err, pnb_graph_add(r.g, &quad_op, in, 3, 0, &push, sizeof push, &of_c, 1, &quad, 1));
    TEST_OK(r.err, pnb_matmul_bias(r.g, in[0], in[1], c->trans_a, c->trans_b, push.scale, bias, row ? PNB_MATMUL_ROW : PNB_MATMUL_COLUMN,
                                   &usual));
    rig_output(&r, quad);
    rig_output(&r, usual);
    rig_run(&r);
    float *got = rig_read(&r, quad), *want = rig_read(&r, usual);
    double e = relative_error(got, want, pnb_shape_count(of_c), 0);
    print_message("%s, bias %u: off by %.1e of the largest value\n", c->name, bias_kind, e);
    assert_true(e <= 1e-6);
    free(got);
    free(want);
    rig_close(&r);
}

static void test_quads(void **state) {
    const pnb_gpu_caps *caps = pnb_gpu_get_caps(test_gpu(state));
    if (!caps->subgroup_quad) {
        print_message("skipped: no quads on %s\n", caps->name);
        skip();
    }
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        for (uint32_t bias = PNB_BIAS_NONE; bias <= PNB_BIAS_COLUMN; bias++) compare(state, &cases[i], bias);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_quads)};
    return cmocka_run_group_tests(tests, test_device_setup, test_device_teardown);
}

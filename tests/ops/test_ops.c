/* What the builders refuse, and in which words. Needs no device. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "graph/graph.h"
#include "ops/ops.h"

typedef struct rig {
    pnb_error err;
    pnb_store *store;
    pnb_graph *graph;
    pnb_tensor image, vector, matrix, y; /* [2,6,4,5], [3], [4,7] */
} rig;

static pnb_tensor bind(rig *r, const char *name, pnb_shape shape) {
    pnb_storage *s;
    pnb_tensor t;
    assert_int_equal(pnb_store_add(r->store, name, shape, PNB_STORAGE_VARIABLE, &s), PNB_OK);
    assert_int_equal(pnb_graph_bind(r->graph, s, &t), PNB_OK);
    return t;
}

static void begin(rig *r) {
    memset(r, 0, sizeof *r);
    assert_int_equal(pnb_store_create(&r->err, "s", &r->store), PNB_OK);
    assert_int_equal(pnb_graph_create(&r->err, NULL, "g", &r->graph), PNB_OK);
    r->image = bind(r, "image", pnb_shape4(2, 6, 4, 5));
    r->vector = bind(r, "vector", pnb_shape1(3));
    r->matrix = bind(r, "matrix", pnb_shape2(4, 7));
}

static void end(rig *r) {
    pnb_graph_destroy(&r->graph);
    pnb_store_destroy(&r->store, NULL);
}

static void refused(rig *r, pnb_status status, const char *words) {
    assert_int_not_equal(status, PNB_OK);
    assert_int_equal(status, r->err.status);
    if (!strstr(r->err.message, words)) fail_msg("expected \"%s\" in \"%s\"", words, r->err.message);
}

static void test_shapes(void **state) {
    (void)state;
    rig r;
    begin(&r);
    pnb_graph *g = r.graph;
    pnb_tensor pair[2] = {r.image, r.matrix};
    const uint32_t perm[4] = {0, 0, 1, 2};
    refused(&r, pnb_add(g, r.image, r.matrix, &r.y), "add: b expects shape [2,6,4,5], [2] or [1], found [4,7]");
    refused(&r, pnb_axpby(g, 1, PNB_NONE, r.image, 1, PNB_NONE, r.matrix, &r.y), "axpby: b expects shape [2,6,4,5], found [4,7]");
    refused(&r, pnb_axpby(g, 1, r.vector, r.image, 1, PNB_NONE, r.image, &r.y), "axpby: ta has 3 coefficients, a has 2 samples");
    refused(&r, pnb_concat(g, 1, pair, 2, &r.y), "cannot be joined along dimension 1");
    refused(&r, pnb_concat(g, 0, pair, 9, &r.y), "takes 1 to 8 tensors, got 9");
    refused(&r, pnb_slice(g, r.matrix, 1, 6, 2, &r.y), "2 entries from 6 do not lie in dimension 1 of [4,7]");
    refused(&r, pnb_slice(g, r.matrix, 1, 0xffffffffu, 2, &r.y), "do not lie in dimension 1");
    refused(&r, pnb_slice(g, r.matrix, 2, 0, 1, &r.y), "has no dimension 2");
    refused(&r, pnb_embed(g, r.matrix, 0, 2, 5, &r.y), "does not fit at 2 into a size of 5");
    refused(&r, pnb_add_rows(g, r.image, r.matrix, 0, 1, &r.y), "does not fit into the rows of [2,6,4,5]");
    refused(&r, pnb_add_rows(g, r.image, r.image, 1, 1, &r.y), "from row 1");
    refused(&r, pnb_assign(g, r.vector, r.matrix), "does not fill the storage of shape [3]");
    refused(&r, pnb_transpose(g, r.image, perm, &r.y), "entry 1 of the permutation is 0");
    refused(&r, pnb_upsample_nearest(g, r.matrix, 2, &r.y), "expects x [N,C,H,W]");
    refused(&r, pnb_avg_pool(g, r.image, 2, &r.y), "H and W multiples of 2, found [2,6,4,5]");
    refused(&r, pnb_avg_pool(g, r.image, 0, &r.y), "avg_pool");
    refused(&r, pnb_reduce_channels(g, r.vector, &r.y), "expects x [N,C,...], found [3]");
    refused(&r, pnb_lookup(g, r.vector, r.vector, &r.y), "expects a table [V,D], found [3]");
    end(&r);
}

static void test_group_norm(void **state) {
    (void)state;
    rig r;
    begin(&r);
    pnb_tensor six = bind(&r, "six", pnb_shape1(6));
    refused(&r, pnb_group_norm(r.graph, r.image, six, six, PNB_NONE, 4, 1e-5f, false, &r.y), "6 channels cannot be cut into 4 groups");
    refused(&r, pnb_group_norm(r.graph, r.image, six, six, PNB_NONE, 0, 1e-5f, false, &r.y), "into 0 groups");
    refused(&r, pnb_group_norm(r.graph, r.image, r.vector, six, PNB_NONE, 2, 1e-5f, false, &r.y), "gamma has 3 values, x has 6 channels");
    refused(&r, pnb_group_norm(r.graph, r.image, six, PNB_NONE, PNB_NONE, 2, 1e-5f, false, &r.y), "beta");
    refused(&r, pnb_group_norm(r.graph, r.image, six, six, r.matrix, 2, 1e-5f, false, &r.y), "scale_shift expects shape [2,12], found [4,7]");
    refused(&r, pnb_group_norm(r.graph, six, six, six, PNB_NONE, 2, 1e-5f, false, &r.y), "expected [N,C,...]");
    end(&r);
}

static void test_values(void **state) {
    (void)state;
    rig r;
    begin(&r);
    pnb_adam adam = {.beta1 = 0.9f, .beta2 = 0.999f, .eps = 1e-8f, .gscale = 1, .lr_index = 1};
    refused(&r, pnb_clamp(r.graph, r.image, 1, -1, &r.y), "lower bound 1 is above the upper bound -1");
    refused(&r, pnb_timestep_embedding(r.graph, r.vector, 1, 1e4f, false, false, &r.y), "dimension 1");
    refused(&r, pnb_noise_normal(r.graph, pnb_shape1(8), 1, 0, r.vector, 3, &r.y), "reads the state at 3, it has 3 entries");
    refused(&r, pnb_adam_step(r.graph, r.vector, r.vector, r.vector, r.vector, r.vector, adam), "reads the state at 1 to 3, it has 3 entries");
    refused(&r, pnb_adam_step(r.graph, r.vector, r.vector, r.matrix, r.vector, r.vector, adam), "v expects shape [3], found [4,7]");
    refused(&r, pnb_add(r.graph, PNB_NONE, r.vector, &r.y), "add");
    end(&r);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_shapes), cmocka_unit_test(test_group_norm), cmocka_unit_test(test_values)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

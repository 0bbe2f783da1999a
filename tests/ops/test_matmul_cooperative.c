/* Products with cooperative matrices against fp64 and against the plain kernel on the same device; what must stay fp32. Skipped
 * where the device or the build has none. */
#include "device.h"

#include "gpu/choices.h"
#include "graph/op.h"
#include "ops/product.h"
#include "prior/rig.h"

enum { PLAIN = 0, COOPERATIVE = 3 /* the last of two or of four ways */ };

/* Sizes in the device's matrices. */
typedef struct product_case {
    const char *name;
    uint32_t m, n, k, batch_a, batch_b;
    bool trans_a, trans_b;
    char bias; /* 'r' one a row, 'c' one a column, 0 none */
    float scale;
} product_case;

static const product_case cases[] = {
    {"nn, one matrix", 1, 1, 1, 1, 1, false, false, 0, 1},
    {"nn, broadcast A, row bias", 3, 4, 5, 1, 3, false, false, 'r', 1},
    {"nn, batch, column bias", 2, 3, 2, 2, 2, false, false, 'c', -0.5f},
    {"nt, broadcast B, column bias", 4, 2, 3, 2, 1, false, true, 'c', 1},
    {"tn, batch", 2, 2, 4, 2, 2, true, false, 0, 2},
    {"tt, broadcast A, row bias", 5, 1, 2, 1, 2, true, true, 'r', 1},
};

typedef struct sides {
    uint32_t m, n, k, batch;
    float *a, *b, *bias, *g;
    pnb_shape of_a, of_b, of_c;
} sides;

static uint64_t count(pnb_shape s) { return pnb_shape_count(s); }

/* exact: multiples of 1/256 below 8, which 16-bit floats hold. */
static float *values_of(uint64_t seed, uint64_t n, bool exact) {
    float *v = rig_normal(seed, n);
    for (uint64_t i = 0; exact && i < n; i++) v[i] = fminf(fmaxf(roundf(v[i] * 256), -2047), 2047) / 256;
    return v;
}

static sides sides_of(const product_case *c, const uint32_t matrix[3], bool exact) {
    sides s = {.m = c->m * matrix[0], .n = c->n * matrix[1], .k = c->k * matrix[2]};
    s.batch = c->batch_a > c->batch_b ? c->batch_a : c->batch_b;
    s.of_a = pnb_shape3(c->batch_a, c->trans_a ? s.k : s.m, c->trans_a ? s.m : s.k);
    s.of_b = pnb_shape3(c->batch_b, c->trans_b ? s.n : s.k, c->trans_b ? s.k : s.n);
    s.of_c = pnb_shape3(s.batch, s.m, s.n);
    s.a = values_of(1, count(s.of_a), exact);
    s.b = values_of(2, count(s.of_b), exact);
    s.bias = values_of(3, c->bias == 'r' ? s.m : s.n, false);
    s.g = values_of(4, count(s.of_c), false);
    return s;
}

static void sides_free(sides *s) {
    free(s->a);
    free(s->b);
    free(s->bias);
    free(s->g);
}

static pnb_tensor frozen(rig *r, const char *name, pnb_shape shape, const float *values) {
    pnb_storage *s;
    pnb_tensor t;
    TEST_OK(r->err, pnb_store_add(r->store, name, shape, PNB_STORAGE_FROZEN, &s));
    TEST_OK(r->err, pnb_store_commit(r->store, r->gpu));
    TEST_OK(r->err, pnb_storage_write(s, r->gpu, values, pnb_shape_count(shape)));
    TEST_OK(r->err, pnb_graph_bind(r->g, s, &t));
    return t;
}

/* c, and the gradient of <g, c> in A. computed: B is what a node makes. */
static void run(void **state, const product_case *p, const sides *s, bool narrow, int32_t way, bool computed, float **c, float **grad) {
    rig r = rig_open(state);
    pnb_choices *table = pnb_gpu_choices(r.gpu);
    pnb_tensor a = frozen(&r, "a", s->of_a, s->a), b = frozen(&r, "b", s->of_b, s->b), g = frozen(&r, "g", s->of_c, s->g);
    pnb_tensor bias = PNB_NONE, y, ga;
    if (p->bias) bias = frozen(&r, "bias", pnb_shape1(p->bias == 'r' ? s->m : s->n), s->bias);
    if (computed) {
        pnb_tensor x = rig_input(&r, "x", s->of_b, s->b);
        TEST_OK(r.err, pnb_unary_op(r.g, PNB_TANH, x, &b));
    }
    pnb_graph_narrow(r.g, narrow);
    pnb_choices_explore(table, way);
    pnb_matmul_side side = p->bias == 'r' ? PNB_MATMUL_ROW : PNB_MATMUL_COLUMN;
    TEST_OK(r.err, pnb_matmul_bias(r.g, a, b, p->trans_a, p->trans_b, p->scale, bias, side, &y));
    TEST_OK(r.err, pnb_graph_grad(r.g, &y, &g, 1, &a, 1, &ga));
    pnb_choices_explore(table, -1);
    rig_output(&r, y);
    rig_output(&r, ga);
    rig_run(&r);
    *c = rig_read(&r, y);
    *grad = rig_read(&r, ga);
    rig_close(&r);
}

static double off_fp64(const product_case *p, const sides *s, const float *c) {
    double worst = 0, largest = 0;
    for (size_t z = 0; z < s->batch; z++)
        for (size_t i = 0; i < s->m; i++)
            for (size_t j = 0; j < s->n; j++) {
                const float *a = s->a + (p->batch_a == 1 ? 0 : z) * s->m * s->k, *b = s->b + (p->batch_b == 1 ? 0 : z) * s->k * s->n;
                double sum = 0;
                for (size_t k = 0; k < s->k; k++)
                    sum += (double)a[p->trans_a ? k * s->m + i : i * s->k + k] * (double)b[p->trans_b ? j * s->k + k : k * s->n + j];
                sum = (double)p->scale * sum + (p->bias ? (double)s->bias[p->bias == 'r' ? i : j] : 0);
                double d = fabs((double)c[(z * s->m + i) * s->n + j] - sum);
                if (!(d <= worst)) worst = isfinite(d) ? d : INFINITY;
                largest = fmax(largest, fabs(sum));
            }
    return worst / largest;
}

static const uint32_t *matrices(void **state) {
    const pnb_gpu_caps *caps = pnb_gpu_get_caps(test_gpu(state));
    if (!caps->cooperative[0]) {
        print_message("skipped: no cooperative matrices on %s or in this build\n", caps->name);
        skip();
    }
    return caps->cooperative;
}

/* Values that 16-bit floats hold: only sums round. */
static void test_exact(void **state) {
    const uint32_t *matrix = matrices(state);
    print_message("matrices of %u x %u x %u\n", matrix[0], matrix[1], matrix[2]);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        sides s = sides_of(&cases[i], matrix, true);
        float *c, *grad;
        run(state, &cases[i], &s, true, COOPERATIVE, false, &c, &grad);
        double e = off_fp64(&cases[i], &s, c);
        print_message("%s: off by %.1e of the largest value\n", cases[i].name, e);
        assert_true(e <= 1e-5);
        free(c);
        free(grad);
        sides_free(&s);
    }
}

/* Any values, against the plain kernel; the gradient takes no part. */
static void test_plain(void **state) {
    const uint32_t *matrix = matrices(state);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        sides s = sides_of(&cases[i], matrix, false);
        float *c[2], *grad[2];
        for (int w = 0; w < 2; w++) run(state, &cases[i], &s, true, w ? COOPERATIVE : PLAIN, true, &c[w], &grad[w]);
        double e = relative_error(c[1], c[0], count(s.of_c), 0);
        print_message("%s: off by %.1e of the largest value\n", cases[i].name, e);
        assert_true(e <= 1e-3 && e > 1e-7); /* operands were rounded */
        assert_memory_equal(grad[0], grad[1], count(s.of_a) * sizeof(float));
        for (int w = 0; w < 2; w++) free(c[w]), free(grad[w]);
        sides_free(&s);
    }
}

/* Without 16-bit storage no choice leads there. */
static void test_fp32(void **state) {
    sides s = sides_of(&cases[1], matrices(state), false);
    float *c[2], *grad[2];
    for (int w = 0; w < 2; w++) run(state, &cases[1], &s, false, w ? COOPERATIVE : PLAIN, true, &c[w], &grad[w]);
    assert_memory_equal(c[0], c[1], count(s.of_c) * sizeof(float));
    for (int w = 0; w < 2; w++) free(c[w]), free(grad[w]);
    sides_free(&s);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_exact), cmocka_unit_test(test_plain), cmocka_unit_test(test_fp32)};
    return cmocka_run_group_tests(tests, test_device_setup, test_device_teardown);
}

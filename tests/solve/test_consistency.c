/* A measurement put into an image: against the closed form in double, and its derivative in x0. */
#include "solve/toy.h"

#include "ops/ops.h"
#include "solve/consistency.h"

static int setup(void **state) {
    return test_device_setup(state);
}
static int teardown(void **state) {
    return test_device_teardown(state);
}

enum { N = 2, D = 3, M = 2 };
static const double A[M][D] = {{1, 0.4, -0.3}, {0.2, -0.7, 0.5}}, SIGMA = 0.1;
static const float X0[N * D] = {0.3f, -0.8f, 0.5f, 1, 0, -0.2f}, Y[N * M] = {0.4f, 0.9f, -1, 0.1f}, XI[N * M] = {0.6f, -1.1f, 0.2f, 1.5f},
                   COTANGENT[N * D] = {1, -0.5f, 0.3f, 0.2f, 1, -2};

/* r^2 A^T (r^2 A A^T + sigma^2)^-1 v. */
static void gain(double r, const double *v, double *out) {
    double s[M][M], w[M];
    for (int i = 0; i < M; i++) {
        for (int j = 0; j < M; j++) {
            s[i][j] = i == j ? SIGMA * SIGMA : 0;
            for (int k = 0; k < D; k++) s[i][j] += r * r * A[i][k] * A[j][k];
        }
    }
    double det = s[0][0] * s[1][1] - s[0][1] * s[1][0];
    w[0] = (s[1][1] * v[0] - s[0][1] * v[1]) / det;
    w[1] = (s[0][0] * v[1] - s[1][0] * v[0]) / det;
    for (int k = 0; k < D; k++) out[k] = r * r * (A[0][k] * w[0] + A[1][k] * w[1]);
}

static void times(const double *x, double *out) {
    for (int i = 0; i < M; i++) {
        out[i] = 0;
        for (int k = 0; k < D; k++) out[i] += A[i][k] * x[k];
    }
}

/* (x, dx/dx0 ^T cotangent) of a row. */
static void expected(double r, int row, double *x, double *back) {
    double x0[D], c[D], ax[M], v[M], move[D];
    for (int k = 0; k < D; k++) x0[k] = (double)X0[row * D + k];
    for (int k = 0; k < D; k++) c[k] = (double)COTANGENT[row * D + k];
    times(x0, ax);
    for (int i = 0; i < M; i++) v[i] = (double)Y[row * M + i] + SIGMA * (double)XI[row * M + i] - ax[i];
    gain(r, v, move);
    for (int k = 0; k < D; k++) x[k] = x0[k] + move[k];
    times(c, v); /* the gain times A is symmetric */
    gain(r, v, move);
    for (int k = 0; k < D; k++) back[k] = c[k] - move[k];
}

static void check(void **state, double r) {
    pnb_gpu *gpu = test_gpu(state);
    pnb_error *err = test_err(state);
    const float *values[] = {X0, Y, XI, COTANGENT};
    const uint32_t widths[] = {D, M, M, D};
    const char *const names[] = {"x0", "y", "xi", "cotangent"};
    pnb_storage *in[4];
    pnb_store *store;
    pnb_graph *g;
    pnb_program *program;
    pnb_tensor t[4], out[2];
    pnb_operator *op = toy_operator(gpu, err, "matrix", "{\"matrix\":[[1,0.4,-0.3],[0.2,-0.7,0.5]]}", pnb_shape1(D));
    TEST_OK(err, pnb_store_create(err, "test", &store));
    for (int i = 0; i < 4; i++) TEST_OK(err, pnb_store_add(store, names[i], pnb_shape2(N, widths[i]), PNB_STORAGE_VARIABLE, &in[i]));
    TEST_OK(err, pnb_store_commit(store, gpu));
    for (int i = 0; i < 4; i++) TEST_OK(err, pnb_storage_write(in[i], gpu, values[i], N * widths[i]));
    TEST_OK(err, pnb_graph_create(err, gpu, "consistency", &g));
    for (int i = 0; i < 4; i++) TEST_OK(err, pnb_graph_bind(g, in[i], &t[i]));
    TEST_OK(err, pnb_consistent(op, g, t[0], t[1], t[2], SIGMA, r, &out[0]));
    TEST_OK(err, pnb_graph_grad(g, &out[0], &t[3], 1, &t[0], 1, &out[1]));
    for (int i = 0; i < 2; i++) TEST_OK(err, pnb_graph_output(g, out[i]));
    TEST_OK(err, pnb_program_create(g, gpu, NULL, &program));
    TEST_OK(err, pnb_program_run(program));
    float found[2][N * D];
    for (int i = 0; i < 2; i++) TEST_OK(err, pnb_program_read(program, out[i], found[i], N * D));
    for (int row = 0; row < N; row++) {
        double want[2][D];
        expected(r, row, want[0], want[1]);
        for (int i = 0; i < 2; i++) {
            for (int k = 0; k < D; k++) {
                if (fabs((double)found[i][row * D + k] - want[i][k]) > 0.003)
                    fail_msg("r %g, %s, row %d, %d: %f, %f expected", r, i ? "derivative" : "x", row, k, (double)found[i][row * D + k],
                             want[i][k]);
            }
        }
    }
    pnb_program_destroy(&program);
    pnb_graph_destroy(&g);
    pnb_store_destroy(&store, gpu);
    pnb_operator_destroy(&op, gpu);
}

/* From where x0 counts for more than y to where y alone does. */
static void test_closed_form(void **state) {
    check(state, 0.05);
    check(state, 0.3);
    check(state, 1);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_closed_form)};
    return cmocka_run_group_tests(tests, setup, teardown);
}

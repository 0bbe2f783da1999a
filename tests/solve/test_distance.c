/* Cotangents of PPM's distances against finite differences of the surrogate itself, in double; L2 with alpha 1/2 is
 * PPM. */
#include "device.h"

#include "base/philox.h"
#include "ops/ops.h"
#include "solve/distance.h"

#include <math.h>

static int setup(void **state) {
    return test_device_setup(state);
}
static int teardown(void **state) {
    return test_device_teardown(state);
}

enum { N = 3, D = 8 };

/* d(u) and d'(u) of one image. */
static double distance(const pnb_distance_params *q, const double *u, double *slope) {
    double square = 0, sum = 0;
    for (int i = 0; i < D; i++) square += u[i] * u[i];
    double r = sqrt(square + q->delta * q->delta);
    for (int i = 0; i < D; i++) {
        double ri = sqrt(u[i] * u[i] + q->delta * q->delta);
        switch (q->distance) {
        case PNB_DISTANCE_PSEUDO_HUBER:
            slope[i] = u[i] / r;
            break;
        case PNB_DISTANCE_PSEUDO_HUBER_PIXEL:
            slope[i] = u[i] / ri;
            sum += ri - q->delta;
            break;
        case PNB_DISTANCE_LOG_COSH:
            slope[i] = tanh(u[i]);
            sum += log(cosh(u[i]));
            break;
        case PNB_DISTANCE_POWER:
            slope[i] = q->power * pow(square, q->power / 2 - 1) * u[i];
            break;
        case PNB_DISTANCE_L2:
            slope[i] = 2 * u[i];
            break;
        }
    }
    if (q->distance == PNB_DISTANCE_PSEUDO_HUBER) return r - q->delta;
    if (q->distance == PNB_DISTANCE_POWER) return pow(square, q->power / 2);
    return q->distance == PNB_DISTANCE_L2 ? square : sum;
}

/* l = -d'(u)^T r_phi + d(u), plus (1 - 2 alpha)|u|^2 for SiD's family. */
static double surrogate(const pnb_distance_params *q, const double *theta, const double *phi) {
    double u[D], slope[D], square = 0;
    for (int i = 0; i < D; i++) u[i] = phi[i] - theta[i];
    double l = distance(q, u, slope);
    for (int i = 0; i < D; i++) l -= slope[i] * phi[i];
    for (int i = 0; i < D; i++) square += u[i] * u[i];
    return q->distance == PNB_DISTANCE_L2 ? l + (1 - 2 * q->alpha) * square : l;
}

static void on_device(void **state, const pnb_distance_params *q, const float *theta, const float *phi, float *of_theta,
                      float *of_phi) {
    pnb_gpu *gpu = test_gpu(state);
    pnb_error *err = test_err(state);
    pnb_store *store;
    pnb_storage *in[2];
    pnb_graph *g;
    pnb_program *program;
    pnb_tensor a, b, out[2];
    TEST_OK(err, pnb_store_create(err, "test", &store));
    TEST_OK(err, pnb_store_add(store, "theta", pnb_shape4(N, 2, 2, 2), PNB_STORAGE_VARIABLE, &in[0]));
    TEST_OK(err, pnb_store_add(store, "phi", pnb_shape4(N, 2, 2, 2), PNB_STORAGE_VARIABLE, &in[1]));
    TEST_OK(err, pnb_store_commit(store, gpu));
    TEST_OK(err, pnb_storage_write(in[0], gpu, theta, N * D));
    TEST_OK(err, pnb_storage_write(in[1], gpu, phi, N * D));
    TEST_OK(err, pnb_graph_create(err, gpu, "distance", &g));
    TEST_OK(err, pnb_graph_bind(g, in[0], &a));
    TEST_OK(err, pnb_graph_bind(g, in[1], &b));
    TEST_OK(err, pnb_distance_cotangents(g, q, a, b, &out[0], &out[1]));
    for (int i = 0; i < 2; i++) TEST_OK(err, pnb_graph_output(g, out[i]));
    TEST_OK(err, pnb_program_create(g, gpu, NULL, &program));
    TEST_OK(err, pnb_program_run(program));
    TEST_OK(err, pnb_program_read(program, out[0], of_theta, N * D));
    TEST_OK(err, pnb_program_read(program, out[1], of_phi, N * D));
    pnb_program_destroy(&program);
    pnb_graph_destroy(&g);
    pnb_store_destroy(&store, gpu);
}

static void check(void **state, const char *what, pnb_distance_params q) {
    float theta[N * D], phi[N * D], found[2][N * D];
    pnb_fill_normal(3, 1, 0, 0, theta, N * D);
    pnb_fill_normal(3, 2, 0, 0, phi, N * D);
    on_device(state, &q, theta, phi, found[0], found[1]);
    for (int n = 0; n < N; n++) {
        double at[2][D], top = 0, want[2][D];
        for (int i = 0; i < D; i++) {
            at[0][i] = (double)theta[n * D + i];
            at[1][i] = (double)phi[n * D + i];
        }
        for (int k = 0; k < 2; k++) {
            for (int i = 0; i < D; i++) {
                const double h = 1e-5, middle = at[k][i];
                at[k][i] = middle + h;
                double above = surrogate(&q, at[0], at[1]);
                at[k][i] = middle - h;
                double below = surrogate(&q, at[0], at[1]);
                at[k][i] = middle;
                want[k][i] = (k == 0 ? 0.5 : -0.5) * (above - below) / (2 * h);
                top = fmax(top, fabs(want[k][i]));
            }
        }
        for (int k = 0; k < 2; k++) {
            for (int i = 0; i < D; i++) {
                double off = fabs((double)found[k][n * D + i] - want[k][i]);
                if (off > 1e-4 * top) fail_msg("%s: image %d, element %d is off by %g of %g", what, n, i, off, top);
            }
        }
    }
}

static void test_finite_differences(void **state) {
    check(state, "l2", (pnb_distance_params){.distance = PNB_DISTANCE_L2, .alpha = 0.5});
    check(state, "l2, alpha 1.2", (pnb_distance_params){.distance = PNB_DISTANCE_L2, .alpha = 1.2});
    check(state, "pseudo-huber", (pnb_distance_params){.distance = PNB_DISTANCE_PSEUDO_HUBER, .delta = 0.7});
    check(state, "pseudo-huber of pixels",
          (pnb_distance_params){.distance = PNB_DISTANCE_PSEUDO_HUBER_PIXEL, .delta = 0.4});
    check(state, "log-cosh", (pnb_distance_params){.distance = PNB_DISTANCE_LOG_COSH});
    check(state, "power", (pnb_distance_params){.distance = PNB_DISTANCE_POWER, .power = 1.4});
}

/* Alpha 1/2 is PPM's L2 to the bit, and equal networks give equal cotangents of theta and phi: no force. */
static void test_identities(void **state) {
    float theta[N * D], phi[N * D], a[N * D], b[N * D];
    pnb_fill_normal(4, 1, 0, 0, theta, N * D);
    pnb_fill_normal(4, 2, 0, 0, phi, N * D);
    on_device(state, &(pnb_distance_params){.alpha = 0.5}, theta, phi, a, b);
    assert_memory_equal(a, theta, sizeof theta);
    assert_memory_equal(b, phi, sizeof phi);
    for (int d = PNB_DISTANCE_PSEUDO_HUBER; d <= PNB_DISTANCE_POWER; d++) {
        on_device(state, &(pnb_distance_params){.distance = (pnb_distance)d, .power = 1.5}, theta, theta, a, b);
        for (int i = 0; i < N * D; i++) assert_true(a[i] == b[i] && isfinite(a[i]));
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_finite_differences), cmocka_unit_test(test_identities)};
    return cmocka_run_group_tests(tests, setup, teardown);
}

/* Theorem 1 on one-dimensional Gaussians, where everything is known (algorithms.md section 8, tests 1 and 2; the L2
 * identity). */
#include "device.h"

#include "ops/ops.h"
#include "prior/prior.h"

#include <math.h>
#include <string.h>

enum { N = 400000 };
static const double M = 0.7, S = 0.4, ALPHA = 0.8, SIGMA = 0.6;

static int setup(void **state) {
    return test_device_setup(state);
}
static int teardown(void **state) {
    return test_device_teardown(state);
}

typedef struct gaussians {
    pnb_prior *p, *q; /* N(0,1) and N(M,S^2) */
} gaussians;

static gaussians make(pnb_gpu *gpu, pnb_error *err) {
    gaussians g;
    double one = 1, zero = 0, variance = S * S;
    TEST_OK(err, pnb_prior_create_gmm(err, 1, 1, &one, &zero, &one, &g.p));
    TEST_OK(err, pnb_prior_create_gmm(err, 1, 1, &one, &M, &variance, &g.q));
    TEST_OK(err, pnb_prior_commit(g.p, gpu));
    TEST_OK(err, pnb_prior_commit(g.q, gpu));
    return g;
}

static void finish(gaussians *g, pnb_gpu *gpu) {
    pnb_prior_destroy(&g->p, gpu);
    pnb_prior_destroy(&g->q, gpu);
}

typedef enum form { THEOREM, PATHWISE, IKL } form;

/* d/dx0 of the surrogate for x0 = M + S z, with w = 1 in score space, so w_eps = 1/sigma^2:
 * THEOREM 2 w_eps alpha (J_b^T r_b - J_a^T r_a); PATHWISE of w_eps |eps_a - eps_b|^2 alone; IKL alpha (a - b). */
static pnb_status surrogate(pnb_graph *g, const gaussians *p, form f, pnb_tensor *z, pnb_tensor *gradient) {
    pnb_shape one = pnb_shape1(N), shape = pnb_shape2(N, 1);
    pnb_level level;
    pnb_tensor x0, eps, xt, a, b, ra, rb, ga, gb, d;
    PNB_TRY(pnb_constant(g, one, 0, &level.t));
    PNB_TRY(pnb_constant(g, one, (float)ALPHA, &level.alpha));
    PNB_TRY(pnb_constant(g, one, (float)SIGMA, &level.sigma));
    PNB_TRY(pnb_noise_normal(g, shape, 11, 1, PNB_NONE, 0, z));
    PNB_TRY(pnb_noise_normal(g, shape, 11, 2, PNB_NONE, 0, &eps));
    PNB_TRY(pnb_affine(g, *z, (float)S, (float)M, &x0));
    PNB_TRY(pnb_axpby(g, (float)ALPHA, PNB_NONE, x0, (float)SIGMA, PNB_NONE, eps, &xt));
    PNB_TRY(pnb_prior_eps(p->q, g, xt, level, NULL, &a));
    PNB_TRY(pnb_prior_eps(p->p, g, xt, level, NULL, &b));
    if (f == IKL) { /* alpha (score_a - score_b) = -alpha/sigma (eps_a - eps_b) */
        float c = (float)(ALPHA / SIGMA);
        return pnb_axpby(g, -c, PNB_NONE, a, c, PNB_NONE, b, gradient);
    }
    float c = (float)(2 * ALPHA / (SIGMA * SIGMA));
    if (f == PATHWISE) {
        PNB_TRY(pnb_sub(g, a, b, &d));
        PNB_TRY(pnb_graph_grad(g, &a, &d, 1, &xt, 1, &ga));
        PNB_TRY(pnb_graph_grad(g, &b, &d, 1, &xt, 1, &gb));
        return pnb_axpby(g, c, PNB_NONE, ga, -c, PNB_NONE, gb, gradient);
    }
    PNB_TRY(pnb_sub(g, a, eps, &ra));
    PNB_TRY(pnb_sub(g, b, eps, &rb));
    PNB_TRY(pnb_graph_grad(g, &a, &ra, 1, &xt, 1, &ga));
    PNB_TRY(pnb_graph_grad(g, &b, &rb, 1, &xt, 1, &gb));
    return pnb_axpby(g, c, PNB_NONE, gb, -c, PNB_NONE, ga, gradient);
}

/* Mean over draws of the gradients with respect to m and s (dx0/dm = 1, dx0/ds = z). */
static void mean_gradient(void **state, form f, double *dm, double *ds) {
    pnb_gpu *gpu = test_gpu(state);
    pnb_error *err = test_err(state);
    gaussians p = make(gpu, err);
    pnb_graph *g;
    pnb_program *program;
    pnb_tensor z, gradient;
    TEST_OK(err, pnb_graph_create(err, gpu, "theorem 1", &g));
    TEST_OK(err, surrogate(g, &p, f, &z, &gradient));
    TEST_OK(err, pnb_graph_output(g, z));
    TEST_OK(err, pnb_graph_output(g, gradient));
    TEST_OK(err, pnb_program_create(g, gpu, NULL, &program));
    TEST_OK(err, pnb_program_run(program));
    float *zs = malloc(N * sizeof *zs), *gs = malloc(N * sizeof *gs);
    assert_true(zs && gs);
    TEST_OK(err, pnb_program_read(program, z, zs, N));
    TEST_OK(err, pnb_program_read(program, gradient, gs, N));
    *dm = *ds = 0;
    for (int i = 0; i < N; i++) {
        *dm += gs[i] / N;
        *ds += (double)gs[i] * zs[i] / N;
    }
    free(zs);
    free(gs);
    pnb_program_destroy(&program);
    pnb_graph_destroy(&g);
    finish(&p, gpu);
}

static void near(double value, double expected, double tolerance) {
    if (fabs(value - expected) > tolerance) fail_msg("found %f, expected %f +- %f", value, expected, tolerance);
}

static void test_theorem(void **state) {
    double dm, ds;
    mean_gradient(state, THEOREM, &dm, &ds);
    near(dm, 0.896, 0.02);
    near(ds, -1.88261, 0.03);
}

static void test_pathwise_alone_is_wrong(void **state) {
    double dm, ds;
    mean_gradient(state, PATHWISE, &dm, &ds);
    near(dm, -1.04, 0.03);
    near(ds, 0.697, 0.03);
}

static void test_ikl_direction(void **state) {
    double dm, ds;
    mean_gradient(state, IKL, &dm, &ds);
    near(dm, 0.448, 0.01);
    near(ds, -0.2976, 0.01);
}

/* algorithms.md section 8, test 5: with one particle and its exact score (a mixture of one point), eps_a is the noise
 * that was drawn, so the gradient is that of |eps_b - eps|^2 through x_t alone: RED-Diff with the Jacobian. */
static void test_exact_score_of_one_particle(void **state) {
    pnb_gpu *gpu = test_gpu(state);
    pnb_error *err = test_err(state);
    enum { D = 3 };
    double one = 1, mu[D] = {0.3, -1.2, 0.8}, point[D * D] = {0}, zero[D] = {0},
           unit[D * D] = {1, 0.2, 0, 0.2, 0.5, 0, 0, 0, 2};
    pnb_prior *delta, *prior;
    pnb_graph *g;
    pnb_program *program;
    pnb_level level;
    pnb_tensor eps, x0, xt, a, b, ra, rb, ga, gb;
    pnb_store *store;
    pnb_storage *particle;
    float values[D] = {0.3f, -1.2f, 0.8f}, grad_a[D], grad_b[D], residual[D];
    TEST_OK(err, pnb_prior_create_gmm(err, D, 1, &one, mu, point, &delta));
    TEST_OK(err, pnb_prior_create_gmm(err, D, 1, &one, zero, unit, &prior));
    TEST_OK(err, pnb_prior_commit(delta, gpu));
    TEST_OK(err, pnb_prior_commit(prior, gpu));
    TEST_OK(err, pnb_store_create(err, "particle", &store));
    TEST_OK(err, pnb_store_add(store, "x", pnb_shape2(1, D), PNB_STORAGE_VARIABLE, &particle));
    TEST_OK(err, pnb_store_commit(store, gpu));
    TEST_OK(err, pnb_storage_write(particle, gpu, values, D));
    TEST_OK(err, pnb_graph_create(err, gpu, "one particle", &g));
    TEST_OK(err, pnb_graph_bind(g, particle, &x0));
    TEST_OK(err, pnb_constant(g, pnb_shape1(1), 0, &level.t));
    TEST_OK(err, pnb_constant(g, pnb_shape1(1), (float)ALPHA, &level.alpha));
    TEST_OK(err, pnb_constant(g, pnb_shape1(1), (float)SIGMA, &level.sigma));
    TEST_OK(err, pnb_noise_normal(g, pnb_shape2(1, D), 4, 1, PNB_NONE, 0, &eps));
    TEST_OK(err, pnb_axpby(g, (float)ALPHA, PNB_NONE, x0, (float)SIGMA, PNB_NONE, eps, &xt));
    TEST_OK(err, pnb_prior_eps(delta, g, xt, level, NULL, &a));
    TEST_OK(err, pnb_prior_eps(prior, g, xt, level, NULL, &b));
    TEST_OK(err, pnb_sub(g, a, eps, &ra));
    TEST_OK(err, pnb_sub(g, b, eps, &rb));
    TEST_OK(err, pnb_graph_grad(g, &a, &ra, 1, &xt, 1, &ga));
    TEST_OK(err, pnb_graph_grad(g, &b, &rb, 1, &xt, 1, &gb));
    pnb_tensor out[3] = {ra, ga, gb};
    for (int i = 0; i < 3; i++) TEST_OK(err, pnb_graph_output(g, out[i]));
    TEST_OK(err, pnb_program_create(g, gpu, NULL, &program));
    TEST_OK(err, pnb_program_run(program));
    TEST_OK(err, pnb_program_read(program, ra, residual, D));
    TEST_OK(err, pnb_program_read(program, ga, grad_a, D));
    TEST_OK(err, pnb_program_read(program, gb, grad_b, D));
    for (int i = 0; i < D; i++) {
        assert_true(fabs(residual[i]) < 2e-6 && fabs(grad_a[i]) < 1e-5);
        assert_true(fabs(grad_b[i]) > 1e-3);
    }
    pnb_program_destroy(&program);
    pnb_graph_destroy(&g);
    pnb_store_destroy(&store, gpu);
    pnb_prior_destroy(&delta, gpu);
    pnb_prior_destroy(&prior, gpu);
}

/* Sum over the 1000 levels of w_t F_t, F_t the Fisher divergence of the diffused Gaussians, against the KL. */
static void test_exact_kl_weights(void **state) {
    (void)state;
    pnb_error err = {0};
    pnb_schedule s;
    TEST_OK(&err, pnb_schedule_init(&err, PNB_SCHEDULE_LINEAR, 1000, &s));
    double by_beta = 0, by_log_snr = 0;
    for (uint32_t t = 0; t < 1000; t++) {
        double a2 = s.alpha_bar[t], v = a2 * S * S + 1 - a2;
        double fisher =
            a2 * M * M + (1 - 1 / v) * (1 - 1 / v) * v; /* E (score_q - score_p)^2 under q_t, p_t = N(0,1) */
        by_beta += 0.5 * s.beta[t] * fisher;
        if (t) by_log_snr += 0.5 * (s.lambda[t - 1] - s.lambda[t]) * (1 - a2) * fisher;
    }
    near(by_beta, 0.73639, 2e-5);
    near(by_log_snr, 0.74391, 2e-5);
    pnb_schedule_finish(&s);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_theorem), cmocka_unit_test(test_pathwise_alone_is_wrong),
                                       cmocka_unit_test(test_ikl_direction), cmocka_unit_test(test_exact_kl_weights),
                                       cmocka_unit_test(test_exact_score_of_one_particle)};
    return cmocka_run_group_tests(tests, setup, teardown);
}

/* Methods whose steps are linear, on Gaussian priors: every sample is an affine image of its noise, so that mean and
 * variance are known for each step, not only in a limit. Measured: two directions, of singular values 1 and .3. */
#include "solve/toy.h"

#include "measure/operator_type.h"

#include <math.h>

static int setup(void **state) {
    return test_device_setup(state);
}
static int teardown(void **state) {
    return test_device_teardown(state);
}

enum { D = 3, K = 4096 };
static const double SINGULAR[D] = {1, 0.3, 0}, SIGMA_Y = 0.2, C[2] = {1.2, -0.4}; /* C: y's coefficients U^T y */

typedef struct law {
    double mean[D], variance[D]; /* along the right singular vectors */
} law;

/* Columns of V and U: rotations, so that no axis is special. */
static void bases(double v[D][D], double u[2][2]) {
    const double a = 0.7, b = 0.4;
    const double rows[D][D] = {
        {cos(a), sin(a), 0}, {-sin(a) * cos(b), cos(a) * cos(b), sin(b)}, {sin(a) * sin(b), -cos(a) * sin(b), cos(b)}};
    memcpy(v, rows, sizeof rows);
    u[0][0] = u[1][1] = cos(b);
    u[0][1] = -sin(b);
    u[1][0] = sin(b);
}

static pnb_operator *make_operator(pnb_gpu *gpu, pnb_error *err, float y[2]) {
    double v[D][D], u[2][2], f[2][D] = {{0}};
    char text[256];
    bases(v, u);
    for (int i = 0; i < 2; i++) {
        y[i] = (float)(u[i][0] * C[0] + u[i][1] * C[1]);
        for (int j = 0; j < D; j++)
            for (int k = 0; k < 2; k++) f[i][j] += u[i][k] * SINGULAR[k] * v[k][j];
    }
    snprintf(text, sizeof text, "{\"matrix\":[[%.9g,%.9g,%.9g],[%.9g,%.9g,%.9g]]}", f[0][0], f[0][1], f[0][2], f[1][0],
             f[1][1], f[1][2]);
    return toy_operator(gpu, err, "matrix", text, pnb_shape1(D));
}

/* The law of a method's samples under prior N(0, I). */
static law measured_law(void **state, const char *method, const char *const *pairs, bool no_spectrum, double sigma) {
    pnb_gpu *gpu = test_gpu(state);
    pnb_error *err = test_err(state);
    double one = 1, zero[D] = {0}, unit[D * D] = {1, 0, 0, 0, 1, 0, 0, 0, 1}, v[D][D], u[2][2];
    float y[2], *x = malloc(sizeof *x * K * D);
    pnb_prior *prior;
    assert_non_null(x);
    bases(v, u);
    TEST_OK(err, pnb_prior_create_gmm(err, D, 1, &one, zero, unit, &prior));
    TEST_OK(err, pnb_prior_commit(prior, gpu));
    pnb_operator *op = make_operator(gpu, err, y);
    if (no_spectrum) op->spectrum = NULL;
    pnb_task task = {.gpu = gpu, .prior = prior, .op = op, .y = y, .sigma_y = sigma, .seed = 3};
    pnb_solver *s = toy_solver(err, method, &task, pairs);
    toy_run(err, s);
    TEST_OK(err, pnb_solver_samples(s, x));
    law l = {0};
    for (int k = 0; k < D; k++) {
        double sum = 0, square = 0;
        for (int i = 0; i < K; i++) {
            double c = 0;
            for (int j = 0; j < D; j++) c += v[k][j] * (double)x[i * D + j];
            sum += c;
            square += c * c;
        }
        l.mean[k] = sum / K;
        l.variance[k] = (square - sum * sum / K) / (K - 1);
    }
    free(x);
    pnb_solver_destroy(&s);
    pnb_operator_destroy(&op, gpu);
    pnb_prior_destroy(&prior, gpu);
    return l;
}

static law posterior(double sigma) {
    law l;
    for (int k = 0; k < D; k++) {
        double s = SINGULAR[k];
        l.variance[k] = 1 / (1 + s * s / (sigma * sigma));
        l.mean[k] = k < 2 ? l.variance[k] * s * C[k] / (sigma * sigma) : 0;
    }
    return l;
}

/* Four standard errors of K draws, and `slack` of the standard deviation and of the variance. */
static void assert_law(const char *what, law found, law expected, double slack) {
    for (int k = 0; k < D; k++) {
        double std = sqrt(expected.variance[k]), ratio = found.variance[k] / expected.variance[k];
        double off = fabs(found.mean[k] - expected.mean[k]);
        if (off > (4 / sqrt(K) + slack) * std + 1e-6 || fabs(ratio - 1) > 4 * sqrt(2.0 / K) + slack) {
            fail_msg("%s, direction %d: mean %f (%f expected), variance %g (%g expected)", what, k, found.mean[k],
                     expected.mean[k], found.variance[k], expected.variance[k]);
        }
    }
}

/* One step x' = a x0 + c eps + d z + guide h of PiGDM at level (alpha, sigma): with this prior x0 = alpha x and
 * eps = sigma x, so that h = alpha s/(s^2 + lambda) (y - s x0). */
static void pigdm_step(law *l, double alpha, double a, double c, double d, double guide, double sigma_y) {
    double sigma = sqrt(1 - alpha * alpha), lambda = sigma_y * sigma_y / (sigma * sigma);
    for (int k = 0; k < D; k++) {
        double s = SINGULAR[k], by = s > 0 ? guide * alpha * s / (s * s + lambda) : 0;
        double slope = a * alpha + c * sigma - by * s * alpha;
        l->mean[k] = slope * l->mean[k] + (k < 2 ? by * C[k] : 0);
        l->variance[k] = slope * slope * l->variance[k] + d * d;
    }
}

static law pigdm_published(uint32_t steps, double eta) {
    law l = {{0}, {1, 1, 1}};
    pnb_error err = {0};
    pnb_schedule s;
    TEST_OK(&err, pnb_schedule_init(&err, PNB_SCHEDULE_LINEAR, 1000, &s));
    for (uint32_t i = 0; i < steps; i++) {
        uint32_t t = (steps - 1 - i) * (1000 / steps);
        double now = s.alpha_bar[t], to = t ? s.alpha_bar[t - 1000 / steps] : 1;
        double d = eta * sqrt((1 - to) / (1 - now) * (1 - now / to));
        pigdm_step(&l, sqrt(now), sqrt(to), sqrt(1 - to - d * d), t ? d : 0, sqrt(to * now), SIGMA_Y);
    }
    pnb_schedule_finish(&s);
    return l;
}

static law pigdm_exact(uint32_t steps) {
    law l = {{0}, {1, 1, 1}};
    for (uint32_t i = 0; i < steps; i++) {
        double rho = 100 * pow(1e-4, i / (steps - 1.0)),
               next = i + 1 < steps ? 100 * pow(1e-4, (i + 1) / (steps - 1.0)) : 0;
        double alpha = 1 / sqrt(1 + rho * rho), to = 1 / sqrt(1 + next * next), kept = next * next / (rho * rho);
        double guide = to * alpha * (rho * rho - next * next) * (1 + rho * rho) / (rho * rho);
        pigdm_step(&l, alpha, to, to * kept * rho, to * next * sqrt(1 - kept), guide, SIGMA_Y);
    }
    return l;
}

static const char *const published[] = {"particles", "4096", "steps", "50", "eta", "0.5", NULL};
static const char *const exact[] = {"particles", "4096", "steps", "200", "weight", "exact", NULL};

static void test_pigdm_published(void **state) {
    law expected = pigdm_published(50, 0.5), found = measured_law(state, "pigdm", published, false, SIGMA_Y);
    assert_law("pigdm", found, expected, 0);
    law right = posterior(SIGMA_Y); /* it counts the data at each level again: too narrow where these are strong */
    assert_true(found.variance[0] < 0.6 * right.variance[0]);
}

static void test_pigdm_exact(void **state) {
    law found = measured_law(state, "pigdm", exact, false, SIGMA_Y);
    assert_law("pigdm, exact weight", found, pigdm_exact(200), 0);
    assert_law("pigdm, exact weight, against the posterior", found, posterior(SIGMA_Y), 0.05);
}

static void test_pigdm_by_conjugate_gradients(void **state) {
    law a = measured_law(state, "pigdm", exact, false, SIGMA_Y), b = measured_law(state, "pigdm", exact, true, SIGMA_Y);
    for (int k = 0; k < D; k++) {
        assert_true(fabs(a.mean[k] - b.mean[k]) < 1e-4);
        assert_true(fabs(a.variance[k] / b.variance[k] - 1) < 1e-3);
    }
}

/* With prior N(0, I) the Jacobian's covariance is the isotropic one, and two steps solve for two directions. */
static void test_pigdm_by_the_jacobian(void **state) {
    const char *const jacobian[] = {"particles", "4096", "steps", "200", "weight", "exact", "covariance", "jacobian",
                                    "cg_steps", "2", NULL};
    law a = measured_law(state, "pigdm", exact, false, SIGMA_Y), b = measured_law(state, "pigdm", jacobian, false, SIGMA_Y);
    for (int k = 0; k < D; k++) {
        assert_true(fabs(a.mean[k] - b.mean[k]) < 1e-3);
        assert_true(fabs(a.variance[k] / b.variance[k] - 1) < 5e-3);
    }
}

/* PPM's particles begin by the same process, from the guess at rho 10. */
static void test_ppm_begins_by_it(void **state) {
    const char *const begun[] = {"particles", "4096", "init_steps", "200", "steps", "1",    "lr", "0.000001", "exchange",
                                 "0",         "finish", "none",     "aux_warmup", "0", NULL};
    assert_law("the beginning of ppm", measured_law(state, "ppm", begun, false, SIGMA_Y), posterior(SIGMA_Y), 0.05);
}

/* Without noise what is measured is met exactly, and the rest is the prior's. */
static void test_pigdm_without_noise(void **state) {
    law found =
        measured_law(state, "pigdm", (const char *const[]){"particles", "4096", "steps", "100", NULL}, false, 0);
    for (int k = 0; k < 2; k++) {
        if (fabs(found.mean[k] - C[k] / SINGULAR[k]) > 0.02 || found.variance[k] > 0.01)
            fail_msg("direction %d: mean %f, variance %f", k, found.mean[k], found.variance[k]);
    }
    assert_true(fabs(found.variance[2] - 1) < 4 * sqrt(2.0 / K) + 0.02);
}

/* DDRM's step with levels rho by a uniform stride, in x/alpha: with this prior x0 = X/(1 + rho^2), eps = (X - x0)/rho.
 */
static law ddrm(uint32_t steps, double eta, double eta_b) {
    law l;
    pnb_error err = {0};
    pnb_schedule s;
    TEST_OK(&err, pnb_schedule_init(&err, PNB_SCHEDULE_LINEAR, 1000, &s));
    uint32_t stride = 1000 / steps;
    double top = s.rho[(steps - 1) * stride];
    for (int k = 0; k < D; k++) {
        double v = SINGULAR[k], best = v > 0 ? SIGMA_Y / v : INFINITY;
        l.mean[k] = best < top ? C[k] / v : 0;
        l.variance[k] = top * top - (best < top ? best * best : 0);
        for (uint32_t i = 0; i < steps; i++) {
            uint32_t t = (steps - 1 - i) * stride;
            double rho = s.rho[t], next = t ? s.rho[t - stride] : 0, keep = 1 / (1 + rho * rho);
            double e = sqrt(1 - eta * eta) * next, a = keep, shift = 0, noise = eta * next;
            if (v == 0) {
                a += e * (1 - keep) / rho;
            } else if (v * next < SIGMA_Y) {
                a -= e * v / SIGMA_Y * keep;
                shift = e * C[k] / SIGMA_Y;
            } else {
                a *= 1 - eta_b;
                shift = eta_b * C[k] / v;
                noise = sqrt(next * next - eta_b * eta_b * best * best);
            }
            l.mean[k] = a * l.mean[k] + shift;
            l.variance[k] = a * a * l.variance[k] + noise * noise;
        }
    }
    pnb_schedule_finish(&s);
    return l;
}

static void test_ddrm(void **state) {
    law found = measured_law(state, "ddrm", (const char *const[]){"particles", "4096", NULL}, false, SIGMA_Y);
    assert_law("ddrm", found, ddrm(20, 0.85, 1), 0);
    found = measured_law(state, "ddrm",
                         (const char *const[]){"particles", "4096", "steps", "40", "eta", "0.5", "eta_b", "0.6", NULL},
                         false, SIGMA_Y);
    assert_law("ddrm, eta .5, eta_b .6", found, ddrm(40, 0.5, 0.6), 0);
}

static void refuse(void **state, const char *method, const char *const *pairs, const char *operator, const char * args,
                   double sigma, const char *part) {
    pnb_gpu *gpu = test_gpu(state);
    pnb_error *err = test_err(state);
    const pnb_method *m = pnb_method_find(method);
    pnb_prior *prior;
    pnb_solver *s;
    TEST_OK(err, pnb_prior_create_preset(err, "garments", 1, 1, &prior));
    pnb_operator *op = toy_operator(gpu, err, operator, args, pnb_shape3(1, 32, 32));
    float y[32 * 32] = {0};
    pnb_task task = {.gpu = gpu, .prior = prior, .op = op, .y = y, .sigma_y = sigma};
    void *o = toy_options(err, m, &task, pairs);
    assert_int_equal(m->create(err, &task, o, &s), PNB_ERROR_INPUT);
    assert_null(s);
    if (!strstr(err->message, part)) fail_msg("expected \"%s\" in: %s", part, err->message);
    assert_int_equal(m->check(err, &task, o), PNB_ERROR_INPUT);
    free(o);
    pnb_operator_destroy(&op, gpu);
    pnb_prior_destroy(&prior, gpu);
}

static void test_refusals(void **state) {
    refuse(state, "pigdm", NULL, "gaussian_blur", "{\"sigma\":1}", 0,
           "needs a pseudo-inverse, which operator gaussian_blur has not here; give a noise.sigma above 0");
    refuse(state, "ddrm", NULL, "gaussian_blur", "{\"sigma\":1}", 0.1,
           "those of operator gaussian_blur are not known here; use pigdm, dps, reddiff or ppm");
    const char *const jacobian[] = {"covariance", "jacobian", NULL}, *const finish[] = {"finish", "pigdm", NULL};
    refuse(state, "pigdm", jacobian, "identity", "{}", 0.1,
           "covariance jacobian belongs to weight exact and to a noise.sigma above 0, found weight published and sigma 0.1");
    refuse(state, "ppm", finish, "gaussian_blur", "{\"sigma\":1}", 0, "use \"finish\": \"langevin\" or \"none\"");
    refuse(state, "ppm", finish, "phase_retrieval", "{}", 0.1, "finish pigdm needs a linear operator");
}

/* Operators whose coefficients are pictures, not vectors: the methods that use them can be made. */
static void test_coefficients_of_pictures(void **state) {
    static const char *const operators[][2] = {{"bicubic", "{\"factor\":4}"},
                                               {"average_pool", "{\"factor\":4}"},
                                               {"mask_random", "{}"},
                                               {"gaussian_blur", "{\"sigma\":1,\"boundary\":\"circular\"}"},
                                               {"motion_blur", "{\"size\":9,\"boundary\":\"circular\"}"},
                                               {"psf", "{\"size\":9,\"boundary\":\"circular\"}"}};
    static const char *const methods[] = {"pigdm", "ddrm", "ppm"}; /* ppm: for its finish, once */
    pnb_error *err = test_err(state);
    pnb_prior *prior;
    TEST_OK(err, pnb_prior_create_preset(err, "garments", 1, 1, &prior));
    for (size_t i = 0; i < sizeof operators / sizeof *operators; i++) {
        pnb_operator *op = toy_operator(test_gpu(state), err, operators[i][0], operators[i][1], pnb_shape3(1, 32, 32));
        float y[32 * 32] = {0};
        pnb_task task = {.prior = prior, .op = op, .y = y, .sigma_y = 0.1, .plan_only = true};
        for (int k = 0; k < (i ? 2 : 3); k++) {
            const pnb_method *m = pnb_method_find(methods[k]);
            void *o = toy_options(err, m, &task, (const char *const[]){"particles", "2", NULL});
            pnb_solver *s;
            if (m->create(err, &task, o, &s)) fail_msg("%s with %s: %s", methods[k], operators[i][0], err->message);
            pnb_solver_destroy(&s);
            free(o);
        }
        pnb_operator_destroy(&op, test_gpu(state));
    }
    pnb_prior_destroy(&prior, NULL);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_coefficients_of_pictures), cmocka_unit_test(test_pigdm_published),
                                       cmocka_unit_test(test_pigdm_exact),
                                       cmocka_unit_test(test_pigdm_by_conjugate_gradients),
                                       cmocka_unit_test(test_pigdm_by_the_jacobian), cmocka_unit_test(test_ppm_begins_by_it),
                                       cmocka_unit_test(test_pigdm_without_noise),
                                       cmocka_unit_test(test_ddrm),
                                       cmocka_unit_test(test_refusals)};
    return cmocka_run_group_tests(tests, setup, teardown);
}

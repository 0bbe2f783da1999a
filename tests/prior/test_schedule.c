/* The schedule against known values: the linear table, respacing, posterior coefficients, continuous maps. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>

#include "prior/schedule.h"

#define CLOSE(a, b, tolerance)                                                                                         \
    do {                                                                                                               \
        double a_ = (a), b_ = (b);                                                                                     \
        if (!(fabs(a_ - b_) <= (tolerance))) fail_msg("%s is %.12g, expected %.12g", #a, a_, b_);                      \
    } while (0)

static void test_linear_table(void **state) {
    (void)state;
    static const struct {
        uint32_t t;
        double alpha_bar, alpha, sigma, rho, kappa;
    } golden[] = {
        {0, 0.9999000000, 0.999950, 0.010000, 0.010001, 1.000000},
        {1, 0.9997800921, 0.999890, 0.014829, 0.014831, 0.545319},
        {10, 0.9978065725, 0.998903, 0.046834, 0.046885, 0.136407},
        {100, 0.8951415909, 0.946119, 0.323818, 0.342260, 0.019951},
        {200, 0.6563470055, 0.810152, 0.586219, 0.723591, 0.011884},
        {300, 0.3940111225, 0.627703, 0.778453, 1.240161, 0.010027},
        {400, 0.1935720097, 0.439968, 0.898013, 2.041087, 0.010005},
        {500, 0.0777966584, 0.278921, 0.960314, 3.442967, 0.010909},
        {700, 0.0068682789, 0.082875, 0.996560, 12.024844, 0.014141},
        {900, 0.0002702445, 0.016439, 0.999865, 60.822303, 0.018033},
        {999, 0.0000403583, 0.006353, 0.999980, 157.407281, 0.020001},
    };
    pnb_schedule s;
    assert_int_equal(pnb_schedule_init(NULL, PNB_SCHEDULE_LINEAR, 1000, &s), PNB_OK);
    for (size_t i = 0; i < sizeof golden / sizeof golden[0]; i++) {
        uint32_t t = golden[i].t;
        CLOSE(s.alpha_bar[t], golden[i].alpha_bar, 6e-11);
        CLOSE(s.alpha[t], golden[i].alpha, 6e-7);
        CLOSE(s.sigma[t], golden[i].sigma, 6e-7);
        CLOSE(s.rho[t], golden[i].rho, 6e-7);
        CLOSE(s.beta[t] / (1 - s.alpha_bar[t]), golden[i].kappa, 6e-7);
        CLOSE(s.lambda[t], -2 * log(s.rho[t]), 1e-9);
        assert_int_equal(s.timestep_map[t], t);
    }
    CLOSE(s.posterior_log_variance_clipped[0], log(s.posterior_variance[1]), 1e-15);
    /* At t = 0 the posterior is x_0 itself. */
    CLOSE(s.posterior_mean_coef1[0], 1.0, 1e-12);
    CLOSE(s.posterior_mean_coef2[0], 0.0, 1e-15);
    assert_int_equal(pnb_schedule_index_of_rho(&s, 0.0), 0);
    assert_int_equal(pnb_schedule_index_of_rho(&s, s.rho[500]), 500);
    assert_int_equal(pnb_schedule_index_of_rho(&s, s.rho[500] * (1 + 1e-9)), 501);
    assert_int_equal(pnb_schedule_index_of_rho(&s, 1e9), 999);
    CLOSE(pnb_schedule_t_of_rho(&s, 0.0), 0, 0);
    CLOSE(pnb_schedule_t_of_rho(&s, 1e9), 999, 0);
    CLOSE(pnb_schedule_t_of_rho(&s, s.rho[500]), 500, 1e-9);
    double between = exp(0.75 * log(s.alpha_bar[500]) + 0.25 * log(s.alpha_bar[501]));
    CLOSE(pnb_schedule_t_of_rho(&s, sqrt(1 / between - 1)), 500.25, 1e-9);
    CLOSE(pnb_schedule_time(&s, 500), 500, 0);
    /* Networks of continuous time: the same levels, another number for each. */
    s.time = PNB_TIME_VP;
    CLOSE(pnb_schedule_time(&s, 500), 0.999 * 501, 1); /* tau is nearly (t + 1) / 1000 */
    CLOSE(pnb_schedule_t_of_rho(&s, 1.3), 310.06365966796875, 1e-4);
    s.time = PNB_TIME_EDM;
    CLOSE(pnb_schedule_time(&s, 500), 0.25 * log(s.rho[500]), 1e-12);
    CLOSE(pnb_schedule_t_of_rho(&s, 0.0), 0.25 * log(s.rho[0]), 1e-12);
    pnb_schedule_finish(&s);
}

static void test_cosine_ends(void **state) {
    (void)state;
    pnb_schedule s;
    assert_int_equal(pnb_schedule_init(NULL, PNB_SCHEDULE_COSINE, 1000, &s), PNB_OK);
    CLOSE(s.beta[999], 0.999, 1e-15); /* clipped there */
    CLOSE(s.alpha_bar[499], pow(cos((0.5 + 0.008) / 1.008 * acos(-1.0) / 2) / cos(0.008 / 1.008 * acos(-1.0) / 2), 2),
          1e-12);
    pnb_schedule_finish(&s);
}

static void test_respacing(void **state) {
    (void)state;
    pnb_schedule full, s;
    assert_int_equal(pnb_schedule_init(NULL, PNB_SCHEDULE_LINEAR, 1000, &full), PNB_OK);
    assert_int_equal(pnb_schedule_respace(NULL, &full, "100", &s), PNB_OK);
    static const uint32_t first[] = {0, 10, 20, 30, 40, 50, 61, 71, 81, 91, 101, 111};
    assert_int_equal(s.steps, 100);
    for (size_t i = 0; i < 12; i++) assert_int_equal(s.timestep_map[i], first[i]);
    assert_int_equal(s.timestep_map[99], 999);
    for (uint32_t i = 0; i < 100; i++) CLOSE(s.alpha_bar[i], full.alpha_bar[s.timestep_map[i]], 1e-12);
    pnb_schedule twice;
    assert_int_equal(pnb_schedule_respace(NULL, &s, "10", &twice), PNB_OK); /* the network's own index stays */
    assert_int_equal(twice.timestep_map[9], 999);
    assert_int_equal(twice.timestep_map[1], s.timestep_map[11]);
    pnb_schedule_finish(&twice);
    pnb_schedule_finish(&s);
    assert_int_equal(pnb_schedule_respace(NULL, &full, "ddim50", &s), PNB_OK);
    for (uint32_t i = 0; i < 50; i++) assert_int_equal(s.timestep_map[i], 20 * i);
    pnb_schedule_finish(&s);
    assert_int_equal(pnb_schedule_respace(NULL, &full, "1,0,3", &s), PNB_OK); /* sections of 334, 333, 333 */
    static const uint32_t kept[] = {0, 667, 833, 999};
    assert_int_equal(s.steps, 4);
    for (size_t i = 0; i < 4; i++) assert_int_equal(s.timestep_map[i], kept[i]);
    pnb_schedule_finish(&s);
    pnb_schedule_finish(&full);
    /* Halves go to the even neighbour: 0, 2.5, 5, 7.5, 10 of 11 steps. */
    assert_int_equal(pnb_schedule_init(NULL, PNB_SCHEDULE_LINEAR, 11, &full), PNB_OK);
    assert_int_equal(pnb_schedule_respace(NULL, &full, "5", &s), PNB_OK);
    static const uint32_t even[] = {0, 2, 5, 8, 10};
    for (size_t i = 0; i < 5; i++) assert_int_equal(s.timestep_map[i], even[i]);
    pnb_schedule_finish(&s);
    pnb_schedule_finish(&full);
}

static void test_respacing_refuses(void **state) {
    (void)state;
    static const char *const bad[] = {"",       "x",    "0",     "1001",   "10,",     ",10", "10 20",
                                      "600,10", "ddim", "ddim0", "ddim7x", "ddim999", "-3",  "1e2"};
    pnb_schedule full, s;
    assert_int_equal(pnb_schedule_init(NULL, PNB_SCHEDULE_LINEAR, 1000, &full), PNB_OK);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        pnb_error err = {0};
        if (pnb_schedule_respace(&err, &full, bad[i], &s) != PNB_ERROR_USAGE) fail_msg("'%s' was taken", bad[i]);
        assert_true(err.message[0] != '\0');
        assert_null(s.beta);
    }
    assert_int_equal(pnb_schedule_init(NULL, PNB_SCHEDULE_LINEAR, 0, &s), PNB_ERROR_USAGE);
    pnb_schedule_finish(&full);
    pnb_schedule_finish(&full);
    pnb_schedule_finish(NULL);
}

static void test_continuous(void **state) {
    (void)state;
    CLOSE(pnb_vp_sigma_of_tau(1.0), 152.16697028394637, 1e-9);
    CLOSE(pnb_vp_sigma_of_tau(1e-3), 0.0104860, 6e-8);
    for (double tau = 1e-5; tau <= 1; tau *= 1.7) CLOSE(pnb_vp_tau_of_sigma(pnb_vp_sigma_of_tau(tau)), tau, 1e-12);
    CLOSE(pnb_time_of_sigma(PNB_TIME_VP, 1.3), 310.06365966796875, 1e-4);
    CLOSE(pnb_time_of_sigma(PNB_TIME_EDM, 0.02), -0.9780057668685913, 1e-6);
    double sigmas[5];
    pnb_edm_sigmas(5, 0.02, 10.0, sigmas);
    static const double golden[] = {10., 3.28284896, 0.87233805, 0.16985811, 0.02};
    for (size_t i = 0; i < 5; i++) CLOSE(sigmas[i], golden[i], 6e-9);
    pnb_edm_sigmas(1, 0.02, 10.0, sigmas);
    CLOSE(sigmas[0], 10.0, 1e-12);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_linear_table),      cmocka_unit_test(test_cosine_ends), cmocka_unit_test(test_respacing),
        cmocka_unit_test(test_respacing_refuses), cmocka_unit_test(test_continuous),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

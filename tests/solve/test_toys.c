/* The 2-D problems with closed-form posteriors: PPM finds the modes with their weights and widths, from the exact prior
 * and from a trained one; RED-Diff's official form collapses. K = 256, 800 steps, the defaults for vectors.
 *
 * The trained priors are files that this program wrote: `test_toys train NAME STEPS` (T2: 16000 steps, others 10000).
 */
#include "solve/toy.h"

#include "solve/mlp_prior.h"

#include "eval/posterior.h"

static int setup(void **state) {
    return test_device_setup(state);
}
static int teardown(void **state) {
    return test_device_teardown(state);
}

enum { K = 256 };

static void solve_toy(void **state, const toy *t, bool learned, const char *method, const char *const *options,
                      pnb_posterior_scores *scores) {
    pnb_gpu *gpu = test_gpu(state);
    pnb_error *err = test_err(state);
    pnb_prior *prior;
    pnb_gmm mixture, posterior;
    char args[128];
    float y = (float)t->y;
    static float x[2 * K];
    TEST_OK(err, pnb_gmm_init(err, 2, t->n, t->weights, t->means, t->covariances, &mixture));
    if (learned) {
        char path[512];
        toy_mlp_path(t->name, path);
        TEST_OK(err, pnb_prior_load(err, path, &prior));
    } else {
        TEST_OK(err, pnb_prior_create_gmm(err, 2, t->n, t->weights, t->means, t->covariances, &prior));
    }
    TEST_OK(err, pnb_prior_commit(prior, gpu));
    snprintf(args, sizeof args, "{\"matrix\": [[%.17g, %.17g]]}", t->f[0], t->f[1]);
    pnb_operator *op = toy_operator(gpu, err, "matrix", args, pnb_shape1(2));
    pnb_task task = {.gpu = gpu, .prior = prior, .op = op, .y = &y, .sigma_y = t->sigma, .seed = 0};
    pnb_solver *s = toy_solver(err, method, &task, options);
    toy_run(err, s);
    TEST_OK(err, pnb_solver_samples(s, x));
    TEST_OK(err, pnb_gmm_posterior(err, &mixture, 1, t->f, &t->y, t->sigma, &posterior));
    TEST_OK(err, pnb_posterior_score(err, &posterior, K, x, scores));
    print_message("%-7s %-7s %-7s tv %.3f modes %u/%u spread %.2f-%.2f sliced W2 %.3f (exact %.3f)\n", t->name, method,
                  learned ? "learned" : "exact", scores->total_variation, scores->modes_recovered, scores->modes,
                  scores->spread_least, scores->spread_largest, scores->sliced_w2, scores->sliced_w2_floor);
    pnb_gmm_finish(&posterior);
    pnb_gmm_finish(&mixture);
    pnb_solver_destroy(&s);
    pnb_operator_destroy(&op, gpu);
    pnb_prior_destroy(&prior, gpu);
}

static void check_ppm(void **state, const char *name, bool learned) {
    const char *options[] = {"particles", "256", "steps", "800", NULL};
    pnb_posterior_scores s;
    toy t;
    assert_true(toy_make(name, &t));
    solve_toy(state, &t, learned, "ppm", options, &s);
    assert_int_equal(s.modes_recovered, s.modes);
    assert_true(s.total_variation <= 0.08);
    assert_true(s.spread_least >= 0.9 && s.spread_largest <= 1.2);
    assert_true(s.sliced_w2 <= 1.3 * s.sliced_w2_floor);
}

#define PPM(name)                                                                                                      \
    static void test_##name(void **state) {                                                                            \
        check_ppm(state, #name, false);                                                                                \
    }                                                                                                                  \
    static void test_##name##_learned(void **state) {                                                                  \
        check_ppm(state, #name, true);                                                                                 \
    }
PPM(T1)
PPM(T2)
PPM(T3)
PPM(ring8)
PPM(cross4)

static void check_collapse(void **state, const char *name) {
    const char *options[] = {"particles", "256", "steps", "1500", "init_std", "1", "lr", "0.02", NULL};
    pnb_posterior_scores s;
    toy t;
    assert_true(toy_make(name, &t));
    solve_toy(state, &t, false, "reddiff", options, &s);
    assert_true(s.total_variation > 0.3);
}

static void test_reddiff_collapses(void **state) {
    check_collapse(state, "ring8");
    check_collapse(state, "cross4");
}

/* Not a test: makes a file of a trained prior again. */
static const char *train_name;
static uint32_t train_steps;

static void train(void **state) {
    toy t;
    assert_true(toy_make(train_name, &t));
    toy_mlp_train(test_gpu(state), test_err(state), &t, train_steps);
}

int main(int argc, char **argv) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_T1),
        cmocka_unit_test(test_T1_learned),
        cmocka_unit_test(test_T2),
        cmocka_unit_test(test_T2_learned),
        cmocka_unit_test(test_T3),
        cmocka_unit_test(test_T3_learned),
        cmocka_unit_test(test_ring8),
        cmocka_unit_test(test_ring8_learned),
        cmocka_unit_test(test_cross4),
        cmocka_unit_test(test_cross4_learned),
        cmocka_unit_test(test_reddiff_collapses),
    };
    const struct CMUnitTest training[] = {cmocka_unit_test(train)};
    if (argc == 4 && strcmp(argv[1], "train") == 0) {
        train_name = argv[2];
        train_steps = (uint32_t)strtoul(argv[3], NULL, 10);
        return cmocka_run_group_tests(training, setup, teardown);
    }
    return cmocka_run_group_tests(tests, setup, teardown);
}

/* PPM and its machinery on problems with known answers: fixed point, zero prior gradient, order of updates, resume,
 * replay. */
#include "solve/toy.h"

#include "solve/phases.h"

#include <stdio.h>
#include <unistd.h>

static int setup(void **state) {
    return test_device_setup(state);
}
static int teardown(void **state) {
    return test_device_teardown(state);
}

/* Prior N(0, I) in two dimensions, y = x + n. */
typedef struct gaussian {
    pnb_prior *prior;
    pnb_operator *op;
    float y[2];
    pnb_task task;
} gaussian;

static void make(gaussian *p, pnb_gpu *gpu, pnb_error *err, double sigma) {
    double one = 1, zero[2] = {0}, unit[4] = {1, 0, 0, 1};
    TEST_OK(err, pnb_prior_create_gmm(err, 2, 1, &one, zero, unit, &p->prior));
    TEST_OK(err, pnb_prior_commit(p->prior, gpu));
    p->op = toy_operator(gpu, err, "identity", "{}", pnb_shape1(2));
    p->y[0] = 1;
    p->y[1] = -0.5f;
    p->task = (pnb_task){.gpu = gpu, .prior = p->prior, .op = p->op, .y = p->y, .sigma_y = sigma, .seed = 3};
}

static void finish(gaussian *p, pnb_gpu *gpu) {
    pnb_operator_destroy(&p->op, gpu);
    pnb_prior_destroy(&p->prior, gpu);
}

static void moments(const float *x, uint32_t k, uint32_t dim, uint32_t i, double *mean, double *variance) {
    *mean = *variance = 0;
    for (uint32_t j = 0; j < k; j++) *mean += x[j * dim + i] / k;
    for (uint32_t j = 0; j < k; j++) *variance += pow(x[j * dim + i] - *mean, 2) / (k - 1);
}

/* algorithms.md section 8, test 3: mean y/(1+sigma^2), variance sigma^2/(1+sigma^2). */
static void expect_fixed_point(void **state, const char *widen) {
    pnb_gpu *gpu = test_gpu(state);
    pnb_error *err = test_err(state);
    gaussian p;
    make(&p, gpu, err, 0.5);
    const char *options[] = {"particles", "256", "steps", "600", "finish", "none", "widen", widen, NULL};
    pnb_solver *s = toy_solver(err, "ppm", &p.task, options);
    static float x[512];
    toy_run(err, s);
    TEST_OK(err, pnb_solver_samples(s, x));
    for (uint32_t i = 0; i < 2; i++) {
        double mean, variance;
        moments(x, 256, 2, i, &mean, &variance);
        if (fabs(mean - p.y[i] / 1.25) > 0.06) fail_msg("mean %f, expected %f", mean, p.y[i] / 1.25);
        if (fabs(variance / 0.2 - 1) > 0.25) fail_msg("variance %f, expected 0.2", variance);
    }
    pnb_solver_destroy(&s);
    finish(&p, gpu);
}

static void test_posterior_fixed_point(void **state) {
    expect_fixed_point(state, "0");
}

/* The way there is another, the end is the same. */
static void test_widened_data_term_ends_at_the_posterior(void **state) {
    expect_fixed_point(state, "1");
}

/* While the adapter's last layer is zero, theta and phi agree bitwise: the prior term is exactly zero (section 8, test
 * 4). With no data term the particles then do not move at all. */
static void test_zero_adapter_gives_zero_prior_gradient(void **state) {
    pnb_gpu *gpu = test_gpu(state);
    pnb_error *err = test_err(state);
    gaussian p;
    make(&p, gpu, err, 0.5);
    const char *options[] = {"particles",   "64", "steps",      "3", "aux_lr", "0",
                             "data_weight", "0",  "aux_warmup", "0", "finish", "none", NULL};
    pnb_solver *s = toy_solver(err, "ppm", &p.task, options);
    float before[128], after[128];
    TEST_OK(err, pnb_solver_samples(s, before));
    toy_run(err, s);
    TEST_OK(err, pnb_solver_samples(s, after));
    assert_memory_equal(before, after, sizeof before);
    pnb_losses l;
    TEST_OK(err, pnb_solver_losses(s, &l));
    assert_true(l.prior == 0);
    pnb_solver_destroy(&s);
    finish(&p, gpu);
}

/* With a frozen adapter, fused and alternating see the same draws and must agree (section 8, test 7). */
static void test_orders_agree_while_adapter_is_frozen(void **state) {
    pnb_gpu *gpu = test_gpu(state);
    pnb_error *err = test_err(state);
    gaussian p;
    make(&p, gpu, err, 0.5);
    const char *common[] = {"particles", "32",        "steps", "5",     "aux_lr", "0", "aux_warmup",
                            "0",         "aux_steps", "1",     "order", "fused",  NULL};
    float x[2][64];
    for (int i = 0; i < 2; i++) {
        common[11] = i ? "alternating" : "fused";
        pnb_solver *s = toy_solver(err, "ppm", &p.task, common);
        toy_run(err, s);
        TEST_OK(err, pnb_solver_samples(s, x[i]));
        pnb_solver_destroy(&s);
    }
    assert_memory_equal(x[0], x[1], sizeof x[0]);
    finish(&p, gpu);
}

/* Particles after a few steps with these options. */
static void after_steps(pnb_error *err, const pnb_task *task, const char *const *options, float *x) {
    pnb_solver *s = toy_solver(err, "ppm", task, options);
    toy_run(err, s);
    TEST_OK(err, pnb_solver_samples(s, x));
    pnb_solver_destroy(&s);
}

/* A network equal to the prior exerts no force by any distance or weight (section 8, test 4); a trained one does, and
 * each its own. */
static void test_distances_and_weights(void **state) {
    static const char *const choices[][2] = {{"distance", "l2"},
                                             {"distance", "pseudo_huber"},
                                             {"distance", "pseudo_huber_pixel"},
                                             {"distance", "log_cosh"},
                                             {"distance", "power"},
                                             {"alpha", "1.2"},
                                             {"weight", "constant"},
                                             {"weight", "inv_snr"},
                                             {"weight", "sqrt"},
                                             {"weight", "square"},
                                             {"weight", "clip"},
                                             {"weight", "log"},
                                             {"weight", "variance"},
                                             {"weight", "sid"}};
    enum { N = sizeof choices / sizeof *choices };
    pnb_gpu *gpu = test_gpu(state);
    pnb_error *err = test_err(state);
    static float start[32], still[N][32], moved[N][32];
    gaussian p;
    make(&p, gpu, err, 0.5);
    pnb_solver *s = toy_solver(err, "ppm", &p.task, (const char *const[]){"particles", "16", NULL});
    TEST_OK(err, pnb_solver_samples(s, start));
    pnb_solver_destroy(&s);
    for (int i = 0; i < N; i++) {
        const char *options[] = {"particles",  "16", "steps",       "4",           "data_weight", "0", "exchange", "0",
                                 "aux_warmup", "0",  choices[i][0], choices[i][1], "aux_lr",      "0", "finish", "none", NULL};
        after_steps(err, &p.task, options, still[i]);
        assert_memory_equal(still[i], start, sizeof start);
        options[13] = "0.01";
        after_steps(err, &p.task, options, moved[i]);
        for (int k = 0; k < i; k++) assert_memory_not_equal(moved[i], moved[k], sizeof start);
    }
    finish(&p, gpu);
}

/* What is measured without noise is met to rounding, by the finish too. */
static void test_projection(void **state) {
    pnb_gpu *gpu = test_gpu(state);
    pnb_error *err = test_err(state);
    gaussian p;
    make(&p, gpu, err, 0);
    pnb_operator *line = toy_operator(gpu, err, "matrix", "{\"matrix\":[[1,0.5]]}", pnb_shape1(2));
    pnb_task task = p.task;
    float y = 0.8f, x[16];
    task.op = line;
    task.y = &y;
    after_steps(err, &task,
                (const char *const[]){"particles", "8", "steps", "6", "project", "true", "finish", "langevin",
                                      "finish_steps", "5", NULL},
                x);
    for (int i = 0; i < 8; i++) assert_true(fabs((double)x[2 * i] + 0.5 * (double)x[2 * i + 1] - 0.8) < 1e-5);
    pnb_operator_destroy(&line, gpu);
    finish(&p, gpu);
}

/* preset: the defaults of the rest, what is given stays. */
static void test_paper_preset(void **state) {
    pnb_gpu *gpu = test_gpu(state);
    pnb_error *err = test_err(state);
    const pnb_method *m = pnb_method_find("ppm");
    gaussian p;
    make(&p, gpu, err, 0.5);
    void *o = toy_options(err, m, &p.task, (const char *const[]){"preset", "paper", "lr", "0.03", NULL});
    static const struct {
        const char *name;
        double value;
    } want[] = {{"order", 1},  {"weight", 1}, {"t_order", 1},  {"lr", 0.03},
                {"anneal", 0}, {"finish", 0}, {"exchange", 0}, {"aux_steps", 1}};
    for (size_t i = 0; i < sizeof want / sizeof *want; i++) {
        double found = pnb_options_get(pnb_options_find(&m->table, want[i].name), o);
        if (found != want[i].value) fail_msg("%s is %g, expected %g", want[i].name, found, want[i].value);
    }
    free(o);
    finish(&p, gpu);
}

static void test_refusals(void **state) {
    pnb_gpu *gpu = test_gpu(state);
    pnb_error *err = test_err(state);
    const pnb_method *m = pnb_method_find("ppm");
    gaussian p;
    make(&p, gpu, err, 0.5);
    void *o = toy_options(err, m, &p.task, (const char *const[]){"distance", "power", "alpha", "1", NULL});
    assert_int_equal(m->check(err, &p.task, o), PNB_ERROR_INPUT);
    assert_string_equal(err->message, "ppm: alpha 1 belongs to distance l2, found power; leave one of them");
    free(o);
    finish(&p, gpu);
}

static void run_to(pnb_error *err, pnb_solver *s, uint32_t step) {
    while (pnb_solver_step_index(s) < step) TEST_OK(err, pnb_solver_step(s));
}

static void check_refused(pnb_error *err, const pnb_task *task, const char *const *options, const char *path) {
    pnb_solver *s = toy_solver(err, "ppm", task, options);
    assert_int_equal(pnb_solver_load(s, path), PNB_ERROR_INPUT);
    assert_non_null(strstr(err->message, "another problem"));
    pnb_solver_destroy(&s);
}

static void resume(void **state, const char *kind) {
    pnb_gpu *gpu = test_gpu(state);
    pnb_error *err = test_err(state);
    gaussian p;
    make(&p, gpu, err, 0.5);
    const char *options[] = {"particles", "16", "steps", "12", "finish", kind, "finish_steps", "6", NULL};
    char path[] = "/tmp/pnb-test-checkpoint-XXXXXX";
    int file = mkstemp(path);
    assert_true(file >= 0);
    close(file);
    float whole[32], twice[32], resumed[32];
    pnb_solver *s = toy_solver(err, "ppm", &p.task, options);
    toy_run(err, s);
    TEST_OK(err, pnb_solver_samples(s, whole));
    pnb_solver_destroy(&s);
    s = toy_solver(err, "ppm", &p.task, options);
    run_to(err, s, 7);
    TEST_OK(err, pnb_solver_save(s, path));
    toy_run(err, s);
    TEST_OK(err, pnb_solver_samples(s, twice));
    assert_memory_equal(whole, twice, sizeof whole);
    pnb_solver_destroy(&s);
    s = toy_solver(err, "ppm", &p.task, options);
    TEST_OK(err, pnb_solver_load(s, path));
    assert_int_equal(pnb_solver_step_index(s), 7);
    toy_run(err, s);
    TEST_OK(err, pnb_solver_samples(s, resumed));
    assert_memory_equal(whole, resumed, sizeof whole);
    pnb_solver_destroy(&s);
    pnb_task other = p.task; /* another seed, prior of the same shape, operator of the same shape: refused */
    other.seed++;
    check_refused(err, &other, options, path);
    other = p.task;
    double one = 1, mean[2] = {0, 1e-3}, unit[4] = {1, 0, 0, 1};
    TEST_OK(err, pnb_prior_create_gmm(err, 2, 1, &one, mean, unit, &other.prior));
    TEST_OK(err, pnb_prior_commit(other.prior, gpu));
    check_refused(err, &other, options, path);
    pnb_prior_destroy(&other.prior, gpu);
    other = p.task;
    other.op = toy_operator(gpu, err, "matrix", "{\"matrix\": [[1, 0], [0, 1]]}", pnb_shape1(2));
    check_refused(err, &other, options, path);
    pnb_operator_destroy(&other.op, gpu);
    unlink(path);
    finish(&p, gpu);
}

static void test_same_seed_same_bytes_and_resume(void **state) {
    resume(state, "langevin");
    resume(state, "pigdm");
}

/* Point 10 of the engine's promises: after the first step nothing is allocated, recorded or built. */
static void test_steps_are_replays(void **state) {
    pnb_gpu *gpu = test_gpu(state);
    pnb_error *err = test_err(state);
    gaussian p;
    make(&p, gpu, err, 0.5);
    const char *options[] = {"particles", "16", "steps", "20", NULL};
    pnb_solver *s = toy_solver(err, "ppm", &p.task, options);
    run_to(err, s, 1);
    TEST_OK(err, pnb_gpu_wait(gpu));
    pnb_gpu_stats a = pnb_gpu_get_stats(gpu);
    toy_run(err, s);
    TEST_OK(err, pnb_gpu_wait(gpu));
    pnb_gpu_stats b = pnb_gpu_get_stats(gpu);
    assert_int_equal(a.allocations, b.allocations);
    assert_int_equal(a.kernels_created, b.kernels_created);
    assert_int_equal(a.lists_recorded, b.lists_recorded);
    assert_true(b.submissions > a.submissions);
    pnb_solver_destroy(&s);
    finish(&p, gpu);
}

static void test_steps_end(void **state) {
    pnb_gpu *gpu = test_gpu(state);
    pnb_error *err = test_err(state);
    gaussian p;
    make(&p, gpu, err, 0.5);
    const char *options[] = {"particles", "2", "steps", "2", NULL};
    pnb_solver *s = toy_solver(err, "reddiff", &p.task, options);
    toy_run(err, s);
    assert_int_equal(pnb_solver_step(s), PNB_ERROR_USAGE);
    assert_string_equal(err->message, "reddiff: all 2 steps are done");
    float x[4];
    assert_int_equal(pnb_solver_samples_before_finish(s, x), PNB_ERROR_USAGE);
    pnb_solver_destroy(&s);
    finish(&p, gpu);
}

/* The Gaussian posterior of the problem is N(y/1.25, 0.2). */
static void expect_posterior(void **state, const char *method, const char *const *options) {
    pnb_gpu *gpu = test_gpu(state);
    pnb_error *err = test_err(state);
    gaussian p;
    make(&p, gpu, err, 0.5);
    pnb_solver *s = toy_solver(err, method, &p.task, options);
    static float x[1024];
    toy_run(err, s);
    TEST_OK(err, pnb_solver_samples(s, x));
    for (uint32_t i = 0; i < 2; i++) {
        double mean, variance;
        moments(x, 512, 2, i, &mean, &variance);
        if (fabs(mean - p.y[i] / 1.25) > 0.08) fail_msg("mean %f, expected %f", mean, p.y[i] / 1.25);
        if (fabs(variance / 0.2 - 1) > 0.25) fail_msg("variance %f, expected 0.2", variance);
    }
    pnb_solver_destroy(&s);
    finish(&p, gpu);
}

/* From a far start, at a small level. */
static void test_langevin_posterior(void **state) {
    const char *options[] = {"particles", "512", "steps", "400", "rho", "0.3", "init_std", "1", NULL};
    expect_posterior(state, "langevin", options);
}

/* From a very far start, at levels that fall from the prior's own width to a tenth of the posterior's. */
static void test_annealed_langevin_posterior(void **state) {
    const char *options[] = {"particles", "512", "steps",    "400", "rho", "0.05",
                             "rho_start", "2",   "init_std", "4",   NULL};
    expect_posterior(state, "langevin", options);
}

/* Whatever the matching did in its two steps: the finishes start from levels far above the posterior's width. */
static void test_finishes(void **state) {
    static const char *const kinds[][4] = {{"langevin", "finish_steps", "400"},
                                           {"pigdm", "finish_covariance", "isotropic"},
                                           {"pigdm", "finish_covariance", "jacobian"}};
    for (int i = 0; i < 3; i++) {
        const char *options[] = {"particles", "512", "steps",       "2",         "finish",      kinds[i][0],
                                 "finish_rho_start", "6", kinds[i][1], kinds[i][2], NULL};
        expect_posterior(state, "ppm", options);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_distances_and_weights),
        cmocka_unit_test(test_projection),
        cmocka_unit_test(test_paper_preset),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_posterior_fixed_point),
        cmocka_unit_test(test_widened_data_term_ends_at_the_posterior),
        cmocka_unit_test(test_zero_adapter_gives_zero_prior_gradient),
        cmocka_unit_test(test_orders_agree_while_adapter_is_frozen),
        cmocka_unit_test(test_same_seed_same_bytes_and_resume),
        cmocka_unit_test(test_steps_are_replays),
        cmocka_unit_test(test_steps_end),
        cmocka_unit_test(test_langevin_posterior),
        cmocka_unit_test(test_annealed_langevin_posterior),
        cmocka_unit_test(test_finishes),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}

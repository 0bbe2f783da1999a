/* The trainer: the loss falls, the running mean runs, a saved run goes on to the same bytes and only in its own place. */
#include "device.h"
#include "folder.h"

#include "base/philox.h"
#include "train/trainer.h"

#include <math.h>
#include <string.h>

enum { IMAGES = 24, SIZE = 8, PIXELS = SIZE * SIZE };

/* A trainer of blobs at random places, of the smallest network. */
typedef struct subject {
    pnb_prior *prior, *average;
    pnb_images images, held;
    pnb_trainer *trainer;
} subject;

static pnb_images blobs(uint64_t seed, uint64_t n) {
    pnb_images im = {.data = malloc(n * PIXELS * sizeof(float)), .n = n, .channels = 1, .size = SIZE};
    assert_non_null(im.data);
    for (uint64_t k = 0; k < n; k++) {
        float at[2];
        pnb_fill_uniform(seed, 0, (uint32_t)k, 0, at, 2);
        for (int i = 0; i < PIXELS; i++) {
            float y = (float)(i / SIZE) - 2 - 4 * at[0], x = (float)(i % SIZE) - 2 - 4 * at[1];
            im.data[k * PIXELS + (uint64_t)i] = 2 * expf(-0.4f * (x * x + y * y)) - 1;
        }
    }
    return im;
}

static pnb_train_options options_of(int32_t steps) {
    pnb_train_options o;
    pnb_options_defaults(&pnb_train_table, &o);
    o.steps = steps;
    o.batch = 4;
    o.lr = 2e-3;
    o.zoom_low = 0.9;
    return o;
}

static subject make(void **state, const pnb_train_options *o) {
    pnb_error *err = test_err(state);
    subject s = {.images = blobs(1, IMAGES), .held = blobs(2, 6)};
    TEST_OK(err, pnb_prior_create_fresh(err, pnb_fresh_find("tiny"), 1, SIZE, 5, &s.prior));
    TEST_OK(err, pnb_prior_create_fresh(err, pnb_fresh_find("tiny"), 1, SIZE, 5, &s.average));
    pnb_train_task task = {test_gpu(state), s.prior, s.average, &s.images, &s.held, 11, 0};
    TEST_OK(err, pnb_trainer_create(err, &task, o, &s.trainer));
    pnb_images_free(&s.images);
    pnb_images_free(&s.held);
    return s;
}

static void finish(void **state, subject *s) {
    pnb_trainer_destroy(&s->trainer);
    pnb_prior_destroy(&s->prior, test_gpu(state));
    pnb_prior_destroy(&s->average, test_gpu(state));
}

static void run_to(void **state, subject *s, uint32_t step) {
    while (pnb_trainer_step_index(s->trainer) < step) TEST_OK(test_err(state), pnb_trainer_step(s->trainer));
    TEST_OK(test_err(state), pnb_gpu_wait(test_gpu(state)));
}

/* All weights of a prior; to be freed. */
static float *weights(void **state, pnb_prior *p, size_t *count) {
    float *all = malloc(pnb_prior_parameters(p) * sizeof *all);
    pnb_store *store = pnb_prior_store(p);
    assert_non_null(all);
    *count = 0;
    for (size_t i = 0; i < pnb_store_count(store); i++) {
        pnb_storage *t = pnb_store_at(store, i);
        uint64_t n = pnb_shape_count(pnb_storage_shape(t));
        TEST_OK(test_err(state), pnb_storage_read(t, test_gpu(state), all + *count, n));
        *count += n;
    }
    return all;
}

static void test_learns(void **state) {
    pnb_train_options o = options_of(40);
    subject s = make(state, &o);
    double first, last, norm, held, again;
    run_to(state, &s, 1);
    TEST_OK(test_err(state), pnb_trainer_loss(s.trainer, &first, &norm));
    assert_true(fabs(first - 1) < 0.3); /* the network begins as 0 */
    assert_true(norm > 0);
    TEST_OK(test_err(state), pnb_trainer_validate(s.trainer, &held));
    TEST_OK(test_err(state), pnb_trainer_validate(s.trainer, &again));
    assert_true(held == again); /* the same noise each time */
    run_to(state, &s, 40);
    TEST_OK(test_err(state), pnb_trainer_loss(s.trainer, &last, NULL));
    TEST_OK(test_err(state), pnb_trainer_validate(s.trainer, &again));
    assert_true(last < 0.6 * first);
    assert_true(again < 0.8 * held);
    assert_int_equal(pnb_trainer_step(s.trainer), PNB_ERROR_USAGE);
    finish(state, &s);
}

/* After one step the mean has gone 1 - 2/11 of the way from the first weights to the new ones; Adam's first step is lr. */
static void test_first_step(void **state) {
    pnb_train_options o = options_of(1);
    subject s = make(state, &o);
    size_t n;
    float *before = weights(state, s.prior, &n), *after, *mean;
    run_to(state, &s, 1);
    after = weights(state, s.prior, &n);
    mean = weights(state, s.average, &n);
    size_t moved = 0;
    for (size_t i = 0; i < n; i++) {
        double step = (double)(after[i] - before[i]), way = (double)(mean[i] - before[i]);
        assert_true(fabs(step) < 1.01 * o.lr + 1e-7);
        assert_true(fabs(way - step * 9 / 11) < 1e-6);
        moved += fabs(step) > 0.9 * o.lr;
    }
    assert_true(moved > 0);
    free(before);
    free(after);
    free(mean);
    finish(state, &s);
}

static void test_same_bytes(void **state) {
    pnb_train_options o = options_of(6), other = options_of(7);
    pnb_error *err = test_err(state);
    subject whole = make(state, &o), half = make(state, &o);
    char path[64];
    size_t n;
    snprintf(path, sizeof path, "%s/state", folder);
    run_to(state, &whole, 6);
    run_to(state, &half, 3);
    TEST_OK(err, pnb_trainer_save(half.trainer, path));
    finish(state, &half);
    half = make(state, &o);
    TEST_OK(err, pnb_trainer_load(half.trainer, path));
    assert_int_equal(pnb_trainer_step_index(half.trainer), 3);
    run_to(state, &half, 6);
    pnb_prior *pairs[2][2] = {{whole.prior, half.prior}, {whole.average, half.average}};
    for (int i = 0; i < 2; i++) {
        float *a = weights(state, pairs[i][0], &n), *b = weights(state, pairs[i][1], &n);
        assert_memory_equal(a, b, n * sizeof *a);
        free(a);
        free(b);
    }
    finish(state, &half);
    half = make(state, &other);
    assert_int_equal(pnb_trainer_load(half.trainer, path), PNB_ERROR_INPUT);
    assert_non_null(strstr(err->message, "other images, options"));
    finish(state, &half);
    finish(state, &whole);
}

static void test_refusals(void **state) {
    pnb_error *err = test_err(state);
    pnb_prior *p = NULL;
    assert_int_equal(pnb_prior_create_fresh(err, pnb_fresh_find("tiny"), 1, 15, 1, &p), PNB_ERROR_INPUT);
    assert_null(p);
    assert_null(pnb_fresh_find("enormous"));
    double one = 1, zero = 0;
    TEST_OK(err, pnb_prior_create_gmm(err, 1, 1, &one, &zero, &one, &p));
    assert_int_equal(pnb_prior_make_trainable(p, 0), PNB_ERROR_MODEL);
    pnb_prior_destroy(&p, NULL);
}

/* What is saved loads again as the same network, and says what it is. */
static void test_saved_prior(void **state) {
    pnb_error *err = test_err(state);
    pnb_prior *p, *again;
    char path[64];
    float a[32], b[32];
    TEST_OK(err, pnb_prior_create_fresh(err, pnb_fresh_find("small"), 3, 16, 5, &p));
    TEST_OK(err, pnb_prior_commit(p, test_gpu(state)));
    snprintf(path, sizeof path, "%s/p.safetensors", folder);
    TEST_OK(err, pnb_prior_save(p, test_gpu(state), path, false, (pnb_safetensors_pair[]){{"fov_uas", "160"}}, 1));
    TEST_OK(err, pnb_prior_load(err, path, &again));
    assert_string_equal(pnb_prior_describe(again), pnb_prior_describe(p));
    assert_int_equal(pnb_prior_size_hint(again), 16);
    assert_int_equal(pnb_prior_parameters(again), pnb_prior_parameters(p));
    TEST_OK(err, pnb_prior_commit(again, test_gpu(state)));
    assert_int_equal(pnb_prior_hash(again), pnb_prior_hash(p));
    const char *name = "input_blocks.0.0.bias";
    TEST_OK(err, pnb_storage_read(pnb_store_find(pnb_prior_store(p), name), test_gpu(state), a, 32));
    TEST_OK(err, pnb_storage_read(pnb_store_find(pnb_prior_store(again), name), test_gpu(state), b, 32));
    assert_memory_equal(a, b, sizeof a);
    for (int i = 0; i < 32; i++) assert_true(fabsf(a[i]) <= 1 / sqrtf(27) && a[i] != 0);
    pnb_prior_destroy(&again, test_gpu(state));
    pnb_prior_destroy(&p, test_gpu(state));
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_refusals), cmocka_unit_test(test_saved_prior),
                                       cmocka_unit_test(test_first_step), cmocka_unit_test(test_same_bytes),
                                       cmocka_unit_test(test_learns)};
    if (folder_make()) return 1;
    int failures = cmocka_run_group_tests(tests, test_device_setup, test_device_teardown);
    return folder_remove() ? 1 : failures;
}

/* A Gaussian prior in two dimensions with y = x_1 + n, and generators trained on it, shared by the tests of amortised
 * methods. */
#ifndef PNB_TESTS_SOLVE_AMORTIZED_H
#define PNB_TESTS_SOLVE_AMORTIZED_H

#include "solve/toy.h"

#include "base/philox.h"

#include <stdio.h>
#include <unistd.h>

enum { AMORTIZED_Y = 512, AMORTIZED_K = 256 };

typedef struct amortized {
    pnb_prior *prior;
    pnb_operator *op;
    float y[AMORTIZED_Y];
    pnb_task task;
} amortized;

/* Prior N(0, I), measurements drawn from y = x_1 + sigma n. */
static inline void amortized_make(amortized *p, pnb_gpu *gpu, pnb_error *err, double sigma) {
    double one = 1, zero[2] = {0}, unit[4] = {1, 0, 0, 1};
    TEST_OK(err, pnb_prior_create_gmm(err, 2, 1, &one, zero, unit, &p->prior));
    TEST_OK(err, pnb_prior_commit(p->prior, gpu));
    p->op = toy_operator(gpu, err, "matrix", "{\"matrix\": [[1, 0]]}", pnb_shape1(2));
    pnb_fill_normal(5, 1, 0, 0, p->y, AMORTIZED_Y);
    for (int i = 0; i < AMORTIZED_Y; i++) p->y[i] *= (float)sqrt(1 + sigma * sigma);
    p->task = (pnb_task){.gpu = gpu,
                         .prior = p->prior,
                         .op = p->op,
                         .y = p->y,
                         .sigma_y = sigma,
                         .seed = 3,
                         .measurements = p->y,
                         .n_measurements = AMORTIZED_Y};
}

static inline void amortized_finish(amortized *p, pnb_gpu *gpu) {
    pnb_operator_destroy(&p->op, gpu);
    pnb_prior_destroy(&p->prior, gpu);
}

static inline void amortized_moments(const float *x, uint32_t i, double *mean, double *variance) {
    *mean = *variance = 0;
    for (uint32_t j = 0; j < AMORTIZED_K; j++) *mean += x[j * 2 + i] / AMORTIZED_K;
    for (uint32_t j = 0; j < AMORTIZED_K; j++) *variance += pow(x[j * 2 + i] - *mean, 2) / (AMORTIZED_K - 1);
}

/* AMORTIZED_K samples of one measurement with a generator's file. */
static inline void amortized_draw(pnb_gpu *gpu, pnb_error *err, const amortized *p, const char *path, float y,
                                  float *x) {
    pnb_safetensors *file;
    pnb_prior *network;
    pnb_solver *s;
    TEST_OK(err, pnb_prior_load(err, path, &network));
    TEST_OK(err, pnb_prior_commit(network, gpu));
    TEST_OK(err, pnb_safetensors_open(err, path, &file));
    pnb_task task = {.gpu = gpu, .prior = network, .op = p->op, .y = &y, .sigma_y = p->task.sigma_y, .seed = 8};
    TEST_OK(err, pnb_reconstructor_create(err, &task, file, AMORTIZED_K, &s));
    toy_run(err, s);
    TEST_OK(err, pnb_solver_samples(s, x));
    assert_int_equal(pnb_solver_evaluations(s), AMORTIZED_K);
    pnb_solver_destroy(&s);
    pnb_safetensors_close(file);
    pnb_prior_destroy(&network, gpu);
}

/* Trains with the method's options, and draws of n measurements with the file that comes of it: x [n, AMORTIZED_K, 2].
 */
static inline void amortized_train(pnb_gpu *gpu, pnb_error *err, const amortized *p, const char *method,
                                   const char *const *pairs, int n, const float *y, float *x) {
    char path[] = "/tmp/pnb_generator_XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    close(fd);
    pnb_solver *s = toy_solver(err, method, &p->task, pairs);
    toy_run(err, s);
    TEST_OK(err, pnb_solver_save_generator(s, path, NULL, 0));
    pnb_solver_destroy(&s);
    for (int i = 0; i < n; i++) amortized_draw(gpu, err, p, path, y[i], x + 2 * AMORTIZED_K * i);
    unlink(path);
}

#endif

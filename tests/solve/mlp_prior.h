/* The MLP prior of a toy problem, trained by the engine on exact draws of its mixture: noise-prediction loss, t uniform
 * in log-SNR, Adam with a cosine (the reference's train_prior in its sizes: 3 layers of 96, batches of 512). */
#ifndef PNB_TESTS_SOLVE_MLP_PRIOR_H
#define PNB_TESTS_SOLVE_MLP_PRIOR_H

#include "solve/toy.h"

#include "base/philox.h"
#include "io/safetensors.h"
#include "ops/ops.h"
#include "solve/phases.h"

#include <unistd.h>

enum { MLP_HIDDEN = 96, MLP_DEPTH = 3, MLP_FEATURES = 16, MLP_BATCH = 512, MLP_TENSORS = 14 };

/* The names and shapes of the MLP file format, in order: inp, hid.i, emb.i, out; weight and bias each. */
static inline void mlp_items(pnb_safetensors_item *items, char (*names)[24]) {
    for (int i = 0; i < 7; i++) {
        const char *layer[] = {"inp", "hid.0", "hid.1", "emb.0", "emb.1", "emb.2", "out"};
        uint64_t out = i == 6 ? 2 : MLP_HIDDEN, in = i == 0 ? 2 : i >= 3 && i < 6 ? MLP_FEATURES : MLP_HIDDEN;
        snprintf(names[2 * i], 24, "%s.weight", layer[i]);
        snprintf(names[2 * i + 1], 24, "%s.bias", layer[i]);
        items[2 * i] = (pnb_safetensors_item){.name = names[2 * i], .rank = 2, .shape = {out, in}};
        items[2 * i + 1] = (pnb_safetensors_item){.name = names[2 * i + 1], .rank = 1, .shape = {out}};
    }
}

static inline uint64_t mlp_count(const pnb_safetensors_item *item) {
    return item->rank == 2 ? item->shape[0] * item->shape[1] : item->shape[0];
}

static inline void mlp_write(pnb_error *err, const char *path, pnb_dtype dtype, float *const *values) {
    pnb_safetensors_item items[MLP_TENSORS];
    char names[MLP_TENSORS][24];
    pnb_safetensors_pair meta = {"architecture", "mlp"};
    mlp_items(items, names);
    for (int i = 0; i < MLP_TENSORS; i++) items[i].data = values[i];
    TEST_OK(err, pnb_safetensors_write(err, path, dtype, items, MLP_TENSORS, &meta, 1));
}

/* A committed prior of these values, by way of a file. */
static inline pnb_prior *mlp_load(pnb_gpu *gpu, pnb_error *err, float *const *values) {
    char path[] = "/tmp/pnb-test-mlp-XXXXXX";
    int file = mkstemp(path);
    pnb_prior *prior;
    assert_true(file >= 0);
    close(file);
    mlp_write(err, path, PNB_F32, values);
    TEST_OK(err, pnb_prior_load(err, path, &prior));
    unlink(path);
    TEST_OK(err, pnb_prior_commit(prior, gpu));
    return prior;
}

typedef struct mlp_trainer {
    pnb_store *store;
    pnb_storage *x, *state, *table, *schedule, *moments[2 * MLP_TENSORS];
    pnb_program *step;
    pnb_adapter *net;
} mlp_trainer;

static inline void mlp_step_graph(mlp_trainer *m, pnb_prior *start, pnb_error *err, pnb_graph *g) {
    pnb_tensor state, table, schedule, x, noise, xt, eps, r, w[MLP_TENSORS], grad[MLP_TENSORS], mom[2];
    pnb_levels levels;
    pnb_adam adam = {.beta1 = 0.9f, .beta2 = 0.999f, .eps = 1e-8f, .gscale = 2.0f / MLP_BATCH, .lr_index = PNB_STATE_LR};
    pnb_advance advance = {PNB_ADVANCE_STEP | PNB_ADVANCE_DRAW | PNB_ADVANCE_ADAM, 0.9f, 0.999f, 0.9f, 0.999f};
    TEST_OK(err, pnb_graph_bind(g, m->state, &state));
    TEST_OK(err, pnb_graph_bind(g, m->table, &table));
    TEST_OK(err, pnb_graph_bind(g, m->schedule, &schedule));
    TEST_OK(err, pnb_graph_bind(g, m->x, &x));
    TEST_OK(err, pnb_step_state_advance(g, state, table, advance));
    TEST_OK(err, pnb_draw_levels(g, state, schedule,
                                 (pnb_level_params){.count = MLP_BATCH, .seed = 1, .stream = 1, .weight = 1}, &levels));
    TEST_OK(err, pnb_noise_normal(g, pnb_shape2(MLP_BATCH, 2), 1, 2, state, PNB_STATE_DRAW, &noise));
    TEST_OK(err, pnb_axpby(g, 1, levels.level.alpha, x, 1, levels.level.sigma, noise, &xt));
    pnb_eps_params q = {.label = PNB_NONE, .adapter = m->net};
    TEST_OK(err, pnb_prior_eps(start, g, xt, levels.level, &q, &eps));
    TEST_OK(err, pnb_sub(g, eps, noise, &r));
    for (int i = 0; i < MLP_TENSORS; i++)
        TEST_OK(err, pnb_graph_bind(g, pnb_store_at(pnb_adapter_store(m->net), (size_t)i), &w[i]));
    TEST_OK(err, pnb_graph_grad(g, &eps, &r, 1, w, MLP_TENSORS, grad));
    for (int i = 0; i < MLP_TENSORS; i++) {
        for (int k = 0; k < 2; k++) TEST_OK(err, pnb_graph_bind(g, m->moments[2 * i + k], &mom[k]));
        TEST_OK(err, pnb_adam_step(g, w[i], mom[0], mom[1], grad[i], state, adam));
    }
}

static inline void mlp_describe(mlp_trainer *m, pnb_prior *start, pnb_gpu *gpu, pnb_error *err, uint32_t steps) {
    float state[PNB_STATE_SIZE], *rows = calloc((size_t)steps * PNB_ROW_SIZE, sizeof *rows);
    assert_non_null(rows);
    for (uint32_t i = 0; i < steps; i++) {
        rows[i * PNB_ROW_SIZE + PNB_ROW_LR] = (float)pnb_hold_cosine(3e-3, i, steps, 0, 0.003);
        rows[i * PNB_ROW_SIZE + PNB_ROW_LAMBDA_FINE] = (float)(-2 * log(0.01));
        rows[i * PNB_ROW_SIZE + PNB_ROW_LAMBDA_COARSE] = (float)(-2 * log(150));
    }
    pnb_step_state_initial(state);
    TEST_OK(err, pnb_store_create(err, "trainer", &m->store));
    TEST_OK(err, pnb_store_add(m->store, "x", pnb_shape2(MLP_BATCH, 2), PNB_STORAGE_VARIABLE, &m->x));
    TEST_OK(err, pnb_store_add(m->store, "state", pnb_shape1(PNB_STATE_SIZE), PNB_STORAGE_VARIABLE, &m->state));
    TEST_OK(err, pnb_store_add(m->store, "table", pnb_shape2(steps, PNB_ROW_SIZE), PNB_STORAGE_FROZEN, &m->table));
    TEST_OK(err, pnb_schedule_table_add(m->store, pnb_prior_schedule(start), &m->schedule));
    for (int i = 0; i < 2 * MLP_TENSORS; i++) {
        char name[24];
        snprintf(name, sizeof name, "moment.%d", i);
        pnb_shape shape = pnb_storage_shape(pnb_store_at(pnb_adapter_store(m->net), (size_t)i / 2));
        TEST_OK(err, pnb_store_add(m->store, name, shape, PNB_STORAGE_VARIABLE, &m->moments[i]));
    }
    TEST_OK(err, pnb_store_commit(m->store, gpu));
    TEST_OK(err, pnb_storage_write(m->table, gpu, rows, (uint64_t)steps * PNB_ROW_SIZE));
    TEST_OK(err, pnb_storage_write(m->state, gpu, state, PNB_STATE_SIZE));
    TEST_OK(err, pnb_schedule_table_write(m->schedule, gpu, pnb_prior_schedule(start), err));
    free(rows);
}

static inline void mlp_train(mlp_trainer *m, const pnb_gmm *mixture, pnb_gpu *gpu, pnb_error *err, uint32_t steps) {
    static double drawn[2 * MLP_BATCH];
    float batch[2 * MLP_BATCH];
    for (uint32_t i = 0; i < steps; i++) {
        TEST_OK(err, pnb_gmm_sample(err, mixture, 77, i, MLP_BATCH, drawn));
        for (int k = 0; k < 2 * MLP_BATCH; k++) batch[k] = (float)drawn[k];
        TEST_OK(err, pnb_storage_write(m->x, gpu, batch, 2 * MLP_BATCH));
        TEST_OK(err, pnb_program_run(m->step));
    }
    TEST_OK(err, pnb_gpu_wait(gpu));
}

/* Where the tests keep the MLP prior of a toy problem. */
static inline void toy_mlp_path(const char *name, char path[512]) {
    snprintf(path, 512, "%s/tests/solve/priors/%s.safetensors", PNB_SOURCE_DIR, name);
}

/* U(-1/sqrt(fan_in), 1/sqrt(fan_in)), a bias with its weight's fan-in; three times that where x enters, for modes far
 * smaller than the mixture. */
static inline void mlp_start(const pnb_safetensors_item *items, float **values) {
    for (int i = 0; i < MLP_TENSORS; i++) {
        uint64_t fan_in = items[i & ~1].shape[1], n = mlp_count(&items[i]);
        float bound = (i == 0 ? 3 : 1) / sqrtf((float)fan_in);
        values[i] = malloc(n * sizeof *values[i]);
        assert_non_null(values[i]);
        pnb_fill_uniform(5, (uint32_t)i, 0, 0, values[i], n);
        for (uint64_t k = 0; k < n; k++) values[i][k] = bound * (2 * values[i][k] - 1);
    }
}

/* Trains the MLP prior of a toy problem and writes its file: minutes, so the tests read what this wrote. */
static inline void toy_mlp_train(pnb_gpu *gpu, pnb_error *err, const toy *t, uint32_t steps) {
    pnb_safetensors_item items[MLP_TENSORS];
    char names[MLP_TENSORS][24], path[512];
    float *values[MLP_TENSORS];
    mlp_trainer m = {0};
    pnb_gmm mixture;
    pnb_graph *g;
    TEST_OK(err, pnb_gmm_init(err, 2, t->n, t->weights, t->means, t->covariances, &mixture));
    mlp_items(items, names);
    mlp_start(items, values);
    pnb_prior *start = mlp_load(gpu, err, values);
    TEST_OK(err, pnb_adapter_create(err, start, &(pnb_adapter_params){.rank = 1, .scale = 1, .hidden = 1, .depth = 1},
                                    &m.net));
    TEST_OK(err, pnb_adapter_commit(m.net, gpu));
    mlp_describe(&m, start, gpu, err, steps);
    TEST_OK(err, pnb_graph_create(err, gpu, "train the toy prior", &g));
    mlp_step_graph(&m, start, err, g);
    TEST_OK(err, pnb_program_create(g, gpu, NULL, &m.step));
    pnb_graph_destroy(&g);
    mlp_train(&m, &mixture, gpu, err, steps);
    for (int i = 0; i < MLP_TENSORS; i++) {
        pnb_storage *s = pnb_store_find(pnb_adapter_store(m.net), names[i]);
        assert_non_null(s);
        TEST_OK(err, pnb_storage_read(s, gpu, values[i], mlp_count(&items[i])));
    }
    toy_mlp_path(t->name, path);
    mlp_write(err, path, PNB_F16, values);
    for (int i = 0; i < MLP_TENSORS; i++) free(values[i]);
    pnb_program_destroy(&m.step);
    pnb_adapter_destroy(&m.net, gpu);
    pnb_store_destroy(&m.store, gpu);
    pnb_prior_destroy(&start, gpu);
    pnb_gmm_finish(&mixture);
}

#endif

/* What the tests of networks share: a graph over inputs given as arrays, run once, and random ADM networks in files.
 * Include after device.h. */
#ifndef PNB_TESTS_PRIOR_RIG_H
#define PNB_TESTS_PRIOR_RIG_H

#include <math.h>
#include <string.h>
#include <unistd.h>

#include "base/philox.h"
#include "io/safetensors.h"
#include "ops/ops.h"
#include "prior/adm_config.h"
#include "prior/prior.h"

typedef struct rig {
    pnb_gpu *gpu;
    pnb_error *err;
    pnb_store *store;
    pnb_graph *g;
    pnb_program *program;
} rig;

static inline rig rig_open(void **state) {
    rig r = {.gpu = test_gpu(state), .err = test_err(state)};
    TEST_OK(r.err, pnb_store_create(r.err, "inputs", &r.store));
    TEST_OK(r.err, pnb_graph_create(r.err, r.gpu, "test", &r.g));
    return r;
}

static inline pnb_storage *rig_storage(rig *r, const char *name, pnb_shape shape, const float *values) {
    pnb_storage *s;
    TEST_OK(r->err, pnb_store_add(r->store, name, shape, PNB_STORAGE_VARIABLE, &s));
    TEST_OK(r->err, pnb_store_commit(r->store, r->gpu));
    TEST_OK(r->err, pnb_storage_write(s, r->gpu, values, pnb_shape_count(shape)));
    return s;
}

static inline pnb_tensor rig_input(rig *r, const char *name, pnb_shape shape, const float *values) {
    pnb_tensor t;
    TEST_OK(r->err, pnb_graph_bind(r->g, rig_storage(r, name, shape, values), &t));
    return t;
}

/* N(0,1), the same for the same seed; to be freed. */
static inline float *rig_normal(uint64_t seed, uint64_t count) {
    float *values = malloc(count * sizeof *values);
    assert_non_null(values);
    pnb_fill_normal(seed, 9, 0, 0, values, count);
    return values;
}

static inline pnb_tensor rig_normal_input(rig *r, const char *name, pnb_shape shape, uint64_t seed) {
    float *values = rig_normal(seed, pnb_shape_count(shape));
    pnb_tensor t = rig_input(r, name, shape, values);
    free(values);
    return t;
}

/* A level of n samples at schedule indices t. */
static inline pnb_level rig_level(rig *r, const pnb_schedule *s, const uint32_t *t, uint32_t n) {
    float index[64], alpha[64], sigma[64];
    for (uint32_t i = 0; i < n; i++) {
        index[i] = (float)t[i];
        alpha[i] = (float)s->alpha[t[i]];
        sigma[i] = (float)s->sigma[t[i]];
    }
    return (pnb_level){.t = rig_input(r, "t", pnb_shape1(n), index),
                       .alpha = rig_input(r, "alpha", pnb_shape1(n), alpha),
                       .sigma = rig_input(r, "sigma", pnb_shape1(n), sigma)};
}

static inline void rig_output(rig *r, pnb_tensor t) {
    TEST_OK(r->err, pnb_graph_output(r->g, t));
}

/* Makes the program at the first call, then replays it. */
static inline void rig_run(rig *r) {
    if (!r->program) TEST_OK(r->err, pnb_program_create(r->g, r->gpu, NULL, &r->program));
    TEST_OK(r->err, pnb_program_run(r->program));
    TEST_OK(r->err, pnb_gpu_wait(r->gpu));
}

/* To be freed. */
static inline float *rig_read(rig *r, pnb_tensor t) {
    uint64_t count = pnb_shape_count(pnb_graph_shape(r->g, t));
    float *values = malloc(count * sizeof *values);
    assert_non_null(values);
    TEST_OK(r->err, pnb_program_read(r->program, t, values, count));
    return values;
}

static inline void rig_close(rig *r) {
    pnb_program_destroy(&r->program);
    pnb_graph_destroy(&r->g);
    pnb_store_destroy(&r->store, r->gpu);
}

static inline double dot(const float *a, const float *b, uint64_t n) {
    double sum = 0;
    for (uint64_t i = 0; i < n; i++) sum += (double)a[i] * b[i];
    return sum;
}

/* Largest difference over the largest expected value, or over floor_value if that is larger. */
static inline double relative_error(const float *got, const float *want, uint64_t n, double floor_value) {
    double worst = 0, largest = floor_value;
    for (uint64_t i = 0; i < n; i++) {
        double d = fabs((double)got[i] - want[i]);
        if (!(d <= worst)) worst = isfinite(got[i]) ? d : INFINITY;
        largest = fmax(largest, fabs(want[i]));
    }
    return worst / largest;
}

/* ---- random ADM networks ------------------------------------------------------------------------------------------
 */

/* Two levels of 32 and 64 channels, attention at half size, scale-shift, residual resampling, learned sigma. */
static inline pnb_adm_config small_adm(void) {
    return (pnb_adm_config){.in_channels = 2,
                            .out_channels = 4,
                            .model_channels = 32,
                            .res_blocks = 1,
                            .levels = 2,
                            .channels = {32, 64},
                            .attention = {false, true},
                            .scale_shift = true,
                            .resblock_updown = true,
                            .conv_resample = true,
                            .head_channels = 32};
}

typedef struct adm_file {
    pnb_safetensors_item items[512];
    char names[512][PNB_ADM_NAME_SIZE];
    size_t count;
} adm_file;

/* Norm weights 1 + 0.1 N(0,1), all else 0.05 N(0,1): no layer is zero. */
static inline pnb_status adm_file_tensor(void *user, const char *name, pnb_shape shape) {
    adm_file *f = user;
    uint64_t count = pnb_shape_count(shape);
    float *values = rig_normal(100 + f->count, count);
    bool norm = shape.rank == 1 && strstr(name, "weight");
    for (uint64_t i = 0; i < count; i++) values[i] = norm ? 1 + 0.1f * values[i] : 0.05f * values[i];
    snprintf(f->names[f->count], PNB_ADM_NAME_SIZE, "%s", name);
    pnb_safetensors_item *item = &f->items[f->count];
    *item = (pnb_safetensors_item){.name = f->names[f->count], .rank = shape.rank, .data = values};
    for (uint32_t k = 0; k < shape.rank; k++) item->shape[k] = shape.d[k];
    f->count++;
    return PNB_OK;
}

static inline adm_file *adm_file_create(pnb_adm_config *c) {
    adm_file *f = calloc(1, sizeof *f);
    assert_non_null(f);
    assert_int_equal(pnb_adm_config_lay_out(NULL, c), PNB_OK);
    assert_int_equal(pnb_adm_config_tensors(c, adm_file_tensor, f), PNB_OK);
    pnb_adm_config_finish(c);
    return f;
}

static inline void adm_file_write(const adm_file *f, const char *path) {
    pnb_safetensors_pair meta[] = {
        {"architecture", "adm"}, {"schedule", "linear"}, {"image_size", "16"}, {"num_head_channels", "32"}};
    pnb_error err = {0};
    TEST_OK(&err, pnb_safetensors_write(&err, path, PNB_F32, f->items, f->count, meta, 4));
}

static inline void adm_file_destroy(adm_file *f) {
    for (size_t i = 0; i < f->count; i++) free((void *)f->items[i].data);
    free(f);
}

/* "/tmp/penumbra-prior-PID-name" */
static inline const char *temporary(const char *name, char path[128]) {
    snprintf(path, 128, "/tmp/penumbra-prior-%ld-%s", (long)getpid(), name);
    return path;
}

/* A committed small ADM prior. */
static inline pnb_prior *small_adm_prior(pnb_gpu *gpu, pnb_error *err) {
    char path[128];
    pnb_adm_config c = small_adm();
    adm_file *f = adm_file_create(&c);
    pnb_prior *p = NULL;
    adm_file_write(f, temporary("small.safetensors", path));
    TEST_OK(err, pnb_prior_load(err, path, &p));
    unlink(path);
    adm_file_destroy(f);
    TEST_OK(err, pnb_prior_commit(p, gpu));
    return p;
}

#endif

/* What the tests of networks share: a graph over inputs given as arrays, run once, and random networks in files.
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

/* A level of n samples at indices t of a schedule. */
static inline pnb_level rig_level(rig *r, const pnb_schedule *s, const uint32_t *t, uint32_t n) {
    float index[2048], alpha[2048], sigma[2048];
    assert_true(n <= 2048);
    for (uint32_t i = 0; i < n; i++) {
        index[i] = (float)pnb_schedule_time(s, t[i]);
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
    char names[512][PNB_UNET_NAME_SIZE];
    size_t count;
} adm_file;

/* Norm weights 1 + 0.1 N(0,1), all else 0.05 N(0,1): no layer is zero. */
static inline pnb_status adm_file_tensor(void *user, const char *name, pnb_shape shape) {
    adm_file *f = user;
    uint64_t count = pnb_shape_count(shape);
    float *values = rig_normal(100 + f->count, count);
    bool norm = shape.rank == 1 && strstr(name, "weight");
    for (uint64_t i = 0; i < count; i++) values[i] = norm ? 1 + 0.1f * values[i] : 0.05f * values[i];
    snprintf(f->names[f->count], PNB_UNET_NAME_SIZE, "%s", name);
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
    assert_int_equal(pnb_unet_tensors(&c->unet, adm_file_tensor, f), PNB_OK);
    pnb_adm_config_finish(c);
    return f;
}

/* side: that it was trained at. */
static inline void adm_file_write_of(const adm_file *f, const char *path, uint32_t side) {
    char size[16];
    snprintf(size, sizeof size, "%u", side);
    pnb_safetensors_pair meta[] = {
        {"architecture", "adm"}, {"schedule", "linear"}, {"image_size", size}, {"num_head_channels", "32"}};
    pnb_error err = {0};
    TEST_OK(&err, pnb_safetensors_write(&err, path, PNB_F32, f->items, f->count, meta, 4));
}

static inline void adm_file_write(const adm_file *f, const char *path) {
    adm_file_write_of(f, path, 16);
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

/* ---- SongUNet -----------------------------------------------------------------------------------------------------
 */

/* Names and shapes of a SongUNet (one residual block a level) as the published code lays them out, for a visitor. */
typedef struct song {
    pnb_unet_visit visit;
    void *user;
    uint32_t side, image_channels, channels, levels, mult[4];
    uint32_t attention; /* the level that has it */
} song;

static inline void song_pair(const song *s, const char *name, pnb_shape weight) {
    char full[PNB_UNET_NAME_SIZE];
    snprintf(full, sizeof full, "%.48s.weight", name);
    assert_int_equal(s->visit(s->user, full, weight), PNB_OK);
    snprintf(full, sizeof full, "%.48s.bias", name);
    assert_int_equal(s->visit(s->user, full, pnb_shape1(weight.d[0])), PNB_OK);
}

static inline void song_block(const song *s, const char *name, uint32_t in, uint32_t out, bool resample,
                              bool attention) {
    const struct {
        const char *name;
        pnb_shape weight;
        bool there;
    } parts[] = {{"norm0", pnb_shape1(in), true},
                 {"conv0", pnb_shape4(out, in, 3, 3), true},
                 {"affine", pnb_shape2(out, 4 * s->channels), true},
                 {"norm1", pnb_shape1(out), true},
                 {"conv1", pnb_shape4(out, out, 3, 3), true},
                 {"skip", pnb_shape4(out, in, 1, 1), resample || in != out},
                 {"norm2", pnb_shape1(out), attention},
                 {"qkv", pnb_shape4(3 * out, out, 1, 1), attention},
                 {"proj", pnb_shape4(out, out, 1, 1), attention}};
    char full[PNB_UNET_NAME_SIZE];
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        snprintf(full, sizeof full, "%.40s.%s", name, parts[i].name);
        if (parts[i].there) song_pair(s, full, parts[i].weight);
    }
    snprintf(full, sizeof full, "%.30s.conv0.resample_filter", name);
    if (resample) assert_int_equal(s->visit(s->user, full, pnb_shape4(1, 1, 2, 2)), PNB_OK);
}

static inline void song_tensors(const song *s) {
    char name[PNB_UNET_NAME_SIZE];
    uint32_t emb = 4 * s->channels, ch = s->channels * s->mult[0], skips[16], n = 0;
    song_pair(s, "map_layer0", pnb_shape2(emb, s->channels));
    song_pair(s, "map_layer1", pnb_shape2(emb, emb));
    for (uint32_t l = 0; l < s->levels; l++) {
        uint32_t side = s->side >> l, out = s->channels * s->mult[l];
        snprintf(name, sizeof name, "enc.%ux%u_%s", side, side, l ? "down" : "conv");
        if (l)
            song_block(s, name, ch, ch, true, false);
        else
            song_pair(s, name, pnb_shape4(ch, s->image_channels, 3, 3));
        skips[n++] = ch;
        snprintf(name, sizeof name, "enc.%ux%u_block0", side, side);
        song_block(s, name, ch, out, false, l == s->attention);
        skips[n++] = ch = out;
    }
    for (uint32_t l = s->levels; l-- > 0;) {
        uint32_t side = s->side >> l, out = s->channels * s->mult[l];
        for (uint32_t i = 0; i < (l + 1 == s->levels ? 2 : 1); i++) {
            if (l + 1 == s->levels)
                snprintf(name, sizeof name, "dec.%ux%u_in%u", side, side, i);
            else
                snprintf(name, sizeof name, "dec.%ux%u_up", side, side);
            song_block(s, name, ch, ch, l + 1 < s->levels, l + 1 == s->levels && i == 0);
        }
        for (uint32_t i = 0; i < 2; i++, ch = out) {
            snprintf(name, sizeof name, "dec.%ux%u_block%u", side, side, i);
            song_block(s, name, ch + skips[--n], out, false, i == 1 && l == s->attention);
        }
    }
    snprintf(name, sizeof name, "dec.%ux%u_aux_norm", s->side, s->side);
    song_pair(s, name, pnb_shape1(ch));
    snprintf(name, sizeof name, "dec.%ux%u_aux_conv", s->side, s->side);
    song_pair(s, name, pnb_shape4(s->image_channels, ch, 3, 3));
}

/* A committed small one of random weights: two levels of 32 and 64 channels, attention at half size. */
static inline pnb_prior *small_song_prior(pnb_gpu *gpu, pnb_error *err, const char *precondition) {
    char path[128];
    adm_file *f = calloc(1, sizeof *f);
    pnb_prior *p = NULL;
    pnb_safetensors_pair meta[] = {{"precond", precondition}};
    assert_non_null(f);
    song_tensors(&(song){adm_file_tensor, f, 16, 2, 32, 2, {1, 2}, 1});
    TEST_OK(err, pnb_safetensors_write(err, temporary("song.safetensors", path), PNB_F32, f->items, f->count, meta, 1));
    TEST_OK(err, pnb_prior_load(err, path, &p));
    unlink(path);
    adm_file_destroy(f);
    TEST_OK(err, pnb_prior_commit(p, gpu));
    return p;
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

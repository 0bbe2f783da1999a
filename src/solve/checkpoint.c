/* Checkpoints: every persistent tensor of a solver and its adapter in one safetensors file, with a fingerprint of the
 * task. */
#include "solve/phases.h"

#include "io/safetensors.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* One list over both stores, so that saving and loading agree by construction. */
static size_t stores(const pnb_solver *s, pnb_store *out[2]) {
    out[0] = s->store;
    out[1] = s->adapter ? pnb_adapter_store(s->adapter) : NULL;
    return s->adapter ? 2 : 1;
}

static size_t count_all(const pnb_solver *s) {
    pnb_store *st[2];
    size_t n = 0;
    for (size_t i = 0, m = stores(s, st); i < m; i++) n += pnb_store_count(st[i]);
    return n;
}

static void set_item(pnb_safetensors_item *item, const pnb_storage *t, const char *name, const float *data) {
    pnb_shape shape = pnb_storage_shape(t);
    *item = (pnb_safetensors_item){.name = name, .rank = shape.rank, .data = data};
    for (uint32_t d = 0; d < shape.rank; d++) item->shape[d] = shape.d[d];
}

typedef struct image { /* host copy of everything that changes */
    pnb_safetensors_item *items;
    char (*names)[192];
    float **data;
    size_t n;
} image;

static void image_free(image *im) {
    for (size_t i = 0; i < im->n; i++) free(im->data[i]);
    free(im->data);
    free(im->names);
    free(im->items);
}

static pnb_status image_read(pnb_solver *s, image *im) {
    pnb_store *st[2];
    size_t room = count_all(s), m = stores(s, st);
    *im = (image){calloc(room, sizeof *im->items), calloc(room, sizeof *im->names), calloc(room, sizeof *im->data), 0};
    if (!im->items || !im->names || !im->data)
        return pnb_fail(s->err, PNB_ERROR_OUT_OF_MEMORY, "no host memory for a checkpoint");
    for (size_t i = 0; i < m; i++) {
        for (size_t j = 0; j < pnb_store_count(st[i]); j++) {
            pnb_storage *t = pnb_store_at(st[i], j);
            if (pnb_storage_get_kind(t) != PNB_STORAGE_VARIABLE) continue;
            uint64_t count = pnb_shape_count(pnb_storage_shape(t));
            float *data = malloc(count * sizeof *data);
            if (!data) return pnb_fail(s->err, PNB_ERROR_OUT_OF_MEMORY, "no host memory for a checkpoint");
            im->data[im->n] = data;
            snprintf(im->names[im->n], sizeof *im->names, "%s/%s", i ? "adapter" : "solver", pnb_storage_name(t));
            set_item(&im->items[im->n], t, im->names[im->n], data);
            im->n++;
            PNB_TRY(pnb_storage_read(t, s->task.gpu, data, count));
        }
    }
    return PNB_OK;
}

pnb_status pnb_solver_save(pnb_solver *s, const char *path) {
    image im;
    char fingerprint[32], choices[32], done[32], evaluations[32];
    PNB_TRY(pnb_gpu_wait(s->task.gpu));
    s->in_flight = 0;
    pnb_status status = image_read(s, &im);
    if (status == PNB_OK) {
        snprintf(fingerprint, sizeof fingerprint, "%016" PRIx64, s->fingerprint);
        snprintf(choices, sizeof choices, "%016" PRIx64, s->choices);
        snprintf(done, sizeof done, "%" PRIu32, s->done);
        snprintf(evaluations, sizeof evaluations, "%" PRIu64, s->evaluations);
        pnb_safetensors_pair meta[] = {{"format", "penumbra checkpoint 1"},
                                       {"method", s->method},
                                       {"fingerprint", fingerprint},
                                       {"choices", choices},
                                       {"steps_done", done},
                                       {"evaluations", evaluations}};
        status = pnb_safetensors_write(s->err, path, PNB_F32, im.items, im.n, meta, sizeof meta / sizeof *meta);
    }
    image_free(&im);
    return status;
}

static pnb_status restore_store(pnb_solver *s, pnb_safetensors *st, pnb_store *store, const char *prefix) {
    for (size_t j = 0; j < pnb_store_count(store); j++) {
        pnb_storage *t = pnb_store_at(store, j);
        if (pnb_storage_get_kind(t) != PNB_STORAGE_VARIABLE) continue;
        pnb_shape shape = pnb_storage_shape(t);
        uint64_t count = pnb_shape_count(shape), dims[4] = {shape.d[0], shape.d[1], shape.d[2], shape.d[3]};
        char name[192];
        snprintf(name, sizeof name, "%s/%s", prefix, pnb_storage_name(t));
        float *data = malloc(count * sizeof *data);
        if (!data) return pnb_fail(s->err, PNB_ERROR_OUT_OF_MEMORY, "no host memory to read a checkpoint");
        pnb_status status = pnb_safetensors_read_shape_f32(st, name, shape.rank, dims, data);
        if (status == PNB_OK) status = pnb_storage_write(t, s->task.gpu, data, count);
        free(data);
        PNB_TRY(status);
    }
    return PNB_OK;
}

/* The bytes of a run depend on which candidate of each op it took; they must be the same to the end. */
static pnb_status check_choices(const pnb_solver *s, pnb_safetensors *st, const char *path) {
    const char *choices = pnb_safetensors_metadata(st, "choices");
    char expected[32];
    snprintf(expected, sizeof expected, "%016" PRIx64, s->choices);
    if (choices && strcmp(choices, expected) == 0) return PNB_OK;
    return pnb_fail(
        s->err, PNB_ERROR_INPUT,
        "checkpoint '%s': its run took other kernels (%s) than this one would (%s), so the result would be another: "
        "the device was "
        "tuned in between, or the library changed; --no-tune goes on with a run that was not tuned, otherwise "
        "run without resume",
        path, choices ? choices : "not recorded", expected);
}

static pnb_status restore(pnb_solver *s, pnb_safetensors *st, const char *path) {
    const char *fingerprint = pnb_safetensors_metadata(st, "fingerprint"),
               *done = pnb_safetensors_metadata(st, "steps_done");
    const char *evaluations = pnb_safetensors_metadata(st, "evaluations");
    char expected[32];
    snprintf(expected, sizeof expected, "%016" PRIx64, s->fingerprint);
    if (!fingerprint || !done || !evaluations) {
        return pnb_fail(s->err, PNB_ERROR_INPUT,
                        "checkpoint '%s': expected a penumbra checkpoint, found no fingerprint in it", path);
    }
    if (strcmp(fingerprint, expected) != 0) {
        return pnb_fail(
            s->err, PNB_ERROR_INPUT,
            "checkpoint '%s': it belongs to another problem, prior, seed or set of options (fingerprint %s, this run has %s); "
            "run without resume, or with the settings of the first run",
            path, fingerprint, expected);
    }
    PNB_TRY(check_choices(s, st, path));
    unsigned long steps = strtoul(done, NULL, 10);
    if (steps > pnb_solver_steps(s)) {
        return pnb_fail(s->err, PNB_ERROR_INPUT, "checkpoint '%s': says %s steps are done, the run has %u", path, done,
                        pnb_solver_steps(s));
    }
    pnb_store *all[2];
    for (size_t i = 0, m = stores(s, all); i < m; i++) PNB_TRY(restore_store(s, st, all[i], i ? "adapter" : "solver"));
    s->done = (uint32_t)steps;
    s->evaluations = strtoull(evaluations, NULL, 10);
    return PNB_OK;
}

pnb_status pnb_solver_load(pnb_solver *s, const char *path) {
    pnb_safetensors *st;
    PNB_TRY(pnb_gpu_wait(s->task.gpu));
    s->in_flight = 0;
    PNB_TRY(pnb_safetensors_open(s->err, path, &st));
    pnb_status status = restore(s, st, path);
    pnb_safetensors_close(st);
    return status;
}

/* Networks to be trained: sizes that suit small and large machines, laid out for a size of images, with first weights.
 */
#include "prior/internal.h"

#include "base/philox.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { LEAST_SIDE = 4, MOST_LEVELS = 6 };

static const pnb_fresh sizes[] = {
    {"tiny", "32 channels, at most 64: for trials", 32, 1, {1, 1, 2, 2, 2, 2}, 8, 32, 1e-3},
    {"small",
     "32 channels to 128, 3 million parameters at 32 x 32: for simple classes",
     32,
     1,
     {1, 1, 2, 4, 4, 4},
     8,
     32,
     1e-3},
    {"medium", "64 channels to 256, two blocks a level: a GPU's day", 64, 2, {1, 2, 2, 4, 4, 4}, 16, 64, 4e-4},
    {"large",
     "128 channels to 512, the FFHQ network's width: 94 million parameters at 256 x 256",
     128,
     1,
     {1, 1, 2, 2, 4, 4},
     16,
     64,
     1e-4},
};

const pnb_fresh *pnb_fresh_sizes(size_t *count) {
    *count = sizeof sizes / sizeof *sizes;
    return sizes;
}

const pnb_fresh *pnb_fresh_find(const char *name) {
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        if (strcmp(sizes[i].name, name) == 0) return &sizes[i];
    return NULL;
}

static pnb_adm_config config_of(const pnb_fresh *f, uint32_t channels, uint32_t size) {
    pnb_adm_config c = {.in_channels = channels,
                        .out_channels = channels,
                        .model_channels = f->width,
                        .res_blocks = f->res_blocks,
                        .head_channels = f->head,
                        .scale_shift = true,
                        .resblock_updown = true,
                        .conv_resample = true};
    for (uint32_t side = size;; side /= 2) {
        c.channels[c.levels] = f->width * f->multiples[c.levels];
        c.attention[c.levels] = side <= f->attention;
        c.levels++;
        if (side % 2 || side / 2 < LEAST_SIDE || c.levels == MOST_LEVELS) return c;
    }
}

/* ---- first weights ----------------------------------------------------------------------------------------------- */

typedef struct filler {
    pnb_prior *prior;
    uint64_t seed;
    uint32_t number; /* of the tensor: its Philox stream */
    float bound;     /* of the layer whose bias comes next */
} filler;

/* Layers that begin at 0, so that every block begins as the identity and the output as 0. */
static bool begins_at_zero(const char *name) {
    static const char *const ends[] = {".out_layers.3.weight", ".proj_out.weight", "out.2.weight"};
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
        size_t n = strlen(name), m = strlen(ends[i]);
        if (n >= m && strcmp(name + n - m, ends[i]) == 0) return true;
    }
    return false;
}

/* In state-dict order a layer's bias follows its weight. */
static pnb_status fill(void *user, const char *name, pnb_shape shape) {
    filler *f = user;
    float *values = NULL;
    uint64_t count = pnb_shape_count(shape);
    const char *end = strrchr(name, '.');
    bool weight = end && strcmp(end, ".weight") == 0, norm = weight && shape.rank == 1;
    PNB_TRY(pnb_weights_add(&f->prior->weights, name, shape, PNB_STORAGE_FROZEN, &values));
    if (weight) f->bound = norm || begins_at_zero(name) ? 0 : 1 / sqrtf((float)(count / shape.d[0]));
    pnb_fill_uniform(f->seed, f->number++, 0, 0, values, (size_t)count);
    for (uint64_t i = 0; i < count; i++) values[i] = norm ? 1 : f->bound * (2 * values[i] - 1);
    return PNB_OK;
}

static pnb_status build(pnb_prior *p, const pnb_fresh *f, uint32_t channels, uint32_t size, uint64_t seed) {
    pnb_adm_config c = config_of(f, channels, size);
    p->size_hint = size;
    p->architecture = pnb_adm_reader.name;
    pnb_status status = pnb_adm_config_lay_out(p->err, &c);
    p->unet = c.unet; /* owned by the prior from here */
    PNB_TRY(status);
    PNB_TRY(pnb_unet_tensors(&p->unet, fill, &(filler){p, seed, 0, 0}));
    pnb_adm_config_text(&c, p->describe, sizeof p->describe);
    return pnb_prior_make_trainable(p, size);
}

pnb_status pnb_prior_create_fresh(pnb_error *err, const pnb_fresh *fresh, uint32_t channels, uint32_t size,
                                  uint64_t seed, pnb_prior **out) {
    *out = NULL;
    if (size < 2 * LEAST_SIDE || size > 1024 || size % 2)
        return pnb_fail(err, PNB_ERROR_INPUT, "size: expected an even number from %d to 1024, found %u", 2 * LEAST_SIDE,
                        size);
    pnb_status status = pnb_prior_create_empty(err, out);
    if (status == PNB_OK) status = build(*out, fresh, channels, size, seed);
    if (status != PNB_OK) pnb_prior_destroy(out, NULL);
    return status;
}

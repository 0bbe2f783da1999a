/* Networks of known shape with random weights: for benchmarks and plans, which need the work and not the knowledge. */
#include "prior/internal.h"

#include "base/philox.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static const pnb_preset presets[] = {
    {.name = "garments",
     .size = 32,
     .config = {.in_channels = 1,
                .out_channels = 1,
                .model_channels = 32,
                .res_blocks = 1,
                .levels = 4,
                .channels = {32, 32, 64, 128},
                .attention = {[2] = true, [3] = true},
                .head_channels = 32,
                .scale_shift = true,
                .resblock_updown = true,
                .conv_resample = true}},
    {.name = "ffhq256",
     .size = 256,
     .config = {.in_channels = 3,
                .out_channels = 6,
                .model_channels = 128,
                .res_blocks = 1,
                .levels = 6,
                .channels = {128, 128, 256, 256, 512, 512},
                .attention = {[4] = true},
                .head_channels = 64,
                .scale_shift = true,
                .resblock_updown = true,
                .conv_resample = true}},
    {.name = "imagenet256",
     .size = 256,
     .config = {.in_channels = 3,
                .out_channels = 6,
                .model_channels = 256,
                .res_blocks = 2,
                .levels = 6,
                .channels = {256, 256, 512, 512, 1024, 1024},
                .attention = {[3] = true, [4] = true, [5] = true},
                .head_channels = 64,
                .scale_shift = true,
                .resblock_updown = true,
                .conv_resample = true}},
};

const pnb_preset *pnb_presets(size_t *count) {
    *count = sizeof presets / sizeof *presets;
    return presets;
}

const pnb_preset *pnb_preset_find(const char *name) {
    for (size_t i = 0; i < sizeof presets / sizeof *presets; i++) {
        if (strcmp(presets[i].name, name) == 0) return &presets[i];
    }
    return NULL;
}

typedef struct filler {
    pnb_prior *prior;
    uint64_t seed;
    uint32_t number; /* of the tensor: its Philox stream */
} filler;

/* Matrices ~ N(0, 1/fan_in), a norm's weight 1, biases small. */
static pnb_status fill(void *user, const char *name, pnb_shape shape) {
    filler *f = user;
    float *values = NULL;
    uint64_t count = pnb_shape_count(shape);
    const char *end = strrchr(name, '.');
    bool weight = end && strcmp(end, ".weight") == 0;
    PNB_TRY(pnb_weights_add(&f->prior->weights, name, shape, PNB_STORAGE_FROZEN, &values));
    pnb_fill_normal(f->seed, f->number++, 0, 0, values, (size_t)count);
    float scale = shape.rank > 1 ? 1.0f / sqrtf((float)(count / shape.d[0])) : 0.02f;
    float shift = shape.rank == 1 && weight ? 1.0f : 0.0f;
    for (uint64_t i = 0; i < count; i++) values[i] = values[i] * scale + shift;
    return PNB_OK;
}

pnb_status pnb_preset_fill(pnb_prior *p, const pnb_preset *preset, uint32_t width, uint64_t seed) {
    pnb_adm_config c = preset->config;
    char text[640];
    c.model_channels *= width;
    for (uint32_t i = 0; i < c.levels; i++) c.channels[i] *= width;
    p->size_hint = preset->size;
    p->architecture = pnb_adm_reader.name;
    pnb_status status = pnb_adm_config_lay_out(p->err, &c);
    p->unet = c.unet; /* owned by the prior from here */
    PNB_TRY(status);
    PNB_TRY(pnb_unet_tensors(&p->unet, fill, &(filler){p, seed, 0}));
    pnb_adm_config_text(&c, text, sizeof text);
    snprintf(p->describe, sizeof p->describe, "preset %s with random weights, %s", preset->name, text);
    return PNB_OK;
}

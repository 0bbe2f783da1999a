/* Training images: a folder of pictures or an array file, brought to one size, one number of channels and [-1,1]. */
#ifndef PNB_TRAIN_IMAGES_H
#define PNB_TRAIN_IMAGES_H

#include "base/status.h"

#include <stdbool.h>
#include <stdint.h>

typedef enum pnb_fit {
    PNB_FIT_AUTO,   /* IDX images are padded, all others resampled */
    PNB_FIT_RESIZE, /* the largest square in the middle, resampled: areas averaged, or lines between pixels */
    PNB_FIT_PAD     /* centred on -1, cut where larger */
} pnb_fit;

typedef struct pnb_images_params {
    uint32_t channels; /* 1 or 3: pictures are converted; any other number only for arrays that have it */
    uint32_t size;
    pnb_fit fit;
    bool has_range; /* low and high are given: what values of an array become -1 and 1 */
    double low, high;
} pnb_images_params;

/* Plain memory, freed with pnb_images_free. */
typedef struct pnb_images {
    float *data; /* [n, channels, size, size]; owned */
    uint64_t n, room;
    uint32_t channels, size;
} pnb_images;

/* path: a folder (its pictures and those in folders below, in the order of their names), a picture, an NPY file [N,H,W]
 * or [N,C,H,W], or an IDX file [N,H,W], gzipped or not. Faults are PNB_ERROR_INPUT and name the file. */
pnb_status pnb_images_read(pnb_error *err, const char *path, const pnb_images_params *params, pnb_images *out);
void pnb_images_free(pnb_images *images);
/* Moves `count` images, evenly spread, out of `from` into `held`. */
pnb_status pnb_images_hold_out(pnb_error *err, pnb_images *from, uint64_t count, pnb_images *held);

/* One image [channels,height,width] brought to [channels,size,size] (pad false: as PNB_FIT_RESIZE). */
pnb_status pnb_image_fit(pnb_error *err, const float *from, uint32_t channels, uint32_t height, uint32_t width,
                         bool pad, uint32_t size, float *to);

#endif

/* psf: images convolved with a point-spread function, normalised to sum 1 (microscopy; algorithms.md 4.7). True convolution: the
 * kernel is flipped relative to motion_blur's correlation. */
#include "measure/convolution.h"
#include "ops/ops.h"

#include <stdlib.h>

typedef struct options {
    int32_t boundary;
    pnb_convolution convolution;
} options;

static const pnb_option table[] = {
    {"boundary", PNB_OPTION_CHOICE, offsetof(options, boundary), PNB_BORDER_REFLECT, PNB_BORDER_REFLECT, PNB_BORDER_ZERO,
     pnb_border_names, "", "what lies beyond the edge: the image mirrored (edge not repeated), the image again, or zero"},
};

static const pnb_operator_key keys[] = {
    {"file", "path of the point-spread function, .npy or PNG, odd sides, its centre in the middle, scaled to sum 1", false},
};

static pnb_status create(pnb_operator *op, const struct cJSON *args, const char *base_dir) {
    options *o = op->options;
    pnb_array kernel = {0};
    char *path;
    PNB_TRY(pnb_operator_path(op, args, "file", base_dir, &path));
    pnb_status status = pnb_convolution_read(op, path, &kernel);
    if (status == PNB_OK) status = pnb_convolution_create(op, &o->convolution, (uint32_t)o->boundary, true, &kernel, path);
    pnb_array_free(&kernel);
    free(path);
    return status;
}

static pnb_status apply(pnb_operator *op, pnb_graph *g, pnb_tensor x, pnb_tensor *y) {
    return pnb_convolution_apply(&((options *)op->options)->convolution, op, g, x, y);
}

static pnb_status adjoint(pnb_operator *op, pnb_graph *g, pnb_tensor y, pnb_tensor *x) {
    return pnb_convolution_adjoint(&((options *)op->options)->convolution, op, g, y, x);
}

const pnb_operator_type pnb_operator_psf = {
    .doc = {.type = "psf",
            .summary = "convolution with a point-spread function (microscopy)",
            .table = {table, sizeof table / sizeof table[0], sizeof(options)},
            .keys = keys,
            .n_keys = sizeof keys / sizeof keys[0]},
    .linear = true,
    .create = create,
    .apply = apply,
    .adjoint = adjoint,
};

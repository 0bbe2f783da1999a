/* fourier_mask: the Fourier coefficients of an image that a mask keeps (tomography, MRI, idealised interferometry).
 *
 * y = M F x, F unitary, M of 0 and 1. Measurements are real: plane 2c has the real parts of channel c, plane 2c + 1 the imaginary
 * ones, with zeros where nothing was measured. Images are real, so A^T y = Re F^H M y, and A^T A = F^H D F with
 * D(k) = (M(k) + M(-k)) / 2 in {0, 1/2, 1}: the pseudo-inverse is Re F^H D^-1 M y. */
#include "measure/operator_type.h"
#include "ops/ops.h"

#include <stdlib.h>

typedef struct options {
    bool centred;
} options;

static const pnb_option table[] = {
    {"centred", PNB_OPTION_BOOL, offsetof(options, centred), 1, 0, 1, NULL, "",
     "the mask, and y, have frequency 0 in the middle, not in the corner"},
};

static const pnb_operator_key keys[] = {
    {"file", "path of a PNG (light: measured) or .npy (1: measured, 0: not) of the image's height and width", false},
};

enum { MEASURED, WEIGHT, INVERSE }; /* constants: [2C,H,W], and complex factors [H,W,2] in the order of the transform */

/* Where the transform's entry i of n lies in y. */
static uint32_t shown(uint32_t i, uint32_t n, bool centred) { return centred ? (i + n / 2) % n : i; }

static pnb_status read_mask(pnb_operator *op, const struct cJSON *args, const char *base_dir, pnb_array *mask) {
    uint32_t h = op->image.d[1], w = op->image.d[2];
    char *path, text[PNB_SHAPE_TEXT_SIZE];
    PNB_TRY(pnb_operator_path(op, args, "file", base_dir, &path));
    pnb_status status = pnb_operator_read(op, path, mask);
    uint64_t count = 0;
    if (status == PNB_OK && (mask->rank < 2 || mask->count != (uint64_t)h * w || mask->shape[mask->rank - 1] != w)) {
        status = pnb_fail(op->err, PNB_ERROR_INPUT, "operator fourier_mask: file '%s' is %s, expected [%u, %u]", path,
                          pnb_shape_to_text(mask->rank, mask->shape, text), h, w);
    }
    for (uint64_t i = 0; status == PNB_OK && i < mask->count; i++) count += mask->data[i] > 0.5f;
    if (status == PNB_OK && !count) {
        status = pnb_fail(op->err, PNB_ERROR_INPUT, "operator fourier_mask: file '%s' keeps no coefficient, nothing is measured", path);
    }
    free(path);
    if (status != PNB_OK) pnb_array_free(mask);
    return status;
}

/* Factors at the transform's entries: the mask, or the mask over D. */
static float *make_factors(const pnb_operator *op, const pnb_array *mask, bool centred, bool inverse) {
    uint32_t h = op->image.d[1], w = op->image.d[2];
    float *values = calloc((size_t)h * w * 2, sizeof *values);
    for (uint32_t i = 0; values && i < h; i++) {
        for (uint32_t j = 0; j < w; j++) {
            bool here = mask->data[(size_t)shown(i, h, centred) * w + shown(j, w, centred)] > 0.5f;
            bool there = mask->data[(size_t)shown((h - i) % h, h, centred) * w + shown((w - j) % w, w, centred)] > 0.5f;
            values[2 * ((size_t)i * w + j)] = !here ? 0 : inverse && !there ? 2 : 1;
        }
    }
    return values;
}

static pnb_status create(pnb_operator *op, const struct cJSON *args, const char *base_dir) {
    bool centred = ((const options *)op->options)->centred;
    pnb_array mask = {0};
    PNB_TRY(pnb_operator_need_image(op));
    PNB_TRY(read_mask(op, args, base_dir, &mask));
    uint32_t h = op->image.d[1], w = op->image.d[2];
    op->measurement.d[0] *= 2;
    uint64_t count = pnb_shape_count(op->measurement);
    float *measured = malloc(count * sizeof *measured);
    for (uint64_t i = 0; measured && i < count; i++) measured[i] = mask.data[i % mask.count] > 0.5f;
    op->measured = measured;
    for (uint64_t i = 0; measured && i < count; i++) op->measured_count += measured[i] != 0;
    pnb_status status = pnb_operator_add_constant(op, "measured", op->measurement, measured);
    for (int k = 0; status == PNB_OK && k < 2; k++) {
        status = pnb_operator_add_constant(op, k ? "inverse" : "mask", pnb_shape3(h, w, 2), make_factors(op, &mask, centred, k));
    }
    pnb_array_free(&mask);
    return status;
}

/* Rows and columns rolled on by n / 2 (or back). */
static pnb_status roll(pnb_operator *op, pnb_graph *g, pnb_tensor x, bool back, pnb_tensor *y) {
    for (uint32_t axis = 2; axis < 4 && ((const options *)op->options)->centred; axis++) {
        uint32_t n = op->image.d[axis - 1], first = back ? n / 2 : n - n / 2;
        pnb_tensor part[2];
        if (n < 2) continue;
        PNB_TRY(pnb_slice(g, x, axis, first, n - first, &part[0]));
        PNB_TRY(pnb_slice(g, x, axis, 0, first, &part[1]));
        PNB_TRY(pnb_concat(g, axis, part, 2, &x));
    }
    *y = x;
    return PNB_OK;
}

static pnb_status apply(pnb_operator *op, pnb_graph *g, pnb_tensor x, pnb_tensor *y) {
    uint32_t n = pnb_graph_shape(g, x).d[0], c = op->image.d[0], h = op->image.d[1], w = op->image.d[2];
    pnb_tensor mask;
    PNB_TRY(pnb_operator_bind(op, g, WEIGHT, &mask));
    PNB_TRY(pnb_graph_reshape(g, x, pnb_shape3(n * c, h, w), &x));
    PNB_TRY(pnb_complex_of_real(g, x, &x));
    PNB_TRY(pnb_fft(g, x, 2, false, true, &x));
    PNB_TRY(pnb_complex_mul(g, x, mask, false, &x));
    PNB_TRY(pnb_transpose(g, x, (const uint32_t[4]){0, 3, 1, 2}, &x));
    PNB_TRY(pnb_graph_reshape(g, x, pnb_shape4(n, 2 * c, h, w), &x));
    return roll(op, g, x, false, y);
}

static pnb_status back(pnb_operator *op, pnb_graph *g, pnb_tensor y, uint32_t factors, pnb_tensor *x) {
    uint32_t n = pnb_graph_shape(g, y).d[0], c = op->image.d[0], h = op->image.d[1], w = op->image.d[2];
    pnb_tensor factor;
    PNB_TRY(pnb_operator_bind(op, g, factors, &factor));
    PNB_TRY(roll(op, g, y, true, &y));
    PNB_TRY(pnb_graph_reshape(g, y, pnb_shape4(n * c, 2, h, w), &y));
    PNB_TRY(pnb_transpose(g, y, (const uint32_t[4]){0, 2, 3, 1}, &y));
    PNB_TRY(pnb_complex_mul(g, y, factor, false, &y));
    PNB_TRY(pnb_fft(g, y, 2, true, true, &y));
    PNB_TRY(pnb_real_of_complex(g, y, &y));
    return pnb_graph_reshape(g, y, pnb_shape4(n, c, h, w), x);
}

static pnb_status adjoint(pnb_operator *op, pnb_graph *g, pnb_tensor y, pnb_tensor *x) { return back(op, g, y, WEIGHT, x); }
static pnb_status pinv(pnb_operator *op, pnb_graph *g, pnb_tensor y, pnb_tensor *x) { return back(op, g, y, INVERSE, x); }

const pnb_operator_type pnb_operator_fourier_mask = {
    .doc = {.type = "fourier_mask",
            .summary = "the Fourier coefficients that a mask keeps",
            .table = {table, sizeof table / sizeof table[0], sizeof(options)},
            .keys = keys,
            .n_keys = sizeof keys / sizeof keys[0]},
    .linear = true,
    .create = create,
    .apply = apply,
    .adjoint = adjoint,
    .pinv = pinv,
};

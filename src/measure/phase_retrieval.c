/* phase_retrieval: y = |F x|, the size of the centred unitary Fourier transform of the image in a border of zeros; nonlinear.
 *
 * The border is oversample / 8 of the side on every side (DPS's definition: 2 makes half a side more). "Centred" is fftshift(F
 * ifftshift(x)): sizes do not see the shift before the transform, and the one after it is a factor exp(2 pi i j s / n), s = n / 2
 * rounded down, before it. Particles start from the real part of the transform back with all phases 0 about the centre. */
#include "measure/operator_type.h"
#include "ops/ops.h"

#include <math.h>
#include <stdlib.h>

static const double PI = 3.14159265358979323846;

typedef struct options {
    double oversample;
} options;

static const pnb_option table[] = {
    {"oversample", PNB_OPTION_REAL, offsetof(options, oversample), 2, 0, 8, NULL, "eighths", "zeros on each side, in eighths of that side"},
};

enum { SHIFT, BACK }; /* constants */

/* exp(2 pi i (i s_h / h + j s_w / w)), [h, w, 2]; back: its conjugate, turned so that entry (s_h, s_w), frequency 0, is 1. */
static float *make_shift(uint32_t h, uint32_t w, bool back) {
    float *shift = malloc((size_t)h * w * 2 * sizeof *shift), *at = shift;
    for (uint32_t i = 0; shift && i < h; i++) {
        for (uint32_t j = 0; j < w; j++, at += 2) {
            uint64_t row = back ? (uint64_t)(h + h / 2 - i) : i, column = back ? (uint64_t)(w + w / 2 - j) : j;
            double turn = (double)(row * (h / 2) % h) / h + (double)(column * (w / 2) % w) / w;
            at[0] = (float)cos(2 * PI * turn);
            at[1] = (float)sin(2 * PI * turn);
        }
    }
    return shift;
}

static uint32_t margin(const pnb_operator *op, int axis) {
    return (uint32_t)(((const options *)op->options)->oversample / 8 * op->image.d[1 + axis]);
}

static pnb_status create(pnb_operator *op, const struct cJSON *args, const char *base_dir) {
    (void)args, (void)base_dir;
    PNB_TRY(pnb_operator_need_image(op));
    for (int i = 0; i < 2; i++) op->measurement.d[1 + i] += 2 * margin(op, i);
    uint32_t h = op->measurement.d[1], w = op->measurement.d[2];
    PNB_TRY(pnb_operator_add_constant(op, "shift", pnb_shape3(h, w, 2), make_shift(h, w, false)));
    return pnb_operator_add_constant(op, "back", pnb_shape3(h, w, 2), make_shift(h, w, true));
}

static pnb_status embed(pnb_operator *op, pnb_graph *g, pnb_tensor x, pnb_tensor *y) {
    for (int i = 0; i < 2; i++) {
        if (margin(op, i)) PNB_TRY(pnb_embed(g, x, 2 + (uint32_t)i, margin(op, i), op->measurement.d[1 + i], &x));
    }
    *y = x;
    return PNB_OK;
}

static pnb_status apply(pnb_operator *op, pnb_graph *g, pnb_tensor x, pnb_tensor *y) {
    pnb_shape s = op->measurement;
    uint32_t n = pnb_graph_shape(g, x).d[0];
    pnb_tensor shift;
    PNB_TRY(pnb_operator_bind(op, g, SHIFT, &shift));
    PNB_TRY(embed(op, g, x, &x));
    PNB_TRY(pnb_graph_reshape(g, x, pnb_shape3(n * s.d[0], s.d[1], s.d[2]), &x));
    PNB_TRY(pnb_complex_of_real(g, x, &x));
    PNB_TRY(pnb_complex_mul(g, x, shift, false, &x));
    PNB_TRY(pnb_fft(g, x, 2, false, true, &x));
    PNB_TRY(pnb_complex_abs(g, x, &x));
    return pnb_graph_reshape(g, x, pnb_shape4(n, s.d[0], s.d[1], s.d[2]), y);
}

static pnb_status initial(pnb_operator *op, pnb_graph *g, pnb_tensor y, pnb_tensor *x) {
    pnb_shape s = op->measurement;
    uint32_t n = pnb_graph_shape(g, y).d[0];
    pnb_tensor shift, turn;
    PNB_TRY(pnb_operator_bind(op, g, SHIFT, &shift));
    PNB_TRY(pnb_operator_bind(op, g, BACK, &turn));
    PNB_TRY(pnb_graph_reshape(g, y, pnb_shape3(n * s.d[0], s.d[1], s.d[2]), &y));
    PNB_TRY(pnb_complex_of_real(g, y, &y));
    PNB_TRY(pnb_complex_mul(g, y, turn, false, &y));
    PNB_TRY(pnb_fft(g, y, 2, true, true, &y));
    PNB_TRY(pnb_complex_mul(g, y, shift, true, &y));
    PNB_TRY(pnb_real_of_complex(g, y, &y));
    PNB_TRY(pnb_graph_reshape(g, y, pnb_shape4(n, s.d[0], s.d[1], s.d[2]), &y));
    for (uint32_t i = 0; i < 2; i++) PNB_TRY(pnb_slice(g, y, 2 + i, margin(op, (int)i), op->image.d[1 + i], &y));
    *x = y;
    return PNB_OK;
}

const pnb_operator_type pnb_operator_phase_retrieval = {
    .doc = {.type = "phase_retrieval",
            .summary = "sizes of Fourier coefficients, without their phases",
            .table = {table, sizeof table / sizeof table[0], sizeof(options)}},
    .create = create,
    .apply = apply,
    .initial = initial,
};

/* The non-uniform transform as two sparse matrices around an FFT. */
#include "measure/nufft.h"

#include "measure/operator_type.h"
#include "measure/sparse.h"
#include "ops/ops.h"

#include <math.h>
#include <stdlib.h>

enum { TAPS = 6 };
static const double PI = 3.14159265358979323846;
/* pi sqrt((J/2)^2 (2 - 1/2)^2 - 0.8) for twice the image's width */
static const double BETA = 13.855106;

static double bessel_i0(double x) {
    double term = 1, sum = 1;
    for (int k = 1; k < 60; k++) {
        term *= x * x / (4.0 * k * k);
        sum += term;
    }
    return sum;
}

/* The window at t grid points from its centre, |t| <= J/2; and its transform at the fraction f of a turn a grid point.
 */
static double window(double t) {
    double z = 1 - 4 * t * t / (TAPS * TAPS);
    return z > 0 ? bessel_i0(BETA * sqrt(z)) / TAPS : 0;
}

static double window_transform(double f) {
    double z = BETA * BETA - PI * PI * TAPS * TAPS * f * f, r = sqrt(fabs(z));
    return r < 1e-9 ? 1 : z > 0 ? sinh(r) / r : sin(r) / r;
}

/* Pixel c of n goes to grid point c - n/2, which wraps round. */
static uint32_t place(uint32_t c, uint32_t n) {
    return (c + 2 * n - n / 2) % (2 * n);
}

/* The grid as complex numbers: each real part takes at most one pixel. */
static bool make_spread(const pnb_sky_grid *g, pnb_sparse *m) {
    uint32_t h = 2 * g->height, w = 2 * g->width;
    m->columns = g->height * g->width;
    uint32_t *pixel = malloc((size_t)h * w * sizeof *pixel);
    if (!pixel) return false;
    for (size_t i = 0; i < (size_t)h * w; i++) pixel[i] = UINT32_MAX;
    for (uint32_t r = 0; r < g->height; r++) {
        for (uint32_t c = 0; c < g->width; c++)
            pixel[(size_t)place(r, g->height) * w + place(c, g->width)] = r * g->width + c;
    }
    bool ok = true;
    for (size_t i = 0; ok && i < (size_t)h * w; i++) {
        uint32_t p = pixel[i], used = p != UINT32_MAX;
        double y = used ? (double)(p / g->width) - g->height / 2 : 0,
               x = used ? (double)(p % g->width) - g->width / 2 : 0;
        float weight = (float)(1 / (window_transform(x / w) * window_transform(y / h)));
        ok = pnb_sparse_add_row(m, used, &p, &weight) && pnb_sparse_add_row(m, 0, NULL, NULL);
    }
    free(pixel);
    return ok;
}

/* The six grid points about a frequency in grid points, and the window there. */
static void taps(double at, uint32_t n, uint32_t point[TAPS], double weight[TAPS]) {
    long first = (long)floor(at) - TAPS / 2 + 1;
    for (int i = 0; i < TAPS; i++) {
        point[i] = (uint32_t)(((first + i) % (long)n + (long)n) % (long)n);
        weight[i] = window(at - (double)(first + i));
    }
}

/* One visibility's row of the real (part 0) or imaginary part. The FFT turns the other way about a pixel's corner: a
 * phase. */
static bool gather_row(const pnb_sky_grid *g, double u, double v, int part, pnb_sparse *m) {
    uint32_t h = 2 * g->height, w = 2 * g->width, x[TAPS], y[TAPS], column[2 * TAPS * TAPS];
    double wx[TAPS], wy[TAPS], fx = u * g->pixel, fy = v * g->pixel;
    float weight[2 * TAPS * TAPS];
    taps(fx * w, w, x, wx);
    taps(fy * h, h, y, wy);
    double phase =
        2 * PI * (fx * (0.5 * (g->width - 1.0) - g->width / 2) + fy * (0.5 * (g->height - 1.0) - g->height / 2));
    double height = pnb_sky_pulse(u, g->pixel) * pnb_sky_pulse(v, g->pixel), re = height * cos(phase),
           im = height * sin(phase);
    for (int i = 0; i < TAPS * TAPS; i++) {
        double k = wx[i % TAPS] * wy[i / TAPS];
        column[2 * i] = 2 * (y[i / TAPS] * w + x[i % TAPS]);
        column[2 * i + 1] = column[2 * i] + 1;
        weight[2 * i] = (float)(k * (part ? im : re));
        weight[2 * i + 1] = (float)(k * (part ? re : -im));
    }
    return pnb_sparse_add_row(m, 2 * TAPS * TAPS, column, weight);
}

pnb_status pnb_nufft_add(pnb_operator *op, const pnb_sky_grid *g, uint32_t count, const double (*uv)[2],
                         pnb_nufft *out) {
    pnb_sparse spread = {0}, gather = {.columns = 8 * g->height * g->width};
    *out = (pnb_nufft){.height = 2 * g->height, .width = 2 * g->width, .pixels = g->height * g->width, .count = count};
    bool ok = make_spread(g, &spread);
    for (uint32_t i = 0; ok && i < 2 * count; i++)
        ok = gather_row(g, uv[i % count][0], uv[i % count][1], i >= count, &gather);
    pnb_status status =
        ok ? PNB_OK : pnb_fail(op->err, PNB_ERROR_OUT_OF_MEMORY, "operator %s: no host memory", op->type->doc.type);
    if (status == PNB_OK) status = pnb_sparse_add(op, "spread", &spread, &out->spread);
    if (status == PNB_OK) status = pnb_sparse_add(op, "gather", &gather, &out->gather);
    pnb_sparse_free(&spread);
    pnb_sparse_free(&gather);
    return status;
}

pnb_status pnb_nufft_apply(pnb_operator *op, pnb_graph *g, const pnb_nufft *t, pnb_tensor pixels, pnb_tensor *v) {
    pnb_tensor flat, grid, turned, points;
    uint32_t n = pnb_graph_shape(g, pixels).d[0], numbers = 2 * t->height * t->width;
    PNB_TRY(pnb_sparse_apply(op, g, t->spread, pixels, numbers, numbers, &flat));
    PNB_TRY(pnb_graph_reshape(g, flat, pnb_shape4(n, t->height, t->width, 2), &grid));
    PNB_TRY(pnb_fft(g, grid, 2, false, false, &turned));
    PNB_TRY(pnb_graph_reshape(g, turned, pnb_shape2(n, numbers), &points));
    return pnb_sparse_apply(op, g, t->gather, points, 2 * t->count, 2 * t->count, v);
}

/* The adjoint of the forward transform is the inverse one, times the number of points. */
pnb_status pnb_nufft_adjoint(pnb_operator *op, pnb_graph *g, const pnb_nufft *t, pnb_tensor v, pnb_tensor *pixels) {
    pnb_tensor points, grid, turned, scaled, flat;
    uint32_t n = pnb_graph_shape(g, v).d[0], numbers = 2 * t->height * t->width;
    PNB_TRY(pnb_sparse_adjoint(op, g, t->gather, v, numbers, &points));
    PNB_TRY(pnb_graph_reshape(g, points, pnb_shape4(n, t->height, t->width, 2), &grid));
    PNB_TRY(pnb_fft(g, grid, 2, true, false, &turned));
    PNB_TRY(pnb_affine(g, turned, (float)(t->height * t->width), 0, &scaled));
    PNB_TRY(pnb_graph_reshape(g, scaled, pnb_shape2(n, numbers), &flat));
    return pnb_sparse_adjoint(op, g, t->spread, flat, t->pixels, pixels);
}

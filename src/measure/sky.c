/* Fourier sums over an image on the sky, in double precision. */
#include "measure/vlbi.h"

#include <math.h>
#include <stdlib.h>

static const double PI = 3.14159265358979323846;

double pnb_sky_pulse(double u, double p) {
    double x = PI * u * p, s = fabs(x) < 1e-6 ? 1 : sin(x) / x;
    return s * s;
}

/* height exp(2 pi i (u l + v m)) of every pixel. */
static void fourier_row(const pnb_sky_grid *g, double u, double v, double height, double *re, double *im) {
    double step = 2 * PI * u * g->pixel, c = cos(-step), s = sin(-step);
    for (uint32_t row = 0; row < g->height; row++) {
        double phase = 2 * PI * (u * 0.5 * (g->width - 1.0) + v * (0.5 * (g->height - 1.0) - row)) * g->pixel;
        double x = height * cos(phase), y = height * sin(phase);
        for (uint32_t column = 0; column < g->width;
             column++) { /* turned by a step a pixel: exact to 1e-14 over any row */
            re[(size_t)row * g->width + column] = x;
            im[(size_t)row * g->width + column] = y;
            double turned = x * c - y * s;
            y = x * s + y * c;
            x = turned;
        }
    }
}

void pnb_sky_row(const pnb_sky_grid *g, double u, double v, double *re, double *im) {
    fourier_row(g, u, v, pnb_sky_pulse(u, g->pixel) * pnb_sky_pulse(v, g->pixel), re, im);
}

bool pnb_sky_observe(const pnb_sky_grid *g, const double *jy, pnb_uvdata *d) {
    size_t n = (size_t)g->height * g->width;
    double *row = malloc(2 * n * sizeof *row);
    if (!row) return false;
    for (uint32_t k = 0; k < d->count; k++) {
        pnb_uv_record *r = &d->records[k];
        pnb_sky_row(g, r->u, r->v, row, row + n);
        r->re = r->im = 0;
        for (size_t i = 0; i < n; i++) {
            r->re += jy[i] * row[i];
            r->im += jy[i] * row[n + i];
        }
    }
    free(row);
    return true;
}

/* ---- pictures of the data ---------------------------------------------------------------------------------------- */

bool pnb_sky_dirty(const pnb_sky_grid *g, const pnb_uvdata *d, double *image, double *beam) {
    size_t n = (size_t)g->height * g->width;
    double *row = malloc(2 * n * sizeof *row), total = 0;
    if (!row) return false;
    for (size_t i = 0; i < n; i++) image[i] = beam[i] = 0;
    for (uint32_t k = 0; k < d->count; k++) {
        const pnb_uv_record *r = &d->records[k];
        double weight = 1 / (r->sigma * r->sigma);
        fourier_row(g, r->u, r->v, 1, row, row + n);
        for (size_t i = 0; i < n; i++) {
            image[i] += weight * (r->re * row[i] + r->im * row[n + i]);
            beam[i] += weight * row[i];
        }
        total += weight;
    }
    for (size_t i = 0; i < n; i++) {
        image[i] /= total;
        beam[i] /= total;
    }
    free(row);
    return true;
}

bool pnb_sky_restoring_beam(const pnb_uvdata *d, pnb_sky_beam *out) {
    double total = 0, uu = 0, vv = 0, uv = 0;
    for (uint32_t k = 0; k < d->count; k++) {
        const pnb_uv_record *r = &d->records[k];
        double w = 1 / (r->sigma * r->sigma);
        total += w;
        uu += w * r->u * r->u;
        vv += w * r->v * r->v;
        uv += w * r->u * r->v;
    }
    /* The beam falls as 1 - (a l^2 + b m^2 + c l m) from its peak, a Gaussian of width s as 1 - 4 ln 2 (l/s)^2. */
    double a = 2 * PI * PI * uu / total, b = 2 * PI * PI * vv / total, half = 2 * PI * PI * uv / total;
    double middle = 0.5 * (a + b), reach = hypot(0.5 * (a - b), half), least = middle - reach, most = middle + reach;
    if (!(least > 1e-12 * most)) return false;
    out->major = 2 * sqrt(log(2) / least);
    out->minor = 2 * sqrt(log(2) / most);
    /* The eigenvector of the smaller eigenvalue, (l, m) to the east and north, as an angle east of north in [0, 180).
     */
    double angle = 0.5 * atan2(-2 * half, a - b) * 180 / PI;
    out->angle = angle < 0 ? angle + 180 : angle;
    return true;
}

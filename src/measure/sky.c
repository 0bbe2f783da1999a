/* Fourier sums over an image on the sky, in double precision. */
#include "measure/vlbi.h"

#include <math.h>
#include <stdlib.h>

static const double PI = 3.14159265358979323846;

/* The transform of a triangle of base 2p and unit area. */
static double pulse(double u, double p) {
    double x = PI * u * p, s = fabs(x) < 1e-6 ? 1 : sin(x) / x;
    return s * s;
}

void pnb_sky_row(const pnb_sky_grid *g, double u, double v, double *re, double *im) {
    double height = pulse(u, g->pixel) * pulse(v, g->pixel);
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

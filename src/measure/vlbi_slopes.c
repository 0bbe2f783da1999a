/* The derivative J of the whitened residual at the measured visibilities, on the host in double: its norm, the lengths of
 * its rows, and how far rows are alike.
 *
 * With C = J J^T and S = diag(|J_i|), C = S R S, where R has ones on its diagonal: so c S^2 - C is nowhere negative, c the
 * largest eigenvalue of R. The spreads are c |J_i|^2 over the norm's square. */
#include "measure/vlbi_slopes.h"

#include "measure/operator_type.h"
#include "measure/vlbi.h"
#include "measure/vlbi_push.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Room for one application of J. */
typedef struct slopes {
    const pnb_operator *op;
    uint32_t count, entries; /* visibilities with V(0,0); rows of J */
    size_t pixels;
    double scale;            /* Jy for one unit of a pixel */
    double *x, *row, *v, *f; /* [pixels], [2 pixels], [2 count], [2 blocks count] */
    double *weights;         /* [entries] */
} slopes;

void pnb_vlbi_row(const pnb_operator *op, uint32_t k, double *re, double *im) {
    const pnb_uvdata *d = &op->vlbi->data;
    pnb_sky_grid grid = {op->image.d[1], op->image.d[2], op->vlbi->pixel};
    pnb_sky_row(&grid, k < d->count ? d->records[k].u : 0, k < d->count ? d->records[k].v : 0, re, im);
}

/* Derivatives of what is made of visibility k for its real and its imaginary part. */
static void slope(const pnb_vlbi *v, uint32_t k, double a[VLBI_BLOCKS][2]) {
    double re = 1, im = 0;
    if (k < v->data.count) {
        const pnb_uv_record *r = &v->data.records[k];
        double floor = fmax(1, r->sigma / fmax(hypot(r->re, r->im), 1e-12)); /* below the noise: as at the noise */
        re = r->re * floor;
        im = r->im * floor;
    }
    double square = re * re + im * im, size = sqrt(square);
    const double all[VLBI_BLOCKS][2] = {
        {1, 0}, {0, 1}, {re / size, im / size}, {re / square, im / square}, {-im / square, re / square}};
    memcpy(a, all, sizeof all);
}

/* f += d(features) for dV, or dV += its transpose for df. */
static void through_features(slopes *s, bool transposed) {
    for (uint32_t k = 0; k < s->count; k++) {
        double a[VLBI_BLOCKS][2];
        slope(s->op->vlbi, k, a);
        for (uint32_t b = 0; b < VLBI_BLOCKS; b++) {
            for (int part = 0; part < 2; part++) {
                if (transposed)
                    s->v[part * s->count + k] += a[b][part] * s->f[b * s->count + k];
                else
                    s->f[b * s->count + k] += a[b][part] * s->v[part * s->count + k];
            }
        }
    }
}

/* The columns and signs of entry i's sum. */
static uint32_t sum_of(const slopes *s, uint32_t i, uint32_t columns[4], double signs[4]) {
    const float *start = s->op->constants[s->op->vlbi->pick].values, *list = s->op->constants[s->op->vlbi->pick + 1].values;
    uint32_t begin, end;
    memcpy(&begin, start + i, sizeof begin);
    memcpy(&end, start + i + 1, sizeof end);
    for (uint32_t k = begin; k < end; k++) {
        memcpy(&columns[k - begin], list + 2 * (size_t)k, sizeof *columns);
        signs[k - begin] = list[2 * (size_t)k + 1];
    }
    return end - begin;
}

/* f <- P^T W^2 P f, P the sums. */
static void weigh(slopes *s) {
    size_t features = VLBI_BLOCKS * (size_t)s->count;
    double *back = s->f + features, signs[4];
    uint32_t columns[4];
    memset(back, 0, features * sizeof *back);
    for (uint32_t i = 0; i < s->entries; i++) {
        uint32_t n = sum_of(s, i, columns, signs);
        double sum = 0, w = s->weights[i];
        for (uint32_t k = 0; k < n; k++) sum += signs[k] * s->f[columns[k]];
        for (uint32_t k = 0; k < n; k++) back[columns[k]] += w * w * signs[k] * sum;
    }
    memcpy(s->f, back, features * sizeof *back);
}

/* x <- J^T J x */
static void apply_square(slopes *s) {
    size_t n = s->pixels;
    memset(s->v, 0, 2 * s->count * sizeof *s->v);
    memset(s->f, 0, VLBI_BLOCKS * s->count * sizeof *s->f);
    for (uint32_t k = 0; k < s->count; k++) {
        pnb_vlbi_row(s->op, k, s->row, s->row + n);
        for (size_t i = 0; i < n; i++) {
            s->v[k] += s->scale * s->row[i] * s->x[i];
            s->v[s->count + k] += s->scale * s->row[n + i] * s->x[i];
        }
    }
    through_features(s, false);
    weigh(s);
    memset(s->v, 0, 2 * s->count * sizeof *s->v);
    through_features(s, true);
    for (size_t i = 0; i < n; i++) s->x[i] = 0;
    for (uint32_t k = 0; k < s->count; k++) {
        pnb_vlbi_row(s->op, k, s->row, s->row + n);
        for (size_t i = 0; i < n; i++) s->x[i] += s->scale * (s->row[i] * s->v[k] + s->row[n + i] * s->v[s->count + k]);
    }
}

/* The largest eigenvalue of J^T J by the power method, a little above it. */
static double largest(slopes *s) {
    enum { ROUNDS = 12 };
    double found = 0;
    for (size_t i = 0; i < s->pixels; i++) s->x[i] = 1 + 0.5 * sin(1.7 * (double)i);
    for (int round = 0; round < ROUNDS; round++) {
        double before = 0, after = 0;
        for (size_t i = 0; i < s->pixels; i++) before += s->x[i] * s->x[i];
        for (size_t i = 0; i < s->pixels; i++) s->x[i] /= sqrt(before);
        apply_square(s);
        for (size_t i = 0; i < s->pixels; i++) after += s->x[i] * s->x[i];
        found = sqrt(after);
        if (after == 0) break;
    }
    return 1.05 * 1.05 * found;
}

/* |J_i|^2 */
static double square_of_row(slopes *s, uint32_t i) {
    double signs[4], a[VLBI_BLOCKS][2], sum = 0;
    uint32_t columns[4], n = sum_of(s, i, columns, signs);
    memset(s->x, 0, s->pixels * sizeof *s->x);
    for (uint32_t k = 0; k < n; k++) {
        slope(s->op->vlbi, columns[k] % s->count, a);
        const double *by = a[columns[k] / s->count];
        pnb_vlbi_row(s->op, columns[k] % s->count, s->row, s->row + s->pixels);
        for (size_t p = 0; p < s->pixels; p++) s->x[p] += signs[k] * (by[0] * s->row[p] + by[1] * s->row[s->pixels + p]);
    }
    for (size_t p = 0; p < s->pixels; p++) sum += s->x[p] * s->x[p];
    return sum * pow(s->scale * s->weights[i], 2);
}

static double scale_of(const pnb_operator *op) {
    const pnb_vlbi *v = op->vlbi;
    const float *start = op->constants[op->start].values;
    double sum = 0;
    for (size_t i = 0; i < pnb_shape_count(op->image); i++) sum += 0.5 * (start[i] + 1);
    return (v->jy ? 1 : 0.5) * (v->flux > 0 ? v->flux / sum : v->peak);
}

static void find(slopes *s, double *norm2, float *spreads) {
    const float *w = s->op->constants[s->op->weights].values;
    for (uint32_t i = 0; i < s->entries; i++) s->weights[i] = fabs(w[i]);
    *norm2 = largest(s);
    if (!(*norm2 > 0)) *norm2 = 1;
    for (uint32_t i = 0; i < s->entries; i++) {
        double square = fmax(square_of_row(s, i), 1e-12 * *norm2);
        spreads[i] = (float)(square / *norm2);
    }
    for (uint32_t i = 0; i < s->entries; i++) s->weights[i] /= sqrt(spreads[i] * *norm2);
    double alike = largest(s);
    for (uint32_t i = 0; i < s->entries; i++) spreads[i] *= (float)alike;
}

pnb_status pnb_vlbi_slopes(pnb_operator *op) {
    slopes s = {.op = op, .count = op->vlbi->data.count + 1, .entries = op->measurement.d[0],
                .pixels = pnb_shape_count(op->image), .scale = scale_of(op)};
    size_t features = VLBI_BLOCKS * (size_t)s.count;
    double *room = malloc((3 * s.pixels + 2 * s.count + 2 * features + s.entries) * sizeof *room), norm2 = 1;
    float *spreads = malloc(s.entries * sizeof *spreads);
    if (room && spreads) {
        s.x = room;
        s.row = s.x + s.pixels;
        s.v = s.row + 2 * s.pixels;
        s.f = s.v + 2 * s.count;
        s.weights = s.f + 2 * features;
        find(&s, &norm2, spreads);
    } else {
        free(spreads);
        spreads = NULL;
    }
    free(room);
    op->norm = sqrt(norm2);
    op->spreads = (int32_t)op->n_constants;
    return pnb_operator_add_constant(op, "spreads", op->measurement, spreads);
}

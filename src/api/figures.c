/* The pictures of an output folder: contact sheet, mean and deviation of images; scatter plots of vectors. */
#include "api/figures.h"
#include "api/files.h"
#include "api/outcome.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- images
 * ---------------------------------------------------------------------------------------------------------------- */

pnb_picture pnb_picture_of(const float *data, pnb_shape image) {
    uint32_t shown = image.d[0] == 3 ? 3 : 1;
    return (pnb_picture){
        .data = data, .channels = shown, .height = image.d[1], .width = image.d[2], .low = -1, .high = 1};
}

pnb_picture pnb_picture_of_measurement(const float *y, pnb_shape shape) {
    pnb_picture picture = pnb_picture_of(y, shape);
    uint64_t count = pnb_shape_count(shape);
    for (uint64_t i = 0; i < count; i++) {
        if (fabsf(y[i]) > 2) picture.low = picture.high = 0;
    }
    return picture;
}

static pnb_status contact_sheet(pnb_run *r, const pnb_outcome *o, const float *deviation, const char *path) {
    enum { MOST = 24 }; /* samples shown */
    const pnb_problem *p = r->problem;
    pnb_tile tiles[4 + MOST];
    char captions[MOST][24];
    size_t n = 0;
    if (p && p->truth) tiles[n++] = (pnb_tile){"truth", pnb_picture_of(p->truth, r->image), false};
    if (p && p->measurement.rank == 3)
        tiles[n++] = (pnb_tile){"measurement", pnb_picture_of_measurement(p->y, p->measurement), false};
    tiles[n++] = (pnb_tile){"mean", pnb_picture_of(o->mean, r->image), false};
    pnb_picture std = {deviation, 1, r->image.d[1], r->image.d[2], 0, NAN, PNB_MAP_INFERNO};
    if (o->k > 1) tiles[n++] = (pnb_tile){"standard deviation", std, true};
    for (uint32_t i = 0; i < o->k && i < MOST; i++) {
        snprintf(captions[i], sizeof captions[i], "sample %u", i);
        tiles[n++] = (pnb_tile){captions[i], pnb_picture_of(o->samples + i * o->count, r->image), false};
    }
    return pnb_figure_contact_sheet(&r->ctx->error, path, tiles, n, n < 6 ? n : 6);
}

static pnb_status image_figures(pnb_run *r, const pnb_outcome *o, char *const paths[3]) {
    pnb_error *err = &r->ctx->error;
    uint32_t c = r->image.d[0], h = r->image.d[1], w = r->image.d[2];
    float *deviation = malloc((size_t)h * w * sizeof *deviation);
    if (!deviation) return pnb_no_memory(err, "figures");
    pnb_std_map(c, h, w, o->std, deviation);
    pnb_tile std = {"standard deviation", {deviation, 1, h, w, 0, NAN, PNB_MAP_INFERNO}, true};
    pnb_status status = contact_sheet(r, o, deviation, paths[0]);
    if (status == PNB_OK) status = pnb_values_write_png(err, paths[1], o->mean, c == 3 ? 3 : 1, h, w);
    if (status == PNB_OK) status = pnb_figure_contact_sheet(err, paths[2], &std, 1, 1);
    free(deviation);
    return status;
}

/* ---- vectors: the plane of the first two components
 * -------------------------------------------------------------------------- */

enum { GRID = 160 };

/* What one density over the plane is computed from. */
typedef struct plane {
    double x_min, x_max, y_min, y_max;
    const pnb_outcome *o;
    const pnb_problem *p;
} plane;

static double log_likelihood(const plane *a, const double x[2]) {
    double sum = 0;
    uint64_t m = pnb_shape_count(a->p->measurement);
    for (uint64_t i = 0; i < m; i++) {
        double d = a->p->y[i] - a->o->matrix[2 * i] * x[0] - a->o->matrix[2 * i + 1] * x[1];
        sum += d * d;
    }
    return -0.5 * sum / (a->p->sigma * a->p->sigma);
}

/* mixture NULL: the likelihood. values [GRID][GRID], 1 at the largest. */
static void fill_density(const plane *a, const pnb_gmm *mixture, float *values) {
    double largest = -INFINITY;
    for (int pass = 0; pass < 2; pass++) {
        for (int i = 0; i < GRID * GRID; i++) {
            double x[2] = {a->x_min + (i % GRID + 0.5) * (a->x_max - a->x_min) / GRID,
                           a->y_min + (i / GRID + 0.5) * (a->y_max - a->y_min) / GRID};
            double v = mixture ? pnb_gmm_log_density(mixture, x) : log_likelihood(a, x);
            if (pass == 0) largest = fmax(largest, v);
            if (pass == 1) values[i] = (float)exp(fmax(v - largest, -80));
        }
    }
}

/* Axes that hold the prior's mass and every sample. */
static void set_axes(const pnb_outcome *o, const float *xy, plane *a) {
    double mean[2], c[4];
    pnb_gmm_moments(&o->prior, mean, c);
    a->x_min = mean[0] - 3 * sqrt(c[0]);
    a->x_max = mean[0] + 3 * sqrt(c[0]);
    a->y_min = mean[1] - 3 * sqrt(c[3]);
    a->y_max = mean[1] + 3 * sqrt(c[3]);
    for (uint32_t i = 0; i < o->k; i++) {
        a->x_min = fmin(a->x_min, xy[2 * i]);
        a->x_max = fmax(a->x_max, xy[2 * i]);
        a->y_min = fmin(a->y_min, xy[2 * i + 1]);
        a->y_max = fmax(a->y_max, xy[2 * i + 1]);
    }
}

static pnb_status plot_densities(pnb_run *r, const pnb_outcome *o, const float *xy, float *values, const char *path) {
    plane a = {.o = o, .p = r->problem};
    set_axes(o, xy, &a);
    fill_density(&a, &o->prior, values);
    if (o->exact) {
        fill_density(&a, NULL, values + GRID * GRID);
        fill_density(&a, &o->posterior, values + 2 * GRID * GRID);
    }
    pnb_density d[3] = {{values, GRID, GRID, PNB_BLUE},
                        {values + GRID * GRID, GRID, GRID, PNB_ORANGE},
                        {values + 2 * GRID * GRID, GRID, GRID, PNB_GREEN}};
    pnb_points samples = {xy, o->k, PNB_RED, "samples", 0};
    pnb_panel all[4] = {{"prior", &d[0], 1, NULL, 0},
                        {"likelihood", &d[1], 1, NULL, 0},
                        {"exact posterior", &d[2], 1, NULL, 0},
                        {"samples on the exact posterior", &d[2], 1, &samples, 1}};
    pnb_panel prior_only = {"samples on the prior", &d[0], 1, &samples, 1};
    pnb_scatter scatter = {
        o->exact ? all : &prior_only, o->exact ? 4 : 1, a.x_min, a.x_max, a.y_min, a.y_max, "x1", "x2"};
    return pnb_figure_scatter(&r->ctx->error, path, &scatter);
}

void pnb_plane_points(uint32_t k, uint32_t dim, const float *samples, float *xy) {
    for (uint32_t i = 0; i < k; i++) {
        xy[2 * i] = samples[(size_t)i * dim];
        xy[2 * i + 1] = dim > 1 ? samples[(size_t)i * dim + 1] : (float)i;
    }
}

static pnb_status vector_figure(pnb_run *r, const pnb_outcome *o, const char *path) {
    uint32_t dim = r->image.d[0];
    float *xy = malloc(2 * (size_t)o->k * sizeof *xy), *values = malloc(3 * GRID * GRID * sizeof *values);
    pnb_status status = xy && values ? PNB_OK : pnb_no_memory(&r->ctx->error, "figures");
    if (status == PNB_OK) pnb_plane_points(o->k, dim, o->samples, xy);
    if (status == PNB_OK && dim == 2 && o->prior.n) {
        status = plot_densities(r, o, xy, values, path);
    } else if (status == PNB_OK) {
        pnb_points samples = {xy, o->k, PNB_RED, "samples", 0};
        pnb_panel panel = {dim > 2 ? "samples, first two components" : "samples", NULL, 0, &samples, 1};
        pnb_scatter scatter = {&panel, 1, 0, 0, 0, 0, "x1", dim > 1 ? "x2" : "sample"};
        status = pnb_figure_scatter(&r->ctx->error, path, &scatter);
    }
    free(xy);
    free(values);
    return status;
}

pnb_status pnb_outcome_figures(pnb_run *r, const pnb_outcome *o, const char *folder) {
    static const char *const names[] = {"samples.png", "mean.png", "std.png", "scatter.png"};
    char *paths[4];
    pnb_status status = PNB_OK;
    for (int i = 0; i < 4; i++) {
        paths[i] = pnb_path_join(folder, names[i]);
        if (!paths[i]) status = pnb_no_memory(&r->ctx->error, "figures");
    }
    if (status == PNB_OK) status = r->image.rank == 3 ? image_figures(r, o, paths) : vector_figure(r, o, paths[3]);
    for (int i = 0; i < 4; i++) free(paths[i]);
    return status;
}

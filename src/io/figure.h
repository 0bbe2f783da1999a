/* Pictures made in C: a canvas with text, lines, dots, images and colour bars, and the figures composed of them.
 *
 * Coordinates are pixels, x to the right and y down from the top left corner; they may be fractions, and may lie
 * outside (drawing is clipped). Colours are 0xRRGGBB. Edges are anti-aliased. Drawing never fails; making and saving
 * do.
 *
 *     pnb_figure *f;
 *     PNB_TRY(pnb_figure_create(err, 640, 480, PNB_WHITE, &f));
 *     pnb_figure_text(f, 320, 30, 10, PNB_INK, PNB_ALIGN_CENTRE, "posterior");
 *     pnb_status status = pnb_figure_save_png(f, "out.png");
 *     pnb_figure_destroy(&f);
 */
#ifndef PNB_IO_FIGURE_H
#define PNB_IO_FIGURE_H

#include "base/status.h"

#include <stdbool.h>
#include <stddef.h>

typedef uint32_t pnb_rgb; /* 0xRRGGBB */

#define PNB_WHITE 0xffffffu
#define PNB_INK 0x22262eu    /* text */
#define PNB_PENCIL 0x6b7280u /* ticks, second rank text */
#define PNB_HAIR 0xd5d9e0u   /* frames, grid */
#define PNB_BLUE 0x2f6fb3u
#define PNB_ORANGE 0xd9791eu
#define PNB_GREEN 0x2e8b61u
#define PNB_RED 0xc23b4bu
#define PNB_PURPLE 0x7a4fa3u

typedef enum pnb_map {
    PNB_MAP_NONE,    /* images as they are: grey or RGB */
    PNB_MAP_VIRIDIS, /* dark violet, green, yellow */
    PNB_MAP_INFERNO, /* black, red, pale yellow: for standard deviations */
} pnb_map;

/* The colour at v in [0, 1] (clamped). PNB_MAP_NONE is a grey ramp. */
pnb_rgb pnb_map_color(pnb_map map, float v);

typedef enum pnb_align { PNB_ALIGN_LEFT, PNB_ALIGN_CENTRE, PNB_ALIGN_RIGHT } pnb_align;

/* --- the canvas --- */

typedef struct pnb_figure pnb_figure;

pnb_status pnb_figure_create(pnb_error *err, uint32_t width, uint32_t height, pnb_rgb background, pnb_figure **out);
void pnb_figure_destroy(pnb_figure **figure); /* sets it to NULL; accepts NULL */

/* Writes an 8-bit PNG, atomically. */
pnb_status pnb_figure_save_png(pnb_figure *figure, const char *path);

/* The pixels, [height][width][3], owned by the figure. */
const unsigned char *pnb_figure_pixels(const pnb_figure *figure, uint32_t *width, uint32_t *height);

/* opacity in [0, 1]. A line has round ends; rect fills, frame draws the border of `thickness` inside the rectangle. */
void pnb_figure_dot(pnb_figure *f, float x, float y, float radius, pnb_rgb color, float opacity);
void pnb_figure_line(pnb_figure *f, float x0, float y0, float x1, float y1, float thickness, pnb_rgb color,
                     float opacity);
void pnb_figure_rect(pnb_figure *f, float x, float y, float width, float height, pnb_rgb color, float opacity);
void pnb_figure_frame(pnb_figure *f, float x, float y, float width, float height, float thickness, pnb_rgb color);

/* Text with its baseline at y; `size` is the height of capital letters in pixels (10 reads well, 8 is the least). _up:
 * the same, turned to run upwards, for the names of vertical axes. */
void pnb_figure_text(pnb_figure *f, float x, float y, float size, pnb_rgb color, pnb_align align, const char *text);
void pnb_figure_text_up(pnb_figure *f, float x, float y, float size, pnb_rgb color, pnb_align align, const char *text);
float pnb_figure_text_width(float size, const char *text);

/* An array as picture. */
typedef struct pnb_picture {
    const float *data;                /* [channels, height, width], borrowed */
    uint32_t channels, height, width; /* channels 1 or 3 */
    float low, high;                  /* mapped to black and white, or to the ends of the colour map */
    pnb_map map;                      /* with a colour map, channels are averaged first */
} pnb_picture;

/* Draws into a box of whole pixels: enlarged by repetition, reduced by averaging. */
void pnb_figure_image(pnb_figure *f, int x, int y, int width, int height, const pnb_picture *picture);

/* A horizontal bar of the map from low to high, with numbers below it (in all 12 + size pixels more than `height`). */
void pnb_figure_colorbar(pnb_figure *f, int x, int y, int width, int height, pnb_map map, float low, float high,
                         float size);

/* Tick positions: the multiples of *step (1, 2 or 5 times a power of ten) in [low, high], at most `most`. Returns how
 * many; the first is *first. */
size_t pnb_ticks(double low, double high, size_t most, double *first, double *step);

/* --- composed figures --- */

typedef struct pnb_tile {
    const char *caption; /* above the picture; may be NULL */
    pnb_picture picture; /* low == high: the range of the data; either one not a number: that end from the data */
    bool bar;            /* a colour bar below it */
} pnb_tile;

/* Pictures in rows of `columns`, all in boxes of one size, with captions: truth, measurement, mean, deviation, then
 * samples. Small images are enlarged to about 150 pixels, large ones reduced to 400. A value that is not finite is
 * PNB_ERROR_NUMERIC, and nothing is written. */
pnb_status pnb_figure_contact_sheet(pnb_error *err, const char *path, const pnb_tile *tiles, size_t n, size_t columns);

/* Tiles that belong together, with a title above them and a note in smaller type beside it; both may be NULL. */
typedef struct pnb_block {
    const char *title, *note;
    const pnb_tile *tiles;
    size_t n;
} pnb_block;

/* A contact sheet of blocks, each beginning a row of its own. */
pnb_status pnb_figure_sheet(pnb_error *err, const char *path, const pnb_block *blocks, size_t n, size_t columns);

typedef struct pnb_density {
    const float *values; /* [ny][nx] over the range of the axes, cell centres, row 0 at the lowest y; scale does not
                            matter; borrowed */
    uint32_t nx, ny;
    pnb_rgb color;
} pnb_density;

typedef struct pnb_points {
    const float *xy; /* [count][2], borrowed */
    size_t count;
    pnb_rgb color;
    const char *label; /* in the legend; NULL: none */
    float radius;      /* pixels; 0: chosen by their number */
} pnb_points;

typedef struct pnb_panel {
    const char *title; /* may be NULL */
    const pnb_density *densities;
    size_t n_densities;
    const pnb_points *points;
    size_t n_points;
} pnb_panel;

typedef struct pnb_scatter {
    const pnb_panel *panels; /* side by side on the same axes: prior, likelihood, posterior with samples */
    size_t n_panels;
    double x_min, x_max, y_min, y_max; /* min == max: from the points, with a margin */
    const char *x_label, *y_label;     /* may be NULL */
} pnb_scatter;

/* Densities as filled contours in their colour, points as dots, a legend below. Points outside the axes are left out;
 * one that is not finite is PNB_ERROR_NUMERIC, and nothing is written. */
pnb_status pnb_figure_scatter(pnb_error *err, const char *path, const pnb_scatter *scatter);

/* Measured points joined by lines, on logarithmic axes of their own. */
typedef struct pnb_curve {
    const char *x_label, *y_label;
    const double *x, *y; /* [n], above 0; x ascending; borrowed */
    size_t n;
    pnb_rgb color;
} pnb_curve;

/* Panels in rows of `columns`, a curve in each; a vertical axis spans a factor of ten at least, so that what is flat looks
 * flat. A value that is not finite and above 0 is PNB_ERROR_NUMERIC, and nothing is written. */
pnb_status pnb_figure_curves(pnb_error *err, const char *path, const pnb_curve *curves, size_t n, size_t columns);

/* A line over the steps of a run. */
typedef struct pnb_series {
    const char *label;
    const double *x, *y; /* [n], x >= 0 ascending, y above 0; borrowed */
    size_t n;
    pnb_rgb color;
} pnb_series;

/* All series in one panel, y on a logarithmic axis, x from 0. A value that is not finite, or a y not above 0, is
 * PNB_ERROR_NUMERIC, and nothing is written. */
pnb_status pnb_figure_history(pnb_error *err, const char *path, const pnb_series *series, size_t n, const char *x_label,
                              const char *y_label);

#endif

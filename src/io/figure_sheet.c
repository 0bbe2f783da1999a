/* The contact sheet: pictures in equal boxes, with captions and colour bars. */
#include "io/figure.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MARGIN = 22, GAP = 16, CAPTION = 24, BAR = 10, BAR_SPACE = 32, SMALL = 150, LARGE = 400 };

#define CAPTION_SIZE 9.0f
#define BAR_TEXT_SIZE 8.0f

typedef struct sheet {
    const pnb_tile *tiles;
    size_t n, columns, rows;
    int box_width, box_height;
} sheet;

/* Checks a tile and settles the ends of its range. */
static pnb_status settle(pnb_error *err, size_t i, const pnb_tile *tile, pnb_picture *p) {
    *p = tile->picture;
    size_t count = (size_t)p->channels * p->height * p->width;
    if (!p->data || (p->channels != 1 && p->channels != 3) || !p->height || !p->width || p->height > 65536 ||
        p->width > 65536) {
        return pnb_fail(err, PNB_ERROR_USAGE,
                        "figure: tile %zu: expected a picture with 1 or 3 channels, found %u x %u x %u", i, p->channels,
                        p->height, p->width);
    }
    float low = p->data[0], high = p->data[0];
    for (size_t k = 0; k < count; k++) {
        float v = p->data[k];
        if (!isfinite(v)) {
            return pnb_fail(err, PNB_ERROR_NUMERIC,
                            "figure: tile %zu (%s): a value that is not finite at row %zu, column %zu", i,
                            tile->caption ? tile->caption : "no caption", k / p->width % p->height, k % p->width);
        }
        low = fminf(low, v);
        high = fmaxf(high, v);
    }
    bool both = p->low == p->high;
    if (both || isnan(p->low)) p->low = low;
    if (both || isnan(p->high)) p->high = high;
    if (!(p->high > p->low)) p->high = p->low + fmaxf(1e-6f, 1e-6f * fabsf(p->low)); /* a constant picture */
    return PNB_OK;
}

/* One box for all: the largest picture, enlarged by a whole factor or reduced. */
static void choose_box(sheet *s) {
    uint32_t width = 1, height = 1;
    for (size_t i = 0; i < s->n; i++) {
        const pnb_picture *p = &s->tiles[i].picture;
        if (p->width > width) width = p->width;
        if (p->height > height) height = p->height;
    }
    uint32_t side = width > height ? width : height, times = side < SMALL ? (SMALL + side / 2) / side : 1;
    double scale = side > LARGE ? (double)LARGE / side : times;
    s->box_width = (int)fmax(1, floor(width * scale + 0.5));
    s->box_height = (int)fmax(1, floor(height * scale + 0.5));
    if (s->box_width < 60) s->box_width = 60; /* room for a caption */
}

static bool row_has_bar(const sheet *s, size_t row) {
    for (size_t i = row * s->columns; i < s->n && i < (row + 1) * s->columns; i++) {
        if (s->tiles[i].bar) return true;
    }
    return false;
}

static bool row_has_caption(const sheet *s, size_t row) {
    for (size_t i = row * s->columns; i < s->n && i < (row + 1) * s->columns; i++) {
        if (s->tiles[i].caption && *s->tiles[i].caption) return true;
    }
    return false;
}

static int row_height(const sheet *s, size_t row) {
    return s->box_height + (row_has_caption(s, row) ? CAPTION : 0) + (row_has_bar(s, row) ? BAR_SPACE : 0);
}

static void draw_tile(const sheet *s, pnb_figure *f, size_t i, const pnb_picture *p, int x, int y) {
    const pnb_tile *tile = &s->tiles[i];
    int top = y + (row_has_caption(s, i / s->columns) ? CAPTION : 0);
    double scale = fmin((double)s->box_width / p->width, (double)s->box_height / p->height);
    int w = (int)fmax(1, floor(p->width * scale + 0.5)), h = (int)fmax(1, floor(p->height * scale + 0.5));
    int left = x + (s->box_width - w) / 2, above = top + (s->box_height - h) / 2;
    float size = CAPTION_SIZE;
    if (tile->caption) {
        float width = pnb_figure_text_width(size, tile->caption);
        if (width > (float)(s->box_width + GAP / 2)) size *= (float)(s->box_width + GAP / 2) / width;
        pnb_figure_text(f, (float)left, (float)top - 8, size, PNB_INK, PNB_ALIGN_LEFT, tile->caption);
    }
    pnb_figure_frame(f, (float)left - 1, (float)above - 1, (float)w + 2, (float)h + 2, 1, PNB_HAIR);
    pnb_figure_image(f, left, above, w, h, p);
    if (tile->bar) {
        pnb_figure_colorbar(f, left, above + h + 8, w, BAR, p->map, p->low, p->high, BAR_TEXT_SIZE);
    }
}

static pnb_status draw_all(pnb_error *err, const sheet *s, const pnb_picture *pictures, const char *path) {
    int width = 2 * MARGIN + (int)s->columns * (s->box_width + GAP) - GAP, height = 2 * MARGIN - GAP;
    for (size_t row = 0; row < s->rows; row++) height += row_height(s, row) + GAP;
    pnb_figure *f;
    PNB_TRY(pnb_figure_create(err, (uint32_t)width, (uint32_t)height, PNB_WHITE, &f));
    int y = MARGIN;
    for (size_t row = 0; row < s->rows; row++) {
        for (size_t i = row * s->columns; i < s->n && i < (row + 1) * s->columns; i++) {
            draw_tile(s, f, i, &pictures[i], MARGIN + (int)(i % s->columns) * (s->box_width + GAP), y);
        }
        y += row_height(s, row) + GAP;
    }
    pnb_status status = pnb_figure_save_png(f, path);
    pnb_figure_destroy(&f);
    return status;
}

pnb_status pnb_figure_contact_sheet(pnb_error *err, const char *path, const pnb_tile *tiles, size_t n, size_t columns) {
    if (n == 0 || columns == 0 || n > 4096) {
        return pnb_fail(err, PNB_ERROR_USAGE,
                        "figure: a contact sheet has 1 to 4096 tiles and at least 1 column, not %zu and %zu", n,
                        columns);
    }
    pnb_picture *pictures = malloc(n * sizeof *pictures);
    if (!pictures) return pnb_fail(err, PNB_ERROR_OUT_OF_MEMORY, "figure: no memory for %zu tiles", n);
    sheet s = {.tiles = tiles, .n = n, .columns = columns < n ? columns : n};
    s.rows = (n + s.columns - 1) / s.columns;
    pnb_status status = PNB_OK;
    for (size_t i = 0; i < n && status == PNB_OK; i++) status = settle(err, i, &tiles[i], &pictures[i]);
    if (status == PNB_OK) {
        choose_box(&s);
        status = draw_all(err, &s, pictures, path);
    }
    free(pictures);
    return status;
}

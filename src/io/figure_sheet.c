/* The contact sheet: blocks of pictures in equal boxes, with titles, captions and colour bars. */
#include "io/figure.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MARGIN = 22, GAP = 16, TITLE = 38, CAPTION = 24, BAR = 10, BAR_SPACE = 32, SMALL = 150, LARGE = 400, MOST = 4096 };

#define TITLE_SIZE 12.0f
#define CAPTION_SIZE 9.0f
#define BAR_TEXT_SIZE 8.0f

typedef struct sheet {
    const pnb_block *blocks;
    size_t n, columns;
    int width, box_width, box_height;
} sheet;

/* Tiles side by side. */
typedef struct row {
    const pnb_tile *tiles;
    const pnb_picture *pictures; /* theirs, with settled ranges */
    size_t n;
    bool has_caption, has_bar;
} row;

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
    size_t widest = 0;
    for (size_t b = 0; b < s->n; b++) {
        if (s->blocks[b].n > widest) widest = s->blocks[b].n;
        for (size_t i = 0; i < s->blocks[b].n; i++) {
            const pnb_picture *p = &s->blocks[b].tiles[i].picture;
            if (p->width > width) width = p->width;
            if (p->height > height) height = p->height;
        }
    }
    uint32_t side = width > height ? width : height, times = side < SMALL ? (SMALL + side / 2) / side : 1;
    double scale = side > LARGE ? (double)LARGE / side : times;
    s->box_width = (int)fmax(1, floor(width * scale + 0.5));
    s->box_height = (int)fmax(1, floor(height * scale + 0.5));
    if (s->box_width < 60) s->box_width = 60; /* room for a caption */
    if (s->columns > widest) s->columns = widest;
    s->width = 2 * MARGIN + (int)s->columns * (s->box_width + GAP) - GAP;
}

static bool has_title(const pnb_block *b) {
    return (b->title && *b->title) || (b->note && *b->note);
}

/* The row that begins at tile `first` of a block; pictures: of the whole block. */
static row row_at(const sheet *s, const pnb_block *b, const pnb_picture *pictures, size_t first) {
    size_t left = b->n - first;
    row r = {b->tiles + first, pictures ? pictures + first : NULL, left < s->columns ? left : s->columns, false, false};
    for (size_t i = 0; i < r.n; i++) {
        if (r.tiles[i].caption && *r.tiles[i].caption) r.has_caption = true;
        if (r.tiles[i].bar) r.has_bar = true;
    }
    return r;
}

static int row_height(const sheet *s, const row *r) {
    return s->box_height + (r->has_caption ? CAPTION : 0) + (r->has_bar ? BAR_SPACE : 0);
}

static int sheet_height(const sheet *s) {
    int height = 2 * MARGIN - GAP;
    for (size_t b = 0; b < s->n; b++) {
        if (has_title(&s->blocks[b])) height += TITLE;
        for (size_t i = 0; i < s->blocks[b].n; i += s->columns) {
            row r = row_at(s, &s->blocks[b], NULL, i);
            height += row_height(s, &r) + GAP;
        }
    }
    return height;
}

static void draw_tile(const sheet *s, pnb_figure *f, const row *r, size_t i, int x, int y) {
    const pnb_tile *tile = &r->tiles[i];
    const pnb_picture *p = &r->pictures[i];
    int top = y + (r->has_caption ? CAPTION : 0);
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

/* The title, and the note to its right, smaller where it would not fit. */
static void draw_title(const sheet *s, pnb_figure *f, const pnb_block *b, int y) {
    float x = MARGIN, line = (float)y + 22, size = CAPTION_SIZE;
    if (b->title && *b->title) {
        pnb_figure_text(f, x, line, TITLE_SIZE, PNB_INK, PNB_ALIGN_LEFT, b->title);
        x += pnb_figure_text_width(TITLE_SIZE, b->title) + GAP;
    }
    if (!b->note || !*b->note) return;
    float room = fmaxf((float)(s->width - MARGIN) - x, 1), width = pnb_figure_text_width(size, b->note);
    if (width > room) size *= room / width;
    pnb_figure_text(f, x, line, size, PNB_PENCIL, PNB_ALIGN_LEFT, b->note);
}

static pnb_status draw_all(pnb_error *err, const sheet *s, const pnb_picture *pictures, const char *path) {
    pnb_figure *f;
    PNB_TRY(pnb_figure_create(err, (uint32_t)s->width, (uint32_t)sheet_height(s), PNB_WHITE, &f));
    int y = MARGIN;
    for (size_t b = 0; b < s->n; b++) {
        const pnb_block *block = &s->blocks[b];
        if (has_title(block)) {
            draw_title(s, f, block, y);
            y += TITLE;
        }
        for (size_t first = 0; first < block->n; first += s->columns) {
            row r = row_at(s, block, pictures, first);
            for (size_t i = 0; i < r.n; i++) draw_tile(s, f, &r, i, MARGIN + (int)i * (s->box_width + GAP), y);
            y += row_height(s, &r) + GAP;
        }
        pictures += block->n;
    }
    pnb_status status = pnb_figure_save_png(f, path);
    pnb_figure_destroy(&f);
    return status;
}

pnb_status pnb_figure_sheet(pnb_error *err, const char *path, const pnb_block *blocks, size_t n, size_t columns) {
    size_t tiles = 0, k = 0;
    for (size_t b = 0; b < n && tiles <= MOST; b++) tiles += blocks[b].n;
    if (tiles == 0 || columns == 0 || tiles > MOST) {
        return pnb_fail(err, PNB_ERROR_USAGE,
                        "figure: a contact sheet has 1 to %d tiles and at least 1 column, not %zu and %zu", MOST, tiles,
                        columns);
    }
    pnb_picture *pictures = malloc(tiles * sizeof *pictures);
    if (!pictures) return pnb_fail(err, PNB_ERROR_OUT_OF_MEMORY, "figure: no memory for %zu tiles", tiles);
    sheet s = {.blocks = blocks, .n = n, .columns = columns};
    pnb_status status = PNB_OK;
    for (size_t b = 0; b < n; b++) {
        for (size_t i = 0; i < blocks[b].n && status == PNB_OK; i++, k++) {
            status = settle(err, k, &blocks[b].tiles[i], &pictures[k]);
        }
    }
    if (status == PNB_OK) {
        choose_box(&s);
        status = draw_all(err, &s, pictures, path);
    }
    free(pictures);
    return status;
}

pnb_status pnb_figure_contact_sheet(pnb_error *err, const char *path, const pnb_tile *tiles, size_t n, size_t columns) {
    pnb_block block = {NULL, NULL, tiles, n};
    return pnb_figure_sheet(err, path, &block, 1, columns);
}

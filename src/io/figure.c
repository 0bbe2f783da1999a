/* The canvas: pixels, and what can be drawn on them. Shapes are drawn by their distance to the centre of each pixel. */
#include "io/figure.h"

#include "io/font.h"
#include "io/image.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_SIDE = 16384 };

struct pnb_figure {
    pnb_error *err;
    int width, height;
    unsigned char *rgb;
};

pnb_status pnb_figure_create(pnb_error *err, uint32_t width, uint32_t height, pnb_rgb background, pnb_figure **out) {
    *out = NULL;
    if (!width || !height || width > MAX_SIDE || height > MAX_SIDE || (uint64_t)width * height > PNB_IMAGE_MAX_PIXELS) {
        return pnb_fail(err, PNB_ERROR_USAGE,
                        "figure: %u x %u pixels cannot be drawn, the limit is %d a side and %d in all", width, height,
                        MAX_SIDE, PNB_IMAGE_MAX_PIXELS);
    }
    pnb_figure *f = calloc(1, sizeof *f);
    unsigned char *rgb = calloc((size_t)width * height, 3);
    if (!f || !rgb) {
        free(f);
        free(rgb);
        return pnb_fail(err, PNB_ERROR_OUT_OF_MEMORY, "figure: no memory for %u x %u pixels", width, height);
    }
    *f = (pnb_figure){err, (int)width, (int)height, rgb};
    pnb_figure_rect(f, 0, 0, (float)width, (float)height, background, 1);
    *out = f;
    return PNB_OK;
}

void pnb_figure_destroy(pnb_figure **figure) {
    if (!figure || !*figure) return;
    free((*figure)->rgb);
    free(*figure);
    *figure = NULL;
}

pnb_status pnb_figure_save_png(pnb_figure *f, const char *path) {
    return pnb_image_write_png_u8(f->err, path, 3, (uint32_t)f->height, (uint32_t)f->width, f->rgb);
}

const unsigned char *pnb_figure_pixels(const pnb_figure *f, uint32_t *width, uint32_t *height) {
    *width = (uint32_t)f->width;
    *height = (uint32_t)f->height;
    return f->rgb;
}

/* --- pixels --- */

static float clamp01(float v) {
    return v > 0 ? v < 1 ? v : 1 : 0;
} /* not a number gives 0 */

static void blend(pnb_figure *f, int x, int y, pnb_rgb color, float alpha) {
    if (x < 0 || y < 0 || x >= f->width || y >= f->height || !(alpha > 0)) return;
    unsigned char *p = f->rgb + 3 * ((size_t)y * (size_t)f->width + (size_t)x);
    float a = clamp01(alpha);
    for (int c = 0; c < 3; c++) {
        float target = (float)(color >> (16 - 8 * c) & 255u);
        p[c] = (unsigned char)((float)p[c] + a * (target - (float)p[c]) + 0.5f);
    }
}

/* The pixels from low to high that lie on the canvas. */
static void pixel_range(float low, float high, int size, int *first, int *last) {
    low = floorf(low);
    high = ceilf(high);
    *first = low > 0 ? low < (float)size ? (int)low : size : 0;
    *last = high < (float)size ? high > -1 ? (int)high : -1 : size - 1;
}

static float distance_to(const pnb_segment *s, float x, float y) {
    float dx = s->x1 - s->x0, dy = s->y1 - s->y0, length2 = dx * dx + dy * dy;
    float t = length2 > 0 ? clamp01(((x - s->x0) * dx + (y - s->y0) * dy) / length2) : 0;
    return hypotf(x - s->x0 - t * dx, y - s->y0 - t * dy);
}

/* Strokes with a round pen, as one shape: where they overlap, nothing shows. A stroke without length is a dot, a little
 * wider. */
static void draw_strokes(pnb_figure *f, const pnb_segment *s, size_t n, float pen, pnb_rgb color, float opacity) {
    float low_x = FLT_MAX, low_y = FLT_MAX, high_x = -FLT_MAX, high_y = -FLT_MAX;
    for (size_t i = 0; i < n; i++) {
        low_x = fminf(low_x, fminf(s[i].x0, s[i].x1));
        low_y = fminf(low_y, fminf(s[i].y0, s[i].y1));
        high_x = fmaxf(high_x, fmaxf(s[i].x0, s[i].x1));
        high_y = fmaxf(high_y, fmaxf(s[i].y0, s[i].y1));
    }
    float reach = 1.3f * pen + 1;
    int x0, x1, y0, y1;
    pixel_range(low_x - reach, high_x + reach, f->width, &x0, &x1);
    pixel_range(low_y - reach, high_y + reach, f->height, &y0, &y1);
    for (int y = y0; y <= y1; y++) {
        for (int x = x0; x <= x1; x++) {
            float cover = 0;
            for (size_t i = 0; i < n; i++) {
                bool dot = s[i].x0 == s[i].x1 && s[i].y0 == s[i].y1;
                cover = fmaxf(cover,
                              (dot ? 1.3f * pen : pen) + 0.5f - distance_to(&s[i], (float)x + 0.5f, (float)y + 0.5f));
            }
            blend(f, x, y, color, opacity * clamp01(cover));
        }
    }
}

/* --- shapes --- */

static bool drawable(float a, float b, float c, float d) {
    return isfinite(a) && isfinite(b) && isfinite(c) && isfinite(d);
}

void pnb_figure_dot(pnb_figure *f, float x, float y, float radius, pnb_rgb color, float opacity) {
    if (!drawable(x, y, radius, opacity)) return;
    const pnb_segment s = {x, y, x, y};
    draw_strokes(f, &s, 1, radius / 1.3f, color, opacity);
}

void pnb_figure_line(pnb_figure *f, float x0, float y0, float x1, float y1, float thickness, pnb_rgb color,
                     float opacity) {
    if (!drawable(x0, y0, x1, y1)) return;
    const pnb_segment s = {x0, y0, x1, y1};
    draw_strokes(f, &s, 1, 0.5f * thickness, color, opacity);
}

/* How much of pixel i lies between low and high. */
static float cover_1d(float low, float high, int i) {
    return clamp01(fminf(high, (float)i + 1) - fmaxf(low, (float)i));
}

void pnb_figure_rect(pnb_figure *f, float x, float y, float width, float height, pnb_rgb color, float opacity) {
    if (!drawable(x, y, width, height)) return;
    int x0, x1, y0, y1;
    pixel_range(x, x + width, f->width, &x0, &x1);
    pixel_range(y, y + height, f->height, &y0, &y1);
    for (int j = y0; j <= y1; j++) {
        float cover = opacity * cover_1d(y, y + height, j);
        for (int i = x0; i <= x1; i++) blend(f, i, j, color, cover * cover_1d(x, x + width, i));
    }
}

void pnb_figure_frame(pnb_figure *f, float x, float y, float width, float height, float thickness, pnb_rgb color) {
    pnb_figure_rect(f, x, y, width, thickness, color, 1);
    pnb_figure_rect(f, x, y + height - thickness, width, thickness, color, 1);
    pnb_figure_rect(f, x, y + thickness, thickness, height - 2 * thickness, color, 1);
    pnb_figure_rect(f, x + width - thickness, y + thickness, thickness, height - 2 * thickness, color, 1);
}

/* --- text --- */

float pnb_figure_text_width(float size, const char *text) {
    float units = 0;
    for (const char *p = text; *p; p++) units += pnb_font_advance(*p);
    if (*text) units -= 2.1f; /* no gap after the last character */
    return units * size / PNB_FONT_CAPITAL;
}

/* cx, cy: the direction in which the text runs. */
static void draw_text(pnb_figure *f, float x, float y, float cx, float cy, float size, pnb_rgb color, pnb_align align,
                      const char *text) {
    if (!drawable(x, y, size, 0)) return;
    float scale = size / PNB_FONT_CAPITAL, at = 0, width = pnb_figure_text_width(size, text);
    if (align == PNB_ALIGN_CENTRE) at = -0.5f * width;
    if (align == PNB_ALIGN_RIGHT) at = -width;
    for (const char *p = text; *p; p++) {
        pnb_segment s[PNB_FONT_MAX_SEGMENTS];
        size_t n = pnb_font_segments(*p, s);
        for (size_t i = 0; i < n; i++) {
            float ax = at + scale * s[i].x0, ay = scale * s[i].y0, bx = at + scale * s[i].x1, by = scale * s[i].y1;
            s[i] = (pnb_segment){x + ax * cx + ay * cy, y + ax * cy - ay * cx, x + bx * cx + by * cy,
                                 y + bx * cy - by * cx};
        }
        if (n) draw_strokes(f, s, n, PNB_FONT_PEN * scale, color, 1);
        at += scale * pnb_font_advance(*p);
    }
}

void pnb_figure_text(pnb_figure *f, float x, float y, float size, pnb_rgb color, pnb_align align, const char *text) {
    draw_text(f, x, y, 1, 0, size, color, align, text);
}

void pnb_figure_text_up(pnb_figure *f, float x, float y, float size, pnb_rgb color, pnb_align align, const char *text) {
    draw_text(f, x, y, 0, -1, size, color, align, text);
}

/* --- colour maps and images --- */

pnb_rgb pnb_map_color(pnb_map map, float v) {
    /* Ten colours of matplotlib's perceptually uniform maps (S. van der Walt and N. Smith, 2015; CC0). */
    static const pnb_rgb tables[2][10] = {
        {0x440154, 0x482878, 0x3e4989, 0x31688e, 0x26828e, 0x1f9e89, 0x35b779, 0x6ece58, 0xb5de2b, 0xfde725},
        {0x000004, 0x1b0c41, 0x4a0c6b, 0x781c6d, 0xa52c60, 0xcf4446, 0xed6925, 0xfb9b06, 0xf7d13d, 0xfcffa4}};
    v = clamp01(v);
    if (map == PNB_MAP_NONE) return (pnb_rgb)(255 * v + 0.5f) * 0x010101u;
    const pnb_rgb *table = tables[map == PNB_MAP_INFERNO];
    float at = 9 * v;
    int i = at < 9 ? (int)at : 8;
    pnb_rgb color = 0;
    for (int shift = 16; shift >= 0; shift -= 8) {
        float a = (float)(table[i] >> shift & 255u), b = (float)(table[i + 1] >> shift & 255u);
        color |= (pnb_rgb)(a + (at - (float)i) * (b - a) + 0.5f) << shift;
    }
    return color;
}

/* The mean of a picture's channel over source rows and columns [r0, r1) x [c0, c1). */
static float block_mean(const pnb_picture *p, uint32_t channel, size_t r0, size_t r1, size_t c0, size_t c1) {
    const float *plane = p->data + (size_t)channel * p->height * p->width;
    double sum = 0;
    for (size_t r = r0; r < r1; r++) {
        for (size_t c = c0; c < c1; c++) sum += (double)plane[r * p->width + c];
    }
    return (float)(sum / (double)((r1 - r0) * (c1 - c0)));
}

static pnb_rgb picture_color(const pnb_picture *p, size_t r0, size_t r1, size_t c0, size_t c1) {
    float v[3] = {0}, scale = p->high > p->low ? 1 / (p->high - p->low) : 0, mean = 0;
    for (uint32_t c = 0; c < p->channels && c < 3; c++) {
        v[c] = clamp01((block_mean(p, c, r0, r1, c0, c1) - p->low) * scale);
        mean += v[c] / (float)p->channels;
    }
    if (p->map != PNB_MAP_NONE || p->channels == 1) return pnb_map_color(p->map, mean);
    pnb_rgb color = 0;
    for (int c = 0; c < 3; c++) color = color << 8 | (pnb_rgb)(255 * v[c] + 0.5f);
    return color;
}

/* The source pixels [*from, *to) that fall on output pixel i of `size`; one where the picture is enlarged. */
static void footprint(int i, int size, size_t source, size_t *from, size_t *to) {
    *from = (size_t)i * source / (size_t)size;
    *to = ((size_t)i + 1) * source / (size_t)size;
    if (source <= (size_t)size) { /* the one under the pixel's centre */
        *from = (2 * (size_t)i + 1) * source / (2 * (size_t)size);
        *to = *from + 1;
    }
}

void pnb_figure_image(pnb_figure *f, int x, int y, int width, int height, const pnb_picture *picture) {
    if (width <= 0 || height <= 0 || !picture->width || !picture->height) return;
    for (int j = 0; j < height; j++) {
        size_t r0, r1, c0, c1;
        footprint(j, height, picture->height, &r0, &r1);
        for (int i = 0; i < width; i++) {
            footprint(i, width, picture->width, &c0, &c1);
            blend(f, x + i, y + j, picture_color(picture, r0, r1, c0, c1), 1);
        }
    }
}

/* Three significant digits, plainly. */
static const char *short_number(float v, char buf[32]) {
    snprintf(buf, 32, "%.3g", (double)v);
    for (char *p = buf; *p; p++) {
        if (!strchr("0123456789+-einfa", *p)) *p = '.'; /* whatever the locale's decimal sign is */
    }
    return buf;
}

void pnb_figure_colorbar(pnb_figure *f, int x, int y, int width, int height, pnb_map map, float low, float high,
                         float size) {
    for (int i = 0; i < width; i++) {
        pnb_rgb color = pnb_map_color(map, ((float)i + 0.5f) / (float)width);
        for (int j = 0; j < height; j++) blend(f, x + i, y + j, color, 1);
    }
    char text[32];
    float baseline = (float)(y + height) + 6 + size;
    pnb_figure_text(f, (float)x, baseline, size, PNB_PENCIL, PNB_ALIGN_LEFT, short_number(low, text));
    pnb_figure_text(f, (float)(x + width), baseline, size, PNB_PENCIL, PNB_ALIGN_RIGHT, short_number(high, text));
    if (width >= 120) {
        pnb_figure_text(f, (float)x + 0.5f * (float)width, baseline, size, PNB_PENCIL, PNB_ALIGN_CENTRE,
                        short_number(0.5f * (low + high), text));
    }
}

/* --- ticks --- */

size_t pnb_ticks(double low, double high, size_t most, double *first, double *step) {
    *first = low;
    *step = 1;
    if (!(high > low) || most < 2 || !isfinite(high - low)) return 0;
    double power = pow(10, floor(log10((high - low) / (double)most)));
    if (!(power > 0) || !isfinite(power) || !isfinite(low / power)) return 0;
    static const double steps[] = {1, 2, 5, 10, 20};
    for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
        *step = steps[i] * power;
        *first = ceil(low / *step - 1e-9) * *step;
        size_t n = *first > high + 1e-9 * *step ? 0 : (size_t)((high - *first) / *step + 1e-9) + 1;
        if (n <= most) return n;
    }
    return 0;
}

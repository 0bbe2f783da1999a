/* Panels of measured curves on logarithmic axes. */
#include "io/figure.h"

#include <math.h>
#include <stdio.h>

enum { WIDTH = 250, HEIGHT = 150, LEFT = 74, TOP = 16, BOTTOM = 44, RIGHT = 14, MOST_TICKS = 6, MOST_CURVES = 64 };

#define TEXT_SIZE 8.5f
static const double LEAST_SPAN = 10, MARGIN = 1.25; /* factors */

typedef struct axes {
    double x0, x1, y0, y1; /* ends */
    float left, top;       /* of the panel in pixels */
} axes;

static float share(double v, double low, double high) {
    return (float)(log(v / low) / log(high / low));
}
static float to_x(const axes *a, double x) {
    return a->left + WIDTH * share(x, a->x0, a->x1);
}
static float to_y(const axes *a, double y) {
    return a->top + HEIGHT * (1 - share(y, a->y0, a->y1));
}

static pnb_status check(pnb_error *err, const pnb_curve *c) {
    for (size_t i = 0; i < c->n; i++) {
        if (isfinite(c->x[i]) && c->x[i] > 0 && isfinite(c->y[i]) && c->y[i] > 0) continue;
        return pnb_fail(err, PNB_ERROR_NUMERIC, "figure: point %zu of '%s' is (%g, %g), expected numbers above 0", i,
                        c->y_label, c->x[i], c->y[i]);
    }
    return PNB_OK;
}

static void widen(double *low, double *high, double least) {
    double span = *high / *low * MARGIN * MARGIN, middle = sqrt(*low) * sqrt(*high);
    double half = sqrt(span > least ? span : least);
    *low = middle / half;
    *high = middle * half;
}

static axes axes_of(const pnb_curve *c, size_t panel, size_t columns) {
    axes a = {c->n ? c->x[0] : 1, c->n ? c->x[0] : 1, c->n ? c->y[0] : 1, c->n ? c->y[0] : 1, 0, 0};
    for (size_t i = 1; i < c->n; i++) {
        a.x0 = fmin(a.x0, c->x[i]);
        a.x1 = fmax(a.x1, c->x[i]);
        a.y0 = fmin(a.y0, c->y[i]);
        a.y1 = fmax(a.y1, c->y[i]);
    }
    widen(&a.x0, &a.x1, MARGIN);
    widen(&a.y0, &a.y1, LEAST_SPAN);
    a.left = (float)(panel % columns * (LEFT + WIDTH + RIGHT) + LEFT);
    a.top = (float)(panel / columns * (TOP + HEIGHT + BOTTOM) + TOP);
    return a;
}

static void tick_y(pnb_figure *f, const axes *a, double v) {
    char text[32];
    float y = floorf(to_y(a, v));
    snprintf(text, sizeof text, "%g", v);
    pnb_figure_rect(f, a->left, y, WIDTH, 1, PNB_HAIR, 0.7f);
    pnb_figure_text(f, a->left - 6, y + TEXT_SIZE / 2, TEXT_SIZE, PNB_PENCIL, PNB_ALIGN_RIGHT, text);
}

/* Powers of ten, with 2 and 5 between them where there is room. */
static void draw_y_ticks(pnb_figure *f, const axes *a) {
    static const double steps[] = {1, 2, 5};
    size_t n = a->y1 / a->y0 < 100 ? 3 : 1;
    double every = ceil(log10(a->y1 / a->y0) / MOST_TICKS);
    for (double e = floor(log10(a->y0)); pow(10, e) < a->y1; e += fmax(1, every)) {
        for (size_t i = 0; i < n; i++) {
            double v = steps[i] * pow(10, e);
            if (v > a->y0 && v < a->y1) tick_y(f, a, v);
        }
    }
}

static void draw_curve(pnb_figure *f, const axes *a, const pnb_curve *c) {
    char text[32];
    float bottom = a->top + HEIGHT;
    draw_y_ticks(f, a);
    pnb_figure_frame(f, a->left, a->top, WIDTH, HEIGHT, 1, PNB_HAIR);
    for (size_t i = 0; i < c->n; i++) {
        float x = to_x(a, c->x[i]), y = to_y(a, c->y[i]);
        snprintf(text, sizeof text, "%g", c->x[i]);
        pnb_figure_text(f, x, bottom + 15, TEXT_SIZE, PNB_PENCIL, PNB_ALIGN_CENTRE, text);
        if (i) pnb_figure_line(f, to_x(a, c->x[i - 1]), to_y(a, c->y[i - 1]), x, y, 2, c->color, 1);
        pnb_figure_dot(f, x, y, 3.5f, c->color, 1);
    }
    pnb_figure_text(f, a->left + 0.5f * WIDTH, bottom + 32, TEXT_SIZE, PNB_INK, PNB_ALIGN_CENTRE, c->x_label);
    pnb_figure_text_up(f, a->left - LEFT + 14, a->top + 0.5f * HEIGHT, TEXT_SIZE, PNB_INK, PNB_ALIGN_CENTRE,
                       c->y_label);
}

pnb_status pnb_figure_curves(pnb_error *err, const char *path, const pnb_curve *curves, size_t n, size_t columns) {
    if (n == 0 || n > MOST_CURVES || columns == 0)
        return pnb_fail(err, PNB_ERROR_USAGE, "figure: %zu curves in %zu columns, expected 1 to %d in 1 or more", n,
                        columns, MOST_CURVES);
    for (size_t i = 0; i < n; i++) PNB_TRY(check(err, &curves[i]));
    if (columns > n) columns = n;
    uint32_t rows = (uint32_t)((n + columns - 1) / columns);
    pnb_figure *f;
    PNB_TRY(pnb_figure_create(err, (uint32_t)columns * (LEFT + WIDTH + RIGHT), rows * (TOP + HEIGHT + BOTTOM),
                              PNB_WHITE, &f));
    for (size_t i = 0; i < n; i++) {
        axes a = axes_of(&curves[i], i, columns);
        draw_curve(f, &a, &curves[i]);
    }
    pnb_status status = pnb_figure_save_png(f, path);
    pnb_figure_destroy(&f);
    return status;
}

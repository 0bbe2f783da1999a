/* The course of a run: series over steps, on a logarithmic axis, in one panel with a legend. */
#include "io/figure.h"

#include <math.h>
#include <stdio.h>

enum { WIDTH = 560, HEIGHT = 300, LEFT = 76, TOP = 34, BOTTOM = 48, RIGHT = 24, MOST_TICKS = 8 };

#define TEXT_SIZE 8.5f

typedef struct axes {
    double x1, y0, y1; /* x begins at 0 */
} axes;

static float to_x(const axes *a, double x) {
    return (float)(LEFT + WIDTH * x / a->x1);
}
static float to_y(const axes *a, double y) {
    double share = log(fmin(fmax(y, a->y0), a->y1) / a->y0) / log(a->y1 / a->y0);
    return (float)(TOP + HEIGHT * (1 - share));
}

static pnb_status check(pnb_error *err, const pnb_series *s) {
    for (size_t i = 0; i < s->n; i++) {
        if (isfinite(s->x[i]) && s->x[i] >= 0 && isfinite(s->y[i]) && s->y[i] > 0) continue;
        return pnb_fail(err, PNB_ERROR_NUMERIC, "figure: point %zu of '%s' is (%g, %g), expected numbers above 0", i,
                        s->label, s->x[i], s->y[i]);
    }
    return PNB_OK;
}

/* Whole halves of decades around all values. */
static axes axes_of(const pnb_series *series, size_t n) {
    axes a = {1, INFINITY, 0};
    for (size_t k = 0; k < n; k++)
        for (size_t i = 0; i < series[k].n; i++) {
            a.x1 = fmax(a.x1, series[k].x[i]);
            a.y0 = fmin(a.y0, series[k].y[i]);
            a.y1 = fmax(a.y1, series[k].y[i]);
        }
    if (!(a.y1 > 0)) a.y0 = a.y1 = 1;
    a.y0 = pow(10, floor(2 * log10(a.y0) - 1e-9) / 2);
    a.y1 = pow(10, ceil(2 * log10(a.y1) + 1e-9) / 2);
    return a;
}

static void draw_axes(pnb_figure *f, const axes *a, const char *x_label, const char *y_label) {
    char text[32];
    double first, step;
    size_t n = pnb_ticks(0, a->x1, MOST_TICKS, &first, &step);
    static const double marks[] = {1, 2, 5};
    for (size_t i = 0; i < n; i++) {
        snprintf(text, sizeof text, "%g", first + (double)i * step);
        pnb_figure_text(f, to_x(a, first + (double)i * step), TOP + HEIGHT + 16, TEXT_SIZE, PNB_PENCIL,
                        PNB_ALIGN_CENTRE, text);
    }
    for (double e = floor(log10(a->y0)); pow(10, e) <= a->y1; e++)
        for (size_t i = 0; i < sizeof marks / sizeof *marks; i++) {
            double v = marks[i] * pow(10, e);
            if (v < a->y0 * (1 - 1e-9) || v > a->y1 * (1 + 1e-9)) continue;
            snprintf(text, sizeof text, "%g", v);
            pnb_figure_rect(f, LEFT, floorf(to_y(a, v)), WIDTH, 1, PNB_HAIR, 0.7f);
            pnb_figure_text(f, LEFT - 6, to_y(a, v) + TEXT_SIZE / 2, TEXT_SIZE, PNB_PENCIL, PNB_ALIGN_RIGHT, text);
        }
    pnb_figure_frame(f, LEFT, TOP, WIDTH, HEIGHT, 1, PNB_HAIR);
    pnb_figure_text(f, LEFT + 0.5f * WIDTH, TOP + HEIGHT + 36, TEXT_SIZE, PNB_INK, PNB_ALIGN_CENTRE, x_label);
    pnb_figure_text_up(f, 18, TOP + 0.5f * HEIGHT, TEXT_SIZE, PNB_INK, PNB_ALIGN_CENTRE, y_label);
}

pnb_status pnb_figure_history(pnb_error *err, const char *path, const pnb_series *series, size_t n, const char *x_label,
                              const char *y_label) {
    for (size_t k = 0; k < n; k++) PNB_TRY(check(err, &series[k]));
    pnb_figure *f;
    float legend = LEFT;
    axes a = axes_of(series, n);
    PNB_TRY(pnb_figure_create(err, LEFT + WIDTH + RIGHT, TOP + HEIGHT + BOTTOM, PNB_WHITE, &f));
    draw_axes(f, &a, x_label, y_label);
    for (size_t k = 0; k < n; k++) {
        const pnb_series *s = &series[k];
        for (size_t i = 0; i < s->n; i++) {
            float x = to_x(&a, s->x[i]), y = to_y(&a, s->y[i]);
            if (i) pnb_figure_line(f, to_x(&a, s->x[i - 1]), to_y(&a, s->y[i - 1]), x, y, 1.5f, s->color, 1);
            if (s->n <= 60) pnb_figure_dot(f, x, y, 2.5f, s->color, 1);
        }
        pnb_figure_line(f, legend, 17, legend + 18, 17, 2, s->color, 1);
        pnb_figure_text(f, legend + 24, 17 + TEXT_SIZE / 2, TEXT_SIZE, PNB_INK, PNB_ALIGN_LEFT, s->label);
        legend += 48 + pnb_figure_text_width(TEXT_SIZE, s->label);
    }
    pnb_status status = pnb_figure_save_png(f, path);
    pnb_figure_destroy(&f);
    return status;
}

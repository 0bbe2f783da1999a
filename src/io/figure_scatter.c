/* The scatter plot: panels on the same axes, densities as filled contours, points as dots. */
#include "io/figure.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SIDE = 340, TOP = 40, LEFT = 62, BOTTOM = 46, LEGEND = 34, BETWEEN = 26, RIGHT = 26, MAX_TICKS = 8, BANDS = 8 };

#define TITLE_SIZE 11.0f
#define TEXT_SIZE 8.5f

typedef struct axes {
    double x_min, x_max, y_min, y_max;
    int left, top; /* of the panel in pixels */
} axes;

static float to_x(const axes *a, double x) {
    return (float)(a->left + SIDE * (x - a->x_min) / (a->x_max - a->x_min));
}

static float to_y(const axes *a, double y) {
    return (float)(a->top + SIDE * (a->y_max - y) / (a->y_max - a->y_min));
}

/* --- the range --- */

static pnb_status check_points(pnb_error *err, const pnb_scatter *s) {
    for (size_t p = 0; p < s->n_panels; p++) {
        for (size_t k = 0; k < s->panels[p].n_points; k++) {
            const pnb_points *set = &s->panels[p].points[k];
            for (size_t i = 0; i < 2 * set->count; i++) {
                if (isfinite(set->xy[i])) continue;
                return pnb_fail(err, PNB_ERROR_NUMERIC, "figure: point %zu of '%s' is not finite", i / 2,
                                set->label ? set->label : "");
            }
        }
        for (size_t k = 0; k < s->panels[p].n_densities; k++) {
            const pnb_density *d = &s->panels[p].densities[k];
            for (size_t i = 0; i < (size_t)d->nx * d->ny; i++) {
                if (isfinite(d->values[i])) continue;
                return pnb_fail(err, PNB_ERROR_NUMERIC, "figure: density %zu of panel %zu is not finite at cell %zu", k,
                                p, i);
            }
        }
    }
    return PNB_OK;
}

/* The range of coordinate c (0 x, 1 y) over all points, with a margin. */
static void range_of_points(const pnb_scatter *s, int c, double *low, double *high) {
    *low = INFINITY;
    *high = -INFINITY;
    for (size_t p = 0; p < s->n_panels; p++) {
        for (size_t k = 0; k < s->panels[p].n_points; k++) {
            const pnb_points *set = &s->panels[p].points[k];
            for (size_t i = 0; i < set->count; i++) {
                *low = fmin(*low, (double)set->xy[2 * i + (size_t)c]);
                *high = fmax(*high, (double)set->xy[2 * i + (size_t)c]);
            }
        }
    }
    if (!(*high >= *low)) *low = *high = 0;
    double margin = *high > *low ? 0.06 * (*high - *low) : 1;
    *low -= margin;
    *high += margin;
}

static void find_range(const pnb_scatter *s, axes *a) {
    *a = (axes){s->x_min, s->x_max, s->y_min, s->y_max, 0, TOP};
    if (!(a->x_max > a->x_min)) range_of_points(s, 0, &a->x_min, &a->x_max);
    if (!(a->y_max > a->y_min)) range_of_points(s, 1, &a->y_min, &a->y_max);
}

/* --- densities --- */

static float largest(const pnb_density *d) {
    float v = 0;
    for (size_t i = 0; i < (size_t)d->nx * d->ny; i++) v = fmaxf(v, d->values[i]);
    return v;
}

/* Bilinear between cell centres; u and v in cells. */
static float density_at(const pnb_density *d, double u, double v) {
    u = fmin(fmax(u - 0.5, 0), d->nx - 1);
    v = fmin(fmax(v - 0.5, 0), d->ny - 1);
    size_t i = (size_t)u, j = (size_t)v, i1 = i + 1 < d->nx ? i + 1 : i, j1 = j + 1 < d->ny ? j + 1 : j;
    float a = (float)(u - (double)i), b = (float)(v - (double)j);
    const float *low = d->values + j * d->nx, *high = d->values + j1 * d->nx;
    return (1 - b) * ((1 - a) * low[i] + a * low[i1]) + b * ((1 - a) * high[i] + a * high[i1]);
}

/* Filled contours: bands of equal steps in the square root of the density, so that weak modes show; 3 x 3 points a
 * pixel. */
static void draw_density(pnb_figure *f, const axes *a, const pnb_density *d) {
    float top = largest(d);
    if (!(top > 0)) return;
    for (int y = 0; y < SIDE; y++) {
        for (int x = 0; x < SIDE; x++) {
            float sum = 0;
            for (int k = 0; k < 9; k++) {
                double u = (x + (k % 3 + 0.5) / 3) * d->nx / SIDE, v = (SIDE - y - (k / 3 + 0.5) / 3) * d->ny / SIDE;
                float level = sqrtf(fmaxf(0, density_at(d, u, v)) / top);
                sum += fminf(BANDS - 1, floorf(level * BANDS)) / (BANDS - 1);
            }
            pnb_figure_rect(f, (float)(a->left + x), (float)(a->top + y), 1, 1, d->color, 0.82f * sum / 9);
        }
    }
}

/* --- axes --- */

static const char *tick_text(double v, double step, char buf[40]) {
    int decimals = (int)fmax(0, ceil(-log10(step) - 1e-9));
    if (fabs(v) < 1e-9 * step) v = 0;
    if (decimals > 4 || fabs(v) >= 1e6)
        snprintf(buf, 40, "%.3g", v);
    else
        snprintf(buf, 40, "%.*f", decimals, v);
    for (char *p = buf; *p; p++) {
        if (*p == ',') *p = '.'; /* the locale's decimal sign */
    }
    return buf;
}

static void draw_grid(pnb_figure *f, const axes *a) {
    double first, step;
    size_t n = pnb_ticks(a->x_min, a->x_max, MAX_TICKS, &first, &step);
    for (size_t i = 0; i < n; i++)
        pnb_figure_rect(f, floorf(to_x(a, first + (double)i * step)), (float)a->top, 1, SIDE, PNB_HAIR, 0.5f);
    n = pnb_ticks(a->y_min, a->y_max, MAX_TICKS, &first, &step);
    for (size_t i = 0; i < n; i++)
        pnb_figure_rect(f, (float)a->left, floorf(to_y(a, first + (double)i * step)), SIDE, 1, PNB_HAIR, 0.5f);
}

/* The frame, ticks and numbers; those of the vertical axis only where wanted. */
static void draw_axes(pnb_figure *f, const axes *a, bool numbers) {
    double first, step;
    char text[40];
    float bottom = (float)(a->top + SIDE), left = (float)a->left;
    pnb_figure_frame(f, left - 1, (float)a->top - 1, SIDE + 2, SIDE + 2, 1, 0x9aa1adu);
    size_t n = pnb_ticks(a->x_min, a->x_max, MAX_TICKS, &first, &step);
    for (size_t i = 0; i < n; i++) {
        float x = floorf(to_x(a, first + (double)i * step));
        pnb_figure_rect(f, x, bottom, 1, 5, 0x9aa1adu, 1);
        pnb_figure_text(f, x + 0.5f, bottom + 18, TEXT_SIZE, PNB_PENCIL, PNB_ALIGN_CENTRE,
                        tick_text(first + (double)i * step, step, text));
    }
    n = pnb_ticks(a->y_min, a->y_max, MAX_TICKS, &first, &step);
    for (size_t i = 0; i < n; i++) {
        float y = floorf(to_y(a, first + (double)i * step));
        pnb_figure_rect(f, left - 5, y, 5, 1, 0x9aa1adu, 1);
        if (!numbers) continue;
        pnb_figure_text(f, left - 9, y + 0.5f + TEXT_SIZE / 2, TEXT_SIZE, PNB_PENCIL, PNB_ALIGN_RIGHT,
                        tick_text(first + (double)i * step, step, text));
    }
}

/* --- points and legend --- */

static float radius_of(const pnb_points *set) {
    if (set->radius > 0) return set->radius;
    return set->count <= 50 ? 4.0f : set->count <= 400 ? 3.0f : set->count <= 3000 ? 2.0f : 1.3f;
}

static void draw_points(pnb_figure *f, const axes *a, const pnb_points *set) {
    float radius = radius_of(set);
    for (size_t i = 0; i < set->count; i++) {
        double x = (double)set->xy[2 * i], y = (double)set->xy[2 * i + 1];
        if (x < a->x_min || x > a->x_max || y < a->y_min || y > a->y_max) continue;
        pnb_figure_dot(f, to_x(a, x), to_y(a, y), radius + 0.9f, PNB_WHITE, 0.55f); /* a rim, so that dots stay apart */
        pnb_figure_dot(f, to_x(a, x), to_y(a, y), radius, set->color, 0.8f);
    }
}

/* The set is drawn in the legend once, though it may stand in several panels. */
static bool listed_before(const pnb_scatter *s, size_t panel, size_t k) {
    const pnb_points *set = &s->panels[panel].points[k];
    for (size_t p = 0; p <= panel; p++) {
        for (size_t i = 0; i < s->panels[p].n_points && (p < panel || i < k); i++) {
            const pnb_points *other = &s->panels[p].points[i];
            if (other->label && other->color == set->color && strcmp(other->label, set->label) == 0) return true;
        }
    }
    return false;
}

/* Draws the legend centred at x, or only measures it where f is NULL. Returns its width. */
static float draw_legend(pnb_figure *f, const pnb_scatter *s, float x, float y) {
    float width = 0;
    for (size_t p = 0; p < s->n_panels; p++) {
        for (size_t k = 0; k < s->panels[p].n_points; k++) {
            const pnb_points *set = &s->panels[p].points[k];
            if (!set->label || listed_before(s, p, k)) continue;
            if (width > 0) width += 26;
            if (f) {
                pnb_figure_dot(f, x + width + 5, y - TEXT_SIZE / 2, fmaxf(3.2f, radius_of(set)), set->color, 1);
                pnb_figure_text(f, x + width + 15, y, TEXT_SIZE, PNB_INK, PNB_ALIGN_LEFT, set->label);
            }
            width += 15 + pnb_figure_text_width(TEXT_SIZE, set->label);
        }
    }
    return width;
}

/* --- the figure --- */

static void draw_panel(pnb_figure *f, const axes *a, const pnb_scatter *s, size_t p) {
    const pnb_panel *panel = &s->panels[p];
    draw_grid(f, a);
    for (size_t k = 0; k < panel->n_densities; k++) draw_density(f, a, &panel->densities[k]);
    for (size_t k = 0; k < panel->n_points; k++) draw_points(f, a, &panel->points[k]);
    draw_axes(f, a, p == 0);
    float middle = (float)a->left + 0.5f * SIDE;
    if (panel->title)
        pnb_figure_text(f, middle, (float)a->top - 13, TITLE_SIZE, PNB_INK, PNB_ALIGN_CENTRE, panel->title);
    if (s->x_label)
        pnb_figure_text(f, middle, (float)(a->top + SIDE + 38), TEXT_SIZE, PNB_INK, PNB_ALIGN_CENTRE, s->x_label);
    if (s->y_label && p == 0) {
        pnb_figure_text_up(f, 18, (float)a->top + 0.5f * SIDE, TEXT_SIZE, PNB_INK, PNB_ALIGN_CENTRE, s->y_label);
    }
}

pnb_status pnb_figure_scatter(pnb_error *err, const char *path, const pnb_scatter *s) {
    if (s->n_panels == 0 || s->n_panels > 8) {
        return pnb_fail(err, PNB_ERROR_USAGE, "figure: a scatter plot has 1 to 8 panels, not %zu", s->n_panels);
    }
    PNB_TRY(check_points(err, s));
    axes a;
    find_range(s, &a);
    float legend = draw_legend(NULL, s, 0, 0);
    uint32_t width = LEFT + RIGHT + (uint32_t)s->n_panels * (SIDE + BETWEEN) - BETWEEN;
    uint32_t height = TOP + SIDE + BOTTOM + (legend > 0 ? LEGEND : 0);
    pnb_figure *f;
    PNB_TRY(pnb_figure_create(err, width, height, PNB_WHITE, &f));
    for (size_t p = 0; p < s->n_panels; p++) {
        a.left = LEFT + (int)p * (SIDE + BETWEEN);
        draw_panel(f, &a, s, p);
    }
    if (legend > 0) draw_legend(f, s, 0.5f * ((float)width - legend), (float)height - 16);
    pnb_status status = pnb_figure_save_png(f, path);
    pnb_figure_destroy(&f);
    return status;
}

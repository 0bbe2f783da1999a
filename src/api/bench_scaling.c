/* Time and memory of PPM's step against image size, particles and the network's width: random weights, garments'
 * network. */
#include "api/bench.h"

#include "io/figure.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SIDE = 32, CHANNELS = 32, MOST_POINTS = 8, SERIES = 3 }; /* the garments' own size and width */
static const double LONGEST_SECONDS = 20;

typedef struct point {
    uint32_t side, particles, channels;
} point;

typedef struct series {
    const char *name, *axis; /* "size", "image side, pixels" */
    point points[MOST_POINTS];
    size_t n;
} series;

#define SIZE(side)                                                                                                     \
    { side, 1, CHANNELS }
#define PARTICLES(k)                                                                                                   \
    { SIDE, k, CHANNELS }
#define WIDTH(channels)                                                                                                \
    { SIDE, 8, channels }
static const series all[SERIES] = {
    {"size", "image side (1 particle)", {SIZE(32), SIZE(64), SIZE(128), SIZE(256), SIZE(512)}, 5},
    {"particles",
     "particles (32x32)",
     {PARTICLES(1), PARTICLES(2), PARTICLES(4), PARTICLES(8), PARTICLES(16), PARTICLES(32), PARTICLES(64)},
     7},
    {"width", "channels (32x32, 8 particles)", {WIDTH(32), WIDTH(64), WIDTH(128), WIDTH(256)}, 4},
};

/* What was measured of one series, for the figure. */
typedef struct curve {
    double x[MOST_POINTS], ms[MOST_POINTS], per_pixel[MOST_POINTS], mib[MOST_POINTS];
    size_t n;
} curve;

static double value_of(const series *s, const point *p) {
    return s == &all[0] ? p->side : s == &all[1] ? p->particles : p->channels;
}

/* ---- one point --------------------------------------------------------------------------------------------------- */

static pnb_status time_point(pnb_bencher *b, const point *p, const char *before, cJSON *row) {
    char particles[16];
    pnb_bench_garment g;
    PNB_TRY(pnb_bench_garment_create(b->ctx, p->side, p->channels / CHANNELS, &g));
    snprintf(particles, sizeof particles, "%u", p->particles);
    pnb_status status = pnb_problem_set(g.problem, "method.particles", particles);
    if (status == PNB_OK) status = pnb_problem_set(g.problem, "method.aux_warmup", "0"); /* a long first step */
    if (status == PNB_OK) status = pnb_bench_problem(b, g.problem, before, true, row);
    pnb_bench_garment_finish(&g);
    return status;
}

static double number(const cJSON *object, const char *key) {
    return cJSON_GetNumberValue(cJSON_GetObjectItemCaseSensitive(object, key));
}

static pnb_status measure_point(pnb_bencher *b, const series *s, const point *p, curve *c) {
    char before[64];
    cJSON *list = cJSON_GetObjectItemCaseSensitive(b->json, "scaling"), *row = cJSON_CreateObject();
    snprintf(before, sizeof before, "%s: %u channels, ", s->name, p->channels);
    pnb_status status = time_point(b, p, before, row);
    double ms = number(cJSON_GetObjectItemCaseSensitive(row, "ms"), "median");
    double per_pixel = 1e3 * ms / ((double)p->side * p->side * p->particles);
    if (status == PNB_OK &&
        (!cJSON_AddStringToObject(row, "scaling", s->name) || !cJSON_AddNumberToObject(row, "channels", p->channels) ||
         !cJSON_AddNumberToObject(row, "us_per_pixel_particle", per_pixel) || !cJSON_AddItemToArray(list, row)))
        status = pnb_no_memory(&b->ctx->error, "bench");
    if (status != PNB_OK) {
        cJSON_Delete(row);
        return status;
    }
    c->x[c->n] = value_of(s, p);
    c->ms[c->n] = ms;
    c->per_pixel[c->n] = per_pixel;
    c->mib[c->n++] = number(row, "planned_bytes") / (1 << 20);
    return pnb_bench_say(b, "  %.3f us a pixel and particle", per_pixel);
}

/* ---- one series -------------------------------------------------------------------------------------------------- */

/* Seconds of the step at a point, if time grows as the work does from the last one. */
static double predict(const curve *c, const point *last, const point *next) {
    double side = (double)next->side / last->side, width = (double)next->channels / last->channels;
    return 1e-3 * c->ms[c->n - 1] * side * side * width * width * next->particles / last->particles;
}

static pnb_status stop_series(pnb_bencher *b, const series *s, const point *p, const char *why) {
    char note[256];
    cJSON *notes = cJSON_GetObjectItemCaseSensitive(b->json, "notes");
    snprintf(note, sizeof note, "%s: ends before %g: %.200s", s->name, value_of(s, p), why);
    cJSON *text = cJSON_CreateString(note);
    if (!text || !cJSON_AddItemToArray(notes, text)) return pnb_no_memory(&b->ctx->error, "bench");
    return pnb_bench_say(b, "%s", note);
}

static pnb_status run_series(pnb_bencher *b, const series *s, curve *c) {
    double longest = b->params.longest_step > 0 ? b->params.longest_step : LONGEST_SECONDS;
    for (size_t i = 0; i < s->n; i++) {
        const point *p = &s->points[i];
        double seconds = i ? predict(c, p - 1, p) : 0;
        if (seconds > longest) {
            char why[96];
            snprintf(why, sizeof why, "a step would take about %.3g s, %.3g at most", seconds, longest);
            return stop_series(b, s, p, why);
        }
        pnb_status status = measure_point(b, s, p, c);
        if (status == PNB_ERROR_OUT_OF_MEMORY) return stop_series(b, s, p, b->ctx->error.message);
        if (status != PNB_OK) return status;
    }
    return PNB_OK;
}

/* ---- the figure -------------------------------------------------------------------------------------------------- */

static pnb_status draw(pnb_bencher *b, const curve *curves) {
    pnb_curve panels[3 * SERIES];
    for (size_t i = 0; i < SERIES; i++) {
        const curve *c = &curves[i];
        panels[i] = (pnb_curve){all[i].axis, "ms a step", c->x, c->ms, c->n, PNB_BLUE};
        panels[SERIES + i] = (pnb_curve){all[i].axis, "us a pixel and particle", c->x, c->per_pixel, c->n, PNB_GREEN};
        panels[2 * SERIES + i] = (pnb_curve){all[i].axis, "MiB planned", c->x, c->mib, c->n, PNB_ORANGE};
    }
    return pnb_figure_curves(&b->ctx->error, b->params.figure, panels, 3 * SERIES, SERIES);
}

pnb_status pnb_bench_scaling(pnb_bencher *b) {
    curve curves[SERIES] = {0};
    if (!cJSON_AddArrayToObject(b->json, "scaling") || !cJSON_AddArrayToObject(b->json, "notes"))
        return pnb_no_memory(&b->ctx->error, "bench");
    for (size_t i = 0; i < SERIES; i++) PNB_TRY(run_series(b, &all[i], &curves[i]));
    return b->params.figure ? draw(b, curves) : PNB_OK;
}

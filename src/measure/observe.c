/* Simulated observations: uv tracks, elevation limits, gains and thermal noise, in double precision on the host. */
#include "measure/observe.h"

#include "base/file.h"
#include "base/philox.h"
#include "base/str.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const double PI = 3.14159265358979323846, LIGHT = 299792458;

/* ---- stations ---------------------------------------------------------------------------------------------------- */

static pnb_status add_station(pnb_error *err, pnb_uvdata *d, const char *path, unsigned line, char *text) {
    enum { FIELDS = 5 };
    char *field[FIELDS], shown[61];
    double x[FIELDS - 1];
    uint32_t index;
    int n = 0;
    snprintf(shown, sizeof shown, "%.60s", text);
    for (char *at = text, *comma; at; at = comma) {
        comma = strchr(at, ',');
        if (comma) *comma++ = 0;
        if (n < FIELDS) field[n] = at;
        n++;
    }
    bool ok = n == FIELDS;
    for (int i = 1; ok && i < FIELDS; i++) ok = pnb_text_to_number(field[i], &x[i - 1]) && isfinite(x[i - 1]);
    if (!ok || !(x[3] > 0)) {
        return pnb_fail(err, PNB_ERROR_INPUT, "file '%s', line %u: expected station,x,y,z,sefd, found '%s'", path, line,
                        shown);
    }
    if (pnb_uvdata_station(err, d, text, &index) != PNB_OK)
        return pnb_error_prefix(err, "file '%s', line %u: ", path, line);
    memcpy(d->stations[index].position, x, sizeof d->stations[index].position);
    d->stations[index].sefd = x[3];
    return PNB_OK;
}

pnb_status pnb_stations_read(pnb_error *err, const char *path, pnb_uvdata *d) {
    enum { FILE_LIMIT = 1 << 20 };
    void *bytes;
    size_t size;
    unsigned number = 0;
    PNB_TRY(pnb_file_read(err, path, FILE_LIMIT, &bytes, &size));
    pnb_status status = PNB_OK;
    for (char *line = bytes, *next; line && status == PNB_OK; line = next) {
        next = strchr(line, '\n');
        if (next) *next++ = 0;
        number++;
        size_t n = strcspn(line, "\r");
        line[n] = 0;
        if (line[0] && line[0] != '#') status = add_station(err, d, path, number, line);
    }
    free(bytes);
    if (status == PNB_OK && d->n_stations < 2)
        status = pnb_fail(err, PNB_ERROR_INPUT, "file '%s': %u stations, expected two or more", path, d->n_stations);
    return status;
}

/* ---- geometry ---------------------------------------------------------------------------------------------------- */

/* Greenwich sidereal time less right ascension, radians. */
static double hour_angle(const pnb_uvdata *d, double hours) {
    double days = d->mjd - 51544.5, centuries = (days + hours / 24) / 36525;
    double gst = 6.697374558 + 0.06570982441908 * days + 1.00273790935 * hours + 0.000026 * centuries * centuries;
    return fmod(gst, 24) * PI / 12 - d->ra * PI / 180;
}

static double elevation(const pnb_uv_station *s, double h, double dec) {
    const double *r = s->position, size = sqrt(r[0] * r[0] + r[1] * r[1] + r[2] * r[2]);
    return asin((r[0] * cos(dec) * cos(h) - r[1] * cos(dec) * sin(h) + r[2] * sin(dec)) / size) * 180 / PI;
}

static void set_baseline(const pnb_uvdata *d, double h, double dec, pnb_uv_record *r) {
    const double *p = d->stations[r->station[0]].position, *q = d->stations[r->station[1]].position,
                 wave = LIGHT / d->frequency;
    double x = (p[0] - q[0]) / wave, y = (p[1] - q[1]) / wave, z = (p[2] - q[2]) / wave;
    r->u = x * sin(h) + y * cos(h);
    r->v = -x * cos(h) * sin(dec) + y * sin(h) * sin(dec) + z * cos(dec);
}

static pnb_status add_time(pnb_error *err, const pnb_observing *o, double hours, pnb_uvdata *d) {
    double middle = hours + 0.5 * o->integration / 3600, h = hour_angle(d, middle), dec = d->dec * PI / 180;
    bool up[PNB_UV_MAX_STATIONS];
    for (uint32_t s = 0; s < d->n_stations; s++) {
        double e = elevation(&d->stations[s], h, dec);
        up[s] = e >= o->elevation[0] && e <= o->elevation[1];
    }
    for (uint32_t a = 0; a < d->n_stations; a++) {
        for (uint32_t b = a + 1; b < d->n_stations; b++) {
            if (!up[a] || !up[b]) continue;
            pnb_uv_record r = {.hours = middle, .seconds = o->integration, .station = {a, b}};
            set_baseline(d, h, dec, &r);
            r.sigma = sqrt(d->stations[a].sefd * d->stations[b].sefd / (2 * d->bandwidth * o->integration)) /
                      (0.88 * sqrt(2));
            PNB_TRY(pnb_uvdata_add(err, d, &r));
        }
    }
    return PNB_OK;
}

/* ---- corruption -------------------------------------------------------------------------------------------------- */

enum { STREAM_THERMAL = 1, STREAM_OFFSET, STREAM_SCAN, STREAM_PHASE };

static double normal(const pnb_observing *o, uint32_t stream, uint64_t element) {
    float n;
    pnb_fill_normal(o->seed, stream, 0, element, &n, 1);
    return n;
}

static double uniform(const pnb_observing *o, uint32_t stream, uint64_t element) {
    float u;
    pnb_fill_uniform(o->seed, stream, 0, element, &u, 1);
    return u;
}

static void corrupt(const pnb_observing *o, const pnb_uvdata *d, pnb_uv_record *r) {
    double size = 1, turn = 0;
    for (int e = 0; e < 2; e++) {
        uint32_t s = r->station[e], at = r->group * d->n_stations + s;
        size *= fabs(1 + o->gain_offset * normal(o, STREAM_OFFSET, s));
        size *= fabs(1 + o->gain_scan * normal(o, STREAM_SCAN, at));
        if (o->phases) turn += (e ? -2 : 2) * PI * uniform(o, STREAM_PHASE, at);
    }
    double re = size * (r->re * cos(turn) - r->im * sin(turn));
    r->im = size * (r->re * sin(turn) + r->im * cos(turn));
    r->re = re;
}

pnb_status pnb_observe(pnb_error *err, const pnb_observing *o, const pnb_sky_grid *grid, const double *jy,
                       pnb_uvdata *d) {
    for (uint32_t i = 0; o->start + i * o->interval / 3600 + o->integration / 3600 <= o->stop + 1e-9; i++) {
        PNB_TRY(add_time(err, o, o->start + i * o->interval / 3600, d));
    }
    if (d->count == 0) {
        return pnb_fail(err, PNB_ERROR_INPUT,
                        "observation: no two stations see %s between %g and %g degrees of elevation from %g to %g h",
                        d->source, o->elevation[0], o->elevation[1], o->start, o->stop);
    }
    pnb_uvdata_group(d, 0.5 * o->interval);
    if (!pnb_sky_observe(grid, jy, d)) return pnb_fail(err, PNB_ERROR_OUT_OF_MEMORY, "observation: no host memory");
    for (uint32_t k = 0; k < d->count; k++) {
        pnb_uv_record *r = &d->records[k];
        corrupt(o, d, r);
        if (!o->thermal) continue;
        r->re += r->sigma * normal(o, STREAM_THERMAL, 2 * k);
        r->im += r->sigma * normal(o, STREAM_THERMAL, 2 * k + 1);
    }
    return PNB_OK;
}

/* Visibilities in memory: collected, ordered, averaged and selected. */
#include "io/uvdata.h"

#include "base/file.h"
#include "base/str.h"
#include "io/eht_csv.h"
#include "io/uvfits.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { FILE_LIMIT = 1 << 30 };
/* Records of one dump have the same time but for a float's rounding of a day. */
static const double SAME_TIME = 0.1; /* seconds */

void pnb_uvdata_free(pnb_uvdata *d) {
    if (!d) return;
    free(d->stations);
    free(d->records);
    memset(d, 0, sizeof *d);
}

/* ---- collecting ------------------------------------------------------------------------------------------------- */

pnb_status pnb_uvdata_station(pnb_error *err, pnb_uvdata *d, const char *name, uint32_t *index) {
    for (*index = 0; *index < d->n_stations; ++*index) {
        if (strcmp(d->stations[*index].name, name) == 0) return PNB_OK;
    }
    if (!name[0] || strlen(name) >= PNB_UV_NAME_SIZE) {
        return pnb_fail(err, PNB_ERROR_INPUT, "the station name '%.32s' has %zu characters, expected 1 to %d", name,
                        strlen(name), PNB_UV_NAME_SIZE - 1);
    }
    if (d->n_stations == PNB_UV_MAX_STATIONS)
        return pnb_fail(err, PNB_ERROR_INPUT, "more than %d stations", PNB_UV_MAX_STATIONS);
    pnb_uv_station *more = realloc(d->stations, (d->n_stations + 1) * sizeof *more);
    if (!more) return pnb_fail(err, PNB_ERROR_OUT_OF_MEMORY, "no memory for stations");
    d->stations = more;
    more[d->n_stations] = (pnb_uv_station){{0}, {0, 0, 0}, 0};
    strcpy(more[d->n_stations++].name, name);
    return PNB_OK;
}

/* Counts a record that cannot be used. */
static bool unusable(pnb_uvdata *d, const pnb_uv_record *r) {
    if (!isfinite(r->hours) || !isfinite(r->u) || !isfinite(r->v) || !isfinite(r->re) || !isfinite(r->im) ||
        !isfinite(r->sigma)) {
        d->dropped.not_finite++;
    } else if (!(r->sigma > 0)) {
        d->dropped.flagged++;
    } else if (r->station[0] == r->station[1]) {
        d->dropped.own++;
    } else {
        return false;
    }
    return true;
}

pnb_status pnb_uvdata_add(pnb_error *err, pnb_uvdata *d, const pnb_uv_record *r) {
    if (unusable(d, r)) return PNB_OK;
    if (d->count == d->room) {
        uint32_t room = d->room ? 2 * d->room : 1024;
        pnb_uv_record *more = room <= PNB_UV_MAX_RECORDS ? realloc(d->records, room * sizeof *more) : NULL;
        if (!more) return pnb_fail(err, PNB_ERROR_OUT_OF_MEMORY, "no memory for %u visibilities", room);
        d->records = more;
        d->room = room;
    }
    pnb_uv_record *to = &d->records[d->count++];
    *to = *r;
    if (r->station[0] > r->station[1]) {
        to->station[0] = r->station[1];
        to->station[1] = r->station[0];
        to->u = -r->u;
        to->v = -r->v;
        to->im = -r->im;
    }
    return PNB_OK;
}

static int earlier(const void *a, const void *b) {
    const pnb_uv_record *r = a, *s = b;
    if (r->hours != s->hours) return r->hours < s->hours ? -1 : 1;
    for (int i = 0; i < 2; i++) {
        if (r->station[i] != s->station[i]) return r->station[i] < s->station[i] ? -1 : 1;
    }
    return 0;
}

void pnb_uvdata_group(pnb_uvdata *d, double gap) {
    if (d->count) qsort(d->records, d->count, sizeof *d->records, earlier);
    d->groups = d->count > 0;
    for (uint32_t i = 0; i < d->count; i++) {
        if (i && (d->records[i].hours - d->records[i - 1].hours) * 3600 > gap) d->groups++;
        d->records[i].group = d->groups - 1;
    }
}

/* ---- averaging and selecting ------------------------------------------------------------------------------------ */

static int by_baseline(const void *a, const void *b) {
    const pnb_uv_record *r = a, *s = b;
    if (r->group != s->group) return r->group < s->group ? -1 : 1;
    for (int i = 0; i < 2; i++) {
        if (r->station[i] != s->station[i]) return r->station[i] < s->station[i] ? -1 : 1;
    }
    return 0;
}

/* The mean of n records of one baseline, weighted by 1/sigma^2. */
static pnb_uv_record mean_of(const pnb_uv_record *r, uint32_t n) {
    pnb_uv_record m = r[0];
    double weight = 0, hours = 0, u = 0, v = 0, re = 0, im = 0, seconds = 0;
    for (uint32_t i = 0; i < n; i++) {
        double w = 1 / (r[i].sigma * r[i].sigma);
        weight += w;
        hours += w * r[i].hours;
        u += w * r[i].u;
        v += w * r[i].v;
        re += w * r[i].re;
        im += w * r[i].im;
        seconds += r[i].seconds;
    }
    m.hours = hours / weight;
    m.u = u / weight;
    m.v = v / weight;
    m.re = re / weight;
    m.im = im / weight;
    m.sigma = 1 / sqrt(weight);
    m.seconds = seconds;
    return m;
}

/* Needs groups; keeps them, with the records of each ordered by stations. */
static void average(pnb_uvdata *d) {
    uint32_t out = 0;
    qsort(d->records, d->count, sizeof *d->records, by_baseline);
    for (uint32_t i = 0, n; i < d->count; i += n) {
        for (n = 1; i + n < d->count && by_baseline(&d->records[i], &d->records[i + n]) == 0;) n++;
        d->records[out++] = mean_of(&d->records[i], n);
    }
    d->count = out;
}

/* Keeps the records for which keep says so; the others are counted. */
static void filter(pnb_uvdata *d, bool (*keep)(const pnb_uv_record *, double), double limit, uint32_t *dropped) {
    uint32_t out = 0;
    for (uint32_t i = 0; i < d->count; i++) {
        if (keep(&d->records[i], limit)) d->records[out++] = d->records[i];
    }
    *dropped += d->count - out;
    d->count = out;
}

static bool longer(const pnb_uv_record *r, double limit) {
    return hypot(r->u, r->v) >= limit;
}

static bool brighter(const pnb_uv_record *r, double limit) {
    return hypot(r->re, r->im) >= limit * r->sigma;
}

pnb_status pnb_uvdata_select(pnb_error *err, pnb_uvdata *d, const pnb_uv_selection *s) {
    if (!s->intrasite) filter(d, longer, s->intrasite_length, &d->dropped.intrasite);
    pnb_uvdata_group(d, s->scan_average ? s->scan_gap : SAME_TIME);
    if (s->scan_average && d->count) average(d);
    if (s->least_snr > 0) filter(d, brighter, s->least_snr, &d->dropped.faint);
    if (d->count) return PNB_OK;
    return pnb_fail(
        err, PNB_ERROR_INPUT,
        "no visibility is left: %u are flagged, %u not finite, %u intra-site, %u below a signal-to-noise ratio of %g",
        d->dropped.flagged, d->dropped.not_finite, d->dropped.intrasite, d->dropped.faint, s->least_snr);
}

/* ---- files ------------------------------------------------------------------------------------------------------ */

pnb_status pnb_uvdata_parse(pnb_error *err, const char *name, const void *bytes, size_t size, pnb_uvdata *out) {
    *out = (pnb_uvdata){.ra = NAN, .dec = NAN};
    const char *text = bytes;
    pnb_status status;
    if (size >= 6 && memcmp(text, "SIMPLE", 6) == 0) {
        status = pnb_uvfits_parse(err, bytes, size, out);
    } else if (size >= 1 && text[0] == '#') {
        status = pnb_eht_csv_parse(err, text, size, out);
    } else {
        status = pnb_fail(err, PNB_ERROR_INPUT,
                          "expected UVFITS (it begins with SIMPLE) or the EHT's CSV (it begins with #)");
    }
    if (status == PNB_OK && out->count == 0) {
        status = pnb_fail(err, PNB_ERROR_INPUT,
                          "it holds no usable visibility: %u are flagged, %u not finite, %u of a station with itself",
                          out->dropped.flagged, out->dropped.not_finite, out->dropped.own);
    }
    if (status == PNB_OK) {
        pnb_uvdata_group(out, SAME_TIME);
        return PNB_OK;
    }
    pnb_uvdata_free(out);
    return pnb_error_prefix(err, "file '%s': ", name);
}

pnb_status pnb_uvdata_read(pnb_error *err, const char *path, pnb_uvdata *out) {
    void *bytes;
    size_t size;
    *out = (pnb_uvdata){0};
    PNB_TRY(pnb_file_read(err, path, FILE_LIMIT, &bytes, &size));
    pnb_status status = pnb_uvdata_parse(err, path, bytes, size, out);
    free(bytes);
    return status;
}

pnb_status pnb_uvdata_write(pnb_error *err, const char *path, const pnb_uvdata *d) {
    bool fits = pnb_ends_with(path, ".uvfits") || pnb_ends_with(path, ".fits");
    return fits ? pnb_uvfits_write(err, path, d) : pnb_eht_csv_write(err, path, d);
}

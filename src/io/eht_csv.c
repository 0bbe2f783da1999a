/* CSV of visibilities: a strict reader, line by line, and its writer. */
#include "io/eht_csv.h"

#include "base/file.h"
#include "base/str.h"
#include "io/json.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LINE_SIZE = 512, FIELDS = 8 };
static const double DEGREE = 0.017453292519943295;

#define BAD(...) pnb_fail(err, PNB_ERROR_INPUT, __VA_ARGS__)

/* The next line into buf without its end; false at the end of the text or where it is longer than any line can be
 * (*text NULL). */
static bool next_line(const char **text, const char *end, char *buf) {
    if (*text == end) return false;
    const char *stop = memchr(*text, '\n', (size_t)(end - *text));
    size_t n = (size_t)((stop ? stop : end) - *text);
    if (n >= LINE_SIZE) {
        *text = NULL;
        return false;
    }
    memcpy(buf, *text, n);
    while (n && (buf[n - 1] == '\r' || buf[n - 1] == ' ')) n--;
    buf[n] = 0;
    *text = stop ? stop + 1 : end;
    return true;
}

/* Cuts a line at its commas; false unless there are FIELDS. */
static bool split(char *line, char *fields[FIELDS]) {
    int n = 0;
    for (char *at = line;; at++) {
        if (n == FIELDS) return false;
        fields[n++] = at;
        at = strchr(at, ',');
        if (!at) return n == FIELDS;
        *at = 0;
    }
}

/* The text after `key` in the first line, up to the next comma. */
static bool header_field(const char *line, const char *key, char *out, size_t room) {
    const char *at = strstr(line, key);
    if (!at) return false;
    at += strlen(key);
    size_t n = strcspn(at, ",");
    if (n == 0 || n >= room) return false;
    memcpy(out, at, n);
    out[n] = 0;
    return true;
}

static pnb_status read_header(pnb_error *err, const char *line, pnb_uvdata *out) {
    char mjd[32], frequency[32];
    bool ok = header_field(line, "SRC:", out->source, sizeof out->source) &&
              header_field(line, "DATE(MJD):", mjd, sizeof mjd) &&
              header_field(line, "FREQ:", frequency, sizeof frequency);
    char *unit = ok ? strstr(frequency, "GHz") : NULL;
    if (unit) *unit = 0;
    ok = unit && pnb_text_to_number(mjd, &out->mjd) && pnb_text_to_number(frequency, &out->frequency) && out->frequency > 0 &&
         out->frequency < 1e6 && out->mjd >= 0 && out->mjd < 1e6 && out->mjd == floor(out->mjd);
    if (!ok) return BAD("line 1: expected '#SRC:name,DATE(MJD):day,FREQ:number GHz', found '%.80s'", line);
    out->frequency *= 1e9;
    return PNB_OK;
}

static pnb_status read_record(pnb_error *err, char *line, unsigned number_of_line, pnb_uvdata *out) {
    char *f[FIELDS], shown[81];
    double hours, u, v, amplitude, phase, sigma;
    snprintf(shown, sizeof shown, "%.80s", line);
    bool ok = split(line, f) && pnb_text_to_number(f[0], &hours) && pnb_text_to_number(f[3], &u) && pnb_text_to_number(f[4], &v) &&
              pnb_text_to_number(f[5], &amplitude) && pnb_text_to_number(f[6], &phase) && pnb_text_to_number(f[7], &sigma);
    if (!ok) {
        return BAD("line %u: expected time,station,station,u,v,amplitude,phase,sigma, found '%s'", number_of_line,
                   shown);
    }
    pnb_uv_record r = {.hours = hours, .u = u, .v = v, .sigma = sigma};
    r.re = amplitude * cos(phase * DEGREE);
    r.im = amplitude * sin(phase * DEGREE);
    for (int i = 0; i < 2; i++) {
        if (pnb_uvdata_station(err, out, f[1 + i], &r.station[i]) != PNB_OK)
            return pnb_error_prefix(err, "line %u: ", number_of_line);
    }
    return pnb_uvdata_add(err, out, &r);
}

pnb_status pnb_eht_csv_parse(pnb_error *err, const char *text, size_t size, pnb_uvdata *out) {
    char line[LINE_SIZE];
    const char *end = text + size;
    unsigned n = 0;
    while (next_line(&text, end, line)) {
        n++;
        if (n == 1) {
            PNB_TRY(read_header(err, line, out));
        } else if (line[0] && line[0] != '#') {
            PNB_TRY(read_record(err, line, n, out));
        }
    }
    if (!text) return BAD("line %u: longer than %d characters", n + 1, LINE_SIZE);
    return PNB_OK;
}

pnb_status pnb_eht_csv_write(pnb_error *err, const char *path, const pnb_uvdata *d) {
    pnb_file_writer w;
    pnb_status status;
    char line[LINE_SIZE], t[6][PNB_NUMBER_TEXT_SIZE];
    PNB_TRY(pnb_writer_open(err, path, &w));
    int n = snprintf(
        line, sizeof line,
        "#SRC:%s,DATE(MJD):%s,FREQ:%sGHz\r\n#time(UTC),T1,T2,U(lambda),V(lambda),Iamp(Jy),Iphase(d),Isigma(Jy)\r\n",
        d->source, pnb_number_to_text(d->mjd, t[0]), pnb_number_to_text(d->frequency / 1e9, t[1]));
    PNB_TRY_GOTO(pnb_writer_write(&w, line, (size_t)n));
    for (uint32_t i = 0; i < d->count; i++) {
        const pnb_uv_record *r = &d->records[i];
        const double values[] = {r->hours, r->u, r->v, hypot(r->re, r->im), atan2(r->im, r->re) / DEGREE, r->sigma};
        for (int k = 0; k < 6; k++) pnb_number_to_text(values[k], t[k]);
        n = snprintf(line, sizeof line, "%s,%s,%s,%s,%s,%s,%s,%s\r\n", t[0], d->stations[r->station[0]].name,
                     d->stations[r->station[1]].name, t[1], t[2], t[3], t[4], t[5]);
        PNB_TRY_GOTO(pnb_writer_write(&w, line, (size_t)n));
    }
    return pnb_writer_commit(&w);
fail:
    pnb_writer_abort(&w);
    return status;
}

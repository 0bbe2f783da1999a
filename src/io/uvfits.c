/* UVFITS: cfitsio reads headers and tables; the groups are decoded here, after their sizes were checked against the
 * file. */
#include "io/uvfits.h"

#include "io/cfitsio.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifndef PNB_CFITSIO

pnb_status pnb_uvfits_parse(pnb_error *err, const void *bytes, size_t size, pnb_uvdata *out) {
    (void)bytes, (void)size, (void)out;
    return pnb_fits_absent(err, "UVFITS");
}

pnb_status pnb_uvfits_write(pnb_error *err, const char *path, const pnb_uvdata *d) {
    (void)d;
    return pnb_fits_absent(err, path);
}

#else

enum { MAX_AXES = 8, MAX_PARAMETERS = 32 };
static const double MJD_ZERO = 2400000.5; /* Julian date of modified Julian day 0 */

#define BAD(...) pnb_fail(err, PNB_ERROR_INPUT, __VA_ARGS__)

/* ---- the header ------------------------------------------------------------------------------------------------- */

typedef struct layout {
    long axes, size[MAX_AXES], parameters;
    LONGLONG groups;
    size_t data;      /* first byte of the groups */
    uint32_t values;  /* floats of a group after its parameters */
    uint32_t stokes;  /* how many, 3 floats apart (COMPLEX is the fastest axis) */
    long first, step; /* CRVAL and CDELT of STOKES: -1 RR, -2 LL, -5 XX, -6 YY, 1 I */
    double frequency;
    char name[MAX_PARAMETERS][FLEN_VALUE];
    double scale[MAX_PARAMETERS], zero[MAX_PARAMETERS];
} layout;

static double key_or(pnb_fits_file *f, const char *prefix, long i, double otherwise) {
    char key[FLEN_KEYWORD];
    double value;
    int status = 0;
    if (i)
        snprintf(key, sizeof key, "%s%ld", prefix, i);
    else
        snprintf(key, sizeof key, "%s", prefix);
    fits_read_key(f->fits, TDOUBLE, key, &value, NULL, &status);
    return status ? otherwise : value;
}

static void text_or_empty(pnb_fits_file *f, const char *prefix, long i, char *out) {
    char key[FLEN_KEYWORD];
    int status = 0;
    if (i)
        snprintf(key, sizeof key, "%s%ld", prefix, i);
    else
        snprintf(key, sizeof key, "%s", prefix);
    fits_read_key(f->fits, TSTRING, key, out, NULL, &status);
    if (status) out[0] = 0;
}

static bool begins(const char *text, const char *with) {
    return strncmp(text, with, strlen(with)) == 0;
}

/* Axes beside the first (0) must be COMPLEX of 3, STOKES, and others of length 1. */
static pnb_status read_axes(pnb_error *err, pnb_fits_file *f, layout *l) {
    l->values = 1;
    for (long i = 2; i <= l->axes; i++) {
        char type[FLEN_VALUE];
        long n = l->size[i - 1];
        text_or_empty(f, "CTYPE", i, type);
        if (i == 2) {
            if (!begins(type, "COMPLEX") || n != 3)
                return BAD("UVFITS: axis 2 is '%s' of %ld, expected COMPLEX of 3", type, n);
        } else if (begins(type, "STOKES")) {
            if (n < 1 || n > 4 || i != 3)
                return BAD("UVFITS: STOKES of %ld is axis %ld, expected 1 to 4 as axis 3", n, i);
            l->stokes = (uint32_t)n;
            l->first = lround(key_or(f, "CRVAL", i, 0));
            l->step = lround(key_or(f, "CDELT", i, 0));
        } else if (n != 1) {
            return BAD("UVFITS: axis %ld '%s' has %ld entries, expected 1; average the channels to one beforehand", i,
                       type, n);
        }
        if (begins(type, "FREQ")) l->frequency = key_or(f, "CRVAL", i, 0);
        l->values *= (uint32_t)n;
    }
    if (!l->stokes) return BAD("UVFITS: there is no STOKES axis");
    if (!(l->frequency > 0) || l->frequency > 1e15) return BAD("UVFITS: the frequency is %g Hz", l->frequency);
    return PNB_OK;
}

static pnb_status check_length(pnb_error *err, pnb_fits_file *f, size_t size, layout *l) {
    LONGLONG start = 0;
    fits_get_hduaddrll(f->fits, NULL, &start, NULL, &f->status);
    if (f->status) return pnb_fits_fail(err, f, "UVFITS");
    uint64_t group = 4 * ((uint64_t)l->parameters + l->values),
             room = (uint64_t)start < size ? size - (uint64_t)start : 0;
    l->data = (size_t)start;
    if ((uint64_t)l->groups > room / group) {
        return BAD("UVFITS: %lld visibilities of %llu bytes do not fit the %llu bytes of data: cut short or damaged",
                   (long long)l->groups, (unsigned long long)group, (unsigned long long)room);
    }
    return PNB_OK;
}

static pnb_status read_layout(pnb_error *err, pnb_fits_file *f, size_t size, layout *l) {
    int simple, bitpix, axes, extend;
    LONGLONG parameters = 0;
    fits_read_imghdr(f->fits, MAX_AXES, &simple, &bitpix, &axes, l->size, &l->parameters, &(long){0}, &extend,
                     &f->status);
    l->groups = (LONGLONG)key_or(f, "GCOUNT", 0, 0);
    parameters = (LONGLONG)key_or(f, "PCOUNT", 0, 0);
    int groups = 0, status = 0;
    fits_read_key(f->fits, TLOGICAL, "GROUPS", &groups, NULL, &status);
    if (f->status) return pnb_fits_fail(err, f, "UVFITS header");
    if (!groups || axes < 3 || l->size[0] != 0) return BAD("UVFITS: it holds no random groups (an image?)");
    if (axes > MAX_AXES) return BAD("UVFITS: %d axes, expected at most %d", axes, MAX_AXES);
    if (bitpix != -32) return BAD("UVFITS: BITPIX is %d, expected -32", bitpix);
    if (l->groups < 1 || l->groups > PNB_UV_MAX_RECORDS)
        return BAD("UVFITS: GCOUNT is %lld, expected 1 to %d", (long long)l->groups, PNB_UV_MAX_RECORDS);
    if (parameters < 1 || parameters > MAX_PARAMETERS)
        return BAD("UVFITS: PCOUNT is %lld, expected 1 to %d", (long long)parameters, MAX_PARAMETERS);
    l->axes = axes;
    l->parameters = (long)parameters;
    for (long i = 0; i < l->parameters; i++) {
        text_or_empty(f, "PTYPE", i + 1, l->name[i]);
        l->scale[i] = key_or(f, "PSCAL", i + 1, 1);
        l->zero[i] = key_or(f, "PZERO", i + 1, 0);
    }
    PNB_TRY(read_axes(err, f, l));
    return check_length(err, f, size, l);
}

/* ---- antennas --------------------------------------------------------------------------------------------------- */

/* Station indices by antenna number; -1: there is none. */
typedef struct antennas {
    int index[PNB_UV_MAX_STATIONS + 1];
} antennas;

static double cell(pnb_fits_file *f, int column, long row, long element) {
    double value = 0;
    int status = 0, any;
    if (column) fits_read_col(f->fits, TDOUBLE, column, row, element, 1, NULL, &value, &any, &status);
    return status ? 0 : value;
}

static int column_of(pnb_fits_file *f, const char *name) {
    int column = 0, status = 0;
    fits_get_colnum(f->fits, CASEINSEN, (char *)name, &column, &status);
    return status ? 0 : column;
}

static pnb_status read_name(pnb_error *err, pnb_fits_file *f, int column, long row, char *out, size_t room) {
    int type = 0, any;
    long repeat = 0, width = 0;
    fits_get_coltype(f->fits, column, &type, &repeat, &width, &f->status);
    if (f->status || type != TSTRING || repeat < 1 || (size_t)repeat >= room) {
        return BAD("UVFITS: table AIPS AN: ANNAME is no text of 1 to %zu characters", room - 1);
    }
    fits_read_col(f->fits, TSTRING, column, row, 1, 1, "", &out, &any, &f->status);
    if (f->status) return pnb_fits_fail(err, f, "UVFITS: table AIPS AN");
    for (size_t n = strlen(out); n && out[n - 1] == ' ';) out[--n] = 0;
    return PNB_OK;
}

static pnb_status read_antennas(pnb_error *err, pnb_fits_file *f, pnb_uvdata *out, antennas *a) {
    long rows = 0;
    for (int i = 0; i <= PNB_UV_MAX_STATIONS; i++) a->index[i] = -1;
    fits_movnam_hdu(f->fits, BINARY_TBL, "AIPS AN", 0, &f->status);
    fits_get_num_rows(f->fits, &rows, &f->status);
    if (f->status) return pnb_fits_fail(err, f, "UVFITS: table AIPS AN");
    PNB_TRY(pnb_fits_whole(err, f, "UVFITS: table AIPS AN"));
    if (rows < 1 || rows > PNB_UV_MAX_STATIONS)
        return BAD("UVFITS: table AIPS AN has %ld rows, expected 1 to %d", rows, PNB_UV_MAX_STATIONS);
    int name = column_of(f, "ANNAME"), place = column_of(f, "STABXYZ"), number = column_of(f, "NOSTA"),
        sefd = column_of(f, "SEFD");
    if (!name || !number) return BAD("UVFITS: table AIPS AN lacks ANNAME or NOSTA");
    const double centre[3] = {key_or(f, "ARRAYX", 0, 0), key_or(f, "ARRAYY", 0, 0), key_or(f, "ARRAYZ", 0, 0)};
    for (long r = 1; r <= rows; r++) {
        char text[72];
        uint32_t index;
        double n = cell(f, number, r, 1);
        if (!(n >= 1 && n <= PNB_UV_MAX_STATIONS))
            return BAD("UVFITS: table AIPS AN, row %ld: NOSTA is %g, expected 1 to %d", r, n, PNB_UV_MAX_STATIONS);
        PNB_TRY(read_name(err, f, name, r, text, sizeof text));
        PNB_TRY(pnb_uvdata_station(err, out, text, &index));
        for (int i = 0; i < 3; i++) out->stations[index].position[i] = centre[i] + cell(f, place, r, i + 1);
        out->stations[index].sefd = cell(f, sefd, r, 1);
        a->index[(int)n] = (int)index;
    }
    return PNB_OK;
}

/* ---- groups ----------------------------------------------------------------------------------------------------- */

static float big_endian(const unsigned char *p) {
    uint32_t bits = (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

/* The sum of all parameters whose name begins so; false where there is none. */
static bool parameter(const layout *l, const unsigned char *group, const char *name, double *out) {
    bool found = false;
    *out = 0;
    for (long i = 0; i < l->parameters; i++) {
        if (!begins(l->name[i], name)) continue;
        *out += big_endian(group + 4 * i) * l->scale[i] + l->zero[i];
        found = true;
    }
    return found;
}

/* One correlation of a group. */
typedef struct hand {
    double re, im, weight;
    bool given; /* its weight is above 0 and finite */
} hand;

static hand hand_of(const layout *l, const unsigned char *group, long code) {
    for (uint32_t s = 0; s < l->stokes; s++) {
        if (l->first + (long)s * l->step != code) continue;
        const unsigned char *p = group + 4 * l->parameters + 12 * s;
        hand h = {big_endian(p), big_endian(p + 4), big_endian(p + 8), false};
        h.given = h.weight > 0 && isfinite(h.weight);
        return h;
    }
    return (hand){0, 0, 0, false};
}

/* Stokes I and its error; sigma 0 where every correlation is flagged. */
static void combine(const layout *l, const unsigned char *group, pnb_uv_record *r) {
    long code = l->first > 0 ? 1 : l->first <= -5 ? -5 : -1;
    hand a = hand_of(l, group, code), b = code == 1 ? (hand){0, 0, 0, false} : hand_of(l, group, code - 1);
    r->sigma = 0;
    if (a.given && b.given) {
        r->re = 0.5 * (a.re + b.re);
        r->im = 0.5 * (a.im + b.im);
        r->sigma = 0.5 * sqrt(1 / a.weight + 1 / b.weight);
    } else if (a.given || b.given) {
        hand one = a.given ? a : b;
        r->re = one.re;
        r->im = one.im;
        r->sigma = 1 / sqrt(one.weight);
    }
}

static pnb_status stations_of(pnb_error *err, const antennas *a, double baseline, LONGLONG group, pnb_uv_record *r) {
    int code = baseline >= 0 && baseline < 65536 ? (int)baseline : 0, pair[2] = {code / 256, code % 256};
    for (int i = 0; i < 2; i++) {
        int index = pair[i] <= PNB_UV_MAX_STATIONS ? a->index[pair[i]] : -1;
        if (index < 0) {
            return BAD("UVFITS: visibility %lld is of baseline %g, antennas %d and %d, of which table AIPS AN does not "
                       "have both",
                       (long long)group, baseline, pair[0], pair[1]);
        }
        r->station[i] = (uint32_t)index;
    }
    return PNB_OK;
}

static pnb_status read_groups(pnb_error *err, const layout *l, const antennas *a, const unsigned char *bytes,
                              pnb_uvdata *out) {
    size_t step = 4 * ((size_t)l->parameters + l->values);
    for (LONGLONG i = 0; i < l->groups; i++) {
        const unsigned char *group = bytes + l->data + (size_t)i * step;
        pnb_uv_record r = {0};
        double u, v, baseline, date;
        bool ok = parameter(l, group, "UU", &u) && parameter(l, group, "VV", &v) &&
                  parameter(l, group, "BASELINE", &baseline) && parameter(l, group, "DATE", &date);
        if (!ok) return BAD("UVFITS: one of the parameters UU, VV, BASELINE, DATE is missing");
        parameter(l, group, "INTTIM", &r.seconds);
        if (!isfinite(r.seconds) || r.seconds < 0) r.seconds = 0;
        if (i == 0) {
            if (!(date > MJD_ZERO && date < MJD_ZERO + 1e6))
                return BAD("UVFITS: the first DATE is %g, expected a Julian date", date);
            out->mjd = floor(date - MJD_ZERO);
        }
        r.hours = 24 * (date - MJD_ZERO - out->mjd);
        r.u = u * l->frequency;
        r.v = v * l->frequency;
        PNB_TRY(stations_of(err, a, baseline, i + 1, &r));
        combine(l, group, &r);
        PNB_TRY(pnb_uvdata_add(err, out, &r));
    }
    return PNB_OK;
}

static double axis_value(pnb_fits_file *f, const layout *l, const char *type, const char *key, double otherwise) {
    for (long i = 2; i <= l->axes; i++) {
        char found[FLEN_VALUE];
        text_or_empty(f, "CTYPE", i, found);
        if (begins(found, type)) return key_or(f, key, i, otherwise);
    }
    return otherwise;
}

static pnb_status parse(pnb_error *err, pnb_fits_file *f, const void *bytes, size_t size, pnb_uvdata *out) {
    layout l = {0};
    antennas a;
    char object[FLEN_VALUE];
    PNB_TRY(read_layout(err, f, size, &l));
    text_or_empty(f, "OBJECT", 0, object);
    snprintf(out->source, sizeof out->source, "%.31s", object);
    out->ra = key_or(f, "OBSRA", 0, axis_value(f, &l, "RA", "CRVAL", NAN));
    out->dec = key_or(f, "OBSDEC", 0, axis_value(f, &l, "DEC", "CRVAL", NAN));
    out->frequency = l.frequency;
    out->bandwidth = fabs(axis_value(f, &l, "FREQ", "CDELT", 0));
    PNB_TRY(read_antennas(err, f, out, &a));
    return read_groups(err, &l, &a, bytes, out);
}

pnb_status pnb_uvfits_parse(pnb_error *err, const void *bytes, size_t size, pnb_uvdata *out) {
    pnb_fits_file f;
    PNB_TRY(pnb_fits_open(err, bytes, size, &f));
    pnb_status status = parse(err, &f, bytes, size, out);
    pnb_fits_close(&f);
    return status;
}

/* ---- writing ---------------------------------------------------------------------------------------------------- */

/* "2017-04-05" of a modified Julian day (Fliegel and Van Flandern, 1968). */
static void date_text(double mjd, char out[32]) {
    long l = (long)mjd + 2400001 + 68569, n = 4 * l / 146097;
    l -= (146097 * n + 3) / 4;
    long year = 4000 * (l + 1) / 1461001;
    l = l - 1461 * year / 4 + 31;
    long month = 80 * l / 2447, day = l - 2447 * month / 80;
    l = month / 11;
    snprintf(out, 32, "%04d-%02d-%02d", (int)(100 * (n - 49) + year + l) % 10000, (int)(month + 2 - 12 * l) % 100,
             (int)day % 100);
}

static void put_axis(pnb_fits_file *f, int i, const char *type, double value, double step) {
    pnb_fits_put_text(f, "CTYPE", i, type);
    pnb_fits_put_number(f, "CRVAL", i, value, NULL);
    pnb_fits_put_number(f, "CDELT", i, step, NULL);
    pnb_fits_put_number(f, "CRPIX", i, 1, NULL);
    pnb_fits_put_number(f, "CROTA", i, 0, NULL);
}

static void write_header(pnb_fits_file *f, const pnb_uvdata *d, double ra, double dec) {
    static const char *const names[] = {"UU---SIN", "VV---SIN", "WW---SIN", "BASELINE", "DATE",
                                        "DATE",     "INTTIM",   "TAU1",     "TAU2"};
    long size[7] = {0, 3, 4, 1, 1, 1, 1};
    char date[32];
    date_text(d->mjd, date);
    fits_write_grphdr(f->fits, TRUE, FLOAT_IMG, 7, size, 9, (LONGLONG)d->count, TRUE, &f->status);
    pnb_fits_put_number(f, "OBSRA", 0, ra, NULL);
    pnb_fits_put_number(f, "OBSDEC", 0, dec, NULL);
    pnb_fits_put_text(f, "OBJECT", 0, d->source);
    pnb_fits_put_number(f, "MJD", 0, d->mjd, NULL);
    pnb_fits_put_text(f, "DATE-OBS", 0, date);
    pnb_fits_put_text(f, "BUNIT", 0, "JY");
    pnb_fits_put_number(f, "EQUINOX", 0, 2000, NULL);
    pnb_fits_put_text(f, "TELESCOP", 0, "EHT");
    put_axis(f, 2, "COMPLEX", 1, 1);
    put_axis(f, 3, "STOKES", -1, -1);
    put_axis(f, 4, "FREQ", d->frequency, d->bandwidth > 0 ? d->bandwidth : 1);
    put_axis(f, 6, "RA", ra, 1);
    put_axis(f, 7, "DEC", dec, 1);
    for (int i = 1; i <= 9; i++) {
        pnb_fits_put_text(f, "PTYPE", i, names[i - 1]);
        pnb_fits_put_number(f, "PSCAL", i, 1, NULL);
        pnb_fits_put_number(f, "PZERO", i, 0, NULL);
    }
}

static void write_groups(pnb_fits_file *f, const pnb_uvdata *d) {
    for (uint32_t i = 0; i < d->count; i++) {
        const pnb_uv_record *r = &d->records[i];
        float p[9] = {(float)(r->u / d->frequency),
                      (float)(r->v / d->frequency),
                      0,
                      (float)(256 * (r->station[0] + 1) + r->station[1] + 1),
                      (float)(d->mjd + MJD_ZERO), /* a multiple of 1/2 below 2^23: exact */
                      (float)(r->hours / 24),
                      (float)r->seconds,
                      0,
                      0};
        float weight = (float)(0.5 / (r->sigma * r->sigma)), re = (float)r->re, im = (float)r->im;
        float data[12] = {re, im, weight, re, im, weight}; /* the cross hands stay 0, with weight 0 */
        fits_write_grppar_flt(f->fits, i + 1, 1, 9, p, &f->status);
        fits_write_img_flt(f->fits, i + 1, 1, 12, data, &f->status);
    }
}

static void write_antennas(pnb_fits_file *f, const pnb_uvdata *d) {
    enum { COLUMNS = 13 };
    static const char *const names[COLUMNS] = {"ANNAME", "STABXYZ", "ORBPARM", "NOSTA", "MNTSTA",  "STAXOF", "POLTYA",
                                               "POLAA",  "POLCALA", "POLTYB",  "POLAB", "POLCALB", "SEFD"};
    static const char *const forms[COLUMNS] = {"8A", "3D", "1E", "1J", "1J", "1E", "1A",
                                               "1E", "3E", "1A", "1E", "3E", "1D"};
    static const char *const units[COLUMNS] = {"",        "METERS", "", "",        "", "METERS", "",
                                               "DEGREES", "",       "", "DEGREES", "", "JY"};
    char date[32], *right = "R", *left = "L";
    date_text(d->mjd, date);
    fits_create_tbl(f->fits, BINARY_TBL, (LONGLONG)d->n_stations, COLUMNS, (char **)names, (char **)forms,
                    (char **)units, "AIPS AN", &f->status);
    pnb_fits_put_number(f, "EXTVER", 0, 1, NULL);
    pnb_fits_put_number(f, "ARRAYX", 0, 0, NULL);
    pnb_fits_put_number(f, "ARRAYY", 0, 0, NULL);
    pnb_fits_put_number(f, "ARRAYZ", 0, 0, NULL);
    pnb_fits_put_text(f, "RDATE", 0, date);
    pnb_fits_put_number(f, "FREQ", 0, d->frequency, NULL);
    pnb_fits_put_text(f, "TIMESYS", 0, "UTC");
    pnb_fits_put_text(f, "ARRNAM", 0, "EHT");
    pnb_fits_put_text(f, "XYZHAND", 0, "RIGHT");
    pnb_fits_put_number(f, "NUMORB", 0, 0, NULL);
    pnb_fits_put_number(f, "NO_IF", 0, 1, NULL);
    pnb_fits_put_number(f, "NOPCAL", 0, 0, NULL);
    pnb_fits_put_number(f, "FREQID", 0, 1, NULL);
    for (uint32_t i = 0; i < d->n_stations; i++) {
        const pnb_uv_station *s = &d->stations[i];
        char *name = (char *)s->name;
        int number = (int)i + 1, mount = 0;
        double place[3] = {s->position[0], s->position[1], s->position[2]}, sefd = s->sefd, zero[3] = {0, 0, 0},
               angle = 90;
        fits_write_col(f->fits, TSTRING, 1, number, 1, 1, &name, &f->status);
        fits_write_col(f->fits, TDOUBLE, 2, number, 1, 3, place, &f->status);
        fits_write_col(f->fits, TINT, 4, number, 1, 1, &number, &f->status);
        fits_write_col(f->fits, TINT, 5, number, 1, 1, &mount, &f->status);
        fits_write_col(f->fits, TSTRING, 7, number, 1, 1, &right, &f->status);
        fits_write_col(f->fits, TSTRING, 10, number, 1, 1, &left, &f->status);
        fits_write_col(f->fits, TDOUBLE, 11, number, 1, 1, &angle, &f->status);
        fits_write_col(f->fits, TDOUBLE, 12, number, 1, 3, zero, &f->status);
        fits_write_col(f->fits, TDOUBLE, 13, number, 1, 1, &sefd, &f->status);
    }
}

static void write_frequencies(pnb_fits_file *f, const pnb_uvdata *d) {
    static const char *const names[] = {"FRQSEL", "IF FREQ", "CH WIDTH", "TOTAL BANDWIDTH", "SIDEBAND"};
    static const char *const forms[] = {"1J", "1D", "1E", "1E", "1J"}, *const units[] = {"", "HZ", "HZ", "HZ", ""};
    int one = 1;
    double offset = 0, width = d->bandwidth;
    fits_create_tbl(f->fits, BINARY_TBL, 1, 5, (char **)names, (char **)forms, (char **)units, "AIPS FQ", &f->status);
    pnb_fits_put_number(f, "EXTVER", 0, 1, NULL);
    pnb_fits_put_number(f, "NO_IF", 0, 1, NULL);
    fits_write_col(f->fits, TINT, 1, 1, 1, 1, &one, &f->status);
    fits_write_col(f->fits, TDOUBLE, 2, 1, 1, 1, &offset, &f->status);
    fits_write_col(f->fits, TDOUBLE, 3, 1, 1, 1, &width, &f->status);
    fits_write_col(f->fits, TDOUBLE, 4, 1, 1, 1, &width, &f->status);
    fits_write_col(f->fits, TINT, 5, 1, 1, 1, &one, &f->status);
}

pnb_status pnb_uvfits_write(pnb_error *err, const char *path, const pnb_uvdata *d) {
    pnb_fits_file f;
    PNB_TRY(pnb_fits_create(err, &f));
    write_header(&f, d, isfinite(d->ra) ? d->ra : 0, isfinite(d->dec) ? d->dec : 0);
    write_groups(&f, d);
    write_antennas(&f, d);
    write_frequencies(&f, d);
    return pnb_fits_finish(err, &f, path);
}

#endif

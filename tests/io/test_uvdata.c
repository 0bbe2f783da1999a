/* Visibilities: both file formats there and back, the pitfalls of real files, damage at random, averaging and
 * selection. Files are made here; the EHT's own are read where the shared data are. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/file.h"
#include "io/files.h"
#include "io/uvdata.h"
#include "io/uvfits.h"

#include <math.h>

#define EHT PNB_SHARED_DIR "/data/eht/"
#define M87 EHT "SR1_M87_2017_095_lo_hops_netcal_StokesI"

#define OK(err, call)                                                                                                  \
    do {                                                                                                               \
        if ((call) != PNB_OK) fail_msg("%s", (err)->message);                                                          \
    } while (0)

static const char *const header = "#SRC:M87,DATE(MJD):57848,FREQ:227.0707GHz\r\n#time(UTC),T1,T2,U(lambda),V(lambda),"
                                  "Iamp(Jy),Iphase(d),Isigma(Jy)\r\n";

/* Parses a header and these lines. */
static pnb_status parse(pnb_error *err, const char *lines, pnb_uvdata *d) {
    char text[2048];
    snprintf(text, sizeof text, "%s%s", header, lines);
    return pnb_uvdata_parse(err, "a.csv", text, strlen(text), d);
}

/* Two scans of three stations, two records each; all exact in a float. */
static void make(pnb_uvdata *d) {
    pnb_error err = {0};
    static const char *const names[] = {"AA", "LM", "PV"};
    *d = (pnb_uvdata){.source = "M87", .ra = 187.5, .dec = 12.25, .mjd = 57848, .frequency = 230e9, .bandwidth = 2e9};
    for (uint32_t i = 0; i < 3; i++) {
        uint32_t index;
        OK(&err, pnb_uvdata_station(&err, d, names[i], &index));
        for (int k = 0; k < 3; k++) d->stations[i].position[k] = 1000.5 * (i + 1) * (k - 1);
        d->stations[i].sefd = 100 * (i + 1);
    }
    for (uint32_t t = 0; t < 4; t++) {
        for (uint32_t a = 0; a < 3; a++) {
            for (uint32_t b = a + 1; b < 3; b++) {
                pnb_uv_record r = {.hours = 3 + (t / 2) * 0.375 + (t % 2) * (10.0 / 3600),
                                   .seconds = 10,
                                   .station = {b, a},
                                   .sigma = 0.0625};
                r.u = 1e9 * (a + 1) + 1e6 * t;
                r.v = -2e9 * b;
                r.re = 0.5 + 0.125 * a + 0.25 * (t % 2);
                r.im = 0.25 * b;
                OK(&err, pnb_uvdata_add(&err, d, &r));
            }
        }
    }
    pnb_uvdata_group(d, 0.1);
}

/* ---- both formats ----------------------------------------------------------------------------------------------- */

static void expect_same(const pnb_uvdata *a, const pnb_uvdata *b, double relative, bool positions) {
    assert_string_equal(a->source, b->source);
    assert_true(a->mjd == b->mjd && a->n_stations == b->n_stations);
    assert_true(fabs(a->frequency - b->frequency) < 1);
    assert_int_equal(a->count, b->count);
    for (uint32_t i = 0; i < a->n_stations; i++) {
        assert_string_equal(a->stations[i].name, b->stations[i].name);
        if (positions) assert_memory_equal(&a->stations[i], &b->stations[i], sizeof a->stations[i]);
    }
    for (uint32_t i = 0; i < a->count; i++) {
        const pnb_uv_record *r = &a->records[i], *s = &b->records[i];
        assert_true(r->station[0] == s->station[0] && r->station[1] == s->station[1] && r->group == s->group);
        assert_true(fabs(r->hours - s->hours) * 3600 < 0.01);
        assert_true(hypot(r->u - s->u, r->v - s->v) <= relative * hypot(s->u, s->v));
        assert_true(hypot(r->re - s->re, r->im - s->im) <= relative * hypot(s->re, s->im));
        assert_true(fabs(r->sigma - s->sigma) <= relative * s->sigma);
    }
}

static void round_trip(const char *path, double relative, bool uvfits) {
    pnb_error err = {0};
    pnb_uvdata d, back;
    make(&d);
    OK(&err, pnb_uvdata_write(&err, path, &d));
    OK(&err, pnb_uvdata_read(&err, path, &back));
    expect_same(&back, &d, relative, uvfits);
    assert_true(uvfits ? back.ra == d.ra && back.dec == d.dec && back.bandwidth == d.bandwidth
                       : isnan(back.ra) && back.bandwidth == 0);
    assert_true(back.records[0].seconds == (uvfits ? 10 : 0));
    pnb_uvdata_free(&d);
    pnb_uvdata_free(&back);
    remove(path);
}

static void test_csv_there_and_back(void **state) {
    (void)state;
    round_trip(in_folder("a.csv"), 1e-12, false);
}

static void test_uvfits_there_and_back(void **state) {
    (void)state;
#ifdef PNB_CFITSIO
    round_trip(in_folder("a.uvfits"), 1e-6, true);
#else
    pnb_error err = {0};
    pnb_uvdata d;
    make(&d);
    assert_sentence(&err, PNB_ERROR_INPUT, pnb_uvdata_write(&err, in_folder("a.uvfits"), &d), "no FITS support");
    assert_sentence(&err, PNB_ERROR_INPUT, pnb_uvdata_parse(&err, "a", "SIMPLE  =", 9, &d), "no FITS support");
#endif
}

/* ---- CSV -------------------------------------------------------------------------------------------------------- */

static void test_csv_values(void **state) {
    (void)state;
    pnb_error err = {0};
    pnb_uvdata d;
    OK(&err, parse(&err, "\r\n# a comment\r\n00.5,AA,PV,-4e9,3e9,0.5,90,0.01\r\n00.5,LM,AA,1e9,2e9,2,0,0.01", &d));
    assert_true(d.count == 2 && d.n_stations == 3 && d.mjd == 57848 && d.groups == 1);
    assert_true(fabs(d.frequency - 227.0707e9) < 1 && isnan(d.ra));
    assert_true(fabs(d.records[0].re) < 1e-15 && d.records[0].im == 0.5 && d.records[0].u == -4e9);
    /* AA was seen first, so LM-AA is turned round. */
    assert_true(d.records[1].station[0] == 0 && d.records[1].station[1] == 2 && d.records[1].u == -1e9 &&
                d.records[1].v == -2e9);
    pnb_uvdata_free(&d);
}

static void test_csv_counts_what_it_drops(void **state) {
    (void)state;
    pnb_error err = {0};
    pnb_uvdata d;
    OK(&err, parse(&err,
                   "1,AA,PV,1,1,1,0,0\n1,AA,PV,1,1,nan,0,1\n1,AA,PV,inf,1,1,0,1\n1,AA,AA,1,1,1,0,1\n1,AA,PV,1,1,1,0,-"
                   "1\n1,AA,PV,1,1,1,0,1\n",
                   &d));
    assert_true(d.count == 1 && d.dropped.flagged == 2 && d.dropped.not_finite == 2 && d.dropped.own == 1);
    pnb_uvdata_free(&d);
}

static void test_csv_refusals(void **state) {
    (void)state;
    static const struct {
        const char *lines, *sentence;
    } cases[] = {
        {"1,AA,PV,1,1,1,0\n",
         "a.csv': line 3: expected time,station,station,u,v,amplitude,phase,sigma, found '1,AA,PV,1,1,1,0'"},
        {"1,AA,PV,1,1,1,0,1,1\n", "line 3: expected"},
        {"1,AA,PV,x,1,1,0,1\n", "line 3: expected"},
        {"1,AA,TOOLONGNAME,1,1,1,0,1\n", "line 3: the station name 'TOOLONGNAME' has 11 characters, expected 1 to 8"},
        {"1,AA,,1,1,1,0,1\n", "the station name '' has 0 characters"},
        {"", "it holds no usable visibility"},
        {"1,AA,PV,1,1,nan,0,1\n", "it holds no usable visibility: 0 are flagged, 1 not finite"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        pnb_error err = {0};
        pnb_uvdata d;
        assert_sentence(&err, PNB_ERROR_INPUT, parse(&err, cases[i].lines, &d), cases[i].sentence);
        assert_null(d.records);
    }
    pnb_error err = {0};
    pnb_uvdata d;
    assert_sentence(&err, PNB_ERROR_INPUT, pnb_uvdata_parse(&err, "a", "#SRC:M87\n", 9, &d),
                    "line 1: expected '#SRC:name,DATE(MJD)");
    assert_sentence(&err, PNB_ERROR_INPUT, pnb_uvdata_parse(&err, "a", "GIF89a", 6, &d), "expected UVFITS");
    assert_sentence(&err, PNB_ERROR_INPUT, pnb_uvdata_read(&err, "/nonexistent.csv", &d), "/nonexistent.csv");
    char line[1000];
    memset(line, '1', sizeof line);
    memcpy(line, header, strlen(header));
    assert_sentence(&err, PNB_ERROR_INPUT, pnb_uvdata_parse(&err, "a", line, sizeof line, &d),
                    "line 3: longer than 512 characters");
}

static void load(const char *path) {
    pnb_error err = {0};
    pnb_uvdata d;
    pnb_uvdata_read(&err, path, &d);
    pnb_uvdata_free(&d);
}

static void damage(const char *path, const char *damaged, int rounds) {
    pnb_error err = {0};
    pnb_uvdata d;
    size_t n;
    make(&d);
    OK(&err, pnb_uvdata_write(&err, path, &d));
    unsigned char *bytes = get_bytes(path, &n);
    try_damage(bytes, n, n, rounds, damaged, load);
    free(bytes);
    remove(path);
    pnb_uvdata_free(&d);
}

static void test_csv_damage(void **state) {
    (void)state;
    damage(in_folder("a.csv"), in_folder("b.csv"), 300);
}

/* ---- UVFITS: what real files do --------------------------------------------------------------------------------- */

#ifdef PNB_CFITSIO

static void put_float(unsigned char *to, float value) {
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    for (int i = 0; i < 4; i++) to[i] = (unsigned char)(bits >> (24 - 8 * i));
}

/* A UVFITS file of make(), for a test to change. */
static unsigned char *sample(size_t *n) {
    pnb_error err = {0};
    pnb_uvdata d;
    const char *path = in_folder("s.uvfits");
    make(&d);
    OK(&err, pnb_uvdata_write(&err, path, &d));
    unsigned char *bytes = get_bytes(path, n);
    remove(path);
    pnb_uvdata_free(&d);
    return bytes;
}

/* Replaces the value of a card of the primary header. */
static void set_card(unsigned char *bytes, size_t n, const char *key, const char *value) {
    char start[16], card[128];
    snprintf(start, sizeof start, "%-8s=", key);
    for (size_t at = 0; at + 80 <= n; at += 80) {
        if (memcmp(bytes + at, start, 9) != 0) continue;
        snprintf(card, sizeof card, "%s %20s%50s", start, value, "");
        memcpy(bytes + at, card, 80);
        return;
    }
    fail_msg("there is no card %s", key);
}

/* The groups begin at the block after the primary header's END. */
static unsigned char *group(unsigned char *bytes, size_t n, size_t i) {
    for (size_t at = 0; at + 80 <= n; at += 80) {
        if (memcmp(bytes + at, "END     ", 8) == 0) return bytes + (at / 2880 + 1) * 2880 + i * 4 * (9 + 12);
    }
    fail_msg("there is no END");
    return NULL;
}

static void test_uvfits_scales_parameters(void **state) {
    (void)state;
    pnb_error err = {0};
    pnb_uvdata d, plain;
    size_t n;
    unsigned char *bytes = sample(&n);
    OK(&err, pnb_uvdata_parse(&err, "a", bytes, n, &plain));
    set_card(bytes, n, "PSCAL1", "4.0");
    set_card(bytes, n, "PZERO2", "1.0E-3");
    OK(&err, pnb_uvdata_parse(&err, "a", bytes, n, &d));
    assert_true(d.count == plain.count);
    for (uint32_t i = 0; i < d.count; i++) {
        assert_true(fabs(d.records[i].u - 4 * plain.records[i].u) <= 1e-9 * fabs(d.records[i].u));
        assert_true(fabs(d.records[i].v - plain.records[i].v - 1e-3 * 230e9) <= 1);
    }
    pnb_uvdata_free(&d);
    pnb_uvdata_free(&plain);
    free(bytes);
}

static void test_uvfits_weights(void **state) {
    (void)state;
    pnb_error err = {0};
    pnb_uvdata d;
    size_t n;
    unsigned char *bytes = sample(&n);
    for (size_t i = 0; i < 12; i++) { /* the cross hands of the EHT's files: value 0, error 0 */
        put_float(group(bytes, n, i) + 4 * (9 + 8), INFINITY);
        put_float(group(bytes, n, i) + 4 * (9 + 11), INFINITY);
    }
    put_float(group(bytes, n, 0) + 4 * (9 + 2), -256); /* RR flagged: LL alone, of sqrt(2) times the error */
    put_float(group(bytes, n, 1) + 4 * (9 + 2), 0);    /* both flagged */
    put_float(group(bytes, n, 1) + 4 * (9 + 5), -1);
    put_float(group(bytes, n, 2) + 4 * 9, NAN);
    OK(&err, pnb_uvdata_parse(&err, "a", bytes, n, &d));
    assert_true(d.count == 10 && d.dropped.flagged == 1 && d.dropped.not_finite == 1);
    assert_true(fabs(d.records[0].sigma - 0.0625 * sqrt(2)) < 1e-6 && fabs(d.records[1].sigma - 0.0625) < 1e-7);
    pnb_uvdata_free(&d);
    free(bytes);
}

static void test_uvfits_refusals(void **state) {
    (void)state;
    static const struct {
        const char *key, *value, *sentence;
    } cases[] = {
        {"GCOUNT", "2000000", "2000000 visibilities of 84 bytes do not fit"},
        {"GCOUNT", "99999999999", "GCOUNT is 99999999999, expected 1 to"},
        {"GCOUNT", "0", "GCOUNT is 0"},
        {"PCOUNT", "900", "PCOUNT is 900, expected 1 to 32"},
        {"NAXIS4", "64", "axis 4 'FREQ' has 64 entries, expected 1; average"},
        {"NAXIS3", "2000000000", "STOKES of 2000000000"},
        {"BITPIX", "16", "BITPIX is 16, expected -32"},
        {"CRVAL4", "0.0", "the frequency is 0 Hz"},
        {"GROUPS", "F", "no random groups"},
        {"PTYPE4", "'ANTENNA '", "one of the parameters UU, VV, BASELINE, DATE is missing"},
        {"PSCAL5", "0.0", "the first DATE is"},
        {"PZERO4", "3.0E3", "of which table AIPS AN does not have both"},
    };
    size_t n;
    unsigned char *bytes = sample(&n), *copy = malloc(n);
    assert_non_null(copy);
    pnb_error err = {0};
    pnb_uvdata d;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        memcpy(copy, bytes, n);
        set_card(copy, n, cases[i].key, cases[i].value);
        assert_sentence(&err, PNB_ERROR_INPUT, pnb_uvdata_parse(&err, "a.uvfits", copy, n, &d), cases[i].sentence);
        assert_null(d.records);
    }
    static const size_t lengths[] = {6, 80, 2879, 2880, 5000, 8640, 9000};
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
        assert_sentence(&err, PNB_ERROR_INPUT, pnb_uvdata_parse(&err, "a.uvfits", bytes, lengths[i], &d), "a.uvfits");
    }
    free(copy);
    free(bytes);
}

static void test_uvfits_damage(void **state) {
    (void)state;
    damage(in_folder("a.uvfits"), in_folder("b.uvfits"), 600);
}

#endif

/* ---- averaging and selecting ------------------------------------------------------------------------------------ */

static void test_scan_average(void **state) {
    (void)state;
    pnb_error err = {0};
    pnb_uvdata d;
    make(&d);
    d.records[0].sigma = 0.125; /* AA-LM, the first of its scan: a quarter of the other's weight */
    pnb_uv_selection s = PNB_UV_SELECTION_DEFAULTS;
    OK(&err, pnb_uvdata_select(&err, &d, &s));
    assert_true(d.count == 6 && d.groups == 2);
    assert_true(fabs(d.records[0].re - (0.2 * 0.5 + 0.8 * 0.75)) < 1e-14 && d.records[0].seconds == 20);
    assert_true(fabs(d.records[0].sigma - 1 / sqrt(64 + 256)) < 1e-15);
    assert_true(fabs(d.records[1].sigma - 0.0625 / sqrt(2)) < 1e-15 && fabs(d.records[1].re - 0.625) < 1e-15);
    for (uint32_t i = 0; i < 6; i++) assert_int_equal(d.records[i].group, i / 3);
    pnb_uvdata_free(&d);
}

static void test_selection(void **state) {
    (void)state;
    pnb_error err = {0};
    pnb_uvdata d;
    make(&d);
    for (uint32_t i = 0; i < d.count; i += 3) d.records[i].u = d.records[i].v = 1e6; /* AA-LM */
    pnb_uv_selection s = PNB_UV_SELECTION_DEFAULTS;
    s.scan_average = s.intrasite = false;
    OK(&err, pnb_uvdata_select(&err, &d, &s));
    assert_true(d.count == 8 && d.groups == 4 && d.dropped.intrasite == 4);
    s.least_snr = 1e6;
    assert_sentence(&err, PNB_ERROR_INPUT, pnb_uvdata_select(&err, &d, &s),
                    "no visibility is left: 0 are flagged, 0 not finite, 4 intra-site, 8 below");
    pnb_uvdata_free(&d);
}

/* ---- the EHT's files -------------------------------------------------------------------------------------------- */

static void test_eht_files(void **state) {
    (void)state;
    pnb_error err = {0};
    pnb_uvdata csv, fits;
    if (access(M87 ".csv", R_OK) != 0) skip();
    OK(&err, pnb_uvdata_read(&err, M87 ".csv", &csv));
    assert_int_equal(csv.count, 6453);
    pnb_uv_selection s = PNB_UV_SELECTION_DEFAULTS;
#ifdef PNB_CFITSIO
    OK(&err, pnb_uvdata_read(&err, M87 ".uvfits", &fits));
    assert_int_equal(fits.count, 6453);
    assert_true(fits.mjd == 57848 && fabs(fits.ra - 187.7059307575226) < 1e-9 && fits.frequency == 227070703125.0);
    double worst_value = 0, worst_sigma = 0, worst_u = 0;
    for (uint32_t i = 0; i < csv.count; i++) {
        const pnb_uv_record *a = &csv.records[i], *b = NULL;
        for (uint32_t k = 0; k < fits.count && !b; k++) { /* stations are numbered otherwise */
            const pnb_uv_record *c = &fits.records[k];
            bool same = fabs(c->hours - a->hours) < 1e-5, turned = false;
            for (int e = 0; e < 2 && same; e++) {
                const char *one = csv.stations[a->station[e]].name;
                turned = strcmp(one, fits.stations[c->station[e]].name) != 0;
                same = !turned || strcmp(one, fits.stations[c->station[1 - e]].name) == 0;
            }
            if (!same) continue;
            b = c;
            double sign = turned ? -1 : 1;
            worst_value = fmax(worst_value, hypot(a->re - b->re, a->im - sign * b->im));
            worst_sigma = fmax(worst_sigma, fabs(a->sigma - b->sigma));
            worst_u = fmax(worst_u, hypot(a->u - sign * b->u, a->v - sign * b->v));
        }
        assert_non_null(b);
    }
    print_message("UVFITS against CSV: %.2g Jy, sigma %.2g Jy, uv %.2g wavelengths\n", worst_value, worst_sigma,
                  worst_u);
    assert_true(worst_value < 2e-6 && worst_sigma < 2e-8 && worst_u < 1e-3);
    OK(&err, pnb_uvdata_select(&err, &fits, &s));
    assert_true(fits.count == 168 && fits.groups == 18);
    pnb_uvdata_free(&fits);
    OK(&err, pnb_uvdata_read(&err, EHT "ER6_SGRA_2017_097_lo_hops_netcal-LMTcal-besttime_StokesI.uvfits", &fits));
    double longest = 0;
    for (uint32_t i = 0; i < fits.count; i++) longest = fmax(longest, hypot(fits.records[i].u, fits.records[i].v));
    assert_true(fits.count == 6181 && fabs(longest - 8.457e9) < 1e6); /* its u are in seconds, M87's in wavelengths */
    OK(&err, pnb_uvdata_select(&err, &fits, &s));
    assert_int_equal(fits.count, 144);
    pnb_uvdata_free(&fits);
#else
    (void)fits;
#endif
    s.intrasite = false;
    OK(&err, pnb_uvdata_select(&err, &csv, &s));
    print_message("M87: %u visibilities in %u scans without intra-site baselines\n", csv.count, csv.groups);
    assert_true(csv.dropped.intrasite > 0 && csv.count < 168);
    pnb_uvdata_free(&csv);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_csv_there_and_back),
        cmocka_unit_test(test_uvfits_there_and_back),
        cmocka_unit_test(test_csv_values),
        cmocka_unit_test(test_csv_counts_what_it_drops),
        cmocka_unit_test(test_csv_refusals),
        cmocka_unit_test(test_csv_damage),
#ifdef PNB_CFITSIO
        cmocka_unit_test(test_uvfits_scales_parameters),
        cmocka_unit_test(test_uvfits_weights),
        cmocka_unit_test(test_uvfits_refusals),
        cmocka_unit_test(test_uvfits_damage),
#endif
        cmocka_unit_test(test_scan_average),
        cmocka_unit_test(test_selection),
        cmocka_unit_test(test_eht_files),
    };
    return cmocka_run_group_tests(tests, folder_setup, remove_empty_folder);
}

/* Simulated observations: baselines and errors, what gains leave alone, elevation limits, station files; a published
 * simulation where the shared fixtures are. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/file.h"
#include "fixtures/shared.h"
#include "io/files.h"
#include "measure/observe.h"

#include <math.h>

#define OK(err, call)                                                                                                  \
    do {                                                                                                               \
        if ((call) != PNB_OK) fail_msg("%s", (err)->message);                                                          \
    } while (0)

enum { N = 8 };
static const pnb_observing standard = {
    .start = 2, .stop = 5, .interval = 600, .integration = 60, .elevation = {10, 85}, .thermal = true, .seed = 3};
static const pnb_sky_grid grid = {N, N, 20 * PNB_RADIANS_OF_UAS};

/* The bundled array, looking at M87. */
static void make(pnb_uvdata *d) {
    pnb_error err = {0};
    *d = (pnb_uvdata){
        .source = "M87", .ra = 187.70593, .dec = 12.39112, .mjd = 57848, .frequency = 230e9, .bandwidth = 2e9};
    OK(&err, pnb_stations_read(&err, PNB_SOURCE_DIR "/assets/eht2017.csv", d));
}

static void image_of(double *jy) {
    for (int i = 0; i < N * N; i++) jy[i] = 0.01 * (1 + i % 5);
}

static void observe(const pnb_observing *o, pnb_uvdata *d) {
    pnb_error err = {0};
    double jy[N * N];
    image_of(jy);
    make(d);
    OK(&err, pnb_observe(&err, o, &grid, jy, d));
}

static void test_stations(void **state) {
    (void)state;
    pnb_uvdata d;
    make(&d);
    assert_int_equal(d.n_stations, 8);
    assert_string_equal(d.stations[0].name, "AA");
    assert_true(d.stations[0].position[0] == 2225061.164 && d.stations[7].sefd == 16900);
    for (uint32_t i = 0; i < d.n_stations; i++) { /* on the Earth's surface */
        const double *r = d.stations[i].position;
        double size = sqrt(r[0] * r[0] + r[1] * r[1] + r[2] * r[2]);
        assert_true(size > 6.35e6 && size < 6.39e6);
    }
    pnb_uvdata_free(&d);
}

static void test_station_refusals(void **state) {
    (void)state;
    static const struct {
        const char *text, *sentence;
    } cases[] = {
        {"AA,1,2,3\n", "line 1: expected station,x,y,z,sefd, found 'AA,1,2,3'"},
        {"# a\nAA,1,2,3,4,5\n", "line 2: expected"},
        {"AA,1,2,x,4\n", "line 1: expected"},
        {"AA,1,2,3,0\n", "line 1: expected"},
        {"VERYLONGNAME,1,2,3,4\n", "the station name 'VERYLONGNAME' has 12 characters"},
        {"AA,1,2,3,4\n", "1 stations, expected two or more"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        pnb_error err = {0};
        pnb_uvdata d = {0};
        const char *path = in_folder("a.csv");
        put_bytes(path, cases[i].text, strlen(cases[i].text));
        assert_sentence(&err, PNB_ERROR_INPUT, pnb_stations_read(&err, path, &d), cases[i].sentence);
        pnb_uvdata_free(&d);
        remove(path);
    }
}

static void test_thermal_noise(void **state) {
    (void)state;
    pnb_uvdata noisy, clean, again;
    pnb_observing o = standard;
    o.stop = 8;
    o.interval = 60;
    observe(&o, &noisy);
    observe(&o, &again);
    o.thermal = false;
    observe(&o, &clean);
    double square = 0;
    assert_true(noisy.count == clean.count && noisy.count > 1000);
    for (uint32_t k = 0; k < noisy.count; k++) {
        const pnb_uv_record *a = &noisy.records[k], *b = &clean.records[k];
        double s1 = noisy.stations[a->station[0]].sefd, s2 = noisy.stations[a->station[1]].sefd;
        assert_true(fabs(a->sigma - sqrt(s1 * s2 / (2 * 2e9 * 60)) / 0.88 / sqrt(2)) < 1e-12 * a->sigma + 1e-15);
        assert_true(a->re == again.records[k].re && a->im == again.records[k].im); /* the same seed, the same noise */
        square += (pow(a->re - b->re, 2) + pow(a->im - b->im, 2)) / (2 * a->sigma * a->sigma) / noisy.count;
    }
    print_message("noise over its sigma, squared: %.4f from %u visibilities\n", square, noisy.count);
    assert_true(fabs(square - 1) < 5 / sqrt(noisy.count));
    pnb_uvdata_free(&noisy);
    pnb_uvdata_free(&again);
    pnb_uvdata_free(&clean);
}

static void test_gains_leave_closures(void **state) {
    (void)state;
    pnb_error err = {0};
    pnb_uvdata clean, dirty;
    pnb_closures c;
    pnb_observing o = standard;
    o.thermal = false;
    observe(&o, &clean);
    o.gain_offset = 0.2;
    o.gain_scan = 0.3;
    o.phases = true;
    observe(&o, &dirty);
    OK(&err, pnb_closures_find(&err, &clean, &c));
    assert_true(c.n_triangles > 20 && c.n_quadrangles > 10);
    double turned = 0;
    for (uint32_t k = 0; k < clean.count; k++) {
        turned =
            fmax(turned, hypot(clean.records[k].re - dirty.records[k].re, clean.records[k].im - dirty.records[k].im));
    }
    assert_true(turned > 0.1);
    for (uint32_t i = 0; i < c.n_triangles; i++) {
        double phase = 0;
        for (int e = 0; e < 3; e++) {
            const pnb_uv_record *a = &clean.records[c.triangles[i][e]], *b = &dirty.records[c.triangles[i][e]];
            phase += (e < 2 ? 1 : -1) * (atan2(a->im, a->re) - atan2(b->im, b->re));
        }
        assert_true(fabs(sin(phase)) < 1e-9 && cos(phase) > 0);
    }
    for (uint32_t i = 0; i < c.n_quadrangles; i++) {
        double sum = 0;
        for (int e = 0; e < 4; e++) {
            const pnb_uv_record *a = &clean.records[c.quadrangles[i][e]], *b = &dirty.records[c.quadrangles[i][e]];
            sum += (e < 2 ? 1 : -1) * log(hypot(a->re, a->im) / hypot(b->re, b->im));
        }
        assert_true(fabs(sum) < 1e-9);
    }
    pnb_closures_free(&c);
    pnb_uvdata_free(&clean);
    pnb_uvdata_free(&dirty);
}

static void test_elevation(void **state) {
    (void)state;
    pnb_error err = {0};
    pnb_uvdata d, all;
    double jy[N * N];
    pnb_observing o = standard;
    observe(&o, &d);
    for (uint32_t k = 0; k < d.count; k++)
        assert_true(d.records[k].station[1] != 7); /* M87 never rises at the South Pole */
    o.elevation[0] = -90;
    o.elevation[1] = 90;
    observe(&o, &all);
    assert_true(all.count == 18 * 28 && all.groups == 18);
    pnb_uvdata_free(&d);
    pnb_uvdata_free(&all);
    o.elevation[0] = 89.9;
    image_of(jy);
    make(&d);
    assert_sentence(&err, PNB_ERROR_INPUT, pnb_observe(&err, &o, &grid, jy, &d),
                    "no two stations see M87 between 89.9 and 90 degrees");
    pnb_uvdata_free(&d);
}

/* The published simulation of eht-imaging: the same baselines at the same times, the same errors. */
static void test_published(void **state) {
    (void)state;
#ifndef PNB_CFITSIO
    skip();
#endif
    if (fixtures_absent()) skip();
    pnb_error err = {0};
    pnb_uvdata want, d;
    double jy[N * N], worst = 0, sigma = 0, hours = 0;
    OK(&err, pnb_uvdata_read(&err, FIXTURES "vlbi/sgra_like.uvfits", &want));
    d = want;
    d.count = d.room = 0;
    d.records = NULL;
    d.stations = malloc(d.n_stations * sizeof *d.stations);
    assert_non_null(d.stations);
    memcpy(d.stations, want.stations, d.n_stations * sizeof *d.stations);
    pnb_observing o = {
        .start = 8.5 - 51.0 / 3600, .stop = 15, .interval = 1500, .integration = 102, .elevation = {10, 85}};
    image_of(jy);
    OK(&err, pnb_observe(&err, &o, &grid, jy, &d));
    assert_int_equal(d.count, want.count);
    for (uint32_t k = 0; k < d.count; k++) {
        const pnb_uv_record *a = &d.records[k], *b = &want.records[k];
        assert_true(a->station[0] == b->station[0] && a->station[1] == b->station[1]);
        worst = fmax(worst, hypot(a->u - b->u, a->v - b->v) / hypot(b->u, b->v));
        sigma = fmax(sigma, fabs(a->sigma / b->sigma - 1));
        hours = fmax(hours, fabs(a->hours - b->hours));
    }
    print_message("against eht-imaging: uv %.2g, sigma %.2g, time %.2g h\n", worst, sigma, hours);
    assert_true(worst < 2e-4 && sigma < 1e-5 && hours < 1e-5);
    pnb_uvdata_free(&d);
    pnb_uvdata_free(&want);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_stations),      cmocka_unit_test(test_station_refusals),
        cmocka_unit_test(test_thermal_noise), cmocka_unit_test(test_gains_leave_closures),
        cmocka_unit_test(test_elevation),     cmocka_unit_test(test_published),
    };
    return cmocka_run_group_tests(tests, folder_setup, remove_empty_folder);
}

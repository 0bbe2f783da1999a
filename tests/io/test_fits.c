/* FITS images: there and back, orientation, and coordinates as astropy reads them (skipped, and said so, where it is
 * missing). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "io/files.h"
#include "io/fits.h"

#include <math.h>

#ifndef PNB_CFITSIO

static void test_absent(void **state) {
    (void)state;
    pnb_error err = {0};
    const float x[4] = {0};
    pnb_fits_sky sky = {.unit = "JY/PIXEL", .pixel_uas = 2};
    assert_sentence(&err, PNB_ERROR_INPUT, pnb_fits_write_image(&err, in_folder("a.fits"), 0, 2, 2, x, &sky),
                    "no FITS support");
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_absent)};
    return cmocka_run_group_tests(tests, folder_setup, remove_empty_folder);
}

#else

static const pnb_fits_sky sky = {.object = "M87",
                                 .unit = "JY/PIXEL",
                                 .ra = 187.70593,
                                 .dec = 12.39112,
                                 .pixel_uas = 2,
                                 .frequency = 227e9,
                                 .mjd = 57848,
                                 .beam_uas = {22, 15},
                                 .beam_angle = 30};

static void write_image(const char *path, uint32_t planes, uint32_t h, uint32_t w) {
    pnb_error err = {0};
    float x[2 * 3 * 4];
    for (int i = 0; i < 24; i++) x[i] = (float)i;
    if (pnb_fits_write_image(&err, path, planes, h, w, x, &sky) != PNB_OK) fail_msg("%s", err.message);
}

static void test_there_and_back(void **state) {
    (void)state;
    pnb_error err = {0};
    pnb_array a;
    double pixel;
    for (uint32_t planes = 0; planes < 3; planes++) {
        const char *path = in_folder("a.fits");
        write_image(path, planes, 3, 4);
        if (pnb_fits_read_image(&err, path, &a, &pixel) != PNB_OK) fail_msg("%s", err.message);
        assert_true(a.rank == (planes > 1 ? 3 : 2) && a.shape[a.rank - 1] == 4 && a.shape[a.rank - 2] == 3);
        assert_true(fabs(pixel - 2) < 1e-9 && a.count == (planes ? planes : 1) * 12);
        for (uint64_t i = 0; i < a.count; i++) assert_true(a.data[i] == (float)i);
        pnb_array_free(&a);
        remove(path);
    }
}

static void test_refusals(void **state) {
    (void)state;
    pnb_error err = {0};
    pnb_array a;
    const char *path = in_folder("a.fits");
    const float bad[4] = {0, 1, NAN, 3};
    assert_sentence(&err, PNB_ERROR_NUMERIC, pnb_fits_write_image(&err, path, 0, 2, 2, bad, &sky),
                    "element 2 is not finite");
    assert_int_not_equal(access(path, F_OK), 0);
    assert_sentence(&err, PNB_ERROR_INPUT, pnb_fits_read_image(&err, path, &a, NULL), "a.fits");
    write_image(path, 0, 3, 4);
    size_t n, axis = 0;
    unsigned char *bytes = get_bytes(path, &n);
    while (axis + 80 <= n && memcmp(bytes + axis, "NAXIS1  =", 9) != 0) axis += 80;
    assert_true(axis + 80 <= n);
    memcpy(bytes + axis + 10, "          2000000000", 20);
    put_bytes(path, bytes, n);
    assert_sentence(&err, PNB_ERROR_INPUT, pnb_fits_read_image(&err, path, &a, NULL), "a.fits");
    put_bytes(path, bytes, 100);
    assert_sentence(&err, PNB_ERROR_INPUT, pnb_fits_read_image(&err, path, &a, NULL), "cut short");
    free(bytes);
    remove(path);
}

static void load(const char *path) {
    pnb_error err = {0};
    pnb_array a;
    pnb_fits_read_image(&err, path, &a, NULL);
    pnb_array_free(&a);
}

static void test_damage(void **state) {
    (void)state;
    const char *path = in_folder("a.fits"), *damaged = in_folder("b.fits");
    write_image(path, 2, 3, 4);
    size_t n;
    unsigned char *bytes = get_bytes(path, &n);
    try_damage(bytes, n, 2000, 300, damaged, load);
    free(bytes);
    remove(path);
}

/* Column 0 lies to the east and row 0 to the north: half a field from the centre. */
static void test_astropy(void **state) {
    (void)state;
    char command[1024];
    const char *python = access("/usr/bin/python3", X_OK) == 0 ? "/usr/bin/python3" : "python3";
    snprintf(command, sizeof command, "%s -c 'import astropy' 2>/dev/null", python);
    if (system(command) != 0) {
        fprintf(stderr, "skipped: there is no astropy (Debian: python3-astropy)\n");
        skip();
    }
    const char *path = in_folder("a.fits");
    write_image(path, 0, 3, 4);
    snprintf(command, sizeof command,
             "%s -c \""
             "from astropy.io import fits; from astropy.wcs import WCS; import numpy as np\n"
             "h = fits.open('%s'); h.verify('exception'); d = h[0].data; w = WCS(h[0].header)\n"
             "uas = 1/3.6e9\n"
             "assert d.shape == (3, 4) and d[2, 0] == 0 and d[0, 3] == 11, d\n"
             "assert h[0].header['BUNIT'] == 'JY/PIXEL' and h[0].header['OBJECT'] == 'M87'\n"
             "ra, dec = w.pixel_to_world_values(1.5, 1)\n"
             "assert abs(ra-187.70593) < 1e-12 and abs(dec-12.39112) < 1e-12, (ra, dec)\n"
             "ra, dec = w.pixel_to_world_values(0, 2)\n"
             "assert abs((ra-187.70593)*np.cos(np.radians(12.39112)) - 3*uas) < 2e-3*uas, ra\n"
             "assert abs(dec-12.39112 - 2*uas) < 2e-3*uas, dec\n"
             "assert abs(h[0].header['BMAJ'] - 22*uas) < 1e-15 and abs(h[0].header['PIXUAS'] - 2) < 1e-12\n"
             "\"",
             python, path);
    assert_int_equal(system(command), 0);
    remove(path);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_there_and_back), cmocka_unit_test(test_refusals),
                                       cmocka_unit_test(test_damage), cmocka_unit_test(test_astropy)};
    return cmocka_run_group_tests(tests, folder_setup, remove_empty_folder);
}

#endif

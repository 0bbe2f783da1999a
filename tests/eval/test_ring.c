/* Rings that are known exactly are measured again; orientation and shifts follow their conventions. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "eval/metrics.h"
#include "eval/ring.h"

#include <math.h>

enum { N = 64 };
static const double PI = 3.14159265358979323846, PIXEL = 2;

/* Diameter and width (FWHM) in micro-arcseconds, brighter towards `angle`, about (east, north). */
static void ring(double *image, double diameter, double width, double angle, double asymmetry, double east,
                 double north) {
    for (int i = 0; i < N * N; i++) {
        double x = (0.5 * (N - 1) - i % N) * PIXEL - east, y = (0.5 * (N - 1) - i / N) * PIXEL - north;
        double r = hypot(x, y) - 0.5 * diameter, s = width / 2.3548;
        image[i] = exp(-0.5 * r * r / (s * s)) * (1 + 2 * asymmetry * cos(atan2(x, y) - angle * PI / 180));
    }
}

static void test_known_rings(void **state) {
    (void)state;
    static const double cases[][6] = {{42, 12, 170, 0.2, 0, 0}, {50, 16, 300, 0.1, 6, -9}, {36, 9, 20, 0.3, -7, 3}};
    static double image[N * N];
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const double *c = cases[i];
        pnb_ring m;
        ring(image, c[0], c[1], c[2], c[3], c[4], c[5]);
        assert_true(pnb_ring_measure(N, N, image, PIXEL, &m));
        print_message("diameter %.2f width %.2f orientation %.1f asymmetry %.3f centre %.2f %.2f contrast %.3f\n",
                      m.diameter, m.width, m.orientation, m.asymmetry, m.east, m.north, m.contrast);
        assert_true(fabs(m.diameter - c[0]) < 0.8 && fabs(m.width - c[1]) < 1 && fabs(m.orientation - c[2]) < 3);
        assert_true(fabs(m.asymmetry - c[3]) < 0.03 && fabs(m.east - c[4]) < 1 && fabs(m.north - c[5]) < 1 &&
                    m.scatter < 2);
    }
    for (int i = 0; i < N * N; i++) image[i] = 0;
    pnb_ring m;
    assert_false(pnb_ring_measure(N, N, image, PIXEL, &m));
}

static void test_angles(void **state) {
    (void)state;
    const double degrees[] = {350, 10, 0};
    double mean, std;
    pnb_angle_moments(3, degrees, &mean, &std);
    assert_true(fabs(remainder(mean, 360)) < 1e-9 && fabs(std - 10) < 1e-9);
}

static void test_alignment(void **state) {
    (void)state;
    static double truth[N * N], moved[N * N], blurred[N * N];
    double plain, aligned, smooth, sum[2] = {0, 0};
    pnb_error err = {0};
    ring(truth, 42, 12, 170, 0.2, 0, 0);
    ring(moved, 42, 12, 170, 0.2, 9 * 31.5 / 29,
         -3 * 31.5 / 29); /* 4.5 and 1.5 of the grid's steps of 31.5/29 pixels of 2 */
    for (int i = 0; i < N * N; i++) {
        truth[i] /= 1.5;
        moved[i] /= 1.5;
    }
    plain = pnb_psnr(N * N, moved, truth);
    assert_int_equal(pnb_psnr_aligned(&err, N, N, moved, truth, 0, &aligned), PNB_OK);
    assert_int_equal(pnb_psnr_aligned(&err, N, N, moved, truth, 15 / 2.3548 / PIXEL, &smooth), PNB_OK);
    print_message("PSNR %.2f, aligned %.2f, aligned and blurred %.2f dB\n", plain, aligned, smooth);
    assert_true(aligned > plain + 10 && smooth > aligned);
    static double flat[N * N];
    double alike;
    assert_int_equal(pnb_nxcorr_aligned(&err, N, N, moved, truth, 0, &alike), PNB_OK);
    assert_true(alike > 0.97 && alike <= 1);
    for (int i = 0; i < N * N; i++) moved[i] = 3 + 2 * truth[i];
    assert_int_equal(pnb_nxcorr_aligned(&err, N, N, truth, moved, 0, &alike), PNB_OK);
    assert_true(alike > 0.95 && alike <= 1);
    assert_int_equal(pnb_nxcorr_aligned(&err, N, N, flat, truth, 0, &alike), PNB_OK);
    assert_true(alike == 0);
    assert_true(pnb_sky_blur(N, N, truth, 3, blurred));
    for (int i = 0; i < N * N; i++) {
        sum[0] += truth[i];
        sum[1] += blurred[i];
    }
    assert_true(fabs(sum[0] - sum[1]) < 1e-3 * sum[0] && blurred[N * N / 2] > truth[N * N / 2]);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_known_rings), cmocka_unit_test(test_angles),
                                       cmocka_unit_test(test_alignment)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

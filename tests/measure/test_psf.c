/* psf: true convolution (the kernel flipped), every border, odd and even images; computed functions; Wiener's inverse. */
#include "measure/kernels.h"

static void test_files(void **state) {
    float kernel[5 * 7];
    for (int i = 0; i < 35; i++) kernel[i] = 1 / (1 + (float)i) + 0.1f; /* no symmetry */
    char json[400];
    for (ref_border = 0; ref_border < 3; ref_border++) {
        ref_set(5, 7, kernel, true);
        ref_write("psf.npy", 5, 7, kernel, pnb_border_names[ref_border], json, sizeof json);
        pnb_operator *op = rig_make(state, "psf", json, pnb_shape3(3, 12, 16));
        rig_check(state, op, ref_filter);
        pnb_operator_destroy(&op, test_gpu(state));
        op = rig_make(state, "psf", json, pnb_shape3(1, 9, 11));
        rig_check(state, op, ref_filter);
        pnb_operator_destroy(&op, test_gpu(state));
    }
    remove(in_folder("psf.npy"));
}

/* ---- computed functions, against integrals over the lens's aperture in double, without any Bessel function ------------------- */

static const double PI = 3.14159265358979323846;

typedef struct optics {
    double na, wavelength_nm, pixel_nm, index, defocus_nm;
} optics;

/* The wave at r nm from the axis: the mean over the aperture, a disc of points q (cos a, sin a), of exp(i k (x NA q cos a + path)),
 * where light at an angle with sine s = NA q / n has path n z cos = n z (1 - s^2 / 2) to a plane z out of focus. Gauss's rule of
 * three points on panels of the radius, the trapezoidal rule around. */
static double intensity(const optics *o, double r) {
    static const double at[3] = {-0.774596669241483377, 0, 0.774596669241483377}, weight[3] = {5 / 18.0, 8 / 18.0, 5 / 18.0};
    double k = 2 * PI / o->wavelength_nm, v = k * o->na * r, w = k * o->defocus_nm * o->na * o->na / (2 * o->index), re = 0, im = 0;
    int panels = 16 + (int)((v + fabs(w)) / 2), turns = 32 + 2 * (int)v;
    for (int p = 0; p < 3 * panels; p++) {
        double q = (p / 3 + 0.5 + 0.5 * at[p % 3]) / panels, c = 0;
        for (int a = 0; a < turns; a++) c += cos(v * q * cos(2 * PI * a / turns)) / turns; /* its sine cancels */
        re += weight[p % 3] * c * q * cos(w * q * q) / panels;
        im -= weight[p % 3] * c * q * sin(w * q * q) / panels;
    }
    return re * re + im * im;
}

/* The operator's answer to a point in the middle of side x side pixels. */
static float *answer(void **state, const char *model, const optics *o, int side) {
    char json[300];
    snprintf(json, sizeof json,
             "{\"na\": %g, \"wavelength_nm\": %g, \"pixel_nm\": %g, \"index\": %g, \"defocus_nm\": %g, \"size\": %d, \"model\": \"%s\", "
             "\"boundary\": \"zero\"}",
             o->na, o->wavelength_nm, o->pixel_nm, o->index, o->defocus_nm, side, model);
    return rig_answer(state, "psf", json, side);
}

/* Every pixel; scaled to sum 1, as the operator does. */
static void check_model(void **state, const char *model, const optics *o) {
    enum { SIDE = 33, HALF = 16 };
    double want[SIDE * SIDE], sum = 0;
    for (int i = 0; i < SIDE * SIDE; i++) {
        int dy = abs(i / SIDE - HALF), dx = abs(i % SIDE - HALF), swapped = dy < dx, mirrored = (HALF - dy) * SIDE + HALF - dx;
        if (i == mirrored && !swapped) want[i] = intensity(o, hypot(dy, dx) * o->pixel_nm);
    }
    for (int i = 0; i < SIDE * SIDE; i++) { /* from the eighth that is made above */
        int dy = abs(i / SIDE - HALF), dx = abs(i % SIDE - HALF), far = dy < dx ? dx : dy, near = dy < dx ? dy : dx;
        want[i] = want[(HALF - far) * SIDE + HALF - near];
        sum += want[i];
    }
    for (int i = 0; i < SIDE * SIDE; i++) want[i] /= sum;
    float *y = answer(state, model, o, SIDE);
    rig_near(SIDE * SIDE, y, want, 2e-6, model);
    free(y);
}

static void test_models(void **state) {
    static const optics cases[] = {{1.2, 500, 100, 1.33, 0}, {1.41, 525, 31.3, 1.518, 250}, {0.8, 640, 160, 1, -1800},
                                  {1.4, 520, 65, 1.518, 900}};
    check_model(state, "airy", &cases[0]);
    check_model(state, "airy", &(optics){1.41, 525, 31.3, 1.518, 0});
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) check_model(state, "born_wolf", &cases[i]);
    rig_refuse("psf", "{\"size\": 4}", pnb_shape3(1, 16, 16), "size must be odd, found 4");
    rig_refuse("psf", "{\"na\": 0}", pnb_shape3(1, 16, 16), "na: expected a number from 0.01 to 3, found 0");
}

/* What a lens passes of a wave of frequency f: of Airy's function the overlap of two discs, (2/pi) (acos t - t sqrt(1 - t^2)) at
 * t = f lambda / (2 NA), and nothing from t = 1 on; of the Gaussian, whose s is 0.2251 lambda / NA, exp(-2 (pi s f)^2). */
static void test_transfer(void **state) {
    enum { SIDE = 255 };
    static const char *const models[] = {"airy", "gaussian"};
    const optics o = {1.2, 500, 50, 1.518, 0};
    for (int m = 0; m < 2; m++) {
        float *y = answer(state, models[m], &o, SIDE);
        for (int step = 0; step <= 24; step++) {
            double f = step * 0.05 * 2 * o.na / o.wavelength_nm, t = step * 0.05, got = 0; /* cycles per nm, along columns */
            for (int i = 0; i < SIDE * SIDE; i++) got += y[i] * cos(2 * PI * f * (i % SIDE - SIDE / 2) * o.pixel_nm);
            double s = 0.2251 * o.wavelength_nm / o.na, want = t < 1 ? 2 / PI * (acos(t) - t * sqrt(1 - t * t)) : 0;
            if (m == 1) want = exp(-2 * PI * PI * s * s * f * f);
            double allowed = m == 0 ? 8e-3 : 2e-4; /* the light of Airy's rings beyond the edge; the digits of 0.2251 */
            if (!(fabs(got - want) <= allowed)) fail_msg("%s passes %g at %g of the limit, expected %g", models[m], got, t, want);
        }
        free(y);
    }
}

/* Wiener's inverse of a circular image: conj(k) / (|k|^2 + r), at frequency 0. */
static void test_wiener(void **state) {
    pnb_operator *op = rig_make(state, "psf", "{\"model\": \"gaussian\", \"size\": 9, \"boundary\": \"circular\", \"regularisation\": 1}",
                                pnb_shape3(1, 12, 16));
    float ones[192];
    for (int i = 0; i < 192; i++) ones[i] = 1;
    float *x = rig_run(state, op, PINV, 1, ones);
    for (int i = 0; i < 192; i++) assert_true(fabsf(x[i] - 0.5f) < 1e-5f); /* at frequency 0 k is 1: 1 / (1 + 1) */
    free(x);
    pnb_operator_destroy(&op, test_gpu(state));
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_files), cmocka_unit_test(test_models), cmocka_unit_test(test_transfer),
                                       cmocka_unit_test(test_wiener)};
    return cmocka_run_group_tests(tests, device_and_folder_setup, device_and_folder_teardown);
}

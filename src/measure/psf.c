/* psf: images convolved with a point-spread function, normalised to sum 1 (microscopy; algorithms.md 4.7). True convolution: the
 * kernel is flipped relative to motion_blur's correlation.
 *
 * From a file, or computed in the plane of the pixels from the numerical aperture NA and the wavelength, with k = 2 pi / wavelength:
 *   airy        h(r) = (2 J1(v) / v)^2, v = k NA r                                        (scalar, in focus)
 *   gaussian    h(r) = exp(-r^2 / (2 s^2)), s = sqrt(2) / (k NA) = 0.2251 wavelength / NA
 *   born_wolf   h(r) = |int_0^1 J0(k NA r q) exp(-i k q^2 z NA^2 / (2 n)) q dq|^2         (out of focus by z)
 * Bessel functions by their integrals, which converge faster than any power of the number of points. */
#include "measure/convolution.h"

#include <math.h>
#include <stdlib.h>

static const double PI = 3.14159265358979323846;

enum { AIRY, GAUSSIAN, BORN_WOLF };
static const char *const models[] = {"airy", "gaussian", "born_wolf", NULL};

typedef struct options {
    pnb_convolution convolution;
    double na, wavelength_nm, pixel_nm, index, defocus_nm;
    int32_t model, size;
} options;

static const pnb_option table[] = {
    {"na", PNB_OPTION_REAL, offsetof(options, na), 1.41, 0.01, 3, NULL, "", "numerical aperture"},
    {"wavelength_nm", PNB_OPTION_REAL, offsetof(options, wavelength_nm), 525, 1, 100000, NULL, "nm",
     "wavelength of the emitted light in vacuum"},
    {"pixel_nm", PNB_OPTION_REAL, offsetof(options, pixel_nm), 31.3, 0.1, 1000000, NULL, "nm",
     "side of a pixel in the specimen; the prior's, where its metadata has pixel_nm"},
    {"model", PNB_OPTION_CHOICE, offsetof(options, model), AIRY, AIRY, BORN_WOLF, models, "",
     "shape of the function, where it is not from a file"},
    {"index", PNB_OPTION_REAL, offsetof(options, index), 1.518, 1, 4, NULL, "", "refractive index of the immersion (born_wolf)"},
    {"defocus_nm", PNB_OPTION_REAL, offsetof(options, defocus_nm), 0, -100000, 100000, NULL, "nm", "distance from the focus (born_wolf)"},
    {"size", PNB_OPTION_INT, offsetof(options, size), 0, 0, 4095, NULL, "pixels",
     "side of a computed function, odd; 0: as far as 4 wavelengths / NA, or to the image's edge"},
    PNB_CONVOLUTION_OPTIONS,
};

static const pnb_operator_key keys[] = {
    {"file",
     "path of the point-spread function, .npy or PNG, odd sides, its centre in the middle, scaled to sum 1; without it one is computed",
     true},
};

/* J_n(x) = (1 / pi) int_0^pi cos(n t - x sin t) dt, by the midpoint rule. */
static double bessel(int n, double x) {
    int points = 24 + (int)(0.8 * fabs(x));
    double sum = 0;
    for (int i = 0; i < points; i++) {
        double t = PI * (i + 0.5) / points;
        sum += cos(n * t - x * sin(t));
    }
    return sum / points;
}

/* Simpson's rule over the pupil, finely enough for the turns of both factors. */
static double born_wolf(double v, double w) {
    int steps = 2 * (64 + (int)(fabs(v) + fabs(w)));
    double re = 0, im = 0;
    for (int i = 0; i <= steps; i++) {
        double q = (double)i / steps, f = bessel(0, v * q) * q * (i == 0 || i == steps ? 1 : i % 2 ? 4 : 2);
        re += f * cos(w * q * q);
        im -= f * sin(w * q * q);
    }
    return (re * re + im * im) / (9.0 * steps * steps);
}

/* At r pixels from the centre. */
static double value(const options *o, double r) {
    double k = 2 * PI / o->wavelength_nm, v = k * o->na * r * o->pixel_nm;
    if (o->model == GAUSSIAN) return exp(-v * v / 4);
    if (o->model == BORN_WOLF) return born_wolf(v, k * o->defocus_nm * o->na * o->na / (2 * o->index));
    double f = v > 1e-6 ? 2 * bessel(1, v) / v : 1;
    return f * f;
}

static pnb_status compute(pnb_operator *op, options *o, pnb_array *kernel) {
    int h = (int)op->image.d[1], w = (int)op->image.d[2], most = (h < w ? h : w) - 1;
    if (o->size && o->size % 2 == 0) return pnb_fail(op->err, PNB_ERROR_INPUT, "operator psf: size must be odd, found %d", (int)o->size);
    if (!o->size) {
        double reach = fmin(ceil(4 * o->wavelength_nm / (o->na * o->pixel_nm)), most);
        o->size = 2 * (int)reach + 1;
    }
    int radius = o->size / 2;
    PNB_TRY(pnb_array_create(op->err, "operator psf", 2, (const uint64_t[]){(uint64_t)o->size, (uint64_t)o->size}, kernel));
    for (int i = 0; i <= radius; i++) {
        for (int j = 0; j <= i; j++) { /* one eighth of the plane; the rest is its image */
            float f = (float)value(o, hypot(i, j));
            for (int k = 0; k < 8; k++) {
                int y = k & 1 ? -i : i, x = k & 2 ? -j : j;
                kernel->data[k & 4 ? (radius + x) * o->size + radius + y : (radius + y) * o->size + radius + x] = f;
            }
        }
    }
    return PNB_OK;
}

static pnb_status create(pnb_operator *op, const struct cJSON *args, const char *base_dir) {
    pnb_array kernel = {0};
    char *path;
    PNB_TRY(pnb_operator_need_image(op));
    PNB_TRY(pnb_operator_path(op, args, "file", base_dir, &path));
    pnb_status status = path ? pnb_convolution_read(op, path, &kernel) : compute(op, op->options, &kernel);
    if (status == PNB_OK) status = pnb_convolution_create(op, true, &kernel, path ? path : "the point-spread function");
    pnb_array_free(&kernel);
    free(path);
    return status;
}

const pnb_operator_type pnb_operator_psf = {
    .doc = {.type = "psf",
            .summary = "convolution with a point-spread function (microscopy)",
            .table = {table, sizeof table / sizeof table[0], sizeof(options)},
            .keys = keys,
            .n_keys = sizeof keys / sizeof keys[0]},
    .create = create,
    PNB_CONVOLUTION_FUNCTIONS,
};

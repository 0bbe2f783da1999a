/* Random numbers, noise, blur and the main program of the makers of training images. */
#include "scenes.h"

#include "base/philox.h"
#include "io/npy.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_IMAGES = 1000000, MOST_RADIUS = 64 };

static const double PI = 3.14159265358979323846;

/* ---- dice -------------------------------------------------------------------------------------------------------- */

double scene_uniform(scene_dice *d, double low, double high) {
    float u;
    pnb_fill_uniform(d->seed, 0, d->image, d->used++, &u, 1);
    return low + (high - low) * (double)u;
}

double scene_log_uniform(scene_dice *d, double low, double high) {
    return low * pow(high / low, scene_uniform(d, 0, 1));
}

double scene_normal(scene_dice *d) {
    float v;
    pnb_fill_normal(d->seed, 1, d->image, d->used++, &v, 1);
    return (double)v;
}

int scene_chance(scene_dice *d, double probability) {
    return scene_uniform(d, 0, 1) < probability;
}

int scene_whole(scene_dice *d, int low, int high) {
    int v = (int)floor(scene_uniform(d, low, high + 1));
    return v > high ? high : v;
}

/* ---- noise ------------------------------------------------------------------------------------------------------- */

static uint32_t scramble(uint32_t h) {
    h ^= h >> 16;
    h *= 0x7feb352du;
    h ^= h >> 15;
    h *= 0x846ca68bu;
    return h ^ h >> 16;
}

/* The slope at a lattice point, of length 1, times the way from it. */
static double slope(uint32_t key, int x, int y, double dx, double dy) {
    uint32_t h = scramble(key ^ scramble((uint32_t)x * 0x9e3779b9u ^ scramble((uint32_t)y)));
    double a = 2 * PI * h * 0x1p-32;
    return cos(a) * dx + sin(a) * dy;
}

static double fade(double t) {
    return t * t * t * (t * (6 * t - 15) + 10);
}

static double octave(uint32_t key, double x, double y) {
    double fx = floor(x), fy = floor(y), dx = x - fx, dy = y - fy, u = fade(dx), v = fade(dy);
    int i = (int)fx, j = (int)fy;
    double low = (1 - u) * slope(key, i, j, dx, dy) + u * slope(key, i + 1, j, dx - 1, dy);
    double high = (1 - u) * slope(key, i, j + 1, dx, dy - 1) + u * slope(key, i + 1, j + 1, dx - 1, dy - 1);
    return (1 - v) * low + v * high;
}

double scene_noise(uint32_t key, double x, double y, int octaves, double gain) {
    double sum = 0, power = 0, weight = 1;
    for (int i = 0; i < octaves; i++) {
        sum += weight * octave(key + (uint32_t)i, x, y);
        power += weight * weight;
        weight *= gain;
        x = 2 * x + 17.3;
        y = 2 * y - 9.1;
    }
    return sum / (0.27 * sqrt(power)); /* the standard deviation of one octave is about 0.27 */
}

/* ---- blur -------------------------------------------------------------------------------------------------------- */

static void blur_rows(const float *from, float *to, int side, const double *kernel, int radius) {
    for (int i = 0; i < side; i++)
        for (int j = 0; j < side; j++) {
            double sum = 0;
            for (int k = -radius; k <= radius; k++)
                if (j + k >= 0 && j + k < side) sum += kernel[k + radius] * (double)from[i * side + j + k];
            to[j * side + i] = (float)sum; /* transposed: the second pass takes the columns */
        }
}

void scene_blur(float *image, int side, double sigma) {
    double kernel[2 * MOST_RADIUS + 1], sum = 0;
    int radius = (int)ceil(4 * sigma);
    float *turned = malloc((size_t)side * (size_t)side * sizeof *turned);
    if (radius > MOST_RADIUS) radius = MOST_RADIUS;
    if (!turned || sigma <= 0) {
        free(turned);
        return;
    }
    for (int k = -radius; k <= radius; k++) sum += kernel[k + radius] = exp(-0.5 * k * k / (sigma * sigma));
    for (int k = 0; k <= 2 * radius; k++) kernel[k] /= sum;
    blur_rows(image, turned, side, kernel, radius);
    blur_rows(turned, image, side, kernel, radius);
    free(turned);
}

/* ---- the program ------------------------------------------------------------------------------------------------- */

static void to_range(float *image, int count) {
    float top = 0;
    for (int i = 0; i < count; i++) top = fmaxf(top, image[i]);
    for (int i = 0; i < count; i++) image[i] = top > 0 ? 2 * fmaxf(image[i], 0) / top - 1 : -1;
}

int scene_main(int argc, char **argv, void (*make)(scene_dice *dice, float *image)) {
    enum { COUNT = SCENE_SIDE * SCENE_SIDE };
    char *end = NULL, *end_seed = NULL;
    unsigned long long n = argc > 1 ? strtoull(argv[1], &end, 10) : 0, seed = 1;
    if (argc > 3) seed = strtoull(argv[3], &end_seed, 10);
    if (argc < 3 || argc > 4 || *end || n < 1 || n > MOST_IMAGES || (end_seed && *end_seed)) {
        fprintf(stderr, "usage: %s N OUT.npy [SEED]     N images of %d x %d in [-1,1], 1 to %d\n", argv[0], SCENE_SIDE,
                SCENE_SIDE, MOST_IMAGES);
        return 2;
    }
    float *all = malloc((size_t)n * COUNT * sizeof *all);
    if (!all) {
        fprintf(stderr, "%s: no memory for %llu images\n", argv[0], n);
        return 6;
    }
    for (unsigned long long i = 0; i < n; i++) {
        scene_dice dice = {.seed = seed, .image = (uint32_t)i};
        make(&dice, all + i * COUNT);
        to_range(all + i * COUNT, COUNT);
    }
    pnb_error err = {0};
    pnb_status status = pnb_npy_write(&err, argv[2], 3, (uint64_t[]){n, SCENE_SIDE, SCENE_SIDE}, all);
    if (status) fprintf(stderr, "%s: %s\n", argv[0], err.message);
    free(all);
    return (int)status;
}

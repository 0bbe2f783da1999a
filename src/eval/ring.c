/* Rings by rays in polar coordinates, and PSNR over shifts. */
#include "eval/ring.h"

#include "eval/metrics.h"

#include <math.h>
#include <stdlib.h>

static const double PI = 3.14159265358979323846;

/* Bilinear value at column x, row y, 0 outside. */
static double sample(uint32_t h, uint32_t w, const double *image, double x, double y) {
    double left = floor(x), top = floor(y), sum = 0;
    for (int k = 0; k < 4; k++) {
        double c = left + (k & 1), r = top + (k >> 1);
        if (c < 0 || r < 0 || c >= w || r >= h) continue;
        sum += (1 - fabs(x - c)) * (1 - fabs(y - r)) * image[(size_t)r * w + (size_t)c];
    }
    return sum;
}

/* ---- the ring ---------------------------------------------------------------------------------------------------- */

enum { RAYS = 72, STEPS_A_PIXEL = 4 };

typedef struct rays {
    uint32_t h, w, steps;
    const double *image;
    double *profile; /* [steps] of one ray */
} rays;

/* The brightness along the ray from (x, y) at `angle` east of north; gives the step of its largest value. */
static uint32_t cast(const rays *r, double x, double y, double angle) {
    uint32_t best = 0;
    for (uint32_t i = 0; i < r->steps; i++) {
        double d = (double)i / STEPS_A_PIXEL;
        r->profile[i] = sample(r->h, r->w, r->image, x - d * sin(angle), y - d * cos(angle));
        if (r->profile[i] > r->profile[best]) best = i;
    }
    return best;
}

/* Mean and deviation of the brightest points' distances, in pixels. */
static void distances(const rays *r, double x, double y, uint32_t rays_used, double *mean, double *deviation) {
    double sum = 0, squares = 0;
    for (uint32_t a = 0; a < rays_used; a++) {
        double d = (double)cast(r, x, y, 2 * PI * a / rays_used) / STEPS_A_PIXEL;
        sum += d;
        squares += d * d;
    }
    *mean = sum / rays_used;
    *deviation = sqrt(fmax(0, squares / rays_used - *mean * *mean));
}

/* From the brightness's centroid, to the place within `reach` pixels where distances scatter least, in three finer
 * grids. */
static void find_centre(const rays *r, double reach, double *x, double *y) {
    enum { HALF = 6 };
    for (int level = 0; level < 4; level++, reach /= 4) {
        double least = INFINITY, cx = *x, cy = *y;
        for (int i = -HALF; i <= HALF; i++) {
            for (int k = -HALF; k <= HALF; k++) {
                double px = cx + reach * i / HALF, py = cy + reach * k / HALF, mean, deviation;
                distances(r, px, py, level < 2 ? RAYS / 3 : RAYS, &mean, &deviation);
                if (mean < 1 || deviation / mean >= least) continue;
                least = deviation / mean;
                *x = px;
                *y = py;
            }
        }
    }
}

/* Full width at half maximum of the profile about its peak, in pixels; to the end where it does not fall so far. */
static double width_of(const rays *r, uint32_t peak) {
    double half = 0.5 * r->profile[peak], edge[2] = {0, r->steps - 1.0};
    for (uint32_t i = peak; i > 0; i--) {
        if (r->profile[i - 1] >= half) continue;
        edge[0] = i - (r->profile[i] - half) / (r->profile[i] - r->profile[i - 1]);
        break;
    }
    for (uint32_t i = peak; i + 1 < r->steps; i++) {
        if (r->profile[i + 1] >= half) continue;
        edge[1] = i + (r->profile[i] - half) / (r->profile[i] - r->profile[i + 1]);
        break;
    }
    return (edge[1] - edge[0]) / STEPS_A_PIXEL;
}

static void measure(const rays *r, double x, double y, double pixel, pnb_ring *out) {
    double mean, deviation, width = 0, sums[3] = {0, 0, 0}, centre = 0;
    distances(r, x, y, RAYS, &mean, &deviation);
    for (uint32_t a = 0; a < RAYS; a++) {
        double angle = 2 * PI * a / RAYS, along = 0;
        width += width_of(r, cast(r, x, y, angle)) / RAYS;
        for (int i = -2; i <= 2; i++) { /* a band of half the ring's radius */
            double d = mean * (1 + 0.125 * i);
            along += sample(r->h, r->w, r->image, x - d * sin(angle), y - d * cos(angle)) / 5;
        }
        sums[0] += along;
        sums[1] += along * cos(angle);
        sums[2] += along * sin(angle);
        for (int i = 0; i < 4; i++) {
            double d = 0.25 * mean * (i + 0.5) / 4;
            centre += sample(r->h, r->w, r->image, x - d * sin(angle), y - d * cos(angle)) / 4;
        }
    }
    double degrees = atan2(sums[2], sums[1]) * 180 / PI;
    out->diameter = 2 * mean * pixel;
    out->scatter = 2 * deviation * pixel;
    out->width = width * pixel;
    out->orientation = degrees < 0 ? degrees + 360 : degrees;
    out->asymmetry = sums[0] > 0 ? hypot(sums[1], sums[2]) / sums[0] : 0;
    out->contrast = sums[0] > 0 ? centre / sums[0] : 0;
    out->east = (0.5 * (r->w - 1.0) - x) * pixel;
    out->north = (0.5 * (r->h - 1.0) - y) * pixel;
}

bool pnb_ring_measure(uint32_t h, uint32_t w, const double *image, double pixel, pnb_ring *out) {
    double sum = 0, x = 0, y = 0, top = 0;
    uint32_t side = h < w ? h : w;
    rays r = {h, w, side / 2 * STEPS_A_PIXEL + 1, image, NULL};
    for (size_t i = 0; i < (size_t)h * w; i++) top = fmax(top, image[i]);
    for (size_t i = 0; i < (size_t)h * w; i++) { /* the centroid of what is bright */
        double v = fmax(0, image[i] - 0.1 * top);
        sum += v;
        x += v * (double)(i % w);
        y += v * (double)(i / w);
    }
    if (!(sum > 0)) return false;
    r.profile = malloc(r.steps * sizeof *r.profile);
    if (!r.profile) return false;
    x /= sum;
    y /= sum;
    find_centre(&r, side / 6.0, &x, &y);
    measure(&r, x, y, pixel, out);
    free(r.profile);
    return true;
}

void pnb_angle_moments(uint32_t n, const double *degrees, double *mean, double *std) {
    double c = 0, s = 0, squares = 0;
    for (uint32_t i = 0; i < n; i++) {
        c += cos(degrees[i] * PI / 180);
        s += sin(degrees[i] * PI / 180);
    }
    double middle = atan2(s, c) * 180 / PI;
    for (uint32_t i = 0; i < n; i++) {
        double d = remainder(degrees[i] - middle, 360);
        squares += d * d;
    }
    *mean = middle < 0 ? middle + 360 : middle;
    *std = n > 1 ? sqrt(squares / (n - 1)) : 0;
}

/* ---- likeness ---------------------------------------------------------------------------------------------------- */

static uint32_t mirrored(long i, uint32_t n) {
    while (i < 0 || i >= (long)n) i = i < 0 ? -1 - i : 2 * (long)n - 1 - i;
    return (uint32_t)i;
}

/* One direction: n elements `step` apart, in lines of `between` apart. */
static void blur_lines(const double *in, double *out, uint32_t n, size_t step, uint32_t lines, size_t between,
                       double sigma) {
    long reach = (long)(4 * sigma + 0.5);
    double total = 0;
    for (long k = -reach; k <= reach; k++) total += exp(-0.5 * (double)(k * k) / (sigma * sigma));
    for (uint32_t l = 0; l < lines; l++) {
        for (uint32_t i = 0; i < n; i++) {
            double sum = 0;
            for (long k = -reach; k <= reach; k++)
                sum +=
                    exp(-0.5 * (double)(k * k) / (sigma * sigma)) * in[l * between + mirrored((long)i + k, n) * step];
            out[l * between + i * step] = sum / total;
        }
    }
}

bool pnb_sky_blur(uint32_t h, uint32_t w, const double *image, double sigma, double *out) {
    double *rows = malloc((size_t)h * w * sizeof *rows);
    if (!rows) return false;
    blur_lines(image, rows, w, 1, h, w, sigma);
    blur_lines(rows, out, h, w, w, 1, sigma);
    free(rows);
    return true;
}

/* Shifted by (x, y) pixels. */
static void shift(uint32_t h, uint32_t w, const double *image, double x, double y, double *out) {
    for (uint32_t r = 0; r < h; r++) {
        for (uint32_t c = 0; c < w; c++) out[(size_t)r * w + c] = sample(h, w, image, c + x, r + y);
    }
}

typedef double likeness(size_t n, const double *a, const double *b);

/* The largest likeness over shifts. */
static pnb_status best_shift(pnb_error *err, uint32_t h, uint32_t w, const double *image, const double *truth, double sigma,
                             likeness *how, double *best) {
    enum { SHIFTS = 30 };
    size_t n = (size_t)h * w;
    double *work = malloc(3 * n * sizeof *work);
    if (!work) return pnb_fail(err, PNB_ERROR_OUT_OF_MEMORY, "scores: no host memory");
    bool ok = true;
    if (sigma > 0) {
        ok = pnb_sky_blur(h, w, image, sigma, work) && pnb_sky_blur(h, w, truth, sigma, work + n);
        image = work;
        truth = work + n;
    }
    *best = -INFINITY;
    for (int i = 0; ok && i < SHIFTS * SHIFTS; i++) {
        double x = ((i % SHIFTS) / (SHIFTS - 1.0) - 0.5) * 0.5 * (w - 1.0),
               y = ((i / SHIFTS) / (SHIFTS - 1.0) - 0.5) * 0.5 * (h - 1.0);
        shift(h, w, image, x, y, work + 2 * n);
        *best = fmax(*best, how(n, work + 2 * n, truth));
    }
    free(work);
    return ok ? PNB_OK : pnb_fail(err, PNB_ERROR_OUT_OF_MEMORY, "scores: no host memory");
}

static double correlation(size_t n, const double *a, const double *b) {
    double mean[2] = {0, 0}, products[3] = {0, 0, 0};
    for (size_t i = 0; i < n; i++) {
        mean[0] += a[i] / (double)n;
        mean[1] += b[i] / (double)n;
    }
    for (size_t i = 0; i < n; i++) {
        double x = a[i] - mean[0], y = b[i] - mean[1];
        products[0] += x * y;
        products[1] += x * x;
        products[2] += y * y;
    }
    return products[1] > 0 && products[2] > 0 ? products[0] / sqrt(products[1] * products[2]) : 0;
}

pnb_status pnb_psnr_aligned(pnb_error *err, uint32_t h, uint32_t w, const double *image, const double *truth,
                            double sigma, double *psnr) {
    return best_shift(err, h, w, image, truth, sigma, pnb_psnr, psnr);
}

pnb_status pnb_nxcorr_aligned(pnb_error *err, uint32_t h, uint32_t w, const double *image, const double *truth, double sigma,
                              double *nxcorr) {
    return best_shift(err, h, w, image, truth, sigma, correlation, nxcorr);
}

/* Structural similarity (Wang et al., 2004), with the windows that are in use.
 *
 * With m, v, c the windowed means, variances and covariance:
 *     S = (2 m_a m_b + C1)(2 c_ab + C2) / ((m_a^2 + m_b^2 + C1)(v_a + v_b + C2)),   C1 = (0.01 L)^2, C2 = (0.03 L)^2. */
#include "eval/metrics.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>

enum { MAX_RADIUS = 5, MOMENTS = 5 };

typedef struct window {
    int radius;
    double taps[2 * MAX_RADIUS + 1];
    double covariance_factor; /* n/(n-1) for sample covariance */
} window;

static window make_window(pnb_ssim_window kind) {
    window w = {.radius = kind == PNB_SSIM_UNIFORM ? 3 : 5, .covariance_factor = kind == PNB_SSIM_UNIFORM ? 49.0 / 48 : 1};
    double sum = 0;
    for (int k = -w.radius; k <= w.radius; k++) {
        double t = kind == PNB_SSIM_UNIFORM ? 1 : exp(-0.5 * k * k / (1.5 * 1.5));
        w.taps[k + w.radius] = t;
        sum += t;
    }
    for (int k = 0; k <= 2 * w.radius; k++) w.taps[k] /= sum;
    return w;
}

/* One axis of the window over a plane seen as [outer, n, stride]; edges mirrored, edge repeated. n > radius. */
static void filter(const window *win, int outer, int n, int stride, const double *in, double *out) {
    for (int o = 0; o < outer; o++) {
        for (int i = 0; i < n; i++) {
            for (int s = 0; s < stride; s++) {
                const double *base = in + (size_t)o * n * stride + s;
                double sum = 0;
                for (int k = -win->radius; k <= win->radius; k++) {
                    int q = i + k;
                    q = q < 0 ? -1 - q : q >= n ? 2 * n - 1 - q : q;
                    sum += win->taps[k + win->radius] * base[(size_t)q * stride];
                }
                out[((size_t)o * n + i) * stride + s] = sum;
            }
        }
    }
}

/* m: five planes, a b aa bb ab, replaced by their windowed means; scratch: one plane. */
static void window_moments(const window *win, int h, int w, const double *a, const double *b, double *m, double *scratch) {
    size_t plane = (size_t)h * w;
    for (size_t i = 0; i < plane; i++) {
        m[i] = a[i];
        m[plane + i] = b[i];
        m[2 * plane + i] = a[i] * a[i];
        m[3 * plane + i] = b[i] * b[i];
        m[4 * plane + i] = a[i] * b[i];
    }
    for (int k = 0; k < MOMENTS; k++) {
        filter(win, h, w, 1, m + k * plane, scratch);
        filter(win, 1, h, w, scratch, m + k * plane);
    }
}

/* Mean over the plane without its border; map (one plane) may be NULL. */
static double plane_ssim(const window *win, int h, int w, const double *m, double range, double *map) {
    size_t plane = (size_t)h * w;
    double c1 = 0.01 * range * 0.01 * range, c2 = 0.03 * range * 0.03 * range, sum = 0;
    for (int y = 0; y < h; y++) {
        for (int x = 0; x < w; x++) {
            size_t i = (size_t)y * w + x;
            double ma = m[i], mb = m[plane + i], f = win->covariance_factor;
            double va = f * (m[2 * plane + i] - ma * ma), vb = f * (m[3 * plane + i] - mb * mb);
            double cab = f * (m[4 * plane + i] - ma * mb);
            double s = (2 * ma * mb + c1) * (2 * cab + c2) / ((ma * ma + mb * mb + c1) * (va + vb + c2));
            if (map) map[i] = s;
            bool inside = y >= win->radius && y < h - win->radius && x >= win->radius && x < w - win->radius;
            if (inside) sum += s;
        }
    }
    return sum / ((double)(h - 2 * win->radius) * (w - 2 * win->radius));
}

/* Means of f x f pixels of c planes; what is left over at the ends is left out. */
static void pool(uint32_t c, uint32_t h, uint32_t w, uint32_t f, const double *in, double *out) {
    for (uint32_t p = 0; p < c; p++) {
        for (uint32_t y = 0; y < h / f; y++) {
            for (uint32_t x = 0; x < w / f; x++) {
                double sum = 0;
                for (uint32_t i = 0; i < f * f; i++) sum += in[((size_t)p * h + y * f + i / f) * w + x * f + i % f];
                *out++ = sum / (f * f);
            }
        }
    }
}

static pnb_status pooled_ssim(pnb_error *err, uint32_t f, uint32_t c, uint32_t h, uint32_t w, const double *a, const double *b,
                              double range, double *ssim) {
    size_t count = (size_t)c * (h / f) * (w / f);
    double *small = malloc(2 * count * sizeof *small);
    if (!small) return pnb_fail(err, PNB_ERROR_OUT_OF_MEMORY, "ssim: no host memory for %u x %u pixels", h, w);
    pool(c, h, w, f, a, small);
    pool(c, h, w, f, b, small + count);
    pnb_status status = pnb_ssim(err, PNB_SSIM_GAUSSIAN, c, h / f, w / f, small, small + count, range, NULL, ssim);
    free(small);
    return status;
}

pnb_status pnb_ssim(pnb_error *err, pnb_ssim_window kind, uint32_t c, uint32_t h, uint32_t w, const double *a, const double *b,
                    double range, double *map, double *ssim) {
    double f = rint(fmin(h, w) / 256.0);
    if (kind == PNB_SSIM_PIQ && f > 1) return pooled_ssim(err, (uint32_t)f, c, h, w, a, b, range, ssim);
    window win = make_window(kind);
    uint32_t side = 2 * (uint32_t)win.radius + 1;
    *ssim = NAN;
    if (c == 0 || h < side || w < side) return PNB_OK;
    size_t plane = (size_t)h * w;
    double *work = malloc((MOMENTS + 1) * plane * sizeof *work), sum = 0;
    if (!work) return pnb_fail(err, PNB_ERROR_OUT_OF_MEMORY, "ssim: no host memory for %u x %u pixels", h, w);
    for (uint32_t i = 0; i < c; i++) {
        window_moments(&win, (int)h, (int)w, a + i * plane, b + i * plane, work, work + MOMENTS * plane);
        sum += plane_ssim(&win, (int)h, (int)w, work, range, map ? map + i * plane : NULL);
    }
    free(work);
    *ssim = sum / c;
    return PNB_OK;
}

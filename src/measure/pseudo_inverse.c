/* One-sided Jacobi: rotate pairs of rows of A until all are orthogonal, R A = diag(s) V^T; then A^+ = V diag(1/s) R.
 *
 * It works on the shorter side (on A^T where A is tall) and is accurate for small singular values too
 * (Demmel and Veselic, 1992). */
#include "measure/pseudo_inverse.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>

enum { MAX_SWEEPS = 60 };

static void rotate(double *a, double *b, uint32_t n, double c, double s) {
    for (uint32_t i = 0; i < n; i++) {
        double x = a[i], y = b[i];
        a[i] = c * x - s * y;
        b[i] = s * x + c * y;
    }
}

static double dot(const double *a, const double *b, uint32_t n) {
    double sum = 0;
    for (uint32_t i = 0; i < n; i++) sum += a[i] * b[i];
    return sum;
}

/* w: [n, m] with n <= m, becomes diag(s) V^T; r: [n, n], becomes the product of all rotations. */
static void orthogonalise(uint32_t n, uint32_t m, double *w, double *r) {
    for (uint32_t i = 0; i < n * n; i++) r[i] = i % (n + 1) == 0;
    bool changed = true;
    for (int sweep = 0; changed && sweep < MAX_SWEEPS; sweep++) {
        changed = false;
        for (uint32_t i = 0; i + 1 < n; i++) {
            for (uint32_t j = i + 1; j < n; j++) {
                double *a = w + (size_t)i * m, *b = w + (size_t)j * m;
                double aa = dot(a, a, m), bb = dot(b, b, m), ab = dot(a, b, m);
                if (fabs(ab) <= 1e-15 * sqrt(aa * bb)) continue;
                double tau = (bb - aa) / (2 * ab), t = (tau < 0 ? -1 : 1) / (fabs(tau) + sqrt(1 + tau * tau));
                double c = 1 / sqrt(1 + t * t);
                rotate(a, b, m, c, c * t);
                rotate(r + (size_t)i * n, r + (size_t)j * n, n, c, c * t);
                changed = true;
            }
        }
    }
}

pnb_status pnb_pseudo_inverse(pnb_error *err, uint32_t rows, uint32_t cols, const double *a, double rcond, double *inverse,
                              double *largest) {
    bool tall = rows > cols;
    uint32_t n = tall ? cols : rows, m = tall ? rows : cols;
    double *w = malloc((size_t)n * m * sizeof *w), *r = malloc((size_t)n * n * sizeof *r), *s = malloc(n * sizeof *s);
    if (!w || !r || !s) {
        free(w);
        free(r);
        free(s);
        return pnb_fail(err, PNB_ERROR_OUT_OF_MEMORY, "pseudo-inverse: no host memory for a %u x %u matrix", rows, cols);
    }
    for (uint32_t i = 0; i < n; i++) {
        for (uint32_t j = 0; j < m; j++) w[(size_t)i * m + j] = tall ? a[(size_t)j * cols + i] : a[(size_t)i * cols + j];
    }
    orthogonalise(n, m, w, r);
    double top = 0;
    for (uint32_t k = 0; k < n; k++) {
        s[k] = dot(w + (size_t)k * m, w + (size_t)k * m, m); /* the singular value, squared */
        top = fmax(top, s[k]);
    }
    /* A^+ = sum_k v_k s_k^-1 r_k = sum_k (row k of w) (row k of r) / s_k^2, transposed back where A is tall */
    for (size_t i = 0; i < (size_t)n * m; i++) inverse[i] = 0;
    for (uint32_t k = 0; k < n; k++) {
        if (s[k] <= rcond * rcond * top || s[k] == 0) continue;
        for (uint32_t j = 0; j < m; j++) {
            double v = w[(size_t)k * m + j] / s[k];
            for (uint32_t i = 0; i < n; i++) inverse[tall ? (size_t)i * m + j : (size_t)j * n + i] += v * r[(size_t)k * n + i];
        }
    }
    if (largest) *largest = sqrt(top);
    free(w);
    free(r);
    free(s);
    return PNB_OK;
}

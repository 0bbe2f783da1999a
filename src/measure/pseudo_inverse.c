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

void pnb_svd(uint32_t rows, uint32_t cols, const double *a, double *left, double *s, double *right) {
    bool tall = rows > cols;
    uint32_t n = tall ? cols : rows, m = tall ? rows : cols;
    double *w = tall ? left : right, *r = tall ? right : left;
    for (uint32_t i = 0; i < n; i++) {
        for (uint32_t j = 0; j < m; j++) w[(size_t)i * m + j] = tall ? a[(size_t)j * cols + i] : a[(size_t)i * cols + j];
    }
    orthogonalise(n, m, w, r);
    for (uint32_t k = 0; k < n; k++) {
        double *row = w + (size_t)k * m;
        s[k] = sqrt(dot(row, row, m));
        for (uint32_t j = 0; s[k] > 0 && j < m; j++) row[j] /= s[k];
    }
}

void pnb_svd_inverse(uint32_t rows, uint32_t cols, const double *left, double *s, const double *right, double rcond,
                     double *inverse, double *largest) {
    uint32_t n = rows > cols ? cols : rows;
    double top = 0;
    for (uint32_t k = 0; k < n; k++) top = fmax(top, s[k]);
    for (size_t i = 0; i < (size_t)rows * cols; i++) inverse[i] = 0;
    for (uint32_t k = 0; k < n; k++) {
        if (s[k] <= rcond * top) s[k] = 0;
        for (uint32_t j = 0; s[k] > 0 && j < cols; j++) {
            double v = right[(size_t)k * cols + j] / s[k];
            for (uint32_t i = 0; i < rows; i++) inverse[(size_t)j * rows + i] += v * left[(size_t)k * rows + i];
        }
    }
    if (largest) *largest = top;
}

pnb_status pnb_pseudo_inverse(pnb_error *err, uint32_t rows, uint32_t cols, const double *a, double rcond, double *inverse,
                              double *largest) {
    size_t n = rows > cols ? cols : rows;
    double *left = malloc(n * (rows + cols + (size_t)1) * sizeof *left);
    if (!left) return pnb_fail(err, PNB_ERROR_OUT_OF_MEMORY, "pseudo-inverse: no host memory for a %u x %u matrix", rows, cols);
    double *right = left + n * rows, *s = right + n * cols;
    pnb_svd(rows, cols, a, left, s, right);
    pnb_svd_inverse(rows, cols, left, s, right, rcond, inverse, largest);
    free(left);
    return PNB_OK;
}

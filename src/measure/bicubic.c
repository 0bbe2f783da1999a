/* bicubic: antialiased bicubic downsampling (super-resolution; algorithms.md 4.2 b, DPS's resizer and DDRM's sr_bicubic).
 *
 * y = W_h x W_w^T with one matrix an axis: the cubic kernel (a = -1/2) stretched by the factor around the centre of each block,
 * rows summing to 1, the image mirrored at its edges with the edge pixel repeated. That extension is periodic and even, so W W^T
 * is diagonal in the DCT-II: with c_k its vectors, s_k = |W^T c_k| are the singular values, W^T c_k / s_k the right vectors, and
 * W^+ = sum_k (W^T c_k) c_k^T / s_k^2, for any size without an iteration. */
#include "measure/operator_type.h"
#include "ops/ops.h"

#include <math.h>
#include <stdlib.h>

/* Singular values below this times the largest count as zero (DDRM). None are for this kernel. */
static const double CUT = 3e-2;
static const double PI = 3.14159265358979323846;

typedef struct options {
    int32_t factor;
} options;

static const pnb_option table[] = {
    {"factor", PNB_OPTION_INT, offsetof(options, factor), 4, 2, 256, NULL, "pixels", "how many pixels become one along each axis"},
};

enum { ROWS, COLUMNS, ROWS_INVERSE, COLUMNS_INVERSE }; /* constants */

static double cubic(double x) {
    x = fabs(x);
    if (x <= 1) return (1.5 * x - 2.5) * x * x + 1;
    return x < 2 ? ((-0.5 * x + 2.5) * x - 4) * x + 2 : 0;
}

/* w: [n/f, n], zeroed. */
static void fill_matrix(double *w, int n, int f) {
    for (int i = 0; i < n / f; i++) {
        double centre = f * (i + 0.5) - 0.5, sum = 0;
        int first = (int)ceil(centre - 2 * f), last = (int)floor(centre + 2 * f);
        for (int j = first; j <= last; j++) sum += cubic((j - centre) / f);
        for (int j = first; j <= last; j++) {
            int q = ((j % (2 * n)) + 2 * n) % (2 * n);
            w[(size_t)i * (size_t)n + (size_t)(q < n ? q : 2 * n - 1 - q)] += cubic((j - centre) / f) / sum;
        }
    }
}

/* inverse: [n, h] of w [h, n], zeroed; v: [n], scratch. Returns the largest singular value, its first for this kernel. */
static double invert(const double *w, double *inverse, double *v, uint32_t h, uint32_t n) {
    double largest = 0;
    for (uint32_t k = 0; k < h; k++) {
        double scale = sqrt((k ? 2.0 : 1.0) / h), square = 0;
        for (uint32_t j = 0; j < n; j++) v[j] = 0;
        for (uint32_t i = 0; i < h; i++) {
            double c = scale * cos(PI * k * (i + 0.5) / h);
            for (uint32_t j = 0; j < n; j++) v[j] += c * w[(size_t)i * n + j];
        }
        for (uint32_t j = 0; j < n; j++) square += v[j] * v[j];
        largest = fmax(largest, sqrt(square));
        if (sqrt(square) <= CUT * largest) continue;
        for (uint32_t i = 0; i < h; i++) {
            double c = scale * cos(PI * k * (i + 0.5) / h) / square;
            for (uint32_t j = 0; j < n; j++) inverse[(size_t)j * h + i] += c * v[j];
        }
    }
    return largest;
}

static float *narrow(const double *from, size_t count) {
    float *to = malloc(count * sizeof *to);
    for (size_t i = 0; to && i < count; i++) to[i] = (float)from[i];
    return to;
}

/* The matrices of one axis of n pixels as floats (malloc'd, NULL without memory); returns the norm of W. */
static double make_axis(uint32_t n, uint32_t f, float **matrix, float **inverse) {
    size_t count = (size_t)(n / f) * n;
    double *w = calloc(2 * count + n, sizeof *w), norm = 0;
    *matrix = *inverse = NULL;
    if (!w) return 0;
    fill_matrix(w, (int)n, (int)f);
    norm = invert(w, w + count, w + 2 * count, n / f, n);
    *matrix = narrow(w, count);
    *inverse = narrow(w + count, count);
    free(w);
    return norm;
}

static pnb_status create(pnb_operator *op, const struct cJSON *args, const char *base_dir) {
    (void)args, (void)base_dir;
    PNB_TRY(pnb_operator_need_image(op));
    uint32_t f = (uint32_t)((const options *)op->options)->factor, h = op->image.d[1], w = op->image.d[2];
    if (h % f || w % f) {
        return pnb_fail(op->err, PNB_ERROR_INPUT, "operator bicubic: factor %u does not divide the image of %u x %u pixels", f, h, w);
    }
    op->measurement = pnb_shape3(op->image.d[0], h / f, w / f);
    float *matrix[2], *inverse[2];
    op->norm = make_axis(h, f, &matrix[0], &inverse[0]) * make_axis(w, f, &matrix[1], &inverse[1]) * (1 + 1e-12);
    static const char *const names[] = {"rows", "columns", "inverse of rows", "inverse of columns"};
    pnb_status status = PNB_OK;
    for (int i = 0; i < 4; i++) {
        uint32_t n = i % 2 ? w : h;
        float *values = i < 2 ? matrix[i] : inverse[i - 2];
        if (status != PNB_OK) {
            free(values);
            continue;
        }
        status = pnb_operator_add_constant(op, names[i], i < 2 ? pnb_shape2(n / f, n) : pnb_shape2(n, n / f), values);
    }
    return status;
}

/* out = L in R^T on every plane, L and R constants `left` and left + 1; transposed: L^T in R. */
static pnb_status both_sides(pnb_operator *op, pnb_graph *g, pnb_tensor in, uint32_t left, bool transposed, pnb_shape to, pnb_tensor *out) {
    pnb_shape from = pnb_graph_shape(g, in);
    uint32_t planes = from.d[0] * from.d[1];
    pnb_tensor l, r, t;
    PNB_TRY(pnb_operator_bind(op, g, left, &l));
    PNB_TRY(pnb_operator_bind(op, g, left + 1, &r));
    PNB_TRY(pnb_graph_reshape(g, in, pnb_shape2(planes * from.d[2], from.d[3]), &t));
    PNB_TRY(pnb_matmul(g, t, r, false, !transposed, 1, &t));
    PNB_TRY(pnb_graph_reshape(g, t, pnb_shape3(planes, from.d[2], to.d[2]), &t));
    PNB_TRY(pnb_matmul(g, l, t, transposed, false, 1, &t));
    return pnb_graph_reshape(g, t, pnb_shape4(from.d[0], from.d[1], to.d[1], to.d[2]), out);
}

static pnb_status apply(pnb_operator *op, pnb_graph *g, pnb_tensor x, pnb_tensor *y) {
    return both_sides(op, g, x, ROWS, false, op->measurement, y);
}

static pnb_status adjoint(pnb_operator *op, pnb_graph *g, pnb_tensor y, pnb_tensor *x) {
    return both_sides(op, g, y, ROWS, true, op->image, x);
}

static pnb_status pinv(pnb_operator *op, pnb_graph *g, pnb_tensor y, pnb_tensor *x) {
    return both_sides(op, g, y, ROWS_INVERSE, false, op->image, x);
}

const pnb_operator_type pnb_operator_bicubic = {
    .doc = {.type = "bicubic",
            .summary = "antialiased bicubic downsampling (super-resolution)",
            .table = {table, sizeof table / sizeof table[0], sizeof(options)}},
    .linear = true,
    .create = create,
    .apply = apply,
    .adjoint = adjoint,
    .pinv = pinv,
};

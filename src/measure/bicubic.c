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

/* Constants, each for rows and columns: W, its pseudo-inverse, and its singular vectors as rows; then the singular values of all. */
enum { MATRIX = 0, INVERSE = 2, LEFT = 4, RIGHT = 6, SPECTRUM = 8, MATRICES = 8 };

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

/* One axis in double: w [h, n], its inverse [n, h], left [h, h] and right [h, n] vectors, singular values [h]. */
typedef struct axis {
    uint32_t h, n;
    double *w, *inverse, *left, *right, *s; /* all in w */
} axis;

static bool allocate(axis *a, uint32_t n, uint32_t f) {
    size_t h = n / f, count = h * n;
    *a = (axis){.h = (uint32_t)h, .n = n, .w = calloc(3 * count + h * h + h, sizeof *a->w)};
    a->inverse = a->w + count;
    a->right = a->inverse + count;
    a->left = a->right + count;
    a->s = a->left + h * h;
    return a->w != NULL;
}

/* From w: the DCT's vectors c_k are the left ones, W^T c_k / s_k the right ones. Returns the largest singular value. */
static double decompose(axis *a) {
    double largest = 0;
    for (uint32_t k = 0; k < a->h; k++) {
        double *c = a->left + (size_t)k * a->h, *v = a->right + (size_t)k * a->n, square = 0;
        for (uint32_t i = 0; i < a->h; i++) {
            c[i] = sqrt((k ? 2.0 : 1.0) / a->h) * cos(PI * k * (i + 0.5) / a->h);
            for (uint32_t j = 0; j < a->n; j++) v[j] += c[i] * a->w[(size_t)i * a->n + j];
        }
        for (uint32_t j = 0; j < a->n; j++) square += v[j] * v[j];
        largest = fmax(largest, sqrt(square)); /* the first one, for this kernel */
        a->s[k] = sqrt(square) > CUT * largest ? sqrt(square) : 0;
        for (uint32_t j = 0; j < a->n; j++) v[j] = a->s[k] > 0 ? v[j] / a->s[k] : 0;
        for (uint32_t j = 0; j < a->n && a->s[k] > 0; j++) {
            for (uint32_t i = 0; i < a->h; i++) a->inverse[(size_t)j * a->h + i] += v[j] * c[i] / a->s[k];
        }
    }
    return largest;
}

static float *narrow(const double *from, size_t count) {
    float *to = malloc(count * sizeof *to);
    for (size_t i = 0; to && i < count; i++) to[i] = (float)from[i];
    return to;
}

static pnb_status add_constants(pnb_operator *op, const axis *axes) {
    static const char *const names[MATRICES] = {"rows", "columns", "inverse of rows", "inverse of columns",
                                                "left of rows", "left of columns", "right of rows", "right of columns"};
    for (int i = 0; i < MATRICES; i++) {
        const axis *a = &axes[i % 2];
        const double *from[] = {a->w, a->inverse, a->left, a->right};
        pnb_shape shape[] = {pnb_shape2(a->h, a->n), pnb_shape2(a->n, a->h), pnb_shape2(a->h, a->h), pnb_shape2(a->h, a->n)};
        PNB_TRY(pnb_operator_add_constant(op, names[i], shape[i / 2], narrow(from[i / 2], pnb_shape_count(shape[i / 2]))));
    }
    uint32_t h = axes[0].h, w = axes[1].h, count = (uint32_t)pnb_shape_count(op->measurement);
    float *spectrum = malloc(count * sizeof *spectrum);
    for (uint32_t i = 0; spectrum && i < count; i++) spectrum[i] = (float)(axes[0].s[i / w % h] * axes[1].s[i % w]);
    op->spectrum = spectrum;
    op->spectrum_count = count;
    return pnb_operator_add_constant(op, "spectrum", op->measurement, spectrum);
}

static pnb_status create(pnb_operator *op, const struct cJSON *args, const char *base_dir) {
    (void)args, (void)base_dir;
    PNB_TRY(pnb_operator_need_image(op));
    uint32_t f = (uint32_t)((const options *)op->options)->factor, h = op->image.d[1], w = op->image.d[2];
    if (h % f || w % f) {
        return pnb_fail(op->err, PNB_ERROR_INPUT, "operator bicubic: factor %u does not divide the image of %u x %u pixels", f, h, w);
    }
    op->measurement = pnb_shape3(op->image.d[0], h / f, w / f);
    axis axes[2] = {{0}};
    bool allocated = allocate(&axes[0], h, f) && allocate(&axes[1], w, f);
    op->norm = 1 + 1e-6;
    for (int i = 0; i < 2 && allocated; i++) {
        fill_matrix(axes[i].w, (int)axes[i].n, (int)f);
        op->norm *= decompose(&axes[i]);
    }
    pnb_status status =
        allocated ? add_constants(op, axes) : pnb_fail(op->err, PNB_ERROR_OUT_OF_MEMORY, "operator bicubic: no host memory");
    free(axes[0].w);
    free(axes[1].w);
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
    return both_sides(op, g, x, MATRIX, false, op->measurement, y);
}

static pnb_status adjoint(pnb_operator *op, pnb_graph *g, pnb_tensor y, pnb_tensor *x) {
    return both_sides(op, g, y, MATRIX, true, op->image, x);
}

static pnb_status pinv(pnb_operator *op, pnb_graph *g, pnb_tensor y, pnb_tensor *x) {
    return both_sides(op, g, y, INVERSE, false, op->image, x);
}

static pnb_status to_right(pnb_operator *op, pnb_graph *g, pnb_tensor x, pnb_tensor *c) {
    return both_sides(op, g, x, RIGHT, false, op->measurement, c);
}

static pnb_status to_left(pnb_operator *op, pnb_graph *g, pnb_tensor y, pnb_tensor *c) {
    return both_sides(op, g, y, LEFT, false, op->measurement, c);
}

static pnb_status from_right(pnb_operator *op, pnb_graph *g, pnb_tensor c, pnb_tensor *x) {
    return both_sides(op, g, c, RIGHT, true, op->image, x);
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
    .to_right = to_right,
    .to_left = to_left,
    .from_right = from_right,
};

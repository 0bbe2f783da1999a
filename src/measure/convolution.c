/* Convolution in two forms: as a list of taps on an image with margins, where only entries of the kernel that are not zero cost
 * anything; and by FFT on a torus, with margins where the border asks for them, for kernels of many taps and for circular images,
 * whose transform is their singular value decomposition. */
#include "measure/convolution.h"
#include "measure/correlate.h"
#include "ops/emit.h"

#include <math.h>
#include <stdlib.h>

/* ---- the op: y[i] = sum_k w_k x[i + s d_k + o], x zero outside; y of any size ------------------------------------- */

typedef struct correlate_attr {
    int32_t sign, origin[2]; /* s = 1 or -1, and o */
} correlate_attr;

static const pnb_op op_correlate;

/* The transpose has the other signs, and the sizes of x and y exchanged. */
static pnb_status correlate(pnb_graph *g, pnb_tensor x, pnb_tensor taps, correlate_attr attr, uint32_t rows, uint32_t width,
                            pnb_tensor *y) {
    pnb_shape shape = pnb_graph_shape(g, x);
    shape.d[2] = rows;
    shape.d[3] = width;
    pnb_tensor in[2] = {x, taps};
    return pnb_graph_add(g, &op_correlate, in, 2, 0, &attr, sizeof attr, &shape, 1, y, 1);
}

static pnb_status vjp(pnb_graph *g, const pnb_node *node, const pnb_tensor *gout, uint32_t want, pnb_tensor *gin) {
    if (!(want & 1) || gout[0] == PNB_NONE) return PNB_OK;
    const correlate_attr *attr = (const correlate_attr *)(const void *)node->attr;
    pnb_shape x = pnb_graph_shape(g, node->in[0]);
    correlate_attr back = {-attr->sign, {-attr->origin[0], -attr->origin[1]}};
    return correlate(g, gout[0], node->in[1], back, x.d[2], x.d[3], &gin[0]);
}

static pnb_status lower(pnb_lower *l, const pnb_node *node) {
    const correlate_attr *attr = (const correlate_attr *)(const void *)node->attr;
    pnb_shape x = pnb_lower_shape(l, node->in[0]), y = pnb_lower_shape(l, node->out[0]);
    uint32_t rows = y.d[0] * y.d[1] * y.d[2], segments = pnb_emit_segments(l, rows, (y.d[3] + 3) / 4);
    pnb_push_correlate push = {.items = rows * segments, .segments = segments, .taps = pnb_lower_shape(l, node->in[1]).d[0],
                               .rows = (int32_t)x.d[2], .width = (int32_t)x.d[3], .out_rows = y.d[2], .out_width = y.d[3],
                               .sign = (float)attr->sign, .origin_row = attr->origin[0], .origin_column = attr->origin[1]};
    bool texel = pnb_emit_texel(l, node->in[0]) && pnb_emit_texel(l, node->in[1]);
    pnb_dispatch d = pnb_emit_begin(l, texel ? "measure/correlate.texel" : "measure/correlate", "correlate");
    pnb_emit_read(&d, node->in[0], texel);
    pnb_emit_read(&d, node->in[1], texel);
    pnb_emit_write(&d, node->out[0]);
    pnb_emit_push(&d, &push, sizeof push);
    pnb_emit_spread(&d, l, push.items);
    d.gflop = 2e-9 * push.taps * pnb_emit_count(l, node->out[0]);
    d.gbyte = 4e-9 * (pnb_emit_count(l, node->in[0]) + (double)pnb_emit_count(l, node->out[0]));
    return pnb_lower_emit(l, &d);
}

static const pnb_op op_correlate = {.name = "correlate", .vjp = vjp, .lower = lower};

/* ---- the kernel --------------------------------------------------------------------------------------------------- */

pnb_status pnb_convolution_read(pnb_operator *op, const char *path, pnb_array *kernel) {
    PNB_TRY(pnb_operator_read(op, path, kernel));
    while (kernel->rank > 2 && kernel->shape[0] == 1) {
        for (uint32_t i = 1; i < kernel->rank; i++) kernel->shape[i - 1] = kernel->shape[i];
        kernel->rank--;
    }
    if (kernel->rank == 2 && kernel->count) return PNB_OK;
    char text[PNB_SHAPE_TEXT_SIZE];
    pnb_shape_to_text(kernel->rank, kernel->shape, text);
    pnb_array_free(kernel);
    return pnb_fail(op->err, PNB_ERROR_INPUT, "operator %s: file '%s' is %s, expected a kernel [rows, columns]", op->type->doc.type, path,
                    text);
}

static pnb_status check_kernel(pnb_operator *op, const pnb_array *kernel, const char *what, double *sum) {
    const char *type = op->type->doc.type;
    uint64_t rows = kernel->shape[0], columns = kernel->shape[1];
    uint32_t h = op->image.d[1], w = op->image.d[2];
    if (rows % 2 == 0 || columns % 2 == 0) {
        return pnb_fail(op->err, PNB_ERROR_INPUT, "operator %s: %s has %llu x %llu entries; both must be odd, so that it has a centre",
                        type, what, (unsigned long long)rows, (unsigned long long)columns);
    }
    if (rows / 2 >= h || columns / 2 >= w) {
        return pnb_fail(op->err, PNB_ERROR_INPUT, "operator %s: %s of %llu x %llu entries is too large for an image of %u x %u pixels",
                        type, what, (unsigned long long)rows, (unsigned long long)columns, h, w);
    }
    *sum = 0;
    for (uint64_t i = 0; i < kernel->count; i++) *sum += (double)kernel->data[i];
    if (isfinite(*sum) && *sum > 0) return PNB_OK;
    return pnb_fail(op->err, PNB_ERROR_INPUT, "operator %s: the entries of %s sum to %g, expected more than 0", type, what, *sum);
}

/* Offsets and weights of the entries that are not zero. */
static float *make_taps(const pnb_array *kernel, double sum, bool flip, uint32_t *count) {
    int rows = (int)kernel->shape[0], columns = (int)kernel->shape[1];
    *count = 0;
    for (uint64_t i = 0; i < kernel->count; i++) *count += kernel->data[i] != 0;
    float *taps = calloc((size_t)*count * 4, sizeof *taps), *at = taps;
    for (int i = 0; taps && i < rows * columns; i++) {
        if (kernel->data[i] == 0) continue;
        int dy = i / columns - rows / 2, dx = i % columns - columns / 2;
        at[0] = (float)(flip ? -dy : dy);
        at[1] = (float)(flip ? -dx : dx);
        at[2] = (float)((double)kernel->data[i] / sum);
        at += 4;
    }
    return taps;
}

static int place(int q, int n, int border) {
    if (border == PNB_BORDER_CIRCULAR) return (q + n) % n;
    if (border == PNB_BORDER_ZERO) return q >= 0 && q < n ? q : -1;
    q = abs(q);
    return q < n ? q : 2 * (n - 1) - q;
}

/* The largest column sum of |A|: how much all outputs together take of one pixel. */
static double largest_column(const pnb_convolution *c, const float *taps, int h, int w) {
    int reach = (int)c->reach[0], lines = 2 * reach + 1;
    double *line = calloc((size_t)lines * (size_t)w, sizeof *line), *column = calloc((size_t)h * (size_t)w, sizeof *column), largest = 0;
    for (uint32_t k = 0; line && column && k < c->taps; k++) { /* along columns, for each row of the kernel */
        int dx = (int)taps[4 * k + 1];
        double *to = line + ((int)taps[4 * k] + reach) * w;
        for (int j = 0; j < w; j++) {
            int q = place(j + dx, w, c->boundary);
            if (q >= 0) to[q] += (double)fabsf(taps[4 * k + 2]);
        }
    }
    for (int i = 0; line && column && i < h; i++) {
        for (int dy = -reach; dy <= reach; dy++) {
            int q = place(i + dy, h, c->boundary);
            for (int j = 0; q >= 0 && j < w; j++) column[q * w + j] += line[(dy + reach) * w + j];
        }
    }
    for (int i = 0; line && column && i < h * w; i++) largest = fmax(largest, column[i]);
    free(column);
    free(line);
    return largest > 0 ? largest : 4; /* without memory: a pixel has at most four mirror images */
}

/* ---- its transform --------------------------------------------------------------------------------------------------------- */

/* From this many taps on, an FFT is faster. */
enum { MANY_TAPS = 48 };
enum { TAPS = 0, TRANSFORM = 0, INVERSE, PHASE, SPECTRUM }; /* constants: the taps, or the transform and for circular images the others */

/* Singular values below this times the largest count as zero. */
static const double CUT = 1e-6;

static const double PI = 3.14159265358979323846;

/* The transform of the kernel on a torus, k[i, j] = sum over taps of w exp(-+2 pi i ...): rows first; in double, [rows, columns, 2].
 * The sign is that of y[i] = sum_k w[k] x[i + d_k]: the transform of x at d is turned forward. */
static double *make_transform(const pnb_convolution *c, const float *taps) {
    uint32_t h = c->torus[0], w = c->torus[1], reach = c->reach[0], lines = 2 * reach + 1;
    double *line = calloc((size_t)lines * w * 2, sizeof *line), *k = calloc((size_t)h * w * 2, sizeof *k);
    for (uint32_t t = 0; line && k && t < c->taps; t++) {
        double *to = line + 2 * (size_t)((int)taps[4 * t] + (int)reach) * w;
        for (uint32_t j = 0; j < w; j++) {
            double turn = 2 * PI * ((double)taps[4 * t + 1] * j) / w;
            to[2 * j] += (double)taps[4 * t + 2] * cos(turn);
            to[2 * j + 1] += (double)taps[4 * t + 2] * sin(turn);
        }
    }
    for (uint32_t i = 0; line && k && i < h; i++) {
        for (uint32_t d = 0; d < lines; d++) {
            double turn = 2 * PI * ((double)i * ((double)d - reach)) / h, re = cos(turn), im = sin(turn);
            const double *from = line + 2 * (size_t)d * w;
            double *to = k + 2 * (size_t)i * w;
            for (uint32_t j = 0; j < w; j++) {
                to[2 * j] += re * from[2 * j] - im * from[2 * j + 1];
                to[2 * j + 1] += re * from[2 * j + 1] + im * from[2 * j];
            }
        }
    }
    if (!line) {
        free(k);
        k = NULL;
    }
    free(line);
    return k;
}

/* Of each entry k of a transform: itself, its inverse, its direction, its size. */
static void describe(const double *k, double largest, double regularisation, int what, float *to) {
    double size = hypot(k[0], k[1]), square = size * size;
    bool zero = size <= CUT * largest;
    if (what == TRANSFORM) {
        to[0] = (float)k[0];
        to[1] = (float)k[1];
    } else if (what == INVERSE) {
        double scale = regularisation > 0 ? 1 / (square + regularisation) : zero ? 0 : 1 / square;
        to[0] = (float)(k[0] * scale);
        to[1] = (float)(-k[1] * scale);
    } else if (what == PHASE) {
        to[0] = size > 0 ? (float)(k[0] / size) : 1;
        to[1] = size > 0 ? (float)(k[1] / size) : 0;
    } else {
        to[0] = zero ? 0 : (float)size;
    }
}

static pnb_status add_constants(pnb_operator *op, const pnb_convolution *c, const double *k) {
    static const char *const names[] = {"transform", "inverse", "phase", "spectrum"};
    uint32_t h = c->torus[0], w = c->torus[1], count = h * w, channels = op->image.d[0];
    double largest = 0;
    for (uint32_t i = 0; i < count; i++) largest = fmax(largest, hypot(k[2 * i], k[2 * i + 1]));
    for (int what = TRANSFORM; what <= (c->boundary == PNB_BORDER_CIRCULAR ? SPECTRUM : TRANSFORM); what++) {
        uint32_t each = what == SPECTRUM ? 1 : 2, copies = what == SPECTRUM ? channels : 1;
        float *values = malloc((size_t)count * each * copies * sizeof *values);
        for (uint32_t i = 0; values && i < count * copies; i++) {
            describe(k + 2 * (size_t)(i % count), largest, c->regularisation, what, values + (size_t)i * each);
        }
        PNB_TRY(pnb_operator_add_constant(op, names[what], what == SPECTRUM ? op->image : pnb_shape3(h, w, 2), values));
    }
    if (c->boundary != PNB_BORDER_CIRCULAR) return PNB_OK;
    op->norm = largest * (1 + 1e-6);
    op->spectrum = op->constants[SPECTRUM].values;
    op->spectrum_count = (uint32_t)pnb_shape_count(op->image);
    return PNB_OK;
}

/* Rows and columns of the torus on which nothing of the kernel comes around to what is read. */
static void choose_torus(const pnb_operator *op, pnb_convolution *c) {
    bool circular = c->boundary == PNB_BORDER_CIRCULAR, mirrored = c->boundary == PNB_BORDER_REFLECT;
    for (int i = 0; i < 2 && (circular || c->taps >= MANY_TAPS); i++) {
        uint32_t size = op->image.d[1 + i];
        c->torus[i] = circular ? size : pnb_fft_length(size + (mirrored ? 2 : 1) * c->reach[i]);
    }
}

pnb_status pnb_convolution_create(pnb_operator *op, bool flip, const pnb_array *kernel, const char *what) {
    double sum = 0, row = 0;
    pnb_convolution *c = op->options;
    PNB_TRY(pnb_operator_need_image(op));
    PNB_TRY(check_kernel(op, kernel, what, &sum));
    for (int i = 0; i < 2; i++) c->reach[i] = (uint32_t)kernel->shape[i] / 2;
    float *taps = make_taps(kernel, sum, flip, &c->taps);
    if (!taps) return pnb_fail(op->err, PNB_ERROR_OUT_OF_MEMORY, "operator %s: no host memory", op->type->doc.type);
    for (uint32_t k = 0; k < c->taps; k++) row += (double)fabsf(taps[4 * k + 2]);
    op->norm = sqrt(row * fmax(row, largest_column(c, taps, (int)op->image.d[1], (int)op->image.d[2])));
    op->has_pinv = c->boundary == PNB_BORDER_CIRCULAR;
    choose_torus(op, c);
    if (!c->torus[0]) return pnb_operator_add_constant(op, "taps", pnb_shape2(c->taps, 4), taps);
    double *k = make_transform(c, taps);
    free(taps);
    if (!k) return pnb_fail(op->err, PNB_ERROR_OUT_OF_MEMORY, "operator %s: no host memory", op->type->doc.type);
    pnb_status status = add_constants(op, c, k);
    free(k);
    return status;
}

/* ---- by FFT --------------------------------------------------------------------------------------------------------- */

/* Planes as complex numbers on the torus, two real planes as one complex where their number is even. */
static pnb_status to_torus(pnb_graph *g, const pnb_convolution *c, pnb_tensor x, pnb_tensor *z) {
    pnb_shape s = pnb_graph_shape(g, x);
    uint32_t planes = s.d[0] * s.d[1];
    for (uint32_t i = 0; i < 2; i++) {
        if (s.d[2 + i] < c->torus[i]) PNB_TRY(pnb_embed(g, x, 2 + i, 0, c->torus[i], &x));
    }
    if (planes % 2) {
        PNB_TRY(pnb_graph_reshape(g, x, pnb_shape3(planes, c->torus[0], c->torus[1]), &x));
        return pnb_complex_of_real(g, x, z);
    }
    PNB_TRY(pnb_graph_reshape(g, x, pnb_shape4(planes / 2, 2, c->torus[0], c->torus[1]), &x));
    return pnb_transpose(g, x, (const uint32_t[4]){0, 2, 3, 1}, z);
}

static pnb_status from_torus(pnb_graph *g, const pnb_convolution *c, pnb_tensor z, uint32_t n, uint32_t channels, pnb_tensor *x) {
    if (n * channels % 2) {
        PNB_TRY(pnb_real_of_complex(g, z, &z));
    } else {
        PNB_TRY(pnb_transpose(g, z, (const uint32_t[4]){0, 3, 1, 2}, &z));
    }
    return pnb_graph_reshape(g, z, pnb_shape4(n, channels, c->torus[0], c->torus[1]), x);
}

/* Rows [top, top + rows) and columns [left, left + columns). */
static pnb_status crop(pnb_graph *g, pnb_tensor x, uint32_t top, uint32_t left, uint32_t rows, uint32_t columns, pnb_tensor *y) {
    pnb_shape s = pnb_graph_shape(g, x);
    if (rows != s.d[2]) PNB_TRY(pnb_slice(g, x, 2, top, rows, &x));
    if (columns != s.d[3]) PNB_TRY(pnb_slice(g, x, 3, left, columns, &x));
    *y = x;
    return PNB_OK;
}

/* x times a constant's entries, transform by transform. */
static pnb_status multiply(pnb_operator *op, pnb_graph *g, pnb_tensor x, int what, bool conjugate, pnb_tensor *y) {
    const pnb_convolution *c = op->options;
    pnb_shape s = pnb_graph_shape(g, x);
    pnb_tensor table, z;
    PNB_TRY(pnb_operator_bind(op, g, (uint32_t)what, &table));
    PNB_TRY(to_torus(g, c, x, &z));
    PNB_TRY(pnb_fft(g, z, 2, false, false, &z));
    PNB_TRY(pnb_complex_mul(g, z, table, conjugate, &z));
    PNB_TRY(pnb_fft(g, z, 2, true, false, &z));
    return from_torus(g, c, z, s.d[0], s.d[1], y);
}

/* A mirrored image lies in its margins at the torus's start; the answer begins after them. Others begin at 0. */
static pnb_status apply_by_fft(const pnb_convolution *c, pnb_operator *op, pnb_graph *g, pnb_tensor x, pnb_tensor *y) {
    bool mirrored = c->boundary == PNB_BORDER_REFLECT;
    if (mirrored) PNB_TRY(pnb_pad(g, x, c->boundary, c->reach, c->reach, &x));
    PNB_TRY(multiply(op, g, x, TRANSFORM, false, &x));
    return crop(g, x, mirrored ? c->reach[0] : 0, mirrored ? c->reach[1] : 0, op->image.d[1], op->image.d[2], y);
}

static pnb_status adjoint_by_fft(const pnb_convolution *c, pnb_operator *op, pnb_graph *g, pnb_tensor y, pnb_tensor *x) {
    uint32_t h = op->image.d[1], w = op->image.d[2];
    bool mirrored = c->boundary == PNB_BORDER_REFLECT;
    if (mirrored) PNB_TRY(pnb_pad(g, y, PNB_BORDER_ZERO, c->reach, c->reach, &y));
    PNB_TRY(multiply(op, g, y, TRANSFORM, true, &y));
    if (!mirrored) return crop(g, y, 0, 0, h, w, x);
    PNB_TRY(crop(g, y, 0, 0, h + 2 * c->reach[0], w + 2 * c->reach[1], &y));
    return pnb_fold(g, y, c->boundary, c->reach, c->reach, x);
}

/* ---- circular borders: the transform is the singular value decomposition --------------------------------------------- */

pnb_status pnb_convolution_pinv(pnb_operator *op, pnb_graph *g, pnb_tensor y, pnb_tensor *x) {
    return multiply(op, g, y, INVERSE, false, x);
}

/* The real and orthonormal, symmetric form of the unitary transform: Re - Im (Hartley's). */
static pnb_status hartley(pnb_graph *g, pnb_tensor x, pnb_tensor *k) {
    pnb_shape s = pnb_graph_shape(g, x);
    pnb_tensor z, re, im;
    PNB_TRY(pnb_graph_reshape(g, x, pnb_shape3(s.d[0] * s.d[1], s.d[2], s.d[3]), &x));
    PNB_TRY(pnb_complex_of_real(g, x, &z));
    PNB_TRY(pnb_fft(g, z, 2, false, true, &z));
    PNB_TRY(pnb_slice(g, z, 3, 0, 1, &re));
    PNB_TRY(pnb_slice(g, z, 3, 1, 1, &im));
    PNB_TRY(pnb_sub(g, re, im, &re));
    return pnb_graph_reshape(g, re, s, k);
}

pnb_status pnb_convolution_to_right(pnb_operator *op, pnb_graph *g, pnb_tensor x, pnb_tensor *k) {
    (void)op;
    return hartley(g, x, k);
}

/* U = F^-1 e^(i phase) F V, so U^T turns the phase back first. */
pnb_status pnb_convolution_to_left(pnb_operator *op, pnb_graph *g, pnb_tensor y, pnb_tensor *k) {
    PNB_TRY(multiply(op, g, y, PHASE, true, &y));
    return hartley(g, y, k);
}

pnb_status pnb_convolution_initial(pnb_operator *op, pnb_graph *g, pnb_tensor y, pnb_tensor *x) {
    (void)op, (void)g;
    *x = y;
    return PNB_OK;
}

/* ---- tap by tap -------------------------------------------------------------------------------------------------------- */

/* Margins make the sum over taps a plain one: mirrored images get them, beyond the others there is nothing. */
pnb_status pnb_convolution_apply(pnb_operator *op, pnb_graph *g, pnb_tensor x, pnb_tensor *y) {
    const pnb_convolution *c = op->options;
    if (c->torus[0]) return apply_by_fft(c, op, g, x, y);
    uint32_t h = op->image.d[1], w = op->image.d[2];
    pnb_tensor taps;
    PNB_TRY(pnb_operator_bind(op, g, TAPS, &taps));
    if (c->boundary == PNB_BORDER_ZERO) return correlate(g, x, taps, (correlate_attr){1, {0, 0}}, h, w, y);
    PNB_TRY(pnb_pad(g, x, c->boundary, c->reach, c->reach, &x));
    return correlate(g, x, taps, (correlate_attr){1, {(int32_t)c->reach[0], (int32_t)c->reach[1]}}, h, w, y);
}

pnb_status pnb_convolution_adjoint(pnb_operator *op, pnb_graph *g, pnb_tensor y, pnb_tensor *x) {
    const pnb_convolution *c = op->options;
    if (c->torus[0]) return adjoint_by_fft(c, op, g, y, x);
    uint32_t h = op->image.d[1], w = op->image.d[2];
    pnb_tensor taps, wide;
    PNB_TRY(pnb_operator_bind(op, g, TAPS, &taps));
    if (c->boundary == PNB_BORDER_ZERO) return correlate(g, y, taps, (correlate_attr){-1, {0, 0}}, h, w, x);
    correlate_attr back = {-1, {-(int32_t)c->reach[0], -(int32_t)c->reach[1]}};
    PNB_TRY(correlate(g, y, taps, back, h + 2 * c->reach[0], w + 2 * c->reach[1], &wide));
    return pnb_fold(g, wide, c->boundary, c->reach, c->reach, x);
}

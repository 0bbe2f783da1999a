/* Convolution as a list of taps on an image with margins: only entries of the kernel that are not zero cost anything. */
#include "measure/convolution.h"
#include "measure/correlate.h"
#include "ops/emit.h"
#include "ops/ops.h"

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
        return pnb_fail(op->err, PNB_ERROR_INPUT, "operator %s: %s has %llu x %llu entries; both must be odd, so that it has a centre", type,
                        what, (unsigned long long)rows, (unsigned long long)columns);
    }
    if (rows / 2 >= h || columns / 2 >= w) {
        return pnb_fail(op->err, PNB_ERROR_INPUT, "operator %s: %s of %llu x %llu entries is too large for an image of %u x %u pixels", type,
                        what, (unsigned long long)rows, (unsigned long long)columns, h, w);
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

static int place(int q, int n, uint32_t border) {
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
            int q = place(j + dx, w, c->border);
            if (q >= 0) to[q] += (double)fabsf(taps[4 * k + 2]);
        }
    }
    for (int i = 0; line && column && i < h; i++) {
        for (int dy = -reach; dy <= reach; dy++) {
            int q = place(i + dy, h, c->border);
            for (int j = 0; q >= 0 && j < w; j++) column[q * w + j] += line[(dy + reach) * w + j];
        }
    }
    for (int i = 0; line && column && i < h * w; i++) largest = fmax(largest, column[i]);
    free(column);
    free(line);
    return largest > 0 ? largest : 4; /* without memory: a pixel has at most four mirror images */
}

pnb_status pnb_convolution_create(pnb_operator *op, pnb_convolution *c, uint32_t border, bool flip, const pnb_array *kernel,
                                  const char *what) {
    double sum = 0, row = 0;
    PNB_TRY(pnb_operator_need_image(op));
    PNB_TRY(check_kernel(op, kernel, what, &sum));
    *c = (pnb_convolution){.border = border, .first = op->n_constants,
                           .reach = {(uint32_t)kernel->shape[0] / 2, (uint32_t)kernel->shape[1] / 2}};
    float *taps = make_taps(kernel, sum, flip, &c->taps);
    PNB_TRY(pnb_operator_add_constant(op, "taps", pnb_shape2(c->taps, 4), taps));
    for (uint32_t k = 0; k < c->taps; k++) row += (double)fabsf(taps[4 * k + 2]);
    op->norm = sqrt(row * fmax(row, largest_column(c, taps, (int)op->image.d[1], (int)op->image.d[2])));
    return PNB_OK;
}

/* ---- nodes -------------------------------------------------------------------------------------------------------- */

/* Margins make the sum over taps a plain one: mirrored and circular images get them, beyond the others there is nothing. */
pnb_status pnb_convolution_apply(const pnb_convolution *c, pnb_operator *op, pnb_graph *g, pnb_tensor x, pnb_tensor *y) {
    uint32_t h = op->image.d[1], w = op->image.d[2];
    pnb_tensor taps;
    PNB_TRY(pnb_operator_bind(op, g, c->first, &taps));
    if (c->border == PNB_BORDER_ZERO) return correlate(g, x, taps, (correlate_attr){1, {0, 0}}, h, w, y);
    PNB_TRY(pnb_pad(g, x, c->border, c->reach, c->reach, &x));
    return correlate(g, x, taps, (correlate_attr){1, {(int32_t)c->reach[0], (int32_t)c->reach[1]}}, h, w, y);
}

pnb_status pnb_convolution_adjoint(const pnb_convolution *c, pnb_operator *op, pnb_graph *g, pnb_tensor y, pnb_tensor *x) {
    uint32_t h = op->image.d[1], w = op->image.d[2];
    pnb_tensor taps, wide;
    PNB_TRY(pnb_operator_bind(op, g, c->first, &taps));
    if (c->border == PNB_BORDER_ZERO) return correlate(g, y, taps, (correlate_attr){-1, {0, 0}}, h, w, x);
    correlate_attr back = {-1, {-(int32_t)c->reach[0], -(int32_t)c->reach[1]}};
    PNB_TRY(correlate(g, y, taps, back, h + 2 * c->reach[0], w + 2 * c->reach[1], &wide));
    return pnb_fold(g, wide, c->border, c->reach, c->reach, x);
}

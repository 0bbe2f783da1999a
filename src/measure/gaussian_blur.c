/* gaussian_blur: each channel filtered by a Gaussian, rows then columns (deblurring; algorithms.md 4.3, 4.4; DPS's definition).
 *
 * Correlation after padding: mirrored without repeating the edge pixel, circular, or zero. The taps are exp(-k^2 / (2 sigma^2)), cut
 * at `cut` sigma (or at `size`), and sum to 1: DPS has 25 of them (sigma 3), DAVI 61 (cut 20, size 61, zero). The adjoint is a kernel of
 * its own, exact, so the derivative is exact too. A circular image is convolved by FFT, with a pseudo-inverse; the others have none: the
 * smallest singular values are far below what fp32 can invert. */
#include "measure/convolution.h"
#include "measure/gaussian_blur.h"
#include "ops/emit.h"

#include <math.h>
#include <stdlib.h>

/* ---- the op: one axis, forward or transposed -------------------------------------------------------------------- */

typedef struct blur_attr {
    uint32_t axis, radius, boundary, adjoint;
} blur_attr;

static const pnb_op op_blur;

static pnb_status filter(pnb_graph *g, pnb_tensor x, pnb_tensor taps, blur_attr attr, pnb_tensor *y) {
    pnb_shape shape = pnb_graph_shape(g, x);
    pnb_tensor in[2] = {x, taps};
    return pnb_graph_add(g, &op_blur, in, 2, 0, &attr, sizeof attr, &shape, 1, y, 1);
}

static pnb_status vjp(pnb_graph *g, const pnb_node *node, const pnb_tensor *gout, uint32_t want, pnb_tensor *gin) {
    if (!(want & 1) || gout[0] == PNB_NONE) return PNB_OK;
    blur_attr attr = *(const blur_attr *)(const void *)node->attr;
    attr.adjoint = !attr.adjoint;
    return filter(g, gout[0], node->in[1], attr, &gin[0]);
}

static pnb_status lower(pnb_lower *l, const pnb_node *node) {
    const blur_attr *attr = (const blur_attr *)(const void *)node->attr;
    pnb_shape shape = pnb_lower_shape(l, node->in[0]);
    pnb_push_gaussian_blur push = {.count = pnb_emit_count(l, node->in[0]), .extent = shape.d[attr->axis], .stride = 1,
                                   .radius = attr->radius, .boundary = attr->boundary, .adjoint = attr->adjoint};
    for (uint32_t i = attr->axis + 1; i < shape.rank; i++) push.stride *= shape.d[i];
    bool texel = pnb_emit_texel(l, node->in[0]) && pnb_emit_texel(l, node->in[1]);
    pnb_dispatch d = pnb_emit_begin(l, texel ? "measure/gaussian_blur.texel" : "measure/gaussian_blur", "gaussian_blur");
    pnb_emit_read(&d, node->in[0], texel);
    pnb_emit_read(&d, node->in[1], texel);
    pnb_emit_write(&d, node->out[0]);
    pnb_emit_push(&d, &push, sizeof push);
    pnb_emit_spread(&d, l, push.count);
    d.gflop = 2e-9 * (2.0 * attr->radius + 1) * push.count;
    d.gbyte = 8e-9 * push.count;
    return pnb_lower_emit(l, &d);
}

static const pnb_op op_blur = {.name = "gaussian_blur", .vjp = vjp, .lower = lower};

/* ---- the operator ----------------------------------------------------------------------------------------------- */

typedef struct options {
    pnb_convolution convolution; /* its border; all of it for circular images */
    double sigma, cut;
    int32_t size;
} options;

static const pnb_option table[] = {
    {"sigma", PNB_OPTION_REAL, offsetof(options, sigma), 3, 0.05, 1000, NULL, "pixels", "standard deviation of the Gaussian"},
    {"size", PNB_OPTION_INT, offsetof(options, size), 0, 0, 4095, NULL, "pixels",
     "taps along each axis, odd; 0: as many as the cut leaves, which no size exceeds"},
    {"cut", PNB_OPTION_REAL, offsetof(options, cut), 4, 1, 40, NULL, "sigma", "where the Gaussian ends"},
    PNB_CONVOLUTION_OPTIONS,
};

static uint32_t radius_of(const options *o) {
    uint32_t cut = (uint32_t)(o->cut * o->sigma + 0.5);
    uint32_t half = o->size ? (uint32_t)o->size / 2 : cut;
    return half < cut ? half : cut;
}

/* 2 r + 1 taps and zeros up to `padded`; their sum is 1. */
static float *make_taps(double sigma, uint32_t radius, uint32_t padded) {
    float *taps = calloc(padded, sizeof *taps);
    double sum = 0;
    for (int k = -(int)radius; k <= (int)radius; k++) sum += exp(-0.5 * k * k / (sigma * sigma));
    for (int k = -(int)radius; taps && k <= (int)radius; k++) {
        taps[k + (int)radius] = (float)(exp(-0.5 * k * k / (sigma * sigma)) / sum);
    }
    return taps;
}

/* ||A||^2 <= ||A||_1 ||A||_inf: rows sum to 1; the largest column sum of the mirrored filter of one axis is found here. */
static double largest_column(const float *taps, int radius, int n, bool reflect) {
    if (!reflect) return 1;
    double *column = calloc((size_t)n, sizeof *column), largest = 0;
    if (!column) return 3; /* a pixel has at most two mirror images */
    for (int i = 0; i < n; i++) {
        for (int k = -radius; k <= radius; k++) {
            int q = abs(i + k);
            column[q < n ? q : 2 * (n - 1) - q] += taps[k + radius];
        }
    }
    for (int i = 0; i < n; i++) largest = fmax(largest, column[i]);
    free(column);
    return largest;
}

static pnb_status create_circular(pnb_operator *op, const float *taps, uint32_t side) {
    pnb_array kernel = {0};
    if (!taps) return pnb_fail(op->err, PNB_ERROR_OUT_OF_MEMORY, "operator gaussian_blur: no host memory");
    PNB_TRY(pnb_array_create(op->err, "operator gaussian_blur", 2, (const uint64_t[]){side, side}, &kernel));
    for (uint32_t i = 0; i < side * side; i++) kernel.data[i] = taps[i / side] * taps[i % side];
    pnb_status status = pnb_convolution_create(op, false, &kernel, "the kernel");
    pnb_array_free(&kernel);
    return status;
}

static pnb_status create(pnb_operator *op, const struct cJSON *args, const char *base_dir) {
    (void)args, (void)base_dir;
    PNB_TRY(pnb_operator_need_image(op));
    const options *o = op->options;
    if (o->size && o->size % 2 == 0) {
        return pnb_fail(op->err, PNB_ERROR_INPUT, "operator gaussian_blur: size must be odd, found %d", (int)o->size);
    }
    uint32_t radius = radius_of(o), h = op->image.d[1], w = op->image.d[2], least = h < w ? h : w;
    if (radius >= least) {
        return pnb_fail(op->err, PNB_ERROR_INPUT,
                        "operator gaussian_blur: a kernel of %u taps is too wide for an image of %u x %u pixels; "
                        "make sigma or size smaller", 2 * radius + 1, h, w);
    }
    uint32_t padded = (2 * radius + 1 + 3) / 4 * 4;
    float *taps = make_taps(o->sigma, radius, padded);
    if (o->convolution.boundary == PNB_BORDER_CIRCULAR) {
        pnb_status status = create_circular(op, taps, 2 * radius + 1);
        free(taps);
        return status;
    }
    op->has_pinv = false;
    PNB_TRY(pnb_operator_add_constant(op, "taps", pnb_shape1(padded), taps));
    bool reflect = o->convolution.boundary == PNB_BORDER_REFLECT;
    op->norm = sqrt(largest_column(taps, (int)radius, (int)h, reflect) * largest_column(taps, (int)radius, (int)w, reflect));
    return PNB_OK;
}

/* Along rows, then along columns; the adjoint in the opposite order. */
static pnb_status both_axes(pnb_operator *op, pnb_graph *g, pnb_tensor x, bool adjoint, pnb_tensor *y) {
    const options *o = op->options;
    if (o->convolution.boundary == PNB_BORDER_CIRCULAR) return (adjoint ? pnb_convolution_adjoint : pnb_convolution_apply)(op, g, x, y);
    blur_attr attr = {.axis = adjoint ? 2 : 3, .radius = radius_of(o), .boundary = (uint32_t)o->convolution.boundary, .adjoint = adjoint};
    pnb_tensor taps, half;
    PNB_TRY(pnb_operator_bind(op, g, 0, &taps));
    PNB_TRY(filter(g, x, taps, attr, &half));
    attr.axis = adjoint ? 3 : 2;
    return filter(g, half, taps, attr, y);
}

static pnb_status apply(pnb_operator *op, pnb_graph *g, pnb_tensor x, pnb_tensor *y) {
    return both_axes(op, g, x, false, y);
}

static pnb_status adjoint(pnb_operator *op, pnb_graph *g, pnb_tensor y, pnb_tensor *x) {
    return both_axes(op, g, y, true, x);
}

const pnb_operator_type pnb_operator_gaussian_blur = {
    .doc = {.type = "gaussian_blur",
            .summary = "a Gaussian filter (deblurring)",
            .table = {table, sizeof table / sizeof table[0], sizeof(options)}},
    .linear = true,
    .create = create,
    .apply = apply,
    .adjoint = adjoint,
    .pinv = pnb_convolution_pinv,
    .to_right = pnb_convolution_to_right,
    .to_left = pnb_convolution_to_left,
    .from_right = pnb_convolution_to_right,
    .initial = pnb_convolution_initial,
};

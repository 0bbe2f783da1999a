/* average_pool: y is the mean of each factor x factor block of x (super-resolution).
 *
 * A A^T = I / factor^2, so the adjoint replicates and divides by factor^2, the pseudo-inverse only replicates, and every
 * singular value is 1/factor. */
#include "measure/operator_type.h"
#include "ops/ops.h"

typedef struct options {
    int32_t factor;
} options;

static const pnb_option table[] = {
    {"factor", PNB_OPTION_INT, offsetof(options, factor), 4, 2, 256, NULL, "pixels", "side of the block that becomes one pixel"},
};

static uint32_t factor_of(const pnb_operator *op) {
    return (uint32_t)((const options *)op->options)->factor;
}

static pnb_status create(pnb_operator *op, const struct cJSON *args, const char *base_dir) {
    (void)args, (void)base_dir;
    PNB_TRY(pnb_operator_need_image(op));
    uint32_t f = factor_of(op), h = op->image.d[1], w = op->image.d[2];
    if (h % f || w % f) {
        return pnb_fail(op->err, PNB_ERROR_INPUT, "operator average_pool: factor %u does not divide the image of %u x %u pixels",
                        f, h, w);
    }
    op->measurement = pnb_shape3(op->image.d[0], h / f, w / f);
    op->norm = 1.0 / f;
    op->singular = 1 / (float)f;
    return PNB_OK;
}

static pnb_status apply(pnb_operator *op, pnb_graph *g, pnb_tensor x, pnb_tensor *y) {
    return pnb_avg_pool(g, x, factor_of(op), y);
}

static pnb_status pinv(pnb_operator *op, pnb_graph *g, pnb_tensor y, pnb_tensor *x) {
    return pnb_upsample_nearest(g, y, factor_of(op), x);
}

static pnb_status adjoint(pnb_operator *op, pnb_graph *g, pnb_tensor y, pnb_tensor *x) {
    float f = (float)factor_of(op);
    pnb_tensor scaled;
    PNB_TRY(pnb_affine(g, y, 1 / (f * f), 0, &scaled));
    return pinv(op, g, scaled, x);
}

const pnb_operator_type pnb_operator_average_pool = {
    .doc = {.type = "average_pool",
            .summary = "means of square blocks (super-resolution)",
            .table = {table, 1, sizeof(options)}},
    .linear = true,
    .create = create,
    .apply = apply,
    .adjoint = adjoint,
    .pinv = pinv,
};

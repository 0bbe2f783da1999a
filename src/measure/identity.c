/* identity: y = x + n, denoising. No arguments, no nodes: every direction is the tensor itself. */
#include "measure/operator_type.h"

static pnb_status create(pnb_operator *op, const struct cJSON *args, const char *base_dir) {
    (void)args, (void)base_dir;
    op->singular = 1;
    return PNB_OK;
}

static pnb_status same(pnb_operator *op, pnb_graph *g, pnb_tensor x, pnb_tensor *y) {
    (void)op, (void)g;
    *y = x;
    return PNB_OK;
}

const pnb_operator_type pnb_operator_identity = {
    .doc = {.type = "identity", .summary = "the image itself, with noise (denoising)"},
    .linear = true,
    .create = create,
    .apply = same,
    .adjoint = same,
    .pinv = same,
};

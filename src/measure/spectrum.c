/* The singular value decomposition A = U S V^T in the form that methods use: coefficients and their singular values.
 *
 * Where A A^T = s^2 I on what is measured (masks, average pooling), U may be the identity: U^T y = y, V^T x = A x / s,
 * V c = A^T c / s. Other operators bring three functions of their own. */
#include "measure/operator_type.h"
#include "ops/ops.h"

const float *pnb_operator_spectrum(const pnb_operator *op, uint32_t *count) {
    *count = op->singular > 0 ? 1 : op->spectrum_count;
    return op->singular > 0 ? &op->singular : op->spectrum;
}

static pnb_status unknown(const pnb_operator *op, pnb_graph *g) {
    return pnb_fail(pnb_graph_error(g), PNB_ERROR_USAGE, "operator %s: its singular values are not known", op->type->doc.type);
}

static pnb_status scaled(pnb_graph *g, pnb_tensor x, float scale, pnb_tensor *y) {
    *y = x;
    return scale == 1 ? PNB_OK : pnb_affine(g, x, scale, 0, y);
}

pnb_status pnb_operator_to_right(pnb_operator *op, pnb_graph *g, pnb_tensor x, pnb_tensor *c) {
    if (op->singular > 0) {
        PNB_TRY(pnb_operator_apply(op, g, x, c));
        return scaled(g, *c, 1 / op->singular, c);
    }
    return op->spectrum ? op->type->to_right(op, g, x, c) : unknown(op, g);
}

pnb_status pnb_operator_to_left(pnb_operator *op, pnb_graph *g, pnb_tensor y, pnb_tensor *c) {
    if (op->singular > 0) {
        *c = y;
        return PNB_OK;
    }
    return op->spectrum ? op->type->to_left(op, g, y, c) : unknown(op, g);
}

pnb_status pnb_operator_from_right(pnb_operator *op, pnb_graph *g, pnb_tensor c, pnb_tensor *x) {
    if (op->singular > 0) {
        PNB_TRY(pnb_operator_adjoint(op, g, c, x));
        return scaled(g, *x, 1 / op->singular, x);
    }
    return op->spectrum ? op->type->from_right(op, g, c, x) : unknown(op, g);
}

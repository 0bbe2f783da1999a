/* EDM's preconditioning in the variance-preserving form. With rho = sigma / alpha, x_ve = x / alpha and
 * D = c_skip x_ve + c_out F(c_in x_ve), the noise (x_ve - D) / rho becomes, with n = 1 / sqrt(sigma^2 + sigma_data^2
 * alpha^2),
 *
 *     c_in x_ve = n x,   eps = sigma n^2 x - sigma_data alpha n F
 *
 * in which nothing cancels at small noise. */
#include "prior/precondition.h"

#include "graph/op.h"
#include "ops/ops.h"

/* n, [N]. */
static pnb_status inverse_norm(pnb_graph *g, float sigma_data, pnb_level level, pnb_tensor *out) {
    pnb_tensor a, s;
    PNB_TRY(pnb_graph_check(g, "prior", "alpha", level.alpha));
    PNB_TRY(pnb_graph_check(g, "prior", "sigma", level.sigma));
    PNB_TRY(pnb_unary_op(g, PNB_SQUARE, level.alpha, &a));
    PNB_TRY(pnb_unary_op(g, PNB_SQUARE, level.sigma, &s));
    PNB_TRY(pnb_axpby(g, sigma_data * sigma_data, PNB_NONE, a, 1, PNB_NONE, s, &s));
    PNB_TRY(pnb_unary_op(g, PNB_SQRT, s, &s));
    return pnb_unary_op(g, PNB_RECIP, s, out);
}

pnb_status pnb_precondition_input(pnb_graph *g, pnb_precondition p, pnb_tensor x, pnb_level level, pnb_tensor *out) {
    *out = x;
    if (!p.edm) return PNB_OK;
    pnb_tensor n;
    PNB_TRY(inverse_norm(g, p.sigma_data, level, &n));
    return pnb_mul(g, x, n, out);
}

pnb_status pnb_precondition_output(pnb_graph *g, pnb_precondition p, pnb_tensor x, pnb_tensor f, pnb_level level,
                                   pnb_tensor *eps) {
    *eps = f;
    if (!p.edm) return PNB_OK;
    pnb_tensor n, of_x, of_f;
    PNB_TRY(inverse_norm(g, p.sigma_data, level, &n));
    PNB_TRY(pnb_mul(g, n, n, &of_x));
    PNB_TRY(pnb_mul(g, of_x, level.sigma, &of_x));
    PNB_TRY(pnb_mul(g, n, level.alpha, &of_f));
    return pnb_axpby(g, 1, of_x, x, -p.sigma_data, of_f, f, eps);
}

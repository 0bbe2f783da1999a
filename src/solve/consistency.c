/* Chebyshev's iteration (Saad, Iterative Methods for Sparse Linear Systems, algorithm 12.1) for (I + r^2/sigma^2 A^T A) d = b, whose
 * eigenvalues lie between 1 and 1 + (r |A|/sigma)^2: its coefficients are constants, so that it is a linear map of b. */
#include "solve/consistency.h"

#include "ops/ops.h"

#include <math.h>

enum { MOST_STEPS = 128 };

/* w (A^T A) d. */
static pnb_status normal(pnb_operator *op, pnb_graph *g, pnb_tensor d, double w, pnb_tensor *out) {
    pnb_tensor ad;
    PNB_TRY(pnb_operator_apply(op, g, d, &ad));
    PNB_TRY(pnb_operator_adjoint(op, g, ad, out));
    return pnb_affine(g, *out, (float)w, 0, out);
}

/* Steps until what is left is a thousandth. */
static int steps_of(double condition) {
    double root = sqrt(condition), shrinks = (root - 1) / (root + 1);
    double n = ceil(log(0.0005) / log(fmax(shrinks, 1e-6)));
    return n < MOST_STEPS ? (int)fmax(n, 1) : MOST_STEPS;
}

pnb_status pnb_consistent(pnb_operator *op, pnb_graph *g, pnb_tensor x0, pnb_tensor y, pnb_tensor xi, double sigma, double r,
                          pnb_tensor *x) {
    double w = r * r / (sigma * sigma), most = w * pnb_operator_norm(op) * pnb_operator_norm(op);
    double middle = 1 + most / 2, half = fmax(most / 2, 1e-6), last = half / middle;
    int steps = steps_of(1 + most);
    pnb_tensor left, step;
    PNB_TRY(pnb_operator_apply(op, g, x0, &left));
    PNB_TRY(pnb_sub(g, y, left, &left));
    if (xi != PNB_NONE) PNB_TRY(pnb_axpby(g, 1, PNB_NONE, left, (float)sigma, PNB_NONE, xi, &left));
    PNB_TRY(pnb_operator_adjoint(op, g, left, &left));
    PNB_TRY(pnb_affine(g, left, (float)w, 0, &left));
    PNB_TRY(pnb_affine(g, left, (float)(1 / middle), 0, &step));
    *x = x0;
    for (int i = 0; i < steps; i++) {
        PNB_TRY(pnb_add(g, *x, step, x));
        if (i + 1 == steps) break;
        double now = 1 / (2 * middle / half - last);
        pnb_tensor change;
        PNB_TRY(normal(op, g, step, w, &change));
        PNB_TRY(pnb_add(g, change, step, &change));
        PNB_TRY(pnb_sub(g, left, change, &left));
        PNB_TRY(pnb_axpby(g, (float)(now * last), PNB_NONE, step, (float)(2 * now / half), PNB_NONE, left, &step));
        last = now;
    }
    return PNB_OK;
}

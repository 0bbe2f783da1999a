/* The cotangents of each distance, from elementwise ops and one number an image. */
#include "solve/distance.h"

#include "ops/ops.h"

#include <math.h>

/* d'(u) and H z of one distance. */
typedef struct slopes {
    pnb_tensor first, second;
} slopes;

/* (u^T z) of each image, [N]. */
static pnb_status dot_rows(pnb_graph *g, pnb_tensor u, pnb_tensor z, pnb_tensor *out) {
    PNB_TRY(pnb_mul(g, u, z, out));
    return pnb_reduce_rows(g, PNB_SUM, *out, out);
}

/* Of r = sqrt(squares + delta^2): 1/r, 1/r^3 and u/r. */
static pnb_status huber(pnb_graph *g, double delta, pnb_tensor u, pnb_tensor squares, pnb_tensor *inverse, pnb_tensor *cube,
                        pnb_tensor *first) {
    pnb_tensor r;
    PNB_TRY(pnb_affine(g, squares, 1, (float)(delta * delta), &r));
    PNB_TRY(pnb_unary_op(g, PNB_SQRT, r, &r));
    PNB_TRY(pnb_unary_op(g, PNB_RECIP, r, inverse));
    PNB_TRY(pnb_mul(g, u, *inverse, first));
    PNB_TRY(pnb_unary_op(g, PNB_SQUARE, *inverse, cube));
    return pnb_mul(g, *cube, *inverse, cube);
}

/* r = sqrt(|u|^2 + delta^2): u/r, z/r - u (u^T z)/r^3. */
static pnb_status by_image(pnb_graph *g, double delta, pnb_tensor u, pnb_tensor z, slopes *d) {
    pnb_tensor squares, inverse, cube, along;
    PNB_TRY(pnb_reduce_rows(g, PNB_SQNORM, u, &squares));
    PNB_TRY(huber(g, delta, u, squares, &inverse, &cube, &d->first));
    PNB_TRY(dot_rows(g, u, z, &along));
    PNB_TRY(pnb_mul(g, along, cube, &along));
    return pnb_axpby(g, 1, inverse, z, -1, along, u, &d->second);
}

/* r_i = sqrt(u_i^2 + delta^2): u_i/r_i, z_i delta^2/r_i^3. */
static pnb_status by_pixel(pnb_graph *g, double delta, pnb_tensor u, pnb_tensor z, slopes *d) {
    pnb_tensor squares, inverse, cube;
    PNB_TRY(pnb_unary_op(g, PNB_SQUARE, u, &squares));
    PNB_TRY(huber(g, delta, u, squares, &inverse, &cube, &d->first));
    PNB_TRY(pnb_mul(g, z, cube, &d->second));
    return pnb_affine(g, d->second, (float)(delta * delta), 0, &d->second);
}

/* tanh u, z/cosh^2 u. */
static pnb_status log_cosh(pnb_graph *g, pnb_tensor u, pnb_tensor z, slopes *d) {
    pnb_tensor square;
    PNB_TRY(pnb_unary_op(g, PNB_TANH, u, &d->first));
    PNB_TRY(pnb_unary_op(g, PNB_SQUARE, d->first, &square));
    PNB_TRY(pnb_affine(g, square, -1, 1, &square));
    return pnb_mul(g, z, square, &d->second);
}

/* c = p |u|^(p-2): c u, c (z + (p-2) u (u^T z)/|u|^2). */
static pnb_status power(pnb_graph *g, double p, pnb_tensor u, pnb_tensor z, slopes *d) {
    pnb_tensor square, scale, along;
    PNB_TRY(pnb_reduce_rows(g, PNB_SQNORM, u, &square));
    PNB_TRY(pnb_affine(g, square, 1, 1e-12f, &square)); /* phi is theta at the start: no difference, no direction */
    PNB_TRY(pnb_unary_op(g, PNB_LOG, square, &scale));
    PNB_TRY(pnb_affine(g, scale, (float)(p / 2 - 1), (float)log(p), &scale));
    PNB_TRY(pnb_unary_op(g, PNB_EXP, scale, &scale));
    PNB_TRY(pnb_mul(g, u, scale, &d->first));
    PNB_TRY(dot_rows(g, u, z, &along));
    PNB_TRY(pnb_binary_op(g, PNB_DIV, along, square, &along));
    PNB_TRY(pnb_mul(g, along, scale, &along));
    return pnb_axpby(g, 1, scale, z, (float)(p - 2), along, u, &d->second);
}

static pnb_status slopes_of(pnb_graph *g, const pnb_distance_params *q, pnb_tensor u, pnb_tensor z, slopes *d) {
    pnb_shape shape = pnb_graph_shape(g, u);
    double elements = (double)pnb_shape_count(shape) / shape.d[0];
    switch (q->distance) {
    case PNB_DISTANCE_PSEUDO_HUBER:
        return by_image(g, q->delta > 0 ? q->delta : 0.00054 * sqrt(elements), u, z, d);
    case PNB_DISTANCE_PSEUDO_HUBER_PIXEL:
        return by_pixel(g, q->delta > 0 ? q->delta : 0.03, u, z, d);
    case PNB_DISTANCE_LOG_COSH:
        return log_cosh(g, u, z, d);
    case PNB_DISTANCE_POWER:
        return power(g, q->power, u, z, d);
    case PNB_DISTANCE_L2:
        break;
    }
    return pnb_fail(pnb_graph_error(g), PNB_ERROR_INTERNAL, "distance: %d has no slopes here", (int)q->distance);
}

pnb_status pnb_distance_cotangents(pnb_graph *g, const pnb_distance_params *q, pnb_tensor r_theta, pnb_tensor r_phi,
                                   pnb_tensor *theta, pnb_tensor *phi) {
    pnb_tensor u;
    slopes d;
    PNB_TRY(pnb_sub(g, r_phi, r_theta, &u));
    if (q->distance == PNB_DISTANCE_L2) {
        float more = (float)(2 * q->alpha - 1);
        PNB_TRY(pnb_axpby(g, 1, PNB_NONE, r_theta, more, PNB_NONE, u, theta));
        return pnb_axpby(g, 1, PNB_NONE, r_phi, more, PNB_NONE, u, phi);
    }
    PNB_TRY(slopes_of(g, q, u, r_phi, &d));
    PNB_TRY(pnb_axpby(g, 0.5f, PNB_NONE, d.second, -0.5f, PNB_NONE, d.first, theta));
    return pnb_affine(g, d.second, 0.5f, 0, phi);
}

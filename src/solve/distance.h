/* Distances between two scores that PPM can match by (algorithms.md 2.2): the cotangents of Theorem 1's surrogate for
 * each.
 *
 * With r_theta = eps_theta(x_t) - eps, r_phi = eps_phi(x_t) - eps and u = r_phi - r_theta (all in eps space),
 *     l = -d'(u)^T r_phi + d(u),    dl/deps_theta = H r_phi - d'(u),    dl/deps_phi = -H r_phi,    H = d''(u).
 * Only the square is the Fisher divergence, and so the KL; the others weigh large differences less.
 */
#ifndef PNB_SOLVE_DISTANCE_H
#define PNB_SOLVE_DISTANCE_H

#include "graph/graph.h"

typedef enum pnb_distance {
    PNB_DISTANCE_L2,
    PNB_DISTANCE_PSEUDO_HUBER,       /* sqrt(|u|^2 + delta^2) - delta, of each image */
    PNB_DISTANCE_PSEUDO_HUBER_PIXEL, /* the sum over pixels */
    PNB_DISTANCE_LOG_COSH,           /* the sum of ln cosh u_i */
    PNB_DISTANCE_POWER               /* |u|^p of each image, 1 < p < 2 */
} pnb_distance;

typedef struct pnb_distance_params {
    pnb_distance distance;
    double delta; /* of pseudo-Huber; 0: .00054 sqrt(D) of an image, .03 of a pixel */
    double power;
    double alpha; /* L2 only, SiD's family: l + (1 - 2 alpha) |u|^2; 1/2 is PPM */
} pnb_distance_params;

/* r_theta, r_phi: [N,...]. Half of dl/deps_theta and minus half of dl/deps_phi: for L2, alpha 1/2, they are r_theta and
 * r_phi. */
pnb_status pnb_distance_cotangents(pnb_graph *g, const pnb_distance_params *q, pnb_tensor r_theta, pnb_tensor r_phi,
                                   pnb_tensor *theta, pnb_tensor *phi);

#endif

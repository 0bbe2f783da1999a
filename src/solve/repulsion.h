/* The repulsion of particles from each other (RLSD, Zilberstein et al. 2024; algorithms.md 3.8). */
#ifndef PNB_SOLVE_REPULSION_H
#define PNB_SOLVE_REPULSION_H

#include "graph/graph.h"

enum { PNB_REPULSION_MOST = 512 }; /* particles: the median takes K^2 comparisons of each */

/* x: [K,...], K from 2 on. rep: its shape, rep_i = sum_j 2 k_ij (x_i - x_j)/h_i / sum_j k_ij over j != i, with
 * k_ij = exp(-|x_i - x_j|^2/h_i) and h_i = median_j |x_i - x_j|^2 / ln(K - 1) (ln 2 for K = 2). No derivative. */
pnb_status pnb_repulsion(pnb_graph *g, pnb_tensor x, pnb_tensor *rep);

#endif

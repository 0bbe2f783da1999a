/* Preconditioning (Karras et al. 2022, arXiv 2206.00364, table 1): what a network sees of an image and of its noise
 * level, and how its output is the noise. In our variance-preserving form x = alpha x_0 + sigma eps, rho = sigma /
 * alpha. */
#ifndef PNB_PRIOR_PRECONDITION_H
#define PNB_PRIOR_PRECONDITION_H

#include "prior/prior.h"

typedef struct pnb_precondition {
    bool edm;         /* the network predicts Karras' F; else the noise of x itself */
    float sigma_data; /* edm: standard deviation of the data */
} pnb_precondition;

/* What goes into the network: x, or x / sqrt(sigma^2 + sigma_data^2 alpha^2). */
pnb_status pnb_precondition_input(pnb_graph *g, pnb_precondition p, pnb_tensor x, pnb_level level, pnb_tensor *out);
/* The noise from what came out, f. */
pnb_status pnb_precondition_output(pnb_graph *g, pnb_precondition p, pnb_tensor x, pnb_tensor f, pnb_level level,
                                   pnb_tensor *eps);

#endif

/* Generators: networks that make a posterior sample of a measurement in one evaluation (algorithms.md 2.8).
 *
 * Images: x_0 = f(z - S F(c z, t)), F a copy of the prior's network: tanh: S = 1.481319, c = 1, t the schedule's last, f = tanh
 * (DAVI's mapping); denoise: S = rho, c = 1/sqrt(1 + rho^2), t that of rho, f = identity: at the start the prior's own estimate of
 * x_0. z: guess + noise xi, the guess A^+ y or A^T y; or a draw of what x is given y where nothing is known of x but that it is
 * normal with deviation `noise` in each pixel: as noisy as that where A is blind, and near y where it is not. Vectors: x_0 = z -
 * F([guess, xi]), F an MLP that begins at 0.
 */
#ifndef PNB_SOLVE_GENERATOR_H
#define PNB_SOLVE_GENERATOR_H

#include "prior/prior.h"

typedef enum pnb_generator_map { PNB_MAP_DENOISE, PNB_MAP_TANH } pnb_generator_map;
typedef enum pnb_generator_input { PNB_INPUT_GUESS, PNB_INPUT_DRAW } pnb_generator_input;
extern const char *const pnb_generator_maps[], *const pnb_generator_inputs[]; /* words in this order; NULL ends */

typedef struct pnb_generator {
    pnb_generator_map map;     /* of image priors */
    double noise, rho;         /* noise: standard deviation of xi's part in z; rho: of the map denoise */
    uint32_t hidden, depth;    /* of a vector prior's MLP */
    double consistency;        /* what A x_0 is taken to be off by before y is put into x_0 (consistency.h); 0: it is not */
    pnb_generator_input input; /* z; a draw only with consistency */
} pnb_generator;

/* The network to train for a prior (which is committed to gpu, or not yet); not committed. */
pnb_status pnb_generator_create(const pnb_generator *gen, const pnb_prior *prior, pnb_gpu *gpu, uint64_t seed,
                                pnb_prior **network);
/* z and x0: [N, image...]; vectors: guess and xi, too, as large. checkpoint: as pnb_eps_params has it. */
pnb_status pnb_generator_apply(const pnb_generator *gen, pnb_prior *network, pnb_graph *g, pnb_tensor z, pnb_tensor guess,
                               pnb_tensor xi, bool checkpoint, pnb_tensor *x0);

#endif

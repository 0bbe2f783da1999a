/* Matching the diffused samples' score to the prior's (algorithms.md 2.2 to 2.6, 3.6): draws of x_t, the training of
 * the auxiliary network, and the gradient of the prior term in the samples. Particles (ppm.c) and generators
 * (amortized.c) move by it.
 *
 * The solver has the prior, the adapter and the store with Adam's moments of the adapter's tensors. With N = draws K
 * rows, theta and phi run as one batch of 2N: rows [0,N) without the adapter, rows [N,2N) with it, so the gradient is
 * bitwise zero while the adapter's output is.
 */
#ifndef PNB_SOLVE_MATCHING_H
#define PNB_SOLVE_MATCHING_H

#include "solve/distance.h"
#include "solve/phases.h"

typedef enum pnb_match_gradient {
    PNB_MATCH_THEOREM1, /* of w d(s_phi - s_theta), with the Jacobians of both networks (PPM) */
    PNB_MATCH_IKL       /* w alpha (s_phi - s_theta): of w KL(q_t | p_t), without them (Diff-Instruct, DAVI) */
} pnb_match_gradient;

typedef enum pnb_matching_weight {
    PNB_WEIGHT_EXACT_KL,
    PNB_WEIGHT_CONSTANT,
    PNB_WEIGHT_INV_SNR,
    PNB_WEIGHT_SQRT,
    PNB_WEIGHT_SQUARE,
    PNB_WEIGHT_CLIP,
    PNB_WEIGHT_LOG,
    PNB_WEIGHT_VARIANCE,
    PNB_WEIGHT_SID
} pnb_matching_weight;

/* Words of the options, in the order of the enumerations; NULL ends. */
extern const char *const pnb_matching_weights[], *const pnb_t_orders[], *const pnb_adapter_target_words[],
                                                                            *const pnb_distance_words[];

typedef struct pnb_matching {
    pnb_match_gradient gradient;
    pnb_matching_weight weight;
    pnb_t_sampling t_order;
    pnb_distance_params distance; /* Theorem 1 */
    double prior_weight, entropy; /* of the whole term, and of the auxiliary network's part in it */
    double mu_noise;              /* added to samples before they are diffused */
    double beta1, beta2;          /* Adam's, of the adapter and of what moves */
    bool checkpointing;
    pnb_adapter_params adapter;
} pnb_matching;

/* Root mean variance of a mixture prior: the scale that vector settings are meant in. 1 where it is not known. */
double pnb_prior_scale(pnb_prior *prior);

/* Makes s->adapter, and describes Adam's moments of its tensors ("m.<name>", "v.<name>") in s->store. */
pnb_status pnb_matching_describe(pnb_solver *s, const pnb_matching *m);

/* The window of noise levels rho = sigma_t/alpha_t slides from coarse to fine (algorithms.md 2.10). */
typedef struct pnb_window {
    double rho_start, rho_end; /* its lower end at the start and at the end */
    double rho_ratio, rho_max; /* upper end over lower end, at least 10 sigma, at most rho_max; ratio 0: rho_max */
    double anneal;             /* fraction of the run over which it slides; 0: it stays at its end */
    double sigma;              /* of the noise, in the image's values */
    bool by_index;             /* slides evenly in the schedule's index, not in log rho */
} pnb_window;
/* Writes the window at fraction f of the run into a row. */
void pnb_window_set(const pnb_window *w, const pnb_schedule *schedule, double f, float *row);

/* First nodes of a program: state and its advance, with the betas of m. */
pnb_status pnb_matching_begin(pnb_solver *s, pnb_graph *g, const pnb_matching *m, uint32_t flags, pnb_tensor *state);

/* One draw of x_t for each sample, `draws` times: N = draws K rows. */
typedef struct pnb_draw {
    pnb_tensor x_t, eps, condition; /* condition: PNB_NONE where the auxiliary network has none */
    pnb_levels levels;
    uint32_t k, draws, n;
} pnb_draw;
/* x [K,...]; condition [K, as the adapter takes it] or PNB_NONE. */
pnb_status pnb_matching_draw(pnb_solver *s, pnb_graph *g, const pnb_matching *m, pnb_tensor state, pnb_tensor x,
                             pnb_tensor condition, uint32_t draws, pnb_draw *d);
/* One Adam step of the adapter by |eps_phi - eps|^2. */
pnb_status pnb_matching_learn(pnb_solver *s, pnb_graph *g, const pnb_matching *m, pnb_tensor state, const pnb_draw *d);

typedef struct pnb_force {
    pnb_tensor gradient;         /* [K,...]: of the prior term in x, mean over draws */
    pnb_tensor prior, auxiliary; /* [N]: w (|r_theta|^2 - entropy |r_phi|^2); |r_phi|^2 an element */
} pnb_force;
/* learn: the adapter takes its step by the same backward pass, after its values were used. */
pnb_status pnb_matching_force(pnb_solver *s, pnb_graph *g, const pnb_matching *m, pnb_tensor state, pnb_draw *d,
                              bool learn, pnb_force *out);

/* rows [draws K,...]: the sum over draws, [K,...]. */
pnb_status pnb_matching_sum_draws(pnb_graph *g, pnb_tensor rows, uint32_t draws, pnb_tensor *out);

#endif

/* One step down the noise levels (algorithms.md 3.1): what samplers of the prior and the methods that guide them share.
 *
 *     x0 = (x - sigma eps)/alpha, clamped if asked;     x' = a x0 + b x + c eps + d z
 *
 * with a, b, c, d from the step's row, which one function here fills for each kind of step.
 */
#ifndef PNB_SOLVE_REVERSE_H
#define PNB_SOLVE_REVERSE_H

#include "solve/phases.h"

/* Columns of a row: the level, what x0 is made with, the four coefficients, and, for learned variances, log beta and
 * log beta~. PNB_REVERSE_END: the first that the step leaves free. */
enum {
    PNB_REVERSE_T = PNB_ROW_FREE,
    PNB_REVERSE_ALPHA,
    PNB_REVERSE_SIGMA,
    PNB_REVERSE_INV_ALPHA,
    PNB_REVERSE_RHO,
    PNB_REVERSE_X0,
    PNB_REVERSE_X,
    PNB_REVERSE_EPS,
    PNB_REVERSE_Z,
    PNB_REVERSE_LOG_BETA,
    PNB_REVERSE_LOG_POST,
    PNB_REVERSE_END
};

/* Whether the network gives the variance's channels beside eps. */
bool pnb_reverse_learned(const pnb_prior *prior);

/* Fails where the prior's schedule has fewer levels than steps. */
pnb_status pnb_reverse_check_steps(pnb_error *err, const char *method, const pnb_prior *prior, uint32_t steps);

/* DDPM's ancestral step at level t of a (respaced) schedule: x0 and x, noise of the posterior's variance; with learned
 * variances the noise's scale is the network's. */
void pnb_reverse_row_ddpm(float *row, const pnb_schedule *r, uint32_t t, bool learned);
/* DDIM's step from level t to s of a schedule (s < 0: to x0). */
void pnb_reverse_row_ddim(float *row, const pnb_schedule *r, uint32_t t, int32_t s, double eta);
/* The ancestral step in x/alpha from level rho to a lower one, next (0: to x0). */
void pnb_reverse_row_rho(float *row, const pnb_schedule *sch, double rho, double next);
/* Euler's step of the reverse SDE in continuous VP time from tau to a lower one (InverseBench): the network is asked at
 * rho(tau), the step is x' = (1 + beta/2 dtau) x - beta dtau/sigma eps + sqrt(beta dtau) z. */
void pnb_reverse_row_euler(float *row, const pnb_schedule *sch, double tau, double next);

typedef struct pnb_estimate {
    pnb_level level;
    pnb_tensor raw, eps; /* raw: all channels */
    pnb_tensor x0;       /* clamped to [-1,1] if asked; differentiable in x */
} pnb_estimate;
/* The network at x [K,...] and this step's level. */
pnb_status pnb_reverse_estimate(pnb_solver *s, pnb_graph *g, pnb_tensor state, pnb_tensor x, bool clip,
                                pnb_estimate *out);
/* The same where the network's output is there already, in e->raw; learned: with the variance's channels. */
pnb_status pnb_reverse_estimate_of(pnb_solver *s, pnb_graph *g, pnb_tensor state, pnb_tensor x, bool learned, bool clip,
                                   pnb_estimate *e);

/* Which of the row's coefficients are not zero in all steps. */
enum { PNB_REVERSE_USES_X = 1, PNB_REVERSE_USES_EPS = 2, PNB_REVERSE_LEARNED = 4 };
/* x': uses says which terms; stream: of the noise z. */
pnb_status pnb_reverse_next(pnb_solver *s, pnb_graph *g, pnb_tensor state, uint32_t uses, uint32_t stream, pnb_tensor x,
                            const pnb_estimate *e, pnb_tensor *next);

/* x becomes scale times N(0,1), or the task's own start where it has one; a program of its own, run at once. */
pnb_status pnb_reverse_start(pnb_solver *s, double scale);
/* The same with a graph of the method's own in place of the noise. */
pnb_status pnb_reverse_start_with(pnb_solver *s, pnb_graph_builder build, const void *user);

#endif

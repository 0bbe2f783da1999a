/* PiGDM's steps, for the method and for others that end with them (finish.h). */
#ifndef PNB_SOLVE_PIGDM_H
#define PNB_SOLVE_PIGDM_H

#include "solve/spectral.h"

enum { PNB_PIGDM_PUBLISHED, PNB_PIGDM_EXACT };                     /* weight */
enum { PNB_PIGDM_ISOTROPIC, PNB_PIGDM_JACOBIAN };                  /* covariance */
enum { PNB_PIGDM_NOISE_AUTO, PNB_PIGDM_GAUSSIAN, PNB_PIGDM_NONE }; /* noise; auto: by sigma_y */

typedef struct pnb_pigdm_options {
    int32_t particles, steps, weight, covariance, noise, cg_steps;
    double eta, scale, rho_max, rho_min;
    bool clip;
} pnb_pigdm_options;

typedef struct pnb_pigdm {
    pnb_pigdm_options options;
    pnb_spectral spectral; /* pnb_spectral_finish on every path */
} pnb_pigdm;

/* The steps with the exact weight from level rho_max to rho_min, then none, as a part of another method; not clipped. */
pnb_pigdm_options pnb_pigdm_exact(uint32_t particles, uint32_t steps, int32_t covariance, double rho_max, double rho_min);
/* Whether the steps with the exact weight can be made for a task: linear operator, one sigma_y for all entries, and
 * where that is 0 a pseudo-inverse. */
bool pnb_pigdm_fits(const pnb_task *task);
/* Describes rows `first` .. first + steps - 1 and the table of singular values; before pnb_solver_commit. */
pnb_status pnb_pigdm_describe(pnb_solver *s, const pnb_pigdm_options *o, uint32_t first, pnb_pigdm *out);
/* The program of a step, in which x is x_t = alpha (x_0 + rho eps); after pnb_solver_commit. */
pnb_status pnb_pigdm_program(pnb_solver *s, pnb_pigdm *p, pnb_program **step);

#endif

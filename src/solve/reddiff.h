/* What RED-Diff and RLSD share: the same descent, the second with particles that push each other apart. */
#ifndef PNB_SOLVE_REDDIFF_H
#define PNB_SOLVE_REDDIFF_H

#include "solve/phases.h"

typedef struct pnb_reddiff_options {
    int32_t particles, steps, form, weight;
    double lr, lambda, obs_weight, beta1, beta2, init_std, sigma_x0;
    bool scale_twice;
    double repulsion, gamma; /* RLSD's; 0: none */
} pnb_reddiff_options;

enum { PNB_REDDIFF_OFFICIAL, PNB_REDDIFF_INVERSEBENCH };
enum {
    PNB_REDDIFF_LINEAR,
    PNB_REDDIFF_SQRT,
    PNB_REDDIFF_SQUARE,
    PNB_REDDIFF_LOG,
    PNB_REDDIFF_CLIP,
    PNB_REDDIFF_TWO_THIRDS,
    PNB_REDDIFF_CONSTANT
};
extern const char *const pnb_reddiff_weights[]; /* their words, ending with NULL */

/* method: its name, for sentences and the fingerprint; also the phase's. */
pnb_status pnb_reddiff_create(pnb_error *err, const pnb_task *task, const char *method, const pnb_reddiff_options *o,
                              pnb_solver **out);

#endif

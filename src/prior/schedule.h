/* The variance-preserving noise schedule and its conversions (algorithms.md section 1). All in double on the host. */
#ifndef PNB_PRIOR_SCHEDULE_H
#define PNB_PRIOR_SCHEDULE_H

#include "base/status.h"

#include <stdint.h>

typedef enum pnb_schedule_kind { PNB_SCHEDULE_LINEAR, PNB_SCHEDULE_COSINE } pnb_schedule_kind;

/* What a network receives for a noise level. */
typedef enum pnb_time {
    PNB_TIME_INDEX, /* the schedule's index */
    PNB_TIME_VP,    /* 999 tau(rho), VP preconditioning */
    PNB_TIME_EDM    /* ln(rho) / 4, EDM preconditioning */
} pnb_time;

/* t = 0 already carries noise. Index -1 (no noise) is never stored. */
typedef struct pnb_schedule {
    pnb_schedule_kind kind;
    pnb_time time; /* PNB_TIME_INDEX unless a prior says otherwise */
    uint32_t steps;           /* T, usually 1000 */
    double *beta, *alpha_bar; /* [T] */
    double *alpha, *sigma, *rho,
        *lambda; /* [T]: sqrt(alpha_bar), sqrt(1-alpha_bar), sigma/alpha, ln(alpha_bar/(1-alpha_bar)) */
    double *posterior_variance, *posterior_log_variance_clipped, *posterior_mean_coef1, *posterior_mean_coef2; /* [T] */
    uint32_t *timestep_map; /* [T]: index before respacing */
} pnb_schedule;

pnb_status pnb_schedule_init(pnb_error *err, pnb_schedule_kind kind, uint32_t steps, pnb_schedule *out);
/* Keep some steps, as guided-diffusion does: spec "100", "10,20,30" (sections) or "ddim50". */
pnb_status pnb_schedule_respace(pnb_error *err, const pnb_schedule *full, const char *spec, pnb_schedule *out);
void pnb_schedule_finish(pnb_schedule *s);
/* Smallest index whose rho is >= the given one (clamped to T-1). */
uint32_t pnb_schedule_index_of_rho(const pnb_schedule *s, double rho);
/* What the network receives at an index. */
double pnb_schedule_time(const pnb_schedule *s, uint32_t t);
/* What it receives for a noise level between two indices: log(alpha_bar) is linear there. Clamped to the ends. */
double pnb_schedule_t_of_rho(const pnb_schedule *s, double rho);

/* Continuous VP view (algorithms.md 1.2): tau in (0,1]. */
double pnb_vp_sigma_of_tau(double tau);
double pnb_vp_tau_of_sigma(double sigma);
/* What a network of continuous time receives: 999 tau(sigma), or ln(sigma) / 4 for PNB_TIME_EDM. */
double pnb_time_of_sigma(pnb_time time, double sigma);
/* EDM (Karras) sigmas: n values from sigma_max to sigma_min, rho = 7. */
void pnb_edm_sigmas(uint32_t n, double sigma_min, double sigma_max, double *out);

#endif

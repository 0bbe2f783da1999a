/* Amortised posterior matching (algorithms.md 2.8, 3.6): a generator x_0 = g(y, xi) is trained on measurements alone,
 * so that its samples of each y match the posterior; then one network evaluation makes a sample of a measurement that
 * it has not seen. With one measurement it is a posterior of that one.
 *
 * The gradient in x_0 is that of particle mode (matching.h, and the data term), taken back through g. auxiliary says
 * whose score the auxiliary network learns: conditional: that of q(x_0 | y). Only so is the prior term the KL
 * divergence of each posterior, and the optimum the posterior. marginal:    that of q(x_0) over all y, as published.
 * The objective is then met by a generator without any spread for a y, as long as all its samples together look like
 * the prior. With one measurement the two are the same.
 */
#ifndef PNB_SOLVE_AMORTIZED_H
#define PNB_SOLVE_AMORTIZED_H

#include "solve/generator.h"
#include "solve/matching.h"

typedef struct pnb_amortized_options {
    int32_t particles, steps, batch, map, auxiliary, aux_steps, aux_warmup, weight, t_order, targets, rank, hidden,
        depth;
    int32_t distance, preset, input;
    double noise, rho, lr, lr_hold, lr_end, beta1, beta2, clip, ema, prior_weight, data_weight, entropy, sigma_floor;
    double rho_start, rho_end, rho_ratio, rho_max, anneal, lora_scale, aux_lr, supervised, delta, power, alpha, consistency;
    bool checkpointing;
} pnb_amortized_options;

enum { PNB_AUXILIARY_CONDITIONAL, PNB_AUXILIARY_MARGINAL };
/* Those of ppm_amortized; the first PNB_AMORTIZED_COMMON of them are all that a method of another gradient has. */
enum { PNB_AMORTIZED_COMMON = 35, PNB_AMORTIZED_ALL = PNB_AMORTIZED_COMMON + 7 };
extern const pnb_option pnb_amortized_table[PNB_AMORTIZED_ALL];
enum { PNB_PRESET_DEFAULT, PNB_PRESET_PAPER };

/* Sets those options that were not given. */
void pnb_amortized_prefer(const bool *given, pnb_amortized_options *o, const pnb_option_value *list, size_t n);
/* What depends on the problem, whatever the method: first the scales of vectors; last what is still 0. */
void pnb_amortized_scale(const pnb_task *task, const bool *given, pnb_amortized_options *o);
void pnb_amortized_settle(const pnb_task *task, pnb_amortized_options *o);
pnb_status pnb_amortized_check(pnb_error *err, const pnb_task *task, const pnb_amortized_options *o);
pnb_status pnb_amortized_create(pnb_error *err, const pnb_task *task, const char *method, pnb_match_gradient gradient,
                                const pnb_amortized_options *o, pnb_solver **out);

#endif

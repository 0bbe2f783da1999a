/* RLSD in pixel space (Zilberstein et al. 2024; algorithms.md 3.8): RED-Diff's descent with particles that push each
 * other apart,
 *
 *     direction_i = lambda w(rho_t) (eps_theta(x_t^i) - eps_i - push_i rep_i) + data gradient,
 *
 * rep by a kernel of adapted width on the particles themselves (repulsion.c; the published method works in the latent
 * space of a text-to-image model, with DINO features). push = gamma sigma_t, or, with gamma 0, such that the push is a
 * given fraction of the residual's norm at every step: pixels have no scale of their own in which one gamma would fit
 * all.
 */
#include "solve/reddiff.h"
#include "solve/repulsion.h"

#define INT(name, def, lo, hi, help)                                                                                   \
    { #name, PNB_OPTION_INT, offsetof(pnb_reddiff_options, name), def, lo, hi, NULL, "", help }
#define REAL(name, def, lo, hi, help)                                                                                  \
    { #name, PNB_OPTION_REAL, offsetof(pnb_reddiff_options, name), def, lo, hi, NULL, "", help }
static const pnb_option options[] = {
    INT(particles, 8, 2, PNB_REPULSION_MOST, "samples that repel each other (K)"),
    INT(steps, 500, 1, 1000000, "steps, t falling from the last index to 0"),
    {"weight", PNB_OPTION_CHOICE, offsetof(pnb_reddiff_options, weight), PNB_REDDIFF_LINEAR, 0, 6, pnb_reddiff_weights,
     "", "of the prior term by rho = sigma_t/alpha_t, as RED-Diff's"},
    REAL(lr, 0.1, 1e-6, 10, "Adam learning rate"),
    REAL(lambda, 0.25, 0, 1e6, "weight of the prior term"),
    REAL(obs_weight, 1, 0, 1e6, "weight of the data term"),
    REAL(beta1, 0.9, 0, 0.9999, "Adam's beta 1"),
    REAL(beta2, 0.99, 0, 0.99999, "Adam's beta 2"),
    REAL(init_std, 0.1, 0, 100, "noise added to the initial guess"),
    REAL(repulsion, 0.1, 0, 100, "the push as a fraction of the denoising residual, at every step"),
    REAL(gamma, 0, 0, 1e6, "published form: the push is gamma sigma_t rep; 0: by repulsion"),
};

static pnb_status create(pnb_error *err, const pnb_task *task, const void *given, pnb_solver **out) {
    return pnb_reddiff_create(err, task, "rlsd", given, out);
}

const pnb_method pnb_method_rlsd = {
    .name = "rlsd",
    .summary = "RLSD in pixel space: RED-Diff with particles that repel each other",
    .table = {options, sizeof options / sizeof *options, sizeof(pnb_reddiff_options)},
    .create = create,
};

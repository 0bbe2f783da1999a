/* One evaluation of a network, and the map of its output. */
#include "solve/generator.h"

#include "ops/ops.h"

#include <math.h>

const char *const pnb_generator_maps[] = {"denoise", "tanh", NULL};
const char *const pnb_generator_inputs[] = {"guess", "draw", NULL};

/* sqrt of the sum of I2SB's betas, the first 500 of (linspace(1e-4^.5, 2e-2^.5, 1000))^2 and the same in reverse. */
static const double TANH_SCALE = 1.481319;

pnb_status pnb_generator_create(const pnb_generator *gen, const pnb_prior *prior, pnb_gpu *gpu, uint64_t seed,
                                pnb_prior **network) {
    uint32_t dim = pnb_prior_dim(prior);
    if (!dim) return pnb_prior_copy(prior, gpu, network);
    return pnb_prior_create_mlp(pnb_prior_error(prior), 2 * dim, dim, gen->hidden, gen->depth, seed, network);
}

/* The same noise level for all rows. */
static pnb_status level_at(pnb_graph *g, uint32_t n, double t, double rho, pnb_level *out) {
    double alpha = 1 / sqrt(1 + rho * rho);
    PNB_TRY(pnb_constant(g, pnb_shape1(n), (float)t, &out->t));
    PNB_TRY(pnb_constant(g, pnb_shape1(n), (float)alpha, &out->alpha));
    return pnb_constant(g, pnb_shape1(n), (float)(rho * alpha), &out->sigma);
}

static pnb_status of_images(const pnb_generator *gen, pnb_prior *network, pnb_graph *g, pnb_tensor z, bool checkpoint,
                            pnb_tensor *x0) {
    const pnb_schedule *s = pnb_prior_schedule(network);
    bool squash = gen->map == PNB_MAP_TANH;
    double rho = squash ? s->rho[s->steps - 1] : gen->rho, scale = squash ? TANH_SCALE : rho;
    double t = squash ? pnb_schedule_time(s, s->steps - 1) : pnb_schedule_t_of_rho(s, rho);
    pnb_eps_params q = {.label = PNB_NONE, .checkpoint = checkpoint};
    pnb_tensor seen = z, f;
    pnb_level level;
    PNB_TRY(level_at(g, pnb_graph_shape(g, z).d[0], t, rho, &level));
    if (!squash) PNB_TRY(pnb_affine(g, z, (float)(1 / sqrt(1 + rho * rho)), 0, &seen));
    PNB_TRY(pnb_prior_eps(network, g, seen, level, &q, &f));
    PNB_TRY(pnb_axpby(g, 1, PNB_NONE, z, -(float)scale, PNB_NONE, f, x0));
    return squash ? pnb_unary_op(g, PNB_TANH, *x0, x0) : PNB_OK;
}

pnb_status pnb_generator_apply(const pnb_generator *gen, pnb_prior *network, pnb_graph *g, pnb_tensor z, pnb_tensor guess,
                               pnb_tensor xi, bool checkpoint, pnb_tensor *x0) {
    pnb_tensor f, parts[2] = {guess, xi};
    pnb_level level;
    if (pnb_prior_get_kind(network) == PNB_PRIOR_UNET) return of_images(gen, network, g, z, checkpoint, x0);
    PNB_TRY(level_at(g, pnb_graph_shape(g, z).d[0], 0, 1, &level));
    PNB_TRY(pnb_concat(g, 1, parts, 2, &f));
    PNB_TRY(pnb_prior_eps(network, g, f, level, NULL, &f));
    return pnb_sub(g, z, f, x0);
}

/* Exact Gaussian mixture priors: eps = -sigma * score of the diffused mixture, at each sample's own noise level.
 *
 * Every P_i = alpha^2 C_i + sigma^2 I is diagonal in the eigenbasis of C_i, which the host finds once. The kernels and
 * their formulas are in shaders/prior/gmm_*.comp. The Jacobian is symmetric, so the vector-Jacobian product is the same
 * sum.
 */
#include "prior/gmm.h"

#include "graph/op.h"
#include "ops/emit.h"
#include "prior/internal.h"

#include <math.h>
#include <stdio.h>

enum { X, ALPHA, SIGMA, LOG_WEIGHTS, MEANS, VECTORS, VALUES, FORWARD_INPUTS }; /* forward */
enum { EPS, Z, L, FORWARD_OUTPUTS };
enum { V, VJP_Z, VJP_L, VJP_ALPHA, VJP_SIGMA, VJP_VECTORS, VJP_VALUES, VJP_INPUTS }; /* vector-Jacobian product */
enum { GX, U, C, VJP_OUTPUTS };

static pnb_status emit(pnb_lower *l, const char *shader, bool vjp, const pnb_tensor *in, uint32_t n_in, pnb_tensor out,
                       pnb_push_gmm push) {
    pnb_dispatch d = pnb_emit_begin(l, shader, NULL);
    for (uint32_t i = 0; i < n_in; i++) pnb_emit_read(&d, in[i], false);
    pnb_emit_write(&d, out);
    pnb_emit_spec(&d, vjp);
    pnb_emit_push(&d, &push, sizeof push);
    pnb_emit_spread(&d, l, pnb_emit_count(l, out));
    return pnb_lower_emit(l, &d);
}

static pnb_push_gmm sizes(const pnb_lower *l, pnb_tensor z) {
    pnb_shape s = pnb_lower_shape(l, z);
    return (pnb_push_gmm){.samples = s.d[0], .components = s.d[1], .dim = s.d[2]};
}

static pnb_status lower_forward(pnb_lower *l, const pnb_node *node) {
    const pnb_tensor *in = node->in, *out = node->out;
    pnb_push_gmm push = sizes(l, out[Z]);
    pnb_tensor project[6] = {in[X], in[ALPHA], in[SIGMA], in[MEANS], in[VECTORS], in[VALUES]};
    pnb_tensor weigh[6] = {out[Z], out[Z], in[ALPHA], in[SIGMA], in[LOG_WEIGHTS], in[VALUES]};
    pnb_tensor combine[8] = {out[Z], out[L], out[Z], out[L], in[ALPHA], in[SIGMA], in[VECTORS], in[VALUES]};
    PNB_TRY(emit(l, "prior/gmm_project", false, project, 6, out[Z], push));
    PNB_TRY(emit(l, "prior/gmm_weigh", false, weigh, 6, out[L], push));
    return emit(l, "prior/gmm_combine", false, combine, 8, out[EPS], push);
}

static pnb_status lower_vjp(pnb_lower *l, const pnb_node *node) {
    const pnb_tensor *in = node->in, *out = node->out;
    pnb_push_gmm push = sizes(l, in[VJP_Z]);
    pnb_tensor project[6] = {in[V], in[VJP_ALPHA], in[VJP_SIGMA], in[VJP_VALUES], in[VJP_VECTORS], in[VJP_VALUES]};
    pnb_tensor weigh[6] = {in[VJP_Z], out[U], in[VJP_ALPHA], in[VJP_SIGMA], in[VJP_L], in[VJP_VALUES]};
    pnb_tensor combine[8] = {in[VJP_Z],     in[VJP_L],     out[U],          out[C],
                             in[VJP_ALPHA], in[VJP_SIGMA], in[VJP_VECTORS], in[VJP_VALUES]};
    PNB_TRY(emit(l, "prior/gmm_project", true, project, 6, out[U], push));
    PNB_TRY(emit(l, "prior/gmm_weigh", true, weigh, 6, out[C], push));
    return emit(l, "prior/gmm_combine", true, combine, 8, out[GX], push);
}

static const pnb_op pnb_op_gmm_vjp = {.name = "gmm_vjp", .lower = lower_vjp};

static pnb_status vjp(pnb_graph *g, const pnb_node *node, const pnb_tensor *gout, uint32_t want, pnb_tensor *gin) {
    if (want & ~(1u << X))
        return pnb_fail(pnb_graph_error(g), PNB_ERROR_USAGE,
                        "gmm: only x has a derivative, not the noise level or the mixture");
    if (!(want & 1u << X) || gout[EPS] == PNB_NONE) return PNB_OK;
    pnb_tensor in[VJP_INPUTS] = {gout[EPS],       node->out[Z],      node->out[L],    node->in[ALPHA],
                                 node->in[SIGMA], node->in[VECTORS], node->in[VALUES]};
    pnb_shape z = pnb_graph_shape(g, node->out[Z]);
    pnb_shape out[VJP_OUTPUTS] = {pnb_shape2(z.d[0], z.d[2]), z, pnb_shape2(z.d[0], z.d[1])};
    return pnb_graph_add(g, &pnb_op_gmm_vjp, in, VJP_INPUTS, 0, NULL, 0, out, VJP_OUTPUTS, &gin[X], 1);
}

static const pnb_op pnb_op_gmm = {.name = "gmm", .vjp = vjp, .lower = lower_forward};

static const char *const NAMES[FORWARD_INPUTS] = {
    [LOG_WEIGHTS] = "log_weights", [MEANS] = "means", [VECTORS] = "eigenvectors", [VALUES] = "eigenvalues"};

pnb_status pnb_gmm_graph_eps(pnb_prior *p, pnb_graph *g, pnb_tensor x, pnb_level level, pnb_tensor *eps) {
    pnb_tensor in[FORWARD_INPUTS] = {[X] = x, [ALPHA] = level.alpha, [SIGMA] = level.sigma};
    for (int i = LOG_WEIGHTS; i < FORWARD_INPUTS; i++) PNB_TRY(pnb_weights_bind(&p->weights, g, NAMES[i], &in[i]));
    uint32_t samples = pnb_graph_shape(g, x).d[0];
    if ((uint64_t)samples * p->gmm.n * p->gmm.dim > 0x7fffffff)
        return pnb_fail(pnb_graph_error(g), PNB_ERROR_INPUT,
                        "gmm: %u samples of %u components in %u dimensions are too many", samples, p->gmm.n,
                        p->gmm.dim);
    pnb_shape out[FORWARD_OUTPUTS] = {pnb_shape2(samples, p->gmm.dim), pnb_shape3(samples, p->gmm.n, p->gmm.dim),
                                      pnb_shape2(samples, p->gmm.n)};
    return pnb_graph_add(g, &pnb_op_gmm, in, FORWARD_INPUTS, 0, NULL, 0, out, FORWARD_OUTPUTS, eps, 1);
}

/* p->gmm is filled: its parameters as frozen tensors. */
pnb_status pnb_gmm_describe(pnb_prior *p) {
    const pnb_gmm *m = &p->gmm;
    float *values[FORWARD_INPUTS] = {NULL};
    const pnb_shape shape[FORWARD_INPUTS] = {[LOG_WEIGHTS] = pnb_shape1(m->n),
                                             [MEANS] = pnb_shape2(m->n, m->dim),
                                             [VECTORS] = pnb_shape3(m->n, m->dim, m->dim),
                                             [VALUES] = pnb_shape2(m->n, m->dim)};
    for (int i = LOG_WEIGHTS; i < FORWARD_INPUTS; i++)
        PNB_TRY(pnb_weights_add(&p->weights, NAMES[i], shape[i], PNB_STORAGE_FROZEN, &values[i]));
    for (size_t i = 0; i < m->n; i++) values[LOG_WEIGHTS][i] = (float)log(m->weights[i]);
    for (size_t i = 0; i < (size_t)m->n * m->dim; i++) {
        values[MEANS][i] = (float)m->means[i];
        values[VALUES][i] = (float)m->eigenvalues[i];
    }
    for (size_t i = 0; i < (size_t)m->n * m->dim * m->dim; i++) values[VECTORS][i] = (float)m->eigenvectors[i];
    snprintf(p->describe, sizeof p->describe, "exact mixture of %u Gaussian%s in %u dimension%s", m->n,
             m->n == 1 ? "" : "s", m->dim, m->dim == 1 ? "" : "s");
    return PNB_OK;
}

/* timestep_embedding: sines and cosines of the time step (Vaswani et al. 2017, section 3.5, as diffusion networks use it).
 * The phases are computed to better than fp32, see the shader. */
#include "graph/op.h"
#include "ops/emit.h"
#include "ops/ops.h"
#include "ops/suite.h"
#include "ops/timestep_embedding.h"

#include <math.h>
#include <string.h>

enum { POWERS = 11, HALF_MOST = 1 << POWERS };
static const double two_pi = 6.283185307179586;

typedef struct attributes {
    uint32_t dim;
    float max_period;
    uint32_t sin_first, endpoint;
} attributes;

/* log of the ratio of neighbouring frequencies */
static double log_ratio(const attributes *a) {
    uint32_t half = a->dim / 2;
    double steps = a->endpoint ? (double)half - 1 : (double)half;
    return steps > 0 ? -log((double)a->max_period) / steps : 0;
}

static void split(double value, float *high, float *low) {
    *high = (float)value;
    *low = (float)(value - (double)*high);
}

static pnb_status embedding_lower(pnb_lower *l, const pnb_node *node) {
    const attributes *a = (const attributes *)node->attr;
    pnb_push_timestep_embedding push = {.count = pnb_emit_count(l, node->in[0]), .dim = a->dim, .half_dim = a->dim / 2,
                                        .sin_first = a->sin_first};
    float powers[2 * POWERS];
    for (int k = 0; k < POWERS; k++) split(exp(ldexp(log_ratio(a), k)), &powers[2 * k], &powers[2 * k + 1]);
    memcpy(&push.high0, powers, sizeof powers);
    split(1 / two_pi, &push.turn_high, &push.turn_low);
    pnb_dispatch d = pnb_emit_begin(l, "ops/timestep_embedding", NULL);
    pnb_emit_read(&d, node->in[0], false);
    pnb_emit_write(&d, node->out[0]);
    pnb_emit_push(&d, &push, sizeof push);
    pnb_emit_spread(&d, l, (uint64_t)push.count * (a->dim / 2 + a->dim % 2));
    return pnb_lower_emit(l, &d);
}

const pnb_op pnb_op_timestep_embedding = {.name = "timestep_embedding", .lower = embedding_lower};

pnb_status pnb_timestep_embedding(pnb_graph *g, pnb_tensor t, uint32_t dim, float max_period, bool sin_first, bool endpoint, pnb_tensor *y) {
    PNB_TRY(pnb_graph_check(g, "timestep_embedding", "t", t));
    if (dim < 2 || dim / 2 > HALF_MOST || !(max_period > 1)) {
        return pnb_fail(pnb_graph_error(g), PNB_ERROR_INPUT, "timestep_embedding: dimension %u and longest period %g, expected 2 to %d and more than 1",
                        dim, (double)max_period, 2 * HALF_MOST);
    }
    attributes a = {dim, max_period, sin_first, endpoint};
    pnb_shape shape = pnb_shape2((uint32_t)pnb_shape_count(pnb_graph_shape(g, t)), dim);
    return pnb_graph_add(g, &pnb_op_timestep_embedding, &t, 1, 0, &a, sizeof a, &shape, 1, y, 1);
}

/* ---- cases: arg = {dim, sin_first, endpoint}, farg = {max_period} -------------------------------------------------- */

static pnb_status build(pnb_graph *g, const pnb_op_case *c, const pnb_tensor *in, pnb_tensor *out) {
    return pnb_timestep_embedding(g, in[0], (uint32_t)c->arg[0], c->farg[0], c->arg[1] != 0, c->arg[2] != 0, out);
}

static void reference(const pnb_op_case *c, const double *const *in, double *out) {
    attributes a = {(uint32_t)c->arg[0], c->farg[0], c->arg[1] != 0, c->arg[2] != 0};
    size_t half = a.dim / 2;
    for (size_t n = 0; n < pnb_shape_count(c->in[0]); n++) {
        double *row = out + n * a.dim;
        row[a.dim - 1] = 0;
        for (size_t i = 0; i < half; i++) {
            double phase = in[0][n] * exp((double)i * log_ratio(&a));
            row[i + (a.sin_first ? half : 0)] = cos(phase);
            row[i + (a.sin_first ? 0 : half)] = sin(phase);
        }
    }
}

#define EMBEDDING(text, n, mean, spread, ...)                                                                         \
    {.name = text, .n_in = 1, .in = {{1, {n, 1, 1, 1}}}, .scale = {spread}, .shift = {mean}, .no_grad = 1, .arg = {__VA_ARGS__}, \
     .farg = {1e4f}, .forward_tolerance = 2e-6f}

static const pnb_op_case cases[] = {
    EMBEDDING("dim 64", 37, 500, 300, 64, 0, 0),
    EMBEDDING("dim 33 odd", 5, 500, 300, 33, 0, 0),
    EMBEDDING("dim 32 sine first, end point", 9, 500, 300, 32, 1, 1),
    EMBEDDING("t 1e5", 16, 1e5f, 1e5f, 256, 0, 0),
    EMBEDDING("t near 0", 3, 0, 1e-3f, 8, 0, 0),
    EMBEDDING("dim 2", 3, 10, 1, 2, 0, 1),
};

const pnb_op_suite pnb_suite_timestep_embedding = {"timestep_embedding", cases, sizeof cases / sizeof cases[0], build, reference, .flops = NULL};

/* clip: the factor that limits the norm of all gradients together, left in the step state for the optimiser to multiply by.
 *
 * Sums of squares of each tensor (reduce.c), added up eight at a time: a fixed order, so the same bytes each time. */
#include "graph/op.h"
#include "ops/clip.h"
#include "ops/emit.h"
#include "ops/ops.h"
#include "ops/suite.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { AT_ONCE = 8 }; /* of concat */

static pnb_status clip_lower(pnb_lower *l, const pnb_node *node) {
    pnb_dispatch d = pnb_emit_begin(l, "ops/clip", NULL);
    d.spec[0] = 1;
    pnb_emit_read(&d, node->in[0], false);
    pnb_emit_update(&d, node->in[1]);
    pnb_emit_push(&d, node->attr, sizeof(pnb_push_clip));
    pnb_groups_1d(pnb_lower_caps(l), 1, 1, d.groups);
    return pnb_lower_emit(l, &d);
}

const pnb_op pnb_op_clip = {.name = "clip", .lower = clip_lower, .impure = true};

/* The sum of n numbers, each a tensor [1]; parts is used up. */
static pnb_status add_up(pnb_graph *g, pnb_tensor *parts, size_t n, pnb_tensor *out) {
    while (n > 1) {
        size_t count = 0;
        for (size_t i = 0; i < n; i += AT_ONCE) {
            pnb_tensor row = parts[i];
            uint32_t k = (uint32_t)(n - i < AT_ONCE ? n - i : AT_ONCE);
            if (k > 1) {
                PNB_TRY(pnb_concat(g, 0, parts + i, k, &row));
                PNB_TRY(pnb_reduce_all(g, PNB_SUM, row, &row));
            }
            parts[count++] = row;
        }
        n = count;
    }
    *out = parts[0];
    return PNB_OK;
}

pnb_status pnb_clip_norm(pnb_graph *g, const pnb_tensor *grad, size_t n, float gscale, float max_norm, pnb_tensor state, uint32_t index) {
    pnb_push_clip push = {.index = index, .gscale = gscale, .max_norm = max_norm};
    pnb_error *err = pnb_graph_error(g);
    size_t count = 0;
    pnb_status status = PNB_OK;
    pnb_tensor in[2] = {PNB_NONE, state};
    PNB_TRY(pnb_graph_check(g, "clip", "state", state));
    if (index + 2ull > pnb_shape_count(pnb_graph_shape(g, state)))
        return pnb_fail(err, PNB_ERROR_USAGE, "clip: writes the state at %u and %u, it has %llu entries", index, index + 1,
                        (unsigned long long)pnb_shape_count(pnb_graph_shape(g, state)));
    pnb_tensor *sums = malloc((n ? n : 1) * sizeof *sums);
    if (!sums) return pnb_fail(err, PNB_ERROR_OUT_OF_MEMORY, "clip: no memory for %zu tensors", n);
    for (size_t i = 0; i < n; i++) {
        if (grad[i] == PNB_NONE) continue;
        PNB_TRY_GOTO(pnb_reduce_all(g, PNB_SQNORM, grad[i], &sums[count]));
        count++;
    }
    if (count == 0) PNB_TRY_GOTO(pnb_fail(err, PNB_ERROR_USAGE, "clip: there are no gradients"));
    PNB_TRY_GOTO(add_up(g, sums, count, &in[0]));
    status = pnb_graph_add(g, &pnb_op_clip, in, 2, 1u << 1, &push, sizeof push, NULL, 0, NULL, 0);
fail:
    free(sums);
    return status;
}

/* ---- cases: two gradients and the state [3]; farg = {gscale, max_norm}; the output is the state, entry 0 untouched ----------- */

static pnb_status build(pnb_graph *g, const pnb_op_case *c, const pnb_tensor *in, pnb_tensor *out) {
    PNB_TRY(pnb_clip_norm(g, in, 2, c->farg[0], c->farg[1], in[2], 1));
    return pnb_copy(g, in[2], out);
}

static void reference(const pnb_op_case *c, const double *const *in, double *out) {
    double sum = 0, most = (double)c->farg[1];
    for (int k = 0; k < 2; k++)
        for (size_t i = 0; i < pnb_shape_count(c->in[k]); i++) sum += in[k][i] * in[k][i];
    out[0] = in[2][0];
    out[2] = (double)c->farg[0] * sqrt(sum);
    out[1] = most > 0 ? fmin(1, most / (out[2] + 1e-6)) : 1;
}

#define CLIP(text, gscale, max_norm, ...) \
    {.name = text, .n_in = 3, .in = {__VA_ARGS__, {1, {3, 1, 1, 1}}}, .no_grad = 7, .farg = {gscale, max_norm}}

static const pnb_op_case cases[] = {
    CLIP("limited", 1, 1.5f, {2, {5, 4, 1, 1}}, {1, {9, 1, 1, 1}}),
    CLIP("scaled, within the limit", 0.01f, 1, {4, {8, 3, 3, 3}}, {1, {8, 1, 1, 1}}),
    CLIP("no limit", 2, 0, {1, {7, 1, 1, 1}}, {2, {300, 70, 1, 1}}),
};

const pnb_op_suite pnb_suite_clip = {"clip", cases, sizeof cases / sizeof cases[0], build, reference, .flops = NULL};

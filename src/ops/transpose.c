/* transpose: any permutation of up to four dimensions. */
#include "graph/op.h"
#include "ops/emit.h"
#include "ops/ops.h"
#include "ops/suite.h"
#include "ops/transpose.h"

typedef struct attributes {
    uint32_t perm[4];
} attributes;

static pnb_status transpose_lower(pnb_lower *l, const pnb_node *node) {
    const attributes *a = (const attributes *)node->attr;
    pnb_shape x = pnb_lower_shape(l, node->in[0]);
    uint32_t stride[4], size[4] = {1, 1, 1, 1}, step[4] = {0}, next = 1;
    for (uint32_t i = x.rank; i-- > 0;) {
        stride[i] = next;
        next *= x.d[i];
    }
    for (uint32_t i = 0; i < x.rank; i++) { /* leading sizes of 1 where the rank is below 4 */
        size[4 - x.rank + i] = x.d[a->perm[i]];
        step[4 - x.rank + i] = stride[a->perm[i]];
    }
    pnb_push_transpose push = {.rows = next / size[3], .d1 = size[1], .d2 = size[2], .d3 = size[3],
                               .s0 = step[0], .s1 = step[1], .s2 = step[2], .s3 = step[3]};
    push.segments = pnb_emit_segments(l, push.rows, size[3]);
    bool texel = pnb_emit_texel(l, node->in[0]);
    pnb_dispatch d = pnb_emit_begin(l, texel ? "ops/transpose.texel" : "ops/transpose", "transpose");
    pnb_emit_read(&d, node->in[0], texel);
    pnb_emit_write(&d, node->out[0]);
    pnb_emit_push(&d, &push, sizeof push);
    pnb_emit_spread(&d, l, (uint64_t)push.rows * push.segments);
    d.gbyte = 8e-9 * next;
    return pnb_lower_emit(l, &d);
}

static pnb_status transpose_vjp(pnb_graph *g, const pnb_node *node, const pnb_tensor *gout, uint32_t want, pnb_tensor *gin) {
    const attributes *a = (const attributes *)node->attr;
    if (!(want & 1) || gout[0] == PNB_NONE) return PNB_OK;
    uint32_t inverse[4] = {0, 1, 2, 3};
    for (uint32_t i = 0; i < pnb_graph_shape(g, node->in[0]).rank; i++) inverse[a->perm[i]] = i;
    return pnb_transpose(g, gout[0], inverse, &gin[0]);
}

const pnb_op pnb_op_transpose = {.name = "transpose", .vjp = transpose_vjp, .lower = transpose_lower};

pnb_status pnb_transpose(pnb_graph *g, pnb_tensor x, const uint32_t perm[4], pnb_tensor *y) {
    PNB_TRY(pnb_graph_check(g, "transpose", "x", x));
    pnb_shape s = pnb_graph_shape(g, x), out = s;
    attributes a = {{0, 1, 2, 3}};
    uint32_t seen = 0;
    for (uint32_t i = 0; i < s.rank; i++) {
        if (perm[i] >= s.rank || seen & 1u << perm[i]) {
            return pnb_fail(pnb_graph_error(g), PNB_ERROR_INPUT, "transpose: entry %u of the permutation is %u, expected each of 0 to %u once",
                            i, perm[i], s.rank - 1);
        }
        seen |= 1u << perm[i];
        a.perm[i] = perm[i];
        out.d[i] = s.d[perm[i]];
    }
    return pnb_graph_add(g, &pnb_op_transpose, &x, 1, 0, &a, sizeof a, &out, 1, y, 1);
}

/* ---- cases: arg = perm -------------------------------------------------------------------------------------------- */

static pnb_status build(pnb_graph *g, const pnb_op_case *c, const pnb_tensor *in, pnb_tensor *out) {
    uint32_t perm[4];
    for (int i = 0; i < 4; i++) perm[i] = (uint32_t)c->arg[i];
    return pnb_transpose(g, in[0], perm, out);
}

static void reference(const pnb_op_case *c, const double *const *in, double *out) {
    size_t rank = c->in[0].rank, stride[4], next = 1, step[4] = {0}, size[4] = {1, 1, 1, 1};
    for (size_t i = rank; i-- > 0;) {
        stride[i] = next;
        next *= c->in[0].d[i];
    }
    for (size_t i = 0; i < rank; i++) {
        size[i] = c->in[0].d[c->arg[i]];
        step[i] = stride[c->arg[i]];
    }
    for (size_t i = 0; i < size[0]; i++) {
        for (size_t j = 0; j < size[1]; j++) {
            for (size_t k = 0; k < size[2]; k++) {
                for (size_t m = 0; m < size[3]; m++) *out++ = in[0][i * step[0] + j * step[1] + k * step[2] + m * step[3]];
            }
        }
    }
}

static const pnb_op_case cases[] = {
    {.name = "matrix", .n_in = 1, .in = {{2, {5, 7, 1, 1}}}, .arg = {1, 0, 2, 3}},
    {.name = "rank 3", .n_in = 1, .in = {{3, {3, 4, 6, 1}}}, .arg = {0, 2, 1, 3}},
    {.name = "rank 4 cycle", .n_in = 1, .in = {{4, {2, 3, 4, 5}}}, .arg = {1, 2, 3, 0}},
    {.name = "rank 4 swap", .n_in = 1, .in = {{4, {2, 3, 4, 5}}}, .arg = {0, 3, 2, 1}},
    {.name = "identity", .n_in = 1, .in = {{1, {9, 1, 1, 1}}}, .arg = {0, 1, 2, 3}},
};

const pnb_op_suite pnb_suite_transpose = {"transpose", cases, sizeof cases / sizeof cases[0], build, reference, .flops = NULL};

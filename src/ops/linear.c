/* The fully connected layer: a matrix product with the weight transposed, PyTorch's order [out, in]. */
#include "graph/op.h"
#include "ops/ops.h"
#include "ops/product.h"
#include "ops/suite.h"

pnb_status pnb_linear(pnb_graph *g, pnb_tensor x, pnb_tensor weight, pnb_tensor bias, pnb_tensor *y) {
    pnb_error *err = pnb_graph_error(g);
    PNB_TRY(pnb_graph_check(g, "linear", "x", x));
    PNB_TRY(pnb_graph_check(g, "linear", "weight", weight));
    pnb_shape sx = pnb_graph_shape(g, x), sw = pnb_graph_shape(g, weight);
    char tx[48], tw[48];
    if (sx.rank != 2 || sw.rank != 2)
        return pnb_fail(err, PNB_ERROR_INPUT, "linear: x and weight have rank 2, found %s and %s", pnb_shape_text(sx, tx),
                        pnb_shape_text(sw, tw));
    if (sx.d[1] != sw.d[1])
        return pnb_fail(err, PNB_ERROR_INPUT, "linear: weight expects %u inputs, x has %u", sw.d[1], sx.d[1]);
    if (bias != PNB_NONE) {
        PNB_TRY(pnb_graph_check(g, "linear", "bias", bias));
        pnb_shape sb = pnb_graph_shape(g, bias);
        if (sb.rank != 1 || sb.d[0] != sw.d[0])
            return pnb_fail(err, PNB_ERROR_INPUT, "linear: bias expects shape [%u], found %s", sw.d[0], pnb_shape_text(sb, tx));
    }
    return pnb_matmul_bias(g, x, weight, false, true, 1.0f, bias, PNB_MATMUL_COLUMN, y);
}

/* ---- cases ------------------------------------------------------------------------------------------------------ */

static pnb_status case_build(pnb_graph *g, const pnb_op_case *c, const pnb_tensor *in, pnb_tensor *out) {
    return pnb_linear(g, in[0], in[1], c->n_in > 2 ? in[2] : PNB_NONE, out);
}

static void case_reference(const pnb_op_case *c, const double *const *in, double *out) {
    size_t rows = c->in[0].d[0], inputs = c->in[0].d[1], outputs = c->in[1].d[0];
    for (size_t n = 0; n < rows; n++)
        for (size_t o = 0; o < outputs; o++) {
            double sum = c->n_in > 2 ? in[2][o] : 0;
            for (size_t i = 0; i < inputs; i++) sum += in[0][n * inputs + i] * in[1][o * inputs + i];
            out[n * outputs + o] = sum;
        }
}

static double case_flops(const pnb_op_case *c) { return 2.0 * c->in[0].d[0] * c->in[0].d[1] * c->in[1].d[0]; }

#define LINEAR(n, i, o) .n_in = 3, .in = {{2, {n, i, 1, 1}}, {2, {o, i, 1, 1}}, {1, {o, 1, 1, 1}}}
static const pnb_op_case cases[] = {
    {.name = "n1 1 to 1", LINEAR(1, 1, 1)},
    {.name = "n3 7 to 5", LINEAR(3, 7, 5)},
    {.name = "n16 32 to 24", LINEAR(16, 32, 24)},
    {.name = "n2 33 to 64", LINEAR(2, 33, 64)},
    {.name = "n20 64 to 33", LINEAR(20, 64, 33)},
    {.name = "n4 12 to 8, no bias", .n_in = 2, .in = {{2, {4, 12, 1, 1}}, {2, {8, 12, 1, 1}}}},
    {.name = "bench n16 128 to 512", LINEAR(16, 128, 512), .bench = true},
    {.name = "bench n16 2048 to 2048", LINEAR(16, 2048, 2048), .bench = true},
};

const pnb_op_suite pnb_suite_linear = {
    .op = "linear",
    .cases = cases,
    .count = sizeof cases / sizeof cases[0],
    .build = case_build,
    .reference = case_reference,
    .flops = case_flops,
    .parameters = 1u << 1 | 1u << 2, /* weight, bias */
};

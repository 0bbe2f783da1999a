/* lookup: rows of a table by index (class embeddings). */
#include "graph/op.h"
#include "ops/emit.h"
#include "ops/lookup.h"
#include "ops/ops.h"
#include "ops/suite.h"

#include <math.h>

enum { IN_TABLE, IN_INDEX };

static pnb_status lookup_lower(pnb_lower *l, const pnb_node *node) {
    pnb_shape table = pnb_lower_shape(l, node->in[IN_TABLE]);
    pnb_push_lookup push = {.count = pnb_emit_count(l, node->in[IN_INDEX]), .table_rows = table.d[0], .width = table.d[1]};
    pnb_dispatch d = pnb_emit_begin(l, "ops/lookup", NULL);
    pnb_emit_read(&d, node->in[IN_TABLE], false);
    pnb_emit_read(&d, node->in[IN_INDEX], false);
    pnb_emit_write(&d, node->out[0]);
    pnb_emit_push(&d, &push, sizeof push);
    pnb_emit_spread(&d, l, (uint64_t)push.count * push.width);
    return pnb_lower_emit(l, &d);
}

static pnb_status grad_lower(pnb_lower *l, const pnb_node *node) {
    pnb_shape table = pnb_lower_shape(l, node->out[0]);
    pnb_push_lookup push = {.count = pnb_emit_count(l, node->in[0]), .table_rows = table.d[0], .width = table.d[1]};
    pnb_dispatch d = pnb_emit_begin(l, "ops/lookup_grad", NULL);
    pnb_emit_read(&d, node->in[0], false);
    pnb_emit_read(&d, node->in[1], false);
    pnb_emit_write(&d, node->out[0]);
    pnb_emit_push(&d, &push, sizeof push);
    pnb_emit_spread(&d, l, (uint64_t)push.table_rows * push.width);
    return pnb_lower_emit(l, &d);
}

static const pnb_op op_grad = {.name = "lookup_grad", .lower = grad_lower};

static pnb_status lookup_vjp(pnb_graph *g, const pnb_node *node, const pnb_tensor *gout, uint32_t want, pnb_tensor *gin) {
    if (!(want & 1u << IN_TABLE) || gout[0] == PNB_NONE) return PNB_OK;
    pnb_tensor in[2] = {node->in[IN_INDEX], gout[0]};
    pnb_shape shape = pnb_graph_shape(g, node->in[IN_TABLE]);
    return pnb_graph_add(g, &op_grad, in, 2, 0, NULL, 0, &shape, 1, &gin[IN_TABLE], 1);
}

const pnb_op pnb_op_lookup = {.name = "lookup", .vjp = lookup_vjp, .lower = lookup_lower};

pnb_status pnb_lookup(pnb_graph *g, pnb_tensor table, pnb_tensor index, pnb_tensor *y) {
    PNB_TRY(pnb_graph_check(g, "lookup", "table", table));
    PNB_TRY(pnb_graph_check(g, "lookup", "index", index));
    pnb_shape s = pnb_graph_shape(g, table);
    if (s.rank != 2) {
        char text[48];
        return pnb_fail(pnb_graph_error(g), PNB_ERROR_INPUT, "lookup: expects a table [V,D], found %s", pnb_shape_text(s, text));
    }
    pnb_tensor in[2] = {table, index};
    s.d[0] = (uint32_t)pnb_shape_count(pnb_graph_shape(g, index));
    return pnb_graph_add(g, &pnb_op_lookup, in, 2, 0, NULL, 0, &s, 1, y, 1);
}

/* ---- cases: the index is any number, which the op rounds and cuts into the table ------------------------------- */

static pnb_status build(pnb_graph *g, const pnb_op_case *c, const pnb_tensor *in, pnb_tensor *out) {
    (void)c;
    return pnb_lookup(g, in[0], in[1], out);
}

static void reference(const pnb_op_case *c, const double *const *in, double *out) {
    size_t rows = c->in[0].d[0], width = c->in[0].d[1];
    for (size_t n = 0; n < pnb_shape_count(c->in[1]); n++) {
        double row = fmin(fmax(floor(in[1][n] + 0.5), 0), (double)rows - 1);
        for (size_t d = 0; d < width; d++) out[n * width + d] = in[0][(size_t)row * width + d];
    }
}

static const pnb_op_case cases[] = {
    {.name = "v7 d5 n9", .n_in = 2, .in = {{2, {7, 5, 1, 1}}, {1, {9, 1, 1, 1}}}, .scale = {1, 2}, .shift = {0, 3}, .no_grad = 2},
    {.name = "v10 d16 n4", .n_in = 2, .in = {{2, {10, 16, 1, 1}}, {1, {4, 1, 1, 1}}}, .scale = {1, 8}, .shift = {0, 5}, .no_grad = 2},
    {.name = "one row", .n_in = 2, .in = {{2, {1, 3, 1, 1}}, {1, {2, 1, 1, 1}}}, .no_grad = 2},
};

const pnb_op_suite pnb_suite_lookup = {"lookup", cases, sizeof cases / sizeof cases[0], build, reference, .flops = NULL};

/* Sparse matrices: rows of (column, weight), kept with their transpose, so that either direction gathers in a fixed
 * order. */
#include "measure/sparse.h"

#include "measure/operator_type.h"
#include "measure/sparse_push.h"
#include "ops/emit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- on the host ------------------------------------------------------------------------------------------------ */

bool pnb_sparse_add_row(pnb_sparse *m, uint32_t n, const uint32_t *columns, const float *weights) {
    if (m->rows + 2 > m->rows_room) {
        uint32_t room = 2 * m->rows_room + 64, *more = realloc(m->start, room * sizeof *more);
        if (!more) return false;
        if (!m->start) more[0] = 0;
        m->start = more;
        m->rows_room = room;
    }
    if (m->count + n > m->room) {
        uint32_t room = 2 * m->room + n + 64;
        struct pnb_sparse_entry *more = realloc(m->entries, room * sizeof *more);
        if (!more) return false;
        m->entries = more;
        m->room = room;
    }
    for (uint32_t i = 0; i < n; i++) m->entries[m->count++] = (struct pnb_sparse_entry){columns[i], weights[i]};
    m->start[++m->rows] = m->count;
    return true;
}

void pnb_sparse_free(pnb_sparse *m) {
    free(m->start);
    free(m->entries);
    memset(m, 0, sizeof *m);
}

static bool transpose(const pnb_sparse *m, pnb_sparse *t) {
    *t = (pnb_sparse){.rows = m->columns, .columns = m->rows, .count = m->count};
    t->start = calloc((size_t)t->rows + 2, sizeof *t->start);
    t->entries = malloc((m->count ? m->count : 1) * sizeof *t->entries);
    if (!t->start || !t->entries) return false;
    for (uint32_t k = 0; k < m->count; k++) t->start[m->entries[k].column + 2]++;
    for (uint32_t i = 0; i < t->rows; i++)
        t->start[i + 2] += t->start[i + 1]; /* one place on: the fill moves them back */
    for (uint32_t i = 0; i < m->rows; i++) {
        for (uint32_t k = m->start[i]; k < m->start[i + 1]; k++) {
            t->entries[t->start[m->entries[k].column + 1]++] = (struct pnb_sparse_entry){i, m->entries[k].weight};
        }
    }
    return true;
}

/* ---- constants: whole numbers travel in the bits of floats ------------------------------------------------------- */

static pnb_status add_half(pnb_operator *op, const char *name, const char *part, const pnb_sparse *m) {
    char label[64];
    size_t entries = m->count ? m->count : 1;
    float *start = malloc(((size_t)m->rows + 1) * sizeof *start), *list = calloc(2 * entries, sizeof *list);
    if (start) memcpy(start, m->start, ((size_t)m->rows + 1) * sizeof *start);
    for (uint32_t k = 0; list && k < m->count; k++) {
        memcpy(list + 2 * k, &m->entries[k].column, sizeof *list);
        list[2 * k + 1] = m->entries[k].weight;
    }
    snprintf(label, sizeof label, "%.32s.%s.start", name, part);
    pnb_status status = pnb_operator_add_constant(op, label, pnb_shape1(m->rows + 1), start);
    if (status != PNB_OK) {
        free(list);
        return status;
    }
    snprintf(label, sizeof label, "%.32s.%s.entries", name, part);
    return pnb_operator_add_constant(op, label, pnb_shape2((uint32_t)entries, 2), list);
}

pnb_status pnb_sparse_add(pnb_operator *op, const char *name, const pnb_sparse *m, uint32_t *first) {
    pnb_sparse back;
    *first = op->n_constants;
    pnb_status status = transpose(m, &back) ? PNB_OK
                                            : pnb_fail(op->err, PNB_ERROR_OUT_OF_MEMORY, "operator %s: no host memory",
                                                       op->type->doc.type);
    if (status == PNB_OK) status = add_half(op, name, "rows", m);
    if (status == PNB_OK) status = add_half(op, name, "columns", &back);
    pnb_sparse_free(&back);
    return status;
}

/* ---- the op ------------------------------------------------------------------------------------------------------ */

enum { IN_X, IN_START, IN_ENTRIES, IN_BACK_START, IN_BACK_ENTRIES };

typedef struct sparse_attr {
    uint32_t angle;
} sparse_attr;

static const pnb_op op_sparse;

static pnb_status multiply(pnb_graph *g, const pnb_tensor in[5], uint32_t rows, uint32_t angle, pnb_tensor *y) {
    sparse_attr attr = {angle};
    pnb_shape out = pnb_shape2(pnb_graph_shape(g, in[IN_X]).d[0], rows);
    return pnb_graph_add(g, &op_sparse, in, 5, 0, &attr, sizeof attr, &out, 1, y, 1);
}

static pnb_status vjp(pnb_graph *g, const pnb_node *node, const pnb_tensor *gout, uint32_t want, pnb_tensor *gin) {
    if (!(want & 1u << IN_X) || gout[0] == PNB_NONE) return PNB_OK;
    uint32_t columns = pnb_graph_shape(g, node->in[IN_X]).d[1];
    const pnb_tensor in[5] = {gout[0], node->in[IN_BACK_START], node->in[IN_BACK_ENTRIES], node->in[IN_START],
                              node->in[IN_ENTRIES]};
    return multiply(g, in, columns, columns, &gin[IN_X]);
}

static pnb_status lower(pnb_lower *l, const pnb_node *node) {
    pnb_shape x = pnb_lower_shape(l, node->in[IN_X]), y = pnb_lower_shape(l, node->out[0]);
    sparse_attr attr;
    memcpy(&attr, node->attr, sizeof attr);
    pnb_push_sparse push = {.batch = x.d[0], .rows = y.d[1], .columns = x.d[1], .angle = attr.angle};
    pnb_dispatch d = pnb_emit_begin(l, "measure/sparse", "sparse");
    for (int i = 0; i < 3; i++) pnb_emit_read(&d, node->in[i], false);
    pnb_emit_write(&d, node->out[0]);
    pnb_emit_push(&d, &push, sizeof push);
    pnb_emit_spread(&d, l, (uint64_t)push.batch * push.rows);
    return pnb_lower_emit(l, &d);
}

static const pnb_op op_sparse = {.name = "sparse", .vjp = vjp, .lower = lower};

/* order: the matrix first, or its transpose. */
static pnb_status bind(pnb_operator *op, pnb_graph *g, uint32_t first, bool back, pnb_tensor x, pnb_tensor in[5]) {
    in[IN_X] = x;
    for (uint32_t i = 0; i < 4; i++) PNB_TRY(pnb_operator_bind(op, g, first + (back ? (i + 2) % 4 : i), &in[1 + i]));
    return PNB_OK;
}

pnb_status pnb_sparse_apply(pnb_operator *op, pnb_graph *g, uint32_t first, pnb_tensor x, uint32_t rows, uint32_t angle,
                            pnb_tensor *y) {
    pnb_tensor in[5];
    PNB_TRY(bind(op, g, first, false, x, in));
    return multiply(g, in, rows, angle, y);
}

pnb_status pnb_sparse_adjoint(pnb_operator *op, pnb_graph *g, uint32_t first, pnb_tensor y, uint32_t columns,
                              pnb_tensor *x) {
    pnb_tensor in[5];
    PNB_TRY(bind(op, g, first, true, y, in));
    return multiply(g, in, columns, columns, x);
}

/* A sparse matrix as a graph op, differentiable in its argument: y[n,i] = sum_j w_ij x[n,j]. */
#ifndef PNB_MEASURE_SPARSE_H
#define PNB_MEASURE_SPARSE_H

#include "measure/operator.h"

/* On the host, built row by row. Zero-initialise it; free it with pnb_sparse_free. */
typedef struct pnb_sparse {
    uint32_t rows, columns, count;
    uint32_t *start; /* [rows + 1] */
    struct pnb_sparse_entry {
        uint32_t column;
        float weight;
    } * entries; /* [count] */
    uint32_t rows_room, room;
} pnb_sparse;

/* Ends the row of n entries; columns below the matrix's columns. false: no memory. */
bool pnb_sparse_add_row(pnb_sparse *m, uint32_t n, const uint32_t *columns, const float *weights);
void pnb_sparse_free(pnb_sparse *m);

/* Four constants of the operator: the matrix and its transpose; *first is the index of the first. */
pnb_status pnb_sparse_add(pnb_operator *op, const char *name, const pnb_sparse *m, uint32_t *first);
/* x [N,columns] -> y [N,rows], for a matrix of `rows` rows. Rows from `angle` on are angles, brought to [-pi, pi]
 * (`rows`: none). */
pnb_status pnb_sparse_apply(pnb_operator *op, pnb_graph *g, uint32_t first, pnb_tensor x, uint32_t rows, uint32_t angle,
                            pnb_tensor *y);
/* y [N,rows] -> x [N,columns], by the transpose. */
pnb_status pnb_sparse_adjoint(pnb_operator *op, pnb_graph *g, uint32_t first, pnb_tensor y, uint32_t columns,
                              pnb_tensor *x);

#endif

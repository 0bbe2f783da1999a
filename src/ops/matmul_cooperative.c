/* The matrix product with cooperative matrices: operands of 16-bit floats, sums in fp32. The plain kernels of matmul.c are its
 * reference. */
#include "ops/matmul_cooperative.h"

#include "ops/emit.h"
#include "ops/half.h"

enum { TILE = 2, ROW_MAJOR = 0, COLUMN_MAJOR = 1 /* as gl_CooperativeMatrixLayout* */ };

/* Matrices of a workgroup's tile along an axis. */
static uint32_t tile_of(uint32_t length, uint32_t matrix) { return length / matrix % TILE == 0 ? TILE : 1; }

static void count_groups(const uint32_t matrix[3], const pnb_push_matmul *p, uint64_t groups[3]) {
    groups[0] = p->n / (matrix[1] * tile_of(p->n, matrix[1]));
    groups[1] = p->m / (matrix[0] * tile_of(p->m, matrix[0]));
    groups[2] = p->batch;
}

/* A copy of t as 16-bit floats can be shared: nothing changes t in place. */
static bool may_narrow(const pnb_graph *g, pnb_tensor t) {
    uint64_t offset;
    bool stays = pnb_graph_constant(g, t) || pnb_graph_computed(g, pnb_graph_root(g, t, &offset));
    return stays && pnb_half_fits(g, pnb_graph_shape(g, t));
}

bool pnb_matmul_cooperative_fits(const pnb_graph *g, const pnb_push_matmul *p, pnb_tensor a, pnb_tensor b) {
    const pnb_gpu_caps *caps = pnb_graph_caps(g);
    const uint32_t *matrix = caps->cooperative;
    if (!matrix[0] || !pnb_graph_narrows(g) || p->m % matrix[0] || p->n % matrix[1] || p->k % matrix[2]) return false;
    uint64_t groups[3];
    count_groups(matrix, p, groups);
    for (int i = 0; i < 3; i++) {
        if (groups[i] > caps->max_groups[i]) return false;
    }
    return may_narrow(g, a) && may_narrow(g, b);
}

pnb_status pnb_matmul_cooperative_emit(pnb_lower *l, const pnb_push_matmul *p, pnb_matmul_operands t) {
    const pnb_gpu_caps *caps = pnb_lower_caps(l);
    const uint32_t *matrix = caps->cooperative;
    uint64_t groups[3];
    count_groups(matrix, p, groups);
    pnb_dispatch d = pnb_emit_begin(l, "ops/matmul_cooperative", "matmul cooperative");
    pnb_emit_read(&d, t.a, false);
    pnb_emit_read(&d, t.b, false);
    d.bind[0].half = d.bind[1].half = true;
    pnb_emit_read(&d, t.bias, false);
    pnb_emit_write(&d, t.c);
    d.spec[0] = caps->subgroup_size;
    for (int i = 0; i < 3; i++) pnb_emit_spec(&d, matrix[i]);
    pnb_emit_spec(&d, tile_of(p->m, matrix[0]));
    pnb_emit_spec(&d, tile_of(p->n, matrix[1]));
    pnb_emit_spec(&d, p->a_k == 1 ? ROW_MAJOR : COLUMN_MAJOR);
    pnb_emit_spec(&d, p->b_n == 1 ? ROW_MAJOR : COLUMN_MAJOR);
    pnb_emit_push(&d, p, sizeof *p);
    for (int i = 0; i < 3; i++) d.groups[i] = (uint32_t)groups[i];
    double read = (double)(p->a_batch ? p->batch : 1) * p->m * p->k + (double)(p->b_batch ? p->batch : 1) * p->k * p->n;
    d.gflop = 2e-9 * p->batch * p->m * p->n * p->k;
    d.gbyte = 2e-9 * read + 4e-9 * p->batch * p->m * p->n;
    return pnb_lower_emit(l, &d);
}

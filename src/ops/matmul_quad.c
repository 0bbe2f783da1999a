/* The matrix product by quads of lanes. The general kernel of matmul.c is its reference. */
#include "ops/matmul_quad.h"

#include "ops/emit.h"
#include "ops/load.h"

enum { PLAIN, TRANSPOSED_A, TRANSPOSED_B };

/* [operands][texel] */
static const char *const shader[3][2] = {{"ops/matmul_quad", "ops/matmul_quad.texel"},
                                         {"ops/matmul_quad.transposed_a", "ops/matmul_quad.transposed_a_texel"},
                                         {"ops/matmul_quad.transposed_b", "ops/matmul_quad.transposed_b_texel"}};

pnb_status pnb_matmul_quad_emit(pnb_lower *l, pnb_push_matmul p, const pnb_matmul_quad *t, bool *emitted) {
    bool texel = pnb_load_fits_texel(l, t->a) && pnb_load_fits_texel(l, t->b), flat = p.a_batch == 0;
    int operands = p.b_n != 1 ? TRANSPOSED_B : p.a_k != 1 ? TRANSPOSED_A : PLAIN;
    uint32_t tile = 16 * (texel ? PNB_MATMUL_QUAD_TEXEL : PNB_MATMUL_QUAD_PLAIN); /* columns */
    uint64_t columns = (flat ? p.batch : 1) * (uint64_t)p.n, threads = 4 * ((columns + tile - 1) / tile);
    uint32_t local = pnb_load_local(l, threads);
    uint64_t groups[3] = {(p.m + PNB_MATMUL_QUAD_ROWS - 1) / PNB_MATMUL_QUAD_ROWS, (threads + local - 1) / local, flat ? 1 : p.batch};
    *emitted = pnb_load_groups_fit(l, groups);
    if (!*emitted) return PNB_OK;
    p.count = (uint32_t)(operands == TRANSPOSED_B ? columns : columns / 4);
    pnb_dispatch d = pnb_emit_begin(l, shader[operands][texel], "matmul");
    pnb_emit_read(&d, t->a, texel);
    pnb_emit_read(&d, t->b, texel);
    pnb_emit_read(&d, t->bias, false);
    pnb_emit_write(&d, t->c);
    d.spec[0] = local;
    pnb_emit_push(&d, &p, sizeof p);
    for (int i = 0; i < 3; i++) d.groups[i] = (uint32_t)groups[i];
    d.gflop = t->gflop;
    d.gbyte = t->gbyte;
    return pnb_lower_emit(l, &d);
}

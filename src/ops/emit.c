/* Writing dispatches: the few decisions that all simple kernels share. */
#include "ops/emit.h"

#include "ops/load.h"

#include <string.h>

enum { CPU_GROUPS = 64, CPU_REDUCE_LOCAL = 32, GPU_REDUCE_LOCAL = 128 };

pnb_dispatch pnb_emit_begin(const pnb_lower *l, const char *shader, const char *label) {
    pnb_dispatch d;
    memset(&d, 0, sizeof d);
    d.shader = shader;
    d.label = label;
    d.n_spec = 1;
    d.spec[0] = pnb_local_size(pnb_lower_caps(l));
    return d;
}

static void bind(pnb_dispatch *d, pnb_tensor t, pnb_access access, bool texel) {
    d->bind[d->n_bind].tensor = t;
    d->bind[d->n_bind].access = access;
    d->bind[d->n_bind].texel = texel;
    d->n_bind++;
}

void pnb_emit_read(pnb_dispatch *d, pnb_tensor t, bool texel) { bind(d, t, PNB_READ, texel); }
void pnb_emit_write(pnb_dispatch *d, pnb_tensor t) { bind(d, t, PNB_WRITE, false); }
void pnb_emit_update(pnb_dispatch *d, pnb_tensor t) { bind(d, t, PNB_READ_WRITE, false); }
void pnb_emit_spec(pnb_dispatch *d, uint32_t value) { d->spec[d->n_spec++] = value; }

void pnb_emit_push(pnb_dispatch *d, const void *push, size_t bytes) {
    memcpy(d->push, push, bytes);
    d->push_bytes = (uint32_t)bytes;
}

void pnb_emit_spread(pnb_dispatch *d, const pnb_lower *l, uint64_t items) {
    const pnb_gpu_caps *caps = pnb_lower_caps(l);
    uint64_t threads = items ? items : 1;
    uint64_t most = (uint64_t)CPU_GROUPS * d->spec[0];
    if (caps->is_cpu && threads > most) threads = most;
    pnb_groups_1d(caps, threads, d->spec[0], d->groups);
}

uint32_t pnb_emit_segments(const pnb_lower *l, uint64_t rows, uint32_t length) {
    bool cpu = pnb_lower_caps(l)->is_cpu;
    uint64_t wanted = ((cpu ? 4096u : 262144u) + rows - 1) / (rows ? rows : 1);
    uint64_t least = cpu ? 8 : 32;
    if (wanted < least) wanted = least;
    return wanted > length ? length : (uint32_t)wanted;
}

uint32_t pnb_emit_row_lanes(pnb_dispatch *d, const pnb_lower *l, uint64_t rows, uint32_t length) {
    const pnb_gpu_caps *caps = pnb_lower_caps(l);
    uint32_t local = caps->is_cpu ? CPU_REDUCE_LOCAL : GPU_REDUCE_LOCAL;
    uint32_t most = caps->is_cpu && rows >= 64 ? 8 : local;
    uint32_t lanes = 1;
    while (lanes < most && lanes * 2 <= length) lanes *= 2;
    d->spec[0] = local;
    pnb_groups_1d(caps, rows * lanes, local, d->groups);
    return lanes;
}

bool pnb_emit_texel(const pnb_lower *l, pnb_tensor t) {
    if (pnb_lower_half(l, t)) return true; /* made to fit (half.c) */
    return (pnb_lower_caps(l)->prefer_texel || pnb_load_quad(l)) && pnb_load_fits_texel(l, t);
}

uint32_t pnb_emit_count(const pnb_lower *l, pnb_tensor t) { return (uint32_t)pnb_shape_count(pnb_lower_shape(l, t)); }

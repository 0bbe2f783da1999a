/* Choices that the fast kernels share: the variant of a shader, the width of a workgroup. */
#include "ops/load.h"

#include "ops/emit.h"

enum { CPU_LOCAL = 8, CPU_LOCAL_MANY = 32, CPU_MANY = 1 << 18, GPU_LOCAL = 64, SPREAD_LANES = 8 };

pnb_load pnb_load_choose(const pnb_lower *l, pnb_tensor a, pnb_tensor b) {
    const pnb_gpu_caps *caps = pnb_lower_caps(l);
    bool must = pnb_lower_half(l, a) || pnb_lower_half(l, b);
    if (!must && pnb_load_quad(l)) return PNB_LOAD_STORAGE;
    if (!must && (!pnb_emit_texel(l, a) || !pnb_emit_texel(l, b))) return PNB_LOAD_STORAGE;
    bool spread = caps->is_cpu && caps->subgroup_shuffle && caps->subgroup_size == SPREAD_LANES;
    return spread ? PNB_LOAD_SPREAD : PNB_LOAD_TEXEL;
}

bool pnb_load_quad(const pnb_lower *l) {
    const pnb_gpu_caps *caps = pnb_lower_caps(l);
    return caps->is_cpu && !caps->prefer_texel && caps->subgroup_quad;
}

bool pnb_load_fits_texel(const pnb_lower *l, pnb_tensor t) {
    uint64_t count = pnb_shape_count(pnb_lower_shape(l, t));
    return count % 4 == 0 && count / 4 <= pnb_lower_caps(l)->max_texel_elements;
}

uint32_t pnb_load_local(const pnb_lower *l, uint64_t count) {
    if (!pnb_lower_caps(l)->is_cpu) return GPU_LOCAL;
    return count > CPU_MANY ? CPU_LOCAL_MANY : CPU_LOCAL;
}

bool pnb_load_groups_fit(const pnb_lower *l, const uint64_t groups[3]) {
    const pnb_gpu_caps *caps = pnb_lower_caps(l);
    return groups[0] <= caps->max_groups[0] && groups[1] <= caps->max_groups[1] && groups[2] <= caps->max_groups[2];
}

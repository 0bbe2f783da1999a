/* The one table of what is known of single drivers and not told by their limits. */
#include "gpu/internal.h"

#include <string.h>

typedef struct quirk {
    VkDriverId driver;
    bool is_cpu;
    bool prefer_texel; /* a texelFetch is far cheaper than a vec4 from a storage buffer (lavapipe: 5.7 against 28 ns for 8 lanes) */
    uint32_t texel_padding; /* a kernel is compiled once more for texel views whose bytes have bits 8 to 15 all zero, and for
                               buffers of a power of two: Mesa takes them for a texture's levels and width */
    bool no_subgroup_arithmetic; /* reported, but slow: kernels use shared memory instead */
} quirk;

static const quirk quirks[] = {
    {VK_DRIVER_ID_MESA_LLVMPIPE, .is_cpu = true, .prefer_texel = true, .texel_padding = 256},
    /* sin, cos and log are good to 1e-3 only: shaders use tables or lib/philox.glsl's own. 65,536 texels a view. */
    {VK_DRIVER_ID_GOOGLE_SWIFTSHADER, .is_cpu = true, .no_subgroup_arithmetic = true},
};

void pnb_quirks_apply(VkDriverId driver, pnb_gpu_caps *caps) {
    caps->is_cpu = caps->type == PNB_GPU_CPU;
    caps->prefer_texel = false;
    for (size_t i = 0; i < sizeof quirks / sizeof *quirks; i++) {
        if (quirks[i].driver != driver) continue;
        caps->is_cpu |= quirks[i].is_cpu;
        caps->prefer_texel = quirks[i].prefer_texel;
        caps->texel_padding = quirks[i].texel_padding;
        if (quirks[i].no_subgroup_arithmetic) caps->subgroup_arithmetic = false;
    }
}

bool pnb_quirks_null_hardware(const pnb_gpu_caps *caps) {
    return strstr(caps->name, "Null hardware") != NULL; /* RADV with RADV_FORCE_FAMILY */
}

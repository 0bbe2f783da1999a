/* What a driver's compiler says of the kernels: registers, spills, occupancy. For looking at kernels on devices that need not be
 * there (tools/radv); no run needs it. The context must have been created with params.statistics. */
#ifndef PNB_GPU_STATISTICS_H
#define PNB_GPU_STATISTICS_H

#include "gpu/gpu.h"

enum { PNB_GPU_MAX_STATISTICS = 32 };

typedef struct pnb_gpu_kernel_statistics {
    pnb_gpu_kernel_desc desc;
    uint32_t subgroup_size; /* that it was compiled for */
    uint32_t count;
    struct {
        char name[64]; /* the driver's own: "VGPRs" */
        double value;
    } item[PNB_GPU_MAX_STATISTICS];
} pnb_gpu_kernel_statistics;

/* Of kernel i, 0 <= i < stats.kernels_created, in the order in which they were made. */
pnb_status pnb_gpu_kernel_get_statistics(pnb_gpu *gpu, size_t i, pnb_gpu_kernel_statistics *out);

#endif

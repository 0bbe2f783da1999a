/* Switches for tests: make a device behave as other devices do, or fail. No other code calls these. */
#ifndef PNB_GPU_TESTING_H
#define PNB_GPU_TESTING_H

#include "gpu/gpu.h"

/* Copy through staging buffers although the host sees the memory, as on a discrete device. For buffers made afterwards. */
void pnb_gpu_test_force_staging(pnb_gpu *gpu, bool on);
/* The n-th device allocation from now on fails as if there were no memory; 0: none. */
void pnb_gpu_test_fail_allocation(pnb_gpu *gpu, uint32_t n);
/* Behave as if the driver had just reported a lost device. */
void pnb_gpu_test_lose(pnb_gpu *gpu);

#endif

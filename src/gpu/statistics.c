/* Statistics of compiled kernels through VK_KHR_pipeline_executable_properties. */
#include "gpu/statistics.h"
#include "gpu/internal.h"

#include <stdio.h>

static double value_of(const VkPipelineExecutableStatisticKHR *s) {
    switch (s->format) {
    case VK_PIPELINE_EXECUTABLE_STATISTIC_FORMAT_BOOL32_KHR: return s->value.b32 ? 1 : 0;
    case VK_PIPELINE_EXECUTABLE_STATISTIC_FORMAT_INT64_KHR: return (double)s->value.i64;
    case VK_PIPELINE_EXECUTABLE_STATISTIC_FORMAT_UINT64_KHR: return (double)s->value.u64;
    default: return s->value.f64;
    }
}

static const pnb_gpu_kernel *kernel_at(const pnb_gpu *gpu, size_t i) {
    for (size_t slot = 0; slot < gpu->kernel_slots; slot++) {
        if (gpu->kernels[slot] && gpu->kernels[slot]->index == i) return gpu->kernels[slot];
    }
    return NULL;
}

pnb_status pnb_gpu_kernel_get_statistics(pnb_gpu *gpu, size_t i, pnb_gpu_kernel_statistics *out) {
    PNB_TRY(pnb_gpu_check(gpu));
    const pnb_gpu_kernel *k = kernel_at(gpu, i);
    if (!k || !gpu->params.statistics) {
        return pnb_fail(gpu->err, PNB_ERROR_USAGE, "kernel %zu: %s", i, k ? "statistics were not asked for" : "there is none");
    }
    VkPipelineExecutablePropertiesKHR executable = {.sType = VK_STRUCTURE_TYPE_PIPELINE_EXECUTABLE_PROPERTIES_KHR};
    VkPipelineInfoKHR pipeline = {.sType = VK_STRUCTURE_TYPE_PIPELINE_INFO_KHR, .pipeline = k->pipeline};
    uint32_t one = 1; /* compute: one executable a pipeline */
    VkResult r = gpu->vk.vkGetPipelineExecutablePropertiesKHR(gpu->device, &pipeline, &one, &executable);
    PNB_TRY(pnb_vk_check(gpu, r, "kernel '%s': its properties", k->desc.shader));

    VkPipelineExecutableStatisticKHR statistics[PNB_GPU_MAX_STATISTICS];
    uint32_t count = one ? PNB_GPU_MAX_STATISTICS : 0;
    for (uint32_t n = 0; n < count; n++) {
        statistics[n] = (VkPipelineExecutableStatisticKHR){.sType = VK_STRUCTURE_TYPE_PIPELINE_EXECUTABLE_STATISTIC_KHR};
    }
    VkPipelineExecutableInfoKHR info = {.sType = VK_STRUCTURE_TYPE_PIPELINE_EXECUTABLE_INFO_KHR, .pipeline = k->pipeline};
    r = gpu->vk.vkGetPipelineExecutableStatisticsKHR(gpu->device, &info, &count, statistics);
    PNB_TRY(pnb_vk_check(gpu, r, "kernel '%s': its statistics", k->desc.shader));
    *out = (pnb_gpu_kernel_statistics){.desc = k->desc, .subgroup_size = executable.subgroupSize, .count = count};
    for (uint32_t n = 0; n < count; n++) {
        snprintf(out->item[n].name, sizeof out->item[n].name, "%.63s", statistics[n].name);
        out->item[n].value = value_of(&statistics[n]);
    }
    return PNB_OK;
}

/* Matrices that the invocations of a subgroup multiply together (VK_KHR_cooperative_matrix): which ones a device offers. */
#include "gpu/internal.h"

#include <stdlib.h>
#include <string.h>

#ifdef PNB_GPU_COOPERATIVE

static bool has_extension(const pnb_vki *vki, VkPhysicalDevice physical) {
    uint32_t n = 0;
    bool found = false;
    if (vki->EnumerateDeviceExtensionProperties(physical, NULL, &n, NULL) < 0 || n == 0) return false;
    VkExtensionProperties *all = calloc(n, sizeof *all);
    if (all && vki->EnumerateDeviceExtensionProperties(physical, NULL, &n, all) >= 0) {
        for (uint32_t i = 0; i < n; i++) found |= strcmp(all[i].extensionName, VK_KHR_COOPERATIVE_MATRIX_EXTENSION_NAME) == 0;
    }
    free(all);
    return found;
}

static pnb_cooperative_features empty_features(void) {
    return (pnb_cooperative_features){
        .model = {.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_MEMORY_MODEL_FEATURES},
        .half = {.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SHADER_FLOAT16_INT8_FEATURES},
        .matrix = {.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_COOPERATIVE_MATRIX_FEATURES_KHR},
    };
}

static void chain(pnb_cooperative_features *f, const void *next) {
    f->matrix.pNext = &f->half;
    f->half.pNext = &f->model;
    f->model.pNext = (void *)(uintptr_t)next;
}

static bool has_features(const pnb_vki *vki, VkPhysicalDevice physical) {
    pnb_cooperative_features f = empty_features();
    VkPhysicalDeviceCooperativeMatrixPropertiesKHR stages = {.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_COOPERATIVE_MATRIX_PROPERTIES_KHR};
    VkPhysicalDeviceProperties2 props = {.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_PROPERTIES_2, .pNext = &stages};
    VkPhysicalDeviceFeatures2 features = {.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_FEATURES_2, .pNext = &f.matrix};
    chain(&f, NULL);
    vki->GetPhysicalDeviceProperties2(physical, &props);
    vki->GetPhysicalDeviceFeatures2(physical, &features);
    return f.matrix.cooperativeMatrix && f.half.shaderFloat16 && f.model.vulkanMemoryModel &&
           (stages.cooperativeMatrixSupportedStages & VK_SHADER_STAGE_COMPUTE_BIT);
}

static bool serves(const VkCooperativeMatrixPropertiesKHR *p) {
    return p->scope == VK_SCOPE_SUBGROUP_KHR && p->AType == VK_COMPONENT_TYPE_FLOAT16_KHR && p->BType == VK_COMPONENT_TYPE_FLOAT16_KHR &&
           p->CType == VK_COMPONENT_TYPE_FLOAT32_KHR && p->ResultType == VK_COMPONENT_TYPE_FLOAT32_KHR && !p->saturatingAccumulation &&
           p->MSize <= 64 && p->NSize <= 64 && p->KSize <= 64;
}

void pnb_cooperative_read(const pnb_vki *vki, VkPhysicalDevice physical, pnb_gpu_caps *caps) {
    PFN_vkGetPhysicalDeviceCooperativeMatrixPropertiesKHR get =
        (PFN_vkGetPhysicalDeviceCooperativeMatrixPropertiesKHR)vki->GetPhysicalDeviceCooperativeMatrixPropertiesKHR;
    uint32_t n = 0, most = 0;
    if (!get || !has_extension(vki, physical) || !has_features(vki, physical) || get(physical, &n, NULL) < 0 || n == 0) return;
    VkCooperativeMatrixPropertiesKHR *all = calloc(n, sizeof *all);
    for (uint32_t i = 0; all && i < n; i++) all[i].sType = VK_STRUCTURE_TYPE_COOPERATIVE_MATRIX_PROPERTIES_KHR;
    if (all && get(physical, &n, all) < 0) n = 0;
    for (uint32_t i = 0; all && i < n; i++) { /* the largest product */
        if (!serves(&all[i]) || all[i].MSize * all[i].NSize * all[i].KSize <= most) continue;
        most = all[i].MSize * all[i].NSize * all[i].KSize;
        caps->cooperative[0] = all[i].MSize;
        caps->cooperative[1] = all[i].NSize;
        caps->cooperative[2] = all[i].KSize;
    }
    free(all);
}

void pnb_cooperative_enable(const pnb_gpu_caps *caps, pnb_cooperative_features *f, VkDeviceCreateInfo *info, const char **extensions) {
    if (!caps->cooperative[0]) return;
    *f = empty_features();
    chain(f, info->pNext);
    f->matrix.cooperativeMatrix = f->half.shaderFloat16 = f->model.vulkanMemoryModel = VK_TRUE;
    info->pNext = &f->matrix;
    extensions[info->enabledExtensionCount++] = VK_KHR_COOPERATIVE_MATRIX_EXTENSION_NAME;
}

#else

void pnb_cooperative_read(const pnb_vki *vki, VkPhysicalDevice physical, pnb_gpu_caps *caps) {
    (void)vki, (void)physical, (void)caps;
}

void pnb_cooperative_enable(const pnb_gpu_caps *caps, pnb_cooperative_features *f, VkDeviceCreateInfo *info, const char **extensions) {
    (void)caps, (void)f, (void)info, (void)extensions;
}

#endif
